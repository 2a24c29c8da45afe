import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDirectoryStore } from './directory-store.ts';
import { ObjectCache } from './object-cache.ts';
import type { ObjectStore } from './store.ts';

const SIZE = 1000;

let directory: string;
let store: ObjectStore;
let gets: string[];
let gate: Promise<void>;
let opened: ObjectCache[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-cache-'));
  const below = await openDirectoryStore(join(directory, 'store'));
  for (const name of 'abcdefgh') await below.put(`t/${name}`, Buffer.alloc(SIZE, name));
  gets = [];
  opened = [];
  gate = Promise.resolve();
  store = {
    get: async (key) => {
      gets.push(key);
      await gate;
      return below.get(key);
    },
    list: (prefix, startAfter) => below.list(prefix, startAfter),
    listFolders: (prefix) => below.listFolders(prefix),
    put: (key, content) => below.put(key, content),
    putIfAbsent: (key, content) => below.putIfAbsent(key, content),
    delete: (key) => below.delete(key),
    scratchDirectory: below.scratchDirectory,
    describe: () => below.describe(),
  };
});
afterEach(async () => {
  for (const cache of opened) await cache.close();
  await rm(directory, { recursive: true, force: true });
});

const root = () => join(directory, 'cache');

async function open(maxBytes = 10 * SIZE): Promise<ObjectCache> {
  const cache = await ObjectCache.open(store, { directory: root(), maxBytes, storeName: 's' });
  opened.push(cache);
  return cache;
}

const wanted = (...names: string[]) => names.map((name) => ({ key: `t/${name}`, sizeBytes: SIZE }));

async function contents(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map(async (path) => (await readFile(path, 'utf8'))[0]))).join('');
}

const entries = async () => (await readdir(join(root(), 'objects/s/t'))).sort().join('');

test('objects are fetched once, for this reader and the next', async () => {
  const first = await open();
  expect(await contents(await first.fetch(wanted('a', 'b')))).toBe('ab');
  expect(await contents(await first.fetch(wanted('b', 'c', 'a')))).toBe('bca');
  await first.close();
  expect(await contents(await (await open()).fetch(wanted('c', 'a')))).toBe('ca');
  expect(gets.sort()).toEqual(['t/a', 't/b', 't/c']);
});

test('what was used least recently goes', async () => {
  const cache = await open(3 * SIZE);
  for (const name of ['a', 'b', 'c']) await cache.fetch(wanted(name));
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    await utimes(join(root(), 'objects/s/t', name), 1_000 + i, 1_000 + i);
  }
  const next = await open(3 * SIZE);
  await next.fetch(wanted('a'));
  await next.fetch(wanted('d'));
  expect(await entries()).toBe('acd');
});

test('a reader keeps what another throws out', async () => {
  const slow = await open(2 * SIZE);
  const paths = await slow.fetch(wanted('a', 'b'));
  await (await open(2 * SIZE)).fetch(wanted('c', 'd'));
  expect(await entries()).toBe('cd');
  expect(await contents(paths)).toBe('ab');
  await slow.close();
  expect(paths.some((path) => existsSync(path))).toBe(false);
});

test('many readers at once, with room for half: each has what it asked for', async () => {
  const readers = await Promise.all(Array.from({ length: 6 }, () => open(4 * SIZE)));
  const asked = ['abcd', 'efgh', 'aceg', 'bdfh', 'abgh', 'cdef'];
  const found = await Promise.all(readers.map(async (reader, i) => contents(await reader.fetch(wanted(...asked[i]!)))));
  expect(found).toEqual(asked);
  for (const path of await readdir(join(root(), 'objects/s/t'))) {
    expect((await stat(join(root(), 'objects/s/t', path))).size).toBe(SIZE);
  }
});

test('more than the bound at once is refused, saying what to do', async () => {
  const refused = { code: 'QUERY_INVALID', message: expect.stringMatching(/fewer days.*--cache-size.*--extensions/) };
  await expect((await open(2 * SIZE)).fetch(wanted('a', 'b', 'c'))).rejects.toMatchObject(refused);
  expect(gets).toEqual([]);
});

test('an object that is gone, or has another size than the log says, is an error and no entry', async () => {
  const cache = await open();
  const gone = { code: 'TABLE_INVALID', message: expect.stringMatching(/t\/x is named by a log and gone/) };
  await expect(cache.fetch(wanted('x'))).rejects.toMatchObject(gone);
  await store.put('t/a', Buffer.from('short'));
  const damaged = {
    code: 'TABLE_INVALID',
    message: expect.stringMatching(/t\/a .* has 5 bytes, and the log says 1000/),
  };
  await expect(cache.fetch(wanted('a'))).rejects.toMatchObject(damaged);
  expect(existsSync(join(root(), 'objects/s/t/a'))).toBe(false);
  expect(await readdir(join(root(), 'partial'))).toEqual([]);
});

test('a reader that is cancelled fetches no more', async () => {
  let openGate: () => void = () => undefined;
  gate = new Promise((resolve) => {
    openGate = resolve;
  });
  const cancelled = new AbortController();
  const many = Array.from({ length: 20 }, (_, i) => ({ key: `t/${'abcdefgh'[i % 8]}`, sizeBytes: SIZE }));
  const fetching = (await open(100 * SIZE)).fetch(many, cancelled.signal);
  cancelled.abort();
  openGate();
  await expect(fetching).rejects.toMatchObject({ name: 'AbortError' });
  expect(gets.length).toBeLessThan(20);
});

test('folders of readers that are dead or old go, those of living ones stay', async () => {
  const readers = join(root(), 'readers');
  const uuid = '00000000-0000-4000-8000-000000000000';
  const dead = `${hostname()}-4194304-${uuid}`;
  const elsewhere = `another-machine-4194304-${uuid}`;
  const old = `another-machine-1-${uuid}`;
  for (const name of [dead, elsewhere, old]) {
    await mkdir(join(readers, name), { recursive: true });
    await writeFile(join(readers, name, 'x'), '');
  }
  await utimes(join(readers, old), 1000, 1000);
  const living = await open();
  await open();
  expect((await readdir(readers)).filter((name) => [dead, elsewhere, old].includes(name))).toEqual([elsewhere]);
  expect(existsSync(living.directory)).toBe(true);
});

test('a directory that cannot be used is an error that names the option', async () => {
  await writeFile(join(directory, 'file'), '');
  const options = { directory: join(directory, 'file', 'x'), maxBytes: 1, storeName: 's' };
  await expect(ObjectCache.open(store, options)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(/cannot use the cache .*ENOTDIR.*--cache/),
  });
});
