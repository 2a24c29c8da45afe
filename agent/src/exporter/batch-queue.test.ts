// The queue against a model: whatever is done, every sequence number from the oldest that waits to the newest is there
// once, in order, and the bytes stay bounded.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMemoryQueue } from './batch-queue.ts';

/** A batch of this size; one with flows begins with 1, without with 0 and has 2 bytes. */
const intact = (size: number) => new Uint8Array(size).fill(1);

function setup(bytesMax: number) {
  const lost: string[] = [];
  const queue = createMemoryQueue({
    bytesMax,
    withoutFlows: ({ sequence, bytes }, reason) => {
      if (bytes[0] === 0) return undefined;
      lost.push(`${sequence} ${reason}`);
      return new Uint8Array(2);
    },
  });
  /** Sizes of what waits, by sequence number. */
  const contents = () => {
    const all: [number, number][] = [];
    for (let next = queue.peekAfter(queue.firstSequence - 1); next; next = queue.peekAfter(next.sequence)) {
      all.push([next.sequence, next.bytes.length]);
    }
    return all;
  };
  return { queue, lost, contents };
}

describe('memory queue', () => {
  test('keeps batches until they are dropped', () => {
    const { queue, contents } = setup(100);
    expect([queue.firstSequence, queue.lastSequence, queue.peekAfter(0)]).toEqual([0, 0, undefined]);
    for (const size of [10, 20, 30]) expect(queue.append(intact(size))).toBe(true);
    expect(contents()).toEqual([
      [1, 10],
      [2, 20],
      [3, 30],
    ]);
    expect(queue.dropThrough(2)).toBe(2);
    expect(queue.dropThrough(1)).toBe(0);
    expect([queue.firstSequence, queue.lastSequence, queue.sizeBytes, queue.count]).toEqual([3, 3, 30, 1]);
    expect(queue.dropThrough(9)).toBe(1);
    expect([queue.firstSequence, queue.lastSequence, queue.sizeBytes]).toEqual([0, 3, 0]);
    queue.append(intact(5));
    expect(contents()).toEqual([[4, 5]]);
  });

  test('when full, gives up the oldest flows under their number', () => {
    const { queue, lost, contents } = setup(50);
    for (const size of [20, 20, 20, 20]) queue.append(intact(size));
    expect(contents()).toEqual([
      [1, 2],
      [2, 2],
      [3, 20],
      [4, 20],
    ]);
    expect(lost).toEqual(['1 queue-full', '2 queue-full']);
  });

  test('a batch larger than the queue gives up its own flows', () => {
    const { queue, contents } = setup(50);
    expect(queue.append(intact(60))).toBe(true);
    expect(contents()).toEqual([[1, 2]]);
  });

  test('refuses a batch when not even losses fit, and uses its number for the next', () => {
    const { queue, contents } = setup(5);
    expect([queue.append(intact(9)), queue.append(intact(9)), queue.append(intact(9))]).toEqual([true, true, false]);
    expect([queue.lastSequence, queue.sizeBytes]).toEqual([2, 4]);
    queue.dropThrough(1);
    expect(queue.append(intact(3))).toBe(true);
    expect(contents()).toEqual([
      [2, 2],
      [3, 3],
    ]);
  });

  test('gives up what was rejected', () => {
    const { queue, contents, lost } = setup(100);
    for (const size of [10, 20, 30]) queue.append(intact(size));
    expect([queue.giveUp(2, 'rejected'), queue.giveUp(2, 'rejected'), queue.giveUp(9, 'rejected')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(contents()).toEqual([
      [1, 10],
      [2, 2],
      [3, 30],
    ]);
    expect(lost).toEqual(['2 rejected']);
    expect(queue.sizeBytes).toBe(42);
  });

  test('can be numbered again', () => {
    const { queue, contents } = setup(100);
    for (const size of [10, 20, 30]) queue.append(intact(size));
    queue.dropThrough(1);
    queue.renumber((bytes, sequence) => intact(bytes.length + sequence), 'another epoch');
    expect(contents()).toEqual([
      [1, 21],
      [2, 32],
    ]);
    queue.append(intact(1));
    expect([queue.lastSequence, queue.sizeBytes]).toEqual([3, 54]);
  });

  test('whatever is done, no number is missing and no byte too many', () => {
    const operation = fc.oneof(
      fc.nat(40).map((size) => ({ append: size + 2 })),
      fc.nat(5).map((behind) => ({ dropBehindNewest: behind })),
      fc.nat(5).map((behind) => ({ rejectBehindNewest: behind })),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), fc.integer({ min: 4, max: 100 }), (operations, bytesMax) => {
        const { queue, contents } = setup(bytesMax);
        let newest = 0;
        let dropped = 0;
        for (const step of operations) {
          if ('append' in step) newest += queue.append(intact(step.append)) ? 1 : 0;
          else if ('dropBehindNewest' in step) {
            const through = newest - step.dropBehindNewest;
            queue.dropThrough(through);
            dropped = Math.max(dropped, through);
          } else queue.giveUp(newest - step.rejectBehindNewest, 'rejected');
          const all = contents();
          expect(all.map(([sequence]) => sequence)).toEqual(
            Array.from({ length: newest - dropped }, (_, i) => dropped + 1 + i),
          );
          expect(queue.sizeBytes).toBe(all.reduce((sum, [, size]) => sum + size, 0));
          expect(queue.sizeBytes).toBeLessThanOrEqual(bytesMax);
        }
      }),
    );
  });
});
