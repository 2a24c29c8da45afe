// `flowtoll prices` as its users meet it: what it prints, what it writes, how it ends.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PriceBook } from '../pricing/book/format.ts';
import { awsOffer, awsTransfer, bookOf, rate } from '../pricing/importers/importers.testing.ts';
import { pricesCommand } from './prices.ts';

const BASE = bookOf({
  provider: 'aws',
  regions: ['us-east-1', 'eu-west-1'],
  rates: [
    rate({ class: 'cross-zone', directions: ['out', 'in'], usdPerUnit: '0.01' }),
    rate({ class: 'cross-region', regions: ['us-east-1'], peerRegions: ['eu-west-1'], usdPerUnit: '0.02' }),
    rate({ class: 'cross-region', regions: ['eu-west-1'], peerRegions: ['us-east-1'], usdPerUnit: '0.02' }),
    rate({
      ...{ class: 'internet', basis: 'disputed' },
      tiers: [
        { from: 0, usdPerUnit: '0.09' },
        { from: 10240, usdPerUnit: '0.085' },
      ],
    }),
  ],
  processing: [
    {
      ...{ paths: ['nat-gateway'], directions: ['out', 'in'], regions: ['us-east-1'], unit: 'GB', usdPerUnit: '0.045' },
      ...{ basis: 'exact', sources: ['B1'] },
    },
  ],
  allowances: [
    {
      ...{ name: 'internet-100-gb', amount: 100, unit: 'GB', class: 'internet', counts: 'before-tiers' },
      ...{ basis: 'exact', sources: ['B1'] },
    },
  ],
});

const OFFER = awsOffer([
  {
    sku: 'PAIR',
    attributes: awsTransfer('InterRegion Outbound', 'USE1-EU-AWS-Out-Bytes', 'US East (N. Virginia)', 'EU (Ireland)'),
    tiers: [['0', 'Inf', '0.0250000000']],
  },
  {
    sku: 'UNKNOWN',
    attributes: awsTransfer('InterRegion Outbound', 'USE1-EU-AWS-Out-ABytes', 'US East (N. Virginia)', 'EU (Ireland)'),
    tiers: [['0', 'Inf', '0.04']],
  },
]);

let directory: string;
let printed: string;
let remarks: string;
let exitCode: number;
let requests: { url: string; headers: Record<string, string> }[];
let environment: Record<string, string>;
let answer: unknown;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-prices-'));
  [printed, remarks, exitCode, requests, environment, answer] = ['', '', 0, [], {}, OFFER];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const output = () => ({
  write: async (text: string) => {
    printed += text;
  },
  remark: (text: string) => {
    remarks += text;
  },
});

const world = {
  fetch: (async (url, init) => {
    requests.push({ url: String(url), headers: init!.headers as Record<string, string> });
    return new Response(JSON.stringify(answer));
  }) as typeof fetch,
  sleep: async () => undefined,
  nowMs: () => Date.UTC(2026, 10, 24),
  random: () => 0.5,
};

function silent(command: Command): Command {
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  for (const child of command.commands) silent(child);
  return command;
}

const run = (...args: string[]) =>
  silent(
    pricesCommand(
      (code) => {
        exitCode = code;
      },
      output,
      world,
      environment,
    ),
  ).parseAsync(args, { from: 'user' });

