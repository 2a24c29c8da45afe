// One sink, for as long as the process runs: takes its turn, delivers slice after slice in the order of the log, keeps the position.
// A slice's end is written before its first payload goes out and its position after the last was taken, so whoever goes on after a
// crash sends the same slice again: at least once, in order. Beside ingest, and never in its way.

import type { MissedRows } from '../api/resume-expired.ts';
import { parseToken } from '../api/resume-token.ts';
import { createRowQuery } from '../api/row-query.ts';
import { type WatchDependencies, watch } from '../api/watcher.ts';
import { FlowtollError, lineOf } from '../model/errors.ts';
import type { Schedule } from '../model/schedule.ts';
import { collectSlice, EventSource } from './collect-slice.ts';
import { countBy, newCounts, type SinkCounts } from './counts.ts';
import { SinkJournal, sinkRoot } from './journal.ts';
import { acquireLease, type Lease, LeaseLost } from './lease.ts';
import { pause } from './pause.ts';
import { type Payload, PayloadRefused, RetryLater, type Sink, type Slice } from './sink.ts';

export interface RunSinkConfig {
  readonly name: string;
  readonly type: string;
  readonly cluster: string;
  /** Who this replica is; another one for each process. */
  readonly holder: string;
  readonly intervalMs: number;
  readonly from: 'now' | 'oldest';
  readonly excludeNamespaces: readonly string[];
  readonly leaseMs?: number;
}

export interface RunSinkParts extends Omit<WatchDependencies, 'heartbeatMs'> {
  readonly sink: Sink;
  readonly log: Logger;
  readonly schedule: Schedule;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RunningSink {
  readonly counts: SinkCounts;
  /** Resolves when the payload that is on its way has arrived, or was given up, and others may take over. */
  stop(): Promise<void>;
}

const LEASE_MS = 60_000;
/** What a slice may hold in memory, in things of about 200 bytes. */
const SLICE_ITEMS_MAX = 100_000;
const HEARTBEAT_MAX_MS = 10_000;
const RETRY_FIRST_MS = 1000;
const RETRY_MAX_MS = 60_000;
/** After a failure that is not the receiver's. */
const AGAIN_MS = 10_000;
/** How long a request that is on its way may take when the process stops. */
const STOP_GRACE_MS = 3000;
/** Between two lines of the log that say that a receiver does not answer. */
const REMIND_MS = 60_000;

export function runSink(config: RunSinkConfig, parts: RunSinkParts): RunningSink {
  const counts = newCounts(config.name, config.type);
  const stopping = new AbortController();
  const cut = new AbortController();
  const done = new SinkRun(config, parts, counts, stopping.signal, cut.signal).run();
  return {
    counts,
    async stop() {
      stopping.abort();
      const cancel = parts.schedule(() => cut.abort(), STOP_GRACE_MS);
      await done;
      cancel();
      await parts.sink.close?.();
    },
  };
}

class SinkRun {
  readonly #config: RunSinkConfig;
  readonly #parts: RunSinkParts;
  readonly #counts: SinkCounts;
  readonly #stop: AbortSignal;
  /** Aborts a request that is on its way. */
  readonly #cut: AbortSignal;
  readonly #log: Logger;

  constructor(config: RunSinkConfig, parts: RunSinkParts, counts: SinkCounts, stop: AbortSignal, cut: AbortSignal) {
    this.#config = config;
    this.#parts = parts;
    this.#counts = counts;
    this.#stop = stop;
    this.#cut = cut;
    const of = (fields: object) => ({ sink: config.name, ...fields });
    this.#log = {
      info: (fields, message) => parts.log.info(of(fields), message),
      warn: (fields, message) => parts.log.warn(of(fields), message),
      error: (fields, message) => parts.log.error(of(fields), message),
    };
  }

