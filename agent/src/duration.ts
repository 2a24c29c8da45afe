// Durations and sizes as people write them on command lines.

const DURATION_UNITS_MS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

const SIZE_UNITS = new Map([
  ['', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
]);

/** "500ms", "5s", "1m" → milliseconds; undefined when it is none. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  return match ? Number(match[1]) * DURATION_UNITS_MS.get(match[2]!)! : undefined;
}

/** "32MiB", "1048576" → bytes; undefined when it is none. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(|KiB|MiB|GiB)$/.exec(text.trim());
  return match ? Math.round(Number(match[1]) * SIZE_UNITS.get(match[2]!)!) : undefined;
}
