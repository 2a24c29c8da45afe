// The zstd frame around a FlowColumns message (RFC 8878), by node:zlib. What a frame says of itself is checked before
// anything is allocated: its content size, its window, and that nothing follows it.
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { WireError } from './wire-error.ts';

/**
 * Level 1. Measured on the columns of `npm run bench -- wire`: level 3 takes 1.2 times the CPU and yields larger frames,
 * level 6 takes four times for 3 %; the fast level -2 saves 15 % for frames larger by 20 to 30 %.
 */
const COMPRESSION_LEVEL = 1;

/** Largest window, as a power of two, that a frame may ask the reader to keep: 16 MiB. */
const WINDOW_LOG_MAX = 24;

const MAGIC = 0xfd2fb528;

/** Compresses into one frame that states its content size. */
export function compressFrame(content: Uint8Array): Uint8Array {
  return zstdCompressSync(content, {
    pledgedSrcSize: content.length,
    chunkSize: Math.max(1024, content.length >>> 1),
    params: {
      [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL,
      [constants.ZSTD_c_contentSizeFlag]: 1,
    },
  });
}

/** The content of one frame; raises WireError when it is no such frame or its content exceeds `contentBytesMax`. */
export function decompressFrame(frame: Uint8Array, contentBytesMax: number): Uint8Array {
  const size = frameContentSize(frame);
  if (size > contentBytesMax) {
    throw new WireError('OVER_LIMIT', `zstd frame states ${size} bytes of content; at most ${contentBytesMax}`);
  }
  let result: { readonly buffer: Uint8Array; readonly engine: { readonly bytesWritten: number } };
  try {
    // With `info`, node:zlib returns the engine too, whose `bytesWritten` is how much of the input it used: it would pass
    // over bytes behind the frame in silence. The declared type does not know `info`.
    const returned: unknown = zstdDecompressSync(frame, {
      info: true,
      // One output buffer of the right size; the floor is node:zlib's own.
      chunkSize: Math.max(64, size + 1),
      maxOutputLength: Math.max(1, size),
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    });
    result = returned as typeof result;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new WireError('ZSTD', `zstd frame of ${frame.length} bytes cannot be read: ${reason}`, { cause: error });
  }
  const { buffer, engine } = result;
  if (buffer.length !== size) {
    throw new WireError('ZSTD', `zstd frame states ${size} bytes of content and holds ${buffer.length}`);
  }
  if (engine.bytesWritten !== frame.length) {
    throw new WireError('ZSTD', `zstd frame ends after ${engine.bytesWritten} of ${frame.length} bytes`);
  }
  return buffer;
}

/** The content size that the frame's header states, in bytes (RFC 8878, 3.1.1.1). */
export function frameContentSize(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 5 || view.getUint32(0, true) !== MAGIC) {
    throw new WireError('ZSTD', `${frame.length} bytes that do not begin a zstd frame`);
  }
  const descriptor = frame[4]!;
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdSize = [0, 1, 2, 4][descriptor & 3]!;
  const sizeFlag = descriptor >>> 6;
  const at = 5 + (singleSegment ? 0 : 1) + dictionaryIdSize;
  const fieldSize = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag;
  if (fieldSize === 0) throw new WireError('ZSTD', 'zstd frame does not state its content size');
  if (frame.length < at + fieldSize)
    throw new WireError('ZSTD', `zstd frame of ${frame.length} bytes is cut in its header`);
  switch (fieldSize) {
    case 1:
      return view.getUint8(at);
    case 2:
      return 256 + view.getUint16(at, true);
    case 4:
      return view.getUint32(at, true);
    default:
      return view.getUint32(at, true) + view.getUint32(at + 4, true) * 4_294_967_296;
  }
}
