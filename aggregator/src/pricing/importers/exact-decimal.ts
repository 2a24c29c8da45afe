// Decimal text → amounts of a price book, exact: digits are moved, nothing is computed in floating point.

/** An amount of a price book, or why it is none. */
export type Amount = { readonly usd: string } | { readonly refused: string };

/** Places that an amount of a price book may have. */
const MOST_PLACES = 12;
const MOST_WHOLE_DIGITS = 6;
/** Exponents beyond this are no prices; moving the point that far would fill the memory. */
const MOST_EXPONENT = 40;

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/;

/**
 * "0.0200000000" → "0.02", "8.7E-05" → "0.000087". An amount that needs more than 12 places is refused, not rounded: whoever
 * compares it with the provider's page shall find the same digits.
 */
export function exactAmount(text: string): Amount {
  const match = DECIMAL.exec(text.trim());
  if (match === null) return { refused: 'price is no decimal number' };
  const [, sign, whole = '', fraction = '', exponentText = '0'] = match;
  const exponent = Number(exponentText);
  const digits = whole + fraction;
  if (/^0*$/.test(digits)) return { usd: '0' };
  if (sign === '-') return { refused: 'price is negative' };
  if (Math.abs(exponent) > MOST_EXPONENT) return { refused: 'price is out of range' };
  const point = whole.length + exponent;
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0');
  const split = point <= 0 ? 1 : point;
  const wholeDigits = padded.slice(0, split).replace(/^0+(?=\d)/, '');
  const places = padded.slice(split).replace(/0+$/, '');
  if (wholeDigits.length > MOST_WHOLE_DIGITS) return { refused: 'price is 1000000 USD or more' };
  if (places.length > MOST_PLACES) return { refused: `price has more than ${MOST_PLACES} places` };
  return { usd: places === '' ? wholeDigits : `${wholeDigits}.${places}` };
}

/** Google's amounts: whole units as text, and billionths. */
export function amountOfNanos(units: string, nanos: string): Amount {
  if (!/^\d+$/.test(units) || !/^\d{1,9}$/.test(nanos)) {
    return { refused: /^-/.test(units) || /^-/.test(nanos) ? 'price is negative' : 'price is no decimal number' };
  }
  return exactAmount(`${units}.${nanos.padStart(9, '0')}`);
}

/** A bound of a tier: a number of units, whole or not; undefined if it is none. */
export function tierBound(text: string): number | undefined {
  const value = DECIMAL.test(text.trim()) ? Number(text) : Number.NaN;
  return value >= 0 && Number.isFinite(value) ? value : undefined;
}
