// `flowtoll report --bill`: a month of a real table as one bill. Rows are priced by the engine over small books of round rates, typed in
// small-books.testing.ts; figures are worked by hand. That bills of real providers come out to the last digit shows test/bills.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { loadPricingFile } from '../pricing/config/read.ts';
import { createPricing } from '../pricing/pricing.ts';
import { acmeBook, boltBook, GB, GIB } from '../pricing/small-books.testing.ts';
import { at, peerAt, TO_INTERNET, testRow } from '../pricing/testing.ts';
import { openDirectoryStore } from '../store/directory-store.ts';
import { openFlowTable } from '../table/flow-table.ts';
import { maintain } from '../upkeep/maintain.ts';
import { reportCommand } from './report.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 0, 1);
const NEXT_MS = Date.UTC(2026, 1, 1);

let directory: string;
let sequences: Map<string, number>;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-report-bill-'));
  await empty();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function empty(): Promise<void> {
  await rm(join(directory, 'store'), { recursive: true, force: true });
  sequences = new Map();
  await file('acme.json', acmeBook());
  await file('bolt.json', boltBook());
  await file('prices.yaml', CONFIG);
}

const CONFIG = {
  version: 1,
  books: ['acme.json', 'bolt.json'],
  paths: [
    { name: 'nat', path: 'nat-gateway', to: { classes: ['internet'] }, from: { zones: ['a'] } },
    { name: 'tgw', path: 'transit-gateway', to: { services: ['QUEUE'] } },
  ],
} as const;

const pricing = createPricing({ books: [acmeBook(), boltBook()], config: CONFIG as never });

async function file(name: string, content: unknown): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, JSON.stringify(content));
  return path;
}

async function write(rows: readonly FlowRow[], cluster = 'demo', nowMs = NEXT_MS): Promise<void> {
  const store = await openDirectoryStore(join(directory, 'store'));
  const table = await openFlowTable(store, { cluster, clock: () => nowMs });
  const sequence = (sequences.get(cluster) ?? 0) + 1;
  sequences.set(cluster, sequence);
  await table.commit([{ epoch: cluster, sequence }], (_, buffer) => {
    for (const row of rows) buffer.append(row);
  });
  await table.close();
}

function rowAt(startMs: number, fields: Partial<FlowRow>, cluster = 'demo'): FlowRow {
  const row = testRow({
    ...{ ...at('acme', 'r1', 'a'), cluster, peerCluster: cluster },
    ...{ windowStartUs: startMs * 1000, windowEndUs: (startMs + 60_000) * 1000, ...fields },
  });
  pricing.price(row);
  return row;
}

interface Printed {
  readonly text: string;
  readonly remarks: string;
}

async function report(args: readonly string[], nowMs = NEXT_MS): Promise<Printed> {
  const output = { text: '', remarks: '' };
  const sink = () => ({
    write: async (text: string) => {
      output.text += text;
    },
    remark: (text: string) => {
      output.remarks += text;
    },
  });
  const command = reportCommand(sink, () => nowMs)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  await command.parseAsync(['--store', join(directory, 'store'), ...args], { from: 'user' });
  return output;
}

const bill = (args: readonly string[] = [], nowMs = NEXT_MS) =>
  report(['--bill', '2026-01', '--pricing', join(directory, 'prices.yaml'), ...args], nowMs);

const billed = async (args: readonly string[] = [], nowMs = NEXT_MS) =>
  JSON.parse((await bill([...args, '--format', 'json'], nowMs)).text);

const QUEUE = { ...TO_INTERNET, ...peerAt('acme', 'r1'), peerKind: 'provider-service', peerName: 'QUEUE' } as const;
/** By zone b, where no gateway is. */
const PLAIN = { ...TO_INTERNET, zone: 'b' } as const;

