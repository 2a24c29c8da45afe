// What tests install for themselves, in test/.cache (ignored by git): each thing once, however many test files want it at the
// same time. Knows nothing of what is installed.
import { closeSync, openSync } from 'node:fs';
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tryLock } from '@flowtoll/agent/system/libc.ts';

const CACHE = join(import.meta.dirname, '..', '.cache');
const LOCK_POLL_MS = 200;

/**
 * The folder of this name, filled by `install` where it is not yet. Test files run in several processes: one fills, the
 * others wait for it. Fails with what `install` threw.
 */
export async function installOnce(name: string, install: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(CACHE, name);
  const ready = join(folder, 'ready');
  if (await exists(ready)) return folder;
  await mkdir(CACHE, { recursive: true });
  // The lock goes with the descriptor, however this process ends.
  const lock = openSync(join(CACHE, `${name}.lock`), 'w');
  try {
    while (!tryLock(lock)) await delay(LOCK_POLL_MS);
    if (await exists(ready)) return folder;
    // What a run that was cut off has left is not worth repairing.
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await install(folder);
    await writeFile(ready, '');
    return folder;
  } finally {
    closeSync(lock);
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
