// Bytes of a watch as they come → lines. A half-read line is kept up to a limit; what is longer is not kept, but for its beginning. Knows
// nothing of what the lines say.
import { HEAD_BYTES } from './object-head.ts';

const NEW_LINE = 0x0a;

/**
 * Takes chunks; calls `onLine` with each whole line that is not empty. What follows the last new line is never told.
 * @param onLong hears of a line that is too long as soon as it is, with its beginning; it is skipped
 */
export function createLineReader(
  lineBytesMax: number,
  onLine: (line: string) => void,
  onLong: (beginning: string) => void,
): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let bytes = 0;
  let isSkipping = false;
  const keep = (part: Buffer): void => {
    if (isSkipping || part.length === 0) return;
    parts.push(part);
    bytes += part.length;
    if (bytes <= lineBytesMax) return;
    isSkipping = true;
    const beginning = beginningOf(parts);
    parts = [];
    onLong(beginning);
  };
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(NEW_LINE); end !== -1; end = chunk.indexOf(NEW_LINE, start)) {
      keep(chunk.subarray(start, end));
      const line = parts.length === 1 ? parts[0]!.toString() : Buffer.concat(parts).toString();
      parts = [];
      bytes = 0;
      start = end + 1;
      if (line !== '') onLine(line);
      isSkipping = false;
    }
    keep(chunk.subarray(start));
  };
}

/** Of what is too long to be made one text. */
export function beginningOf(parts: readonly Buffer[]): string {
  const few: Buffer[] = [];
  for (let bytes = 0, i = 0; bytes < HEAD_BYTES && i < parts.length; i++) {
    few.push(parts[i]!.subarray(0, HEAD_BYTES - bytes));
    bytes += few.at(-1)!.length;
  }
  return Buffer.concat(few).toString();
}
