// Rows for tests: empty ones, arbitrary ones, and what a reader must say of them. Independent of the column list, so that a
// wrong column shows.
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import type { FlowRow } from '../model/flow-row.ts';

/** 2026-01-31T23:59:00Z. */
export const WINDOW_US = Date.UTC(2026, 0, 31, 23, 59) * 1000;

/** A row with nothing but what every row has. */
export function flowRow(values: Partial<FlowRow> = {}): FlowRow {
  return {
    ...{ localKey: 0, peerKey: 0, zoneId: null, peerZoneId: null },
    ...{ windowStartUs: WINDOW_US, windowEndUs: WINDOW_US + 60_000_000 },
    ...{ cluster: 'demo', provider: null, region: null, zone: null, node: 'node-a', localKind: null },
    ...{ namespace: null, workloadKind: null, workload: null, pod: null, labels: null, ip: null },
    ...{ peerKind: null, peerCluster: null, peerProvider: null, peerRegion: null, peerZone: null, peerNode: null },
    ...{ peerNamespace: null, peerWorkloadKind: null, peerWorkload: null, peerPod: null, peerName: null, peerIp: null },
    ...{ protocol: null, port: null, service: null, initiator: null, resolution: null },
    ...{ txBytes: null, txPackets: null, rxBytes: null, rxPackets: null, connections: null },
    ...{ lossReason: null, lostBytesMax: null, trafficClass: 'unknown', path: null },
    ...{ txCost: null, rxCost: null, processingCost: null, priceBook: null, priceBasis: null },
    directionBasis: null,
    ...values,
  };
}

const names = fc.oneof(
  fc.constantFrom(
    '',
    "it's",
    '"quoted"',
    'a,b\n\tc\\',
    'Größe 日本語 😀',
    'null',
    '::1',
    '2001:db8::/48',
    'x'.repeat(70),
  ),
  fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\0', '')),
);
const name = fc.option(names);
const counter = fc.option(
  fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1), fc.nat({ max: 1000 })),
);
const money = fc.option(
  fc.oneof(
    fc.bigInt({ min: -(10n ** 18n) + 1n, max: 10n ** 18n - 1n }),
    fc.constantFrom(0n, 1n, -1n, 10n ** 18n - 1n, -(10n ** 18n) + 1n, 2n ** 32n, -(2n ** 32n)),
  ),
);
const labels = fc.option(
  fc.dictionary(names, names, { maxKeys: 3, noNullPrototype: true }).map((map) => JSON.stringify(map)),
);
// Three days around midnight, microseconds included.
const instant = fc.integer({ min: WINDOW_US - 86_400_000_000, max: WINDOW_US + 86_400_000_000 });

/** Any row that a file can hold as it is. */
export const arbitraryFlowRow: fc.Arbitrary<FlowRow> = fc.record({
  ...{ localKey: fc.constant(0), peerKey: fc.constant(0), zoneId: name, peerZoneId: name },
  ...{ windowStartUs: instant, windowEndUs: instant },
  ...{ cluster: names, provider: name, region: name, zone: name, node: names },
  localKind: fc.option(fc.constantFrom('pod', 'node')),
  ...{ namespace: name, workloadKind: name, workload: name, pod: name, labels, ip: name },
  peerKind: fc.option(fc.constantFrom('pod', 'node', 'service', 'provider-service', 'private', 'internet', 'unknown')),
  ...{ peerCluster: name, peerProvider: name, peerRegion: name, peerZone: name, peerNode: name, peerNamespace: name },
  ...{ peerWorkloadKind: name, peerWorkload: name, peerPod: name, peerName: name, peerIp: name },
  ...{ protocol: name, port: fc.option(fc.integer({ min: 0, max: 65535 })), service: name },
  initiator: fc.option(fc.constantFrom('local', 'peer')),
  resolution: fc.option(fc.constantFrom('exact', 'ambiguous', 'stale', 'folded', 'none')),
  ...{ txBytes: counter, txPackets: counter, rxBytes: counter, rxPackets: counter, connections: counter },
  ...{ lossReason: name, lostBytesMax: counter },
  trafficClass: fc.constantFrom('same-node', 'cross-zone', 'internet', 'encapsulation', 'unknown', 'lost'),
  path: name,
  ...{ txCost: money, rxCost: money, processingCost: money, priceBook: name },
  priceBasis: fc.option(fc.constantFrom('exact', 'estimated', 'disputed', 'none')),
  directionBasis: fc.option(fc.constant('merged'), { freq: 2 }),
});

/** The row as `readParquet` gives it: column names, exact texts. */
export function expectedCells(row: FlowRow): Record<string, unknown> {
  const cells: Record<string, unknown> = {};
  const { localKey: _, peerKey: __, zoneId: ___, peerZoneId: ____, ...columns } = row;
  for (const [field, value] of Object.entries(columns)) {
    const column = field.replace(/Us$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (column === 'labels') {
      cells[column] = value === null ? null : Object.entries(JSON.parse(String(value))).sort();
    } else if (typeof value === 'bigint') {
      const digits = (value < 0n ? -value : value).toString().padStart(13, '0');
      cells[column] = `${value < 0n ? '-' : ''}${digits.slice(0, -12)}.${digits.slice(-12)}`;
    } else {
      cells[column] = value === null ? null : String(value);
    }
  }
  return cells;
}

/** Every row of the files, in file order: text per cell, timestamps as µs, maps as sorted entries. */
export async function readParquet(files: readonly string[]): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const list = files.map((file) => `'${file.replaceAll("'", "''")}'`).join(', ');
    const reader = await connection.runAndReadAll(
      `SELECT * REPLACE (epoch_us(window_start) AS window_start, epoch_us(window_end) AS window_end,
                         map_entries(labels) AS labels)
       FROM read_parquet([${list}], hive_partitioning = false)`,
    );
    return reader.getRowObjectsJson().map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([column, value]) => {
          if (column === 'labels') {
            const entries = value as { key: string; value: string }[] | null;
            return [column, entries === null ? null : entries.map((entry) => [entry.key, entry.value]).sort()];
          }
          return [column, value === null ? null : String(value)];
        }),
      ),
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Rows in an order that depends on their content only. */
export function unordered(rows: readonly Record<string, unknown>[]): string[] {
  return rows.map((row) => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))).sort();
}
