// File systems in bad shape, for tests as root: small ones, full ones, read-only ones. Unmounted at the end, whatever happens.
import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const PAGE_BYTES = 4096;
const BALLAST = '.ballast';

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.trim()} (these tests need root)`);
}

/** Runs mount(8). */
export const mount = (...args: string[]): void => run('mount', args);

/** Takes away what is mounted there, also while it is used. */
export const unmount = (path: string): void => run('umount', ['-l', path]);

/** The mounts of one test file. */
export class Mounts {
  readonly #paths: string[] = [];
  readonly #onExit = (): void => this.unmountAll();

  constructor() {
    process.once('exit', this.#onExit);
  }

  /** A file system in memory with room for so many bytes. */
  small(path: string, sizeBytes: number): void {
    mkdirSync(path, { recursive: true });
    mount('-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'flowtoll-test', path);
    this.#paths.push(path);
  }

  /** A directory that cannot be written through its own path. */
  readOnly(path: string): void {
    mkdirSync(path, { recursive: true });
    mount('--bind', path, path);
    this.#paths.push(path);
    mount('-o', 'remount,bind,ro', path);
  }

  unmountAll(): void {
    for (const path of this.#paths.splice(0).reverse()) spawnSync('umount', ['-l', path]);
    process.off('exit', this.#onExit);
  }
}

/** Makes a mounted file system read-only, or writable again. */
export function remount(path: string, access: 'ro' | 'rw'): void {
  mount('-o', `remount,${access}`, path);
}

/** Fills a file system until only so many pages of 4 KiB are free. */
export function fill(path: string, freePages: number): void {
  const file = openSync(join(path, BALLAST), 'w');
  let size = 0;
  try {
    for (const page = Buffer.alloc(PAGE_BYTES); ; ) size += writeSync(file, page, 0, PAGE_BYTES, size);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    ftruncateSync(file, size - freePages * PAGE_BYTES);
  } finally {
    closeSync(file);
  }
}

/** Takes back what `fill` did. */
export const empty = (path: string): void => rmSync(join(path, BALLAST));