/** Two clusters and two providers; Acme's internet: 2 GB free, 10 GB at 0.10, above 0.05. */
async function writeMonth(): Promise<void> {
  await write([
    // The first minute of the month: 2 free, 2 at 0.10.
    rowAt(START_MS, { ...PLAIN, txBytes: 4 * GB, rxBytes: GB }),
    // 4 × 0.01 + 1 × 0.01.
    rowAt(START_MS + 3 * DAY_MS, { ...peerAt('acme', 'r1', 'b'), txBytes: 4 * GB, rxBytes: GB }),
    // No rate between r2 and r1, and nobody knows where: no line.
    rowAt(START_MS + 3 * DAY_MS, { region: 'r2', ...peerAt('acme', 'r1', 'b'), txBytes: 5 * GB, rxBytes: 0 }),
    rowAt(START_MS + 3 * DAY_MS, { ...peerAt('acme', null), txBytes: GB, rxBytes: GB }),
    // The transfer is free, the gateway has no rate.
    rowAt(START_MS + 4 * DAY_MS, { ...QUEUE, txBytes: 2 * GB, rxBytes: 0 }),
    rowAt(START_MS + 5 * DAY_MS, { localKind: null, lossReason: 'vanished', txBytes: GB, rxBytes: null }),
    // December and February are other bills.
    rowAt(START_MS - 60_000, { ...PLAIN, txBytes: 100 * GB, rxBytes: 0 }),
    rowAt(NEXT_MS, { ...PLAIN, txBytes: 100 * GB, rxBytes: 0 }),
  ]);
  await write(
    [
      // 8 at 0.10 fill the tier, 4 at 0.05; the gateway: (12 + 3) × 0.04.
      rowAt(NEXT_MS - 60_000, { ...TO_INTERNET, txBytes: 12 * GB, rxBytes: 3 * GB }, 'other'),
      // 25 GiB × 0.08, estimated.
      rowAt(START_MS, { ...TO_INTERNET, ...at('bolt', 'b1'), txBytes: 25 * GIB, rxBytes: 0 }, 'other'),
    ],
    'other',
  );
}

function shown(text: string): string[] {
  const lines = text.split('\n').map((line) => line.replaceAll(/ {2,}/g, '  ').trim());
  return lines.filter((line) => !line.startsWith('─') && line !== '');
}

