// Checkpoints and a shortened log. Oracle: the log's JSON, replayed whole before anything is removed.
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DirectoryStore, openDirectoryStore } from '../store/directory-store.ts';
import type { ObjectStore } from '../store/store.ts';
import type { Commit } from './delta-actions.ts';
import { DeltaLog } from './delta-log.ts';
import { flowRow } from './flow-row.testing.ts';
import { openFlowTable } from './flow-table.ts';
import { checkpointLog, cleanLog } from './log-upkeep.ts';
import { PROTOCOL } from './protocol.ts';

const ROOT = 'demo/flows';
const DAY_MS = 86_400_000;
const BEGIN_MS = 1_800_000_000_000;
const RULES = { checkpointBytes: 1, checkpointEntries: 1, txnRetentionMs: 30 * DAY_MS, removeRetentionMs: 7 * DAY_MS };

let directory: string;
let store: DirectoryStore;
let nowMs: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-log-'));
  store = await openDirectoryStore(directory);
  nowMs = BEGIN_MS;
});
afterEach(() => rm(directory, { recursive: true }));

const clock = () => nowMs;
const newLog = (from: ObjectStore = store) => new DeltaLog(from, ROOT, clock);

async function openLog(from: ObjectStore = store): Promise<DeltaLog> {
  const log = newLog(from);
  await log.refresh();
  return log;
}

