// A local folder for files on their way to a store that is not local. Knows folders; knows no store.
import { rmSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cannotWrite } from './unavailable.ts';

const NAME = 'flowtoll-scratch-';

/** A folder this old belongs to nobody any more: no write takes a day, and a folder that is still wanted is made again. */
const MAX_AGE_MS = 24 * 3600 * 1000;

const made = new Set<string>();

/**
 * A new empty folder below the system's folder for temporary files (TMPDIR). It goes when the process ends; those that
 * crashed processes left long ago go now.
 */
export async function makeScratchDirectory(): Promise<string> {
  const parent = tmpdir();
  try {
    await removeStale(parent);
    const folder = await mkdtemp(join(parent, NAME));
    if (made.size === 0) {
      process.once('exit', removeMade);
    }
    made.add(folder);
    return folder;
  } catch (error) {
    throw cannotWrite(parent, error);
  }
}

async function removeStale(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(NAME)) {
      continue;
    }
    const folder = join(parent, name);
    const info = await stat(folder).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > MAX_AGE_MS) {
      // One that is not ours to remove is somebody else's affair.
      await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    }
  }
}

function removeMade(): void {
  for (const folder of made) {
    rmSync(folder, { recursive: true, force: true });
  }
}