describe('a month of two clusters and two providers', () => {
  beforeEach(writeMonth);

  test('lines as bills have them, the rows beside them, and last what no line has', async () => {
    expect(shown((await bill()).text)).toEqual([
      'Cluster demo, other, 2026-01-01 00:00 to 2026-02-01 00:00 UTC',
      'acme, 2026-01, acme@2026-01-01',
      'WHAT  METER  REGION  TIER  QUANTITY  UNIT  PRICE (USD)  AMOUNT (USD)',
      'internet out  r1  free: 2 GB  2  GB  0  0.00',
      'internet out  r1  from 0 GB  10  GB  0.10  1.00',
      'internet out  r1  from 10 GB  4  GB  0.05  0.20',
      'internet in  r1  4  GB  0  0.00',
      'provider-service out  r1  2  GB  0  0.00',
      'cross-zone out  ZoneBytes  r1  4  GB  0.01  0.04',
      'cross-zone in  ZoneBytes  r1  1  GB  0.01  0.01',
      'nat-gateway processing out  r1  12  GB  0.04  0.48',
      'nat-gateway processing in  r1  3  GB  0.04  0.12',
      'Total  1.85',
      '1 GB is 1,000,000,000 bytes.',
      'bolt, 2026-01, bolt@2026-02-02',
      'WHAT  REGION  QUANTITY  UNIT  PRICE (USD)  BASIS  AMOUNT (USD)',
      'internet out  b1  25  GiB  0.08  estimated  2.00',
      'Total  2.00',
      '1 GiB is 1,073,741,824 bytes.',
      'Assumed:',
      'the clusters demo, other are on one bill, and nothing else of the payer counts in these tiers and free amounts',
      'The rows beside the bill:',
      // 16 GB to the internet at 0.10, 0.05, 0.60 and 2.00.
      'rows as stored  4.25 USD',
      'by tiers, free amounts, rounding  -0.40 USD',
      'the bill  3.85 USD',
      'Bytes of the rows that lack a rate:',
      // Of 54.8 GB sent and 6 received.
      'acme: cross-region out, r2 → r1  4.66 GiB sent (8.2%)',
      'acme: transit-gateway processing out + transit-gateway processing in  1.86 GiB sent (3.3%)',
      'unknown class  954 MiB sent, 954 MiB received (3.3%)',
      'Not in the bill at all:',
      'lost: vanished  954 MiB (1.6%); 1 connection',
      'no agent  what these nodes pay for: demo/n2',
      'In the bill, but not certain:',
      'estimated  2.00 USD (51.9%)',
    ]);
  });

  test('JSON has all of it, exactly', async () => {
    const found = await billed();
    expect(found).toMatchObject({
      ...{ version: 1, month: '2026-01', is_over: true, clusters: ['demo', 'other'], prices: null },
      ...{ since: '2026-01-01T00:00:00.000Z', until: '2026-02-01T00:00:00.000Z', total_usd: '3.850000000000' },
      providers: [
        { provider: 'acme', total_usd: '1.850000000000', estimated_usd: '0.000000000000' },
        { provider: 'bolt', total_usd: '2.000000000000', estimated_usd: '2.000000000000' },
      ],
      rows: {
        ...{ price_books: ['acme@2026-01-01', 'bolt@2026-02-02'], total_usd: '4.250000000000' },
        ...{ difference_usd: '-0.400000000000', by_prices_usd: '0.000000000000' },
        by_settling_usd: '-0.400000000000',
      },
      known_of_not_priced_usd: '0.000000000000',
      not_in_bill: { lost: [{ reason: 'vanished', known_bytes: GB }], encapsulation: { tx_bytes: 0 } },
      not_certain: { estimated_usd: '2.000000000000', disputed_usd: '0.000000000000', estimated_percent: 51.9481 },
    });
    expect(found.not_priced.map(({ tx_bytes, rx_bytes }: Record<string, number>) => [tx_bytes, rx_bytes])).toEqual([
      [5 * GB, 0],
      [2 * GB, 0],
      [GB, GB],
    ]);
  });

  test('CSV has the lines; the rest is remarked', async () => {
    const { text, remarks } = await bill(['--format', 'csv']);
    const lines = text.trimEnd().split('\n');
    expect(lines[0]).toMatch(
      /^month,provider,price_book,kind,class,.*,quantity,usd_per_unit,percent_off,amount_usd,basis$/,
    );
    expect(lines).toHaveLength(1 + 9 + 1);
    expect(lines[3]).toContain('2026-01,acme,acme@2026-01-01,transfer,internet,');
    expect(lines[3]).toContain(',10,4000000000,GB,1000000000,4,0.05,0,0.200000000000,exact');
    for (const part of ['-0.40 USD', 'lost: vanished', 'are on one bill', 'cross-region out, r2 → r1']) {
      expect(remarks).toContain(part);
    }
  });

  test('a cluster of its own is a bill of its own', async () => {
    // 2 free, 10 at 0.10, the gateway 0.60; 2.00.
    expect((await billed(['--cluster', 'other'])).total_usd).toBe('3.600000000000');
    // 2 free, 2 at 0.10; zones 0.05.
    expect((await billed(['--cluster', 'demo'])).total_usd).toBe('0.250000000000');
  });

  test('rolled up by hour, it is the same to the last byte', async () => {
    const before = await billed();
    const nowMs = NEXT_MS + 3 * HOUR_MS;
    for (const cluster of ['demo', 'other']) {
      await write([], cluster, nowMs);
      const options = { cluster, clock: () => nowMs, keepFlowsMs: 90 * DAY_MS, keepCostsMs: 400 * DAY_MS };
      await maintain(await openDirectoryStore(join(directory, 'store')), options);
    }
    const after = await billed();
    // Hourly sums have no nodes and no minutes.
    expect(before.not_in_bill.unwatched_nodes).toHaveLength(1);
    const { first_window_start: _, last_window_end: __, not_in_bill, ...same } = before;
    expect(after).toMatchObject({ ...same, not_in_bill: { ...not_in_bill, unwatched_nodes: [] } });
  });

  test('by other prices, what they change stands apart from what tiers change', async () => {
    const [first, ...rates] = acmeBook().rates;
    const dearer = rates.map((rate) => (rate.class === 'cross-zone' ? { ...rate, usdPerUnit: '0.02' } : rate));
    const prices = await file('dearer.json', acmeBook({ rates: [first, ...dearer] }));
    const { text } = await bill(['--prices', prices]);
    expect(shown(text)).toContain('by other prices  +0.05 USD');
    expect(shown(text)).toContain('the bill  3.90 USD');
    expect((await billed(['--prices', prices])).rows).toMatchObject({
      ...{ difference_usd: '-0.350000000000', by_prices_usd: '0.050000000000', by_settling_usd: '-0.400000000000' },
    });
  });
});

