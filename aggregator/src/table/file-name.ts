// Names of data files: a UUID of version 7 (RFC 9562), so that the name tells when the file was made. A vacuum thus knows how old
// a file is that no log entry names, in every store, without asking for it.
import { randomBytes } from 'node:crypto';

/** A new name; `nowMs` is ms since the Unix epoch. */
export function newFileName(nowMs: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Math.max(0, Math.floor(nowMs)), 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString('hex');
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return `${uuid}.parquet`;
}

/** When a file was made, by its name; undefined where the name does not say. */
export function fileMadeMs(path: string): number | undefined {
  const match = /(?:^|\/)([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.parquet$/.exec(path);
  return match === null ? undefined : Number.parseInt(match[1]! + match[2]!, 16);
}
