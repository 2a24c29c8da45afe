// Test files of several processes want the same thing at the same time: it is installed once, and whole.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { installOnce } from './support/install-once.ts';

const name = `install-once-test-${process.pid}`;
const cache = join(import.meta.dirname, '.cache');

afterEach(async () => {
  await rm(join(cache, name), { recursive: true, force: true });
  await rm(join(cache, `${name}.lock`), { force: true });
});

test('one installs, the others wait for it', async () => {
  let running = 0;
  let installs = 0;
  const install = async (folder: string) => {
    expect(running++).toBe(0);
    installs++;
    await turn();
    await writeFile(join(folder, 'program'), '');
    running--;
  };
  const folders = await Promise.all([1, 2, 3].map(() => installOnce(name, install)));
  expect(folders).toEqual(Array(3).fill(join(cache, name)));
  expect(installs).toBe(1);
});

test('what failed half way is thrown away, and the next one tries again', async () => {
  const half = installOnce(name, async (folder) => {
    await writeFile(join(folder, 'half'), '', { flag: 'wx' });
    throw new Error('the network went away');
  });
  await expect(half).rejects.toThrow('the network went away');
  await installOnce(name, async (folder) => {
    await writeFile(join(folder, 'half'), '', { flag: 'wx' });
  });
});
