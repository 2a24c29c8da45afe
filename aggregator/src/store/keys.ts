// Keys of objects: what is a valid one, and their order. Pure text; knows no store.
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

/** Orders text by its UTF-8 bytes, which is the order of S3 listings; JavaScript's own order differs above U+D7FF. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      return utf8Rank(x) - utf8Rank(y);
    }
  }
  return a.length - b.length;
}

/** Surrogates stand for U+10000 and above, so they come after U+E000…U+FFFF. */
function utf8Rank(codeUnit: number): number {
  if (codeUnit < 0xd800) {
    return codeUnit;
  }
  return codeUnit < 0xe000 ? codeUnit + 0x2000 : codeUnit - 0x800;
}
