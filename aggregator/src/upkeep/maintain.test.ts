// Upkeep of real tables in a directory: what was written is in the table once before, during and after. Oracle: the rows that
// the test wrote, summed here.
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FlowtollError } from '../model/errors.ts';
import type { FlowRow } from '../model/flow-row.ts';
import { type DirectoryStore, openDirectoryStore } from '../store/directory-store.ts';
import type { ObjectStore } from '../store/store.ts';
import { COST_COLUMNS } from '../table/columns.ts';
import { DeltaLog } from '../table/delta-log.ts';
import { arbitraryFlowRow, expectedCells, flowRow, readParquet, unordered } from '../table/flow-row.testing.ts';
import { flowTableRoot, openFlowTable } from '../table/flow-table.ts';
import { CHECKPOINT_ENTRIES } from '../table/log-upkeep.ts';
import { commitInfo } from '../table/open-log.ts';
import { type MaintainOptions, type MaintainStep, maintain } from './maintain.ts';
import { costTableRoot } from './roll-up.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 2026-01-31T22:30:00Z. */
const BEGIN_MS = Date.UTC(2026, 0, 31, 22, 30);
const FLOWS = flowTableRoot('demo');
const COSTS = costTableRoot(FLOWS);

let directory: string;
let store: DirectoryStore;
let nowMs: number;
let sequence: number;
let written: FlowRow[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-upkeep-'));
  store = await openDirectoryStore(directory);
  nowMs = BEGIN_MS;
  sequence = 0;
  written = [];
});
afterEach(() => rm(directory, { recursive: true }));

const clock = () => nowMs;

/** A round of which a step met a store that failed. */
const INCOMPLETE = { code: 'UPKEEP_INCOMPLETE', cause: { code: 'STORE_UNAVAILABLE' } };

/** One commit with these rows. */
async function commit(rows: readonly FlowRow[]): Promise<void> {
  const table = await openFlowTable(store, { cluster: 'demo', clock });
  await table.commit([{ epoch: 'a', sequence: ++sequence }], (_, buffer) => {
    for (const row of rows) buffer.append(row);
  });
  await table.close();
  written.push(...rows);
}

/** A row of a minute ago, of one of a few workloads. */
function rowNow(values: Partial<FlowRow> = {}): FlowRow {
  return flowRow({
    windowStartUs: (nowMs - 60_000) * 1000,
    windowEndUs: nowMs * 1000,
    workload: `w${sequence % 3}`,
    pod: `pod-${sequence}`,
    txBytes: 1000 + sequence,
    rxBytes: null,
    txCost: 5n,
    ...values,
  });
}

async function round(options: Partial<MaintainOptions> = {}, on: ObjectStore = store): Promise<string[]> {
  const steps: MaintainStep[] = [];
  await maintain(on, {
    cluster: 'demo',
    clock,
    keepFlowsMs: 30 * DAY_MS,
    keepCostsMs: 400 * DAY_MS,
    onStep: (step) => steps.push(step),
    ...options,
  });
  return steps.map(({ table, step, count, what }) => `${table} ${step} ${count} ${what}`);
}

/** What failed in a round, and the round's own error. */
async function failedRound(
  options: Partial<MaintainOptions> = {},
  on: ObjectStore = store,
): Promise<{ failures: string[]; steps: string[]; error: unknown }> {
  const failures: string[] = [];
  const steps: string[] = [];
  const error = await round(
    {
      onFailure: ({ table, step, of }) => failures.push(`${table} ${step}${of === undefined ? '' : ` of ${of}`}`),
      onStep: ({ table, step, count, what }) => steps.push(`${table} ${step} ${count} ${what}`),
      ...options,
    },
    on,
  ).catch((reason: unknown) => reason);
  return { failures, steps, error };
}

async function openLog(root: string): Promise<DeltaLog> {
  const log = new DeltaLog(store, root, clock);
  await log.refresh();
  return log;
}

async function rowsOf(root: string): Promise<Record<string, unknown>[]> {
  const log = await openLog(root);
  return log.files.size === 0 ? [] : readParquet([...log.files.keys()].map((path) => join(directory, root, path)));
}

