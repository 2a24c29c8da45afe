// An object store in a directory of a local or network file system. Atomic creation is link(2): POSIX lets exactly one
// process make a name. Knows files, knows nothing of what the objects mean.
import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FlowtollError } from '../model/errors.ts';
import { compareUtf8 } from '../model/utf8-order.ts';
import { checkKey, isHidden } from './keys.ts';
import { requirePlainPath } from './plain-path.ts';
import { createsOnce } from './probe.ts';
import { removeStale } from './scratch.ts';
import type { ObjectContent, ObjectStore, PutIfAbsentResult } from './store.ts';
import { cannotWrite, codeOf, unavailable } from './unavailable.ts';

/** Folder in the root for files that are not objects yet. */
const SCRATCH_FOLDER = '.flowtoll-scratch';

export interface DirectoryStoreOptions {
  /** Open for reading only: nothing is created and nothing probed. A missing directory is an error then. */
  readonly readOnly?: boolean;
}

/**
 * Opens the directory `root` as a store. Unless `readOnly`, creates it if need be, and proves that it can be written and
 * that creation is atomic there; throws STORE_UNAVAILABLE, saying what to do, if not, and CONFIG_INVALID for a path that DuckDB
 * takes for a pattern.
 */
export async function openDirectoryStore(root: string, options: DirectoryStoreOptions = {}): Promise<DirectoryStore> {
  const store = new DirectoryStore(resolve(root));
  requirePlainPath(store.root, '--store');
  if (options.readOnly === true) {
    await store.requireDirectory();
  } else {
    await store.prepare();
  }
  return store;
}

export class DirectoryStore implements ObjectStore {
  readonly root: string;
  readonly scratchDirectory: string;

  constructor(root: string) {
    this.root = root;
    this.scratchDirectory = join(root, SCRATCH_FOLDER);
  }

  describe(): string {
    return `directory ${this.root}`;
  }

  localPath(key: string): string {
    checkKey(key);
    return join(this.root, key);
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const path = this.localPath(key);
    try {
      return await readFile(path);
    } catch (error) {
      if (isMissing(error)) {
        return undefined;
      }
      throw unavailable(`cannot read ${path}`, 'check that the user of this process may read it', error);
    }
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<string> {
    if (isHidden(prefix)) {
      return;
    }
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    yield* this.#walk(folder, prefix, startAfter);
  }

  async listFolders(prefix: string): Promise<string[]> {
    const folders = (await this.#entries(prefix)).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    return folders.sort(compareUtf8);
  }

  async put(key: string, content: ObjectContent): Promise<void> {
    const target = this.localPath(key);
    await this.#writing(target, async () => {
      const scratch = await this.#stage(content);
      try {
        await ensureFolder(dirname(target));
        await rename(scratch, target);
      } catch (error) {
        await discard(scratch);
        throw error;
      }
      await syncDirectory(dirname(target));
    });
  }

