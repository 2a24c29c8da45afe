// An object store in memory that counts requests as a bucket bills them. Leaves out: durability, throughput, and, unless a latency
// is asked for, the time that a request takes.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ObjectContent, ObjectStore, PutIfAbsentResult } from '@flowtoll/aggregator/store/store.ts';

/** Keys in one answer of a listing. */
const KEYS_PER_LIST = 1000;

export interface Requests {
  put: number;
  get: number;
  list: number;
  delete: number;
  putBytes: number;
  getBytes: number;
}

export class CountingStore implements ObjectStore, Disposable {
  readonly scratchDirectory = mkdtempSync(join(tmpdir(), 'flowtoll-bench-'));
  readonly #objects = new Map<string, Uint8Array>();
  /** Sorted; undefined after a change. */
  #keys: string[] | undefined;
  requests: Requests = noRequests();
  latencyMs = 0;

  [Symbol.dispose](): void {
    rmSync(this.scratchDirectory, { recursive: true, force: true });
  }

  /** Counts since the last call. */
  takeRequests(): Requests {
    const taken = this.requests;
    this.requests = noRequests();
    return taken;
  }

  /** Bytes of all objects whose key matches. */
  bytesOf(pattern: RegExp): number {
    let bytes = 0;
    for (const [key, object] of this.#objects) if (pattern.test(key)) bytes += object.length;
    return bytes;
  }

  countOf(pattern: RegExp): number {
    return [...this.#objects.keys()].filter((key) => pattern.test(key)).length;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.requests.get++;
    await this.#travel();
    const bytes = this.#objects.get(key);
    this.requests.getBytes += bytes?.length ?? 0;
    return bytes;
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<string> {
    this.#keys ??= [...this.#objects.keys()].sort();
    const keys = this.#keys;
    let given = 0;
    for (let i = firstAbove(keys, startAfter > prefix ? startAfter : prefix); i < keys.length; i++) {
      const key = keys[i]!;
      if (!key.startsWith(prefix)) break;
      if (given++ % KEYS_PER_LIST === 0) await this.#countList();
      yield key;
    }
    if (given === 0) await this.#countList();
  }

  async listFolders(prefix: string): Promise<string[]> {
    await this.#countList();
    const rests = [...this.#objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
    return [...new Set(rests.filter((rest) => rest.includes('/')).map((rest) => rest.split('/')[0]!))].sort();
  }

  async put(key: string, content: ObjectContent): Promise<void> {
    const bytes = content instanceof Uint8Array ? content : readFileSync(content.file);
    this.requests.put++;
    this.requests.putBytes += bytes.length;
    await this.#travel();
    if (!this.#objects.has(key)) this.#keys = undefined;
    this.#objects.set(key, bytes);
  }

  async putIfAbsent(key: string, content: Uint8Array): Promise<PutIfAbsentResult> {
    if (this.#objects.has(key)) {
      this.requests.put++;
      return 'exists';
    }
    await this.put(key, content);
    return 'created';
  }

  async delete(key: string): Promise<void> {
    this.requests.delete++;
    if (this.#objects.delete(key)) this.#keys = undefined;
  }

  describe(): string {
    return 'memory';
  }

  async #countList(): Promise<void> {
    this.requests.list++;
    await this.#travel();
  }

  async #travel(): Promise<void> {
    if (this.latencyMs > 0) await delay(this.latencyMs);
  }
}

function noRequests(): Requests {
  return { put: 0, get: 0, list: 0, delete: 0, putBytes: 0, getBytes: 0 };
}

/** Index of the first key that is above. */
function firstAbove(keys: readonly string[], bound: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! > bound) high = middle;
    else low = middle + 1;
  }
  return low;
}