const state = ({ version, protocol, metaData, txns, files }: DeltaLog) => ({
  version,
  protocol,
  metaData,
  txns: [...txns.values()].sort((a, b) => (a.appId < b.appId ? -1 : 1)),
  files: [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
});

let commits = 0;
async function append(log: DeltaLog, commit: Partial<Commit>): Promise<void> {
  const commitInfo = { commitId: `c${commits++}`, timestamp: nowMs };
  expect(await log.append({ txns: [], adds: [], removes: [], ...commit, commitInfo })).toBe(true);
}

const create = (log: DeltaLog) =>
  append(log, {
    protocol: PROTOCOL,
    metaData: {
      id: 'the-table',
      format: { provider: 'parquet', options: {} },
      schemaString: '{"type":"struct","fields":[]}',
      partitionColumns: ['date'],
      configuration: { 'delta.a': 'b' },
      createdTime: nowMs,
    },
  });

const add = (name: string) => ({
  path: `date=2026-01-31/${name}.parquet`,
  partitionValues: { date: '2026-01-31' },
  size: 100,
  modificationTime: BEGIN_MS,
  dataChange: true,
  stats: JSON.stringify({ numRecords: 3, minValues: { pod: name } }),
});
const remove = (name: string) => ({ path: add(name).path, dataChange: false, deletionTimestamp: nowMs });
const txn = (appId: string, version: number) => ({ appId, version, lastUpdated: nowMs });

const logFiles = async () => (await readdir(join(directory, ROOT, '_delta_log'))).sort();
const logFile = (name: string) => join(directory, ROOT, '_delta_log', name);
const entryName = (version: number) => `${String(version).padStart(20, '0')}.json`;

describe('checkpoints', () => {
  test('a replica that starts from one knows what a whole replay knows, whatever was committed', async () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('commit' as const),
        app: fc.integer({ min: 0, max: 4 }),
        name: fc.integer({ min: 0, max: 9 }),
      }),
      fc.record({ do: fc.constant('remove' as const), name: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ do: fc.constant('checkpoint' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
        await rm(join(directory, ROOT), { recursive: true, force: true });
        const log = await openLog();
        await create(log);
        let count = 0;
        for (const one of steps) {
          if (one.do === 'commit') {
            await append(log, { txns: [txn(`app-${one.app}`, ++count)], adds: [add(`${one.name}-${count}`)] });
          } else if (one.do === 'remove') {
            const [path] = [...log.files.keys()].filter((name) => name.includes(`/${one.name}-`));
            if (path !== undefined) {
              await append(log, { removes: [{ path, dataChange: false, deletionTimestamp: nowMs }] });
            }
          } else await checkpointLog(store, log, RULES, nowMs);
        }
        const replayed = newLog({
          ...storeOf(store),
          get: async (key) => (key.endsWith('json') ? store.get(key) : undefined),
        });
        await replayed.refresh();
        expect(state(await openLog())).toEqual(state(replayed));
        expect(state(log)).toEqual(state(replayed));
      }),
      { numRuns: 12 },
    );
  }, 60_000);

  test('statistics are kept in the file, though not in memory', async () => {
    const log = await openLog();
    await create(log);
    await append(log, { adds: [add('a')] });
    await checkpointLog(store, log, RULES, nowMs);
    await append(log, { adds: [add('b')] });
    await checkpointLog(store, log, RULES, nowMs);
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const connection = await (await DuckDBInstance.create()).connect();
    const rows = await connection.runAndReadAll(
      `SELECT "add".path, "add".stats, "add".partitionValues['date'] FROM '${logFile('00000000000000000002.checkpoint.parquet')}'
       WHERE "add" IS NOT NULL ORDER BY 1`,
    );
    expect(rows.getRows()).toEqual(['a', 'b'].map((name) => [add(name).path, add(name).stats, '2026-01-31']));
    expect(JSON.parse(await readFile(logFile('_last_checkpoint'), 'utf8'))).toEqual({
      version: 2,
      size: 4,
      numOfAddFiles: 2,
    });
  });

  test('transactions and removals are forgotten when they are old', async () => {
    const log = await openLog();
    await create(log);
    await append(log, { txns: [txn('quiet', 7)], adds: [add('a')] });
    await append(log, { removes: [remove('a')] });
    nowMs += 31 * DAY_MS;
    await append(log, { txns: [txn('busy', 1)] });
    await checkpointLog(store, log, RULES, nowMs);
    expect([...log.txns.keys()]).toEqual(['busy']);
    const again = await openLog();
    expect([...again.txns.keys()]).toEqual(['busy']);
    expect(again.files.size).toBe(0);
  });

  describe('removals of which the action does not say when', () => {
    const untimed = ({ path, dataChange }: { path: string; dataChange: boolean }) => ({ path, dataChange });
    const isKnown = async () => {
      const log = await openLog();
      return { here: log, removedMs: log.removed.get(add('a').path) };
    };

    test('are as old as their entry, in every checkpoint that follows', async () => {
      const log = await openLog();
      await create(log);
      await append(log, { adds: [add('a')] });
      nowMs += 60 * DAY_MS;
      await append(log, { removes: [untimed(remove('a'))] });
      const removedMs = nowMs;
      nowMs += 3 * DAY_MS;
      expect((await isKnown()).removedMs).toBe(removedMs);
      for (let i = 0; i < 2; i++) {
        await append(log, {});
        expect(await checkpointLog(store, log, RULES, nowMs)).toBe(true);
        expect((await isKnown()).removedMs).toBe(removedMs);
      }
      nowMs += 5 * DAY_MS;
      await append(log, {});
      await checkpointLog(store, log, RULES, nowMs);
      expect((await isKnown()).removedMs).toBeUndefined();
    });

    test('are new where the entry does not say either', async () => {
      const log = await openLog();
      await create(log);
      await append(log, { adds: [add('a')] });
      await writeFile(logFile(entryName(2)), JSON.stringify({ remove: untimed(remove('a')) }));
      await log.refresh();
      nowMs += 60 * DAY_MS;
      expect((await isKnown()).removedMs).toBe(nowMs);
      await append(log, {});
      const checkpointMs = nowMs;
      await checkpointLog(store, log, RULES, nowMs);
      nowMs += DAY_MS;
      expect((await isKnown()).removedMs).toBe(checkpointMs);
    });

    test('in a checkpoint of somebody else are new, too', async () => {
      const log = await openLog();
      await create(log);
      await append(log, { adds: [add('a')] });
      await append(log, { removes: [remove('a')] });
      await checkpointLog(store, log, RULES, nowMs);
      const { DuckDBInstance } = await import('@duckdb/node-api');
      const connection = await (await DuckDBInstance.create()).connect();
      const file = logFile('00000000000000000002.checkpoint.parquet');
      await connection.run(
        `COPY (SELECT * REPLACE (CASE WHEN remove IS NOT NULL THEN struct_pack(path := remove.path, deletionTimestamp := NULL::BIGINT, dataChange := false, extendedFileMetadata := NULL::BOOLEAN, partitionValues := NULL::MAP(VARCHAR, VARCHAR), size := NULL::BIGINT) END
           AS remove) FROM '${file}') TO '${file}.new' (FORMAT parquet)`,
      );
      await rename(`${file}.new`, file);
      nowMs += 60 * DAY_MS;
      const { here, removedMs } = await isKnown();
      expect(removedMs).toBe(nowMs);
      await append(here, {});
      const checkpointMs = nowMs;
      await checkpointLog(store, here, RULES, nowMs);
      nowMs += DAY_MS;
      expect((await isKnown()).removedMs).toBe(checkpointMs);
    });
  });

  test('the one that another replica wrote is taken for ours', async () => {
    const log = await openLog();
    await create(log);
    const other = await openLog();
    expect(await checkpointLog(store, other, RULES, nowMs)).toBe(true);
    await append(log, { adds: [add('a')] });
    expect(await checkpointLog(store, log, RULES, nowMs)).toBe(false);
    expect(log.checkpointVersion).toBe(0);
    expect(await checkpointLog(store, log, RULES, nowMs)).toBe(true);
    expect(log.checkpointVersion).toBe(1);
  });

  test('a hint that is cut, or at a checkpoint that is gone, is only a hint', async () => {
    const log = await openLog();
    await create(log);
    await append(log, { adds: [add('a')] });
    for (const hint of ['{"version":', '{"version":77}', '[]']) {
      await writeFile(logFile('_last_checkpoint'), hint);
      expect(state(await openLog())).toEqual(state(log));
    }
  });

  test('a hint at a checkpoint that is gone keeps nobody from writing one', async () => {
    const log = await openLog();
    await create(log);
    await append(log, { adds: [add('a')] });
    await writeFile(logFile('_last_checkpoint'), '{"version":77}');
    expect(await checkpointLog(store, log, RULES, nowMs)).toBe(true);
    expect(JSON.parse(await readFile(logFile('_last_checkpoint'), 'utf8'))).toMatchObject({ version: 1 });
    expect(state(await openLog())).toEqual(state(log));
  });

  test('a replica whose checkpoints others write forgets what is old all the same', async () => {
    const log = await openLog();
    await create(log);
    await append(log, { txns: [txn('quiet', 7)], adds: [add('a')] });
    await append(log, { removes: [remove('a')] });
    nowMs += 31 * DAY_MS;
    const other = await openLog();
    expect(await checkpointLog(store, other, RULES, nowMs)).toBe(true);
    await append(log, { txns: [txn('busy', 1)] });
    expect(await checkpointLog(store, log, RULES, nowMs)).toBe(false);
    expect([...log.txns.keys()]).toEqual(['busy']);
    expect(log.removed.size).toBe(0);
  });

  test('a damaged one is an error that names it', async () => {
    const log = await openLog();
    await create(log);
    await checkpointLog(store, log, RULES, nowMs);
    await writeFile(logFile('00000000000000000000.checkpoint.parquet'), 'PAR1 and then nothing');
    await expect(openLog()).rejects.toMatchObject({
      code: 'TABLE_INVALID',
      message: expect.stringMatching(/0000\.checkpoint\.parquet cannot be read.*remove it and _last_checkpoint/s),
    });
  });

  test('none is written of a newer protocol: it would take the features away', async () => {
    const log = await openLog();
    await create(log);
    const newer = { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['rowTracking'] };
    await append(log, { protocol: newer });
    await expect(checkpointLog(store, log, RULES, nowMs)).rejects.toMatchObject({
      code: 'TABLE_INVALID',
      message: expect.stringMatching(/1\/7 with the features rowTracking;/),
    });
    expect(await logFiles()).toEqual([entryName(0), entryName(1)]);
  });

  test('features of a newer protocol are read from the checkpoint of its writer', async () => {
    const log = await openLog();
    await create(log);
    await append(log, {});
    await checkpointLog(store, log, RULES, nowMs);
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const connection = await (await DuckDBInstance.create()).connect();
    const file = logFile('00000000000000000001.checkpoint.parquet');
    await connection.run(
      `COPY (SELECT * REPLACE (CASE WHEN protocol IS NOT NULL THEN struct_pack(minReaderVersion := 3, minWriterVersion := 7,
         readerFeatures := ['v2Checkpoint'], writerFeatures := ['v2Checkpoint', 'rowTracking']) END AS protocol)
       FROM '${file}') TO '${file}.new' (FORMAT parquet)`,
    );
    await rename(`${file}.new`, file);
    const again = await openLog();
    expect(() => again.requireReadable()).toThrow(/3\/7 with the features rowTracking, v2Checkpoint;/);
  });

  test('the table writes them by bytes and by number, beside its commits', async () => {
    const tried: unknown[] = [];
    const table = await openFlowTable(store, {
      cluster: 'demo',
      clock,
      checkpointEntries: 3,
      onCheckpoint: (problem) => tried.push(problem),
    });
    // While one is written others commit, as many as may be.
    let sequence = 0;
    while (tried.length < 2 && sequence < 1000) {
      const batch = { epoch: 'a', sequence: ++sequence };
      await table.commit([batch], (_, rows) => rows.append(flowRow({ pod: `p${sequence}` })));
    }
    await table.close();
    expect(tried.slice(0, 2)).toEqual([undefined, undefined]);
    expect(sequence).toBeGreaterThanOrEqual(5);
    expect((await logFiles()).filter((name) => name.endsWith('.parquet'))).toHaveLength(tried.length);
    const again = await openFlowTable(store, { cluster: 'demo', clock });
    expect(await again.committedSequence('a')).toBe(sequence);
    await again.close();
  });

  test('a failure is reported and keeps nobody from committing', async () => {
    const tried: unknown[] = [];
    const sick: ObjectStore = {
      ...storeOf(store),
      put: async (key, content) => {
        if (key.includes('checkpoint')) throw new Error('no checkpoints today');
        await store.put(key, content);
      },
    };
    const table = await openFlowTable(sick, {
      cluster: 'demo',
      clock,
      checkpointEntries: 1,
      onCheckpoint: (p) => tried.push(p),
    });
    await table.commit([{ epoch: 'a', sequence: 1 }], (_, rows) => rows.append(flowRow({})));
    expect(await table.committedSequence('a')).toBe(1);
    await table.close();
    expect(tried).toMatchObject([{ message: 'no checkpoints today' }]);
  });
});

