// Watchers against a table that is committed to, compacted, vacuumed, cleaned and set back while they are killed and resumed. The
// oracle is what the writer was told to write.
import { isFieldSet } from '@bufbuild/protobuf';
import { RewindSchema } from '@flowtoll/proto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ResumeExpiredError } from './resume-expired.ts';
import { createRowQuery } from './row-query.ts';
import { Follower, isAt, ROOT, texts, WatchedTable } from './watched-table.testing.ts';
import type { WatchStart } from './watcher.ts';

const PODS = createRowQuery(['pod'], [], false);

let table: WatchedTable;
const followers: Follower[] = [];

beforeEach(async () => {
  table = await WatchedTable.open();
});

afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.stop()));
  await table.close();
});

function follow(start: WatchStart, query = PODS): Follower {
  const follower = new Follower(table, start, query);
  followers.push(follower);
  return follower;
}

const podsOf = (messages: Awaited<ReturnType<Follower['until']>>) => messages.flatMap((one) => texts(one, 'pod'));
const sorted = (names: readonly (string | null)[]) => [...names].sort();

/** The error that the next message is. */
async function expiry(follower: Follower): Promise<ResumeExpiredError> {
  for (;;) {
    try {
      await follower.next();
    } catch (error) {
      if (error instanceof ResumeExpiredError) return error;
      throw error;
    }
  }
}

/** What the next rewind says. Who is caught up hears of it when the log is looked at again; heartbeats come before. */
async function rewind(follower: Follower) {
  let message = await follower.next();
  for (let i = 0; i < 1000 && message?.event.case === 'progress'; i++) message = await follower.next();
  if (message?.event.case !== 'rewind') throw new Error(`no rewind but ${message?.event.case}`);
  return isFieldSet(message.event.value, RewindSchema.field.lastCommonVersion)
    ? message.event.value.lastCommonVersion
    : undefined;
}

describe('where a watcher begins', () => {
  test('now: what is committed after', async () => {
    await table.commit(3);
    const follower = follow({ at: 'now' });
    expect((await follower.next())?.event).toMatchObject({ case: 'progress', value: { version: 1n, caughtUp: true } });
    const version = await table.commit(2);
    expect(sorted(podsOf(await follower.until(version)))).toEqual(table.committed.get(version));
  });

  test('a version, and the one that comes next', async () => {
    await table.commit(3);
    await table.commit(2);
    expect(sorted(podsOf(await follow({ at: 'version', version: 2 }).until(2)))).toEqual(table.committed.get(2));
    const next = follow({ at: 'version', version: 3 });
    await table.commit(1);
    expect(podsOf(await next.until(3))).toEqual(table.committed.get(3));
    await expect(follow({ at: 'version', version: 5 }).next()).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: 'version 5 is not there yet: the newest is 3, and 4 may be waited for',
    });
  });

  test('a time: commits of that instant or later', async () => {
    const times: number[] = [];
    for (let i = 0; i < 40; i++) {
      await table.commit(1);
      times.push(table.nowMs);
    }
    for (const first of [1, 7, 39, 40]) {
      const all = await follow({ at: 'time', timeMs: times[first - 1]! }).until(40);
      const wanted = Array.from({ length: 41 - first }, (_, i) => table.committed.get(first + i)![0]);
      expect(podsOf(all)).toEqual(wanted);
    }
    expect(podsOf(await follow({ at: 'time', timeMs: times[39]! + 1 }).until(40))).toEqual([]);
  });

  test('a time that the log does not reach back to is told', async () => {
    for (let i = 0; i < 5; i++) await table.commit(1);
    await table.cleanLog(3);
    const { missed } = await expiry(follow({ at: 'time', timeMs: table.nowMs - 600_000 }));
    expect(missed).toMatchObject({ reason: 'log-cleaned', fromVersion: 0, toVersion: 2 });
    expect(missed.toTimeMs).toBe(table.nowMs - 120_000);
  });

  test('the oldest from which nothing is missing', async () => {
    for (let i = 0; i < 3; i++) await table.commit(1);
    await table.compact();
    await table.vacuum();
    const last = await table.commit(2);
    expect(sorted(podsOf(await follow({ at: 'oldest' }).until(last)))).toEqual(table.committed.get(last));
  });

  test('what is no token is refused', async () => {
    await expect(follow({ at: 'token', token: '1-2-3' }).next()).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });
});

