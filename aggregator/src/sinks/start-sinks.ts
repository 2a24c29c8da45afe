// All sinks of a file as one component of the aggregator: they share one look at the log, one reader of files and one thread. Knows
// no kind.
import { randomUUID } from 'node:crypto';
import { DataFileSource } from '../api/data-file-source.ts';
import { createReaderThread } from '../api/reader-thread.ts';
import type { Schedule } from '../model/schedule.ts';
import type { ObjectStore } from '../store/store.ts';
import { LogTail } from '../table/log-tail.ts';
import type { SinkEntry } from './config.ts';
import type { SinkCounts } from './counts.ts';
import { SINK_KINDS } from './kinds.ts';
import { type RunSinkParts, runSink } from './run-sink.ts';
import { durationMs, INTERVAL_DEFAULT } from './settings.ts';

export interface SinksParts {
  readonly store: ObjectStore;
  /** Key of the table's root in the store. */
  readonly root: string;
  readonly log: RunSinkParts['log'];
  /** Milliseconds since the Unix epoch. */
  readonly clock: () => number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly schedule: Schedule;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** A version of the table that is known to exist; -1 if none is. */
  readonly knownVersion: () => number;
}

export interface SinksConfig {
  readonly cluster: string;
  /** Of the software. */
  readonly version: string;
  readonly entries: readonly SinkEntry[];
  /** How long a replica that has gone is waited for, ms. */
  readonly leaseMs?: number;
  /** How often the store is asked for the commits of other replicas, ms. */
  readonly pollMs?: number;
}

export interface Sinks {
  readonly counts: readonly SinkCounts[];
  /** This process has committed. */
  committed(): void;
  /** Resolves when requests on their way have been answered or given up, and others may take over. */
  stop(): Promise<void>;
}

/** Commits of other replicas may come this late: a sink gathers for longer anyway, and each look is a request to the store. */
const POLL_MS = 15_000;
const VERIFY_MS = 60_000;

/** Begins at once. */
export function startSinks({ cluster, version, entries, leaseMs, pollMs }: SinksConfig, parts: SinksParts): Sinks {
  const { store, root, log, clock, now, schedule, random, knownVersion } = parts;
  const holder = randomUUID();
  const poll = { pollMs: pollMs ?? POLL_MS, verifyMs: VERIFY_MS };
  const tail = new LogTail(store, root, { ...poll, now, schedule, hint: knownVersion });
  const reader = createReaderThread();
  const files = new DataFileSource(store);
  const running = entries.map(({ name, settings }) => {
    const { type, interval, from, excludeNamespaces } = settings;
    const sink = SINK_KINDS.get(type)!.open(settings as never, { name, cluster, version, now: clock });
    return runSink(
      {
        ...{ name, type, cluster, holder, from: from ?? 'now', excludeNamespaces: excludeNamespaces ?? [] },
        ...{ intervalMs: durationMs(interval ?? INTERVAL_DEFAULT), ...(leaseMs !== undefined && { leaseMs }) },
      },
      { sink, store, tail, files, reader, log, schedule, now, random },
    );
  });
  return {
    get counts() {
      const newest = Math.max(tail.position.newest, knownVersion());
      return running.map(({ counts }) => ({ ...counts, newestVersion: Math.max(counts.newestVersion, newest) }));
    },
    committed: () => tail.poke(),
    async stop() {
      await Promise.all(running.map((sink) => sink.stop()));
      tail.close();
      await reader.close();
    },
  };
}
