// `flowtoll report --prices`: history priced again from stored bytes, beside what is stored. Rows are priced by the engine over small
// books of round rates and written to a real table; figures are worked by hand.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareStoredRows } from '../billing/comparison.ts';
import type { FlowRow } from '../model/flow-row.ts';
import type { PricingConfig } from '../pricing/config/format.ts';
import { createPricing } from '../pricing/pricing.ts';
import { acmeBook, boltBook, GB } from '../pricing/small-books.testing.ts';
import { at, peerAt, TO_INTERNET, testRow } from '../pricing/testing.ts';
import { parseGroupings } from '../query/grouping.ts';
import { flowRows, hourlyRows } from '../query/report-rows.ts';
import { openDirectoryStore } from '../store/directory-store.ts';
import { openFlowTable } from '../table/flow-table.ts';
import { COST_TABLE_COLUMNS } from '../table/schema.ts';
import { maintain } from '../upkeep/maintain.ts';
import { reportCommand } from './report.ts';
import { openTables } from './tables-source.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 2026-01-10T12:30:00Z. */
const BEGIN_MS = Date.UTC(2026, 0, 10, 12, 30);

let directory: string;
let nowMs: number;
let sequence: number;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-report-prices-'));
  await empty();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function empty(): Promise<void> {
  await rm(join(directory, 'store'), { recursive: true, force: true });
  [nowMs, sequence] = [BEGIN_MS, 0];
}

async function write(rows: readonly FlowRow[]): Promise<void> {
  const store = await openDirectoryStore(join(directory, 'store'));
  const table = await openFlowTable(store, { cluster: 'demo', clock: () => nowMs });
  await table.commit([{ epoch: 'e', sequence: ++sequence }], (_, buffer) => {
    for (const row of rows) buffer.append(row);
  });
  await table.close();
}

/** Everything written so far is summed by hour. */
async function rollUp(): Promise<void> {
  nowMs += 2 * HOUR_MS;
  await write([]);
  const options = { cluster: 'demo', clock: () => nowMs, keepFlowsMs: 30 * DAY_MS, keepCostsMs: 400 * DAY_MS };
  await maintain(await openDirectoryStore(join(directory, 'store')), options);
}

async function file(name: string, content: unknown): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function report(...args: string[]): Promise<{ text: string; remarks: string }> {
  const output = { text: '', remarks: '' };
  const sink = () => ({
    write: async (text: string) => {
      output.text += text;
    },
    remark: (text: string) => {
      output.remarks += text;
    },
  });
  const command = reportCommand(sink, () => BEGIN_MS)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  await command.parseAsync(['--store', join(directory, 'store'), ...args], { from: 'user' });
  return output;
}

const STORED_CONFIG: PricingConfig = {
  version: 1,
  paths: [
    { name: 'nat', path: 'nat-gateway', to: { classes: ['internet'] } },
    { name: 'tgw', path: 'transit-gateway', to: { services: ['QUEUE'] } },
  ],
};

function priced(pricing = createPricing({ books: [acmeBook(), boltBook()], config: STORED_CONFIG })) {
  return (fields: Partial<FlowRow>): FlowRow => {
    const row = testRow({
      ...{ ...at('acme', 'r1', 'a'), cluster: 'demo', peerCluster: 'demo' },
      ...{ windowStartUs: BEGIN_MS * 1000, windowEndUs: (BEGIN_MS + 60_000) * 1000, ...fields },
    });
    pricing.price(row);
    return row;
  };
}

const QUEUE = { ...TO_INTERNET, ...peerAt('acme', 'r1'), peerKind: 'provider-service', peerName: 'QUEUE' } as const;

