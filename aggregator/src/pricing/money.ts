// Exact money: bytes × rate, rounded once. Amounts are integers of 1e-12 USD. Knows no price book.
import { FlowtollError } from '../model/errors.ts';
import type { PicoUsd } from '../model/flow-row.ts';

/** 1e-12 USD in one USD. */
export const PICO_USD_PER_USD = 1_000_000_000_000n;

/** A cost of this much or more does not fit DECIMAL(18,12). */
export const ROW_COST_LIMIT: PicoUsd = 1_000_000n * PICO_USD_PER_USD;

const DECIMAL = /^(0|[1-9]\d{0,5})(?:\.(\d{1,12}))?$/;

/** "0.1105" → 110_500_000_000n. Throws PRICE_BOOK_INVALID for anything but a plain decimal of at most 12 places. */
export function parseUsd(text: string): PicoUsd {
  const match = DECIMAL.exec(text);
  if (match === null) {
    throw new FlowtollError(
      'PRICE_BOOK_INVALID',
      `"${text}" is not an amount in USD; write a decimal below 1000000 with at most 12 places, such as "0.0105"`,
    );
  }
  return BigInt(match[1]!) * PICO_USD_PER_USD + BigInt((match[2] ?? '').padEnd(12, '0'));
}

/** Picodollars per byte as a fraction in lowest terms; the doubles are the same numbers where they are exact. */
export interface ByteRate {
  readonly numerator: bigint;
  readonly denominator: bigint;
  /** NaN if the numerator or denominator is above 2^53: then only the bigints count. */
  readonly numeratorDouble: number;
  readonly denominatorDouble: number;
}

/** `usdPerUnit` in picodollars for `unitBytes` bytes. */
export function byteRate(usdPerUnit: PicoUsd, unitBytes: number): ByteRate {
  const unit = BigInt(unitBytes);
  const divisor = greatestCommonDivisor(usdPerUnit, unit);
  const numerator = usdPerUnit / divisor;
  const denominator = unit / divisor;
  const isExact = numerator <= MAX_SAFE && denominator <= MAX_SAFE;
  return {
    numerator,
    denominator,
    numeratorDouble: isExact ? Number(numerator) : Number.NaN,
    denominatorDouble: isExact ? Number(denominator) : Number.NaN,
  };
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * What `bytes` cost: the exact product, rounded half-even once. Throws PRICE_OVERFLOW at 1,000,000 USD.
 * `bytes` is an integer from 0 to 2^53.
 */
export function costOf(bytes: number, rate: ByteRate): PicoUsd {
  const cost = costInDoubles(bytes, rate) ?? costInBigints(BigInt(bytes), rate);
  if (cost >= ROW_COST_LIMIT) {
    throw new FlowtollError(
      'PRICE_OVERFLOW',
      `${bytes} bytes cost ${cost / PICO_USD_PER_USD} USD in one row, which is at or above the limit of 1000000 USD; the bytes are stored, the cost is not: check the price book's rate and the agent's counters`,
    );
  }
  return cost;
}

/** The same result without bigints where every intermediate is an integer below 2^53, as it is for nearly all rows. */
function costInDoubles(bytes: number, rate: ByteRate): PicoUsd | undefined {
  const product = bytes * rate.numeratorDouble;
  // Also false for NaN. A product that was rounded to 2^53 or less was exact: doubles are, up to there.
  if (!(product <= Number.MAX_SAFE_INTEGER)) {
    return undefined;
  }
  const remainder = product % rate.denominatorDouble;
  const quotient = (product - remainder) / rate.denominatorDouble;
  const half = rate.denominatorDouble - remainder;
  const roundUp = remainder > half || (remainder === half && quotient % 2 === 1);
  return BigInt(roundUp ? quotient + 1 : quotient);
}

function costInBigints(bytes: bigint, rate: ByteRate): PicoUsd {
  const product = bytes * rate.numerator;
  const quotient = product / rate.denominator;
  const twice = 2n * (product - quotient * rate.denominator);
  const roundUp = twice > rate.denominator || (twice === rate.denominator && quotient % 2n === 1n);
  return roundUp ? quotient + 1n : quotient;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) {
    [x, y] = [y, x % y];
  }
  return x === 0n ? 1n : x;
}