  async putIfAbsent(key: string, content: Uint8Array): Promise<PutIfAbsentResult> {
    const target = this.localPath(key);
    return this.#writing(target, async () => {
      const scratch = await this.#stage(content);
      try {
        await ensureFolder(dirname(target));
        await link(scratch, target);
      } catch (error) {
        if (codeOf(error) === 'EEXIST') {
          return 'exists';
        }
        throw error;
      } finally {
        await rm(scratch, { force: true });
      }
      await syncDirectory(dirname(target));
      return 'created';
    });
  }

  async delete(key: string): Promise<void> {
    const path = this.localPath(key);
    await this.#writing(path, () => rm(path, { force: true }));
  }

  /** Throws STORE_UNAVAILABLE unless the root is a directory that can be read. */
  async requireDirectory(): Promise<void> {
    const info = await stat(this.root).catch((error: unknown) => {
      const hint = isMissing(error) ? 'check --store: there is no such directory' : 'check its permissions';
      throw unavailable(`cannot open the store ${this.root}`, hint, error);
    });
    if (!info.isDirectory()) {
      throw unavailable(
        `cannot open the store ${this.root}`,
        'it is not a directory: name one with --store',
        undefined,
      );
    }
  }

  /** Creates the root and proves that conditional creation works in it. */
  async prepare(): Promise<void> {
    await this.#writing(this.root, () => ensureFolder(this.scratchDirectory));
    await removeStale(this.scratchDirectory);
    if (!(await createsOnce(this, `${SCRATCH_FOLDER}/probe-${randomUUID()}`))) {
      throw unavailable(
        `the file system of ${this.root} does not create files atomically`,
        'use a file system with hard links (ext4, xfs, NFS), or an object store',
        undefined,
      );
    }
  }

  /** Depth first in key order: a folder sorts as its name followed by "/", as it does in an object store. */
  async *#walk(folder: string, prefix: string, startAfter: string): AsyncIterable<string> {
    const keys = (await this.#entries(folder))
      .map((entry) => folder + entry.name + (entry.isDirectory() ? '/' : ''))
      .sort(compareUtf8);
    for (const key of keys) {
      if (key.endsWith('/')) {
        const mayMatch = key.startsWith(prefix) || prefix.startsWith(key);
        const allBefore = compareUtf8(key, startAfter) < 0 && !startAfter.startsWith(key);
        if (mayMatch && !allBefore) {
          yield* this.#walk(key, prefix, startAfter);
        }
      } else if (key.startsWith(prefix) && compareUtf8(key, startAfter) > 0) {
        yield key;
      }
    }
  }

  async #entries(folder: string): Promise<Dirent[]> {
    const path = join(this.root, folder);
    try {
      const entries = await readdir(path, { withFileTypes: true });
      return entries.filter((entry) => !isHidden(entry.name));
    } catch (error) {
      if (isMissing(error)) {
        return [];
      }
      throw unavailable(`cannot list ${path}`, 'check that the user of this process may read it', error);
    }
  }

  /** Brings the content into a durable file on the store's own file system and returns its path. */
  async #stage(content: ObjectContent): Promise<string> {
    const scratch = join(this.scratchDirectory, randomUUID());
    try {
      await this.#stageAs(scratch, content);
    } catch (error) {
      await discard(scratch);
      throw error;
    }
    return scratch;
  }

  async #stageAs(scratch: string, content: ObjectContent): Promise<void> {
    if (content instanceof Uint8Array) {
      const file = await open(scratch, 'wx');
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      return;
    }
    try {
      await rename(content.file, scratch);
    } catch (error) {
      if (codeOf(error) !== 'EXDEV') {
        throw error;
      }
      await copyFile(content.file, scratch);
      await rm(content.file);
    }
    await syncFile(scratch);
  }

  async #writing<T>(path: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      throw error instanceof FlowtollError ? error : cannotWrite(path, error);
    }
  }
}

/**
 * Creates the folder and what is missing above it, durably. Not `mkdir(…, { recursive: true })`: Node's never returns
 * where a file system answers ENOENT for a folder whose parent exists (/proc).
 */
async function ensureFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(folder)).isDirectory()) {
      return;
    }
    if (!isMissing(error) || dirname(folder) === folder) {
      throw error;
    }
    if (await exists(dirname(folder))) {
      // Another process has made it since; or the file system says so always.
      await mkdir(folder).catch((again: unknown) => {
        if (codeOf(again) !== 'EEXIST') throw again;
      });
    } else {
      await ensureFolder(dirname(folder));
      await ensureFolder(folder);
      return;
    }
  }
  await syncDirectory(dirname(folder));
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) {
        return false;
      }
      throw error;
    },
  );
}

/** Removes what a failed write left; its own error says more than one of this, and old scratch files are swept at start. */
async function discard(scratch: string): Promise<void> {
  await rm(scratch, { force: true }).catch(() => undefined);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}