function rows(): FlowRow[] {
  const row = priced();
  return [
    // 4 × 0.01 + 1 × 0.01.
    row({ ...peerAt('acme', 'r1', 'b'), txBytes: 4 * GB, rxBytes: GB }),
    // 3 × 0.10, and (3 + 1) × 0.04 for the gateway.
    row({ ...TO_INTERNET, txBytes: 3 * GB, rxBytes: GB }),
    // Nothing for the transfer; the gateway has no rate.
    row({ ...QUEUE, txBytes: 2 * GB, rxBytes: 0 }),
    // 5 × 0.02.
    row({ ...peerAt('acme', 'r2', 'c'), txBytes: 5 * GB, rxBytes: 0 }),
    row({ ...peerAt('acme', null), txBytes: 3 * GB, rxBytes: 2 * GB }),
    row({ localKind: null, lossReason: 'vanished', txBytes: GB, rxBytes: null }),
  ];
}

/** Zones 0.02, estimated; internet 0.05; transit gateways 0.03 of what is sent; nothing between regions. */
function otherBook() {
  const book = acmeBook();
  const [sameZone, crossZone, ...others] = book.rates;
  const [nat, ...processing] = book.processing!;
  return acmeBook({
    date: '2026-07-01',
    rates: [
      sameZone,
      { ...crossZone, usdPerUnit: '0.02', basis: 'estimated' },
      ...others
        .filter((rate) => rate.class !== 'cross-region')
        .map((rate) => (rate.tiers === undefined ? rate : { ...rate, tiers: undefined, usdPerUnit: '0.05' })),
    ],
    processing: [
      ...[nat, ...processing],
      { ...nat, paths: ['transit-gateway'], directions: ['out'], usdPerUnit: '0.03' },
    ],
    missing: [
      { regions: ['r1'], peerRegions: ['r2'], note: 'not listed' },
      { regions: ['r2'], peerRegions: ['r1'], note: 'not listed' },
    ],
  });
}