/** Every Parquet file below a root, whatever the log says. */
async function glob(root: string): Promise<Record<string, unknown>[]> {
  const files = (await readdir(join(directory, root), { recursive: true })).filter(
    (name) => name.endsWith('.parquet') && !name.startsWith('_'),
  );
  return files.length === 0 ? [] : readParquet(files.map((name) => join(directory, root, name)));
}

const SUMMED = ['tx_bytes', 'tx_packets', 'rx_bytes', 'rx_packets', 'connections', 'lost_bytes_max'];
const COSTS_SUMMED = ['tx_cost', 'rx_cost', 'processing_cost'];
const KEYS = COST_COLUMNS.map(({ name }) => name).filter((name) => ![...SUMMED, ...COSTS_SUMMED].includes(name));

const pico = (text: string): bigint => BigInt(text.replace('.', ''));

/** Sums of rows by all names and by the hour; null where nothing is known, apart from what is. */
function sums(rows: readonly Record<string, unknown>[]): Map<string, Record<string, string | null>> {
  const groups = new Map<string, Record<string, bigint | null>>();
  for (const row of rows) {
    const hourUs = Math.floor(Number(row['window_start']) / (HOUR_MS * 1000)) * HOUR_MS * 1000;
    const keys = KEYS.map((name) =>
      name === 'window_start' ? hourUs : name === 'window_end' ? hourUs + HOUR_MS * 1000 : (row[name] ?? null),
    );
    const unknown = [...SUMMED, ...COSTS_SUMMED].map((name) => row[name] === null);
    const id = JSON.stringify([keys, unknown]);
    const group = groups.get(id) ?? {};
    groups.set(id, group);
    for (const name of [...SUMMED, ...COSTS_SUMMED]) {
      const value = row[name];
      group[name] =
        value === null
          ? null
          : (group[name] ?? 0n) + (COSTS_SUMMED.includes(name) ? pico(String(value)) : BigInt(String(value)));
    }
  }
  return new Map(
    [...groups]
      .map(([id, group]): [string, Record<string, string | null>] => [
        id,
        Object.fromEntries(Object.entries(group).map(([name, value]) => [name, value === null ? null : String(value)])),
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** A store that can be told to fail. */
function failing(when: (method: 'put' | 'putIfAbsent', key: string) => boolean): ObjectStore {
  const check = (method: 'put' | 'putIfAbsent', key: string): void => {
    if (when(method, key)) throw new FlowtollError('STORE_UNAVAILABLE', `no ${method} of ${key} today`);
  };
  return {
    get: (key) => store.get(key),
    list: (prefix, startAfter) => store.list(prefix, startAfter),
    listFolders: (prefix) => store.listFolders(prefix),
    put: async (key, content) => {
      check('put', key);
      await store.put(key, content);
    },
    putIfAbsent: async (key, content) => {
      check('putIfAbsent', key);
      return store.putIfAbsent(key, content);
    },
    delete: (key) => store.delete(key),
    scratchDirectory: store.scratchDirectory,
    describe: () => store.describe(),
  };
}

describe('roll-up', () => {
  test('takes an hour when a later commit shows that it is over, and adds what comes late', async () => {
    await commit([rowNow(), rowNow({ pod: 'another' })]);
    expect(await round()).toEqual([]);
    nowMs += HOUR_MS;
    const late = rowNow({
      windowStartUs: (BEGIN_MS - 5 * DAY_MS) * 1000,
      windowEndUs: (BEGIN_MS - 5 * DAY_MS) * 1000 + 1,
    });
    await commit([rowNow(), late]);
    // Version 0 made the table, version 1 is the hour that is over.
    expect(await round()).toEqual(['costs_hourly roll-up 2 versions']);
    expect(sums(await rowsOf(COSTS))).toEqual(sums(written.slice(0, 2).map(expectedCells)));
    expect(await rowsOf(COSTS)).toHaveLength(1);
    nowMs += HOUR_MS;
    await commit([rowNow()]);
    // The two files of the day before, which is over, became one.
    expect(await round()).toEqual(['costs_hourly roll-up 1 versions', 'flows compact 2 files']);
    expect(sums(await rowsOf(COSTS))).toEqual(sums(written.slice(0, 4).map(expectedCells)));
    expect(unordered(await glob(COSTS))).toEqual(unordered(await rowsOf(COSTS)));
    expect(await round()).toEqual([]);
  });

  test('one commit by a clock that is far ahead does not hold it up', async () => {
    await commit([rowNow()]);
    nowMs += 400 * DAY_MS;
    await commit([rowNow()]);
    nowMs -= 400 * DAY_MS;
    for (let hour = 0; hour < 2; hour++) {
      nowMs += HOUR_MS;
      await commit([rowNow()]);
    }
    await round();
    expect(sums(await rowsOf(COSTS))).toEqual(sums(written.slice(0, -1).map(expectedCells)));
  });

  test('for any rows, sums stay, and what is unknown stays unknown', async () => {
    const small = arbitraryFlowRow.map((row) => ({
      ...row,
      // Sums that fit; those that do not are unknown, as the pricer has it.
      txCost: row.txCost === null ? null : row.txCost / 1000n,
      rxCost: row.rxCost === null ? null : row.rxCost / 1000n,
      processingCost: row.processingCost === null ? null : row.processingCost / 1000n,
    }));
    await fc.assert(
      fc.asyncProperty(fc.array(small, { minLength: 1, maxLength: 60 }), async (rows) => {
        await rm(join(directory, 'demo'), { recursive: true, force: true });
        nowMs = BEGIN_MS;
        sequence = 0;
        await commit([...rows, ...rows.slice(0, 5).map((row) => ({ ...row, pod: 'twin', peerIp: null }))]);
        const expected = written.splice(0).map(expectedCells);
        nowMs += HOUR_MS;
        await commit([rowNow()]);
        written.length = 0;
        await round();
        expect(sums(await rowsOf(COSTS))).toEqual(sums(expected));
      }),
      { numRuns: 15 },
    );
  }, 60_000);

  test('two replicas at once, and one that died between file and log: once, in the log and by a glob', async () => {
    for (let hour = 0; hour < 4; hour++) {
      for (let i = 0; i < 3; i++) await commit([rowNow({ windowStartUs: (nowMs - i * 6 * HOUR_MS) * 1000 })]);
      nowMs += HOUR_MS;
    }
    await commit([rowNow()]);
    const expected = sums(written.slice(0, -1).map(expectedCells));
    // Its files are there, and its entry is not; once before the second file of a step, once after.
    let puts = 0;
    const dies = failing((method, key) => method === 'putIfAbsent' && key.includes('flows-') && ++puts === 2);
    await expect(round({}, dies)).rejects.toMatchObject(INCOMPLETE);
    const inLog = (await openLog(COSTS)).files.size;
    const diesLater = failing((_, key) => key.startsWith(`${COSTS}/_delta_log/`) && !key.endsWith('0000.json'));
    await expect(round({}, diesLater)).rejects.toMatchObject(INCOMPLETE);
    expect((await openLog(COSTS)).files.size).toBe(inLog);
    expect((await glob(COSTS)).length).toBeGreaterThan((await rowsOf(COSTS)).length);
    await Promise.all([round(), round(), round()]);
    expect(sums(await rowsOf(COSTS))).toEqual(expected);
    expect(unordered(await glob(COSTS))).toEqual(unordered(await rowsOf(COSTS)));
  });
});

describe('compaction', () => {
  /** Nine commits in an hour that is over. */
  async function nineFiles(): Promise<void> {
    for (let i = 0; i < 9; i++) {
      nowMs += 60_000;
      await commit([rowNow({ namespace: i % 2 === 0 ? 'b' : null }), rowNow({ namespace: 'a' })]);
    }
    nowMs += HOUR_MS;
    await commit([]);
  }

  test('the same rows, sorted, in fewer files', async () => {
    await nineFiles();
    expect(await round()).toEqual(['costs_hourly roll-up 10 versions', 'flows compact 9 files']);
    const rows = await rowsOf(FLOWS);
    expect(unordered(rows)).toEqual(unordered(written.map(expectedCells)));
    const order = rows.map((row) => String(row['namespace'] ?? ''));
    expect(order).toEqual(order.toSorted());
    expect((await openLog(FLOWS)).files.size).toBe(1);
    expect(await round()).toEqual([]);
  });

  test('leaves alone what is not rolled up', async () => {
    for (let i = 0; i < 9; i++) await commit([rowNow()]);
    expect(await round()).toEqual([]);
    expect((await openLog(FLOWS)).files.size).toBe(9);
  });

  test('one that slept for days before its entry throws its file away: a vacuum may have been faster', async () => {
    await nineFiles();
    const slept = interrupted(async () => {
      nowMs += 8 * DAY_MS;
      for (const name of await readdir(join(directory, FLOWS, 'date=2026-01-31'))) {
        // What a vacuum elsewhere does: nobody names the merged file, and it is a week old.
        const path = `date=2026-01-31/${name}`;
        if (!(await openLog(FLOWS)).files.has(path)) await store.delete(`${FLOWS}/${path}`);
      }
    });
    await round({}, slept);
    expect(unordered(await rowsOf(FLOWS))).toEqual(unordered(written.map(expectedCells)));
  });

  test('two at once do no harm, nor one that dies before its entry', async () => {
    await nineFiles();
    const dies = failing((_, key) => key.startsWith(`${FLOWS}/_delta_log/`));
    await expect(round({}, dies)).rejects.toMatchObject(INCOMPLETE);
    expect(unordered(await rowsOf(FLOWS))).toEqual(unordered(written.map(expectedCells)));
    await Promise.all([round(), round()]);
    expect(unordered(await rowsOf(FLOWS))).toEqual(unordered(written.map(expectedCells)));
    expect((await openLog(FLOWS)).files.size).toBe(1);
    expect(sums(await rowsOf(COSTS))).toEqual(sums(written.map(expectedCells)));
  });
});

/** The store, and something that happens once, when the first file of flows is put into it. */
function interrupted(happens: () => Promise<void>): ObjectStore {
  let has = false;
  return {
    ...failing(() => false),
    put: async (key, content) => {
      await store.put(key, content);
      if (has || !key.startsWith(`${FLOWS}/date=`)) return;
      has = true;
      await happens();
    },
  };
}

describe('age', () => {
  test('old days leave flows and stay in costs_hourly; their files go a week later', async () => {
    for (let day = 0; day < 3; day++) {
      await commit([rowNow()]);
      nowMs += DAY_MS;
    }
    await commit([rowNow()]);
    await round();
    nowMs = BEGIN_MS + 31 * DAY_MS;
    await commit([rowNow()]);
    expect(await round()).toEqual(['costs_hourly roll-up 1 versions', 'flows retention 1 files']);
    const all = written.map(expectedCells);
    expect(unordered(await rowsOf(FLOWS))).toEqual(unordered(all.slice(1)));
    expect(sums(await rowsOf(COSTS))).toEqual(sums(all.slice(0, 4)));
    const files = () => glob(FLOWS);
    expect(await files()).toHaveLength(5);
    nowMs += 7 * DAY_MS + 1;
    await commit([rowNow()]);
    expect(await round()).toContain('flows vacuum 1 files');
    expect(await files()).toHaveLength(5);
  });

  test('an old day stays that came while the round was under way: nobody has rolled it up', async () => {
    for (let i = 0; i < 9; i++) await commit([rowNow()]);
    nowMs += HOUR_MS;
    const oldUs = (nowMs - 40 * DAY_MS) * 1000;
    await commit([]);
    const late = interrupted(() => commit([rowNow({ windowStartUs: oldUs, windowEndUs: oldUs + 1 })]));
    expect(await round({}, late)).toContain('flows compact 9 files');
    expect(unordered(await rowsOf(FLOWS))).toEqual(unordered(written.map(expectedCells)));
  });

  test('files of costs_hourly go, too, when a checkpoint is due in the round in which they may', async () => {
    await commit([rowNow()]);
    nowMs += HOUR_MS;
    await commit([rowNow()]);
    await round();
    nowMs += 3 * DAY_MS;
    await commit([rowNow()]);
    expect(await round({ keepCostsMs: DAY_MS })).toContain('costs_hourly retention 2 files');
    const log = await openLog(COSTS);
    for (let i = 0; i < CHECKPOINT_ENTRIES; i++) {
      await log.append({ commitInfo: commitInfo(clock, 'WRITE'), txns: [], adds: [], removes: [] });
    }
    nowMs += 7 * DAY_MS + 1;
    const steps = await round();
    expect(steps).toContainEqual(expect.stringMatching(/^costs_hourly checkpoint/));
    expect(steps).toContain('costs_hourly vacuum 2 files');
    expect(unordered(await glob(COSTS))).toEqual(unordered(await rowsOf(COSTS)));
  });

  test('a dry run says the same and does nothing', async () => {
    for (let i = 0; i < 9; i++) await commit([rowNow()]);
    nowMs += HOUR_MS;
    await commit([rowNow()]);
    const before = await readdir(directory, { recursive: true });
    expect(await round({ dryRun: true })).toEqual(['costs_hourly roll-up 10 versions']);
    expect(await readdir(directory, { recursive: true })).toEqual(before);
  });

  test('a file that another writer removed without saying when goes a week later, and no earlier', async () => {
    await commit([rowNow()]);
    const log = await openLog(FLOWS);
    const [path] = [...log.files.keys()];
    nowMs += 60 * DAY_MS;
    await log.append({
      commitInfo: commitInfo(clock, 'DELETE'),
      txns: [],
      adds: [],
      removes: [{ path: path!, dataChange: true }],
    });
    nowMs += HOUR_MS;
    for (let i = 0; i < CHECKPOINT_ENTRIES; i++) await commit([]);
    await commit([rowNow()]);
    expect((await openLog(FLOWS)).checkpointVersion, 'the removal is in a checkpoint').toBeGreaterThan(log.version);
    await round();
    nowMs += 6 * DAY_MS;
    await commit([rowNow()]);
    await round();
    expect(existsSync(join(directory, FLOWS, path!))).toBe(true);
    nowMs += DAY_MS;
    await commit([rowNow()]);
    expect(await round()).toContain('flows vacuum 1 files');
    expect(existsSync(join(directory, FLOWS, path!))).toBe(false);
  });

  test('what a dead writer left goes after a week, what is not ours stays', async () => {
    await commit([rowNow()]);
    const [live] = [...(await openLog(FLOWS)).files.keys()];
    const orphan = join(directory, FLOWS, 'date=2026-01-31', '00000000-0000-7000-8000-000000000000.parquet');
    const foreign = join(directory, FLOWS, 'date=2026-01-31', 'notes.parquet');
    const { copyFile } = await import('node:fs/promises');
    for (const path of [orphan, foreign]) await copyFile(join(directory, FLOWS, live!), path);
    nowMs += HOUR_MS;
    await commit([]);
    expect(await round()).toContain('flows vacuum 1 files');
    expect([existsSync(orphan), existsSync(foreign)]).toEqual([false, true]);
  });
});

describe('a step that fails', () => {
  /** Three days that are over, each with files that can be merged. */
  async function threeDays(): Promise<void> {
    for (let day = 0; day < 3; day++) {
      for (let i = 0; i < 3; i++) await commit([rowNow({ pod: `pod-${i}` })]);
      nowMs += DAY_MS;
    }
    await commit([rowNow()]);
  }

  /** A round in which nothing but the roll-up is done. */
  async function rollUpAlone(): Promise<void> {
    let asked = 0;
    await round({ mayGoOn: () => ++asked <= 3 });
  }

  test('a merge whose input is damaged is told, and the other days are merged', async () => {
    await threeDays();
    const [first] = [...(await openLog(FLOWS)).files.keys()];
    const path = join(directory, FLOWS, first!);
    await rollUpAlone();
    await writeFile(path, 'not Parquet any more');
    const { failures, steps, error } = await failedRound();
    expect(failures).toEqual(['flows compact of 3 files of 2026-01-31']);
    expect(steps).toEqual(['flows compact 3 files', 'flows compact 3 files']);
    expect(error).toMatchObject({
      code: 'UPKEEP_INCOMPLETE',
      message: expect.stringMatching(
        /^upkeep of demo\/flows could not do everything; flows: compact of 3 files of 2026-01-31 \(.*magic bytes.*tried again/s,
      ),
    });
    // Nothing is kept back that does not need what failed: the day is still three files.
    expect((await openLog(FLOWS)).files.size).toBe(3 + 1 + 1 + 1);
  });

  test('a table that another program upgrades meanwhile is not touched any more', async () => {
    await threeDays();
    const upgrade = async (): Promise<void> => {
      const log = await openLog(FLOWS);
      const protocol = { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['rowTracking'] };
      await log.append({ commitInfo: commitInfo(clock, 'WRITE'), protocol, txns: [], adds: [], removes: [] });
    };
    let after: string[] = [];
    const { failures } = await failedRound(
      {},
      interrupted(async () => {
        await upgrade();
        after = await readdir(join(directory, FLOWS), { recursive: true });
      }),
    );
    expect(failures.filter((failure) => failure.startsWith('flows'))).toEqual([
      ...['flows compact of 3 files of 2026-01-31', 'flows compact of 3 files of 2026-02-01'],
      ...['flows compact of 3 files of 2026-02-02', 'flows retention', 'flows vacuum', 'flows log-clean-up'],
    ]);
    const left = await readdir(join(directory, FLOWS), { recursive: true });
    expect(after.filter((name) => !left.includes(name))).toEqual([]);
    expect(left.filter((name) => name.startsWith('_') && !after.includes(name))).toEqual([]);
    expect(await round().catch((error: unknown) => error)).toMatchObject({ code: 'TABLE_INVALID' });
  });

  test('a file that somebody vacuumed before it was rolled up is named, with what to do', async () => {
    await threeDays();
    const [first] = [...(await openLog(FLOWS)).files.keys()];
    await rm(join(directory, FLOWS, first!));
    const { failures, error } = await failedRound();
    expect(failures).toEqual(['costs_hourly roll-up']);
    expect((error as Error).message).toContain(
      `${FLOWS}/${first} is named by a log and gone from directory ${directory}: restore it`,
    );
    expect((error as Error).message).toContain('vacuum the table with less than 7 days');
  });

  test('a store that is away ends the round at once, with its own error', async () => {
    await threeDays();
    let away = false;
    const goesAway: ObjectStore = {
      ...failing(() => away),
      put: async () => {
        away = true;
        throw new FlowtollError('STORE_UNAVAILABLE', 'gone');
      },
      list: (prefix, startAfter) => {
        if (away) throw new FlowtollError('STORE_UNAVAILABLE', 'no list either');
        return store.list(prefix, startAfter);
      },
    };
    const { failures, error } = await failedRound({}, goesAway);
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: 'no list either' });
    expect(failures).toEqual([]);
  });

  test('a roll-up that cannot be made keeps compaction and vacuum off what is not rolled up, and nothing else', async () => {
    await threeDays();
    await rollUpAlone();
    nowMs += HOUR_MS;
    const rolledUp = (await openLog(FLOWS)).files.size;
    for (let i = 0; i < 9; i++) await commit([rowNow()]);
    nowMs += HOUR_MS;
    await commit([rowNow()]);
    const noRollUp = failing((method, key) => method === 'putIfAbsent' && key.startsWith(`${COSTS}/date=`));
    const { failures, steps } = await failedRound({}, noRollUp);
    expect(failures).toEqual(['costs_hourly roll-up']);
    expect(steps).toEqual(['flows compact 3 files', 'flows compact 3 files', 'flows compact 3 files']);
    expect((await openLog(FLOWS)).files.size).toBe(rolledUp - 6 + 10);
    await round();
    expect(sums(await rowsOf(COSTS))).toEqual(sums(written.slice(0, -1).map(expectedCells)));
    expect(unordered(await rowsOf(FLOWS))).toEqual(unordered(written.map(expectedCells)));
  });
});
