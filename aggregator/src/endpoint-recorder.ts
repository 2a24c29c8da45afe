// Keeps the history of addresses in the table `endpoints`, and gives it back to a replica that starts. Joins the cluster's index and
// the table, which do not know each other. Never in the way of ingest: what could not be written stays due in the index, which holds
// it anyway, so nothing waits in memory; it is said, counted, and tried again.
import type { Logger } from './ingest/ingest-stream.ts';
import type { EndpointRow } from './model/endpoint-row.ts';
import { lookBackMs, renewalMs } from './model/holding-times.ts';
import type { Schedule } from './model/schedule.ts';
import type { ObjectStore } from './store/store.ts';
import { DeltaLog } from './table/delta-log.ts';
import { ENDPOINT_TABLE_COLUMNS, endpointTableRoot } from './table/endpoint-columns.ts';
import { endpointFileKeys, readHoldings, writeEndpointFile } from './table/endpoint-files.ts';
import { knownUntilAction, knownUntilMs } from './table/endpoint-known-until.ts';
import { flowTableRoot } from './table/flow-table.ts';
import { openWritableLog } from './table/open-log.ts';
import type { ClusterIndex, DueHolding } from './topology/cluster/cluster-index.ts';
import { commitChange } from './upkeep/change.ts';

/** Rows of one file: a bound of memory. */
const ROWS_MAX = 50_000;
const LOADED_MAX = 500_000;
const INTERVAL_MS = 60_000;
/** Between rounds of different replicas some time passes, so that they do not race for the same entry of the log. */
const JITTER_MS = 10_000;
/** It is said this often until when all is known, also where nothing begins and nothing ends. */
const KNOWN_UNTIL_MS = 50_000;
/** A pod's workload and node may be heard of after the pod. */
const SETTLE_US = 5_000_000;

export interface EndpointCounts {
  /** Rows written to `endpoints`. */
  rows: number;
  /** Tries to write, or to load, that failed. */
  failures: number;
  /** Holdings loaded at the start. */
  loaded: number;
  /** Those that were not, because there are too many. */
  leftOut: number;
}

export interface EndpointRecorder {
  readonly counts: EndpointCounts;
  /**
   * Takes what the table has into the index, as far back as that keeps it; nothing is written meanwhile. Call it when the cluster has been heard of in full. Never rejects: what
   * fails is tried again after each time of writing.
   */
  load(): Promise<void>;
  /** Begins to write. */
  start(): void;
  /** Writes what is due; resolves in any case. */
  record(): Promise<void>;
  /** Writes what is due, and ends. */
  stop(): Promise<void>;
}

export interface EndpointRecorderParts {
  readonly store: ObjectStore;
  readonly index: Pick<ClusterIndex, 'takeHoldings' | 'giveBack' | 'restore' | 'heardUntilUs'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly schedule: Schedule;
  /** From 0, inclusive, to 1, exclusive. */
  readonly random: () => number;
}

export interface EndpointRecorderOptions {
  readonly cluster: string;
  /** For how long the index keeps what is over, ms. */
  readonly keepMs: number;
  /** Holdings that are loaded at most. Default: as many as the index keeps that are over. */
  readonly loadedMax?: number;
}

export function createEndpointRecorder(
  { cluster, keepMs, loadedMax = LOADED_MAX }: EndpointRecorderOptions,
  { store, index, log, now, schedule, random }: EndpointRecorderParts,
): EndpointRecorder {
  const root = endpointTableRoot(flowTableRoot(cluster));
  const counts: EndpointCounts = { rows: 0, failures: 0, loaded: 0, leftOut: 0 };
  let table: DeltaLog | undefined;
  let running: Promise<void> = Promise.resolve();
  let cancel: () => void = () => undefined;
  let stopped = false;
  /** When the cluster had been heard of in full, while the table is still to be loaded; µs. */
  let toLoadAtUs: number | undefined;

  async function writeAll(): Promise<void> {
    for (;;) {
      const nowMs = now();
      const atUs = nowMs * 1000;
      const settledUs = atUs - SETTLE_US;
      const heardUs = Math.min(index.heardUntilUs, settledUs);
      const due = index.takeHoldings({
        atUs,
        renewBeforeUs: atUs - renewalMs(keepMs) * 1000,
        settledUs,
        max: ROWS_MAX,
      });
      const isAll = due.length < ROWS_MAX;
      try {
        await write(due, nowMs, isAll && Number.isFinite(heardUs) ? heardUs / 1000 : undefined);
      } catch (error) {
        index.giveBack(due);
        throw error;
      }
      if (isAll) return;
    }
  }

  /** @param heardMs until when all is in the table with these; undefined if that cannot be said */
  async function write(due: readonly DueHolding[], nowMs: number, heardMs: number | undefined): Promise<void> {
    if (due.length === 0 && heardMs === undefined) return;
    table ??= await openWritableLog(store, root, ENDPOINT_TABLE_COLUMNS, now);
    const log = table;
    const rows = due.map((row): EndpointRow => ({ ...row, cluster }));
    const adds = rows.length === 0 ? [] : [await writeEndpointFile(store, root, rows, nowMs)];
    await commitChange(log, now, () => {
      // With several replicas one in a minute is enough.
      const isNews = heardMs !== undefined && heardMs >= (knownUntilMs(log) ?? 0) + KNOWN_UNTIL_MS;
      if (adds.length === 0 && !isNews) return undefined;
      return { operation: 'WRITE', adds, txns: isNews ? [knownUntilAction(heardMs, now())] : [] };
    });
    counts.rows += rows.length;
  }

  /** Takes in what the table has. Whoever is not known was gone when the cluster had been heard of, however late the table is read. */
  async function tryToLoad(): Promise<void> {
    const atUs = toLoadAtUs;
    if (atUs === undefined) return;
    try {
      const history = new DeltaLog(store, root, now);
      await history.refresh();
      if (history.version >= 0) {
        history.requireReadable();
        const sinceMs = now() - lookBackMs(keepMs);
        let loaded = 0;
        const rule = { sinceMs, max: loadedMax };
        const leftOut = await readHoldings(store, endpointFileKeys(history, sinceMs), rule, (rows) => {
          loaded += index.restore(rows, atUs);
        });
        counts.loaded += loaded;
        counts.leftOut += leftOut;
        if (leftOut > 0) log.warn({ leftOut }, 'not all names of addresses from before the start could be loaded');
        log.info({ holdings: loaded }, 'names of addresses from before the start were loaded');
      }
      toLoadAtUs = undefined;
    } catch (error) {
      counts.failures++;
      log.warn(
        { err: error },
        'the table endpoints could not be read: late flows of pods that are gone have no names; it is tried again',
      );
    }
  }

  async function tryToWrite(): Promise<void> {
    try {
      await writeAll();
      // After it: an end that was heard of since must be in the table before what was read there is taken for longer.
      await tryToLoad();
    } catch (error) {
      counts.failures++;
      log.warn({ err: error }, 'names of addresses could not be kept in the table endpoints; it is tried again');
    }
  }

  function record(): Promise<void> {
    running = running.then(tryToWrite);
    return running;
  }

  function next(): void {
    cancel = schedule(
      () => {
        record().then(() => {
          if (!stopped) next();
        });
      },
      INTERVAL_MS + random() * JITTER_MS,
    );
  }

  return {
    counts,
    load() {
      toLoadAtUs = now() * 1000;
      running = running.then(tryToLoad);
      return running;
    },
    start: () => next(),
    record,
    async stop() {
      stopped = true;
      cancel();
      await record();
    },
  };
}
