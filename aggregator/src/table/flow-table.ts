// The table `flows` of one cluster, for writers: batches in, one atomic commit out, each batch once (ARCHITECTURE.md, "Exactly
// once"). Any number of writers may share a table; the conditional write of the log entry decides. Knows batches only by name.
import type { EpochNote } from '../model/epoch-note.ts';
import { FlowtollError } from '../model/errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { Checkpointer } from './checkpointer.ts';
import { type CommitPlan, type PendingBatch, planCommit, type RefusedBatch } from './commit-plan.ts';
import { type DataFiles, openParquetFiles, type StagedFiles } from './data-files.ts';
import type { DeltaLog } from './delta-log.ts';
import {
  findVanished,
  newNotes,
  nodesHeard,
  nodesOfEpoch,
  type VanishedEpoch,
  type VanishedRule,
  vanishedAppId,
} from './epoch-notes.ts';
import { CHECKPOINT_BYTES, CHECKPOINT_ENTRIES } from './log-upkeep.ts';
import { commitInfo, openWritableLog, REMOVAL_RETENTION_MS, STAGED_MAX_MS, TXN_RETENTION_MS } from './open-log.ts';
import type { RowBuffer } from './row-buffer.ts';
import { TABLE_COLUMNS } from './schema.ts';

export type { PendingBatch, RefusedBatch } from './commit-plan.ts';
export type { VanishedEpoch } from './epoch-notes.ts';
export { TXN_RETENTION_MS } from './open-log.ts';

/** Races that one commit may lose. Each loss means that somebody else committed, so this many are a fault. */
const MAX_ATTEMPTS = 100;

export interface FlowTableOptions {
  /** Name of the cluster: the folder of its tables. */
  readonly cluster: string;
  /** Folder in the store above that of the cluster, with "/" at the end; empty by default. */
  readonly prefix?: string;
  /** Milliseconds since the Unix epoch. */
  readonly clock: () => number;
  /** Bytes of log entries after which a checkpoint is written, and their number. Default: 8 MiB, 100. */
  readonly checkpointBytes?: number;
  readonly checkpointEntries?: number;
  /** Hears of each checkpoint that was tried, after a commit and beside the next ones; `problem` where it failed. */
  readonly onCheckpoint?: (problem: unknown) => void;
  /** Called before the file of each is made: that takes tens of megabytes for a moment. */
  readonly beforeCheckpoint?: () => void;
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
export interface FlowTable<Rows = RowBuffer> {
  /** Version of the last log entry that was read or written. */
  readonly version: number;

  /**
   * Highest sequence of the epoch in the table, 0 if none. Reads the log after the call, once for all calls that wait at
   * that time: thousands of agents that come back together cost one reading. Rejects with TABLE_INVALID when the table can no
   * longer be written by this code: agents keep what they have.
   */
  committedSequence(epoch: string): Promise<number>;

  /**
   * Nodes whose agents spoke for the epoch, as the log says that was read last. `likely`: asked for first; where it is one of them,
   * it is the only one that is named.
   */
  nodesOf(epoch: string, likely: string): ReadonlySet<string>;

  /** Reads the log, too; rejects with TABLE_INVALID when the table can no longer be read by this code. */
  requireReadable(): Promise<void>;

  /**
   * One atomic commit of those batches that are not in the table and may come next, with what is new in the notes. `fill`
   * appends the rows of one batch; it is called again for a batch after a lost race. Names may be known better by then, but the
   * rows must hold the same bytes. When `fill` throws, nothing is written. Throws TABLE_CONFLICT after too many lost races.
   * After STORE_UNAVAILABLE nobody knows whether the batches are in: send them again, or ask `committedSequence`.
   */
  commit<B extends PendingBatch>(
    batches: readonly B[],
    fill: (batch: B, rows: Rows) => void,
    notes?: readonly EpochNote[],
  ): Promise<CommitResult<B>>;

