// What the demo says while it works.

const begin = performance.now();

/** Prints a line with the seconds since the start. */
export function say(text: string): void {
  const seconds = Math.round((performance.now() - begin) / 1000);
  process.stdout.write(`[${String(seconds).padStart(3)} s] ${text}\n`);
}

/** Prints a headline. */
export function headline(text: string): void {
  process.stdout.write(`\n\x1b[1m${text}\x1b[0m\n`);
}

/** Bytes for people, in the units of the cloud's bill (GB is 1e9). */
export function bytesText(bytes: number): string {
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const) {
    if (Math.abs(bytes) >= size) return `${(bytes / size).toFixed(bytes >= 100 * size ? 0 : 2)} ${unit}`;
  }
  return `${bytes} B`;
}

/** Prints rows under a head, numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const isNumber = head.map((_, i) => rows.every((row) => /^-?[\d.]+( \w+)?$/.test(row[i]!)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ');
  process.stdout.write(`${[head, ...rows].map((row) => `  ${line(row).trimEnd()}`).join('\n')}\n`);
}
