// Leases over a journal, with replicas that race, pause, die and lose answers of the store, in time that the test moves. What is
// demanded: positions never go back, nobody writes who was followed, and somebody goes on.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClock } from '../api/watched-table.testing.ts';
import { FlowtollError } from '../model/errors.ts';
import { openDirectoryStore } from '../store/directory-store.ts';
import type { ObjectStore, PutIfAbsentResult } from '../store/store.ts';
import { JournalMovedOn, SinkJournal } from './journal.ts';
import { acquireLease, type Lease, LeaseLost } from './lease.ts';

const LEASE_MS = 60_000;
const log = { warn: () => undefined };

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flowtoll-lease-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A store in memory is enough here: conformance of the real ones is tested elsewhere. */
class MemoryStore {
  readonly objects = new Map<string, Uint8Array>();
  /** What happens to the next writes: nothing, a lost answer, a lost request. */
  troubles: ('answer-lost' | 'request-lost')[] = [];
  requests = 0;

  async get(key: string): Promise<Uint8Array | undefined> {
    this.requests++;
    await setImmediate();
    return this.objects.get(key);
  }
  async *list(prefix: string, startAfter = ''): AsyncIterable<string> {
    this.requests++;
    await setImmediate();
    yield* [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > startAfter).sort();
  }
  async putIfAbsent(key: string, content: Uint8Array): Promise<PutIfAbsentResult> {
    this.requests++;
    await setImmediate();
    const trouble = this.troubles.shift();
    if (trouble === 'request-lost') throw new FlowtollError('STORE_UNAVAILABLE', 'lost');
    const result = this.objects.has(key) ? 'exists' : 'created';
    if (result === 'created') this.objects.set(key, content);
    if (trouble === 'answer-lost') throw new FlowtollError('STORE_UNAVAILABLE', 'lost');
    return result;
  }
  async delete(key: string): Promise<void> {
    this.requests++;
    this.objects.delete(key);
  }
  asStore(): ObjectStore {
    return this as unknown as ObjectStore;
  }
}

/** Lets everything happen that needs no time. */
async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await setImmediate();
}

function journalOf(store: ObjectStore, clock: TestClock): SinkJournal {
  return new SinkJournal(store, 'demo/sinks/test', clock.now);
}

function acquire(store: ObjectStore, clock: TestClock, holder: string, signal = new AbortController().signal) {
  const journal = journalOf(store, clock);
  return acquireLease(
    { holder, leaseMs: LEASE_MS },
    { journal, now: clock.now, schedule: clock.schedule, log },
    signal,
  );
}

/** Moves time until it is settled. */
async function inTime<T>(clock: TestClock, work: Promise<T>, stepMs = 5000): Promise<T> {
  let settled = false;
  const end = () => {
    settled = true;
  };
  work.then(end, end);
  for (let i = 0; i < 200 && !settled; i++) {
    await settle();
    if (!settled) clock.advance(stepMs);
  }
  return work;
}

const empty = { holder: 'a', position: null, pending: null, state: null };

describe('the journal, in a directory', () => {
  test('of many writers under one number exactly one writes', async () => {
    const store = await openDirectoryStore(join(folder, `${count++}`));
    const clock = new TestClock();
    const journals = Array.from({ length: 8 }, () => journalOf(store, clock));
    const results = await Promise.allSettled(
      journals.map((journal, i) => journal.append({ ...empty, holder: `replica-${i}` })),
    );
    const winners = results.filter(({ status }) => status === 'fulfilled');
    expect(winners).toHaveLength(1);
    expect(
      results.filter(({ status }) => status === 'rejected').map((result) => (result as PromiseRejectedResult).reason),
    ).toEqual(Array.from({ length: 7 }, () => expect.any(JournalMovedOn)));
    const { holder } = (winners[0] as PromiseFulfilledResult<{ holder: string }>).value;
    expect((await journalOf(store, clock).read())?.holder).toBe(holder);
  });
});

