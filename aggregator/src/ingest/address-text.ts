// Address bytes → canonical text: dotted decimal, or RFC 5952 for IPv6 (lower case, no leading zeros, the longest run of
// zero groups, first of equals, as "::"). By hand, because it runs for every address of every batch.

/** Text of the address in the slot that begins at `offset`, with "/24" and the like when it is a prefix. */
export function addressText(slots: Uint8Array, offset: number, isV6: boolean, prefixLength: number): string {
  if (isV6) {
    const text = ipv6Text(slots, offset);
    return prefixLength === 128 ? text : `${text}/${prefixLength}`;
  }
  const text = `${slots[offset]}.${slots[offset + 1]}.${slots[offset + 2]}.${slots[offset + 3]}`;
  return prefixLength === 32 ? text : `${text}/${prefixLength}`;
}

function ipv6Text(slots: Uint8Array, offset: number): string {
  const group = (index: number): number => (slots[offset + 2 * index]! << 8) | slots[offset + 2 * index + 1]!;
  let runStart = 8;
  let runLength = 1; // a single zero group stays "0"
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && group(end) === 0) end++;
    if (end - start > runLength) {
      runStart = start;
      runLength = end - start;
    }
    if (end > start) start = end;
  }
  let text = '';
  for (let index = 0; index < 8; index++) {
    if (index === runStart) {
      text += '::';
      index += runLength - 1;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    text += group(index).toString(16);
  }
  return text;
}

/** Whether all bits behind the prefix are 0. */
export function hostBitsAreZero(slots: Uint8Array, offset: number, bytes: 4 | 16, prefixLength: number): boolean {
  for (let index = prefixLength >>> 3; index < bytes; index++) {
    const kept = Math.max(0, prefixLength - 8 * index);
    if ((slots[offset + index]! & (0xff >>> kept)) !== 0) return false;
  }
  return true;
}
