// One round of upkeep of one cluster's tables: roll up, compact, drop old days, vacuum, checkpoint, clean the logs. In an order in
// which each step makes the next one's work, and none takes what an earlier one still needs, also where that one failed. Any
// process may run it at any time.
import { FlowtollError, lineOf } from '../model/errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { type ColumnOfAny, FLOW_COLUMNS, SORT_COLUMNS } from '../table/columns.ts';
import { readCommitTime } from '../table/commit-time.ts';
import { DeltaLog } from '../table/delta-log.ts';
import {
  ENDPOINT_COLUMNS,
  ENDPOINT_SORT_COLUMNS,
  ENDPOINT_TABLE_COLUMNS,
  endpointTableRoot,
} from '../table/endpoint-columns.ts';
import { flowTableRoot } from '../table/flow-table.ts';
import {
  CHECKPOINT_BYTES,
  CHECKPOINT_ENTRIES,
  checkpointLog,
  cleanLog,
  isCheckpointDue,
  LOG_RETENTION_MS,
} from '../table/log-upkeep.ts';
import {
  addColumns,
  openWritableLog,
  REMOVAL_RETENTION_MS,
  REMOVED_FILE_RETENTION_MS,
  requireWritable,
  TXN_RETENTION_MS,
} from '../table/open-log.ts';
import { COST_TABLE_COLUMNS, TABLE_COLUMNS } from '../table/schema.ts';
import { merge, planMerges } from './compaction.ts';
import { dropOldDays } from './retention.ts';
import { Rewriter } from './rewriter.ts';
import { costTableRoot, filesNotRolledUp, makeStep, nextStep, rolledUpVersion } from './roll-up.ts';
import { vacuum } from './vacuum.ts';

const DAY_MS = 86_400_000;

/** Batches older than the log remembers are refused, so nobody asks for older holdings. */
const KEEP_ENDPOINTS_MS = TXN_RETENTION_MS + DAY_MS;

export interface MaintainOptions {
  readonly cluster: string;
  /** Milliseconds since the Unix epoch. */
  readonly clock: () => number;
  /** For how long rows of `flows` are kept, ms. */
  readonly keepFlowsMs: number;
  /** For how long rows of `costs_hourly` are kept, ms. */
  readonly keepCostsMs: number;
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean;
  /** Hears of each step that was done, or would be. */
  readonly onStep?: (step: MaintainStep) => void;
  /** Hears of each step that failed while the store answers; the others go on. */
  readonly onFailure?: (failure: MaintainFailure) => void;
  /** Whether to go on with the next step; asked between steps. Default: always. */
  readonly mayGoOn?: () => boolean;
}

/** One thing that was done. */
export interface MaintainStep {
  readonly table: 'flows' | 'costs_hourly' | 'endpoints';
  readonly step: 'roll-up' | 'compact' | 'retention' | 'checkpoint' | 'log-clean-up' | 'vacuum';
  /** How many of `what` it took. */
  readonly count: number;
  readonly what: 'versions' | 'files' | 'entries';
}

/** One thing that could not be done. */
export interface MaintainFailure extends Pick<MaintainStep, 'table' | 'step'> {
  /** What it was to be done to; absent where that is the whole table. */
  readonly of?: string;
  readonly error: unknown;
}

const RULES = {
  checkpointBytes: CHECKPOINT_BYTES,
  checkpointEntries: CHECKPOINT_ENTRIES,
  txnRetentionMs: TXN_RETENTION_MS,
  removeRetentionMs: REMOVAL_RETENTION_MS,
};

/**
 * Runs one round. A step that fails leaves the others as they are: when all were tried, throws UPKEEP_INCOMPLETE. Where the
 * store does not answer, throws at once what it throws; QUERY_INVALID where there is no table: it makes none. What was done until then is done, and the next round goes on.
 */
export async function maintain(store: ObjectStore, options: MaintainOptions): Promise<void> {
  const root = flowTableRoot(options.cluster);
  const { clock } = options;
  const flows = await readLog(store, root, clock);
  if (flows.version < 0) {
    throw new FlowtollError(
      'QUERY_INVALID',
      `${store.describe()} has no table ${root}: name the store that the aggregator writes (--store), and a cluster in it`,
    );
  }
  requireWritable(flows, TABLE_COLUMNS);
  const costs =
    options.dryRun === true
      ? await readLog(store, costTableRoot(root), clock)
      : await openWritableLog(store, costTableRoot(root), COST_TABLE_COLUMNS, clock);
  if (costs.version >= 0) requireWritable(costs, COST_TABLE_COLUMNS);
  const endpoints = await readLog(store, endpointTableRoot(root), clock);
  if (endpoints.version >= 0) {
    if (options.dryRun === true) requireWritable(endpoints, ENDPOINT_TABLE_COLUMNS);
    else await addColumns(endpoints, ENDPOINT_TABLE_COLUMNS, clock);
  }
  const rewriter = await Rewriter.open(store.scratchDirectory);
  try {
    await new Round(store, { flows, costs_hourly: costs, endpoints }, rewriter, options).run();
  } finally {
    rewriter.close();
  }
}

