// DuckDB's reader, which shares nothing with the writer, finds in every file the rows that went in, in their order; and finds
// them, too, where it may leave out row groups by their extremes.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FlowRow } from '../../model/flow-row.ts';
import { arbitraryFlowRow, expectedCells, flowRow, readParquet, WINDOW_US } from '../flow-row.testing.ts';
import { RowBuffer } from '../row-buffer.ts';
import { writeParquetFile } from './file-writer.ts';

let folder: string;
let fileCount = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flowtoll-parquet-file-'));
});

afterAll(() => rm(folder, { recursive: true }));

/** Writes rows of one day in the order given. */
async function write(rows: readonly FlowRow[], rowGroupRows: number): Promise<string> {
  const buffer = new RowBuffer();
  for (const row of rows) buffer.append(row);
  const { vectors } = buffer.partitions()[0]!;
  const file = join(folder, `${fileCount++}.parquet`);
  const order = Uint32Array.from(rows, (_, i) => i);
  await writeParquetFile(file, vectors, order, { rowGroupRows, zstdLevel: 1 });
  return file;
}

async function count(file: string, condition: string): Promise<number> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    const reader = await connection.runAndReadAll(`SELECT count(*) FROM '${file}' WHERE ${condition}`);
    return Number(reader.getRows()[0]![0]);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

test('any rows in any number of row groups, with runs of any length', async () => {
  const sameDay = arbitraryFlowRow.map((row) => ({ ...row, windowStartUs: WINDOW_US }));
  const runs = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.integer({ min: 1, max: 30 })), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(sameDay, { minLength: 5, maxLength: 5 }),
      runs,
      fc.constantFrom(1, 7, 8, 9, 64, 1000),
      async (kinds, repeated, rowGroupRows) => {
        // Some sides have keys, so that rows share what is remembered of them.
        const keyed = kinds.map((row, i) => ({
          ...row,
          localKey: i < 3 ? i + 1 : 0,
          peerKey: i % 2 === 0 ? i + 1 : 0,
        }));
        const rows = repeated.flatMap(([kind, length]) => Array.from({ length }, () => keyed[kind]!)).slice(0, 300);
        const read = await readParquet([await write(rows, rowGroupRows)]);
        expect(read).toEqual(rows.map(expectedCells));
      },
    ),
    { numRuns: 30 },
  );
});

test('more different numbers and texts than a dictionary of numbers holds, with nulls between them', async () => {
  const rows = Array.from({ length: 5000 }, (_, i) =>
    flowRow({
      ...{
        pod: i % 3 === 0 ? null : `pod-${i}`,
        port: i % 5 === 0 ? null : i,
        txBytes: i % 7 === 0 ? null : i * 2 ** 40,
      },
      ...{
        txCost: i % 11 === 0 ? null : BigInt(i - 2500) * 10n ** 14n,
        labels: i % 2 === 0 ? null : `{"i":"${i}","k":"v"}`,
      },
    }),
  );
  const read = await readParquet([await write(rows, 1500)]);
  expect(read).toEqual(rows.map(expectedCells));
});

test('a reader that skips by extremes finds every row', async () => {
  const texts = ['a', 'b', 'Z', 'ä', '\u{ffff}', '\u{1f600}', '\u{e000}', 'x'.repeat(300)];
  const rows = Array.from({ length: 400 }, (_, i) =>
    flowRow({
      ...{ pod: texts[(i >> 3) % texts.length]!, port: i, rxBytes: 2 ** 53 - 1 - i, windowEndUs: WINDOW_US + i },
      txCost: BigInt(i - 200) * (2n ** 33n - 1n),
    }),
  );
  const file = await write(rows, 32);
  for (const text of texts) {
    expect(await count(file, `pod = '${text}'`)).toBe(rows.filter(({ pod }) => pod === text).length);
  }
  for (const i of [0, 31, 32, 199, 200, 399]) {
    const digits = (rows[i]!.txCost! < 0n ? -rows[i]!.txCost! : rows[i]!.txCost!).toString().padStart(13, '0');
    const cost = `${i < 200 ? '-' : ''}${digits.slice(0, -12)}.${digits.slice(-12)}`;
    for (const condition of [
      `port = ${i}`,
      `rx_bytes = ${2 ** 53 - 1 - i}`,
      `tx_cost = ${cost}::DECIMAL(18,12)`,
      `window_end = make_timestamptz(${WINDOW_US + i})`,
    ]) {
      expect([condition, await count(file, condition)]).toEqual([condition, 1]);
    }
  }
});
