// Data files of the table as local files: where the store's objects are files they are read in place, else they are fetched
// once for all who read them at the time. Knows the store; knows no Parquet.
import { randomUUID } from 'node:crypto';
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectStore } from '../store/store.ts';
import { cannotWrite } from '../store/unavailable.ts';

/** A file to read. */
export interface LocalFile {
  readonly path: string;
  /** It is not needed any more. */
  release(): Promise<void>;
}

interface Fetched {
  readonly path: Promise<string | undefined>;
  users: number;
}

export class DataFileSource {
  readonly #store: ObjectStore;
  readonly #fetched = new Map<string, Fetched>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** The object as a file; undefined if there is no such object. */
  async open(key: string): Promise<LocalFile | undefined> {
    const inPlace = this.#store.localPath?.(key);
    if (inPlace !== undefined) {
      return (await exists(inPlace)) ? { path: inPlace, release: async () => undefined } : undefined;
    }
    let fetched = this.#fetched.get(key);
    if (fetched === undefined) {
      fetched = { path: this.#fetch(key), users: 0 };
      this.#fetched.set(key, fetched);
    }
    const file = fetched;
    file.users++;
    const release = async () => {
      file.users--;
      if (file.users > 0) return;
      this.#fetched.delete(key);
      const path = await file.path.catch(() => undefined);
      if (path !== undefined) await rm(path, { force: true });
    };
    try {
      const path = await file.path;
      if (path !== undefined) return { path, release };
    } catch (error) {
      await release();
      throw error;
    }
    await release();
    return undefined;
  }

  /** Whether the object is there now. */
  async exists(key: string): Promise<boolean> {
    const inPlace = this.#store.localPath?.(key);
    if (inPlace !== undefined) return exists(inPlace);
    for await (const found of this.#store.list(key)) return found === key;
    return false;
  }

  async #fetch(key: string): Promise<string | undefined> {
    const bytes = await this.#store.get(key);
    if (bytes === undefined) return undefined;
    const { scratchDirectory } = this.#store;
    const path = join(scratchDirectory, `watch-${randomUUID()}.parquet`);
    try {
      await mkdir(scratchDirectory, { recursive: true });
      await writeFile(path, bytes);
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined);
      throw cannotWrite(path, error);
    }
    return path;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