describe('other prices', () => {
  test('stored, new, and difference of each group and in total; last what is on one side only', async () => {
    await write(rows());
    const path = await file('other.json', otherBook());
    const { text } = await report('--by', 'class', '--prices', path);
    const lines = text.split('\n').map((line) => line.replaceAll(/ {2,}/g, '  ').trim());
    expect(lines.filter((line) => !line.startsWith('─'))).toEqual([
      'Cluster demo, 2026-01-10 12:30 to 2026-01-10 12:31 UTC',
      `Priced again by ${path}: acme@2026-07-01`,
      '',
      'CLASS  SENT  RECEIVED  STORED (USD)  NEW (USD)  DIFFERENCE  CHANGE  FIRST PRICED  NO PRICE NOW  UNPRICED  NOT CERTAIN',
      // 3 × 0.05 + 4 × 0.04.
      'internet  2.79 GiB  954 MiB  $0.4600  $0.3100  -$0.1500  -32.6%',
      'cross-region  4.66 GiB  0 B  $0.1000  ?  ?  $0.1000  4.66 GiB',
      // 2 × 0.03.
      'provider-service  1.86 GiB  0 B  $0  $0.0600  $0  $0.0600',
      // 4 × 0.02 + 1 × 0.02.
      'cross-zone  3.73 GiB  954 MiB  $0.0500  $0.1000  +$0.0500  +100%  100%',
      'unknown  2.79 GiB  1.86 GiB  ?  ?  ?  4.66 GiB',
      // Of 0.51 that have a price both times: −0.10.
      'Total  15.8 GiB  3.73 GiB  $0.6100  $0.4700  -$0.1000  -19.6%  $0.0600  $0.1000  9.31 GiB  21.3%',
      '',
      'Not in the difference:',
      'first priced  $0.0600 (12.8%) new cost, of what is stored without',
      'no price now  $0.1000 (16.4%) stored cost: no saving, nobody knows the new one',
      'Bytes that could not be priced again:',
      'acme: cross-region out, r1 → r2  4.66 GiB sent (23.8%)',
      'unknown class  2.79 GiB sent, 1.86 GiB received (23.8%)',
      'In no cost, stored or new:',
      // 1 of 22.
      'lost: vanished  954 MiB (4.5%); 1 connection',
      'In the new cost, but not certain:',
      'estimated  $0.1000 (21.3%)',
      '',
    ]);
  });

  test('--top folds the rest into a row, and the columns still add up', async () => {
    await write(rows());
    const { text } = await report('--by', 'class', '--top', '1', '--prices', await file('other.json', otherBook()));
    // All less the first group: 0.61 − 0.46, 0.47 − 0.31, −0.10 + 0.15.
    expect(text).toMatch(/^… 4 more +13\.0 GiB +2\.79 GiB +\$0\.1500 +\$0\.1600 +\+\$0\.0500 +\+100%/m);
  });

  test('by direction, what lies on the path is a line of its own', async () => {
    await write(rows());
    const path = await file('other.json', otherBook());
    const { text } = await report('--by', 'class,direction', '--format', 'csv', '--prices', path);
    const of = (key: string) => text.split('\n').find((line) => line.startsWith(key));
    expect(of('internet,tx')).toContain(',3000000000,0,0.300000000000,0.150000000000,-0.150000000000,-50,');
    expect(of('internet,processing')).toContain(',0,0,0.160000000000,0.160000000000,0.000000000000,0,');
    expect(of('cross-zone,rx')).toContain(',0,1000000000,0.010000000000,0.020000000000,0.010000000000,100,');
    expect(of('same-zone,processing')).toBeUndefined();
  });

  test('JSON has all of it, exactly; what CSV cannot hold is remarked', async () => {
    await write(rows());
    const path = await file('other.json', otherBook());
    const json = JSON.parse((await report('--by', 'class', '--format', 'json', '--prices', path)).text);
    expect(json).toMatchObject({ prices: path, price_books: ['acme@2026-07-01'], group_count: 5 });
    expect(json.total).toEqual({
      ...{ tx_bytes: 17 * GB, rx_bytes: 4 * GB, stored_cost_usd: '0.610000000000', new_cost_usd: '0.470000000000' },
      ...{ difference_usd: '-0.100000000000', change_percent: -19.6078, first_priced_usd: '0.060000000000' },
      ...{ no_longer_priced_usd: '0.100000000000', unpriced_bytes: 10 * GB },
      ...{ estimated_cost_usd: '0.100000000000', disputed_cost_usd: '0.000000000000' },
      incomplete_cost_usd: '0.000000000000',
    });
    expect(json.not_priced_again).toEqual([
      { what: 'acme: cross-region out, r1 → r2', tx_bytes: 5 * GB, rx_bytes: 0, percent: 23.8095 },
      { what: 'unknown class', tx_bytes: 3 * GB, rx_bytes: 2 * GB, percent: 23.8095 },
    ]);
    expect(json.not_in_costs).toMatchObject({
      ...{ encapsulation: { tx_bytes: 0, rx_bytes: 0 }, unwatched_nodes: [] },
      lost: [{ reason: 'vanished', known_bytes: GB, percent: 4.5455, unknown_hours: 0 }],
    });
    const { remarks } = await report('--by', 'class', '--format', 'csv', '--prices', path);
    expect(remarks).toContain('lost: vanished');
    expect(remarks).toContain('  unknown class                    2.79 GiB sent, 1.86 GiB received (23.8%)');
  });

  test('a pricing configuration counts as it is; beside a book alone counts that of --pricing', async () => {
    await write(rows());
    await file('other.json', otherBook());
    const discounts = [{ percent: '10', provider: 'acme', classes: ['internet'] }];
    const config = await file('prices.yaml', { version: 1, books: ['other.json'], discounts });
    const total = async (...args: string[]) =>
      JSON.parse((await report('--by', 'class', '--format', 'json', ...args)).text).total.new_cost_usd;
    // A tenth of 3 × 0.05 less.
    expect(await total('--prices', config)).toBe('0.455000000000');
    expect(await total('--prices', join(directory, 'other.json'), '--pricing', config)).toBe('0.455000000000');
    expect(await total('--prices', join(directory, 'other.json'))).toBe('0.470000000000');
  });
});