async function save(name: string, content: unknown): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('show', () => {
  test('rates with basis, date and sources', async () => {
    await run('show', await save('base.json', BASE));
    expect(printed).toBe(`aws@2026-01-31: 2 regions, prices in USD

CLASS         PATH         BYTES   IF  REGIONS    OTHER SIDE    FROM    USD  PER  BASIS     DATE        SOURCES
────────────  ───────────  ──────  ──  ─────────  ──────────  ──────  ─────  ───  ────────  ──────────  ───────
cross-zone                 out+in      any        any                 0.01   GB   exact     2026-01-31  B1
cross-region               out         us-east-1  eu-west-1           0.02   GB   exact     2026-01-31  B1
cross-region               out         eu-west-1  us-east-1           0.02   GB   exact     2026-01-31  B1
internet                   out         any        any              0  0.09   GB   disputed  2026-01-31  B1
                                                              10,240  0.085
(passing it)  nat-gateway  out+in      us-east-1                      0.045  GB   exact     2026-01-31  B1

1 GB is 1,073,741,824 bytes (exact).
Free each month: 100 GB, internet-100-gb; tiers count what is beyond; exact

SOURCE  DATE        KIND     ADDRESS
──────  ──────────  ───────  ───────────────────────
B1      2026-01-31  by hand  https://prices.example/
`);
  });

  test.each([
    [['--region', 'eu-west-1'], ['cross-zone', 'cross-region', 'internet'], 0],
    [['--region', 'us-east-1', '--peer-region', 'eu-west-1'], ['cross-zone', 'cross-region', 'internet'], 0],
    [['--class', 'internet'], ['internet'], 0],
    [['--path', 'nat-gateway'], [], 1],
    [['--class', 'peered'], [], 0],
  ])('%s', async (flags, classes, processingCount) => {
    await run('show', await save('base.json', BASE), '--format', 'json', ...flags);
    const [shown] = JSON.parse(printed) as [{ rates: PriceBook['rates']; processing: unknown[] }];
    expect(shown.rates.map((entry) => entry.class)).toEqual(classes);
    expect(shown.processing).toHaveLength(processingCount);
  });

  test('a region that is not in the book is remarked', async () => {
    await run('show', await save('base.json', BASE), '--region', 'eu-west-9');
    expect(remarks).toBe('flowtoll: aws@2026-01-31 has no region eu-west-9; what is shown holds for any region\n');
  });

  test('says when there is nothing', async () => {
    await run('show', await save('base.json', BASE), '--class', 'peered');
    expect(printed).toBe('aws@2026-01-31: 2 regions, prices in USD\n\nIt has no rate for that.\n');
  });

  test('the books that come with Flowtoll', async () => {
    await run('show', '--class', 'cross-zone');
    for (const provider of ['aws', 'gcp', 'azure']) expect(printed).toMatch(new RegExp(`^${provider}@`, 'm'));
  });
});

describe('diff', () => {
  test('nothing', async () => {
    await run('diff', await save('a.json', BASE), await save('b.json', BASE));
    expect(printed).toBe('aws@2026-01-31 → aws@2026-01-31: every rate is the same.\n');
    expect(exitCode).toBe(0);
  });

  test('old and new with percent, tier by tier', async () => {
    const [crossZone, there, back, internet] = BASE.rates as [
      PriceBook['rates'][0],
      PriceBook['rates'][0],
      PriceBook['rates'][0],
      PriceBook['rates'][0],
    ];
    const tiers = [
      { from: 0, usdPerUnit: '0.09' },
      { from: 10240, usdPerUnit: '0.1' },
    ];
    const next = {
      ...{ ...BASE, date: '2026-02-28', processing: [] },
      rates: [crossZone, { ...there, usdPerUnit: '0.01' }, { ...back, basis: 'estimated' }, { ...internet, tiers }],
    };
    const files = [await save('a.json', BASE), await save('b.json', next)] as const;
    await run('diff', ...files);
    expect(printed).toBe(
      `aws@2026-01-31 → aws@2026-02-28, prices in USD

CLASS         PATH         BYTES   IF  REGIONS    OTHER SIDE    FROM    OLD   NEW    CHANGE  BESIDES
────────────  ───────────  ──────  ──  ─────────  ──────────  ──────  ─────  ────  ────────  ───────────────────────
cross-region               out         us-east-1  eu-west-1           0.02   0.01  -50.00 %
cross-region               out         eu-west-1  us-east-1           0.02   0.02            basis exact → estimated
internet                   out         any        any              0  0.09   0.09
                                                              10,240  0.085  0.1   +17.65 %
(passing it)  nat-gateway  out+in      us-east-1  any                 0.045                  removed
`,
    );
    expect(exitCode).toBe(3);
    printed = '';
    await run('diff', ...files, '--format', 'json');
    expect(JSON.parse(printed)).toMatchObject({
      ...{ old: 'aws@2026-01-31', new: 'aws@2026-02-28', others: [] },
      rates: [{ kind: 'changed' }, { kind: 'basis' }, { kind: 'changed' }, { kind: 'removed', paths: ['nat-gateway'] }],
    });
  });
});

