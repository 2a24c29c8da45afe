// Small files of a table into files of useful size: the same rows, sorted, in one commit that takes the small ones out. Commits
// go on meanwhile; should one of the inputs be gone by then, the work is thrown away.
import { withLocalFiles, withScratchFile } from '../store/local-file.ts';
import type { ObjectStore } from '../store/store.ts';
import { type ColumnOfAny, PARTITION_COLUMN, SORT_COLUMNS } from '../table/columns.ts';
import type { AddAction } from '../table/delta-actions.ts';
import type { DeltaLog } from '../table/delta-log.ts';
import { newFileName } from '../table/file-name.ts';
import { STAGED_MAX_MS } from '../table/open-log.ts';
import { commitChange } from './change.ts';
import type { Rewriter } from './rewriter.ts';

/** Bytes of a file that is large enough to be left alone, and about what a merge aims at. */
export const TARGET_BYTES = 128 << 20;
/** Files of a day that is not over are merged by so many, so that each row is rewritten a few times at most. */
const FILES_OF_AN_OPEN_DAY = 8;
const FILES_OF_A_CLOSED_DAY = 2;

/** Files of one day that become one. */
export interface Merge {
  readonly date: string;
  readonly files: readonly AddAction[];
}

/**
 * What there is to merge, the oldest day first.
 * @param today YYYY-MM-DD, UTC
 * @param isFree whether a file may be taken; those that are not rolled up yet may not
 */
export function planMerges(
  files: Iterable<AddAction>,
  today: string,
  isFree: (file: AddAction) => boolean = () => true,
): Merge[] {
  const byDate = Map.groupBy(files, (file) => file.partitionValues[PARTITION_COLUMN.name] ?? '');
  const merges: Merge[] = [];
  for (const date of [...byDate.keys()].sort()) {
    const small = byDate
      .get(date)!
      .filter((file) => file.size < TARGET_BYTES / 2 && isFree(file))
      .sort((a, b) => a.modificationTime - b.modificationTime || (a.path < b.path ? -1 : 1));
    const least = date < today ? FILES_OF_A_CLOSED_DAY : FILES_OF_AN_OPEN_DAY;
    for (const group of groupsOf(small)) if (group.length >= least) merges.push({ date, files: group });
  }
  return merges;
}

/** Neighbours in time, about the target size together. */
function groupsOf(files: readonly AddAction[]): AddAction[][] {
  const groups: AddAction[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const file of files) {
    if (bytes + file.size > TARGET_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(file);
    bytes += file.size;
  }
  return groups;
}

/** Carries one out; `false` when another replica was faster, or this one slept so long that its file may be vacuumed. */
export async function merge(
  tables: { readonly store: ObjectStore; readonly log: DeltaLog; readonly rewriter: Rewriter },
  { date, files }: Merge,
  columns: readonly ColumnOfAny[],
  clock: () => number,
  sort: readonly string[] = SORT_COLUMNS,
): Promise<boolean> {
  const { store, log, rewriter } = tables;
  const madeMs = clock();
  const path = `${PARTITION_COLUMN.name}=${date}/${newFileName(madeMs)}`;
  const key = `${log.root}/${path}`;
  const keys = files.map((file) => `${log.root}/${decodeURIComponent(file.path)}`);
  const summary = await withLocalFiles(store, keys, (inputs) =>
    withScratchFile(store, async (file) => {
      const made = await rewriter.merge(inputs, file, columns, sort);
      await store.put(key, { file });
      return made;
    }),
  );
  const committed = await commitChange(log, clock, () => {
    if (clock() - madeMs > STAGED_MAX_MS || !files.every((file) => log.files.has(file.path))) return undefined;
    const deletionTimestamp = clock();
    return {
      operation: 'OPTIMIZE',
      removes: files.map((file) => ({ path: file.path, dataChange: false, deletionTimestamp })),
      adds: [
        {
          path,
          partitionValues: { [PARTITION_COLUMN.name]: date },
          size: summary.sizeBytes,
          modificationTime: clock(),
          dataChange: false,
          stats: summary.stats,
        },
      ],
    };
  });
  if (!committed) await store.delete(key);
  return committed;
}
