// One atomic change of a table beside the commits of ingest: decide on the log as it is, put the entry; after a lost race decide
// again. Knows what an entry is; not what the change is for.
import { FlowtollError } from '../model/errors.ts';
import type { AddAction, RemoveAction, TxnAction } from '../table/delta-actions.ts';
import type { DeltaLog } from '../table/delta-log.ts';
import { commitInfo } from '../table/open-log.ts';

/** What an entry shall hold. */
export interface Change {
  readonly operation: 'WRITE' | 'OPTIMIZE' | 'DELETE';
  readonly adds?: readonly AddAction[];
  readonly removes?: readonly RemoveAction[];
  readonly txns?: readonly TxnAction[];
}

/** Races that one change may lose against commits of ingest. */
const MAX_ATTEMPTS = 100;

/**
 * Commits what `propose` wants on the log as it is; `false` when it wants nothing (any more).
 * @param clock milliseconds since the Unix epoch
 */
export async function commitChange(
  log: DeltaLog,
  clock: () => number,
  propose: () => Change | undefined,
): Promise<boolean> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    await log.refresh();
    log.requireWritable();
    const change = propose();
    if (change === undefined) return false;
    const { operation, adds = [], removes = [], txns = [] } = change;
    if (await log.append({ commitInfo: commitInfo(clock, operation), adds, removes, txns })) return true;
  }
  throw new FlowtollError(
    'TABLE_CONFLICT',
    `${MAX_ATTEMPTS} changes to ${log.root} lost the race against commits: it is tried again with the next upkeep`,
  );
}
