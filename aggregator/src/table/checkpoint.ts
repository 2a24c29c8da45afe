// A checkpoint of a Delta log: its state at one version in one Parquet file (Delta PROTOCOL.md, "Checkpoints", classic, protocol
// 1/2), so that nobody has to replay what came before. Files on disk in, files on disk out, by DuckDB: statistics of thousands
// of data files pass through it and never through our memory. Knows neither the store nor what the table is for.
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FlowtollError } from '../model/errors.ts';
import type { AddAction, MetaDataAction, ProtocolAction, RemoveAction, TxnAction } from './delta-actions.ts';
import { type RunSql, withDuckDb } from './duckdb.ts';

/** What a log says at one version. */
export interface LogState {
  readonly protocol: ProtocolAction | undefined;
  readonly metaData: MetaDataAction | undefined;
  readonly txns: readonly TxnAction[];
  /** Without statistics. */
  readonly adds: readonly AddAction[];
  readonly removes: readonly Pick<RemoveAction, 'path' | 'deletionTimestamp'>[];
}

/** What a new checkpoint is made of. */
export interface CheckpointInput {
  /** The checkpoint before; absent when there is none. */
  readonly previous: { readonly version: number; readonly path: string } | undefined;
  /** Paths of all log entries after it, in order, up to the new checkpoint's version. */
  readonly entries: readonly string[];
  /** Transactions that were updated before are forgotten; ms since the Unix epoch. */
  readonly txnsAfterMs: number;
  /** Files that were removed before are forgotten; ms since the Unix epoch. */
  readonly removesAfterMs: number;
  /** When a file was removed of which neither its action nor its entry says when; ms since the Unix epoch. */
  readonly nowMs: number;
}

/** Bytes of one row group: statistics are kilobytes a file, and DuckDB holds a row group in memory. */
const ROW_GROUP_BYTES = '4MB';

const MAP = 'MAP(VARCHAR, VARCHAR)';

/** Fields of each action, and their types. Order and names are the protocol's. */
const ACTIONS = {
  txn: { appId: 'VARCHAR', version: 'BIGINT', lastUpdated: 'BIGINT' },
  add: {
    path: 'VARCHAR',
    partitionValues: MAP,
    size: 'BIGINT',
    modificationTime: 'BIGINT',
    dataChange: 'BOOLEAN',
    stats: 'VARCHAR',
  },
  remove: {
    path: 'VARCHAR',
    deletionTimestamp: 'BIGINT',
    dataChange: 'BOOLEAN',
    extendedFileMetadata: 'BOOLEAN',
    partitionValues: MAP,
    size: 'BIGINT',
  },
  metaData: {
    id: 'VARCHAR',
    name: 'VARCHAR',
    description: 'VARCHAR',
    format: `STRUCT(provider VARCHAR, options ${MAP})`,
    schemaString: 'VARCHAR',
    partitionColumns: 'VARCHAR[]',
    configuration: MAP,
    createdTime: 'BIGINT',
  },
  protocol: { minReaderVersion: 'INTEGER', minWriterVersion: 'INTEGER' },
} as const;

type ActionName = keyof typeof ACTIONS;
const NAMES = Object.keys(ACTIONS) as ActionName[];

/** Writes the checkpoint to `target`; returns the number of its rows and of its files. */
export function writeCheckpoint(input: CheckpointInput, target: string): Promise<{ rows: number; files: number }> {
  return withDuckDb(`${target}.spill`, async (run) => {
    await run(`CREATE TEMP VIEW entries AS ${entriesQuery(input)}`);
    // The last word on each path; without statistics, so it is small.
    await run(`CREATE TEMP TABLE paths AS SELECT path, max(v) AS v, arg_max(is_add, v) AS is_live FROM (
        SELECT "add".path AS path, v, true AS is_add FROM entries WHERE "add" IS NOT NULL
        UNION ALL SELECT "remove".path, v, false FROM entries WHERE "remove" IS NOT NULL) GROUP BY path`);
    const newest = (name: ActionName) =>
      `SELECT "${name}" AS action FROM entries WHERE "${name}" IS NOT NULL ORDER BY v DESC LIMIT 1`;
    const lastWord = (name: 'add' | 'remove') =>
      `SELECT "${name}" AS action, v FROM entries SEMI JOIN (FROM paths WHERE is_live = ${name === 'add'}) p
         ON p.path = "${name}".path AND p.v = entries.v WHERE "${name}" IS NOT NULL`;
    const { txnsAfterMs, removesAfterMs, nowMs } = input;
    // Some writers do not say when they removed a file; their entries mostly do.
    await run(`CREATE TEMP TABLE times AS SELECT v, max(try_cast(info->>'timestamp' AS BIGINT)) AS ms
      FROM entries WHERE info IS NOT NULL GROUP BY v`);
    const timed = Object.keys(ACTIONS.remove).map(
      (field) => `${field} := ${field === 'deletionTimestamp' ? 'removed_ms' : `action.${field}`}`,
    );
    // A transaction without a time is never too old.
    const parts = [
      rowsOf('protocol', newest('protocol')),
      rowsOf('metaData', newest('metaData')),
      rowsOf(
        'txn',
        `SELECT arg_max(txn, v) AS action FROM entries WHERE txn IS NOT NULL GROUP BY txn.appId
           HAVING coalesce(max(txn.lastUpdated) >= ${txnsAfterMs}, true)`,
      ),
      rowsOf(
        'remove',
        `SELECT struct_pack(${timed.join(', ')}) AS action FROM (
           SELECT action, coalesce(action.deletionTimestamp, times.ms, ${nowMs}) AS removed_ms
           FROM (${lastWord('remove')}) LEFT JOIN times USING (v)) WHERE removed_ms >= ${removesAfterMs}`,
      ),
      rowsOf('add', `SELECT action FROM (${lastWord('add')})`),
    ];
    await run(
      `COPY (${parts.join(' UNION ALL ')}) TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd,
         ROW_GROUP_SIZE_BYTES '${ROW_GROUP_BYTES}')`,
    );
    const [[rows, files] = []] = await run(
      `SELECT count(*)::DOUBLE, count("add".path)::DOUBLE FROM read_parquet(${literal(target)})`,
    );
    return { rows: Number(rows), files: Number(files) };
  });
}

