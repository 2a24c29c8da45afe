import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FlowtollError } from '../model/errors.ts';
import { type DirectoryStore, openDirectoryStore } from '../store/directory-store.ts';
import type { ObjectStore, PutIfAbsentResult } from '../store/store.ts';
import { DeltaLog } from './delta-log.ts';
import { flowRow, readParquet, WINDOW_US } from './flow-row.testing.ts';
import { type FlowTable, flowTableRoot, openFlowTable, type PendingBatch } from './flow-table.ts';
import { checkpointLog, cleanLog } from './log-upkeep.ts';
import type { RowBuffer } from './row-buffer.ts';

let root: string;
let store: DirectoryStore;
const open: FlowTable[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'flowtoll-table-'));
  store = await openDirectoryStore(root);
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((table) => table.close()));
  await rm(root, { recursive: true });
});

const NOW_MS = 1_800_000_000_000;

async function openTable(from: ObjectStore = store, clock = () => NOW_MS): Promise<FlowTable> {
  const table = await openFlowTable(from, { cluster: 'demo', clock });
  open.push(table);
  return table;
}

const batch = (epoch: string, sequence: number): PendingBatch => ({ epoch, sequence });

/** Two rows a batch, on two days, that name the batch. */
function fill({ epoch, sequence }: PendingBatch, rows: RowBuffer): void {
  rows.append(flowRow({ pod: `${epoch}${sequence}`, txBytes: sequence }));
  rows.append(flowRow({ pod: `${epoch}${sequence}`, txBytes: sequence, windowStartUs: WINDOW_US + 60_000_000 }));
}

async function logLines(version: number): Promise<Record<string, Record<string, unknown>>[]> {
  const file = join(root, 'demo/flows/_delta_log', `${String(version).padStart(20, '0')}.json`);
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line));
}

async function dataFiles(): Promise<string[]> {
  const files = await readdir(join(root, 'demo/flows'), { recursive: true });
  return files.filter((file) => file.endsWith('.parquet')).sort();
}

/** How often each batch is in the table, by the files of a fresh replay of the log; must be 2 rows a batch. */
async function rowsByPod(): Promise<Map<string, number>> {
  const log = new DeltaLog(store, flowTableRoot('demo'));
  await log.refresh();
  const files = [...log.files.keys()].map((path) => join(root, 'demo/flows', path));
  const counts = new Map<string, number>();
  for (const row of files.length === 0 ? [] : await readParquet(files)) {
    const pod = String(row['pod']);
    counts.set(pod, (counts.get(pod) ?? 0) + 1);
  }
  return counts;
}

