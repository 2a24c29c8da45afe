import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultPriceBooks } from './default-books.ts';
import { priceBookId, priceBookJsonSchema } from './format.ts';
import { loadPriceBookFile, parsePriceBook, parsePriceBookText } from './read.ts';
import { priceText, processingText } from './testing.ts';

const RATE = { class: 'internet', directions: ['out'], unit: 'GB', usdPerUnit: '0.09', basis: 'exact', sources: ['S'] };
const BOOK = {
  formatVersion: 2,
  provider: 'cloud',
  date: '2026-11-23',
  currency: 'USD',
  units: { GB: { bytes: 1_000_000_000, basis: 'exact', sources: ['S'] } },
  regions: ['north'],
  rates: [RATE],
  sources: { S: { address: 'https://example.com/prices', date: '2026-11-01', kind: 'official-page' } },
};
const DOCS = new URL('../../../../docs/', import.meta.url);

describe('a document', () => {
  it('is named by provider and date', () => {
    expect(priceBookId(parsePriceBook(BOOK, 'test'))).toBe('cloud@2026-11-23');
  });

  it('may be YAML or JSON', () => {
    expect(parsePriceBookText(JSON.stringify(BOOK), 'test')).toEqual(BOOK);
    const yaml = `
      formatVersion: 2
      provider: cloud
      date: 2026-11-23
      currency: USD
      units: { GB: { bytes: 1000000000, basis: exact, sources: [S] } }
      regions: [north]
      rates: # by hand
        - { class: internet, directions: [out], unit: GB, usdPerUnit: "0.09", basis: exact, sources: [S] }
      sources:
        S: { address: "https://example.com/prices", date: 2026-11-01, kind: official-page }`;
    expect(parsePriceBookText(yaml, 'test')).toEqual(BOOK);
  });

  const wrong: { name: string; document: unknown; says: string }[] = [
    { name: 'no book at all', document: 'text', says: '(file): Invalid input: expected object' },
    {
      name: 'an older format',
      document: { ...BOOK, formatVersion: 1 },
      says: 'formatVersion: Invalid input: expected 2',
    },
    { name: 'a date that is none', document: { ...BOOK, date: '2026-13-01' }, says: 'date: Invalid ISO date' },
    {
      name: 'another currency',
      document: { ...BOOK, currency: 'EUR' },
      says: 'currency: Invalid input: expected "USD"',
    },
    { name: 'no rates', document: { ...BOOK, rates: undefined }, says: 'rates: is missing; give a array' },
    {
      name: 'an unknown class',
      document: { ...BOOK, rates: [{ ...RATE, class: 'moon' }] },
      says: 'rates[0].class: Invalid option',
    },
    {
      name: 'an unknown region',
      document: { ...BOOK, rates: [{ ...RATE, regions: ['moon'] }] },
      says: 'rates[0].regions: moon is unknown',
    },
  ];
  it.each(wrong)('is refused: $name', ({ document, says }) => {
    expect(() => parsePriceBook(document, 'test.json')).toThrow(
      expect.objectContaining({ code: 'PRICE_BOOK_INVALID', message: expect.stringContaining(says) }),
    );
  });

  it('is refused with the name of the file and the number of problems', () => {
    expect(() => parsePriceBook({ ...BOOK, currency: 'EUR', date: 'today' }, 'test.json')).toThrow(
      /^price book test\.json has 2 problems:/,
    );
  });

  it('is refused if it is neither YAML nor JSON', () => {
    expect(() => parsePriceBookText('rates: [', 'test.yaml')).toThrow(
      expect.objectContaining({ code: 'PRICE_BOOK_INVALID', message: expect.stringContaining('test.yaml') }),
    );
  });
});

describe('a file', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'flowtoll-price-book-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('is read', () => {
    const path = join(directory, 'book.json');
    writeFileSync(path, JSON.stringify(BOOK));
    expect(loadPriceBookFile(path)).toEqual(BOOK);
  });

  it('that is not there is named, with the reason', () => {
    const path = join(directory, 'none.json');
    expect(() => loadPriceBookFile(path)).toThrow(
      expect.objectContaining({
        code: 'PRICE_BOOK_INVALID',
        message: expect.stringMatching(/^price book .*none\.json cannot be read: ENOENT.*; check the path/),
      }),
    );
  });
});

describe('docs', () => {
  it('price-book.schema.json is current; if not, run `npm run generate`', () => {
    const committed = readFileSync(new URL('price-book.schema.json', DOCS), 'utf8');
    expect(JSON.parse(committed)).toEqual(priceBookJsonSchema());
  });

  it('price-books.md names every switch, value and path of the default books', () => {
    const page = readFileSync(new URL('price-books.md', DOCS), 'utf8');
    for (const { switches = {}, rates, processing = [], treatAs = [] } of defaultPriceBooks()) {
      const words = [
        ...Object.entries(switches).flatMap(([name, { values }]) => [name, ...values]),
        ...[...rates, ...processing, ...treatAs].flatMap(({ paths = [] }) => paths),
      ];
      expect(words.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
    }
  });

  it('the example of price-books.md is a good book that says what the page says', () => {
    const page = readFileSync(new URL('price-books.md', DOCS), 'utf8');
    const examples = [...page.matchAll(/```yaml\n(formatVersion: 2\n[\s\S]*?)```/g)].map((match) => match[1]!);
    expect(examples).toHaveLength(1);
    const book = parsePriceBookText(examples[0]!, 'price-books.md');
    expect(priceBookId(book)).toBe('own@2026-11-01');
    const inside = { region: 'berlin', peerRegion: 'berlin' };
    expect(priceText(book, { ...inside, class: 'same-region' })).toBe('0 exact, 0 exact');
    expect(priceText(book, { class: 'cross-region', region: 'berlin', peerRegion: 'vienna' })).toBe(
      '0.004 estimated, 0 exact',
    );
    expect(priceText(book, { class: 'internet', region: 'berlin' })).toBe('tiers exact, 0 exact');
    const cheap = { switches: { uplink: 'second' } };
    expect(priceText(book, { class: 'internet', region: 'berlin', ...cheap })).toBe('0.002 exact, 0 exact');
    expect(processingText(book, { path: 'load-balancer', region: 'vienna' })).toBe('0 exact, 0 exact');
  });
});