describe('the journal', () => {
  test('whose answer was lost knows its record again', async () => {
    const store = new MemoryStore();
    const journal = journalOf(store.asStore(), new TestClock());
    store.troubles = ['answer-lost', 'request-lost'];
    await expect(journal.append({ ...empty, position: 'p1' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(journal.append({ ...empty, position: 'p2' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const record = await journal.append({ ...empty, position: 'p3' });
    expect(record).toMatchObject({ number: 2, position: 'p3' });
    expect(await journalOf(store.asStore(), new TestClock()).read()).toMatchObject({ number: 2, position: 'p3' });
  });

  test('keeps an hour of records, so that a paused writer finds its number taken, and no more', async () => {
    const store = new MemoryStore();
    const clock = new TestClock();
    const paused = journalOf(store.asStore(), clock);
    await paused.append(empty);
    const other = journalOf(store.asStore(), clock);
    await other.read();
    for (let minute = 0; minute < 59; minute++) {
      clock.advance(60_000);
      await other.append({ ...empty, holder: 'b' });
    }
    await expect(paused.append(empty)).rejects.toThrow(JournalMovedOn);
    for (let minute = 0; minute < 120; minute++) {
      clock.advance(60_000);
      await other.append({ ...empty, holder: 'b' });
    }
    expect(store.objects.size).toBeLessThanOrEqual(62);
    expect(await journalOf(store.asStore(), clock).read()).toMatchObject({ number: 180, holder: 'b' });
  });

  test('does not trust a write that was on its way for long', async () => {
    const store = new MemoryStore();
    const clock = new TestClock();
    const slow = journalOf(store.asStore(), clock);
    await slow.append(empty);
    const other = journalOf(store.asStore(), clock);
    await other.read();
    await other.append({ ...empty, holder: 'b' });
    await other.append({ ...empty, holder: 'b' });
    // As if others had cleaned up: the number is free again when the request arrives.
    store.objects.delete('demo/sinks/test/00000000000000000002.json');
    const writing = slow.append(empty);
    clock.advance(40_000);
    await expect(writing).rejects.toThrow(JournalMovedOn);
  });

  test('says what to do with a record that it does not know', async () => {
    const store = new MemoryStore();
    store.objects.set('demo/sinks/test/00000000000000000001.json', Buffer.from('{"version":2}'));
    await expect(journalOf(store.asStore(), new TestClock()).read()).rejects.toThrow(/delete the folder/);
  });
});

describe('a lease', () => {
  test('goes to one of two that begin at once, and to the other when that one lets go', async () => {
    const store = new MemoryStore().asStore();
    const clock = new TestClock();
    const both = [acquire(store, clock, 'a'), acquire(store, clock, 'b')];
    const first = (await Promise.race(both))!;
    await settle();
    const second = both[first.facts.holder === 'a' ? 1 : 0]!;
    let taken = false;
    void second.then(() => {
      taken = true;
    });
    // Renewals keep it for as long as its holder lives.
    for (let i = 0; i < 40; i++) {
      clock.advance(10_000);
      await settle();
    }
    expect(taken).toBe(false);
    await first.write({ position: 'p1', pending: 'p2', state: 's' });
    await first.release();
    const next = (await inTime(clock, second))!;
    expect(next.facts).toMatchObject({ position: 'p1', pending: 'p2', state: 's' });
    expect(next.facts.holder).not.toBe(first.facts.holder);
    await next.release();
  });

  test('of a holder that died goes on after its time, not before', async () => {
    const store = new MemoryStore().asStore();
    const dead = new TestClock();
    await acquire(store, dead, 'a');
    const clock = new TestClock();
    const waiting = acquire(store, clock, 'b');
    let taken = false;
    void waiting.then(() => {
      taken = true;
    });
    for (let ms = 0; ms < LEASE_MS - 5000; ms += 5000) {
      await settle();
      clock.advance(5000);
    }
    await settle();
    expect(taken).toBe(false);
    const lease = await inTime(clock, waiting);
    expect(clock.now()).toBeGreaterThanOrEqual(LEASE_MS);
    expect(clock.now()).toBeLessThanOrEqual(LEASE_MS + 25_000);
    await lease!.release();
  });

  test('is lost by a holder that wakes after another has taken over, before it does anything', async () => {
    const store = new MemoryStore().asStore();
    const slept = new TestClock();
    const old = (await acquire(store, slept, 'a'))!;
    await old.write({ position: 'p1' });
    const clock = new TestClock();
    const lease = (await inTime(clock, acquire(store, clock, 'b')))!;
    await lease.write({ position: 'p2' });
    // Its clock stood still, as in a machine that was stopped: only the journal can tell.
    await expect(old.write({ position: 'p1-again' })).rejects.toThrow(LeaseLost);
    expect(old.signal.aborted).toBe(true);
    expect((await journalOf(store, clock).read())?.position).toBe('p2');
    await lease.release();
  });

  test('is given up by a holder whose clock went on while it could not write', async () => {
    const store = new MemoryStore();
    const clock = new TestClock();
    const lease = (await acquire(store.asStore(), clock, 'a'))!;
    store.troubles = Array.from({ length: 1000 }, () => 'request-lost' as const);
    expect(() => lease.requireSure()).not.toThrow();
    clock.advance(LEASE_MS);
    expect(() => lease.requireSure()).toThrow(LeaseLost);
    expect(lease.signal.aborted).toBe(true);
  });

  test('costs a few requests a minute', async () => {
    const store = new MemoryStore();
    const clock = new TestClock();
    const lease = (await acquire(store.asStore(), clock, 'a'))!;
    const stop = new AbortController();
    const waiting = acquire(store.asStore(), clock, 'b', stop.signal);
    await settle();
    const before = store.requests;
    for (let second = 0; second < 600; second += 5) {
      clock.advance(5000);
      await settle();
    }
    // Of both replicas: three renewals and three looks a minute, and what reads a record that has changed.
    expect((store.requests - before) / 10).toBeLessThanOrEqual(9);
    stop.abort();
    await waiting;
    await lease.release();
  });

  test('passes from one to another whatever happens, and positions only grow', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            who: fc.nat(2),
            what: fc.constantFrom('write', 'pause', 'release', 'lose-answer', 'lose-request'),
            forMs: fc.nat(150_000),
          }),
          { minLength: 5, maxLength: 30 },
        ),
        async (steps) => {
          const store = new MemoryStore();
          const replicas = [0, 1, 2].map((i) => {
            const stop = new AbortController();
            const clock = new TestClock();
            const replica = { clock, stop, lease: undefined as Lease | undefined, holder: `replica-${i}` };
            const run = async () => {
              while (!stop.signal.aborted) {
                try {
                  replica.lease = await acquire(store.asStore(), clock, replica.holder, stop.signal);
                } catch (error) {
                  if (!(error instanceof FlowtollError)) throw error;
                  await setImmediate();
                  continue;
                }
                const { lease } = replica;
                if (lease === undefined) return;
                await new Promise<void>((resolve) => {
                  if (lease.signal.aborted) resolve();
                  lease.signal.addEventListener('abort', () => resolve());
                  stop.signal.addEventListener('abort', () => resolve());
                });
              }
            };
            return Object.assign(replica, { done: run() });
          });
          /** What was acknowledged to a holder, in order. */
          const acknowledged: number[] = [];
          const writes: Promise<void>[] = [];
          for (const { who, what, forMs } of steps) {
            const replica = replicas[who]!;
            if (what === 'lose-answer') store.troubles.push('answer-lost');
            if (what === 'lose-request') store.troubles.push('request-lost');
            if (what === 'release') await inAllTime(replicas, replica.lease?.release());
            if (what === 'write' && replica.lease !== undefined && !replica.lease.signal.aborted) {
              const { lease } = replica;
              const next = Number(lease.facts.position ?? 0) + 1;
              writes.push(
                lease.write({ position: String(next) }).then(
                  () => {
                    acknowledged.push(next);
                  },
                  (error: unknown) => {
                    if (!(error instanceof LeaseLost)) throw error;
                  },
                ),
              );
            }
            // A paused replica's clock stands still while the others' go on.
            for (const other of replicas) {
              for (let ms = 0; ms < forMs; ms += 10_000) {
                if (what === 'pause' && other === replica) break;
                other.clock.advance(10_000);
                await settle();
              }
            }
          }
          await inAllTime(replicas, Promise.all(writes));
          const journal = await journalOf(store.asStore(), new TestClock()).read();
          const newest = Number(journal?.position ?? 0);
          expect(acknowledged).toEqual([...acknowledged].sort((a, b) => a - b));
          expect(newest).toBeGreaterThanOrEqual(acknowledged.at(-1) ?? 0);
          // An acknowledged position is in the journal once: nobody wrote it on an old one.
          expect(new Set(acknowledged).size).toBe(acknowledged.length);
          // And somebody goes on.
          store.troubles = [];
          const before = journal?.number ?? 0;
          for (let i = 0; i < 30; i++) {
            for (const { clock } of replicas) clock.advance(10_000);
            await settle();
          }
          expect((await journalOf(store.asStore(), new TestClock()).read())!.number).toBeGreaterThan(before);
          expect(replicas.filter(({ lease }) => lease !== undefined && isHeld(lease))).toHaveLength(1);
          for (const { stop } of replicas) stop.abort();
          await Promise.all(replicas.map(({ done }) => done));
          await inAllTime(replicas, Promise.all(replicas.map(({ lease }) => lease?.release())));
        },
      ),
      { numRuns: 40, interruptAfterTimeLimit: 8000 },
    );
  }, 30_000);
});

function isHeld(lease: Lease): boolean {
  try {
    lease.requireSure();
    return true;
  } catch {
    return false;
  }
}

async function inAllTime(replicas: readonly { clock: TestClock }[], work: Promise<unknown> | undefined): Promise<void> {
  let settled = work === undefined;
  const end = () => {
    settled = true;
  };
  work?.then(end, end);
  for (let i = 0; i < 100 && !settled; i++) {
    await settle();
    if (!settled) for (const { clock } of replicas) clock.advance(5000);
  }
  await work;
}
