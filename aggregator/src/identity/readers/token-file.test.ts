import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createManualTiming } from '../../../../test/support/kubernetes/manual-timing.ts';
import { until } from '../../../../test/support/until.ts';
import { openTokenFile, parseTokens } from './token-file.ts';
import { tokenFileJsonSchema } from './token-file-format.ts';
import { createTokenReaders } from './token-readers.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const fileOf = (...tokens: object[]) => JSON.stringify({ version: 1, tokens });
const SHOP = { name: 'team-shop', sha256: sha256('of-shop'), namespaces: ['shop', 'cart'] };
const ALL = { name: 'finance', sha256: sha256('of-finance'), namespaces: 'all' };

describe('what is wrong with a file', () => {
  test.each<[string, string[]]>([
    ['', ['(file): holds no mapping']],
    ['version: 2\ntokens: []', ['version: ']],
    [fileOf({ ...SHOP, namespaces: [] }), ['tokens[0].namespaces: ']],
    [fileOf({ ...SHOP, namespaces: ['Shop'] }), ['tokens[0].namespaces[0]: A namespace is a DNS label, such as shop']],
    [fileOf({ ...SHOP, namespaces: '*' }), ['tokens[0].namespaces: ']],
    [fileOf({ ...SHOP, sha256: 'ABC' }), ['tokens[0].sha256: A SHA-256 is 64 hexadecimal digits in lower case']],
    [fileOf({ ...SHOP, name: 'a\nb' }), ['tokens[0].name: A name has letters']],
    [fileOf({ ...SHOP, token: 'x' }), ['tokens[0]: unknown key token']],
    [fileOf({ ...SHOP, expires: 'tomorrow' }), ['tokens[0].expires: ']],
    [fileOf(SHOP, { ...ALL, name: 'team-shop' }), ['tokens[1].name: "team-shop" is the name of tokens[0], too']],
    [fileOf(SHOP, { ...SHOP, name: 'b' }), ['tokens[1].sha256: is there before: one token has one name']],
  ])('%j', (text, problems) => {
    expect(() => parseTokens(text, 'tokens.yaml')).toThrow(
      expect.objectContaining({ code: 'TOKENS_INVALID', message: expect.stringContaining(problems[0]!) }),
    );
  });

  test('is said without a token that somebody put there', () => {
    for (const text of [
      'version: 1\ntokens: [{name: a, sha256: flowtoll_read_s3cr3t, namespaces: all}]',
      'version: 1\ntokens:\n  - {name: a, sha256: "flowtoll_read_s3cr3t}\n',
      'flowtoll_read_s3cr3t: [',
    ]) {
      let said = '';
      try {
        parseTokens(text, 'tokens.yaml');
      } catch (error) {
        said = (error as Error).message;
      }
      expect(said).toMatch(/^file of tokens tokens.yaml has/);
      expect(said).not.toContain('s3cr3t');
    }
  });

  test('a file that is not there', () => {
    const parts = { log: { info: () => {}, warn: () => {} }, schedule: () => () => {} };
    expect(() => openTokenFile('/nowhere/tokens.yaml', parts)).toThrow(
      /^file of tokens \/nowhere\/tokens.yaml cannot be read: ENOENT.*flowtoll tokens new makes tokens$/,
    );
  });
});

describe('readers of a file', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flowtoll-tokens-'));
    path = join(folder, 'tokens.yaml');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function write(text: string): void {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  function open() {
    const timing = createManualTiming();
    const lines: { fields: object; message: string }[] = [];
    const add = (fields: object, message: string) => void lines.push({ fields, message });
    const file = openTokenFile(path, { log: { info: add, warn: add }, schedule: timing.schedule });
    return { timing, lines, file, readers: createTokenReaders(file, timing.now) };
  }

  test('see what their line says', async () => {
    write(fileOf(SHOP, ALL));
    const { readers } = open();
    const shop = await readers.identify('of-shop');
    expect(shop.name).toBe('team-shop');
    expect(await shop.allowed(undefined)).toEqual(new Set(['shop', 'cart']));
    expect(await shop.allowed(['cart'])).toEqual(new Set(['shop', 'cart']));
    for (const other of ['pay', 'Shop', 'shop ', '', 'all', '*', "shop' OR true"]) {
      await expect(shop.allowed(['cart', other])).rejects.toMatchObject({
        code: 'READER_FORBIDDEN',
        message: `team-shop may not see the flows of namespace ${JSON.stringify(other)}: the token is for shop, cart`,
      });
    }
    expect(await (await readers.identify('of-finance')).allowed(['pay'])).toBe('all');
  });

  test.each(['', 'of-Shop', 'of-shop ', sha256('of-shop'), 'team-shop', 'x'.repeat(10_000)])(
    'are nobody else: %j',
    async (token) => {
      write(fileOf(SHOP));
      await expect(open().readers.identify(token)).rejects.toMatchObject({ code: 'READER_UNKNOWN' });
    },
  );

  test('are readers until their token expires', async () => {
    const expires = '2026-01-01T01:00:00Z';
    write(fileOf({ ...SHOP, expires }));
    const { timing, readers } = open();
    const reader = await readers.identify('of-shop');
    timing.advance(3_599_999);
    await readers.identify('of-shop');
    await reader.allowed(undefined);
    timing.advance(1);
    await expect(readers.identify('of-shop')).rejects.toMatchObject({ code: 'READER_UNKNOWN' });
    await expect(reader.allowed(undefined)).rejects.toMatchObject({ code: 'READER_UNKNOWN' });
  });

  test('come and go with the file; a file that cannot be read changes nothing, and is said once', async () => {
    write(fileOf(SHOP));
    const { timing, lines, file, readers } = open();
    const shop = await readers.identify('of-shop');
    write(fileOf(ALL, { ...SHOP, namespaces: ['cart'] }));
    timing.advance(10_000);
    await until('it is read', () => lines.length === 1);
    expect(await shop.allowed(undefined)).toEqual(new Set(['cart']));
    for (const bad of ['version: 1', 'version: 1']) {
      write(bad);
      await file.look();
    }
    rmSync(path);
    await file.look();
    await file.look();
    await readers.identify('of-shop');
    write(fileOf(ALL));
    await file.look();
    await expect(shop.allowed(undefined)).rejects.toMatchObject({ code: 'READER_UNKNOWN' });
    expect(lines.map(({ message }) => message.replaceAll('\n', ' '))).toEqual([
      'the tokens of readers are read anew',
      expect.stringMatching(/^the tokens of readers stay as they were: .*tokens: is missing/),
      expect.stringMatching(/^the tokens of readers stay as they were: .*ENOENT/),
      'the tokens of readers are read anew',
    ]);
    file.stop();
    expect(timing.advanceToNext()).toBe(false);
  });
});

test('docs/read-tokens.schema.json is current; if not, run `npm run generate`', () => {
  const committed = readFileSync(new URL('../../../../docs/read-tokens.schema.json', import.meta.url), 'utf8');
  expect(JSON.parse(committed)).toEqual(tokenFileJsonSchema());
});
