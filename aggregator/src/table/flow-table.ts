// The table `flows` of one cluster, for writers: batches in, one atomic commit out, each batch once (ARCHITECTURE.md, "The table").
// Any number of writers may share a table; the conditional write of the log entry decides. Knows batches only by name.
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FlowtollError } from '../model/errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { cannotWrite } from '../store/unavailable.ts';
import { PARTITION_COLUMN } from './columns.ts';
import { type CommitPlan, type PendingBatch, planCommit, type RefusedBatch } from './commit-plan.ts';
import type { AddAction, Commit } from './delta-actions.ts';
import { DeltaLog, PROTOCOL } from './delta-log.ts';
import { ParquetWriter } from './parquet.ts';
import { RowBuffer } from './row-buffer.ts';
import { checkSchema, deltaSchemaString } from './schema.ts';
import { statisticsJson } from './statistics.ts';

export type { PendingBatch, RefusedBatch } from './commit-plan.ts';

/** Races that one commit may lose. Each loss means that somebody else committed, so this many are a fault. */
const MAX_ATTEMPTS = 100;

const TABLE_CONFIGURATION = {
  // Longer than any spool holds a batch; writers may forget older transactions.
  'delta.setTransactionRetentionDuration': 'interval 30 days',
  // Statistics of all columns count. By default readers look at those of the first 32 only.
  'delta.dataSkippingNumIndexedCols': '-1',
};

export interface FlowTableOptions {
  /** Name of the cluster: the folder of its tables. */
  readonly cluster: string;
  /** Folder in the store above that of the cluster, with "/" at the end; empty by default. */
  readonly prefix?: string;
  /** Milliseconds since the Unix epoch. */
  readonly clock: () => number;
}

export interface CommitResult<B extends PendingBatch = PendingBatch> {
  /** Per epoch named in the call: the highest sequence now in the table. Acknowledge up to it. */
  readonly committed: ReadonlyMap<string, number>;
  /** Written by this call. */
  readonly written: readonly B[];
  /** Not written, because already in the table or twice in the call. */
  readonly duplicates: readonly B[];
  /** Not written, because the batch before is neither in the table nor in the call. */
  readonly refused: readonly RefusedBatch<B>[];
  /** Version of the table with this commit; undefined if there was nothing to write. */
  readonly version: number | undefined;
  /** Rows written. */
  readonly rowCount: number;
}

/** The table `flows`, open for writing. Calls queue: one instance does one thing at a time. */
export interface FlowTable {
  /** Highest sequence of the epoch in the table, 0 if none. Reads the log first. */
  committedSequence(epoch: string): Promise<number>;

  /**
   * One atomic commit of those batches that are not in the table and may come next. `fill` appends the rows of one batch; it
   * is called again for a batch after a lost race, and must append the same rows. When `fill` throws, nothing is written.
   * Throws TABLE_CONFLICT after too many lost races. After STORE_UNAVAILABLE nobody knows whether the batches are in: send
   * them again, or ask `committedSequence`.
   */
  commit<B extends PendingBatch>(
    batches: readonly B[],
    fill: (batch: B, rows: RowBuffer) => void,
  ): Promise<CommitResult<B>>;

  /** Waits for what is under way and gives back memory. */
  close(): Promise<void>;
}

/** Key of the table's root in a store. */
export function flowTableRoot(cluster: string, prefix = ''): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(cluster)) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      `cluster name ${JSON.stringify(cluster)} cannot be a folder: use letters, digits, ".", "_" and "-" (--cluster)`,
    );
  }
  return `${prefix}${cluster}/flows`;
}

/** Opens the table, creating it if there is none. Throws TABLE_INVALID if what is there cannot be written by this code. */
export async function openFlowTable(store: ObjectStore, options: FlowTableOptions): Promise<FlowTable> {
  const log = new DeltaLog(store, flowTableRoot(options.cluster, options.prefix));
  await log.refresh();
  if (log.version < 0) {
    const created = await log.append({
      commitInfo: commitInfo(options.clock, 'CREATE TABLE'),
      protocol: PROTOCOL,
      metaData: {
        id: randomUUID(),
        format: { provider: 'parquet', options: {} },
        schemaString: deltaSchemaString(),
        partitionColumns: [PARTITION_COLUMN.name],
        configuration: TABLE_CONFIGURATION,
        createdTime: options.clock(),
      },
      txns: [],
      adds: [],
      removes: [],
    });
    if (!created) {
      await log.refresh();
    }
  }
  log.requireWritable();
  checkSchema(log.metaData?.schemaString ?? '', log.root);
  return new DeltaFlowTable(store, log, options.clock, await ParquetWriter.open());
}

/** Files written for a plan, not yet in the log. */
interface StagedFiles {
  readonly adds: readonly AddAction[];
  readonly rowCount: number;
  /** The batches that are in the files. */
  readonly batches: readonly PendingBatch[];
}

class DeltaFlowTable implements FlowTable {
  readonly #store: ObjectStore;
  readonly #log: DeltaLog;
  readonly #clock: () => number;
  readonly #parquet: ParquetWriter;
  readonly #rows = new RowBuffer();
  #tail: Promise<unknown> = Promise.resolve();

