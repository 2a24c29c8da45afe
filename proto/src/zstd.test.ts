// Frames of ours are read by node:zlib with default options, frames of others by us; bad ones are refused by what their
// header says.
import { createZstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WireError } from './wire-error.ts';
import { compressFrame, decompressFrame, frameContentSize } from './zstd.ts';

describe('zstd frames', () => {
  test('state their size and hold their content', () => {
    const sizes = [0, 1, 255, 256, 257, 65_535, 65_536, 65_792, 300_000];
    for (const size of sizes) {
      const content = Buffer.alloc(size, 'flow');
      const frame = compressFrame(content);
      expect(frameContentSize(frame)).toBe(size);
      expect(zstdDecompressSync(frame).equals(content)).toBe(true);
      expect(Buffer.from(decompressFrame(frame, size)).equals(content)).toBe(true);
    }
  });

  test('of another writer are read when they state their size', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (content) => {
        const frame = zstdCompressSync(content, { pledgedSrcSize: content.length });
        expect([...decompressFrame(frame, 2000)]).toEqual([...content]);
      }),
    );
  });

  test('that do not state their size are refused', async () => {
    const stream = createZstdCompress();
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.write('flows');
    stream.flush(() => stream.end(' and more'));
    await new Promise((resolve) => stream.on('end', resolve));
    expect(() => decompressFrame(Buffer.concat(chunks), 1000)).toThrow('does not state its content size');
  });

  test('that state too much are refused by their header alone', () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 << 20), { pledgedSrcSize: 64 << 20 });
    expect(() => decompressFrame(bomb, 16 << 20)).toThrow('states 67108864 bytes of content; at most 16777216');
  });

  test('that lie about their size are refused', () => {
    const content = Buffer.alloc(1000, 'x');
    for (const stated of [999, 1001, 300]) {
      const frame = Buffer.from(zstdCompressSync(content, { pledgedSrcSize: 1000 }));
      expect(frame[4]! >>> 6).toBe(1); // a content size of two bytes, less 256, after magic and descriptor
      frame.writeUInt16LE(stated - 256, 5);
      expect(() => decompressFrame(frame, 5000)).toThrow(WireError);
    }
  });

  test('with bytes behind them, or cut, are refused', () => {
    const frame = compressFrame(Buffer.from('one frame, only one'));
    expect(() => decompressFrame(Buffer.concat([frame, frame]), 100)).toThrow('frame ends after');
    for (let length = 0; length < frame.length; length++) {
      expect(() => decompressFrame(frame.subarray(0, length), 100)).toThrow(WireError);
    }
  });

  test('any bytes raise WireError or decode', () => {
    const valid = compressFrame(Buffer.from('abcabcabcabcabcabcabcabc'));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(valid.length - 1), fc.nat(255), (tail, at, value) => {
        const mutated = Uint8Array.from(valid).fill(value, at, at + 1);
        for (const bytes of [tail, Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, ...tail), mutated]) {
          try {
            expect(decompressFrame(bytes, 4096).length).toBeLessThanOrEqual(4096);
          } catch (error) {
            if (!(error instanceof WireError)) throw error;
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
