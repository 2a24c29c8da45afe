// The object store: one map that all replicas reach over a network of its own. A write may fail before it happens, happen
// without an answer, or happen long after its error was reported; what is in the store is as the contract in
// aggregator/src/store/store.ts says.
import { FlowtollError } from '@flowtoll/aggregator/model/errors.ts';
import { compareUtf8 } from '@flowtoll/aggregator/model/utf8-order.ts';
import type { ObjectContent, ObjectStore, PutIfAbsentResult } from '@flowtoll/aggregator/store/store.ts';
import type { VirtualClock } from './clock.ts';
import type { SimulatedProcess } from './process.ts';
import type { Random } from './random.ts';

/** How often what goes wrong; probabilities per call. */
export interface StoreWeather {
  /** Longest answer of a call that goes well, ms. */
  readonly answerMaxMs: number;
  /** The call fails and nothing happens. */
  readonly refused: number;
  /** It happens, and the answer is lost. */
  readonly answerLost: number;
  /** A write that fails, and happens later than that. */
  readonly late: number;
  /** The answer takes up to a minute. */
  readonly slow: number;
}

export const FAIR: StoreWeather = { answerMaxMs: 200, refused: 0, answerLost: 0, late: 0, slow: 0 };
export const STORM: StoreWeather = { answerMaxMs: 3000, refused: 0.1, answerLost: 0.12, late: 0.1, slow: 0.1 };
export const OUTAGE: StoreWeather = { answerMaxMs: 3000, refused: 1, answerLost: 0, late: 0, slow: 0 };

const SLOW_MAX_MS = 60_000;
const LATE_MAX_MS = 3_600_000;
const PAGE_KEYS = 5;

export interface StoreParts {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly note: (text: string) => void;
  /** An object came into being. */
  readonly onCreated: (key: string, bytes: Uint8Array) => void;
  /** An object was replaced or removed. */
  readonly onChanged: (key: string) => void;
}

/** What is in the store, and the weather around it. */
export class SimulatedStore {
  readonly objects = new Map<string, Uint8Array>();
  weather: StoreWeather = FAIR;
  /** Writes that will happen after their error. */
  lateWrites = 0;
  readonly #parts: StoreParts;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** The store as one process reaches it. */
  clientOf(process: SimulatedProcess): ObjectStore {
    return new StoreClient(this, this.#parts, process);
  }

  put(key: string, bytes: Uint8Array): void {
    const isNew = !this.objects.has(key);
    this.objects.set(key, bytes);
    if (isNew) this.#parts.onCreated(key, bytes);
    else this.#parts.onChanged(key);
  }

  putIfAbsent(key: string, bytes: Uint8Array): PutIfAbsentResult {
    if (this.objects.has(key)) return 'exists';
    this.put(key, bytes);
    return 'created';
  }

  delete(key: string): void {
    if (this.objects.delete(key)) this.#parts.onChanged(key);
  }

  keys(prefix: string, startAfter: string): string[] {
    return [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > startAfter).sort(compareUtf8);
  }
}

class StoreClient implements ObjectStore {
  readonly scratchDirectory = '/nowhere';
  readonly #store: SimulatedStore;
  readonly #parts: StoreParts;
  readonly #process: SimulatedProcess;

  constructor(store: SimulatedStore, parts: StoreParts, process: SimulatedProcess) {
    this.#store = store;
    this.#parts = parts;
    this.#process = process;
  }

  describe(): string {
    return 'simulated store';
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#call(`get ${key}`, false, () => this.#store.objects.get(key));
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<string> {
    for (let after = startAfter; ; ) {
      const page = await this.#call(`list ${prefix}`, false, () => this.#store.keys(prefix, after).slice(0, PAGE_KEYS));
      yield* page;
      if (page.length < PAGE_KEYS) return;
      after = page.at(-1)!;
    }
  }

  async listFolders(): Promise<string[]> {
    return [];
  }

  put(key: string, content: ObjectContent): Promise<void> {
    return this.#call(`put ${key}`, true, () => this.#store.put(key, content as Uint8Array));
  }

  putIfAbsent(key: string, content: ObjectContent): Promise<PutIfAbsentResult> {
    return this.#call(`create ${key}`, true, () => this.#store.putIfAbsent(key, content as Uint8Array));
  }

  delete(key: string): Promise<void> {
    return this.#call(`delete ${key}`, false, () => this.#store.delete(key));
  }

  #call<T>(what: string, isPut: boolean, act: () => T): Promise<T> {
    const { clock, random, note } = this.#parts;
    const { weather } = this.#store;
    let fate = random.next();
    const is = (probability: number) => {
      fate -= probability;
      return fate < 0;
    };
    const answerMs = random.spread(1, weather.answerMaxMs);
    return new Promise((resolve, reject) => {
      const fail = (afterMs: number, why: string) => {
        note(`store: ${what}: ${why}`);
        this.#process.after(() => reject(new FlowtollError('STORE_UNAVAILABLE', `${what}: ${why}`)), afterMs);
      };
      if (is(weather.refused)) fail(answerMs, 'refused');
      else if (is(weather.answerLost)) {
        clock.after(answerMs, act);
        fail(random.spread(answerMs, SLOW_MAX_MS), 'answer lost');
      } else if (isPut && is(weather.late)) {
        fail(answerMs, 'error, and happens later');
        this.#store.lateWrites++;
        clock.after(random.spread(answerMs + 1, LATE_MAX_MS), () => {
          this.#store.lateWrites--;
          act();
        });
      } else {
        const isSlow = is(weather.slow);
        const wayMs = random.spread(1, isSlow ? SLOW_MAX_MS : weather.answerMaxMs);
        clock.after(wayMs, () => {
          const value = act();
          this.#process.after(() => resolve(value), isSlow ? random.spread(1, SLOW_MAX_MS) : answerMs);
        });
      }
    });
  }
}