describe('a token', () => {
  test('in the middle of a file goes on with the row after', async () => {
    const version = await table.commit(5000);
    const first = follow({ at: 'version', version });
    await first.next();
    const rows = await first.next();
    expect(rows?.event).toMatchObject({ case: 'rows', value: { rowCount: 2048, version: BigInt(version) } });
    const rest = podsOf(await follow({ at: 'token', token: rows!.resumeToken }).until(version));
    expect(rest).toHaveLength(5000 - 2048);
    expect(sorted([...podsOf([rows!]), ...rest])).toEqual(sorted(table.committed.get(version)!));
  });

  test('is a place in the table, whatever was filtered', async () => {
    const version = await table.commit(5000, 2);
    const some = createRowQuery(['pod'], [{ column: 'pod', values: ['row-0', 'row-4999'], exclude: false }], false);
    const filtered = follow({ at: 'version', version }, some);
    await filtered.next();
    const rows = (await filtered.next())!;
    expect(texts(rows, 'pod')).toEqual(['row-4999']);
    const rest = podsOf(await follow({ at: 'token', token: rows.resumeToken }).until(version));
    // Files are by day, rows by where they lie: the odd rows are in the first file, and row-4999 is somewhere in it.
    expect(rest.filter((name) => name === 'row-4999')).toEqual([]);
    expect(rest).toContain('row-0');
  });
});

describe('what is no row', () => {
  test('compaction is silent', async () => {
    const follower = follow({ at: 'version', version: 1 });
    await table.commit(3, 2);
    await table.commit(3, 2);
    await follower.until(2);
    const version = (await table.compact())!;
    expect(podsOf(await follower.until(version))).toEqual([]);
  });

  test('retention is a message, and rows that are there still come', async () => {
    await table.commit(3);
    const follower = follow({ at: 'version', version: 1 });
    const date = await table.expireOneFile();
    const messages = await follower.until(2);
    expect(podsOf(messages)).toHaveLength(3);
    expect(messages.flatMap(({ event }) => (event.case === 'removal' ? [event.value] : []))).toMatchObject([
      { version: 2n, dates: [date], rewritten: false },
    ]);
  });

  test('rows that somebody wrote anew are told of, and not told again', async () => {
    await table.commit(2);
    const before = [...(await table.files())];
    const version = await table.rewrite();
    const messages = await follow({ at: 'version', version }).until(version);
    expect(podsOf(messages)).toEqual([]);
    expect(messages.map(({ event }) => event.case)).toEqual(['progress', 'removal', 'progress']);
    expect(messages[1]?.event.value).toMatchObject({ rewritten: true, dates: ['2026-01-31'] });
    expect(await table.files()).not.toEqual(before);
  });

  test('a stream without news says where it is', async () => {
    await table.commit(1);
    const follower = follow({ at: 'now' });
    await follower.next();
    for (let i = 0; i < 3; i++) {
      expect((await follower.next())?.event).toMatchObject({
        case: 'progress',
        value: { caughtUp: true, version: 1n },
      });
    }
  });
});

