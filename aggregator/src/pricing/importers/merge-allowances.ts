// What is free each month: as read where it was read, else as the base book has it. Knows no rates.
import type { AllowanceEntry } from '../book/format.ts';
import type { ReadAllowance } from './reading.ts';

/** An API says how much; whom it is for, its name and its doubts stay as the base has them. */
export function mergeAllowances(
  base: readonly AllowanceEntry[],
  read: readonly ReadAllowance[],
): { allowances: AllowanceEntry[]; readCount: number } {
  const unused = new Set(read);
  const allowances = base.flatMap((allowance): AllowanceEntry[] => {
    const matches = read.filter((one) => one.class === allowance.class && isTogether(one.when, allowance.when));
    if (matches.length === 0) return [allowance];
    const amounts = new Set(matches.map(({ amount, unit }) => `${amount} ${unit}`));
    // Two amounts where the base has one: it was for less than the base says.
    if (amounts.size > 1) return [];
    for (const match of matches) unused.delete(match);
    const { amount, unit, counts } = matches[0]!;
    const sources = [...new Set(matches.map(({ source }) => source))];
    const isDisputed = allowance.basis === 'disputed';
    return [
      {
        ...allowance,
        ...{ amount, unit, counts, basis: isDisputed ? 'disputed' : 'exact' },
        sources: isDisputed ? [...sources, ...allowance.sources] : sources,
      },
    ];
  });
  const added = new Map<string, AllowanceEntry>();
  for (const { source, regions, when, ...allowance } of unused) {
    const id = JSON.stringify([allowance, when, regions]);
    added.set(id, {
      ...allowance,
      ...(when === undefined ? {} : { when: { ...when } }),
      ...(regions === undefined ? {} : { regions: [...regions] }),
      basis: 'exact',
      sources: [...new Set([...(added.get(id)?.sources ?? []), source])],
    });
  }
  return { allowances: [...allowances, ...added.values()], readCount: read.length };
}

function isTogether(when: ReadAllowance['when'], other: AllowanceEntry['when']): boolean {
  return Object.entries(when ?? {}).every(
    ([name, value]) => other?.[name] === undefined || [other[name]].flat().includes(value),
  );
}
