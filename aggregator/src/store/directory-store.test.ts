import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FlowtollError } from '../model/errors.ts';
import { type DirectoryStore, openDirectoryStore } from './directory-store.ts';

let root: string;
let store: DirectoryStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'flowtoll-store-'));
  store = await openDirectoryStore(join(root, 'new', 'store'));
});

afterEach(() => rm(root, { recursive: true, force: true }));

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString());

async function keys(prefix: string, startAfter?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const key of store.list(prefix, startAfter)) {
    found.push(key);
  }
  return found;
}

describe('objects', () => {
  test('put replaces, get returns, delete removes and may be repeated', async () => {
    expect(await store.get('a/b')).toBeUndefined();
    await store.put('a/b', Buffer.from('one'));
    await store.put('a/b', Buffer.from('two'));
    expect(text(await store.get('a/b'))).toBe('two');
    await store.delete('a/b');
    await store.delete('a/b');
    expect(await store.get('a/b')).toBeUndefined();
  });

  test('a file is consumed and nothing is left in the scratch folder', async () => {
    const file = join(root, 'outside');
    await writeFile(file, 'content');
    await store.put('date=2026-01-31/x.parquet', { file });
    expect(text(await store.get('date=2026-01-31/x.parquet'))).toBe('content');
    await expect(readFile(file)).rejects.toThrow(/ENOENT/);
    expect(await readdir(store.scratchDirectory)).toEqual([]);
  });

  test('of many concurrent conditional writes exactly one creates, and its content stays', async () => {
    const results = await Promise.all(
      Array.from({ length: 32 }, (_, i) => store.putIfAbsent('log/0.json', Buffer.from(`writer ${i}`))),
    );
    const winners = results.flatMap((result, i) => (result === 'created' ? [i] : []));
    expect(winners).toHaveLength(1);
    expect(text(await store.get('log/0.json'))).toBe(`writer ${winners[0]}`);
    expect(await readdir(store.scratchDirectory)).toEqual([]);
  });

  for (const key of ['', '/a', 'a/', 'a//b', '../a', 'a/../../b', '.', 'a\0b', 'a\\b']) {
    test(`key ${JSON.stringify(key)} is refused`, async () => {
      await expect(store.put(key, Buffer.from(''))).rejects.toThrow(/is not valid/);
    });
  }
});

describe('listing', () => {
  test('is in the order of the bytes, below the prefix, after the start, without torn temporary files', async () => {
    const all = ['a.txt', 'a/1', 'a/10', 'a/2', 'ab/x', 'b/\u{ff5e}', 'b/\u{1f600}'];
    for (const key of all) {
      await store.put(key, Buffer.from(key));
    }
    await writeFile(join(store.root, 'a', '.torn'), 'half');
    await writeFile(join(store.scratchDirectory, 'torn'), 'half');
    expect(await keys('')).toEqual(all);
    expect(await keys('a')).toEqual(['a.txt', 'a/1', 'a/10', 'a/2', 'ab/x']);
    expect(await keys('a/')).toEqual(['a/1', 'a/10', 'a/2']);
    expect(await keys('a/1')).toEqual(['a/1', 'a/10']);
    expect(await keys('', 'a/10')).toEqual(['a/2', 'ab/x', 'b/\u{ff5e}', 'b/\u{1f600}']);
    expect(await keys('a/', 'a/2')).toEqual([]);
    expect(await keys('nothing/')).toEqual([]);
    expect(await store.listFolders('')).toEqual(['a', 'ab', 'b']);
    expect(await store.listFolders('a/')).toEqual([]);
  });
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

  test('removes scratch files that a crash left long ago, and only those', async () => {
    const old = join(store.scratchDirectory, 'old');
    await writeFile(old, '');
    await utimes(old, 0, 0);
    await writeFile(join(store.scratchDirectory, 'fresh'), '');
    await openDirectoryStore(store.root);
    expect(await readdir(store.scratchDirectory)).toEqual(['fresh']);
  });
});
