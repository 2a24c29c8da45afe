// Columns of a message as rows of plain values: integers as bigint, instants as text, money as decimal text. Pure.
import type { Column, Rows } from '@flowtoll/proto';

/** A row by column names. */
export type CellRow = Readonly<Record<string, string | bigint | null>>;

export function rowsOf({ rowCount, columns }: Rows): CellRow[] {
  const readers = columns.map((column) => [column.name, cellReader(column)] as const);
  return Array.from({ length: rowCount }, (_, row) =>
    Object.fromEntries(readers.map(([name, read]) => [name, read(row)])),
  );
}

function cellReader({ values }: Column): (row: number) => string | bigint | null {
  if (values.case === undefined) return () => null;
  if (values.case === 'text') {
    const { dictionary, codes } = values.value;
    const [only = null] = dictionary;
    return codes.length === 0 ? () => only : (row) => dictionary[codes[row]! - 1] ?? null;
  }
  const { values: integers, nulls } = values.value;
  const isNull = (row: number) => integers.length === 0 || nulls[row] === 1;
  switch (values.case) {
    case 'integers':
      return (row) => (isNull(row) ? null : integers[row]!);
    case 'micros':
      return (row) => (isNull(row) ? null : instantText(integers[row]!));
    case 'picoUsd':
      return (row) => (isNull(row) ? null : decimalText(integers[row]!));
  }
}

/** As `flowtoll sql --format json` prints it. Input in µs. */
export function instantText(micros: bigint): string {
  const below = ((micros % 1000n) + 1000n) % 1000n;
  const date = new Date(Number((micros - below) / 1000n));
  return `${date.toISOString().slice(0, -1)}${below.toString().padStart(3, '0')}Z`;
}

/** Twelve decimals. Input in 1e-12 USD. */
export function decimalText(pico: bigint): string {
  const digits = (pico < 0n ? -pico : pico).toString().padStart(13, '0');
  return `${pico < 0n ? '-' : ''}${digits.slice(0, -12)}.${digits.slice(-12)}`;
}
