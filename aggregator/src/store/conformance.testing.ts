// What every store does, as tests: the same for a directory, S3, Azure and Google Cloud Storage. A caller says how to open an
// empty one.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareUtf8 } from '../model/utf8-order.ts';
import { download } from './local-file.ts';
import type { ObjectStore } from './store.ts';

export interface ConformanceOptions {
  /** Opens a store without objects; called for each group of tests. */
  readonly openEmpty: () => Promise<ObjectStore>;
  /** The server keeps folders, and lists them by name: "a/1" comes before "a.txt" (store.ts). */
  readonly keepsFolders?: boolean;
  /** A file of this size is written in several parts. */
  readonly largeBytes: number;
}

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString());

/** All keys of a listing. */
export async function keysOf(store: ObjectStore, prefix: string, startAfter?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const key of store.list(prefix, startAfter)) {
    found.push(key);
  }
  return found;
}

/** Bytes that are everywhere different, and the same in every run. */
function patterned(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0, state = 1; i + 4 <= size; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, i);
  }
  return bytes;
}

export function describeConformance(name: string, options: ConformanceOptions): void {
  describe(`${name}: objects`, () => {
    let store: ObjectStore;
    let outside: string;
    beforeAll(async () => {
      store = await options.openEmpty();
      outside = await mkdtemp(join(tmpdir(), 'flowtoll-outside-'));
    });
    afterAll(() => rm(outside, { recursive: true, force: true }));

    test('put replaces, get returns, delete removes and may be repeated', async () => {
      expect(await store.get('a/b')).toBeUndefined();
      await store.put('a/b', Buffer.from('one'));
      await store.put('a/b', Buffer.from('two'));
      expect(text(await store.get('a/b'))).toBe('two');
      await store.delete('a/b');
      await store.delete('a/b');
      expect(await store.get('a/b')).toBeUndefined();
    });

    test('an object may be empty, and bytes come back as they are', async () => {
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      await store.put('bytes/every', every);
      await store.put('bytes/none', new Uint8Array());
      expect([...(await store.get('bytes/every'))!]).toEqual([...every]);
      expect((await store.get('bytes/none'))!.length).toBe(0);
    });

    for (const key of [
      'plus+and space',
      'percent%2Fslash',
      'a&b=c?d#e',
      'quote\'"',
      'ünï/\u{1f600}',
      '~!@$()*,;:[]{}^|<>',
    ]) {
      test(`key ${key} is written, listed and read as it is`, async () => {
        await store.put(`odd/${key}`, Buffer.from(key));
        expect(text(await store.get(`odd/${key}`))).toBe(key);
        expect(await keysOf(store, `odd/${key}`)).toEqual([`odd/${key}`]);
        await store.delete(`odd/${key}`);
        expect(await keysOf(store, 'odd/')).toEqual([]);
      });
    }

    test('a small file is consumed, wherever it lies, and nothing is left in the scratch folder', async () => {
      const before = await readdir(store.scratchDirectory);
      for (const folder of [outside, store.scratchDirectory]) {
        const file = join(folder, randomUUID());
        await writeFile(file, folder);
        await store.put('date=2026-01-31/x.parquet', { file });
        expect(text(await store.get('date=2026-01-31/x.parquet'))).toBe(folder);
        await expect(readFile(file)).rejects.toThrow(/ENOENT/);
      }
      expect(await readdir(store.scratchDirectory)).toEqual(before);
    });

    test('a large file arrives whole', async () => {
      const content = patterned(options.largeBytes);
      const file = join(store.scratchDirectory, randomUUID());
      await writeFile(file, content);
      await store.put('large', { file });
      expect(Buffer.compare((await store.get('large'))!, content)).toBe(0);
      await expect(readFile(file)).rejects.toThrow(/ENOENT/);
    });

    test('a download is the object, whatever its size; of no object there is no file', async () => {
      const file = join(outside, 'downloaded');
      const content = patterned(options.largeBytes);
      await store.put('download', content);
      expect(await download(store, 'download', file)).toBe(true);
      expect(Buffer.compare(await readFile(file), content)).toBe(0);
      const none = join(outside, 'none');
      expect(await download(store, 'not there', none)).toBe(false);
      await expect(readFile(none)).rejects.toThrow(/ENOENT/);
      const folder = join(outside, 'no folder', 'x');
      await expect(download(store, 'download', folder)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    });

    test('a file that is not there is an error that names it', async () => {
      const file = join(outside, 'absent');
      await expect(store.put('x', { file })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      expect(await store.get('x')).toBeUndefined();
    });

    test('of many concurrent conditional writes exactly one creates, and its content stays', async () => {
      for (let round = 0; round < 3; round++) {
        const key = `log/${round}.json`;
        const results = await Promise.all(
          Array.from({ length: 32 }, (_, i) => store.putIfAbsent(key, Buffer.from(`writer ${i}`))),
        );
        const winners = results.flatMap((result, i) => (result === 'created' ? [i] : []));
        expect(winners).toHaveLength(1);
        expect(text(await store.get(key))).toBe(`writer ${winners[0]}`);
        expect(await store.putIfAbsent(key, Buffer.from('late'))).toBe('exists');
        expect(text(await store.get(key))).toBe(`writer ${winners[0]}`);
      }
    });

    test('what was deleted can be created again', async () => {
      expect(await store.putIfAbsent('again', Buffer.from('1'))).toBe('created');
      await store.delete('again');
      expect(await store.putIfAbsent('again', Buffer.from('2'))).toBe('created');
      expect(text(await store.get('again'))).toBe('2');
    });

    for (const key of ['', '/a', 'a/', 'a//b', '../a', 'a/../../b', '.', 'a\0b', 'a\\b']) {
      test(`key ${JSON.stringify(key)} is refused`, async () => {
        const refused = { code: 'STORE_UNAVAILABLE', message: expect.stringMatching(/is not valid/) };
        await expect(store.put(key, Buffer.from(''))).rejects.toMatchObject(refused);
        await expect(store.putIfAbsent(key, Buffer.from(''))).rejects.toMatchObject(refused);
        await expect(store.get(key)).rejects.toMatchObject(refused);
        await expect(store.delete(key)).rejects.toMatchObject(refused);
      });
    }
  });

  describe(`${name}: listing`, () => {
    const all = ['a.txt', 'a/1', 'a/10', 'a/2', 'ab/x', 'b/\u{ff5e}', 'b/\u{1f600}'];
    const ordered = (keys: string[]) => (options.keepsFolders === true ? keys.toSorted(compareUtf8) : keys);
    let store: ObjectStore;
    beforeAll(async () => {
      store = await options.openEmpty();
      for (const key of all) {
        await store.put(key, Buffer.from(key));
      }
    });

    test('is in the order of the bytes, below the prefix', async () => {
      expect(ordered(await keysOf(store, ''))).toEqual(all);
      expect(ordered(await keysOf(store, 'a'))).toEqual(['a.txt', 'a/1', 'a/10', 'a/2', 'ab/x']);
      expect(await keysOf(store, 'a/')).toEqual(['a/1', 'a/10', 'a/2']);
      expect(await keysOf(store, 'a/1')).toEqual(['a/1', 'a/10']);
      expect(await keysOf(store, 'b/')).toEqual(['b/\u{ff5e}', 'b/\u{1f600}']);
      expect(await keysOf(store, 'nothing/')).toEqual([]);
    });

    test('begins after the start', async () => {
      expect(await keysOf(store, 'a/', 'a/1')).toEqual(['a/10', 'a/2']);
      expect(await keysOf(store, 'a/', 'a/15')).toEqual(['a/2']);
      expect(await keysOf(store, 'a/', 'a/2')).toEqual([]);
      expect(await keysOf(store, 'a/', 'a')).toEqual(['a/1', 'a/10', 'a/2']);
      if (options.keepsFolders !== true) {
        expect(await keysOf(store, '', 'a/10')).toEqual(['a/2', 'ab/x', 'b/\u{ff5e}', 'b/\u{1f600}']);
      }
    });

    test('leaves out what is the stores’ own', async () => {
      for (const key of ['.own', '.own/x', 'a/.own', 'a/.own/x']) {
        await store.put(key, Buffer.from(''));
        expect(await keysOf(store, key)).toEqual([]);
        await store.delete(key);
      }
    });

    test('of folders names each once', async () => {
      expect(await store.listFolders('')).toEqual(['a', 'ab', 'b']);
      expect(await store.listFolders('a/')).toEqual([]);
      expect(await store.listFolders('nothing/')).toEqual([]);
    });

    test('goes on over pages', async () => {
      const keys = Array.from({ length: 1_205 }, (_, i) => `many/${String(i).padStart(20, '0')}.json`);
      const waiting = [...keys];
      const write = async (): Promise<void> => {
        for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
          await store.put(key, Buffer.from('{}'));
        }
      };
      await Promise.all(Array.from({ length: 16 }, write));
      expect(await keysOf(store, 'many/')).toEqual(keys);
      expect(await keysOf(store, 'many/', keys[1_100])).toEqual(keys.slice(1_101));
    });
  });
}