describe('the same prices', () => {
  const HEADER = 50;
  const config: PricingConfig = {
    ...STORED_CONFIG,
    overlayHeaderBytes: HEADER,
    accounts: [{ name: 'far', zoneIds: { a: 'id-1', b: 'id-2' } }],
    networks: [
      {
        ...{ name: 'friends', kind: 'peered', ranges: ['10.50.0.0/16'], provider: 'acme', region: 'r1', zone: 'b' },
        account: 'far',
      },
    ],
    discounts: [{ percent: '10', provider: 'acme', classes: ['internet'], until: '2026-01-11' }],
  };
  const [sameZone, crossZone, ...others] = acmeBook().rates;
  const service = others.find((rate) => rate.class === 'provider-service')!;
  /** Queues cost something; between zones what is sent is less certain than what is received. */
  const book = acmeBook({
    rates: [
      sameZone,
      { ...crossZone, directions: ['out'], basis: 'estimated' },
      { ...crossZone, directions: ['in'] },
      { ...service, services: ['QUEUE'], usdPerUnit: '0.005' },
      ...others,
    ],
  });
  const pricing = createPricing({ books: [book, boltBook()], config });
  const counter = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5 * GB }));
  const anyRow = fc
    .record({
      local: fc.constantFrom(at('acme', 'r1', 'a'), at('acme', 'r2', 'c'), at('bolt', 'b1'), at(null, null)),
      peer: fc.constantFrom<Partial<FlowRow>>(
        ...[peerAt('acme', 'r1', 'b'), peerAt('acme', 'r2', 'c'), peerAt('bolt', 'b1'), peerAt('acme', null)],
        ...[
          TO_INTERNET,
          QUEUE,
          {
            ...TO_INTERNET,
            ...peerAt('acme', 'r1', 'b'),
            peerIp: '10.50.1.1',
            peerName: 'friends',
            peerKind: 'private' as const,
          },
        ],
        { ...QUEUE, peerName: 'orders', peerWorkloadKind: 'QUEUE' },
      ),
      counters: fc.record({ txBytes: counter, rxBytes: counter, txPackets: fc.nat(999), rxPackets: fc.nat(999) }),
      workload: fc.constantFrom('web', 'api', 'batch'),
      hour: fc.nat(47),
    })
    .map(({ local, peer, counters, workload, hour }) => {
      const startUs = (BEGIN_MS - 20 * HOUR_MS + hour * HOUR_MS) * 1000;
      const when = { windowStartUs: startUs, windowEndUs: startUs + 60_000_000 };
      return priced(pricing)({ ...local, ...peer, ...counters, ...when, workload });
    });

  test('any rows, rolled up or not: each group costs what it cost, and as surely', async () => {
    const by = fc.constantFrom('workload', 'class', 'workload,path,direction', 'day,peer-name');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anyRow, { maxLength: 12 }), { maxLength: 3 }), by, async (commits, keys) => {
        await empty();
        await write([]);
        for (const [i, all] of commits.entries()) {
          await write(all);
          if (i === 1) await rollUp();
        }
        const all = commits.flat();
        const flags = { store: join(directory, 'store'), cluster: [], cache: directory, cacheSize: 0 };
        const tables = await openTables({ flags, remark: () => undefined, withRemaining: true });
        try {
          const options = { by: parseGroupings(keys), sinceMs: undefined, untilMs: undefined, top: undefined };
          for (const statement of [
            flowRows(options),
            hourlyRows(
              options,
              COST_TABLE_COLUMNS.map(({ name }) => name),
            ),
          ]) {
            const { total, groups, missing } = await compareStoredRows(tables.session, options, statement, {
              pricing,
              config,
            });
            const sum = (of: (row: FlowRow) => number | bigint | null) =>
              all.reduce((result, row) => result + BigInt(of(row) ?? 0), 0n);
            const cost = ({ txCost, rxCost, processingCost }: FlowRow) =>
              (txCost ?? 0n) + (rxCost ?? 0n) + (processingCost ?? 0n);
            expect(total.storedCost ?? 0n).toBe(sum(cost));
            // Each row is rounded three times, each sum three times.
            const rounding = BigInt(2 * all.length + 2);
            for (const { difference, firstPriced, noLongerPriced, storedCost, newCost } of [total, ...groups]) {
              expect(difference <= rounding && difference >= -rounding).toBe(true);
              expect([firstPriced, noLongerPriced]).toEqual([0n, 0n]);
              expect((newCost ?? 0n) - (storedCost ?? 0n)).toBe(difference);
            }
            expect([total.txBytes, total.rxBytes]).toEqual([sum((r) => r.txBytes), sum((r) => r.rxBytes)]);
            const lacks = (row: FlowRow, own: bigint | null) => own === null || row.processingCost === null;
            expect(total.unpricedBytes).toBe(
              sum((row) => (lacks(row, row.txCost) ? row.txBytes : 0)) +
                sum((row) => (lacks(row, row.rxCost) ? row.rxBytes : 0)),
            );
            expect(missing.reduce((bytes, { txBytes, rxBytes }) => bytes + txBytes + rxBytes, 0n)).toBe(
              total.unpricedBytes,
            );
            for (const [basis, part] of [
              ['estimated', total.estimatedCost],
              ['none', total.incompleteCost],
            ] as const) {
              const stored = sum((row) => (row.priceBasis === basis ? cost(row) : 0n));
              expect(part - stored <= rounding && stored - part <= rounding).toBe(true);
            }
          }
        } finally {
          await tables.close();
        }
      }),
      { numRuns: 25 },
    );
  });

  test('what rounding alone makes differ is shown as nothing', async () => {
    const binary = acmeBook({ units: { GB: { bytes: 2 ** 30, basis: 'exact', sources: ['list'] } } });
    // A byte is 93.13 × 1e-12 USD, 93 in a row; five are 465.66, 466 in a sum.
    const row = priced(createPricing({ books: [binary] }))({ ...TO_INTERNET, txBytes: 1, rxBytes: 0 });
    await write(Array.from({ length: 5 }, () => row));
    const path = await file('same.json', binary);
    expect((await report('--by', 'class', '--prices', path)).text).toMatch(/^internet .* ≈ \$0$/m);
    expect((await report('--by', 'class', '--prices', path, '--format', 'csv')).text).toContain(',0.000000000001,');
  });
});