/** The log, read; empty where there is none. */
async function readLog(store: ObjectStore, root: string, clock: () => number): Promise<DeltaLog> {
  const log = new DeltaLog(store, root, clock);
  await log.refresh();
  return log;
}

type Logs = Readonly<Record<MaintainStep['table'], DeltaLog>>;

class Round {
  readonly #store: ObjectStore;
  readonly #flows: DeltaLog;
  readonly #costs: DeltaLog;
  readonly #endpoints: DeltaLog;
  readonly #logs: Logs;
  readonly #rewriter: Rewriter;
  readonly #options: MaintainOptions;
  readonly #failures: MaintainFailure[] = [];

  constructor(store: ObjectStore, logs: Logs, rewriter: Rewriter, options: MaintainOptions) {
    this.#store = store;
    this.#logs = logs;
    this.#flows = logs.flows;
    this.#costs = logs.costs_hourly;
    this.#endpoints = logs.endpoints;
    this.#rewriter = rewriter;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { keepFlowsMs, keepCostsMs } = this.#options;
    await this.#attempt({ table: 'costs_hourly', step: 'roll-up' }, () => this.#rollUp());
    // What is committed from now on is not rolled up either.
    const files = [...this.#flows.files.keys()];
    let rolledUp: ReadonlySet<string> = new Set();
    await this.#attempt({ table: 'flows', step: 'compact' }, async () => {
      const waiting = await filesNotRolledUp(this.#store, this.#flows, rolledUpVersion(this.#costs));
      const paths = new Set(waiting.map(({ path }) => path));
      rolledUp = new Set(files.filter((path) => !paths.has(path)));
    });
    await this.#compact('flows', FLOW_COLUMNS, SORT_COLUMNS, (path) => rolledUp.has(path));
    await this.#compact('endpoints', ENDPOINT_COLUMNS, ENDPOINT_SORT_COLUMNS, () => true);
    const tables = [
      { table: 'flows', log: this.#flows, keepMs: keepFlowsMs, isFree: (path: string) => rolledUp.has(path) },
      { table: 'costs_hourly', log: this.#costs, keepMs: keepCostsMs, isFree: () => true },
      // Without Kubernetes there is none.
      ...(this.#endpoints.version < 0
        ? []
        : [{ table: 'endpoints', log: this.#endpoints, keepMs: KEEP_ENDPOINTS_MS, isFree: () => true } as const]),
    ] as const;
    for (const { table, log, keepMs, isFree } of tables) {
      await this.#attempt({ table, step: 'retention' }, () => this.#dropOldDays(table, log, keepMs, isFree));
    }
    for (const { table, log } of tables) {
      // Before the checkpoint, which forgets removals that are old: names of files of costs_hourly do not say how old they are.
      const isVacuumed = await this.#attempt({ table, step: 'vacuum' }, () => this.#vacuum(table, log));
      if (isVacuumed) await this.#attempt({ table, step: 'checkpoint' }, () => this.#checkpoint(table, log));
      await this.#attempt({ table, step: 'log-clean-up' }, () => this.#cleanLog(table, log));
    }
    if (this.#failures.length > 0) throw incomplete(this.#flows.root, this.#failures);
  }

  /** Whether the step was done. One that fails does not end the round, unless the store itself is away. */
  async #attempt(step: Omit<MaintainFailure, 'error'>, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      // Throws where nothing can be done at all.
      await this.#logs[step.table].refresh();
      const failure = { ...step, error };
      this.#failures.push(failure);
      this.#options.onFailure?.(failure);
      return false;
    }
  }

  async #rollUp(): Promise<void> {
    const { clock } = this.#options;
    let rolledUp = rolledUpVersion(this.#costs);
    for (;;) {
      const step = this.#goesOn ? await nextStep(this.#store, this.#flows, rolledUp) : undefined;
      if (step === undefined) return;
      const count = step.last - step.first + 1;
      if (this.#options.dryRun !== true) {
        const tables = { store: this.#store, flows: this.#flows, costs: this.#costs, rewriter: this.#rewriter };
        if (!(await makeStep(tables, step, clock))) return; // Another replica is at it.
      }
      this.#done('costs_hourly', 'roll-up', count, 'versions');
      rolledUp = step.last;
    }
  }

  /** Not `costs_hourly`: its files are never rewritten, so that a glob over them is right. */
  async #compact(
    table: 'flows' | 'endpoints',
    columns: readonly ColumnOfAny[],
    sort: readonly string[],
    isFree: (path: string) => boolean,
  ): Promise<void> {
    const { clock, dryRun } = this.#options;
    const today = new Date(clock()).toISOString().slice(0, 10);
    for (const one of planMerges(this.#logs[table].files.values(), today, ({ path }) => isFree(path))) {
      if (!this.#goesOn) return;
      const tables = { store: this.#store, log: this.#logs[table], rewriter: this.#rewriter };
      const of = `${one.files.length} files of ${one.date}`;
      await this.#attempt({ table, step: 'compact', of }, async () => {
        if (dryRun === true || (await merge(tables, one, columns, clock, sort))) {
          this.#done(table, 'compact', one.files.length, 'files');
        }
      });
    }
  }

  async #dropOldDays(
    table: MaintainStep['table'],
    log: DeltaLog,
    keepMs: number,
    isFree: (path: string) => boolean,
  ): Promise<void> {
    const { clock, dryRun = false } = this.#options;
    if (!this.#goesOn) return;
    this.#done(table, 'retention', await dropOldDays(log, { keepMs, clock, isFree, dryRun }), 'files');
  }

  async #checkpoint(table: MaintainStep['table'], log: DeltaLog): Promise<void> {
    if (!this.#goesOn || !isCheckpointDue(log, RULES)) return;
    const entries = log.version - log.checkpointVersion;
    if (this.#options.dryRun === true || (await checkpointLog(this.#store, log, RULES, this.#options.clock()))) {
      this.#done(table, 'checkpoint', entries, 'entries');
    }
  }

  async #cleanLog(table: MaintainStep['table'], log: DeltaLog): Promise<void> {
    const { clock, dryRun = false } = this.#options;
    if (!this.#goesOn) return;
    if (log.version >= 0) log.requireWritable();
    // What is not rolled up yet has to be read again.
    const keepFrom = table === 'flows' ? rolledUpVersion(this.#costs) + 1 : Number.POSITIVE_INFINITY;
    const options = { nowMs: clock(), retentionMs: LOG_RETENTION_MS, keepFrom, dryRun };
    this.#done(table, 'log-clean-up', await cleanLog(this.#store, log.root, options), 'entries');
  }

  async #vacuum(table: MaintainStep['table'], log: DeltaLog): Promise<void> {
    const { clock, dryRun = false } = this.#options;
    if (!this.#goesOn) return;
    let nowMs = clock();
    // A file that compaction took out may hold rows that are not rolled up, if that has been behind for long.
    if (table === 'flows') nowMs = Math.min(nowMs, await this.#rolledUpUntilMs(nowMs));
    await log.refresh();
    // Files of a newer protocol may be named in ways that are not known here.
    if (log.version >= 0) log.requireWritable();
    const options = { nowMs, retentionMs: REMOVED_FILE_RETENTION_MS, dryRun };
    this.#done(table, 'vacuum', await vacuum(this.#store, log, options), 'files');
  }

  /** When the first version that is not rolled up was committed; `nowMs` when all are. */
  async #rolledUpUntilMs(nowMs: number): Promise<number> {
    const version = rolledUpVersion(this.#costs) + 1;
    if (version > this.#flows.version) return nowMs;
    const committed = await readCommitTime(this.#store, this.#flows.root, version);
    // Within an hour of now is as good as now: the hour that is not over is never rolled up.
    return committed?.ms === undefined ? 0 : committed.ms + DAY_MS / 24;
  }

  get #goesOn(): boolean {
    return this.#options.mayGoOn?.() ?? true;
  }

  #done(table: MaintainStep['table'], step: MaintainStep['step'], count: number, what: MaintainStep['what']): void {
    if (count > 0) this.#options.onStep?.({ table, step, count, what });
  }
}

function incomplete(root: string, failures: readonly MaintainFailure[]): FlowtollError {
  const [{ table, step, of, error }] = failures as [MaintainFailure];
  const what = of === undefined ? step : `${step} of ${of}`;
  const others = failures.length === 1 ? '' : `, and ${failures.length - 1} more`;
  return new FlowtollError(
    'UPKEEP_INCOMPLETE',
    `upkeep of ${root} could not do everything; ${table}: ${what} (${lineOf(error)})` +
      `${others}. The rest is done; it is tried again with the next round`,
    { cause: error },
  );
}
