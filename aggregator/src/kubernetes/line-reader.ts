// Bytes of a watch as they come → lines. A half-read line is kept up to a limit. Knows nothing of what the lines say.
import { ApiFailure } from './api-failure.ts';

const NEW_LINE = 0x0a;

/** Takes chunks; calls `onLine` with each whole line that is not empty. What follows the last new line is never told. */
export function createLineReader(lineBytesMax: number, onLine: (line: string) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let bytes = 0;
  const keep = (part: Buffer): void => {
    bytes += part.length;
    if (bytes > lineBytesMax) throw new ApiFailure('too-large', `an event is larger than ${lineBytesMax} bytes`);
    if (part.length > 0) parts.push(part);
  };
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(NEW_LINE); end !== -1; end = chunk.indexOf(NEW_LINE, start)) {
      keep(chunk.subarray(start, end));
      const line = parts.length === 1 ? parts[0]!.toString() : Buffer.concat(parts, bytes).toString();
      parts = [];
      bytes = 0;
      start = end + 1;
      if (line !== '') onLine(line);
    }
    keep(chunk.subarray(start));
  };
}