test('the lines may have a part of what lacks another rate, and say so', async () => {
  await file('prices.yaml', {
    ...CONFIG,
    paths: [{ name: 'tgw', path: 'transit-gateway', to: { classes: ['internet'] } }],
  });
  const stored = createPricing({ books: [acmeBook(), boltBook()] });
  const row = { ...rowAt(START_MS, { ...TO_INTERNET, txBytes: 3 * GB, rxBytes: 0 }) };
  stored.price(row);
  // Stored with a path that has no rate: 2 GB are free, 1 × 0.10.
  await write([{ ...row, path: 'transit-gateway', processingCost: null, priceBasis: 'none' }]);
  const found = await billed();
  // The rows' tier does not know what is free: 3 × 0.10.
  expect(found).toMatchObject({ total_usd: '0.100000000000', known_of_not_priced_usd: '0.300000000000' });
  expect((await bill()).text).toContain('known of it');
});

test('the example of docs/bills.md is what is printed', async () => {
  const page = await readFile(new URL('../../../docs/bills.md', import.meta.url), 'utf8');
  const [config, printed] = ['yaml', 'text'].map(
    (language) => new RegExp(`^\\x60{3}${language}\\n(.*?)^\\x60{3}$`, 'ms').exec(page)![1]!,
  );
  const path = join(directory, 'prices.yaml');
  await writeFile(path, config!);
  const engine = createPricing(loadPricingFile(path));
  const place = { ...at('aws', 'us-east-1', 'us-east-1a'), ...peerAt('aws', 'us-east-1', 'us-east-1b') };
  const aws = (cluster: string, day: number, fields: Partial<FlowRow>) => {
    const row = rowAt(Date.UTC(2026, 9, day), { ...place, node: `${cluster}-1`, peerNode: null, ...fields }, cluster);
    engine.price(row);
    return row;
  };
  const outside = { ...TO_INTERNET, peerProvider: null, peerRegion: null, peerZone: null };
  await write(
    [
      aws('prod', 1, { ...outside, txBytes: 500 * GIB, rxBytes: 20 * GIB }),
      aws('prod', 31, { txBytes: 300 * GIB, rxBytes: 100 * GIB }),
      aws('prod', 31, { peerRegion: null, peerZone: null, txBytes: 2 * GIB, rxBytes: GIB }),
    ],
    'prod',
  );
  await write(
    [
      aws('staging', 2, { ...outside, txBytes: 40 * GIB, rxBytes: 3 * GIB }),
      aws('staging', 9, { ...peerAt('aws', 'us-west-2', 'us-west-2a'), txBytes: 10 * GIB, rxBytes: 0 }),
      aws('staging', 9, { localKind: null, lossReason: 'vanished', txBytes: 2 ** 20, rxBytes: null }),
    ],
    'staging',
  );
  const { text } = await report(['--bill', '2026-10', '--pricing', path], Date.UTC(2026, 10, 2));
  expect(text.trimEnd()).toBe(printed!.trimEnd());
});

