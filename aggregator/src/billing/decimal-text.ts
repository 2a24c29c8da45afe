// Exact figures of bills as decimal text. Knows no price book.
import type { Fraction } from '../pricing/money.ts';
import { usdExact } from '../query/units.ts';

/** The most places that the exact text of a fraction has; units are powers of 2 and 10, so that fractions of them end sooner. */
const PLACES_MAX = 120;

/** Places of an amount that always stand. */
const USD_PLACES_LEAST = 2;

/** All places of a fraction that ends: "91.982476514764130115509033203125". One that does not is "1/3". */
export function exactDecimal({ numerator, denominator }: Fraction): string {
  let places = 0;
  let scale = 1n;
  while ((numerator * scale) % denominator !== 0n) {
    if (places === PLACES_MAX) return `${numerator}/${denominator}`;
    places++;
    scale *= 10n;
  }
  return withPoint((numerator * scale) / denominator, places);
}

/** At most `places` places, rounded half-up, with thousands separators: "10,240", "91.982477". Not for negative ones. */
export function shortDecimal({ numerator, denominator }: Fraction, places: number): string {
  const scale = 10n ** BigInt(places);
  const rounded = (2n * numerator * scale + denominator) / (2n * denominator);
  const [whole = '0', rest = ''] = withPoint(rounded, places).split('.');
  const shown = rest.replace(/0+$/, '');
  return `${BigInt(whole).toLocaleString('en-US')}${shown === '' ? '' : `.${shown}`}`;
}

/** All places of an amount that are not zero, and two at least: "921.60", "0.000000000084". Input in 1e-12 USD. */
export function usdShort(pico: bigint): string {
  const [whole = '0', places = ''] = usdExact(pico).split('.');
  const shown = places.replace(/0+$/, '').padEnd(USD_PLACES_LEAST, '0');
  const sign = whole.startsWith('-') ? '-' : '';
  return `${sign}${BigInt(whole.replace('-', '')).toLocaleString('en-US')}.${shown}`;
}

function withPoint(digits: bigint, places: number): string {
  if (places === 0) return String(digits);
  const text = String(digits).padStart(places + 1, '0');
  return `${text.slice(0, -places)}.${text.slice(-places)}`;
}
