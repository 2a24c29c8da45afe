// What an entry of the log means for the rows of the table: which files hold rows that are new, and whether rows are gone.
// Compaction (`dataChange: false`) means nothing: the same rows lie in other files. Pure.
import type { AddAction } from './delta-actions.ts';
import type { LogEntry } from './log-tail.ts';

export interface RowChanges {
  /** Files whose rows are new with this version, in the order of the entry. */
  readonly files: readonly AddAction[];
  /** Rows of earlier versions that this version removed. */
  readonly removal: RowRemoval | undefined;
}

export interface RowRemoval {
  /** Days (YYYY-MM-DD) of the files, ascending. */
  readonly dates: readonly string[];
  /** The same version added files: which of their rows are new, and which only moved, nobody can say. */
  readonly rewritten: boolean;
}

const PARTITION = /(?:^|\/)date=(\d{4}-\d\d-\d\d)\//;

export function rowChanges({ adds, removes }: Pick<LogEntry, 'adds' | 'removes'>): RowChanges {
  const files = adds.filter(({ dataChange }) => dataChange);
  const removed = removes.filter(({ dataChange }) => dataChange);
  if (removed.length === 0) return { files, removal: undefined };
  const dates = removed.flatMap(({ path }) => PARTITION.exec(decodeURIComponent(path))?.[1] ?? []);
  return { files: [], removal: { dates: [...new Set(dates)].sort(), rewritten: files.length > 0 } };
}