describe('the month', () => {
  test('without rows says so', async () => {
    await writeMonth();
    const other = ['--bill', '2025-11', '--pricing', join(directory, 'prices.yaml')];
    expect((await report(other)).text).toBe('There are no flows in this period.\n');
    const json = JSON.parse((await report([...other, '--format', 'json'])).text);
    expect(json).toMatchObject({ total_usd: '0.000000000000', providers: [], first_window_start: null, clusters: [] });
  });

  test('that is not over says so, and until when', async () => {
    await writeMonth();
    const nowMs = NEXT_MS - 1;
    expect((await bill([], nowMs)).text).toContain(
      '2026-01 is not over (UTC): tiers and free amounts may still change. It has what flowed until 2026-02-01 00:00.\n',
    );
    expect((await bill(['--format', 'csv'], nowMs)).remarks).toContain('2026-01 is not over (UTC)');
    expect((await billed([], nowMs)).is_over).toBe(false);
    expect((await bill([], NEXT_MS)).text).not.toContain('not over');
  });

  test.each(['2026-13', '2026-1', '2026', 'November', '2026-00', '2026-11-01', ''])('%j is none', async (text) => {
    await expect(report(['--bill', text])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `--bill is ${JSON.stringify(text)}: give a calendar month, year and month, such as 2026-11`,
    });
  });

  test.each([
    ['--by', 'class'],
    ['--filter', 'class=internet'],
    ['--since', '7d'],
    ['--until', '1h'],
    ['--top', '3'],
  ])('is all of it: %s is refused', async (name, value) => {
    await expect(bill([name, value])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`leave out ${name} (`),
    });
  });
});

test('any rows: lines add up, every byte has its rates or is missing one, the order of rows does not matter', async () => {
  const counter = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 9 * GB }));
  const anyRow = fc
    .record({
      local: fc.constantFrom(at('acme', 'r1', 'a'), at('acme', 'r2', 'b'), at('bolt', 'b1'), at(null, null)),
      peer: fc.constantFrom<Partial<FlowRow>>(
        ...[peerAt('acme', 'r1', 'b'), peerAt('acme', 'r2', 'c'), peerAt('bolt', 'b1'), peerAt('acme', null)],
        ...[TO_INTERNET, QUEUE],
      ),
      counters: fc.record({ txBytes: counter, rxBytes: counter }),
      day: fc.nat(30),
    })
    .map(({ local, peer, counters, day }) => rowAt(START_MS + day * DAY_MS, { ...local, ...peer, ...counters }));
  await fc.assert(
    fc.asyncProperty(fc.array(anyRow, { minLength: 1, maxLength: 15 }), async (rows) => {
      await empty();
      await write(rows);
      const found = await billed();
      const pico = (usd: string) => BigInt(usd.replace('.', ''));
      const lines: Record<string, string>[] = found.providers.flatMap((provider: { lines: unknown }) => provider.lines);
      const sum = (of: (line: Record<string, string>) => boolean) =>
        lines.filter(of).reduce((total, line) => total + pico(line['amount_usd']!), 0n);
      expect(sum(() => true)).toBe(pico(found.total_usd));
      expect(lines.every((line) => pico(line['amount_usd']!) >= 0n)).toBe(true);
      const { estimated_usd, disputed_usd } = found.not_certain;
      expect(sum(({ basis }) => basis !== 'exact')).toBe(pico(estimated_usd) + pico(disputed_usd));
      // The rows' costs, what other prices would change, and what settling changes are the total.
      const { rows: beside } = found;
      expect(pico(beside.total_usd) + pico(beside.by_prices_usd) + pico(beside.by_settling_usd)).toBe(
        pico(found.total_usd),
      );
      // The same prices: nothing but roundings of rows, three each.
      const byPrices = pico(beside.by_prices_usd);
      expect(byPrices <= BigInt(2 * rows.length) && byPrices >= -BigInt(2 * rows.length)).toBe(true);
      const missing = found.not_priced.reduce(
        (bytes: number, { tx_bytes, rx_bytes }: Record<string, number>) => bytes + tx_bytes! + rx_bytes!,
        0,
      );
      const lacking = (row: FlowRow, cost: bigint | null) => cost === null || row.processingCost === null;
      const expected = rows.reduce(
        (bytes, row) =>
          bytes + (lacking(row, row.txCost) ? row.txBytes! : 0) + (lacking(row, row.rxCost) ? row.rxBytes! : 0),
        0,
      );
      expect(missing).toBe(expected);
      await empty();
      await write(rows.toReversed());
      expect(await billed()).toEqual(found);
    }),
    { numRuns: 8 },
  );
});
