// Which replica runs a sink. Nobody's clock is compared with another's: a replica takes over when it has watched the newest record
// stand still for the lease's time, and a holder that has not written for that time by its own clock stops by itself. A holder that
// was paused and wakes finds the next number taken. Knows the journal; knows no rows.
import { FlowtollError, lineOf } from '../model/errors.ts';
import type { Schedule } from '../model/schedule.ts';
import { JournalMovedOn, type SinkFacts, type SinkJournal } from './journal.ts';
import { pause } from './pause.ts';

export interface LeaseConfig {
  /** Who this replica is: another one for each process and each life of it. */
  readonly holder: string;
  /** After how long without a record the holder counts as gone, ms. It writes three times in that time. */
  readonly leaseMs: number;
}

export interface LeaseParts {
  readonly journal: SinkJournal;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly schedule: Schedule;
  readonly log: { warn(fields: object, message: string): void };
}

/** The lease is not held any more, or nobody can be sure of it. */
export class LeaseLost extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'LeaseLost';
  }
}

const WRITES_PER_LEASE = 3;
/** How often a failed write is tried again within the time between two. */
const TRIES_PER_WRITE = 4;

/** Waits for the lease; undefined when `signal` aborts. Throws STORE_UNAVAILABLE, TABLE_INVALID. */
export async function acquireLease(
  config: LeaseConfig,
  parts: LeaseParts,
  signal: AbortSignal,
): Promise<Lease | undefined> {
  const { journal, now, schedule } = parts;
  let seen: { readonly number: number; readonly at: number } | undefined;
  while (!signal.aborted) {
    const record = await journal.read();
    const isFree = record === undefined || record.holder === null;
    if (record !== undefined && seen?.number !== record.number) seen = { number: record.number, at: now() };
    if (isFree || now() - seen!.at >= config.leaseMs) {
      const began = now();
      try {
        const facts = record ?? { position: null, pending: null, state: null };
        const { position, pending, state } = facts;
        await journal.append({ holder: config.holder, position, pending, state });
        return new Lease(config, parts, began);
      } catch (error) {
        // Another replica was quicker: it is watched from now on.
        if (!(error instanceof JournalMovedOn)) throw error;
        continue;
      }
    }
    await pause(schedule, config.leaseMs / WRITES_PER_LEASE, signal);
  }
  return undefined;
}

export class Lease {
  readonly #config: LeaseConfig;
  readonly #parts: LeaseParts;
  readonly #lost = new AbortController();
  /** Before the last write that succeeded was begun: nobody else holds it for `leaseMs` from then. */
  #sureAt: number;
  #facts: SinkFacts;
  #writing: Promise<void> = Promise.resolve();
  #cancel: () => void = () => {};
  #ended = false;

  constructor(config: LeaseConfig, parts: LeaseParts, sureAt: number) {
    this.#config = config;
    this.#parts = parts;
    this.#sureAt = sureAt;
    this.#facts = parts.journal.newest!;
    this.#renewLater(config.leaseMs / WRITES_PER_LEASE);
  }

  /** What is known, also what is not written yet. */
  get facts(): SinkFacts {
    return this.#facts;
  }

  /** Aborts when the lease is lost. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Throws LeaseLost where another replica may have begun: for a process that has slept, before it does anything. */
  requireSure(): void {
    if (!this.#lost.signal.aborted && this.#parts.now() - this.#sureAt >= this.#config.leaseMs) this.#lose();
    if (this.#lost.signal.aborted) throw new LeaseLost('the lease was lost');
  }

  /** To be written with the next record: it does no harm if that is never. */
  note(changes: Partial<Pick<SinkFacts, 'position'>>): void {
    this.#facts = { ...this.#facts, ...changes };
  }

  /** Written when it resolves. Throws LeaseLost; tries again as long as the lease is sure. */
  async write(changes: Partial<Omit<SinkFacts, 'holder'>>): Promise<void> {
    this.#facts = { ...this.#facts, ...changes };
    for (;;) {
      this.requireSure();
      try {
        await this.#append();
        this.requireSure();
        return;
      } catch (error) {
        if (error instanceof LeaseLost) throw error;
        this.#parts.log.warn({ reason: lineOf(error) }, "a sink's position cannot be written; it is tried again");
        await pause(this.#parts.schedule, this.#retryMs, this.signal);
      }
    }
  }

  /** Others may take over at once. */
  async release(): Promise<void> {
    this.#end();
    if (this.#lost.signal.aborted) return;
    this.#facts = { ...this.#facts, holder: null };
    try {
      await this.#append();
    } catch (error) {
      // It runs out by itself.
      if (!(error instanceof FlowtollError) && !(error instanceof LeaseLost)) throw error;
    }
    this.#lost.abort();
  }

  get #retryMs(): number {
    return this.#config.leaseMs / WRITES_PER_LEASE / TRIES_PER_WRITE;
  }

  /** One after the other: each says all that is known when its turn comes. */
  #append(): Promise<void> {
    const turn = this.#writing.then(async () => {
      const began = this.#parts.now();
      try {
        await this.#parts.journal.append(this.#facts);
        this.#sureAt = began;
        this.#renewLater(this.#config.leaseMs / WRITES_PER_LEASE);
      } catch (error) {
        if (!(error instanceof JournalMovedOn)) throw error;
        this.#lose();
        throw new LeaseLost(error.message);
      }
    });
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  #renewLater(delayMs: number): void {
    this.#cancel();
    if (!this.#ended) this.#cancel = this.#parts.schedule(() => void this.#renew(), delayMs);
  }

  async #renew(): Promise<void> {
    try {
      this.requireSure();
      await this.#append();
    } catch (error) {
      if (error instanceof LeaseLost) return;
      this.#parts.log.warn({ reason: lineOf(error) }, 'the lease of a sink cannot be renewed; it is tried again');
      this.#renewLater(this.#retryMs);
    }
  }

  #lose(): void {
    this.#end();
    this.#lost.abort();
  }

  #end(): void {
    this.#ended = true;
    this.#cancel();
  }
}
