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

/** Hexadecimal text of each byte, without and with its leading zero. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16));
const HEX_PADDED = HEX.map((text) => text.padStart(2, '0'));

function ipv6Text(slots: Uint8Array, offset: number): string {
  const { start, end } = longestZeroRun(slots, offset);
  let text = '';
  for (let index = 0; index < 8; index++) {
    if (index === start) {
      text += '::';
      index = end - 1;
      continue;
    }
    if (index !== 0 && index !== end) text += ':';
    const high = slots[offset + 2 * index]!;
    const low = slots[offset + 2 * index + 1]!;
    text += high === 0 ? HEX[low] : HEX[high]! + HEX_PADDED[low];
  }
  return text;
}

/** The groups that "::" stands for: at least two; -1 when there are none. */
function longestZeroRun(slots: Uint8Array, offset: number): { readonly start: number; readonly end: number } {
  let start = -1;
  let end = -1;
  let length = 1;
  let run = 0;
  for (let index = 0; index < 8; index++) {
    run = slots[offset + 2 * index] === 0 && slots[offset + 2 * index + 1] === 0 ? run + 1 : 0;
    if (run <= length) continue;
    start = index - run + 1;
    end = index + 1;
    length = run;
  }
  return { start, end };
}

/** Whether all bits behind the prefix are 0. */
export function hostBitsAreZero(slots: Uint8Array, offset: number, bytes: 4 | 16, prefixLength: number): boolean {
  for (let index = prefixLength >>> 3; index < bytes; index++) {
    const kept = Math.max(0, prefixLength - 8 * index);
    if ((slots[offset + index]! & (0xff >>> kept)) !== 0) return false;
  }
  return true;
}