describe('what can no longer be told', () => {
  test('files that were compacted and vacuumed, with the time that is missed', async () => {
    await table.commit(2);
    const startMs = table.nowMs;
    const [, rows] = await follow({ at: 'version', version: 1 }).until(1);
    const token = rows!.resumeToken;
    await table.commit(2);
    await table.commit(2);
    await table.compact();
    await table.vacuum();
    const last = await table.commit(2);
    const { missed } = await expiry(follow({ at: 'token', token }));
    expect(missed).toMatchObject({
      reason: 'files-vacuumed',
      fromVersion: 2,
      fromTimeMs: startMs + 60_000,
      // Compaction itself has nothing to tell.
      toVersion: 3,
      toTimeMs: table.nowMs - 60_000,
    });
    expect(sorted(podsOf(await follow({ at: 'token', token: missed.resumeToken }).until(last)))).toEqual(
      table.committed.get(last),
    );
  });

  test('entries that were cleaned up', async () => {
    await table.commit(2);
    const token = (await follow({ at: 'version', version: 1 }).until(1)).at(-1)!.resumeToken;
    for (let i = 0; i < 4; i++) await table.commit(1);
    await table.cleanLog(4);
    const { missed } = await expiry(follow({ at: 'token', token }));
    expect(missed).toMatchObject({ reason: 'log-cleaned', fromVersion: 1, toVersion: 3 });
    expect(podsOf(await follow({ at: 'token', token: missed.resumeToken }).until(5))).toEqual([
      ...table.committed.get(4)!,
      ...table.committed.get(5)!,
    ]);
  });

  test('nothing is missed by who had all that was cleaned up', async () => {
    await table.commit(2);
    const token = (await follow({ at: 'version', version: 1 }).until(1)).at(-1)!.resumeToken;
    await table.commit(1);
    await table.cleanLog(2);
    expect(podsOf(await follow({ at: 'token', token }).until(2))).toEqual(table.committed.get(2));
  });

  test('a file that is damaged is an error, and no expiry', async () => {
    await table.commit(2);
    for await (const key of table.store.list(`${ROOT}/`)) {
      if (key.endsWith('.parquet')) await table.store.put(key, Buffer.from('no parquet'));
    }
    const follower = follow({ at: 'version', version: 1 });
    await follower.next();
    await expect(follower.next()).rejects.toMatchObject({ code: 'TABLE_INVALID' });
  });
});

describe('a log that was set back', () => {
  test('tells from where on it is another, and goes on there', async () => {
    await table.commit(2);
    await table.commit(2);
    const backup = await table.backup();
    await table.commit(2);
    const follower = follow({ at: 'version', version: 1 });
    await follower.until(3);
    await table.restore(backup);
    await table.commit(1);
    await table.commit(1);
    expect(await rewind(follower)).toBe(2n);
    const messages = await follower.until(4);
    expect(podsOf(messages)).toEqual([...table.committed.get(3)!, ...table.committed.get(4)!]);
  });

  test('a table made anew is told from its beginning, live and by token', async () => {
    await table.commit(2);
    const follower = follow({ at: 'version', version: 1 });
    const token = (await follower.until(1)).at(-1)!.resumeToken;
    await table.replace();
    await table.commit(3);
    for (const stream of [follower, follow({ at: 'token', token })]) {
      expect(await rewind(stream)).toBeUndefined();
      const messages = await stream.until(1);
      expect(sorted(podsOf(messages))).toEqual(table.committed.get(1));
    }
  });

  test('a token of a history that is gone expires where the beginning is gone, too', async () => {
    await table.commit(2);
    const backup = await table.backup();
    await table.commit(2);
    const token = (await follow({ at: 'version', version: 2 }).until(2)).at(-1)!.resumeToken;
    await table.restore(backup);
    await table.commit(2);
    await table.cleanLog(1);
    const { missed } = await expiry(follow({ at: 'token', token }));
    expect(missed).toMatchObject({ reason: 'rewound', toVersion: 0 });
  });
});

/** What may happen. */
type Step =
  | { readonly kind: 'commit'; readonly rows: number; readonly days: number }
  | { readonly kind: 'compact' | 'vacuum' | 'maintain' | 'clean-log' | 'expire' }
  | { readonly kind: 'watch'; readonly messages: number }
  /** `lost`: the last message came, and was not processed. */
  | { readonly kind: 'kill'; readonly lost: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      rows: fc.constantFrom(1, 3, 2049, 4500),
      days: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('compact' as const, 'vacuum' as const, 'maintain' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('clean-log' as const, 'expire' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('watch' as const), messages: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('kill' as const), lost: fc.boolean() }) },
);

