// Names the content of a log entry, so that an entry that stands in another one's place is noticed.
import { createHash } from 'node:crypto';

/** 16 hexadecimal digits: two entries with one version and one fingerprint are the same. */
export function entryFingerprint(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
