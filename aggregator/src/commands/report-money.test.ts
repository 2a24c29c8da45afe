// The report's money is honest: what the pricing engine could not price stands in the last lines, byte by byte, and what is not certain
// beside the total. Rows here are priced by the engine over small books whose rates are typed in below; figures are worked by hand.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { parsePriceBook } from '../pricing/book/read.ts';
import { createPricing } from '../pricing/pricing.ts';
import { at, peerAt, TO_INTERNET, testRow } from '../pricing/testing.ts';
import { GROUPING_NAMES, parseGroupings } from '../query/grouping.ts';
import { createReport, type Report } from '../query/report.ts';
import { flowRows } from '../query/report-rows.ts';
import { openDirectoryStore } from '../store/directory-store.ts';
import { arbitraryFlowRow } from '../table/flow-row.testing.ts';
import { openFlowTable } from '../table/flow-table.ts';
import { reportCommand } from './report.ts';
import { openTables } from './tables-source.ts';

const GB = 1_000_000_000;

/** A cloud of one region with zones: no rate for cross-region traffic, none for transit gateways. */
const BOOK = parsePriceBook(
  {
    ...{ formatVersion: 2, provider: 'acme', date: '2026-01-01', currency: 'USD', regions: ['r1'] },
    units: { GB: { bytes: GB, basis: 'exact', sources: ['list'] } },
    rates: [
      rate('same-zone', ['out', 'in'], '0', 'exact'),
      rate('cross-zone', ['out'], '0.01', 'exact'),
      rate('cross-zone', ['in'], '0.02', 'disputed'),
      rate('internet', ['out'], '0.10', 'estimated'),
      rate('internet', ['in'], '0', 'exact'),
      rate('provider-service', ['out', 'in'], '0', 'exact'),
    ],
    missing: [{ regions: ['r1'], peerRegions: ['*'], note: 'there is one region' }],
    sources: { list: { address: 'the list', date: '2026-01-01', kind: 'official-page' } },
  },
  'acme.json',
);

function rate(trafficClass: string, directions: string[], usdPerUnit: string, basis: string) {
  return { class: trafficClass, directions, unit: 'GB', usdPerUnit, basis, sources: ['list'] };
}

const pricing = createPricing({
  books: [BOOK],
  config: { version: 1, paths: [{ name: 'tgw', path: 'transit-gateway', to: { services: ['QUEUE'] } }] },
});

const HERE = at('acme', 'r1', 'a');

