// A store that measures the CPU of the whole process while it is asked to write. Right only where the process waits meanwhile.
import type { ObjectContent, ObjectStore, PutIfAbsentResult } from '@flowtoll/aggregator/store/store.ts';

export class TimedStore implements ObjectStore {
  readonly #store: ObjectStore;
  /** CPU, µs, since it was last set to 0. */
  cpuUs = 0;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get scratchDirectory(): string {
    return this.#store.scratchDirectory;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#timed(() => this.#store.get(key));
  }

  list(prefix: string, startAfter?: string): AsyncIterable<string> {
    return this.#store.list(prefix, startAfter);
  }

  listFolders(prefix: string): Promise<string[]> {
    return this.#store.listFolders(prefix);
  }

  put(key: string, content: ObjectContent): Promise<void> {
    return this.#timed(() => this.#store.put(key, content));
  }

  putIfAbsent(key: string, content: Uint8Array): Promise<PutIfAbsentResult> {
    return this.#timed(() => this.#store.putIfAbsent(key, content));
  }

  delete(key: string): Promise<void> {
    return this.#store.delete(key);
  }

  describe(): string {
    return this.#store.describe();
  }

  async #timed<T>(task: () => Promise<T>): Promise<T> {
    const before = process.cpuUsage();
    try {
      return await task();
    } finally {
      const { user, system } = process.cpuUsage(before);
      this.cpuUs += user + system;
    }
  }
}
