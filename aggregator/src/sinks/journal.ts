// What replicas know in common of one sink: who delivers, and how far. A sequence of small objects in the store, each made with put-if-absent
// under the next number, so that it works on every store: of any number of writers exactly one makes the next record, and a writer
// that has missed one finds its number taken. The newest record is the truth. Knows records; knows no leases and no rows.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { FlowtollError } from '../model/errors.ts';
import type { ObjectStore } from '../store/store.ts';

/** What a record says. Resume tokens are those of api/resume-token.ts. */
export interface SinkFacts {
  /** Who delivers; null: nobody, and anybody may at once. */
  readonly holder: string | null;
  /** Everything before this is delivered; null: nobody has begun. */
  readonly position: string | null;
  /** The end of the slice that follows it, once somebody has begun to deliver that; null: none has been begun. */
  readonly pending: string | null;
  /** What the sink remembers of the slices before `position`. */
  readonly state: string | null;
}

export interface SinkRecord extends SinkFacts {
  readonly number: number;
  /** Of this record alone, so that its writer knows it again when the store's answer was lost. */
  readonly id: string;
}

/**
 * A record is deleted this long after it was followed by another: whoever comes late with its number must find it taken. A request
 * that was on its way for longer would be taken for news; no client of a store waits so long.
 */
const KEEP_MS = 3_600_000;
/** After a write that took longer than this it is asked whether others have gone on meanwhile. */
const SLOW_WRITE_MS = 30_000;

const NAME = /\/(\d{20})\.json$/;

const recordSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  holder: z.string().nullable(),
  position: z.string().nullable(),
  pending: z.string().nullable(),
  state: z.string().nullable(),
});

/** Another writer has gone on: nothing was written. */
export class JournalMovedOn extends Error {
  constructor() {
    super('another replica has written the next record');
    this.name = 'JournalMovedOn';
  }
}

/** Folder of a sink's journal in the store. */
export function sinkRoot(cluster: string, name: string): string {
  return `${cluster}/sinks/${name}`;
}

export class SinkJournal {
  readonly #store: ObjectStore;
  readonly #root: string;
  readonly #now: () => number;
  #newest: SinkRecord | undefined;
  /** Ids of writes of this process whose fate was unknown. */
  readonly #attempted = new Set<string>();
  /** Records that others follow, with when this process knew so. */
  #followed: { readonly number: number; readonly at: number }[] = [];

  /** @param now milliseconds, monotonic */
  constructor(store: ObjectStore, root: string, now: () => number) {
    this.#store = store;
    this.#root = root;
    this.#now = now;
  }

  /** The newest record; undefined if there is none. One request where it is as it was. Throws STORE_UNAVAILABLE, TABLE_INVALID. */
  async read(): Promise<SinkRecord | undefined> {
    const known = this.#newest;
    const numbers: number[] = [];
    for await (const key of this.#store.list(
      `${this.#root}/`,
      known === undefined ? undefined : this.#key(known.number),
    )) {
      const number = Number(NAME.exec(key)?.[1] ?? Number.NaN);
      if (!Number.isNaN(number)) numbers.push(number);
    }
    numbers.sort((a, b) => a - b);
    const last = numbers.at(-1);
    if (last === undefined || (known !== undefined && last <= known.number)) return known;
    const record = await this.#get(last);
    // It was followed and deleted between the two requests, which takes an hour.
    if (record === undefined) throw unavailable(this.#key(last));
    const at = this.#now();
    if (known !== undefined) numbers.unshift(known.number);
    for (const number of numbers) {
      if (number !== last) this.#followed.push({ number, at });
    }
    this.#newest = record;
    return record;
  }

  /** The newest record as far as this process knows. */
  get newest(): SinkRecord | undefined {
    return this.#newest;
  }

  /**
   * Writes the next record. Throws JournalMovedOn when somebody else has, and STORE_UNAVAILABLE; after the latter nobody knows
   * whether it was written, and the next call finds out.
   */
  async append({ holder, position, pending, state }: SinkFacts): Promise<SinkRecord> {
    const facts = { holder, position, pending, state };
    for (;;) {
      const number = (this.#newest?.number ?? 0) + 1;
      const id = randomUUID();
      const began = this.#now();
      this.#attempted.add(id);
      const content = JSON.stringify({ version: 1, id, ...facts });
      const result = await this.#store.putIfAbsent(this.#key(number), Buffer.from(content));
      const there = result === 'created' ? { number, id, ...facts } : await this.#get(number);
      if (there === undefined || !this.#attempted.has(there.id)) throw new JournalMovedOn();
      this.#advance(there);
      if (this.#now() - began > SLOW_WRITE_MS && (await this.read())?.id !== there.id) throw new JournalMovedOn();
      if (there.id !== id) continue;
      this.#attempted.clear();
      await this.#deleteOld();
      return there;
    }
  }

  #advance(record: SinkRecord): void {
    if (this.#newest !== undefined) this.#followed.push({ number: this.#newest.number, at: this.#now() });
    this.#newest = record;
  }

  /** What cannot be deleted now is deleted by whoever reads all of them next. */
  async #deleteOld(): Promise<void> {
    const before = this.#now() - KEEP_MS;
    const old = this.#followed.filter(({ at }) => at < before);
    this.#followed = this.#followed.filter(({ at }) => at >= before);
    for (const { number } of old) {
      try {
        await this.#store.delete(this.#key(number));
      } catch (error) {
        if (!(error instanceof FlowtollError)) throw error;
        return;
      }
    }
  }

  async #get(number: number): Promise<SinkRecord | undefined> {
    const key = this.#key(number);
    const bytes = await this.#store.get(key);
    if (bytes === undefined) return undefined;
    try {
      const { version: _, ...record } = recordSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
      return { number, ...record };
    } catch (cause) {
      const advice = 'it is of a later version, or no longer whole; delete the folder, and the sink begins anew';
      throw new FlowtollError('TABLE_INVALID', `${key} is no record of a sink that this version knows: ${advice}`, {
        cause,
      });
    }
  }

  #key(number: number): string {
    return `${this.#root}/${String(number).padStart(20, '0')}.json`;
  }
}

function unavailable(key: string): FlowtollError {
  return new FlowtollError('STORE_UNAVAILABLE', `${key} was listed and is not there: it is tried again`);
}