function priced(fields: Partial<FlowRow>): FlowRow {
  const row = testRow({ ...HERE, cluster: 'demo', peerCluster: 'demo', ...fields });
  pricing.price(row);
  return row;
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-report-money-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function write(rows: readonly FlowRow[]): Promise<void> {
  const table = await openFlowTable(await openDirectoryStore(directory), { cluster: 'demo', clock: () => 3_600_000 });
  await table.commit([{ epoch: 'e', sequence: 1 }], (_, buffer) => {
    for (const row of rows) buffer.append(row);
  });
  await table.close();
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
  await reportCommand(sink, () => 3_600_000).parseAsync(['--store', directory, ...args], { from: 'user' });
  return output;
}

const ROWS: readonly FlowRow[] = [
  // 4 × 0.01 out, exact; 1 × 0.02 in makes the row disputed: $0.06.
  priced({ ...peerAt('acme', 'r1', 'b'), txBytes: 4 * GB, rxBytes: GB }),
  // 1.4 × 0.10 = $0.14, estimated.
  priced({ ...TO_INTERNET, txBytes: 1.4 * GB, rxBytes: 0.6 * GB }),
  // No rate between regions; what is received has none, either.
  priced({ ...peerAt('acme', 'r9', 'z'), txBytes: 0.5 * GB, rxBytes: 0.25 * GB }),
  // Nobody knows where the peer is.
  priced({ ...peerAt('acme', null), txBytes: 0.2 * GB, rxBytes: 0.05 * GB }),
  // The transfer is free, the gateway is not, and has no rate.
  priced({
    ...{ ...TO_INTERNET, peerKind: 'provider-service', peerName: 'QUEUE' },
    ...{ ...peerAt('acme', 'r1'), txBytes: 0.75 * GB, rxBytes: 0.25 * GB },
  }),
  // On one node: free, and known to be.
  priced({ ...peerAt('acme', 'r1', 'a'), peerNode: 'n1', txBytes: GB, rxBytes: 0 }),
  priced({ localKind: null, lossReason: 'vanished', txBytes: 0.5 * GB, rxBytes: null }),
];

test('the last lines have every byte without a price, and every dollar that is not certain', async () => {
  await write(ROWS);
  const { text } = await report('--by', 'class');
  const lines = text
    .split('\n')
    .slice(2)
    .map((line) => line.replaceAll(/ {2,}/g, '  ').trim());
  expect(lines.filter((line) => !line.startsWith('─'))).toEqual([
    'CLASS  SENT  RECEIVED  CONNECTIONS  UNPRICED  COST (USD)  NOT CERTAIN',
    'internet  1.30 GiB  572 MiB  1  $0.1400  100%',
    'cross-zone  3.73 GiB  954 MiB  1  $0.0600  100%',
    'provider-service  715 MiB  238 MiB  1  954 MiB  $0',
    'same-node  954 MiB  0 B  1  $0',
    'cross-region  477 MiB  238 MiB  1  715 MiB  ?',
    'unknown  191 MiB  47.7 MiB  1  238 MiB  ?',
    // 0.75 + 0.25 + 1 = 2 GB of 10 GB.
    'Total  7.31 GiB  2.00 GiB  6  1.86 GiB  $0.2000  100%',
    '',
    'Bytes in the total whose cost is not:',
    'unknown class  191 MiB sent, 47.7 MiB received (2.5%)',
    'no rate  477 MiB sent, 238 MiB received (7.5%)',
    'processing  715 MiB sent, 238 MiB received (10.0%) through a gateway or balancer whose rate is not known',
    'Not in the total at all:',
    // 0.5 of 10.5 GB.
    'lost: vanished  477 MiB (4.8%); 1 connection',
    'In the total cost, but not certain:',
    'estimated  $0.1400 (70.0%)',
    'disputed  $0.0600 (30.0%)',
    '',
  ]);
});

test('sums of both directions without a rate that is the same for both have a line of their own', async () => {
  const sum = { directionBasis: 'merged', rxBytes: 0 } as const;
  await write([
    // Nothing whichever way.
    priced({ ...peerAt('acme', 'r1', 'a'), ...sum, txBytes: 3 * GB }),
    priced({ ...TO_INTERNET, ...sum, txBytes: 2 * GB }),
  ]);
  const { text } = await report('--by', 'class');
  expect(text).toMatch(/no direction +1\.86 GiB \(40\.0%\) counted in both directions together, with no rate/);
  expect(text).toMatch(/^same-zone .* \$0$/m);
  expect(text).toMatch(/^internet .* \?$/m);
  expect(text).not.toMatch(/^ +no rate/m);
  const json = JSON.parse((await report('--by', 'class', '--format', 'json')).text);
  expect(json.total).toMatchObject({ unpriced_bytes: 2 * GB });
  expect(json.not_in_total).toMatchObject({ unpriced: { tx_bytes: 0 }, undirected: { tx_bytes: 2 * GB, percent: 40 } });
});

test('JSON and the remark of CSV say the same', async () => {
  await write(ROWS);
  const json = JSON.parse((await report('--by', 'class', '--format', 'json')).text);
  expect(json.total).toMatchObject({ unpriced_bytes: 2 * GB, cost_usd: '0.200000000000' });
  expect(json.not_in_total).toMatchObject({
    unknown_class: { tx_bytes: 0.2 * GB, rx_bytes: 0.05 * GB, percent: 2.5 },
    unpriced: { tx_bytes: 0.5 * GB, rx_bytes: 0.25 * GB, percent: 7.5 },
    unpriced_processing: { tx_bytes: 0.75 * GB, rx_bytes: 0.25 * GB, percent: 10 },
    lost: [{ reason: 'vanished', known_bytes: 0.5 * GB, percent: 4.7619 }],
  });
  expect(json.not_certain).toEqual({
    ...{ estimated_cost_usd: '0.140000000000', estimated_percent: 70 },
    ...{ disputed_cost_usd: '0.060000000000', disputed_percent: 30 },
    ...{ incomplete_cost_usd: '0.000000000000', incomplete_percent: 0 },
  });
  const { text, remarks } = await report('--by', 'class', '--format', 'csv');
  expect(text).toContain('provider-service,750000000,250000000,1,1000000000,0.000000000000,');
  expect(text).toContain(`cross-region,500000000,250000000,1,750000000,,`);
  expect(remarks).toContain('  processing     715 MiB sent, 238 MiB received (10.0%)');
  expect(remarks).toContain('  disputed   $0.0600 (30.0%)');
});

test('by any key the groups add up to the total, part by part', async () => {
  await write(ROWS);
  const groups = join(directory, 'groups.yaml');
  await writeFile(
    groups,
    'version: 1\ngroups:\n  - { name: outside, where: class=internet }\n  - { name: web, where: workload=web }\n',
  );
  const parts = [
    'tx_bytes',
    'rx_bytes',
    'unpriced_bytes',
    'cost',
    'estimated_cost',
    'disputed_cost',
    'incomplete_cost',
  ];
  const amountIn = (sums: Record<string, string | number | null>, part: string) =>
    part.endsWith('bytes') ? BigInt(sums[part]!) : BigInt(String(sums[`${part}_usd`] ?? '0').replace('.', ''));
  const keys = GROUPING_NAMES.map((name) => (name === 'label:NAME' ? 'label:team' : name));
  expect(keys.length).toBeGreaterThan(35);
  let total: unknown;
  for (const key of keys) {
    const { text } = await report('--by', key, '--groups', groups, '--format', 'json');
    const found = JSON.parse(text);
    for (const part of parts) {
      const sum = found.groups.reduce((all: bigint, group: Record<string, string>) => all + amountIn(group, part), 0n);
      expect([key, part, sum]).toEqual([key, part, amountIn(found.total, part)]);
    }
    total ??= [found.total, found.not_in_total.lost, found.not_certain];
    expect([found.total, found.not_in_total.lost, found.not_certain]).toEqual(total);
  }
});

test('what is known of a row that lacks a rate is in the total, and said to be a part', async () => {
  const lacksOut = createPricing({
    books: [{ ...BOOK, rates: BOOK.rates.filter((entry) => !entry.directions.includes('out')) }],
  });
  const row = testRow({
    ...HERE,
    ...peerAt('acme', 'r1', 'b'),
    cluster: 'demo',
    peerCluster: 'demo',
    txBytes: 4 * GB,
    rxBytes: 5 * GB,
  });
  lacksOut.price(row);
  await write([row]);
  // 5 × 0.02.
  expect((await report()).text).toContain(
    'In the total cost, but not certain:\n  incomplete  $0.1000 (100%) known of what lacks a rate\n',
  );
});

test('any rows: bytes without a price are in one line each, costs are certain or in one of three parts', async () => {
  const rows = fc.array(
    arbitraryFlowRow.map((row): FlowRow => ({ ...row, cluster: 'demo' })),
    { minLength: 1, maxLength: 20 },
  );
  const by = fc.constantFrom('class', 'namespace,price-basis', 'direction', 'path,direction,class');
  await fc.assert(
    fc.asyncProperty(rows, by, async (all, keys) => {
      await rm(directory, { recursive: true, force: true });
      // No negative cost, as in the pipeline, and sums that fit.
      const small = (cost: bigint | null) => (cost === null ? null : (cost < 0n ? -cost : cost) / 1000n);
      const written = all.map((row) => ({
        ...row,
        ...{ txCost: small(row.txCost), rxCost: small(row.rxCost), processingCost: small(row.processingCost) },
      }));
      await write(written);
      const { total, groups, ...parts } = await reportOver(keys);
      const counted = written.filter(({ trafficClass }) => trafficClass !== 'lost' && trafficClass !== 'encapsulation');
      const sum = (of: (row: FlowRow) => bigint | number | null) =>
        counted.reduce((result, row) => result + BigInt(of(row) ?? 0n), 0n);
      const isLacking = (row: FlowRow, cost: bigint | null) => cost === null || row.processingCost === null;
      const unpriced =
        sum((row) => (isLacking(row, row.txCost) ? row.txBytes : 0)) +
        sum((row) => (isLacking(row, row.rxCost) ? row.rxBytes : 0));
      expect(total.unpricedBytes).toBe(unpriced);
      const inLines = [parts.unknownClass, parts.unpriced, parts.undirected, parts.unpricedProcessing];
      expect(inLines.reduce((bytes, line) => bytes + line.txBytes + line.rxBytes, 0n)).toBe(unpriced);
      expect(groups.reduce((bytes, group) => bytes + group.unpricedBytes, 0n)).toBe(unpriced);
      const costOf = ({ txCost, rxCost, processingCost }: FlowRow) =>
        (txCost ?? 0n) + (rxCost ?? 0n) + (processingCost ?? 0n);
      const exact = sum((row) => (row.priceBasis === 'exact' ? costOf(row) : 0n));
      const uncertain = (of: Report['total']) => of.estimatedCost + of.disputedCost + of.incompleteCost;
      expect(uncertain(total) + exact).toBe(sum(costOf));
      expect(groups.reduce((cost, group) => cost + uncertain(group), 0n)).toBe(uncertain(total));
    }),
    { numRuns: 25 },
  );
});

async function reportOver(by: string): Promise<Report> {
  const flags = { store: directory, cluster: [], cache: directory, cacheSize: 0 };
  const tables = await openTables({ flags, remark: () => undefined });
  try {
    const options = { by: parseGroupings(by), sinceMs: undefined, untilMs: undefined, top: undefined };
    return await createReport(tables.session, options, flowRows(options));
  } finally {
    await tables.close();
  }
}
