import { StreamDecoder } from '@grpc/grpc-js/build/src/stream-decoder.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { releaseReadChunks } from './release-read-chunks.ts';

releaseReadChunks();

/** As gRPC frames it: a flag, the length, the message. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Bytes of memory that the decoder's own buffers hold on to. */
function heldBytes(decoder: StreamDecoder): number {
  const buffers = Object.values(decoder as object).flatMap((value) => (Array.isArray(value) ? value : [value]));
  return buffers.reduce((sum, value) => (Buffer.isBuffer(value) ? sum + value.buffer.byteLength : sum), 0);
}

test('between two messages nothing is kept of what was read', () => {
  const decoder = new StreamDecoder(-1);
  const heldAtFirst = heldBytes(decoder);
  const frame = framed(new Uint8Array(100_000).fill(7));
  // Memory of its own, as a connection's reads have.
  const read = (from: number, to: number) => Buffer.from(new Uint8Array(frame.subarray(from, to)).buffer);
  expect(decoder.write(read(0, 60_000))).toEqual([]);
  expect(heldBytes(decoder)).toBeGreaterThan(60_000);
  expect(decoder.write(read(60_000, frame.length))).toEqual([frame]);
  expect(heldBytes(decoder)).toBe(heldAtFirst);
  expect(decoder.write(Buffer.from(new Uint8Array(framed(new Uint8Array(0))).buffer))).toHaveLength(1);
  expect(heldBytes(decoder)).toBe(heldAtFirst);
});

test('messages come whole, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 }),
      fc.array(fc.nat({ max: 400 }), { maxLength: 12 }),
      (messages, cuts) => {
        const frames = messages.map(framed);
        const all = Buffer.concat(frames);
        const ends = [...cuts.filter((cut) => cut < all.length), all.length].sort((a, b) => a - b);
        const decoder = new StreamDecoder(-1);
        const seen = ends.flatMap((end, i) => decoder.write(Buffer.from(all.subarray(ends[i - 1] ?? 0, end))));
        expect(seen.map((message) => message.toString('hex'))).toEqual(frames.map((frame) => frame.toString('hex')));
      },
    ),
  );
});