/** A client that keeps its token with what it has processed, and starts anew on another replica whenever it dies. */
class Client {
  readonly seen: { version: number; name: string }[] = [];
  readonly told: { from: number; to: number }[] = [];
  #token: string;
  #follower: Follower | undefined;
  readonly #table: WatchedTable;

  constructor(table: WatchedTable, token: string) {
    this.#table = table;
    this.#token = token;
  }

  /** Takes messages until all is there, or there were so many. `keep`: whether the last of them is processed. */
  async watch(most: number, keep = true): Promise<void> {
    for (let i = 1; i <= most; i++) {
      this.#follower ??= new Follower(this.#table, { at: 'token', token: this.#token }, PODS);
      try {
        const message = (await this.#follower.next())!;
        if (i === most && !keep) return;
        this.#token = message.resumeToken;
        const { event } = message;
        if (event.case === 'rows') {
          const version = Number(event.value.version);
          this.seen.push(...texts(message, 'pod').map((name) => ({ version, name: name! })));
        }
        if (isAt(message, this.#table.version)) return;
      } catch (error) {
        if (!(error instanceof ResumeExpiredError)) throw error;
        const { fromVersion, toVersion, resumeToken } = error.missed;
        this.told.push({ from: fromVersion, to: toVersion });
        this.#token = resumeToken;
        await this.die();
      }
    }
  }

  async die(): Promise<void> {
    await this.#follower?.stop();
    this.#follower = undefined;
  }
}

/** How much the seeds of one run covered: a test that never sees an expiry shows nothing. */
const covered = { rows: 0, missed: 0, expiries: 0 };

test('whatever happens to table, replicas and watcher: every row once, or it is told', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), async (steps) => {
      const own = await WatchedTable.open();
      const begin = new Follower(own, { at: 'now' }, PODS);
      const client = new Client(own, (await begin.next())!.resumeToken);
      await begin.stop();
      try {
        for (const one of steps) await happen(own, client, one);
        await client.watch(Number.POSITIVE_INFINITY);
        judge(own, client);
      } finally {
        await client.die();
        await own.close();
      }
    }),
    {
      numRuns: process.env['FLOWTOLL_SOAK'] ? 500 : 25,
      ...(process.env['FLOWTOLL_SEED'] && { seed: Number(process.env['FLOWTOLL_SEED']) }),
    },
  );
  expect(covered.rows).toBeGreaterThan(10_000);
  expect(covered.expiries).toBeGreaterThan(0);
}, 600_000);

async function happen(own: WatchedTable, client: Client, one: Step): Promise<void> {
  switch (one.kind) {
    case 'commit':
      await own.commit(one.rows, one.days);
      break;
    case 'compact':
      await own.compact();
      break;
    case 'vacuum':
      await own.vacuum();
      break;
    case 'maintain':
      await own.compact();
      await own.vacuum();
      break;
    case 'clean-log':
      await own.cleanLog(Math.floor(own.version / 2));
      break;
    case 'expire':
      await own.expireOneFile();
      break;
    case 'watch':
      await client.watch(one.messages);
      break;
    case 'kill':
      if (one.lost) await client.watch(1, false);
      await client.die();
      break;
  }
}

/** Rows come once, in the order of versions; what never came was told. */
function judge(own: WatchedTable, { seen, told }: Client): void {
  const names = seen.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const versions = seen.map(({ version }) => version);
  expect(versions).toEqual([...versions].sort((a, b) => a - b));
  const had = new Set(names);
  for (const [version, rows] of own.committed) {
    const missing = rows.filter((name) => !had.has(name));
    if (missing.length > 0) {
      expect(
        told.some(({ from, to }) => from <= version && version <= to),
        `version ${version} lacks rows`,
      ).toBe(true);
    }
    covered.missed += missing.length;
  }
  covered.rows += names.length;
  covered.expiries += told.length;
}
