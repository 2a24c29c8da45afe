// Counts of bytes as people write them → exact numbers. Knows no file.

/** The most that is counted exactly: 2^53 - 1. */
export const BYTES_MAX = Number.MAX_SAFE_INTEGER;

const UNITS: Readonly<Record<string, bigint>> = {
  B: 1n,
  ...Object.fromEntries(['KB', 'MB', 'GB', 'TB', 'PB'].map((unit, i) => [unit, 1000n ** BigInt(i + 1)])),
  ...Object.fromEntries(['KiB', 'MiB', 'GiB', 'TiB', 'PiB'].map((unit, i) => [unit, 1024n ** BigInt(i + 1)])),
};

const WITH_UNIT = /^(\d{1,16})(?:\.(\d{1,30}))? ?([KMGTP]i?B|B)$/;

/** "1.5 GiB" → 1610612736; or what is wrong with it. A GB has 10^9 bytes, a GiB 2^30. */
export function parseByteCount(text: string): { readonly value: number } | { readonly problem: string } {
  const [, whole, places = '', unit] = WITH_UNIT.exec(text) ?? [];
  if (whole === undefined || unit === undefined) {
    return { problem: `"${text}" is no count of bytes; write it like 1500000, "1.5 GiB" or "100 GB"` };
  }
  const scale = 10n ** BigInt(places.length);
  const scaled = BigInt(whole + places) * UNITS[unit]!;
  if (scaled % scale !== 0n) {
    return { problem: `${text} are no whole bytes; give the number of bytes` };
  }
  const bytes = scaled / scale;
  return bytes > BigInt(BYTES_MAX)
    ? { problem: `${text} are more than ${BYTES_MAX} bytes; split the flow, or say "times"` }
    : { value: Number(bytes) };
}