  /**
   * One atomic commit that says which epochs have vanished, each once, whoever asks and however often. `fill` appends what
   * the table shall say of one. Returns those that this call recorded.
   */
  recordVanished(
    rule: Omit<VanishedRule, 'nowMs' | 'retentionMs'>,
    fill: (vanished: VanishedEpoch, rows: Rows) => void,
  ): Promise<readonly VanishedEpoch[]>;

  /**
   * Nodes that agents spoke for to any replica, and when that was last; ms since the Unix epoch. Reads the log. Those of which the log
   * remembers nothing any more are not among them.
   */
  nodesHeard(isAlive: VanishedRule['isAlive']): Promise<ReadonlyMap<string, number>>;

  /** Waits for what is under way. */
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
  const root = flowTableRoot(options.cluster, options.prefix);
  const log = await openWritableLog(store, root, TABLE_COLUMNS, options.clock);
  const rules = {
    checkpointBytes: options.checkpointBytes ?? CHECKPOINT_BYTES,
    checkpointEntries: options.checkpointEntries ?? CHECKPOINT_ENTRIES,
    txnRetentionMs: TXN_RETENTION_MS,
    removeRetentionMs: REMOVAL_RETENTION_MS,
  };
  const { clock, onCheckpoint = () => undefined, beforeCheckpoint } = options;
  const files = openParquetFiles(store, log.root, clock);
  const checkpointer = new Checkpointer(store, log, rules, clock, onCheckpoint, () => {
    files.release();
    beforeCheckpoint?.();
  });
  return createFlowTable(log, files, clock, planCommit, checkpointer);
}

/**
 * A table over a log that has been read. `plan` is the fence; a test may break it, to see that it is needed. Without a
 * `checkpointer` no checkpoints are written.
 */
export function createFlowTable<Rows>(
  log: DeltaLog,
  files: DataFiles<Rows>,
  clock: () => number,
  plan: typeof planCommit = planCommit,
  checkpointer?: Checkpointer,
): FlowTable<Rows> {
  return new DeltaFlowTable(log, files, clock, plan, checkpointer);
}

/** What one commit shall hold, decided on the log as it is. */
interface Proposal<T> {
  /** What has rows. */
  readonly items: readonly T[];
  /** Transactions to be recorded with them, by application. */
  readonly txns: ReadonlyMap<string, number>;
}

interface WriteResult<P> {
  /** What was decided on the log that the entry follows. */
  readonly proposal: P;
  /** Version of the entry; undefined when there was nothing to write. */
  readonly version: number | undefined;
  readonly rowCount: number;
}

class DeltaFlowTable<Rows> implements FlowTable<Rows> {
  readonly #log: DeltaLog;
  readonly #files: DataFiles<Rows>;
  readonly #clock: () => number;
  readonly #plan: typeof planCommit;
  readonly #checkpointer: Checkpointer | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** A reading of the log that has not begun. */
  #nextRefresh: Promise<void> | undefined;

  constructor(
    log: DeltaLog,
    files: DataFiles<Rows>,
    clock: () => number,
    plan: typeof planCommit,
    checkpointer: Checkpointer | undefined,
  ) {
    this.#checkpointer = checkpointer;
    this.#log = log;
    this.#files = files;
    this.#clock = clock;
    this.#plan = plan;
  }

  get version(): number {
    return this.#log.version;
  }

  async committedSequence(epoch: string): Promise<number> {
    await this.#refresh();
    this.#log.requireWritable();
    return this.#committed(epoch);
  }

