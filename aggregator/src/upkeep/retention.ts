// Rows that have reached their age leave the table, a day at a time; their files go with a later vacuum.
import { PARTITION_COLUMN } from '../table/columns.ts';
import type { DeltaLog } from '../table/delta-log.ts';
import { commitChange } from './change.ts';

/**
 * Takes days out whose last instant is older than `keepMs`. Returns how many files that were; with `dryRun` how many it would be.
 * @param isFree whether a file may go; those that are not rolled up yet may not
 */
export async function dropOldDays(
  log: DeltaLog,
  options: {
    readonly keepMs: number;
    readonly clock: () => number;
    readonly isFree?: (path: string) => boolean;
    readonly dryRun?: boolean;
  },
): Promise<number> {
  const { keepMs, clock, isFree = () => true } = options;
  // The day of the instant that is just old enough is not over yet.
  const firstKept = new Date(clock() - keepMs).toISOString().slice(0, 10);
  const old = () =>
    [...log.files.values()].filter(
      ({ path, partitionValues }) => (partitionValues[PARTITION_COLUMN.name] ?? firstKept) < firstKept && isFree(path),
    );
  if (options.dryRun === true) return old().length;
  let count = 0;
  await commitChange(log, clock, () => {
    const files = old();
    count = files.length;
    if (count === 0) return undefined;
    const deletionTimestamp = clock();
    return {
      operation: 'DELETE',
      removes: files.map(({ path }) => ({ path, dataChange: true, deletionTimestamp })),
    };
  });
  return count;
}