describe('log entries', () => {
  test('version 0 makes the table, each commit is one entry with its txns and files', async () => {
    const table = await openTable();
    const result = await table.commit([batch('a', 1), batch('b', 1), batch('a', 2)], fill);
    expect([...result.committed]).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    expect(result).toMatchObject({ version: 1, rowCount: 6, refused: [], duplicates: [] });

    const [info, protocol, metaData] = await logLines(0);
    expect(info).toHaveProperty('commitInfo.commitId');
    expect(protocol).toEqual({ protocol: { minReaderVersion: 1, minWriterVersion: 2 } });
    expect(metaData?.['metaData']).toMatchObject({
      format: { provider: 'parquet', options: {} },
      partitionColumns: ['date'],
      createdTime: NOW_MS,
    });

    const commit = await logLines(1);
    expect(commit.map((action) => action['txn']).filter((txn) => txn !== undefined)).toEqual([
      { appId: 'a', version: 2, lastUpdated: NOW_MS },
      { appId: 'b', version: 1, lastUpdated: NOW_MS },
    ]);
    const adds = commit.map((action) => action['add']).filter((add) => add !== undefined);
    expect(adds.map((add) => add['partitionValues'])).toEqual([{ date: '2026-01-31' }, { date: '2026-02-01' }]);
    for (const add of adds) {
      expect(add['path']).toMatch(/^date=2026-0[12]-\d\d\/[0-9a-f-]{36}\.parquet$/);
      expect(add['size']).toBe((await readFile(join(root, 'demo/flows', String(add['path'])))).length);
      expect(JSON.parse(String(add['stats']))).toMatchObject({ numRecords: 3, minValues: { pod: 'a1' } });
    }
  });

  test('a commit without rows records its txn, a commit without news writes nothing', async () => {
    const table = await openTable();
    await table.commit([batch('a', 1)], () => undefined);
    expect((await logLines(1)).flatMap((action) => Object.keys(action))).toEqual(['commitInfo', 'txn']);
    const again = await table.commit([batch('a', 1), batch('a', 3)], fill);
    expect(again).toMatchObject({ version: undefined, rowCount: 0, written: [] });
    expect(again.committed.get('a')).toBe(1);
    expect(again.duplicates).toEqual([batch('a', 1)]);
    expect(again.refused).toMatchObject([{ batch: batch('a', 3), expectedSequence: 2 }]);
    expect(await store.get('demo/flows/_delta_log/00000000000000000002.json')).toBeUndefined();
  });

  test('when fill throws, nothing is written and the next commit is as if nothing had been', async () => {
    const table = await openTable();
    await expect(
      table.commit([batch('a', 1)], (b, rows) => {
        fill(b, rows);
        throw new Error('poison');
      }),
    ).rejects.toThrow('poison');
    expect(await dataFiles()).toEqual([]);
    await table.commit([batch('b', 1)], fill);
    expect(await rowsByPod()).toEqual(new Map([['b1', 2]]));
    expect(await table.committedSequence('a')).toBe(0);
  });

  test('a cluster name that is no folder is refused', () => {
    for (const cluster of ['', '../x', 'a/b', '.hidden', 'a b']) {
      expect(() => flowTableRoot(cluster)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    }
    expect(flowTableRoot('eu-1.prod_a', 'x/')).toBe('x/eu-1.prod_a/flows');
  });
});

describe('a damaged or foreign log is refused, not guessed', () => {
  const entry = (version: number) => join(root, 'demo/flows/_delta_log', `${String(version).padStart(20, '0')}.json`);
  const reopen = () => openFlowTable(store, { cluster: 'demo', clock: () => NOW_MS });

  beforeEach(async () => {
    const table = await openTable();
    await table.commit([batch('a', 1)], fill);
  });

  for (const { name, content, message } of [
    { name: 'no JSON', content: '{"txn":', message: /line 1 is not JSON/ },
    { name: 'no object', content: '[]', message: /not a JSON object/ },
    { name: 'action without a field', content: '{"add":{"path":"x"}}', message: /add\.partitionValues|add\.size/ },
    { name: 'txn of another type', content: '{"txn":{"appId":"a","version":"2"}}', message: /txn\.version is "2"/ },
    {
      name: 'newer protocol',
      content: '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"]}}',
      message: /needs Delta protocol 3\/7/,
    },
  ]) {
    test(name, async () => {
      await writeFile(entry(2), content);
      await expect(reopen()).rejects.toMatchObject({ code: 'TABLE_INVALID', message: expect.stringMatching(message) });
    });
  }

  const NEWER =
    '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors","rowTracking"]}}';
  const refused = {
    code: 'TABLE_INVALID',
    message: expect.stringMatching(
      /^the table demo\/flows in directory .* needs Delta protocol 3\/7 with the features deletionVectors, rowTracking; .* 1\/2, without features: another program upgraded it\. Use a newer Flowtoll, .*DROP FEATURE.* --cluster or --store/,
    ),
  };

  test('a newer protocol under a running writer: nothing more is written, and when it is taken back all goes on', async () => {
    const table = await openTable();
    await writeFile(entry(2), NEWER);
    const before = await readdir(join(root, 'demo'), { recursive: true });
    await expect(table.committedSequence('a')).rejects.toMatchObject(refused);
    await expect(table.requireReadable()).rejects.toMatchObject(refused);
    await expect(table.commit([batch('a', 2)], fill)).rejects.toMatchObject(refused);
    await expect(table.recordVanished({ silentMs: 0, isAlive: () => false }, () => undefined)).rejects.toMatchObject(
      refused,
    );
    expect(await readdir(join(root, 'demo'), { recursive: true })).toEqual(before);
    await writeFile(entry(3), '{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}');
    expect(await table.commit([batch('a', 2)], fill)).toMatchObject({ version: 4, written: [batch('a', 2)] });
  });

  test('a newer protocol for writers alone: it can be read', async () => {
    await writeFile(entry(2), NEWER.replace('"minReaderVersion":3', '"minReaderVersion":1'));
    const log = new DeltaLog(store, flowTableRoot('demo'));
    await log.refresh();
    log.requireReadable();
    expect(() => log.requireWritable()).toThrow(/needs Delta protocol 1\/7 .* this version of Flowtoll writes 1\/2/);
    await expect(reopen()).rejects.toMatchObject({ code: 'TABLE_INVALID' });
  });

  test('a missing entry', async () => {
    await writeFile(entry(3), '{"commitInfo":{}}');
    await expect(reopen()).rejects.toThrow(/from version 1 to 3: entries are missing/);
  });

  test('actions and fields that we do not know are skipped; files removed by others are gone; checkpoints are ignored', async () => {
    const [path] = (await dataFiles()).map((file) => file);
    const lines = [
      { remove: { path, dataChange: false, deletionTimestamp: 1, extendedFileMetadata: true } },
      { domainMetadata: { domain: 'x' } },
      { txn: { appId: 'other', version: 7 } },
    ];
    await writeFile(entry(2), lines.map((line) => JSON.stringify(line)).join('\n'));
    await writeFile(join(root, 'demo/flows/_delta_log', '00000000000000000001.checkpoint.parquet'), 'x');
    await writeFile(join(root, 'demo/flows/_delta_log', '_last_checkpoint'), '{}');
    const table = await openTable();
    expect(await table.committedSequence('other')).toBe(7);
    expect(await rowsByPod()).toEqual(new Map([['a1', 1]]));
  });
});

describe('races', () => {
  test('who loses rewrites without what the winner has, and its first files are gone', async () => {
    const winner = await openTable();
    await winner.commit([batch('a', 1), batch('b', 1)], fill);
    const lateStore = new ScriptedStore(store);
    const late = await openTable(lateStore);
    // The winner commits after the loser has read the log and written its files.
    lateStore.beforeNextPutIfAbsent = async () => {
      await winner.commit([batch('a', 2)], fill);
    };
    const lost = await late.commit([batch('a', 2), batch('b', 2)], fill);
    expect(lost).toMatchObject({ version: 3, rowCount: 2, written: [batch('b', 2)], duplicates: [batch('a', 2)] });
    expect(await rowsByPod()).toEqual(new Map(['a1', 'a2', 'b1', 'b2'].map((pod) => [pod, 2])));
    const log = new DeltaLog(store, flowTableRoot('demo'));
    await log.refresh();
    expect([...log.files.keys()].sort()).toEqual(await dataFiles());
  });

  test('who loses to a stranger keeps its files and takes the next number', async () => {
    const stranger = await openTable();
    const scripted = new ScriptedStore(store);
    const table = await openTable(scripted);
    let fills = 0;
    scripted.beforeNextPutIfAbsent = async () => {
      await stranger.commit([batch('z', 1)], fill);
    };
    const result = await table.commit([batch('a', 1)], (b, rows) => {
      fills++;
      fill(b, rows);
    });
    expect([result.version, fills]).toEqual([2, 1]);
  });

  test('an answer that was lost after the write: found in the log, written once', async () => {
    const scripted = new ScriptedStore(store);
    const table = await openTable(scripted);
    scripted.failAfterNextPutIfAbsent = 1;
    const result = await table.commit([batch('a', 1)], fill);
    expect(result).toMatchObject({ version: 1, written: [batch('a', 1)] });
    expect(await rowsByPod()).toEqual(new Map([['a1', 2]]));
  });

  test('a write that never arrived is tried again', async () => {
    const scripted = new ScriptedStore(store);
    const table = await openTable(scripted);
    scripted.failBeforeNextPutIfAbsent = 2;
    expect((await table.commit([batch('a', 1)], fill)).version).toBe(1);
  });

  test('a store that stays away: STORE_UNAVAILABLE, the files stay, and the next try is exact', async () => {
    const scripted = new ScriptedStore(store);
    const table = await openTable(scripted);
    scripted.failBeforeNextPutIfAbsent = 100;
    await expect(table.commit([batch('a', 1)], fill)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    // The entry may still arrive, so its files must.
    expect(await dataFiles()).toHaveLength(2);
    scripted.failBeforeNextPutIfAbsent = 0;
    await table.commit([batch('a', 1)], fill);
    expect(await rowsByPod()).toEqual(new Map([['a1', 2]]));
  });

  test('a volume that is not mounted: nothing goes on in the empty folder, and the next try is exact', async () => {
    const scripted = new ScriptedStore(store);
    const table = await openTable(scripted);
    await table.commit([batch('a', 1)], fill);
    const gone = { code: 'STORE_UNAVAILABLE', message: expect.stringMatching(/is gone.*version 1/) };
    const unmount = async () => {
      await rename(root, `${root}.away`);
      await mkdir(root);
    };
    const mount = async () => {
      await rm(root, { recursive: true });
      await rename(`${root}.away`, root);
    };
    await unmount();
    await expect(table.committedSequence('a')).rejects.toMatchObject(gone);
    await expect(table.commit([batch('a', 2)], fill)).rejects.toMatchObject(gone);
    expect(await readdir(root)).toEqual([]);
    await mount();
    // It goes after the log was read, and the folder below can be written.
    scripted.beforeNextPutIfAbsent = async () => {
      await unmount();
      await mkdir(store.scratchDirectory);
    };
    await expect(table.commit([batch('a', 2)], fill)).rejects.toMatchObject(gone);
    await mount();
    expect(await table.commit([batch('a', 2)], fill)).toMatchObject({ version: 2, written: [batch('a', 2)] });
    expect(await rowsByPod()).toEqual(new Map(['a1', 'a2'].map((pod) => [pod, 2])));
  });

  describe('another table in its place', () => {
    const other = {
      code: 'STORE_UNAVAILABLE',
      message: expect.stringMatching(/has another table demo\/flows .* version 2: mount the volume again .* restart/),
    };
    const logged = () => readdir(join(root, 'demo/flows/_delta_log'));
    const moveAway = () => rename(root, `${root}.away`);
    const moveBack = async () => {
      await rm(root, { recursive: true });
      await rename(`${root}.away`, root);
    };
    afterEach(() => rm(`${root}.away`, { recursive: true, force: true }));

    /** Somebody begins a table anew, and it grows to some version. */
    async function another(version: number): Promise<void> {
      const table = await openFlowTable(await openDirectoryStore(root), { cluster: 'demo', clock: () => NOW_MS });
      for (let n = 1; n <= version; n++) await table.commit([batch('other', n)], fill);
      await table.close();
    }

    async function openWithTwo(from: ObjectStore = store): Promise<FlowTable> {
      const table = await openTable(from);
      await table.commit([batch('a', 1)], fill);
      await table.commit([batch('a', 2)], fill);
      return table;
    }

    test.each([2, 3])('that has %i entries is noticed, and left as it is', async (version) => {
      const table = await openWithTwo();
      await moveAway();
      await another(version);
      const before = await logged();
      await expect(table.committedSequence('other')).rejects.toMatchObject(other);
      await expect(table.commit([batch('a', 3)], fill)).rejects.toMatchObject(other);
      expect(await logged()).toEqual(before);
      await moveBack();
      expect(await table.commit([batch('a', 3)], fill)).toMatchObject({ version: 3, written: [batch('a', 3)] });
      expect(await rowsByPod()).toEqual(new Map(['a1', 'a2', 'a3'].map((pod) => [pod, 2])));
    });

    test('that comes after the log was read gets no entry', async () => {
      const scripted = new ScriptedStore(store);
      const table = await openWithTwo(scripted);
      scripted.beforeNextPutIfAbsent = async () => {
        await moveAway();
        await another(2);
      };
      await expect(table.commit([batch('a', 3)], fill)).rejects.toMatchObject(other);
      expect(await logged()).toHaveLength(3);
    });

    test('a backup that was restored, and that others have written to since', async () => {
      const table = await openTable();
      await table.commit([batch('a', 1)], fill);
      await cp(root, `${root}.away`, { recursive: true });
      await table.commit([batch('a', 2)], fill);
      await moveBack();
      await (await openTable()).commit([batch('b', 1)], fill);
      await (await openTable()).commit([batch('b', 2)], fill);
      await expect(table.committedSequence('a')).rejects.toMatchObject(other);
    });

    test('one whose log was cleaned up', async () => {
      const table = await openWithTwo();
      await moveAway();
      await another(4);
      const log = new DeltaLog(store, flowTableRoot('demo'));
      await log.refresh();
      const rules = { checkpointBytes: 1, checkpointEntries: 1, txnRetentionMs: NOW_MS, removeRetentionMs: NOW_MS };
      await checkpointLog(store, log, rules, NOW_MS);
      await cleanLog(store, log.root, { nowMs: NOW_MS, retentionMs: 0 });
      await expect(table.committedSequence('a')).rejects.toMatchObject(other);
    });
  });

  test('two openers make one table', async () => {
    const tables = await Promise.all(Array.from({ length: 4 }, () => openTable()));
    await Promise.all(tables.map((table, i) => table.commit([batch(`e${i}`, 1)], fill)));
    const log = new DeltaLog(store, flowTableRoot('demo'));
    await log.refresh();
    expect(log.version).toBe(4);
    expect(log.txns.size).toBe(4);
  });

  test('three replicas that find one vanished node record it once, and what it brings later still commits', async () => {
    const epoch = '11111111-1111-1111-1111-111111111111.22222222-2222-2222-2222-222222222222';
    let nowMs = NOW_MS;
    const tables = await Promise.all([1, 2, 3].map(() => openTable(store, () => nowMs)));
    const announced = { kind: 'announced', epoch, node: 'node-a', sequence: 5 } as const;
    await tables[0]!.commit([batch(epoch, 1)], fill, [announced]);
    const rule = { silentMs: 1000, isAlive: () => false };
    const record = async (table: FlowTable) =>
      (
        await table.recordVanished(rule, ({ node, committedSequence, knownSequence }, rows) =>
          rows.append(flowRow({ node, pod: `lost ${committedSequence} to ${knownSequence}` })),
        )
      ).length;
    expect(await record(tables[1]!)).toBe(0);
    nowMs += 1000;
    const recorded = await Promise.all(tables.map(record));
    expect(recorded.sort()).toEqual([0, 0, 1]);
    await Promise.all([
      tables[1]!.commit([batch(epoch, 2)], fill),
      tables[2]!.commit([batch(epoch, 2), batch(epoch, 3)], fill),
    ]);
    nowMs += 1000;
    expect((await Promise.all(tables.map(record))).reduce((sum, count) => sum + count)).toBe(0);
    expect(await rowsByPod()).toEqual(
      new Map([['lost 1 to 5', 1], ...[1, 2, 3].map((n): [string, number] => [`${epoch}${n}`, 2])]),
    );
  });

  test('a note is written once, with a commit or alone', async () => {
    const table = await openTable();
    const note = { kind: 'ended', epoch: 'a', sequence: 1 } as const;
    expect((await table.commit([], fill, [note])).version).toBe(1);
    expect((await table.commit([], fill, [note])).version).toBeUndefined();
    expect((await table.commit([batch('a', 1)], fill, [note])).version).toBe(2);
    expect((await logLines(2)).flatMap(({ txn }) => txn?.['appId'] ?? [])).toEqual(['a']);
  });

  test('agents that say Hello together read the log once, and none hears what was true before its question', async () => {
    const other = await openTable();
    const scripted = new ScriptedStore(store);
    const table = await openTable(scripted);
    const before = scripted.lists;
    const first = [1, 2, 3].map(() => table.committedSequence('a'));
    expect(await Promise.all(first)).toEqual([0, 0, 0]);
    expect(scripted.lists).toBe(before + 1);
    // One reading runs, and sees the log before this commit; who asks meanwhile waits for the next one.
    let open = () => {};
    scripted.beforeNextList = new Promise((resolve) => {
      open = resolve;
    });
    const early = table.committedSequence('a');
    await new Promise((resolve) => setImmediate(resolve));
    const late = [1, 2, 3].map(() => table.committedSequence('a'));
    await other.commit([batch('a', 1)], fill);
    open();
    await early;
    expect(await Promise.all(late)).toEqual([1, 1, 1]);
    expect(scripted.lists).toBe(before + 3);
  });

  test('two writers that are given overlapping batches at once: each batch once, whatever the interleaving', async () => {
    const epochs = ['a', 'b', 'c'];
    const call = fc.array(fc.record({ epoch: fc.nat({ max: 2 }), ahead: fc.nat({ max: 2 }) }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 4, maxLength: 8 }), async (calls) => {
        await rm(join(root, 'demo'), { recursive: true, force: true });
        const tables = await Promise.all([openTable(), openTable()]);
        const acknowledged = new Map<string, number>();
        const sendAll = async (table: FlowTable) => {
          for (const wanted of calls) {
            const batches = wanted.map(({ epoch, ahead }) => {
              const name = epochs[epoch]!;
              return batch(name, (acknowledged.get(name) ?? 0) + 1 + ahead);
            });
            const { committed } = await table.commit(batches, fill);
            for (const [epoch, sequence] of committed) {
              acknowledged.set(epoch, Math.max(sequence, acknowledged.get(epoch) ?? 0));
            }
          }
        };
        await Promise.all(tables.map(sendAll));
        const expected = new Map<string, number>();
        for (const [epoch, sequence] of acknowledged) {
          for (let i = 1; i <= sequence; i++) {
            expected.set(`${epoch}${i}`, 2);
          }
        }
        const found = await rowsByPod();
        expect([...found].sort()).toEqual([...expected].sort());
        await Promise.all(open.splice(0).map((table) => table.close()));
      }),
      { numRuns: 12 },
    );
  });
});

