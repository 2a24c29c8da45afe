// A node's disk: a real folder with the product's own spool in it, and what the simulation knows to have been spooled there.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeSpoolId } from '@flowtoll/agent/exporter/spool/spool-identity.ts';
import type { Content } from './ledger.ts';
import type { Random } from './random.ts';

/** How a disk is copied: as a whole, so that nothing tells the copy, or file by file. */
export type CopyKind = 'image' | 'files';

const EPOCH = /^[0-9a-f-]{36}\.[0-9a-f-]{36}$/;

export class Disk {
  readonly path: string;
  /** All that was ever spooled here and not undone by what befell the disk. */
  readonly contents: Set<Content>;
  /** Times that folders were given; the file system's own are those of the real clock. */
  readonly #stampsMs = new Map<string, number>();

  constructor(path: string, contents: Iterable<Content> = []) {
    this.path = path;
    this.contents = new Set(contents);
    mkdirSync(path, { recursive: true });
  }

  /** A copy as it is now. */
  copyTo(path: string, kind: CopyKind): Disk {
    cpSync(this.path, path, { recursive: true, preserveTimestamps: true });
    if (kind === 'image') keepIdentity(path);
    const copy = new Disk(path, this.contents);
    for (const [name, ms] of this.#stampsMs) copy.#stampsMs.set(name, ms);
    return copy;
  }

  /** Dates the folders that changed since the last time, so that their order is the simulation's. */
  stamp(nowMs: number): void {
    for (const name of readdirSync(this.path)) {
      if (!EPOCH.test(name)) continue;
      const folder = join(this.path, name);
      if (statSync(folder).mtimeMs === this.#stampsMs.get(name)) continue;
      const ms = nowMs + this.#stampsMs.size;
      utimesSync(folder, ms / 1000, ms / 1000);
      this.#stampsMs.set(name, statSync(folder).mtimeMs);
    }
  }

  /** Number of batches that wait. */
  get batches(): number {
    return this.#files().length;
  }

  /** Cuts a file of a batch; false when there is none. */
  damage(random: Random, nowMs: number): boolean {
    const files = this.#files();
    if (files.length === 0) return false;
    // Names hold random ids: the choice must not depend on them.
    const path = random.pick(
      files.sort((a, b) => statSync(a).size - statSync(b).size || (a.slice(-22) < b.slice(-22) ? -1 : 1)),
    );
    truncateSync(path, Math.floor(statSync(path).size / 2));
    utimesSync(path, nowMs / 1000, nowMs / 1000);
    return true;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #files(): string[] {
    if (!existsSync(this.path)) return [];
    return readdirSync(this.path, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.batch'))
      .map((name) => join(this.path, name));
  }
}

/** Files of an image keep inode and time of birth. Ours cannot, so the spool's id is bound to those that they have now. */
function keepIdentity(path: string): void {
  const file = join(path, 'spool-id');
  if (!existsSync(file)) return;
  const { id, node } = JSON.parse(readFileSync(file, 'utf8')) as { id: string; node: string };
  writeSpoolId(path, node, id);
}