describe('cleaning', () => {
  /** Twenty days, a commit a day, a checkpoint every third. */
  async function history(): Promise<DeltaLog> {
    const log = await openLog();
    await create(log);
    for (let day = 1; day <= 20; day++) {
      nowMs += DAY_MS;
      await append(log, { txns: [txn('a', day)], adds: [add(`day-${day}`)] });
      if (day % 3 === 0) await checkpointLog(store, log, RULES, nowMs);
    }
    return log;
  }

  test('removes what a checkpoint as old as the retention made superfluous, and nothing else', async () => {
    const log = await history();
    const options = { nowMs, retentionMs: 7 * DAY_MS };
    const before = await logFiles();
    expect(await cleanLog(store, ROOT, { ...options, dryRun: true })).toBe(15);
    expect(await logFiles()).toEqual(before);
    expect(await cleanLog(store, ROOT, options)).toBe(15);
    // Day 12's checkpoint is the newest that is seven days old; its entry stays, too.
    expect((await logFiles())[0]).toBe('00000000000000000012.checkpoint.parquet');
    expect(existsSync(logFile(entryName(12)))).toBe(true);
    expect(existsSync(logFile(entryName(11)))).toBe(false);
    expect(state(await openLog())).toEqual(state(log));
    expect(await cleanLog(store, ROOT, options)).toBe(0);
    // Without the hint, too.
    await rm(logFile('_last_checkpoint'));
    expect(state(await openLog())).toEqual(state(log));
  });

  test('finds the checkpoint that is old enough with few requests, also where entries do not say when', async () => {
    const history = fc.record({
      /** By entry: days since the one before, and whether it says when. */
      entries: fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.boolean()), { minLength: 1, maxLength: 200 }),
      ageDays: fc.integer({ min: 0, max: 200 }),
    });
    await fc.assert(
      fc.asyncProperty(history, async ({ entries, ageDays }) => {
        const objects = new Map<string, Uint8Array>();
        const times: (number | undefined)[] = [];
        let timeMs = BEGIN_MS;
        for (const [version, [days, says]] of entries.entries()) {
          timeMs += days * DAY_MS;
          times.push(says ? timeMs : undefined);
          const info = { commitInfo: says ? { timestamp: timeMs } : {} };
          objects.set(`${ROOT}/_delta_log/${entryName(version)}`, Buffer.from(JSON.stringify(info)));
          objects.set(`${ROOT}/_delta_log/${entryName(version).replace('.json', '.checkpoint.parquet')}`, Buffer.of(0));
        }
        const read: string[] = [];
        const bucket: ObjectStore = {
          ...storeOf(store),
          get: async (key) => {
            read.push(key);
            return objects.get(key);
          },
          list: async function* () {
            yield* [...objects.keys()].sort();
          },
          delete: async (key) => {
            objects.delete(key);
          },
        };
        const beforeMs = timeMs - ageDays * DAY_MS;
        const keep = times.findLastIndex((time) => time !== undefined && time <= beforeMs);
        const removed = await cleanLog(bucket, ROOT, { nowMs: timeMs, retentionMs: ageDays * DAY_MS });
        expect(removed).toBe(2 * Math.max(0, keep));
        // Beyond halving only for entries that say nothing.
        expect(read.length).toBeLessThanOrEqual(
          Math.ceil(Math.log2(entries.length + 1)) + times.filter((time) => time === undefined).length,
        );
      }),
      { numRuns: 200 },
    );
  });

  test('a log whose beginning is gone, and that has no checkpoint, is damaged', async () => {
    const log = await openLog();
    await create(log);
    await append(log, {});
    await rm(logFile(entryName(0)));
    await expect(openLog()).rejects.toMatchObject({
      code: 'TABLE_INVALID',
      message: expect.stringMatching(/version 0/),
    });
  });

  test('a replica that slept meanwhile goes on from a checkpoint', async () => {
    const sleeper = newLog();
    const log = await openLog();
    await create(log);
    await sleeper.refresh();
    for (let day = 1; day <= 20; day++) {
      nowMs += DAY_MS;
      await append(log, { txns: [txn('a', day)], adds: [add(`day-${day}`)] });
    }
    await checkpointLog(store, log, RULES, nowMs);
    nowMs += 8 * DAY_MS;
    await append(log, { txns: [txn('a', 21)] });
    await cleanLog(store, ROOT, { nowMs, retentionMs: 7 * DAY_MS });
    await sleeper.refresh();
    expect(state(sleeper)).toEqual(state(log));
  });

  test('a replica that reads the log while it is cleaned up goes on where the log begins then', async () => {
    const whole = await history();
    // Whoever wrote the checkpoints died before the hint.
    await rm(logFile('_last_checkpoint'));
    let removed = 0;
    const cleaned: ObjectStore = {
      ...storeOf(store),
      get: async (key) => {
        if (key.endsWith(entryName(9))) removed += await cleanLog(store, ROOT, { nowMs, retentionMs: 7 * DAY_MS });
        return store.get(key);
      },
    };
    expect(state(await openLog(cleaned))).toEqual(state(whole));
    expect(removed).toBe(15);
  });

  test('an entry that is listed and is never there is an error that names it', async () => {
    await history();
    await rm(logFile('_last_checkpoint'));
    const lacking: ObjectStore = {
      ...storeOf(store),
      get: async (key) => (key.endsWith(entryName(9)) ? undefined : store.get(key)),
    };
    await expect(openLog(lacking)).rejects.toMatchObject({
      code: 'TABLE_INVALID',
      message: expect.stringMatching(/0009\.json vanished/),
    });
  });

  test('an entry put where entries were removed is taken back: its writer slept for days', async () => {
    const sleeper = newLog();
    const log = await openLog();
    await create(log);
    await append(log, { txns: [txn('a', 1)] });
    await sleeper.refresh();
    for (let day = 2; day <= 20; day++) {
      nowMs += DAY_MS;
      await append(log, { txns: [txn('a', day)] });
    }
    await checkpointLog(store, log, RULES, nowMs);
    nowMs += 8 * DAY_MS;
    await append(log, { txns: [txn('a', 21)] });
    await cleanLog(store, ROOT, { nowMs, retentionMs: 7 * DAY_MS });
    const late = { commitInfo: { commitId: 'late' }, txns: [txn('b', 1)], adds: [add('late')], removes: [] };
    expect(await sleeper.append(late)).toBe(false);
    expect(existsSync(logFile(entryName(2)))).toBe(false);
    await sleeper.refresh();
    expect(await sleeper.append(late)).toBe(true);
    expect((await openLog()).txns.get('b')?.version).toBe(1);
  });

  test('a log without checkpoints stays whole', async () => {
    const log = await openLog();
    await create(log);
    nowMs += 30 * DAY_MS;
    await append(log, {});
    expect(await cleanLog(store, ROOT, { nowMs, retentionMs: 0 })).toBe(0);
  });
});

/** The store's methods, to be replaced one by one; objects are no files here, as in a bucket. */
function storeOf(inner: DirectoryStore): ObjectStore {
  return {
    get: (key) => inner.get(key),
    list: (prefix, startAfter) => inner.list(prefix, startAfter),
    listFolders: (prefix) => inner.listFolders(prefix),
    put: (key, content) => inner.put(key, content),
    putIfAbsent: (key, content) => inner.putIfAbsent(key, content),
    delete: (key) => inner.delete(key),
    scratchDirectory: inner.scratchDirectory,
    describe: () => inner.describe(),
  };
}
