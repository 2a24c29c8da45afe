import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FlowtollError } from '../model/errors.ts';
import { describeConformance, keysOf } from './conformance.testing.ts';
import { type DirectoryStore, openDirectoryStore } from './directory-store.ts';

let root: string;
let store: DirectoryStore;
let conformanceRoot: string;

beforeAll(async () => {
  conformanceRoot = await mkdtemp(join(tmpdir(), 'flowtoll-conformance-'));
});

afterAll(() => rm(conformanceRoot, { recursive: true, force: true }));

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'flowtoll-store-'));
  store = await openDirectoryStore(join(root, 'new', 'store'));
});

afterEach(() => rm(root, { recursive: true, force: true }));

describeConformance('directory', {
  openEmpty: () => openDirectoryStore(join(conformanceRoot, randomUUID())),
  largeBytes: 1024 ** 2,
});

test('conditional writes leave nothing in the scratch folder', async () => {
  await Promise.all(Array.from({ length: 8 }, (_, i) => store.putIfAbsent('log/0.json', Buffer.from(`writer ${i}`))));
  expect(await readdir(store.scratchDirectory)).toEqual([]);
});

test('torn temporary files are not listed', async () => {
  await store.put('a/1', Buffer.from('whole'));
  await writeFile(join(store.root, 'a', '.torn'), 'half');
  await writeFile(join(store.scratchDirectory, 'torn'), 'half');
  expect(await keysOf(store, '')).toEqual(['a/1']);
  expect(await store.listFolders('')).toEqual(['a']);
});

describe('opening', () => {
  test('a path below a file is refused, saying what to do', async () => {
    await writeFile(join(root, 'file'), '');
    const error = await openDirectoryStore(join(root, 'file', 'store')).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FlowtollError);
    expect((error as FlowtollError).code).toBe('STORE_UNAVAILABLE');
    expect((error as FlowtollError).message).toContain(join(root, 'file', 'store'));
    expect((error as FlowtollError).message).toContain('--store');
  });

  test('a directory that cannot be written is refused (/proc is one for root, too)', async () => {
    const error = await openDirectoryStore('/proc/flowtoll').catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('/proc/flowtoll') });
  });

  test('read-only: a missing directory is an error, and nothing is created', async () => {
    await expect(openDirectoryStore(join(root, 'absent'), { readOnly: true })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('there is no such directory'),
    });
    await mkdir(join(root, 'plain'));
    await openDirectoryStore(join(root, 'plain'), { readOnly: true });
    expect(await readdir(join(root, 'plain'))).toEqual([]);
  });

  test('a store in a folder that another process makes at the same time', async () => {
    // The first finds no folder above; the second has made it when the first looks why.
    const paths = [join(root, 'made', 'by'), join(root, 'made')];
    const opened = await Promise.all(paths.map((path) => openDirectoryStore(path)));
    expect(opened.map((one) => one.root)).toEqual(paths);
  });

  test('removes scratch files that a crash left long ago, and only those', async () => {
    const old = join(store.scratchDirectory, 'old');
    await writeFile(old, '');
    await utimes(old, 0, 0);
    await writeFile(join(store.scratchDirectory, 'fresh'), '');
    await openDirectoryStore(store.root);
    expect(await readdir(store.scratchDirectory)).toEqual(['fresh']);
  });

  test.each(['star*', 'what?', 'one[1]'])(
    'a path that DuckDB would take for a pattern is refused: %s',
    async (name) => {
      const refused = {
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/^--store: .* takes for a wildcard .*: name a directory .*symbolic link/),
      };
      await expect(openDirectoryStore(join(root, name))).rejects.toMatchObject(refused);
      expect(await readdir(root)).toEqual(['new']);
      await mkdir(join(root, name, 'below'), { recursive: true });
      await expect(openDirectoryStore(join(root, name, 'below'), { readOnly: true })).rejects.toMatchObject(refused);
    },
  );
});
