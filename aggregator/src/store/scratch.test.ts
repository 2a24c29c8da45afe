import { mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openScratchDirectory } from './scratch.ts';

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'flowtoll-parent-'));
});

afterEach(() => rm(parent, { recursive: true, force: true }));

test('is the user’s alone, and the same for each process', async () => {
  const folder = await openScratchDirectory(parent);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  await writeFile(join(folder, 'on its way'), '');
  expect(await openScratchDirectory(parent)).toBe(folder);
  expect(await readdir(folder)).toEqual(['on its way']);
});

test('loses what a crash left long ago', async () => {
  const folder = await openScratchDirectory(parent);
  await writeFile(join(folder, 'old'), '');
  await utimes(join(folder, 'old'), 0, 0);
  await openScratchDirectory(parent);
  expect(await readdir(folder)).toEqual([]);
});

test('is refused where somebody has put something else, saying what to do', async () => {
  const refused = { code: 'STORE_UNAVAILABLE', message: expect.stringMatching(/remove it, or set TMPDIR/) };
  const name = join(parent, `flowtoll-scratch-${userInfo().uid}`);
  await symlink(tmpdir(), name);
  await expect(openScratchDirectory(parent)).rejects.toMatchObject(refused);
  await rm(name);
  await writeFile(name, '');
  await expect(openScratchDirectory(parent)).rejects.toMatchObject(refused);
});

test('that cannot be made is an error that names TMPDIR', async () => {
  await expect(openScratchDirectory(join(parent, 'absent'))).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(/absent.*TMPDIR/),
  });
});

test('is refused where DuckDB would take its path for a pattern', async () => {
  await expect(openScratchDirectory(join(parent, 'a[1]'))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/^TMPDIR: .* contains "\["/),
  });
});
