// What a watcher asks for against what it gets: every column of arbitrary rows, and filters, judged by plain JavaScript.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { arbitraryFlowRow, expectedCells, flowRow, unordered, WINDOW_US } from '../table/flow-row.testing.ts';
import { createRowQuery, type RowFilter } from './row-query.ts';
import { cells, Follower, texts, WatchedTable } from './watched-table.testing.ts';

let table: WatchedTable;

beforeEach(async () => {
  table = await WatchedTable.open();
});

afterEach(() => table.close());

async function read(version: number, query: ReturnType<typeof createRowQuery>) {
  const follower = new Follower(table, { at: 'version', version }, query);
  try {
    return await follower.until(version);
  } finally {
    await follower.stop();
  }
}

/** Money as the table prints it → 1e-12 USD. */
function picoUsd(text: unknown): string | null {
  return text === null ? null : String(BigInt(String(text).replace('.', '')));
}

test('all columns of any rows arrive as they were written', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryFlowRow, { minLength: 1, maxLength: 50 }), async (rows) => {
      const version = await table.commitRows(rows);
      const got = (await read(version, createRowQuery([], [], false))).flatMap(cells);
      const wanted = rows.map((row) => {
        const all = expectedCells(row);
        const { labels, tx_cost, rx_cost, processing_cost } = all;
        const costs = {
          tx_cost: picoUsd(tx_cost),
          rx_cost: picoUsd(rx_cost),
          processing_cost: picoUsd(processing_cost),
        };
        return { ...all, ...costs, labels: labels === null ? null : JSON.stringify(labels) };
      });
      const mapped = got.map(({ labels, ...rest }) => ({
        ...rest,
        labels: labels == null ? null : JSON.stringify(Object.entries(JSON.parse(labels)).sort()),
      }));
      expect(unordered(mapped)).toEqual(unordered(wanted));
    }),
    { numRuns: 40 },
  );
}, 60_000);

describe('filters', () => {
  const ROWS: readonly Partial<FlowRow>[] = [
    {
      pod: 'a',
      namespace: 'shop',
      workload: 'web',
      peerNamespace: 'data',
      peerWorkload: 'postgres',
      peerPod: 'postgres-0',
      trafficClass: 'cross-zone',
      port: 5432,
    },
    {
      pod: 'b',
      namespace: 'shop',
      workload: 'cart',
      peerName: 'api.example.com',
      peerIp: '203.0.113.7',
      trafficClass: 'internet',
      port: 443,
    },
    {
      pod: 'c',
      namespace: 'data',
      workload: 'postgres',
      peerNamespace: 'shop',
      peerWorkload: 'web',
      trafficClass: 'cross-zone',
      labels: '{"team":"db"}',
    },
    { pod: 'd', namespace: null, trafficClass: 'unknown', peerKind: 'node', peerNode: 'n7' },
    { pod: null, lossReason: 'events-dropped', trafficClass: 'lost', node: 'n1', txBytes: 10 },
  ];
  const LOSS = null;
  const cases: { name: string; filters: RowFilter[]; withoutLosses?: boolean; pods: (string | null)[] }[] = [
    { name: 'none', filters: [], pods: ['a', 'b', 'c', 'd', LOSS] },
    { name: 'no losses', filters: [], withoutLosses: true, pods: ['a', 'b', 'c', 'd'] },
    { name: 'a namespace, and losses that may be of it', filters: [is('namespace', 'shop')], pods: ['a', 'b', LOSS] },
    { name: 'several values', filters: [is('workload', 'cart', 'postgres')], pods: ['b', 'c', LOSS] },
    { name: 'several filters', filters: [is('namespace', 'shop'), is('traffic_class', 'internet')], pods: ['b', LOSS] },
    { name: 'null', filters: [is('namespace', '')], pods: ['d', LOSS] },
    { name: 'null or a value', filters: [is('namespace', '', 'data')], pods: ['c', 'd', LOSS] },
    { name: 'all but one', filters: [isNot('namespace', 'shop')], pods: ['c', 'd', LOSS] },
    { name: 'all but null', filters: [isNot('namespace', '')], pods: ['a', 'b', 'c'] },
    { name: 'all classes but lost', filters: [isNot('traffic_class', 'lost')], pods: ['a', 'b', 'c', 'd'] },
    { name: 'a node: losses have one', filters: [is('node', 'node-a')], pods: ['a', 'b', 'c', 'd'] },
    { name: 'a peer by workload', filters: [is('peer', 'postgres')], pods: ['a', LOSS] },
    { name: 'a peer by namespace and workload', filters: [is('peer', 'shop/web')], pods: ['c', LOSS] },
    {
      name: 'a peer by name or address',
      filters: [is('peer', 'api.example.com', '203.0.113.7', 'n7')],
      pods: ['b', 'd', LOSS],
    },
    { name: 'all but a peer', filters: [isNot('peer', 'postgres-0')], pods: ['b', 'c', 'd', LOSS] },
    { name: 'a port', filters: [is('port', '443', '80')], pods: ['b', LOSS] },
    { name: 'a label', filters: [is('label:team', 'db')], pods: ['c', LOSS] },
    { name: 'text that would be SQL', filters: [is('namespace', "shop' OR true --")], pods: [LOSS] },
    { name: 'a label that would be SQL', filters: [is("label:x'] OR true --", 'db')], pods: [LOSS] },
  ];
  test('let through what they say', async () => {
    const version = await table.commitRows(ROWS.map((row) => flowRow({ windowStartUs: WINDOW_US, ...row })));
    for (const { name, filters, withoutLosses = false, pods } of cases) {
      const got = await read(version, createRowQuery(['pod'], filters, withoutLosses));
      expect(got.flatMap((message) => texts(message, 'pod')).sort(), name).toEqual([...pods].sort());
    }
  });

  const wrong: { columns?: string[]; filters?: RowFilter[]; text: string }[] = [
    { columns: ['pods'], text: 'the table has no column "pods"; it has window_start' },
    { columns: ['pod', 'pod'], text: 'column "pod" is asked for twice' },
    { filters: [is('pods', 'a')], text: 'the table has no column "pods"' },
    {
      filters: [is('tx_bytes', '1')],
      text: 'tx_bytes is no text: filters are on columns of text, port, peer and label:KEY',
    },
    { filters: [is('pod')], text: 'the filter on "pod" has no values' },
    { filters: [is('pod', ...Array.from({ length: 1001 }, String))], text: '1001 values; at most 1000' },
    { filters: Array.from({ length: 65 }, () => is('pod', 'a')), text: 'there are 65 filters; at most 64' },
    { filters: [is('pod', 'a', 'x'.repeat(4097))], text: 'a filter has a text of more than 4096 characters' },
    { filters: [is(`label:${'x'.repeat(4097)}`, 'a')], text: 'a filter has a text of more than 4096 characters' },
    { columns: ['x'.repeat(5000)], text: `the table has no column "${'x'.repeat(100)}"; it has` },
    // Before they are compared with one another, which would take an hour.
    {
      columns: Array.from({ length: 1_000_000 }, (_, i) => `c${i}`),
      text: 'there are 1000000 columns; the table has 4',
    },
  ];
  test.each(wrong)('refused: $text', ({ columns = [], filters = [], text }) => {
    expect(() => createRowQuery(columns, filters, false)).toThrow(text);
  });
});

function is(column: string, ...values: string[]): RowFilter {
  return { column, values, exclude: false };
}

function isNot(column: string, ...values: string[]): RowFilter {
  return { column, values, exclude: true };
}
