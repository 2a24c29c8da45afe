import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { arbitraryFlowRow, expectedCells, flowRow, readParquet, unordered, WINDOW_US } from './flow-row.testing.ts';
import { writeParquet } from './parquet.ts';
import { RowBuffer } from './row-buffer.ts';
import { sortedRowOrder } from './row-order.ts';

let folder: string;
let fileCount = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "flowtoll-parquet-o'clock-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** Writes the rows through `buffer`, a file per day, and returns the files. */
async function write(rows: readonly FlowRow[], buffer = new RowBuffer()): Promise<string[]> {
  for (const row of rows) {
    buffer.append(row);
  }
  const files: string[] = [];
  for (const partition of buffer.partitions()) {
    const file = join(folder, `${fileCount++}-${partition.date}.parquet`);
    const { sizeBytes } = await writeParquet(partition, sortedRowOrder(partition), file);
    expect(sizeBytes).toBe((await stat(file)).size);
    files.push(file);
  }
  return files;
}

describe('values', () => {
  test('any rows come back as they were, also from a buffer used before', async () => {
    const buffer = new RowBuffer();
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryFlowRow, { minLength: 1, maxLength: 40 }), async (rows) => {
        buffer.clear();
        const files = await write(rows, buffer);
        expect(unordered(await readParquet(files))).toEqual(unordered(rows.map(expectedCells)));
      }),
      { numRuns: 40 },
    );
  });

  // DuckDB narrows an ENUM to 8 or 16 bits by the number of its members; 2,048 rows are one chunk.
  for (const distinct of [255, 256, 2047, 2048, 2049, 65_535, 65_536]) {
    test(`${distinct} distinct texts and as many rows`, async () => {
      const rows = Array.from({ length: distinct }, (_, i) =>
        flowRow({ pod: `pod-${i}`, txBytes: i % 7 === 0 ? null : i, peerIp: i % 3 === 0 ? null : `10.0.0.${i % 200}` }),
      );
      const read = await readParquet(await write(rows));
      expect(read.length).toBe(distinct);
      const byPod = new Map(read.map((row) => [row['pod'], row]));
      expect(byPod.size).toBe(distinct);
      for (const i of [0, 1, 6, 7, 254, 1000 % distinct, distinct - 1]) {
        expect(byPod.get(`pod-${i}`)).toMatchObject({
          tx_bytes: i % 7 === 0 ? null : String(i),
          peer_ip: i % 3 === 0 ? null : `10.0.0.${i % 200}`,
        });
      }
      const sum = rows.reduce((total, row) => total + (row.txBytes ?? 0), 0);
      expect(read.reduce((total, row) => total + Number(row['tx_bytes'] ?? 0), 0)).toBe(sum);
    });
  }

  test('text that no file can hold is made so: lone surrogates and NUL become U+FFFD', async () => {
    const rows = [flowRow({ peerName: 'a\ud800' }), flowRow({ peerName: 'a\udc00' }), flowRow({ peerName: 'b\0c' })];
    const read = await readParquet(await write(rows));
    expect(read.map((row) => row['peer_name'])).toEqual(['a\ufffd', 'a\ufffd', 'b\ufffdc']);
  });
});

describe('files', () => {
  test('one per UTC day of window_start', async () => {
    const dayUs = 86_400_000_000;
    const files = await write([
      flowRow({ windowStartUs: WINDOW_US + 59_999_999 }),
      flowRow({ windowStartUs: WINDOW_US + 60_000_000 }),
      flowRow({ windowStartUs: WINDOW_US - dayUs }),
    ]);
    expect(files.map((file) => file.slice(-18, -8))).toEqual(['2026-01-30', '2026-01-31', '2026-02-01']);
  });

  test('are sorted by namespace, workload, peer namespace, peer workload, start; nulls first; bytes decide', async () => {
    const some = fc.option(fc.constantFrom('a', 'b', 'a-b', 'B', '\u{ffff}', '\u{1f600}'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(some, some, some, some, fc.nat({ max: 5 })), { minLength: 1, maxLength: 60 }),
        async (keys) => {
          const rows = keys.map(([namespace, workload, peerNamespace, peerWorkload, minute]) =>
            flowRow({ namespace, workload, peerNamespace, peerWorkload, windowStartUs: WINDOW_US - minute * 1000 }),
          );
          const read = await readParquet(await write(rows));
          const sortKey = (row: Record<string, unknown>) =>
            ['namespace', 'workload', 'peer_namespace', 'peer_workload', 'window_start']
              .map((column) => (row[column] === null ? '' : `01${Buffer.from(String(row[column])).toString('hex')}00`))
              .join('00');
          const sortKeys = read.map(sortKey);
          expect(sortKeys).toEqual(sortKeys.toSorted());
        },
      ),
      { numRuns: 30 },
    );
  });

  test('have the types that every engine reads: UTC microseconds, signed integers, decimals, maps', async () => {
    const [file] = await write([flowRow({ labels: '{"team":"a"}' })]);
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll(
      `SELECT name, type, converted_type, coalesce(logical_type, '') FROM parquet_schema('${file?.replaceAll("'", "''")}')
       WHERE name IN ('window_start', 'namespace', 'labels', 'port', 'tx_bytes', 'tx_cost')`,
    );
    const byName = new Map(reader.getRowsJson().map((row) => [row[0], row.slice(1).join(' ')]));
    connection.closeSync();
    instance.closeSync();
    expect(byName.get('window_start')).toMatch(/INT64 .*isAdjustedToUTC=1.*MICROS/);
    expect(byName.get('namespace')).toMatch(/^BYTE_ARRAY UTF8/);
    expect(byName.get('labels')).toMatch(/MAP/);
    expect(byName.get('port')).toMatch(/^INT32 INT_32/);
    expect(byName.get('tx_bytes')).toMatch(/^INT64 INT_64/);
    expect(byName.get('tx_cost')).toMatch(/INT64 .*Decimal.*scale=12, precision=18/);
  });
});

test('a second file can be written while the first is', async () => {
  const buffers = ['one', 'two', 'three'].map((pod) => {
    const buffer = new RowBuffer();
    buffer.append(flowRow({ pod }));
    return buffer;
  });
  const files = buffers.map((_, i) => join(folder, `parallel-${i}.parquet`));
  const partitions = buffers.map((buffer) => buffer.partitions()[0]!);
  await Promise.all(partitions.map((rows, i) => writeParquet(rows, sortedRowOrder(rows), files[i]!)));
  const pods = await Promise.all(files.map(async (file) => (await readParquet([file]))[0]?.['pod']));
  expect(pods).toEqual(['one', 'two', 'three']);
});
