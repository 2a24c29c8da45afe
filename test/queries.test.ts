// Each statement of queries/ runs as a user runs it (`flowtoll sql --file`), on rows of an hour that was rolled up. The oracle is
// written out by hand.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sqlCommand } from '@flowtoll/aggregator/commands/sql.ts';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import { openDirectoryStore } from '@flowtoll/aggregator/store/directory-store.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { maintain } from '@flowtoll/aggregator/upkeep/maintain.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

const QUERIES = fileURLToPath(new URL('../queries/', import.meta.url));
const HOUR_MS = 3_600_000;
const CENT = 10n ** 10n;

let store: string;

/** Statements say "the last days" of the clock that DuckDB reads: the rows are of today, or of the day before just after midnight. */
const nowMs = Date.now();

const web: Partial<FlowRow> = {
  ...{ windowStartUs: (nowMs - 60_000) * 1000, windowEndUs: nowMs * 1000, localKind: 'pod', pod: 'web-1', zone: 'a' },
  ...{ namespace: 'shop', workload: 'web', labels: '{"team":"storefront"}', priceBook: 'book', priceBasis: 'exact' },
  ...{ peerKind: 'pod', peerNamespace: 'shop', peerWorkload: 'db', peerZone: 'b', peerPod: 'db-0', port: 5432 },
  ...{ trafficClass: 'cross-zone', txBytes: 1000, rxBytes: 10, txCost: 3n * CENT, rxCost: CENT, processingCost: 0n },
};
const toInternet: Partial<FlowRow> = {
  ...web,
  ...{ peerKind: 'internet', peerNamespace: null, peerWorkload: null, peerPod: null, peerIp: '203.0.113.0/24' },
  ...{ trafficClass: 'internet', path: 'nat-gateway', txBytes: 500, rxBytes: 5, txCost: 9n * CENT, rxCost: null },
};

beforeAll(async () => {
  store = await mkdtemp(join(tmpdir(), 'flowtoll-queries-'));
  const directory = await openDirectoryStore(store);
  let clockMs = nowMs;
  const options = { cluster: 'demo', clock: () => clockMs };
  const table = await openFlowTable(directory, options);
  await table.commit([{ epoch: 'e', sequence: 1 }], (_, buffer) => {
    buffer.append(flowRow(web));
    buffer.append(flowRow({ ...web, pod: 'web-2' }));
    buffer.append(flowRow(toInternet));
    const { windowStartUs = 0, windowEndUs = 0 } = web;
    buffer.append(
      flowRow({ windowStartUs, windowEndUs, trafficClass: 'lost', lossReason: 'vanished', lostBytesMax: 77 }),
    );
    buffer.append(flowRow({ windowStartUs, windowEndUs, trafficClass: 'encapsulation', txBytes: 9999, rxBytes: 9999 }));
  });
  clockMs += HOUR_MS;
  await table.commit([{ epoch: 'e', sequence: 2 }], () => {});
  await table.close();
  await maintain(directory, { ...options, keepFlowsMs: 30 * 24 * HOUR_MS, keepCostsMs: 400 * 24 * HOUR_MS });
});
afterAll(() => rm(store, { recursive: true, force: true }));

async function run(file: string): Promise<Record<string, unknown>[]> {
  let text = '';
  const output = {
    write: async (part: string) => {
      text += part;
    },
    remark: () => undefined,
  };
  const args = ['--store', store, '--format', 'json', '--file', join(QUERIES, file)];
  await sqlCommand(() => output).parseAsync(args, { from: 'user' });
  return JSON.parse(text);
}

const usd = (cents: number) => `0.${String(cents).padStart(2, '0')}0000000000`;
const crossZone = { tx_bytes: 2000, rx_bytes: 20, usd: usd(8) };
const internet = { tx_bytes: 500, rx_bytes: 5, usd: usd(9) };

const EXPECTED: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
  'cost-by-namespace.sql': [
    { namespace: 'shop', traffic_class: 'internet', ...internet, unpriced_bytes: 5 },
    { namespace: 'shop', traffic_class: 'cross-zone', ...crossZone, unpriced_bytes: 0 },
  ],
  'cost-by-workload-pair.sql': [
    { workload: 'web', peer: '(internet)', ...internet },
    { workload: 'web', peer: 'shop/db', ...crossZone },
  ],
  'cross-zone-top-talkers.sql': [
    { workload: 'web', zone: 'a', peer_workload: 'db', peer_zone: 'b', sent_bytes: 2000, sent_usd: usd(6) },
  ],
  'internet-egress-by-workload.sql': [
    { workload: 'web', path: 'nat-gateway', sent_bytes: 500, egress_usd: usd(9), processing_usd: usd(0) },
  ],
  'daily-trend.sql': [{ tx_bytes: 2500, rx_bytes: 25, usd: usd(17), usd_change: null }],
  'what-is-missing.sql': [
    { what: 'lost: vanished', hours: 1, known_bytes: null, at_most_bytes: 77 },
    { what: 'no rate: internet', hours: 1, known_bytes: 5, at_most_bytes: null },
  ],
  'price-basis.sql': [
    { price_book: 'book', price_basis: 'exact', traffic_class: 'internet', ...internet },
    { price_book: 'book', price_basis: 'exact', traffic_class: 'cross-zone', ...crossZone },
  ],
  'pods-of-the-last-hour.sql': [
    { pod: 'web-1', peer: '203.0.113.0/24', ...internet },
    { pod: 'web-1', peer: 'db-0', tx_bytes: 1000, usd: usd(4) },
    { pod: 'web-2', peer: 'db-0', tx_bytes: 1000, usd: usd(4) },
  ],
  'cost-by-label.sql': [{ team: 'storefront', tx_bytes: 2500, rx_bytes: 25, usd: usd(17) }],
};

test('every statement is tested', async () => {
  expect(Object.keys(EXPECTED).sort()).toEqual((await readdir(QUERIES)).sort());
});

for (const [file, expected] of Object.entries(EXPECTED)) {
  test(file, async () => {
    const rows = await run(file);
    const order = (each: readonly Record<string, unknown>[]) =>
      each.toSorted((a, b) => (JSON.stringify(a['pod']) < JSON.stringify(b['pod']) ? -1 : 1));
    // Pods that cost the same stand in any order.
    expect(file.startsWith('pods') ? order(rows) : rows).toMatchObject(
      file.startsWith('pods') ? order(expected) : expected,
    );
    expect(rows).toHaveLength(expected.length);
  });
}
