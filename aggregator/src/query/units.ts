// Amounts as people read them. Only for tables: JSON and CSV have the exact figures.

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;
const PICO_PER_USD = 10n ** 12n;
const USD_DIGITS = 12;

/** Bytes with three significant digits: `512 B`, `1.50 KiB`, `12.3 GiB`. */
export function bytesText(bytes: bigint): string {
  let unit = 0;
  let value = Number(bytes);
  // What would round to 1,024 of a unit is 1.00 of the next.
  while (value >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) {
    return `${bytes} B`;
  }
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/**
 * Dollars: two decimals from one dollar up, four from a cent up, and below that as many as show two significant digits, so
 * that a small sum is never `$0.00`. Input in 1e-12 USD.
 */
export function usdText(pico: bigint): string {
  if (pico === 0n) {
    return '$0';
  }
  const magnitude = pico < 0n ? -pico : pico;
  let decimals = 2;
  if (magnitude < PICO_PER_USD / 100n) {
    // 12 decimals less the digits that the integer has, plus two of them.
    decimals = Math.min(USD_DIGITS, USD_DIGITS - magnitude.toString().length + 2);
  } else if (magnitude < PICO_PER_USD) {
    decimals = 4;
  }
  const scale = 10n ** BigInt(USD_DIGITS - decimals);
  const digits = ((magnitude + scale / 2n) / scale).toString().padStart(decimals + 1, '0');
  const whole = BigInt(digits.slice(0, -decimals)).toLocaleString('en-US');
  return `${pico < 0n ? '-' : ''}$${whole}.${digits.slice(-decimals)}`;
}

/** Exact decimal text of 1e-12 USD, twelve decimals. */
export function usdExact(pico: bigint): string {
  const digits = (pico < 0n ? -pico : pico).toString().padStart(USD_DIGITS + 1, '0');
  return `${pico < 0n ? '-' : ''}${digits.slice(0, -USD_DIGITS)}.${digits.slice(-USD_DIGITS)}`;
}

/** A share in percent to one place; what is not nothing is never `0%`, and what is not all never `100%`. */
export function percentText(part: bigint, whole: bigint): string {
  if (part === 0n) return '0%';
  if (part === whole) return '100%';
  if (whole === 0n) return '–';
  const sign = part < 0n !== whole < 0n ? '-' : '';
  const [a, b] = [part < 0n ? -part : part, whole < 0n ? -whole : whole];
  const tenths = (a * 1000n + b / 2n) / b;
  if (tenths === 0n) return `${sign}<0.1%`;
  if (a < b && tenths === 1000n) return `${sign}>99.9%`;
  return `${sign}${(tenths / 10n).toLocaleString('en-US')}.${tenths % 10n}%`;
}

/** A share in percent to four places; null of nothing. */
export function percent(part: bigint, whole: bigint): number | null {
  if (whole === 0n) return null;
  return Math.round(Number((part * 100_000_000n) / whole) / 100) / 10_000;
}

/** Count with thousands separators. */
export function countText(count: bigint): string {
  return count.toLocaleString('en-US');
}

/** Instant to the minute, as reports show it: `2026-01-31 23:59`. Input in µs. */
export function minuteText(micros: bigint): string {
  return new Date(Number(micros / 1000n)).toISOString().slice(0, 16).replace('T', ' ');
}

/** Instant to the second: `2026-01-31 23:59:59`. Input in ms. */
export function secondText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}
