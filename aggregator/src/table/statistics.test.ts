import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { arbitraryFlowRow, flowRow, WINDOW_US } from './flow-row.testing.ts';
import { writeParquetFile } from './parquet-file/file-writer.ts';
import { RowBuffer } from './row-buffer.ts';
import { lowerTextBound, statisticsOf, upperTextBound } from './statistics.ts';

interface Statistics {
  numRecords: number;
  minValues: Record<string, string | number>;
  maxValues: Record<string, string | number>;
  nullCount: Record<string, number>;
}

/** As the file's writer finds them, in row groups of seven; the file itself is not needed. */
async function textOf(rows: readonly FlowRow[]): Promise<string> {
  const buffer = new RowBuffer();
  for (const row of rows) buffer.append(row);
  const { vectors, rowCount } = buffer.partitions()[0]!;
  const order = Uint32Array.from(rows, (_, i) => i);
  const { columns } = await writeParquetFile('/dev/null', vectors, order, { rowGroupRows: 7, zstdLevel: 1 });
  return statisticsOf(rowCount, columns);
}

const of = async (rows: readonly FlowRow[]): Promise<Statistics> => JSON.parse(await textOf(rows));

describe('bounds', () => {
  test('counts nulls, leaves out the bounds of a column without values', async () => {
    const stats = await of([flowRow({ pod: 'b', port: 0 }), flowRow({ pod: 'a' }), flowRow()]);
    expect(stats.numRecords).toBe(3);
    expect(stats.nullCount).toMatchObject({ pod: 1, port: 2, zone: 3, node: 0, labels: 3, tx_cost: 3 });
    expect([stats.minValues['pod'], stats.maxValues['pod']]).toEqual(['a', 'b']);
    expect([stats.minValues['port'], stats.maxValues['port']]).toEqual([0, 0]);
    expect(stats.minValues).not.toHaveProperty('zone');
    expect(stats.maxValues).not.toHaveProperty('tx_cost');
  });

  test('a map has no bounds', async () => {
    const stats = await of([flowRow({ labels: '{"team":"a"}' })]);
    expect(stats.minValues).not.toHaveProperty('labels');
    expect(stats.nullCount['labels']).toBe(0);
  });

  test('timestamps have milliseconds: down for the lower bound, up for the upper', async () => {
    const stats = await of([
      flowRow({ windowStartUs: WINDOW_US + 1001 }),
      flowRow({ windowStartUs: WINDOW_US + 2001 }),
    ]);
    expect(stats.minValues['window_start']).toBe('2026-01-31T23:59:00.001Z');
    expect(stats.maxValues['window_start']).toBe('2026-01-31T23:59:00.003Z');
  });

  for (const { name, value, min, max } of [
    { name: 'zero is exact', value: 0n, min: '0.000000000000', max: '0.000000000000' },
    { name: 'the least amount', value: 1n, min: '-0.000000000001', max: '0.000000000003' },
    { name: 'a dollar', value: 10n ** 12n, min: '0.999999999999', max: '1.000000000001' },
    { name: 'minus a dollar', value: -(10n ** 12n), min: '-1.000000000001', max: '-0.999999999999' },
  ]) {
    test(`decimals are widened by what a double loses: ${name}`, async () => {
      const text = await textOf([flowRow({ txCost: value }), flowRow({ txCost: value })]);
      const found = [...text.matchAll(/"tx_cost":(-?[\d.]+)/g)].map((match) => Number(match[1]));
      expect(found[0]).toBeLessThanOrEqual(Number(value) / 1e12);
      expect(found[1]).toBeGreaterThanOrEqual(Number(value) / 1e12);
      expect(found[0]).toBeGreaterThanOrEqual(Number(min) - 2e-12);
      expect(found[1]).toBeLessThanOrEqual(Number(max) + 2e-12);
    });
  }

  test('a decimal bound that does not fit the type is left out', async () => {
    const stats = await of([flowRow({ txCost: 10n ** 18n - 1n })]);
    expect(stats.maxValues).not.toHaveProperty('tx_cost');
    expect(stats.minValues['tx_cost']).toBeLessThan(1e6);
  });

  test('2^53 - 1 is exact', async () => {
    expect(await textOf([flowRow({ txBytes: 2 ** 53 - 1 })])).toContain('"tx_bytes":9007199254740991');
  });
});

describe('text bounds hold in the order of UTF-8 bytes', () => {
  const parts = fc.constantFrom('a', 'z', '\u{7f}', 'é', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{1f600}', '\u{10ffff}');
  const texts = fc.oneof(
    fc.string({ unit: parts, maxLength: 50 }),
    fc.string({ unit: parts, minLength: 4, maxLength: 30 }).map((tail) => '0123456789012345678901234567'.concat(tail)),
  );

  test('for any text, cut or not, and short enough when cut', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = Buffer.from(text);
        expect(Buffer.compare(Buffer.from(lowerTextBound(text)), bytes)).toBeLessThanOrEqual(0);
        expect(Buffer.compare(Buffer.from(upperTextBound(text)), bytes)).toBeGreaterThanOrEqual(0);
        expect(lowerTextBound(text).length).toBeLessThanOrEqual(32);
      }),
    );
  });
});

test('for any rows, every value is within the bounds of its column', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryFlowRow, { minLength: 1, maxLength: 20 }), async (rows) => {
      const sameDay = rows.map((row) => ({ ...row, windowStartUs: WINDOW_US + (row.windowStartUs % 60_000_000) }));
      const stats = await of(sameDay);
      for (const row of sameDay) {
        for (const [column, value] of [
          ['peer_name', row.peerName],
          ['namespace', row.namespace],
          ['node', row.node],
        ] as const) {
          if (value !== null) {
            const bytes = Buffer.from(value);
            expect(Buffer.compare(Buffer.from(String(stats.minValues[column])), bytes)).toBeLessThanOrEqual(0);
            expect(Buffer.compare(Buffer.from(String(stats.maxValues[column])), bytes)).toBeGreaterThanOrEqual(0);
          }
        }
        expect(Date.parse(String(stats.minValues['window_start'])) * 1000).toBeLessThanOrEqual(row.windowStartUs);
        expect(Date.parse(String(stats.maxValues['window_start'])) * 1000).toBeGreaterThanOrEqual(row.windowStartUs);
        if (row.txBytes !== null) {
          expect(stats.minValues['tx_bytes']).toBeLessThanOrEqual(row.txBytes);
          expect(stats.maxValues['tx_bytes']).toBeGreaterThanOrEqual(row.txBytes);
        }
      }
      expect(stats.nullCount['tx_bytes']).toBe(sameDay.filter((row) => row.txBytes === null).length);
      expect(stats.nullCount['namespace']).toBe(sameDay.filter((row) => row.namespace === null).length);
    }),
    { numRuns: 200 },
  );
});
