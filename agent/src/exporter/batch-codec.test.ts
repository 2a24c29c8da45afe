// The serialised batch as protobuf-es and node:zlib read it.
import { zstdDecompressSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type Batch, BatchSchema, FlowColumnsSchema } from '@flowtoll/proto';
import { describe, expect, test } from 'vitest';
import { encodeBatch, encodeLostWindow, renameBatch, withoutFlows, withWindow } from './batch-codec.ts';
import { FIRST_WINDOW_MS, WINDOW_MS, windowBytes, windowFlows } from './windows.testing.ts';

const NAME = { epoch: 'epoch-1', sequence: 7 };

const read = (bytes: Uint8Array) => fromBinary(BatchSchema, bytes);

function columns(batch: Batch) {
  if (batch.flows.case !== 'zstdColumns') throw new Error('no compressed columns');
  return fromBinary(FlowColumnsSchema, zstdDecompressSync(batch.flows.value));
}

describe('a batch', () => {
  test('holds the flows of the window, each with its own values', () => {
    const batch = read(encodeBatch(NAME, windowFlows(3, 5), []));
    expect([batch.epoch, batch.sequence, batch.flowCount]).toEqual(['epoch-1', 7n, 5]);
    expect(timestampMs(batch.windowStart!)).toBe(FIRST_WINDOW_MS + 3 * WINDOW_MS);
    expect(timestampMs(batch.windowEnd!)).toBe(FIRST_WINDOW_MS + 4 * WINDOW_MS);
    const { addresses, responder, responderPort, initiatorBytes, folded } = columns(batch);
    const flows = responder.map((address, i) => [[...addresses[address]!], responderPort[i], initiatorBytes[i]]);
    expect(flows.toSorted((a, b) => Number(b[1]) - Number(a[1]))).toEqual([
      [[10, 3, 0, 1], 60_000, 3000n],
      [[10, 3, 0, 2], 59_999, 3001n],
      [[10, 3, 0, 3], 59_998, 3002n],
      [[10, 3, 0, 4], 59_997, 3003n],
      [[10, 3, 0, 5], 59_996, 3004n],
    ]);
    expect(folded).toEqual(new Uint8Array());
  });

  test('says whether its counters have both directions; a batch without flows does not', () => {
    const merged = encodeBatch(NAME, { ...windowFlows(3, 5), directionsMerged: true }, []);
    expect(read(merged).directionsMerged).toBe(true);
    expect(read(withoutFlows(merged, 'queue-full')!.bytes).directionsMerged).toBe(false);
    expect(read(renameBatch(merged, NAME)).directionsMerged).toBe(true);
    expect(read(encodeBatch(NAME, windowFlows(3, 5), [])).directionsMerged).toBe(false);
  });

  test('without flows has losses alone; those of earlier windows say when', () => {
    const loss = { reason: 'vanished', entries: 3, bytes: undefined } as const;
    const carried = { reason: 'queue-full', entries: undefined, bytes: 9, startUs: 1e15, endUs: 2e15 + 5 };
    const batch = read(encodeBatch(NAME, windowFlows(0, 0, [loss]), [carried]));
    expect([batch.flowCount, batch.flows.case]).toEqual([0, undefined]);
    expect(batch.losses).toMatchObject([
      { reason: 'queue-full', bytes: 9n, start: { seconds: 1_000_000_000n, nanos: 0 }, end: { nanos: 5000 } },
      { reason: 'vanished', entries: 3n },
    ]);
    expect(batch.losses[1]!.start).toBeUndefined();
    expect(batch.losses[1]!.bytes).toBeUndefined();
  });

  test('whose flows are given up says how many bytes they had, and keeps its name and losses', () => {
    const loss = { reason: 'vanished', entries: 3, bytes: 4 } as const;
    const given = withoutFlows(encodeBatch(NAME, windowFlows(2, 50, [loss]), []), 'queue-full')!;
    expect(given.lostBytes).toBe(windowBytes(2, 50));
    const batch = read(given.bytes);
    expect([batch.epoch, batch.sequence, batch.flowCount, batch.flows.case]).toEqual(['epoch-1', 7n, 0, undefined]);
    expect(batch.losses).toMatchObject([
      { reason: 'vanished', entries: 3n, bytes: 4n },
      { reason: 'queue-full', bytes: BigInt(windowBytes(2, 50)) },
    ]);
    expect(withoutFlows(given.bytes, 'rejected')).toBeUndefined();
  });

  test('whose flows cannot be encoded is the same loss', () => {
    const batch = read(encodeLostWindow(NAME, windowFlows(2, 50), [], 'unencodable'));
    expect(batch.losses).toMatchObject([{ reason: 'unencodable', bytes: BigInt(windowBytes(2, 50)) }]);
  });

  test('can get another name, and another window', () => {
    const bytes = encodeBatch(NAME, windowFlows(2, 3), []);
    const renamed = read(renameBatch(bytes, { epoch: 'epoch-2', sequence: 1 }));
    expect(renamed).toEqual({ ...read(bytes), epoch: 'epoch-2', sequence: 1n });
    const lost = withoutFlows(bytes, 'rejected')!.bytes;
    const moved = read(withWindow(lost, 1e15, 1e15 + 60e6));
    expect([moved.windowStart!.seconds, moved.windowEnd!.seconds]).toEqual([1_000_000_000n, 1_000_000_060n]);
    expect(moved.losses).toEqual(read(lost).losses);
  });
});
