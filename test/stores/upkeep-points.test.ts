// The crash points of upkeep: `flowtoll maintain` dies where the name of the point says, one point after the other on one table,
// judged by the objects that the store holds then. On a directory and on S3. In the end upkeep in peace finishes what all of them
// left, and the tables hold what was committed.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDirectoryStore } from '@flowtoll/aggregator/store/directory-store.ts';
import { openS3Store } from '@flowtoll/aggregator/store/s3-store.ts';
import type { ObjectStore } from '@flowtoll/aggregator/store/store.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FastTime } from '../crash/fast-time.ts';
import { type Life, Site } from '../crash/parts.ts';
import { type Point, UPKEEP_POINTS, type UpkeepPoint } from '../crash/points.ts';
import { type StorePlace, sql, storeOf } from '../lab/product.ts';
import { environment } from '../support/processes.ts';
import { credentialsOf, type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Each in an hour of its own, so that both logs are due for a checkpoint. */
const COMMITS = 104;
const LAST_COMMIT_DAYS = 8;

const program = await seaweedFsProgram();

let directory: string;
let time: FastTime;
let site: Site;
let store: ObjectStore;
let place: StorePlace;
let lives: Life[];

beforeEach(async () => {
  lives = [];
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-upkeep-points-'));
  time = new FastTime(join(directory, 'clock'));
  // It begins at noon: in the morning the last day has so few files that they are merged later, in another process than the one
  // that the cases say.
  time.advance(DAY_MS - ((Date.now() - 12 * HOUR_MS) % DAY_MS));
});
afterEach(async () => {
  for (const life of lives) life.signal('SIGKILL');
  await Promise.all(lives.map(({ ended }) => ended));
  await rm(directory, { recursive: true, force: true });
});

function openSite(): Site {
  const start = (_host: string, [file, ...args]: readonly string[], options = {}) => spawn(file!, args, options);
  return new Site({ spawn: start, topology: () => ({}) }, directory, { place, upkeepClock: time.file });
}

/** Commits with one row each; `ageMs` is that of the first, and the others follow hour by hour. */
async function commit(first: number, count: number, ageMs: number): Promise<void> {
  let nowMs = time.now() - ageMs;
  const checkpointEntries = Number.POSITIVE_INFINITY;
  const table = await openFlowTable(store, { cluster: 'lab', clock: () => nowMs, checkpointEntries });
  for (let sequence = first; sequence < first + count; sequence++, nowMs += HOUR_MS) {
    await table.commit([{ epoch: 'e', sequence }], (_, rows) => {
      const times = { windowStartUs: (nowMs - 60_000) * 1000, windowEndUs: nowMs * 1000 };
      rows.append(flowRow({ ...times, txBytes: sequence, pod: `pod-${sequence}` }));
    });
  }
  await table.close();
}

async function keys(pattern: RegExp): Promise<string[]> {
  const found: string[] = [];
  for await (const key of store.list('lab/')) if (pattern.test(key)) found.push(key);
  return found.sort();
}

/** Text of all entries of a log that hold these words. */
async function entriesWith(table: string, words: string): Promise<number> {
  const entries = await keys(new RegExp(`^lab/${table}/_delta_log/\\d{20}\\.json$`));
  const texts = await Promise.all(entries.map(async (key) => Buffer.from((await store.get(key))!).toString()));
  return texts.filter((text) => text.includes(words)).length;
}

const FLOW_FILES = /^lab\/flows\/date=.*\.parquet$/;
const COST_FILES = /^lab\/costs_hourly\/date=.*\.parquet$/;
const COST_LOG = /^lab\/costs_hourly\/_delta_log\/\d{20}/;
const rollUps = () => entriesWith('costs_hourly', 'flowtoll-roll-up');
const compactions = () => entriesWith('flows', 'OPTIMIZE');

interface Case {
  readonly point: UpkeepPoint;
  readonly hit: number;
  /** Looks at the store when the process is dead; `before`: data files of flows before it. */
  readonly check: (before: number) => Promise<void>;
}

/** In the order in which upkeep comes to them. */
const CASES: readonly Case[] = [
  {
    point: 'roll-up-file-written',
    hit: 1,
    check: async () => expect([(await keys(COST_FILES)).length, await rollUps()]).toEqual([1, 0]),
  },
  {
    point: 'roll-up-entry-written',
    hit: 1,
    check: async () => expect([(await keys(COST_FILES)).length, await rollUps()]).toEqual([1, 1]),
  },
  {
    point: 'compaction-file-written',
    hit: 1,
    check: async (before) => {
      expect([(await keys(FLOW_FILES)).length, await compactions()]).toEqual([before + 1, 0]);
      expect(await rollUps()).toBe(COMMITS - 1);
    },
  },
  {
    point: 'compaction-entry-written',
    hit: 1,
    check: async (before) => expect([(await keys(FLOW_FILES)).length, await compactions()]).toEqual([before + 1, 1]),
  },
  {
    point: 'checkpoint-written',
    hit: 1,
    check: async () => {
      expect(await keys(/checkpoint\.parquet$/)).toEqual([expect.stringMatching(/^lab\/flows\//)]);
      expect(await keys(/_last_checkpoint$/)).toEqual([]);
    },
  },
  {
    point: 'checkpoint-hint-written',
    hit: 1,
    check: async () => {
      expect(await keys(/checkpoint\.parquet$/)).toHaveLength(2);
      expect(await keys(/_last_checkpoint$/)).toEqual(['lab/costs_hourly/_delta_log/_last_checkpoint']);
    },
  },
  {
    point: 'data-file-deleted',
    hit: 2,
    check: async (before) => expect((await keys(FLOW_FILES)).length).toBe(before - 2),
  },
  {
    point: 'log-object-deleted',
    hit: 2,
    check: async () => {
      const flows = (await keys(/^lab\/flows\/_delta_log\/\d{20}\.json$/)).map((key) =>
        Number(/(\d{20})/.exec(key)![1]),
      );
      expect(flows.slice(0, 2)).toEqual([2, 3]);
      expect((await keys(COST_LOG)).length).toBeGreaterThan(COMMITS);
    },
  },
];

async function dies({ point, hit, check }: Case): Promise<void> {
  const before = (await keys(FLOW_FILES)).length;
  const life = site.startUpkeep('upkeep', { die: [{ point, hit }] });
  lives.push(life);
  expect(await life.ended, `${point}: ${life.lastWords.join('\n')}`).toEqual({ code: null, signal: 'SIGKILL' });
  const notes: { what: string; point?: Point }[] = site.notes().filter(({ pid }) => pid === life.pid);
  expect(notes).toMatchObject([{ what: 'die', point }]);
  await check(before);
}

async function diesEverywhere(): Promise<void> {
  await commit(1, COMMITS, COMMITS * HOUR_MS);
  for (const one of CASES.slice(0, 6)) await dies(one);
  // What was taken out of the table, and of use in its log, is a week old then; the last hour is over, too.
  time.advance(LAST_COMMIT_DAYS * DAY_MS);
  await commit(COMMITS + 1, 1, 0);
  for (const one of CASES.slice(6)) await dies(one);
  const last = site.startUpkeep('upkeep');
  expect(await last.ended).toEqual({ code: 0, signal: null });
  const sum = (count: number) => (count * (count + 1)) / 2;
  const bytes = (table: string) => sql(place, `SELECT sum(tx_bytes)::DOUBLE AS tx FROM ${table}`);
  expect(await bytes('flows')).toEqual([{ tx: sum(COMMITS + 1) }]);
  expect(await bytes('costs_hourly')).toEqual([{ tx: sum(COMMITS) }]);
}

test('each point has its case', () => {
  expect(CASES.map(({ point }) => point).toSorted()).toEqual(UPKEEP_POINTS.toSorted());
});

test('upkeep dies where the point says, in a directory', async () => {
  place = { store: storeOf(directory), env: environment() };
  store = await openDirectoryStore(place.store);
  site = openSite();
  await diesEverywhere();
});

describe.skipIf(program === undefined)('on S3', () => {
  let server: SeaweedFs;
  beforeAll(async () => {
    server = await startSeaweedFs(program!);
    await server.createBucket('flows');
  });
  afterAll(() => server?.stop());

  test('upkeep dies where the point says', async () => {
    place = { store: 's3://flows/deep/er', env: environment(server.environment('writer')) };
    const client = { endpoint: server.endpoint, region: 'us-east-1', credentials: credentialsOf('writer') };
    store = await openS3Store({ bucket: 'flows', prefix: 'deep/er/', client });
    site = openSite();
    await diesEverywhere();
  });
});
