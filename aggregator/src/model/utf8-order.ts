// The order of text by its UTF-8 bytes. Object stores list keys in it, and Parquet readers compare text by it.

/** Compares by UTF-8 bytes; JavaScript's own order (UTF-16 code units) differs for U+E000 and above. */
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
