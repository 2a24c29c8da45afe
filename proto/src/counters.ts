// 64-bit counters: doubles in memory, little-endian fixed64 on the wire. Exact from 0 to 2^53 - 1, and checked: a value
// outside is an error, never rounded. Works on Uint32 halves, since a BigInt per value costs more than all the rest.
import { WireError } from './wire-error.ts';

const TWO_32 = 4_294_967_296;
/** The upper half of 2^53. */
const HIGH_END = 0x20_0000;

/**
 * Writes `count` counters as little-endian halves into `halves`, counter `order[i]` (or i) at position i.
 * `name` is the column's name in errors.
 */
export function encodeCounters(
  values: Float64Array,
  count: number,
  order: Uint32Array | undefined,
  halves: Uint32Array,
  name: string,
): void {
  for (let i = 0; i < count; i++) {
    const index = order === undefined ? i : order[i]!;
    const value = values[index]!;
    const low = value >>> 0;
    const high = (value - low) / TWO_32;
    // `high` is an integer in range exactly when the value was one: fractions, NaN, infinities and negatives fail here.
    if (!(high >= 0 && high < HIGH_END) || high !== high >>> 0) throw outOfRange(name, index, String(value));
    halves[2 * i] = low;
    halves[2 * i + 1] = high;
  }
}

/** Reads `count` counters from little-endian halves into `values`, from position `offset` on. */
export function decodeCounters(
  halves: Uint32Array,
  count: number,
  values: Float64Array,
  offset: number,
  name: string,
): void {
  for (let i = 0; i < count; i++) {
    const low = halves[2 * i]!;
    const high = halves[2 * i + 1]!;
    if (high >= HIGH_END) {
      throw outOfRange(name, offset + i, String((BigInt(high) << 32n) | BigInt(low)));
    }
    values[offset + i] = high * TWO_32 + low;
  }
}

function outOfRange(name: string, index: number, value: string): WireError {
  return new WireError('COUNTER_RANGE', `${name}[${index}] is ${value}; a counter is an integer from 0 to 2^53 - 1`);
}