  nodesOf(epoch: string, likely: string): ReadonlySet<string> {
    return nodesOfEpoch(this.#log.txns, epoch, likely);
  }

  async requireReadable(): Promise<void> {
    await this.#refresh();
    this.#log.requireReadable();
  }

  /** Reads the log after the call, once for all calls that wait at the same time. */
  #refresh(): Promise<void> {
    this.#nextRefresh ??= this.#enqueue(() => {
      this.#nextRefresh = undefined;
      return this.#log.refresh();
    });
    return this.#nextRefresh;
  }

  commit<B extends PendingBatch>(
    batches: readonly B[],
    fill: (batch: B, rows: Rows) => void,
    notes: readonly EpochNote[] = [],
  ): Promise<CommitResult<B>> {
    return this.#enqueue(async () => {
      const { proposal, version, rowCount } = await this.#write(() => {
        const plan = this.#plan(batches, (epoch) => this.#committed(epoch));
        return { items: plan.accepted, txns: this.#txnsOf(plan, notes), plan };
      }, fill);
      return result(proposal.plan, version, rowCount);
    });
  }

  recordVanished(
    rule: Omit<VanishedRule, 'nowMs' | 'retentionMs'>,
    fill: (vanished: VanishedEpoch, rows: Rows) => void,
  ): Promise<readonly VanishedEpoch[]> {
    return this.#enqueue(async () => {
      const { proposal } = await this.#write(() => {
        const items = findVanished(this.#log.txns, {
          ...rule,
          nowMs: this.#clock(),
          retentionMs: TXN_RETENTION_MS,
        });
        const txns = new Map(items.map(({ epoch, knownSequence }) => [vanishedAppId(epoch), knownSequence]));
        return { items, txns };
      }, fill);
      return proposal.items;
    });
  }

  async nodesHeard(isAlive: VanishedRule['isAlive']): Promise<ReadonlyMap<string, number>> {
    await this.#refresh();
    return nodesHeard(this.#log.txns, { nowMs: this.#clock(), isAlive });
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#checkpointer?.idle();
  }

  /** The heart: decide on the log as it is, write files, put the entry; after a lost race decide again on what won. */
  async #write<T, P extends Proposal<T>>(
    propose: () => P & Proposal<T>,
    fill: (item: T, rows: Rows) => void,
  ): Promise<WriteResult<P>> {
    await this.#log.refresh();
    let staged: (StagedFiles & { readonly items: readonly T[]; readonly madeMs: number }) | undefined;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      this.#log.requireWritable();
      const proposal = propose();
      const { items, txns } = proposal;
      if (staged !== undefined && (!sameItems(staged.items, items) || this.#clock() - staged.madeMs > STAGED_MAX_MS)) {
        // Our log entry lost for good, so no entry can name these files. Or they are old: a vacuum may take them.
        await this.#files.discard(staged);
        staged = undefined;
      }
      if (items.length === 0 && txns.size === 0) return { proposal, version: undefined, rowCount: 0 };
      if (staged === undefined) {
        const files = await this.#files.write((rows) => {
          for (const item of items) fill(item, rows);
        });
        staged = { ...files, items, madeMs: this.#clock() };
      }
      if (await this.#log.append(this.#entry(txns, staged))) {
        this.#checkpointer?.afterCommit();
        return { proposal, version: this.#log.version, rowCount: staged.rowCount };
      }
      await this.#log.refresh();
    }
    if (staged !== undefined) await this.#files.discard(staged);
    throw new FlowtollError(
      'TABLE_CONFLICT',
      `${MAX_ATTEMPTS} commits to ${this.#log.root} lost the race against other writers: run fewer aggregators, or let ` +
        'each commit less often',
    );
  }

  #committed(epoch: string): number {
    return this.#log.txns.get(epoch)?.version ?? 0;
  }

  #txnsOf(plan: CommitPlan<PendingBatch>, notes: readonly EpochNote[]): Map<string, number> {
    const txns = newNotes(notes, this.#log.txns);
    for (const { epoch } of plan.accepted) txns.set(epoch, plan.highest.get(epoch)!);
    return txns;
  }

  #entry(txns: ReadonlyMap<string, number>, { adds }: StagedFiles) {
    const lastUpdated = this.#clock();
    return {
      commitInfo: commitInfo(this.#clock, 'WRITE'),
      txns: Array.from(txns, ([appId, version]) => ({ appId, version, lastUpdated })),
      adds,
      removes: [],
    };
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(task);
    this.#tail = done.catch(() => undefined);
    return done;
  }
}

/** The very same things in the same order: the files that hold them may be named by the next attempt. */
function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
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
