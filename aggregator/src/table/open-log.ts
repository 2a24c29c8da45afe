// Opens the log of a table for writing, making the table where there is none, and adding to it the columns that it lacks.
import { randomUUID } from 'node:crypto';
import { FlowtollError } from '../model/errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { type AnyColumn, PARTITION_COLUMN } from './columns.ts';
import { DeltaLog } from './delta-log.ts';
import { LOG_RETENTION_MS } from './log-upkeep.ts';
import { PROTOCOL } from './protocol.ts';
import { checkSchema, deltaSchemaString, withAddedColumns } from './schema.ts';

const DAY_MS = 86_400_000;

/** How long the log remembers which batches are in; longer than any spool holds one. Older batches are refused. */
export const TXN_RETENTION_MS = 30 * DAY_MS;

/** How long files stay that compaction or retention removed from the table: the longest that a query or a watcher takes. */
export const REMOVED_FILE_RETENTION_MS = 7 * DAY_MS;

/** How long the log remembers that they were removed: longer, so that a vacuum gets to see each. */
export const REMOVAL_RETENTION_MS = REMOVED_FILE_RETENTION_MS + DAY_MS;

/** No entry may name files that were made longer ago: a vacuum takes those that nobody names after a week. */
export const STAGED_MAX_MS = DAY_MS;

/** Races that adding columns may lose. Each loss means that somebody else committed, so this many are a fault. */
const MAX_ATTEMPTS = 100;

const CONFIGURATION = {
  'delta.setTransactionRetentionDuration': `interval ${TXN_RETENTION_MS / DAY_MS} days`,
  'delta.logRetentionDuration': `interval ${LOG_RETENTION_MS / DAY_MS} days`,
  'delta.deletedFileRetentionDuration': `interval ${REMOVED_FILE_RETENTION_MS / DAY_MS} days`,
  // Statistics of all columns count. By default readers look at those of the first 32 only.
  'delta.dataSkippingNumIndexedCols': '-1',
};

/**
 * The log, read. Throws TABLE_INVALID if what is there cannot be written by this code.
 * @param clock milliseconds since the Unix epoch
 */
export async function openWritableLog(
  store: ObjectStore,
  root: string,
  columns: readonly AnyColumn[],
  clock: () => number,
): Promise<DeltaLog> {
  const log = new DeltaLog(store, root, clock);
  await log.refresh();
  if (log.version < 0) {
    const created = await log.append({
      commitInfo: commitInfo(clock, 'CREATE TABLE'),
      protocol: PROTOCOL,
      metaData: {
        id: randomUUID(),
        format: { provider: 'parquet', options: {} },
        schemaString: deltaSchemaString(columns),
        partitionColumns: [PARTITION_COLUMN.name],
        configuration: CONFIGURATION,
        createdTime: clock(),
      },
      txns: [],
      adds: [],
      removes: [],
    });
    if (!created) await log.refresh();
  }
  await addColumns(log, columns, clock);
  return log;
}

/**
 * Adds to the table what columns it lacks that were added since it was made: its rows have null there, and its files stay as they are.
 * Throws TABLE_INVALID where `requireWritable` does, TABLE_CONFLICT after too many lost races.
 * @param clock milliseconds since the Unix epoch
 */
export async function addColumns(log: DeltaLog, columns: readonly AnyColumn[], clock: () => number): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    requireWritable(log, columns);
    const metaData = log.metaData!;
    const schemaString = withAddedColumns(metaData.schemaString, log.root, columns);
    if (schemaString === undefined) return;
    const change = { metaData: { ...metaData, schemaString }, txns: [], adds: [], removes: [] };
    if (await log.append({ commitInfo: commitInfo(clock, 'ADD COLUMNS'), ...change })) return;
    await log.refresh();
  }
  throw new FlowtollError(
    'TABLE_CONFLICT',
    `new columns of ${log.root} lost the race against ${MAX_ATTEMPTS} commits of others: run fewer aggregators, or try again`,
  );
}

/** Throws TABLE_INVALID if the table of a log that was read cannot be written by this code. */
export function requireWritable(log: DeltaLog, columns: readonly AnyColumn[]): void {
  log.requireWritable();
  checkSchema(log.metaData?.schemaString ?? '', log.root, columns);
}

/** What each entry says of itself; `commitId` names one attempt for ever. */
export function commitInfo(
  clock: () => number,
  operation: 'CREATE TABLE' | 'ADD COLUMNS' | 'WRITE' | 'OPTIMIZE' | 'DELETE',
) {
  return {
    timestamp: clock(),
    operation,
    operationParameters: {},
    isBlindAppend: operation === 'WRITE',
    engineInfo: 'flowtoll',
    commitId: randomUUID(),
  };
}