/** Reads a checkpoint; `name` names it in errors. Throws TABLE_INVALID. */
export async function readCheckpoint(path: string, name: string): Promise<LogState> {
  try {
    return await withDuckDb(join(tmpdir(), `flowtoll-${randomUUID()}.spill`), (run) => read(path, run));
  } catch (cause) {
    throw new FlowtollError(
      'TABLE_INVALID',
      `the checkpoint ${name} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}. It is damaged, or ` +
        'of a newer protocol; where the log before it is complete, remove it and _last_checkpoint',
      { cause },
    );
  }
}

async function read(path: string, run: RunSql): Promise<LogState> {
  const from = `FROM read_parquet(${literal(path)})`;
  const [protocol] = await run(`SELECT to_json(protocol) ${from} WHERE protocol IS NOT NULL`);
  const [metaData] = await run(
    `SELECT to_json(struct_pack(id := "metaData".id, schemaString := "metaData".schemaString,
       partitionColumns := "metaData".partitionColumns, configuration := "metaData".configuration,
       createdTime := "metaData".createdTime)) ${from} WHERE "metaData" IS NOT NULL`,
  );
  const txns = await run(
    `SELECT txn.appId, txn.version::DOUBLE, txn.lastUpdated::DOUBLE ${from} WHERE txn IS NOT NULL`,
  );
  const adds = await run(
    `SELECT "add".path, to_json("add".partitionValues), "add".size::DOUBLE, "add".modificationTime::DOUBLE,
       "add".dataChange ${from} WHERE "add" IS NOT NULL`,
  );
  const removes = await run(
    `SELECT "remove".path, "remove".deletionTimestamp::DOUBLE ${from} WHERE "remove" IS NOT NULL`,
  );
  return {
    removes: removes.map(([filePath, deletionTimestamp]) => ({
      path: String(filePath),
      ...(deletionTimestamp !== null && { deletionTimestamp: Number(deletionTimestamp) }),
    })),
    protocol: protocol && protocolOf(JSON.parse(String(protocol[0]))),
    metaData: metaData && metaDataOf(JSON.parse(String(metaData[0]))),
    txns: txns.map(([appId, version, lastUpdated]) => ({
      appId: String(appId),
      version: Number(version),
      ...(lastUpdated !== null && { lastUpdated: Number(lastUpdated) }),
    })),
    adds: adds.map(([filePath, partitionValues, size, modificationTime, dataChange]) => ({
      path: String(filePath),
      partitionValues: JSON.parse(String(partitionValues)) as Record<string, string | null>,
      size: Number(size),
      modificationTime: Number(modificationTime),
      dataChange: dataChange === true,
    })),
  };
}

function protocolOf(fields: ProtocolAction): ProtocolAction {
  const { minReaderVersion, minWriterVersion, readerFeatures, writerFeatures } = fields;
  return {
    minReaderVersion,
    minWriterVersion,
    ...(readerFeatures && { readerFeatures }),
    ...(writerFeatures && { writerFeatures }),
  };
}

function metaDataOf(fields: Omit<MetaDataAction, 'format'> & { createdTime: number | null }): MetaDataAction {
  const { createdTime, ...rest } = fields;
  return { ...rest, format: { provider: 'parquet', options: {} }, ...(createdTime !== null && { createdTime }) };
}

/** The checkpoint before and the entries after it as one relation: version `v`, and one action in each row, or an entry's `info`. */
function entriesQuery({ previous, entries }: CheckpointInput): string {
  const columns = [...NAMES.map((name) => `${name}: '${structType(name)}'`), "commitInfo: 'JSON'"].join(', ');
  const first = (previous?.version ?? -1) + 1;
  const json = `SELECT ${first - 1} + list_position(${list(entries)}, filename) AS v, ${quoted(NAMES)}, commitInfo AS info
    FROM read_json(${list(entries)}, format = 'newline_delimited', columns = {${columns}}, filename = true)`;
  if (previous === undefined) return json;
  const fields = (name: ActionName) =>
    Object.entries(ACTIONS[name])
      .map(([field, type]) => `${field} := try_cast("${name}"['${field}'] AS ${type})`)
      .join(', ');
  const packed = NAMES.map(
    (name) => `CASE WHEN "${name}" IS NOT NULL THEN struct_pack(${fields(name)}) END AS "${name}"`,
  );
  return `${json} UNION ALL SELECT ${previous.version}::BIGINT AS v, ${packed.join(', ')}, NULL AS info
    FROM read_parquet(${literal(previous.path)})`;
}

/** Rows of a checkpoint from a query whose one column `action` holds actions of one kind. */
function rowsOf(name: ActionName, query: string): string {
  const columns = NAMES.map((one) => `${one === name ? 'action' : `NULL::${structType(one)}`} AS "${one}"`);
  return `SELECT ${columns.join(', ')} FROM (${query})`;
}

function structType(name: ActionName): string {
  const fields = Object.entries(ACTIONS[name]).map(([field, type]) => `${field} ${type}`);
  return `STRUCT(${fields.join(', ')})`;
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const list = (texts: readonly string[]): string => `[${texts.map(literal).join(', ')}]`;
