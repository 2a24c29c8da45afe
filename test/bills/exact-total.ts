// What a person works out from the lines of a printed bill: quantities times prices, exact, rounded once. Knows the JSON, no code that
// made it.
interface Line {
  readonly quantity: string;
  readonly usd_per_unit: string;
  readonly percent_off: string;
}

/** A month as statements have it. */
export interface PrintedMonth {
  readonly total_usd: string;
  readonly providers: readonly { readonly lines: readonly Line[] }[];
}

/** The lines' products in sum, exact, rounded once half-even at the 12th place: what a person works out. */
export function exactTotal(months: readonly PrintedMonth[]): string {
  const places = 120;
  const sum = months[0]!.providers
    .flatMap(({ lines }) => lines)
    .map(({ quantity, usd_per_unit, percent_off }) => {
      const off = scaled(percent_off, 6);
      return scaled(quantity, 90) * scaled(usd_per_unit, 22) * (100_000_000n - off);
    })
    .reduce((a, b) => a + b, 0n);
  return roundedUsd(sum, places);
}

/** USD with so many places → text with 12, half-even. */
export function roundedUsd(sum: bigint, places: number): string {
  const scale = 10n ** BigInt(places - 12);
  const quotient = sum / scale;
  const twice = 2n * (sum % scale);
  const rounded = twice > scale || (twice === scale && quotient % 2n === 1n) ? quotient + 1n : quotient;
  return `${rounded / 10n ** 12n}.${String(rounded % 10n ** 12n).padStart(12, '0')}`;
}

/** "1.5", 3 → 1500n */
export function scaled(text: string, places: number): bigint {
  const [whole = '', rest = ''] = text.split('.');
  if (rest.length > places) throw new Error(`${text} has more than ${places} places`);
  return BigInt(whole + rest.padEnd(places, '0'));
}

/** The text of 1e-12 USD. */
export function pico(usd: string): bigint {
  return scaled(usd, 12);
}
