// Reads what other clusters under the same root have in their tables `endpoints`, once a minute, so that their addresses have names here.
// Joins stores and topology, which do not know each other. Never in the way of ingest: what cannot be read is said once, counted, and
// tried again; until then flows to other clusters have no names.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from './ingest/ingest-stream.ts';
import { FlowtollError } from './model/errors.ts';
import { lookBackMs } from './model/holding-times.ts';
import type { Schedule } from './model/schedule.ts';
import type { ObjectStore } from './store/store.ts';
import { DeltaLog } from './table/delta-log.ts';
import { endpointTableRoot } from './table/endpoint-columns.ts';
import { endpointFileKeys, readHoldings } from './table/endpoint-files.ts';
import { knownUntilMs } from './table/endpoint-known-until.ts';
import { flowTableRoot } from './table/flow-table.ts';
import type { OtherClusters, Overlap } from './topology/others/other-clusters.ts';

const INTERVAL_MS = 60_000;
const JITTER_MS = 10_000;
/** Rounds between two looks at which clusters there are. */
const ROUNDS_PER_DISCOVERY = 10;
/** Rows that another replica recorded may be committed this much later than ours that we have read, ms. */
const LATE_ROWS_MS = 600_000;

export interface FollowerCounts {
  /** Readings of another cluster's table, or of which clusters there are, that failed. */
  failures: number;
}

export interface OtherClustersFollower {
  readonly counts: FollowerCounts;
  /** Reads once what is there. Never rejects. */
  read(): Promise<void>;
  /** Goes on reading. */
  start(): void;
  /** Resolves when nothing is read any more. */
  stop(): Promise<void>;
}

export interface FollowerParts {
  readonly store: ObjectStore;
  readonly others: Pick<
    OtherClusters,
    'holdingsMax' | 'isIgnored' | 'take' | 'leaveOut' | 'knownUntil' | 'expire' | 'compare'
  >;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly schedule: Schedule;
  /** From 0, inclusive, to 1, exclusive. */
  readonly random: () => number;
}

/** A table that is followed. */
interface Followed {
  readonly name: string;
  readonly table: DeltaLog;
  /** Keys of the files that were read. */
  read: ReadonlySet<string>;
  /** When it was read last; ms since the Unix epoch. */
  readMs: number | undefined;
  /** Of the last failure; what is said once is not said again. */
  failure: string | undefined;
}

/** @param keepMs for how long what is over is kept */
export function followOtherClusters(
  { cluster, keepMs }: { readonly cluster: string; readonly keepMs: number },
  { store, others, log, now, schedule, random }: FollowerParts,
): OtherClustersFollower {
  const counts: FollowerCounts = { failures: 0 };
  const followed = new Map<string, Followed>();
  let rounds = 0;
  let discoveryFailure: string | undefined;
  let running: Promise<void> = Promise.resolve();
  let cancel: () => void = () => undefined;
  let stopped = false;

  async function discover(): Promise<void> {
    try {
      for (const name of await store.listFolders('')) {
        const root = rootOf(name);
        if (root === undefined || name === cluster || followed.has(name) || others.isIgnored(name)) continue;
        const table = new DeltaLog(store, root, now);
        followed.set(name, { name, table, read: new Set(), readMs: undefined, failure: undefined });
      }
      discoveryFailure = undefined;
    } catch (error) {
      counts.failures++;
      const message = messageOf(error);
      if (message !== discoveryFailure) {
        log.warn(
          { err: error },
          'which other clusters are under this root could not be listed: flows to them have no names; it is tried again',
        );
      }
      discoveryFailure = message;
    }
  }

  async function readOn(one: Followed): Promise<void> {
    const { name, table } = one;
    await table.refresh();
    // A cluster that takes its names from a file has none.
    if (table.version < 0) return;
    table.requireReadable();
    const nowMs = now();
    const keptSinceMs = nowMs - lookBackMs(keepMs);
    const knownMs = knownUntilMs(table);
    const keys = endpointFileKeys(table, keptSinceMs);
    const unread = keys.filter((key) => !one.read.has(key));
    // A file of compaction has what was read before, and perhaps a row that was not.
    const sinceMs = one.readMs === undefined ? keptSinceMs : Math.max(keptSinceMs, one.readMs - LATE_ROWS_MS);
    const rule = { sinceMs, max: others.holdingsMax };
    others.leaveOut(name, await readHoldings(store, unread, rule, (rows) => others.take(name, rows, nowMs * 1000)));
    if (knownMs !== undefined) others.knownUntil(name, knownMs * 1000);
    if (one.readMs === undefined)
      log.info({ cluster: name, files: unread.length }, 'addresses of another cluster are known');
    one.read = new Set(keys);
    one.readMs = nowMs;
  }

  async function readRound(): Promise<void> {
    if (rounds++ % ROUNDS_PER_DISCOVERY === 0 || discoveryFailure !== undefined) await discover();
    for (const one of followed.values()) {
      if (stopped) return;
      try {
        await readOn(one);
        one.failure = undefined;
      } catch (error) {
        counts.failures++;
        const message = messageOf(error);
        if (message !== one.failure) {
          log.warn(
            { err: error, cluster: one.name },
            `the addresses of cluster ${one.name} could not be read: flows to what is new there have no names; it is tried again`,
          );
        }
        one.failure = message;
      }
    }
    await others.expire(now() * 1000, nextTurn);
    await others.compare(nextTurn);
  }

  function read(): Promise<void> {
    running = running.then(readRound);
    return running;
  }

  function next(): void {
    cancel = schedule(
      () => {
        read().then(() => {
          if (!stopped) next();
        });
      },
      INTERVAL_MS + random() * JITTER_MS,
    );
  }

  return {
    counts,
    read,
    start: () => next(),
    async stop() {
      stopped = true;
      cancel();
      await running;
    },
  };
}

/** What is said of an overlap. */
export function overlapMessage({ cluster, kind, address, other }: Overlap): string {
  const who = other === undefined ? 'this cluster' : `cluster ${other}`;
  return (
    `${kind}s of cluster ${cluster} are not named: ${address} is an address of one of them, and of ${who}, too. If they are reached ` +
    'from here by addresses that only they have, say in which ranges under clusters in the topology file; an empty list says that they are not'
  );
}

/** Undefined of a folder that cannot be a cluster's. */
function rootOf(folder: string): string | undefined {
  try {
    return endpointTableRoot(flowTableRoot(folder));
  } catch (error) {
    if (error instanceof FlowtollError) return undefined;
    throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
