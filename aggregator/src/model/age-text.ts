// How long something takes or took, for people.

const AGE_UNITS = [
  ['s', 1000, 120],
  ['min', 60_000, 120],
  ['h', 3_600_000, 48],
  ['d', 86_400_000, Number.POSITIVE_INFINITY],
] as const;

/** How long something takes or took, two or three digits: `59 s`, `119 min`, `47 h`, `12 d`. Input in ms; less than nothing is nothing. */
export function ageText(ms: number): string {
  const [unit, unitMs] = AGE_UNITS.find(([, unitMs, end]) => ms < unitMs * end)!;
  return `${Math.max(0, Math.floor(ms / unitMs))} ${unit}`;
}
