// The roll-up of `flows` into `costs_hourly`: additive, in steps that the log of `flows` alone decides. A step takes all versions
// up to the first one that was committed in a later hour than its first (or so much earlier that a clock was wrong). So every
// replica makes the same step, under the same file names; a file that is there is never written again, and a step that somebody
// left half done is finished by whoever comes next. That keeps a plain glob over the files right, too.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FlowtollError } from '../model/errors.ts';
import { withLocalFile, withLocalFiles, withScratchFile } from '../store/local-file.ts';
import type { ObjectStore } from '../store/store.ts';
import { COST_COLUMNS, PARTITION_COLUMN } from '../table/columns.ts';
import { type AddAction, decodeCommit } from '../table/delta-actions.ts';
import type { DeltaLog } from '../table/delta-log.ts';
import { entryKey } from '../table/log-keys.ts';
import { commitChange } from './change.ts';
import type { Rewriter } from './rewriter.ts';

/** Application whose transaction in the log of `costs_hourly` is the last version of `flows` that was rolled up. */
export const ROLL_UP_APP_ID = 'flowtoll-roll-up';

const HOUR_MS = 3_600_000;

/** Entries that are fetched at once: a reader waits for all of an hour or two. */
const GETS_AT_ONCE = 16;

/** Versions of `flows` that one step takes, and the files that they added. */
export interface RollUpStep {
  readonly first: number;
  readonly last: number;
  /** Paths of data files, relative to the table's root, URI-encoded as in the log. */
  readonly paths: readonly string[];
}

/** The last version of `flows` that is rolled up; -1 when none is. */
export function rolledUpVersion(costs: DeltaLog): number {
  return costs.txns.get(ROLL_UP_APP_ID)?.version ?? -1;
}

/**
 * The next step after `rolledUp`; undefined while its hour is not over, which a later version shows. Throws TABLE_INVALID when
 * entries that have not been rolled up are gone.
 */
export async function nextStep(store: ObjectStore, flows: DeltaLog, rolledUp: number): Promise<RollUpStep | undefined> {
  const first = rolledUp + 1;
  const paths: string[] = [];
  let endMs: number | undefined;
  for (let version = first; version <= flows.version; version++) {
    const { timestampMs, added } = await readEntry(store, flows.root, version);
    if (timestampMs !== undefined) {
      endMs ??= (Math.floor(timestampMs / HOUR_MS) + 1) * HOUR_MS;
      if (isOver(endMs, timestampMs)) return { first, last: version - 1, paths };
    }
    paths.push(...added.map(({ path }) => path));
  }
  return undefined;
}

/**
 * Whether an entry of this time shows that the hour is over that ends at `endMs`. Clocks of replicas differ a little; an entry
 * from more than an hour before it shows that the hour was one that never was, by a clock far ahead.
 */
function isOver(endMs: number, timestampMs: number): boolean {
  return timestampMs >= endMs || timestampMs < endMs - 2 * HOUR_MS;
}

/**
 * Files that versions after `rolledUp` added, and none of them took out for good: nobody has summed their rows yet. Also those that
 * another program has merged into others meanwhile: the others hold rows that were summed, too, and these files are still there.
 */
export async function filesNotRolledUp(store: ObjectStore, flows: DeltaLog, rolledUp: number): Promise<AddAction[]> {
  const files = new Map<string, AddAction>();
  for (let first = rolledUp + 1; first <= flows.version; first += GETS_AT_ONCE) {
    const count = Math.min(GETS_AT_ONCE, flows.version - first + 1);
    const entries = Array.from({ length: count }, (_, i) => readEntry(store, flows.root, first + i));
    for (const { added, removed } of await Promise.all(entries)) {
      for (const path of removed) files.delete(path);
      for (const add of added) files.set(add.path, add);
    }
  }
  return [...files.values()];
}

/** Makes one step; `false` when another replica had made it. */
export async function makeStep(
  tables: {
    readonly store: ObjectStore;
    readonly flows: DeltaLog;
    readonly costs: DeltaLog;
    readonly rewriter: Rewriter;
  },
  step: RollUpStep,
  clock: () => number,
): Promise<boolean> {
  const { store, flows, costs, rewriter } = tables;
  const keys = step.paths.map((path) => `${flows.root}/${decodeURIComponent(path)}`);
  const adds = await withLocalFiles(store, keys, async (inputs) => {
    const written: AddAction[] = [];
    for (const date of inputs.length === 0 ? [] : await rewriter.datesOf(inputs)) {
      written.push(await putRollUp(tables, step, date, inputs, clock));
    }
    return written;
  });
  return commitChange(costs, clock, () => {
    if (rolledUpVersion(costs) >= step.last) return undefined;
    const txn = { appId: ROLL_UP_APP_ID, version: step.last, lastUpdated: clock() };
    return { operation: 'WRITE', adds, txns: [txn] };
  });
}

async function putRollUp(
  { store, costs, rewriter }: { store: ObjectStore; costs: DeltaLog; rewriter: Rewriter },
  { first, last }: RollUpStep,
  date: string,
  inputs: readonly string[],
  clock: () => number,
): Promise<AddAction> {
  const path = `${PARTITION_COLUMN.name}=${date}/flows-${first}-${last}.parquet`;
  const key = `${costs.root}/${path}`;
  const summary = await withScratchFile(store, async (file) => {
    const made = await rewriter.rollUp(inputs, date, file);
    return (await store.putIfAbsent(key, await readFile(file))) === 'created' ? made : undefined;
  });
  // Somebody else's, with the same rows: its size and order of rows may differ, and the log must tell its own.
  const known = summary ?? (await withLocalFile(store, key, (local) => rewriter.summarize(local, COST_COLUMNS)));
  if (known === undefined) {
    throw new FlowtollError('STORE_UNAVAILABLE', `${store.describe()} says that ${key} exists, and has no such object`);
  }
  return {
    path,
    partitionValues: { [PARTITION_COLUMN.name]: date },
    size: known.sizeBytes,
    modificationTime: clock(),
    dataChange: true,
    stats: known.stats,
  };
}

async function readEntry(
  store: ObjectStore,
  root: string,
  version: number,
): Promise<{
  readonly timestampMs: number | undefined;
  /** Files of new rows. */
  readonly added: readonly AddAction[];
  /** Paths of files whose rows are no longer in the table. */
  readonly removed: readonly string[];
}> {
  const key = entryKey(root, version);
  const bytes = await store.get(key);
  if (bytes === undefined) {
    throw new FlowtollError(
      'TABLE_INVALID',
      `${key} is gone from ${store.describe()}, and what it added was never rolled up: restore the folder costs_hourly ` +
        'from a backup; queries of flows are not affected',
    );
  }
  const { commitInfo, adds, removes } = decodeCommit(bytes, key);
  const timestamp = commitInfo?.['timestamp'];
  return {
    timestampMs: typeof timestamp === 'number' ? timestamp : undefined,
    added: adds.filter(({ dataChange }) => dataChange),
    removed: removes.filter(({ dataChange }) => dataChange).map(({ path }) => path),
  };
}

/** Root of the table beside that of `flows`. */
export function costTableRoot(flowsRoot: string): string {
  return join(flowsRoot, '..', 'costs_hourly');
}