/** A store that does as it is told: something first, or an error instead of the answer. */
class ScriptedStore implements ObjectStore {
  readonly #store: DirectoryStore;
  beforeNextPutIfAbsent: (() => Promise<void>) | undefined;
  failBeforeNextPutIfAbsent = 0;
  failAfterNextPutIfAbsent = 0;
  beforeNextList: Promise<void> | undefined;
  lists = 0;

  constructor(inner: DirectoryStore) {
    this.#store = inner;
  }

  async putIfAbsent(...args: Parameters<ObjectStore['putIfAbsent']>): Promise<PutIfAbsentResult> {
    const first = this.beforeNextPutIfAbsent;
    this.beforeNextPutIfAbsent = undefined;
    await first?.();
    if (this.failBeforeNextPutIfAbsent > 0) {
      this.failBeforeNextPutIfAbsent--;
      throw new FlowtollError('STORE_UNAVAILABLE', 'cut before');
    }
    const result = await this.#store.putIfAbsent(...args);
    if (this.failAfterNextPutIfAbsent > 0) {
      this.failAfterNextPutIfAbsent--;
      throw new FlowtollError('STORE_UNAVAILABLE', 'cut after');
    }
    return result;
  }

  get scratchDirectory() {
    return this.#store.scratchDirectory;
  }
  get(key: string) {
    return this.#store.get(key);
  }
  async *list(prefix: string, startAfter?: string) {
    this.lists++;
    await this.beforeNextList;
    yield* this.#store.list(prefix, startAfter);
  }
  listFolders(prefix: string) {
    return this.#store.listFolders(prefix);
  }
  put(...args: Parameters<ObjectStore['put']>) {
    return this.#store.put(...args);
  }
  delete(key: string) {
    return this.#store.delete(key);
  }
  describe() {
    return this.#store.describe();
  }
}