describe('validate', () => {
  test('every file is looked at, every problem has its place', async () => {
    const good = await save('good.json', BASE);
    const bad = await save('bad.json', {
      ...BASE,
      rates: [
        { ...BASE.rates[0], unit: 'TB' },
        { ...BASE.rates[3], tiers: [{ from: 5, usdPerUnit: '1' }] },
      ],
    });
    await run('validate', bad, good, join(directory, 'none.json'));
    const [, first, second, third, fourth] = printed.split('\n');
    expect(printed.split('\n')[0]).toMatch(/bad\.json has 2 problems:$/);
    expect([first, second]).toEqual([
      '  rates[0].unit: TB is not in units; add it there with its bytes',
      '  rates[1].tiers[0].from: is 5; the first tier begins at 0',
    ]);
    expect(third).toBe(`${good}: aws@2026-01-31 is valid: 5 rates for 2 regions`);
    expect(fourth).toMatch(/none\.json cannot be read: ENOENT/);
    expect(exitCode).toBe(1);
  });

  test('all is well', async () => {
    await run('validate', await save('good.json', BASE));
    expect(exitCode).toBe(0);
  });
});

describe('import', () => {
  test('from saved documents over a base, with what was done and what changes', async () => {
    const base = await save('base.json', BASE);
    const out = join(directory, 'new.json');
    await run('import', 'aws', '--from', await save('offer.json', OFFER), '--base', base, '--out', out);
    expect(printed).toBe(`Read 1 document: 2 rows, 1 rate (0 for traffic that the base has no rate for), 0 free amounts.
5 entries of aws@2026-01-31: 1 replaced, 0 in part, 4 as they were.

NOT TAKEN  REASON                 FOR EXAMPLE
─────────  ─────────────────────  ──────────────────────
        1  usage type is unknown  USE1-EU-AWS-Out-ABytes

aws@2026-01-31 → aws@2026-09-16, prices in USD

CLASS         PATH  BYTES  IF  REGIONS    OTHER SIDE  FROM   OLD    NEW    CHANGE  BESIDES
────────────  ────  ─────  ──  ─────────  ──────────  ────  ────  ─────  ────────  ───────
cross-region        out        us-east-1  eu-west-1         0.02  0.025  +25.00 %

Written to ${out} as aws@2026-09-16.
`);
    const book = JSON.parse(await readFile(out, 'utf8')) as PriceBook;
    expect(book.date).toBe('2026-09-16');
    expect((await readdir(directory)).toSorted()).toEqual(['base.json', 'new.json', 'offer.json']);
    printed = '';
    await run('validate', out);
    expect(exitCode).toBe(0);
  });

  test('from the official addresses; nothing is written without --out; JSON for programs', async () => {
    const base = await save('base.json', BASE);
    await run('import', 'aws', '--base', base, '--format', 'json', '--effective-from', '2026-10-01');
    expect(requests.map(({ url }) => url)).toEqual([
      'https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSDataTransfer/current/index.json',
    ]);
    expect(JSON.parse(printed)).toMatchObject({
      ...{ base: 'aws@2026-01-31', book: 'aws@2026-09-16', out: null },
      summary: { rowCount: 2, readCount: 1, ignored: [{ reason: 'usage type is unknown', count: 1 }] },
      differences: { rates: [{ kind: 'changed' }] },
    });
    expect(await readdir(directory)).toEqual(['base.json']);
  });

  test('a document older than the base is remarked', async () => {
    const base = await save('base.json', { ...BASE, date: '2026-12-31' });
    await run('import', 'aws', '--base', base);
    expect(remarks).toBe('flowtoll: the documents are of 2026-09-16, older than the base book of 2026-12-31\n');
  });

  describe('Google’s key', () => {
    const gcp = bookOf({
      provider: 'gcp',
      regions: ['us-central1'],
      rates: [rate({ class: 'cross-zone', unit: 'GiB' })],
    });
    const sku = {
      ...{ skuId: 'X', description: 'Network Inter Zone Data Transfer Out' },
      category: { resourceFamily: 'Network', usageType: 'OnDemand' },
      pricingInfo: [
        {
          pricingExpression: {
            usageUnit: 'GiBy',
            tieredRates: [{ startUsageAmount: 0, unitPrice: { currencyCode: 'USD', units: '0', nanos: 10_000_000 } }],
          },
        },
      ],
    };
    const keys = () => requests.map(({ headers }) => headers['x-goog-api-key']);

    beforeEach(() => {
      answer = { skus: [sku] };
    });

    test('from a file or a variable is a header of every request, and nowhere else', async () => {
      const base = await save('gcp.json', gcp);
      const out = join(directory, 'out.json');
      await run('import', 'gcp', '--base', base, '--key-file', await save('key', 'file-key\n'), '--out', out);
      expect(keys()).toEqual(['file-key', 'file-key']);
      environment['FLOWTOLL_PRICES_KEY'] = 'variable-key';
      await run('import', 'gcp', '--base', base, '--format', 'json');
      expect(keys().slice(2)).toEqual(['variable-key', 'variable-key']);
      expect(requests.map(({ url }) => url).join() + printed + remarks + (await readFile(out, 'utf8'))).not.toMatch(
        /file-key|variable-key/,
      );
    });

    test.each([
      ['two words', 'holds no key: it must be one line without spaces'],
      ['', 'holds no key: it must be one line without spaces'],
    ])('%j is none', async (key, message) => {
      const file = await save('key', key);
      await expect(run('import', 'gcp', '--key-file', file)).rejects.toThrow(`${file} ${message}`);
    });

    test('that cannot be read, or that nobody needs', async () => {
      await expect(run('import', 'gcp', '--key-file', join(directory, 'none'))).rejects.toMatchObject({
        ...{ code: 'CONFIG_INVALID', message: expect.stringMatching(/^--key-file cannot be read: ENOENT/) },
      });
      await expect(run('import', 'azure', '--key-file', 'x')).rejects.toThrow(
        "--key-file is for Google's catalogue; azure's prices need no key",
      );
    });
  });

  test.each([
    ['--date', 'yesterday'],
    ['--date', '2026-02-30'],
    ['--effective-from', '2026-1-1'],
  ])('%s %s is refused', async (flag, value) => {
    await expect(run('import', 'azure', flag, value)).rejects.toThrow(/It takes a day like 2026-01-31\./);
  });

  test('--out where nothing can be written leaves nothing behind', async () => {
    const base = await save('base.json', BASE);
    const out = join(directory, 'none', 'new.json');
    await expect(run('import', 'aws', '--base', base, '--out', out)).rejects.toMatchObject({
      ...{ code: 'CONFIG_INVALID', message: expect.stringMatching(/^--out .*new\.json cannot be written: ENOENT/) },
    });
    expect(await readdir(directory)).toEqual(['base.json']);
    // Here the new file can be written, but not put in place.
    await mkdir(join(directory, 'a-directory'));
    await expect(run('import', 'aws', '--base', base, '--out', join(directory, 'a-directory'))).rejects.toMatchObject({
      ...{ code: 'CONFIG_INVALID', message: expect.stringMatching(/a-directory cannot be written: E/) },
    });
    expect((await readdir(directory)).toSorted()).toEqual(['a-directory', 'base.json']);
  });

  test('a failed import leaves the file as it was', async () => {
    const out = await save('new.json', 'the old book');
    const base = await save('base.json', BASE);
    answer = { products: {} };
    await expect(run('import', 'aws', '--base', base, '--out', out)).rejects.toMatchObject({
      code: 'PRICE_DOCUMENT_INVALID',
    });
    expect(await readFile(out, 'utf8')).toBe('the old book');
  });
});