  constructor(store: ObjectStore, log: DeltaLog, clock: () => number, parquet: ParquetWriter) {
    this.#store = store;
    this.#log = log;
    this.#clock = clock;
    this.#parquet = parquet;
  }

  committedSequence(epoch: string): Promise<number> {
    return this.#enqueue(async () => {
      await this.#log.refresh();
      return this.#committed(epoch);
    });
  }

  commit<B extends PendingBatch>(
    batches: readonly B[],
    fill: (batch: B, rows: RowBuffer) => void,
  ): Promise<CommitResult<B>> {
    return this.#enqueue(() => this.#commit(batches, fill));
  }

  async close(): Promise<void> {
    await this.#tail;
    this.#parquet.close();
  }

  async #commit<B extends PendingBatch>(
    batches: readonly B[],
    fill: (batch: B, rows: RowBuffer) => void,
  ): Promise<CommitResult<B>> {
    await this.#log.refresh();
    let staged: StagedFiles | undefined;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      this.#log.requireWritable();
      const plan = planCommit(batches, (epoch) => this.#committed(epoch));
      if (staged !== undefined && !sameBatches(staged.batches, plan.accepted)) {
        // Our log entry lost for good, so no entry can name these files.
        await this.#deleteFiles(staged.adds);
        staged = undefined;
      }
      if (plan.accepted.length === 0) {
        return result(plan, undefined, 0);
      }
      staged ??= await this.#stage(plan.accepted, fill);
      if (await this.#log.append(this.#entry(plan, staged))) {
        return result(plan, this.#log.version, staged.rowCount);
      }
      await this.#log.refresh();
    }
    if (staged !== undefined) {
      await this.#deleteFiles(staged.adds);
    }
    throw new FlowtollError(
      'TABLE_CONFLICT',
      `${MAX_ATTEMPTS} commits to ${this.#log.root} lost the race against other writers: run fewer aggregators, or let ` +
        'each commit less often',
    );
  }

  #committed(epoch: string): number {
    return this.#log.txns.get(epoch)?.version ?? 0;
  }

  /** Writes the rows of the batches as data files. Nothing refers to them yet. */
  async #stage<B extends PendingBatch>(
    batches: readonly B[],
    fill: (batch: B, rows: RowBuffer) => void,
  ): Promise<StagedFiles> {
    const adds: AddAction[] = [];
    try {
      for (const batch of batches) {
        fill(batch, this.#rows);
      }
      for (const partition of this.#rows.partitions()) {
        const name = `${PARTITION_COLUMN.name}=${partition.date}/${randomUUID()}.parquet`;
        await this.#makeScratchDirectory();
        const file = join(this.#store.scratchDirectory, `${randomUUID()}.parquet`);
        try {
          const { sizeBytes } = await this.#parquet.write(partition, file);
          const stats = statisticsJson(partition);
          await this.#store.put(`${this.#log.root}/${name}`, { file });
          adds.push({
            path: name,
            partitionValues: { [PARTITION_COLUMN.name]: partition.date },
            size: sizeBytes,
            modificationTime: this.#clock(),
            dataChange: true,
            stats,
          });
        } finally {
          await rm(file, { force: true });
        }
      }
      return { adds, rowCount: this.#rows.rowCount, batches };
    } catch (error) {
      await this.#deleteFiles(adds).catch(() => undefined); // The first error says more; vacuum finds what stays behind.
      throw error;
    } finally {
      this.#rows.clear();
    }
  }

  async #makeScratchDirectory(): Promise<void> {
    const { scratchDirectory } = this.#store;
    try {
      await mkdir(scratchDirectory, { recursive: true });
    } catch (error) {
      throw cannotWrite(scratchDirectory, error);
    }
  }

  #entry<B extends PendingBatch>(plan: CommitPlan<B>, staged: StagedFiles) {
    const lastUpdated = this.#clock();
    const epochs = new Set(plan.accepted.map((batch) => batch.epoch));
    return {
      commitInfo: commitInfo(this.#clock, 'WRITE'),
      txns: Array.from(epochs, (appId) => ({ appId, version: plan.highest.get(appId)!, lastUpdated })),
      adds: staged.adds,
      removes: [],
    } satisfies Commit;
  }

  async #deleteFiles(adds: readonly AddAction[]): Promise<void> {
    for (const { path } of adds) {
      await this.#store.delete(`${this.#log.root}/${path}`);
    }
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(task);
    this.#tail = done.catch(() => undefined);
    return done;
  }
}

function commitInfo(clock: () => number, operation: string) {
  return {
    timestamp: clock(),
    operation,
    operationParameters: {},
    isBlindAppend: operation === 'WRITE',
    engineInfo: 'flowtoll',
    commitId: randomUUID(),
  };
}

function sameBatches(a: readonly PendingBatch[], b: readonly PendingBatch[]): boolean {
  return a.length === b.length && a.every((batch, i) => batch === b[i]);
}

function result<B extends PendingBatch>(
  plan: CommitPlan<B>,
  version: number | undefined,
  rowCount: number,
): CommitResult<B> {
  return {
    committed: plan.highest,
    written: version === undefined ? [] : plan.accepted,
    duplicates: plan.duplicates,
    refused: plan.refused,
    version,
    rowCount,
  };
}
