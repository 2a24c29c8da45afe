// Which point a process has reached with a change of the store, whatever kind of store it is: by the key, by what a log entry
// says, and by what the process did before. Knows the layout of the tables; knows no store.
import type { Point } from './points.ts';

/** A change of the store that was carried out. */
export type StoreChange =
  | {
      readonly kind: 'written';
      readonly key: string;
      /** The object is a file that was merged from others. */
      readonly isMerged: boolean;
      /** The object. */
      readonly content: () => Uint8Array;
    }
  | { readonly kind: 'deleted'; readonly key: string };

const DAY_MS = 86_400_000;

/** Whether the key is that of an entry of a log. */
export const isLogEntry = (key: string): boolean => /\/_delta_log\/\d{20}\.json$/.test(key);

/** The point after the change; undefined where none has a name. `nowMs`: the clock of the process. */
export function storePoint(change: StoreChange, nowMs: number): Point | undefined {
  const { kind, key } = change;
  if (kind === 'deleted') {
    if (/\/_delta_log\/\d{20}\.(json|checkpoint\.parquet)$/.test(key)) return 'log-object-deleted';
    return isOldDataFile(key, nowMs) ? 'data-file-deleted' : undefined;
  }
  if (isLogEntry(key)) return entryPoint(Buffer.from(change.content()).toString());
  if (/\/_delta_log\/\d{20}\.checkpoint\.parquet$/.test(key)) return 'checkpoint-written';
  if (key.endsWith('/_delta_log/_last_checkpoint')) return 'checkpoint-hint-written';
  if (/\/costs_hourly\/date=[^/]+\/[^/]+\.parquet$/.test(key)) return 'roll-up-file-written';
  if (!/\/flows\/date=[^/]+\/[^/]+\.parquet$/.test(key)) return undefined;
  return change.isMerged ? 'compaction-file-written' : 'parquet-written';
}

function entryPoint(entry: string): Point {
  if (entry.includes('"operation":"OPTIMIZE"')) return 'compaction-entry-written';
  return entry.includes('"appId":"flowtoll-roll-up"') ? 'roll-up-entry-written' : 'log-entry-written';
}

/** What a commit takes back is of this minute; what a vacuum takes was made days ago, as the UUID that names it tells. */
function isOldDataFile(key: string, nowMs: number): boolean {
  const match = /\/date=[^/]+\/([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f-]{21}\.parquet$/.exec(key);
  return match !== null && nowMs - Number.parseInt(match[1]! + match[2]!, 16) > DAY_MS;
}
