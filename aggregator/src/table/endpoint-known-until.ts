// Until when the aggregators of a cluster know who held which address, and have it in `endpoints`: a transaction of that table's log,
// so that it needs no rows where nothing changes, and comes with the rows where something does. Whoever reads the table takes a
// holding without an end for certain until then.
import type { TxnAction } from './delta-actions.ts';
import type { DeltaLog } from './delta-log.ts';

const APP_ID = 'flowtoll:known-until';

/** @param knownMs ms since the Unix epoch; the log has whole seconds of it */
export function knownUntilAction(knownMs: number, lastUpdated: number): TxnAction {
  return { appId: APP_ID, version: Math.floor(knownMs / 1000), lastUpdated };
}

/** ms since the Unix epoch; undefined where nobody has said it. */
export function knownUntilMs({ txns }: Pick<DeltaLog, 'txns'>): number | undefined {
  const seconds = txns.get(APP_ID)?.version;
  return seconds === undefined ? undefined : seconds * 1000;
}
