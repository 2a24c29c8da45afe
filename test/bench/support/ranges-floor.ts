// The floor of the benchmark of ranges: the sorted first addresses of all different prefixes in typed arrays, and a binary search
// that only finds the last one before an address. It knows no nesting and no places.
import type { PrefixList } from '@flowtoll/aggregator/ranges/prefix-list.ts';

const IPV6 = 256;

/** Addresses as numbers: words of IPv4 and IPv6, and of each address where it is, negative for IPv6. */
export interface Numbers {
  readonly ipv4: Uint32Array;
  readonly ipv6: Uint32Array;
  readonly order: Int32Array;
}

/** One prefix, as a number. */
interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

export class RangesFloor {
  readonly #spans: { readonly 4: readonly Span[]; readonly 6: readonly Span[] };
  /** Those that no other one holds. */
  readonly #outer: { readonly 4: readonly Span[]; readonly 6: readonly Span[] };
  readonly #ipv4: Uint32Array;
  readonly #ipv6: Uint32Array;
  #state = 20_261_126;

  constructor(lists: readonly PrefixList[]) {
    this.#spans = { 4: spansOf(lists, 4), 6: spansOf(lists, 6) };
    this.#outer = { 4: outerOf(this.#spans[4]), 6: outerOf(this.#spans[6]) };
    this.#ipv4 = Uint32Array.from(this.#spans[4], ({ first }) => Number(first));
    this.#ipv6 = Uint32Array.from(this.#spans[6].flatMap(({ first }) => wordsOf(first)));
  }

  /** Addresses in prefixes, each prefix as likely as any other. */
  hits(family: 4 | 6, count: number): string[] {
    const spans = this.#spans[family];
    return Array.from({ length: count }, () => {
      const { first, last } = spans[Math.floor(this.#random() * spans.length)]!;
      return textOf(first + this.#below(last - first + 1n), family);
    });
  }

  /** Addresses in no prefix: of IPv4 anywhere, of IPv6 beside prefixes. */
  misses(family: 4 | 6, count: number): string[] {
    const spans = this.#spans[family];
    const texts: string[] = [];
    while (texts.length < count) {
      const { first, last } = spans[Math.floor(this.#random() * spans.length)]!;
      const address = family === 4 ? this.#below(2n ** 32n) : last + 1n + this.#below(16n * (last - first + 1n));
      if (address < 2n ** (family === 4 ? 32n : 128n) && !isIn(this.#outer[family], address))
        texts.push(textOf(address, family));
    }
    return texts;
  }

  /** The same order each time. */
  shuffled(values: readonly string[]): string[] {
    const copy = [...values];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = Math.floor(this.#random() * (i + 1));
      [copy[i], copy[j]] = [copy[j]!, copy[i]!];
    }
    return copy;
  }

  numbersOf(addresses: readonly string[]): Numbers {
    const ipv4 = addresses.filter((address) => !address.includes(':'));
    const ipv6 = addresses.filter((address) => address.includes(':'));
    let [at4, at6] = [0, 0];
    return {
      ipv4: Uint32Array.from(ipv4, (address) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)),
      ipv6: Uint32Array.from(ipv6.flatMap(wordsOfText)),
      order: Int32Array.from(addresses, (address) => (address.includes(':') ? -1 - at6++ : at4++)),
    };
  }

  /** The sum of what was found, so that no search is left out. */
  searchAll({ ipv4, ipv6, order }: Numbers): number {
    let sum = 0;
    for (let i = 0; i < order.length; i++) {
      const at = order[i]!;
      sum += at >= 0 ? search4(this.#ipv4, ipv4[at]!) : search6(this.#ipv6, ipv6, -4 * (at + 1));
    }
    return sum;
  }

  #random(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) / 2 ** 32;
  }

  #below(end: bigint): bigint {
    let value = 0n;
    for (let i = 0; i < 4; i++) value = (value << 32n) + BigInt(Math.floor(this.#random() * 2 ** 32));
    return value % end;
  }
}

function search4(starts: Uint32Array, address: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

function search6(starts: Uint32Array, words: Uint32Array, offset: number): number {
  let low = 0;
  let high = starts.length >>> 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    let i = 0;
    while (i < 3 && starts[4 * middle + i] === words[offset + i]) i++;
    if (starts[4 * middle + i]! <= words[offset + i]!) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Different prefixes of one family, by first address, outer ones first. */
function spansOf(lists: readonly PrefixList[], family: 4 | 6): Span[] {
  const spans = new Map<string, Span>();
  for (const { count, words, codes } of lists) {
    for (let i = 0; i < count; i++) {
      const code = codes[i]!;
      if (code >= IPV6 !== (family === 6)) continue;
      const first = [...words.subarray(4 * i, 4 * i + (family === 6 ? 4 : 1))].reduce(
        (a, b) => (a << 32n) + BigInt(b),
        0n,
      );
      const last = first + 2n ** BigInt((family === 6 ? 128 : 32) - (code & (IPV6 - 1))) - 1n;
      spans.set(`${first} ${last}`, { first, last });
    }
  }
  return [...spans.values()].sort((a, b) => compare(a.first, b.first) || compare(b.last, a.last));
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}

function outerOf(spans: readonly Span[]): Span[] {
  const outer: Span[] = [];
  for (const span of spans) if (outer.length === 0 || outer.at(-1)!.last < span.first) outer.push(span);
  return outer;
}

/** Whether one of the spans, which do not overlap, holds the address. */
function isIn(spans: readonly Span[], address: bigint): boolean {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (spans[middle]!.first <= address) low = middle + 1;
    else high = middle;
  }
  return low > 0 && address <= spans[low - 1]!.last;
}

function wordsOf(value: bigint): number[] {
  return [96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffffffffn));
}

function textOf(value: bigint, family: 4 | 6): string {
  if (family === 4) return flat([24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.'));
  const groups = wordsOf(value).flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)]);
  return flat(new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1));
}

/** A text of its own, no part of another one. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

function wordsOfText(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right].map((g) =>
    parseInt(g, 16),
  );
  return [0, 2, 4, 6].map((i) => groups[i]! * 65_536 + groups[i + 1]!);
}
