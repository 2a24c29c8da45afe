// Exact money: bytes × rate, rounded once. Amounts are integers of 1e-12 USD. Knows no price book.
import { FlowtollError } from '../model/errors.ts';
import type { PicoUsd } from '../model/flow-row.ts';

/** 1e-12 USD in one USD. */
export const PICO_USD_PER_USD = 1_000_000_000_000n;

/** A cost of this much or more does not fit DECIMAL(18,12). */
const ROW_COST_LIMIT: PicoUsd = 1_000_000n * PICO_USD_PER_USD;

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

/** A fraction; the denominator is positive. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export const ZERO: Fraction = { numerator: 0n, denominator: 1n };

/** In lowest terms. */
export function fraction(numerator: bigint, denominator: bigint): Fraction {
  const divisor = greatestCommonDivisor(numerator, denominator);
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

export function addFractions(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
}

export function multiplyFractions(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.numerator, a.denominator * b.denominator);
}

/** Picodollars per byte, for one or two counts of bytes with one rounding: first × a + second × b. */
export interface ByteRate {
  readonly first: bigint;
  readonly second: bigint;
  readonly denominator: bigint;
  /** The same as doubles, where they are exact; NaN where one is above 2^53: then only the bigints count. */
  readonly firstDouble: number;
  readonly secondDouble: number;
  readonly denominatorDouble: number;
}

/** A rate for one count of bytes, or with `second` for two. */
export function byteRate(perByte: Fraction, second: Fraction = ZERO): ByteRate {
  const divisor = greatestCommonDivisor(perByte.denominator, second.denominator);
  const denominator = (perByte.denominator / divisor) * second.denominator;
  const a = perByte.numerator * (denominator / perByte.denominator);
  const b = second.numerator * (denominator / second.denominator);
  const isExact = a <= MAX_SAFE && b <= MAX_SAFE && denominator <= MAX_SAFE;
  return {
    first: a,
    second: b,
    denominator,
    firstDouble: isExact ? Number(a) : Number.NaN,
    secondDouble: isExact ? Number(b) : Number.NaN,
    denominatorDouble: isExact ? Number(denominator) : Number.NaN,
  };
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * What the bytes cost: the exact sum of products, rounded half-even once. Throws PRICE_OVERFLOW at 1,000,000 USD.
 * Counts of bytes are integers from 0 to 2^53.
 */
export function costOf(rate: ByteRate, bytes: number, secondBytes = 0): PicoUsd {
  // Far below the limit.
  const inDoubles = costInDoubles(rate, bytes, secondBytes);
  if (inDoubles !== undefined) return inDoubles;
  const cost = costInBigints(rate, BigInt(bytes), BigInt(secondBytes));
  if (cost >= ROW_COST_LIMIT) {
    throw new FlowtollError(
      'PRICE_OVERFLOW',
      `${BigInt(bytes) + BigInt(secondBytes)} bytes cost ${cost / PICO_USD_PER_USD} USD in one row, which is at or above the limit of 1000000 USD; the bytes are stored, the cost is not: check the price book's rate and the agent's counters`,
    );
  }
  return cost;
}

/** The same result without bigints where every intermediate is an integer below 2^53, as it is for nearly all rows. */
function costInDoubles(rate: ByteRate, bytes: number, secondBytes: number): PicoUsd | undefined {
  const product = bytes * rate.firstDouble + secondBytes * rate.secondDouble;
  // What is free, and no bigint for each row that is.
  if (product === 0) return 0n;
  // Also false for NaN. A sum that was rounded to 2^53 or less was exact, and so were its parts: doubles are, up to there.
  if (!(product <= Number.MAX_SAFE_INTEGER)) {
    return undefined;
  }
  const denominator = rate.denominatorDouble;
  const remainder = product % denominator;
  const quotient = (product - remainder) / denominator;
  const half = denominator - remainder;
  const roundUp = remainder > half || (remainder === half && quotient % 2 === 1);
  const rounded = roundUp ? quotient + 1 : quotient;
  return rounded === 0 ? 0n : BigInt(rounded);
}

function costInBigints(rate: ByteRate, bytes: bigint, secondBytes: bigint): PicoUsd {
  return roundHalfEven({ numerator: bytes * rate.first + secondBytes * rate.second, denominator: rate.denominator });
}

/** The nearest integer; of two, the even one. */
export function roundHalfEven({ numerator, denominator }: Fraction): bigint {
  const quotient = numerator / denominator;
  const twice = 2n * (numerator - quotient * denominator);
  const roundUp = twice > denominator || (twice === denominator && quotient % 2n === 1n);
  return roundUp ? quotient + 1n : quotient;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) {
    [x, y] = [y, x % y];
  }
  return x === 0n ? 1n : x;
}
