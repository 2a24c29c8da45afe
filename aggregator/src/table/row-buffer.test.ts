import { describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { TextVector } from './column-vectors.ts';
import { flowRow, WINDOW_US } from './flow-row.testing.ts';
import { RowBuffer } from './row-buffer.ts';

describe('what does not fit is refused, and the row is not in', () => {
  const cases: { name: string; row: FlowRow; code: string }[] = [
    { name: 'fraction', row: flowRow({ txBytes: 0.5 }), code: 'BATCH_INVALID' },
    { name: 'negative counter', row: flowRow({ rxPackets: -1 }), code: 'BATCH_INVALID' },
    { name: 'counter of 2^53', row: flowRow({ rxBytes: 2 ** 53 }), code: 'BATCH_INVALID' },
    { name: 'not a number', row: flowRow({ connections: Number.NaN }), code: 'BATCH_INVALID' },
    { name: 'window without start', row: flowRow({ windowStartUs: Number.NaN }), code: 'BATCH_INVALID' },
    { name: 'port above 31 bits', row: flowRow({ port: 2 ** 31 }), code: 'BATCH_INVALID' },
    { name: 'a million dollars', row: flowRow({ txCost: 10n ** 18n }), code: 'PRICE_OVERFLOW' },
    { name: 'minus a million dollars', row: flowRow({ rxCost: -(10n ** 18n) }), code: 'PRICE_OVERFLOW' },
    { name: 'labels that are no JSON', row: flowRow({ labels: '{' }), code: 'BATCH_INVALID' },
    { name: 'labels that are a list', row: flowRow({ labels: '["a"]' }), code: 'BATCH_INVALID' },
    { name: 'a label that is no text', row: flowRow({ labels: '{"a":1}' }), code: 'BATCH_INVALID' },
    { name: 'no node', row: { ...flowRow(), node: null } as unknown as FlowRow, code: 'BATCH_INVALID' },
  ];
  for (const { name, row, code } of cases) {
    test(name, () => {
      const buffer = new RowBuffer();
      buffer.append(flowRow());
      expect(() => buffer.append(row)).toThrow(expect.objectContaining({ code }));
      expect(buffer.rowCount).toBe(1);
    });
  }
});

test('days are apart; clear forgets rows', () => {
  const buffer = new RowBuffer();
  const dayUs = 86_400_000_000;
  for (const days of [1, 0, 1]) {
    buffer.append(flowRow({ windowStartUs: WINDOW_US + days * dayUs, namespace: `day-${days}` }));
  }
  expect(buffer.partitions().map(({ date, rowCount }) => [date, rowCount])).toEqual([
    ['2026-01-31', 1],
    ['2026-02-01', 2],
  ]);
  expect(buffer.rowCount).toBe(3);
  buffer.clear();
  expect([buffer.rowCount, buffer.partitions()]).toEqual([0, []]);
});

describe('sides with a key are looked up once', () => {
  const side = (key: number): FlowRow =>
    flowRow({
      ...{ localKey: key, peerKey: key, namespace: `ns-${key % 7}`, pod: `pod-${key}`, ip: `10.0.${key}` },
      ...{ labels: key % 3 === 0 ? null : `{"k":"${key}"}`, peerIp: `10.1.${key}`, peerKind: 'pod' },
      peerName: key % 2 === 0 ? null : `name-${key}`,
    });
  const contents = (rows: readonly FlowRow[]) => {
    const buffer = new RowBuffer();
    for (let round = 0; round < 2; round++) {
      buffer.clear();
      for (const row of rows) buffer.append(row);
    }
    return buffer
      .partitions()
      .map(({ vectors, rowCount }) =>
        vectors.map((vector) =>
          'codes' in vector
            ? Array.from({ length: rowCount }, (_, row) => vector.codeOfRow(row)).map((code) =>
                code === 0 ? null : vector.values[code],
              )
            : [...vector.values.subarray(0, rowCount)],
        ),
      );
  };

  test('and the columns are those of rows without, also where sides take each other’s place', () => {
    // 65,536 places: 5 and 65,541 share one, and so do their neighbours.
    const keys = Array.from({ length: 300 }, (_, i) => 1 + ((i * 31) % 8) + (i % 5 === 0 ? 65_536 : 0));
    const rows = keys.map(side);
    expect(contents(rows)).toEqual(contents(rows.map((row) => ({ ...row, localKey: 0, peerKey: 0 }))));
  });

  test('a side that does not fit is not remembered', () => {
    const buffer = new RowBuffer();
    const bad = flowRow({ localKey: 9, labels: '{' });
    for (let i = 0; i < 2; i++) {
      expect(() => buffer.append(bad)).toThrow(expect.objectContaining({ code: 'BATCH_INVALID' }));
    }
    expect(buffer.rowCount).toBe(0);
  });
});

test('codes grow with the number of different texts, and keep what they stood for', () => {
  const buffer = new RowBuffer();
  const count = 263_000;
  for (let i = 0; i < count; i++) buffer.append(flowRow({ pod: `pod-${i}`, namespace: 'one' }));
  const [partition] = buffer.partitions();
  const vectorOf = (name: string) => {
    const vector = partition?.vectors.find(({ column }) => column.name === name);
    if (!(vector instanceof TextVector)) throw new Error(`${name} is no text`);
    return vector;
  };
  const pods = vectorOf('pod');
  expect([pods.codes.BYTES_PER_ELEMENT, vectorOf('namespace').codes.BYTES_PER_ELEMENT]).toEqual([4, 1]);
  for (const i of [0, 254, 255, 256, 65_534, 65_535, 65_536, count - 1]) {
    expect(pods.values[pods.codeOfRow(i)]).toBe(`pod-${i}`);
  }
});

test('of two days the memory of the larger one is kept', () => {
  const buffer = new RowBuffer();
  const dayUs = 86_400_000_000;
  for (let i = 0; i < 10_000; i++) buffer.append(flowRow({ windowStartUs: WINDOW_US }));
  buffer.append(flowRow({ windowStartUs: WINDOW_US + dayUs }));
  const large = buffer.partitions()[0]!;
  buffer.clear();
  buffer.append(flowRow({ windowStartUs: WINDOW_US + 2 * dayUs }));
  buffer.append(flowRow({ windowStartUs: WINDOW_US + 3 * dayUs }));
  const [first, second] = buffer.partitions();
  expect([first, first?.date, first?.rowCount]).toEqual([large, '2026-02-02', 1]);
  expect(second?.capacity).toBeLessThan(large.capacity);
});

test('a dictionary of many texts is begun anew, and rows keep what is theirs', () => {
  const buffer = new RowBuffer();
  const count = 263_000;
  const texts = (name: string) => {
    const [partition] = buffer.partitions();
    const vector = partition?.vectors.find(({ column }) => column.name === name);
    if (!(vector instanceof TextVector)) throw new Error(`${name} is no text`);
    return { known: vector.values.length - 1, last: vector.values[vector.codeOfRow(partition!.rowCount - 1)] };
  };
  const row = (i: number) => flowRow({ localKey: 1 + i, pod: `pod-${i}`, namespace: `ns-${i % 7}` });
  for (let i = 0; i < count; i++) buffer.append(row(i));
  buffer.clear();
  // A side that has been seen, and one that has not.
  for (const i of [count - 1, count]) {
    buffer.append(row(i));
    expect(texts('pod').last).toBe(`pod-${i}`);
    expect(texts('namespace').last).toBe(`ns-${i % 7}`);
  }
  expect([texts('pod').known, texts('namespace').known]).toEqual([2, 7]);
});