describe('what is refused', () => {
  beforeEach(() => write(rows()));

  test.each([
    ['no file', ['--prices', '/nowhere.json'], 'PRICING_INVALID', '/nowhere.json cannot be read'],
    ['--pricing alone', ['--pricing', 'x.yaml'], 'CONFIG_INVALID', 'shows costs as they are stored'],
  ])('%s', async (_, args, code, message) => {
    await expect(report(...args)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test.each([
    ['text', 'nothing: [', 'not readable as YAML or JSON'],
    [
      'a book with a negative rate',
      JSON.stringify({ ...acmeBook(), rates: [{ ...acmeBook().rates[0], usdPerUnit: '-1' }] }),
      'rates[0].usdPerUnit',
    ],
    ['a configuration', '{ version: 1, discounts: [{ percent: "120", provider: acme }] }', 'discounts[0].percent'],
  ])('%s, with the place', async (_, content, message) => {
    const path = await file('wrong.yaml', content);
    await expect(report('--prices', path)).rejects.toThrow(message);
  });

  test('a book that the configuration does not fit', async () => {
    await file('acme.json', acmeBook());
    const rules = [{ name: 'q', path: 'interface-endpoint' }];
    const pricing = await file('prices.yaml', {
      version: 1,
      books: ['acme.json'],
      discounts: [{ percent: '5', provider: 'acme', regions: ['r2'] }],
      paths: rules,
    });
    const path = await file(
      'small.json',
      acmeBook({
        regions: ['r1'],
        missing: [],
        rates: acmeBook().rates.filter((rate) => rate.class !== 'cross-region'),
      }),
    );
    await expect(report('--prices', path, '--pricing', pricing)).rejects.toThrow('discounts[0].regions');
  });
});
