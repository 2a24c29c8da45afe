// Keys of objects: what is a valid one. Pure text; knows no store.
import { FlowtollError } from '../model/errors.ts';

/** Throws unless `key` is a relative path of plain segments: a key must never lead out of the store. */
export function checkKey(key: string): void {
  for (const segment of key.split('/')) {
    if (segment === '' || segment === '.' || segment === '..' || segment.includes('\0') || segment.includes('\\')) {
      throw new FlowtollError(
        'STORE_UNAVAILABLE',
        `object key ${JSON.stringify(key)} is not valid: it must be plain segments joined by "/", without "." or ".."`,
      );
    }
  }
}

/**
 * Keys with a segment that begins with a dot are the stores' own (proofs, files that are not objects yet): listings leave
 * them out. Servers that keep folders show the folder long after.
 */
export function isHidden(key: string): boolean {
  return key.startsWith('.') || key.includes('/.');
}
