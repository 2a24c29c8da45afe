// A bounded cache of objects in a local directory, for readers that want files. For objects that never change under their key.
// Any number of processes may share the directory: an entry appears by a rename, and goes when it was used least recently.
// Readers never read the entry itself but a hard link in a folder of their own, which no other process takes from them. Knows the
// store's interface; knows nothing of what the objects mean.
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { link, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { FlowtollError } from '../model/errors.ts';
import { checkKey } from './keys.ts';
import { download, goneFromStore } from './local-file.ts';
import { requirePlainPath } from './plain-path.ts';
import type { ObjectStore } from './store.ts';
import { codeOf, unavailable } from './unavailable.ts';

/** Objects on their way at once. */
const DOWNLOADS_AT_ONCE = 8;

/** A reader shows by the age of its folder that it lives. */
const SIGN_OF_LIFE_MS = 3_600_000;
/** A reader's folder that is older belongs to nobody; nor does a download. */
const ABANDONED_AFTER_MS = 24 * 3_600_000;

const ENTRIES = 'objects';
const READERS = 'readers';
const PARTIAL = 'partial';

/** An object that is wanted. */
export interface WantedObject {
  readonly key: string;
  /** What it must have; an entry of another size is damaged. */
  readonly sizeBytes: number;
}

export interface ObjectCacheOptions {
  readonly directory: string;
  /** Bound of all entries together. What readers hold of entries that were thrown out comes on top. */
  readonly maxBytes: number;
  /** Names the store among those that share the directory: a folder. */
  readonly storeName: string;
}

/** One reader's view of the cache. */
export class ObjectCache {
  /** Where this reader's files are: `<key>` below it. */
  readonly directory: string;
  readonly #store: ObjectStore;
  readonly #options: ObjectCacheOptions;
  readonly #held = new Set<string>();
  readonly #signOfLife: NodeJS.Timeout;
  readonly #removeAtExit: () => void;

  private constructor(store: ObjectStore, options: ObjectCacheOptions) {
    this.#store = store;
    this.#options = options;
    this.directory = join(options.directory, READERS, `${hostname()}-${process.pid}-${randomUUID()}`);
    this.#signOfLife = setInterval(() => {
      const now = new Date();
      // Should the folder be gone, reading from it will say so.
      utimes(this.directory, now, now).catch(() => undefined);
    }, SIGN_OF_LIFE_MS).unref();
    this.#removeAtExit = () => rmSync(this.directory, { recursive: true, force: true });
    process.once('exit', this.#removeAtExit);
  }

  /** Opens the cache, making the directory; throws STORE_UNAVAILABLE, saying what to do, where it cannot be written, CONFIG_INVALID where DuckDB could not read it. */
  static async open(store: ObjectStore, options: ObjectCacheOptions): Promise<ObjectCache> {
    requirePlainPath(options.directory, '--cache');
    const cache = new ObjectCache(store, options);
    try {
      // What flows tell is not for other users of the machine.
      await mkdir(options.directory, { recursive: true, mode: 0o700 });
      await mkdir(join(options.directory, PARTIAL), { recursive: true });
      await mkdir(cache.directory, { recursive: true });
      await removeAbandoned(options.directory);
    } catch (error) {
      cache.#close();
      throw cannotUse(options.directory, error);
    }
    return cache;
  }

  /**
   * Local files that hold the objects, in their order; they stay until `close`. Throws QUERY_INVALID when all of them together
   * are more than the cache may hold, TABLE_INVALID when one is not in the store.
   */
  async fetch(objects: readonly WantedObject[], signal?: AbortSignal): Promise<readonly string[]> {
    const bytes = objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (bytes > this.#options.maxBytes) {
      throw new FlowtollError(
        'QUERY_INVALID',
        `this reads ${mebibytes(bytes)} of ${this.#store.describe()}, and the cache ${this.#options.directory} holds ` +
          `${mebibytes(this.#options.maxBytes)}: ask for fewer days (a condition on "date", or --since), ask costs_hourly, ` +
          'give more (--cache-size), or let DuckDB read the bucket itself (--extensions)',
      );
    }
    try {
      const missing: WantedObject[] = [];
      await inParallel(objects, async (object) => {
        if (!this.#held.has(object.key) && !(await this.#take(object))) missing.push(object);
      });
      if (missing.length > 0) {
        await this.#makeRoom(missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
        await inParallel(missing, async (object) => {
          signal?.throwIfAborted();
          await this.#download(object);
        });
      }
    } catch (error) {
      throw codeOf(error) === undefined || error instanceof FlowtollError
        ? error
        : cannotUse(this.#options.directory, error);
    }
    return objects.map(({ key }) => this.#linkOf(key));
  }

  /** The reader's files go; the entries stay for the next reader. */
  async close(): Promise<void> {
    this.#close();
    await rm(this.directory, { recursive: true, force: true });
  }

  #close(): void {
    clearInterval(this.#signOfLife);
    process.removeListener('exit', this.#removeAtExit);
  }

  #entryOf(key: string): string {
    checkKey(key);
    return join(this.#options.directory, ENTRIES, this.#options.storeName, key);
  }

  #linkOf(key: string): string {
    checkKey(key);
    return join(this.directory, key);
  }

  /** Whether there is an entry; it is this reader's, too, then. */
  async #take({ key, sizeBytes }: WantedObject): Promise<boolean> {
    const entry = this.#entryOf(key);
    const own = this.#linkOf(key);
    await mkdir(dirname(own), { recursive: true });
    try {
      await link(entry, own);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
    if ((await stat(own)).size !== sizeBytes) {
      await rm(own);
      return false;
    }
    const now = new Date();
    await utimes(own, now, now);
    this.#held.add(key);
    return true;
  }

  async #download({ key, sizeBytes }: WantedObject): Promise<void> {
    const partial = join(this.#options.directory, PARTIAL, randomUUID());
    try {
      if (!(await download(this.#store, key, partial))) throw goneFromStore(this.#store, key);
      const { size } = await stat(partial);
      if (size !== sizeBytes) {
        throw new FlowtollError(
          'TABLE_INVALID',
          `${key} in ${this.#store.describe()} has ${size} bytes, and the log says ${sizeBytes}: it is damaged`,
        );
      }
      await link(partial, this.#linkOf(key));
      this.#held.add(key);
      await mkdir(dirname(this.#entryOf(key)), { recursive: true });
      await rename(partial, this.#entryOf(key));
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** Throws out what was used least recently, until so many bytes fit in. What this reader holds is not asked: it has its links. */
  async #makeRoom(bytes: number): Promise<void> {
    const root = join(this.#options.directory, ENTRIES);
    const entries: { path: string; size: number; usedMs: number }[] = [];
    for (const path of await filesBelow(root)) {
      // Another process may have thrown it out meanwhile.
      const info = await stat(path).catch(() => undefined);
      if (info !== undefined) entries.push({ path, size: info.size, usedMs: info.mtimeMs });
    }
    let total = bytes + entries.reduce((sum, { size }) => sum + size, 0);
    entries.sort((a, b) => a.usedMs - b.usedMs);
    for (const { path, size } of entries) {
      if (total <= this.#options.maxBytes) break;
      await rm(path, { force: true });
      total -= size;
    }
  }
}

/** Folders of readers that died, and what they had not finished. */
async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(join(directory, READERS))) {
    const path = join(directory, READERS, name);
    if (isDead(name) || (await isOld(path))) await rm(path, { recursive: true, force: true });
  }
  for (const name of await readdir(join(directory, PARTIAL))) {
    const path = join(directory, PARTIAL, name);
    if (await isOld(path)) await rm(path, { force: true });
  }
}

/** Whether the process that a reader's folder is named after ran on this machine, and does no more. */
function isDead(name: string): boolean {
  const own = `${hostname()}-`;
  const pid = name.startsWith(own) ? /^(\d+)-[0-9a-f-]{36}$/.exec(name.slice(own.length))?.[1] : undefined;
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

async function isOld(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > ABANDONED_AFTER_MS;
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const item of waiting) {
      if (failed) return;
      await work(item).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(DOWNLOADS_AT_ONCE, items.length) }, worker));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;
}

function cannotUse(directory: string, cause: unknown): FlowtollError {
  const hint = codeOf(cause) === 'ENOSPC' ? 'free space, or name' : 'name';
  return unavailable(`cannot use the cache ${directory}`, `${hint} another directory with --cache`, cause);
}