  async run(): Promise<void> {
    const { config, parts } = { config: this.#config, parts: this.#parts };
    while (!this.#stop.aborted) {
      let lease: Lease | undefined;
      try {
        const journal = new SinkJournal(parts.store, sinkRoot(config.cluster, config.name), parts.now);
        const leaseParts = { journal, now: parts.now, schedule: parts.schedule, log: this.#log };
        const leaseConfig = { holder: config.holder, leaseMs: config.leaseMs ?? LEASE_MS };
        lease = await acquireLease(leaseConfig, leaseParts, this.#stop);
        if (lease === undefined) return;
        await this.#deliver(lease);
      } catch (error) {
        if (error instanceof LeaseLost) {
          this.#counts.leasesLost++;
          this.#log.warn({}, 'the lease of the sink was lost: another replica may deliver what was begun once more');
        } else {
          this.#fail(error);
          await pause(parts.schedule, AGAIN_MS, this.#stop);
        }
      } finally {
        this.#counts.isHeld = false;
        await lease?.release();
      }
    }
  }

  #fail(error: unknown): void {
    if (error instanceof FlowtollError) this.#log.warn({ reason: lineOf(error) }, 'the sink waits, and is tried again');
    else this.#log.error({ err: error }, 'the sink failed, and is tried again');
  }

  /** Until the process stops. Throws LeaseLost, STORE_UNAVAILABLE, TABLE_INVALID. */
  async #deliver(lease: Lease): Promise<void> {
    const signal = AbortSignal.any([this.#stop, lease.signal]);
    this.#counts.isHeld = true;
    this.#log.info({ position: lease.facts.position, pending: lease.facts.pending }, 'this replica delivers the sink');
    while (!signal.aborted) {
      const events = this.#events(lease.facts.position, signal);
      try {
        if (lease.facts.position === null) await this.#begin(lease, events);
        while (!signal.aborted && (await this.#deliverSlice(lease, events))) {}
      } finally {
        await events.close();
      }
    }
    if (!this.#stop.aborted) lease.requireSure();
  }

  #events(position: string | null, signal: AbortSignal): EventSource {
    const { sink, store, tail, files, reader, schedule, now } = this.#parts;
    const { intervalMs, excludeNamespaces, from } = this.#config;
    const filters = [...(sink.filters ?? [])];
    if (excludeNamespaces.length > 0) filters.push({ column: 'namespace', values: excludeNamespaces, exclude: true });
    const query = createRowQuery(sink.columns, filters, !sink.takesLosses);
    const start = position === null ? ({ at: from } as const) : ({ at: 'token', token: position } as const);
    const heartbeatMs = Math.min(HEARTBEAT_MAX_MS, intervalMs / 4);
    return new EventSource(watch(start, query, { store, tail, files, reader, schedule, now, heartbeatMs }, signal));
  }

  /** The first position is stored at once: what is committed from now on is delivered, whoever does it. */
  async #begin(lease: Lease, events: EventSource): Promise<void> {
    const event = await events.next();
    if (event !== undefined) await this.#goTo(lease, event.token);
  }

  async #goTo(lease: Lease, position: string, state?: string): Promise<void> {
    await lease.write({ position, pending: null, ...(state !== undefined && { state }) });
    this.#tellPosition(position);
  }

  #tellPosition(position: string): void {
    const { version, timeMs } = parseToken(position);
    this.#counts.positionVersion = version;
    this.#counts.positionMs = timeMs;
  }

  /** False: the log has to be followed anew from the position. */
  async #deliverSlice(lease: Lease, events: EventSource): Promise<boolean> {
    const from = lease.facts.position;
    if (from === null) return false;
    const { sink, now } = this.#parts;
    const collector = sink.collect(lease.facts.state ?? undefined);
    const slice = await collectSlice(events, collector, {
      ...{ from, pending: lease.facts.pending ?? undefined, now },
      ...{ intervalMs: this.#config.intervalMs, itemsMax: SLICE_ITEMS_MAX },
    });
    if (slice === undefined) return false;
    this.#counts.newestVersion = slice.newestVersion ?? this.#counts.newestVersion;
    if (slice.rowCount > 0) {
      const told: Slice = { from, to: slice.to, committedMs: slice.committedMs, rowCount: slice.rowCount };
      if (lease.facts.pending !== slice.to) await lease.write({ pending: slice.to });
      for await (const payload of collector.payloads(told)) {
        if (!(await this.#send(payload, lease))) return false;
      }
      await this.#goTo(lease, slice.to, collector.state?.(told));
      this.#counts.rows += slice.rowCount;
      this.#counts.slices++;
    } else if (slice.isSetBack || lease.facts.pending !== null) {
      await this.#goTo(lease, slice.to);
    } else {
      lease.note({ position: slice.to });
      this.#tellPosition(slice.to);
    }
    if (slice.isSetBack) this.#log.warn({ position: slice.to }, 'the table was set back: the sink goes on from there');
    if (slice.missed !== undefined) await this.#miss(lease, slice.missed);
    return slice.missed === undefined;
  }

  async #miss(lease: Lease, missed: MissedRows): Promise<void> {
    const { reason, fromVersion, toVersion, resumeToken } = missed;
    this.#counts.missedVersions += Math.max(1, toVersion - fromVersion + 1);
    this.#log.warn(
      { reason, fromVersion, toVersion },
      'rows of these versions can no longer be told, and are missing at the receiver; the sink goes on after them',
    );
    await this.#goTo(lease, resumeToken);
  }

  /** Until the receiver has it or has refused it; false: the process stops. */
  async #send(payload: Payload, lease: Lease): Promise<boolean> {
    const { sink, schedule, random, now } = this.#parts;
    const signal = AbortSignal.any([this.#cut, lease.signal]);
    const waiting = AbortSignal.any([this.#stop, lease.signal]);
    let saidAt: number | undefined;
    for (let attempt = 0; ; attempt++) {
      lease.requireSure();
      if (this.#stop.aborted) return false;
      try {
        await sink.send(payload, signal);
        this.#counts.payloads++;
        this.#counts.items += payload.itemCount;
        this.#counts.bytes += payload.bytes.length;
        if (saidAt !== undefined) this.#log.info({ id: payload.id }, 'the receiver takes payloads again');
        return true;
      } catch (error) {
        if (error instanceof PayloadRefused) {
          this.#bury(payload, error);
          return true;
        }
        if (signal.aborted) continue;
        const { reason, afterMs = 0 } = error instanceof RetryLater ? error : { reason: 'failed' };
        countBy(this.#counts.retries, reason);
        if (saidAt === undefined || now() - saidAt >= REMIND_MS) {
          saidAt = now();
          this.#log.warn(
            { id: payload.id, attempt, reason: lineOf(error) },
            'a payload was not taken; it is tried again',
          );
        }
        const backOff = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 16)) * (0.5 + random() / 2);
        await pause(schedule, Math.max(afterMs, backOff), waiting);
      }
    }
  }

  #bury({ id, itemCount }: Payload, error: PayloadRefused): void {
    countBy(this.#counts.deadLetters, error.reason);
    this.#counts.deadItems += itemCount;
    this.#log.error(
      { id, items: itemCount, reason: lineOf(error) },
      'the receiver refused a payload for good: it is a dead letter',
    );
  }
}
