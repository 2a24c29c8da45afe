// `flowtoll report`, `flowtoll sql` and `flowtoll status` over the same tables in three ways: a directory, S3 through DuckDB's httpfs, and S3 through
// a cache. The oracle of S3 is the directory; that of the directory stands in the unit tests. The tables have days, an hour that is
// rolled up, a late row, and commits that nothing has rolled up.
import { mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandOutput } from '@flowtoll/aggregator/commands/options.ts';
import { reportCommand } from '@flowtoll/aggregator/commands/report.ts';
import { sqlCommand } from '@flowtoll/aggregator/commands/sql.ts';
import { statusCommand } from '@flowtoll/aggregator/commands/status.ts';
import type { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { duckdbExtensions } from '../support/duckdb-extensions.ts';
import { uploadStore, writeQueryTables } from '../support/query-tables.ts';
import { type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { startTroubleProxy, type TroubleProxy } from '../support/trouble-proxy.ts';

const program = await seaweedFsProgram();
const extensions = await duckdbExtensions();

type CreateCommand = (createOutput: () => CommandOutput) => Command;

/** A minute after the newest commit of the tables. */
const STATUS_MS = Date.UTC(2026, 1, 1, 21, 31);
const status: CreateCommand = (createOutput) =>
  statusCommand(
    () => undefined,
    createOutput,
    () => STATUS_MS,
  );

/** Statements that need all files, some days, and none. */
const STATEMENTS = [
  'SELECT count(*) AS rows, sum(tx_bytes) AS tx, min(window_start) AS first FROM flows',
  'SELECT count(*) AS n, sum(tx_bytes) AS tx FROM costs_hourly',
  "SELECT date, sum(tx_bytes) AS tx FROM flows WHERE date = '2026-01-30' GROUP BY ALL",
  "SELECT sum(tx_bytes) AS tx FROM flows WHERE date >= '2026-01-31' AND workload = 'w1'",
  "SELECT count(*) AS n FROM flows WHERE date > '2030-01-01'",
  `SELECT f.date, f.tx, h.tx AS hourly FROM (SELECT date, sum(tx_bytes) AS tx FROM flows GROUP BY ALL) f
   LEFT JOIN (SELECT date, sum(tx_bytes) AS tx FROM costs_hourly GROUP BY ALL) h USING (date) ORDER BY 1`,
  "SELECT count(*) AS n FROM query('SELECT * FROM flows')",
  "WITH x AS (SELECT * FROM flows) SELECT (SELECT count(*) FROM x WHERE date = '2026-01-30') AS a, count(*) AS b FROM x WHERE date = '2026-01-31'",
  'SELECT pod FROM flows ORDER BY pod LIMIT 3',
  'DESCRIBE flows',
  'SELECT 1 AS one',
] as const;

const REPORTS = [
  [],
  ['--by', 'pod,class'],
  ['--by', 'day'],
  ['--since', '2026-01-30T00:00Z', '--until', '2026-01-31T00:00Z'],
  ['--since', '2026-01-30T22:29Z'],
] as const;

describe.skipIf(program === undefined || extensions === undefined)('queries', () => {
  let directory: string;
  let cache: string;
  let server: SeaweedFs;
  let proxy: TroubleProxy;
  let requests: string[];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flowtoll-query-'));
    cache = join(directory, 'cache');
    await writeQueryTables(join(directory, 'store'));
    server = await startSeaweedFs(program!);
    await server.createBucket('flows');
    await uploadStore(server, join(directory, 'store'), 'some/where/');
    proxy = await startTroubleProxy(server.endpoint);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    proxy.trouble(() => undefined);
  });
  afterAll(async () => {
    await proxy?.stop();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Runs a command on the bucket, through a proxy that notes which objects are asked for. */
  async function onS3(
    create: CreateCommand,
    args: readonly string[],
    trouble: Parameters<TroubleProxy['trouble']>[0] = () => undefined,
  ) {
    requests = [];
    proxy.trouble((request) => {
      const { method, url } = request;
      if (method === 'GET' && url.includes('.parquet')) requests.push(decodeURIComponent(url.split('?')[0]!));
      return trouble(request);
    });
    for (const [name, value] of Object.entries({ ...server.environment('reader'), AWS_ENDPOINT_URL: proxy.endpoint })) {
      vi.stubEnv(name, value);
    }
    return printed(create, ['--store', 's3://flows/some/where', '--cache', cache, ...args]);
  }
  const onDirectory = (create: CreateCommand, args: readonly string[]) =>
    printed(create, ['--store', join(directory, 'store'), ...args]);

  for (const { name, options } of [
    { name: 'through httpfs', options: () => ['--extensions', extensions!.httpfs] },
    { name: 'through the cache', options: () => ['--extensions', 'none'] },
  ]) {
    describe(name, () => {
      for (const statement of STATEMENTS) {
        test(statement, async () => {
          const args = [statement, '--format', 'json'];
          const expected = await onDirectory(sqlCommand, args);
          expect(expected.text.length).toBeGreaterThan(4);
          expect(await onS3(sqlCommand, [...args, ...options()])).toEqual(expected);
        });
      }
      for (const flags of REPORTS) {
        test(`report ${flags.join(' ')}`, async () => {
          const args = [...flags, '--format', 'json'];
          const expected = await onDirectory(reportCommand, args);
          expect(JSON.parse(expected.text).total.tx_bytes).toBeGreaterThan(0);
          expect(await onS3(reportCommand, [...args, ...options()])).toEqual(expected);
        });
      }
      test('status', async () => {
        const expected = await onDirectory(status, ['--format', 'json']);
        // All rows of the newest commit but one, which is late.
        expect(JSON.parse(expected.text).clusters[0].nodes).toMatchObject([{ node: 'node-a', rows: 399 }]);
        expect(await onS3(status, ['--format', 'json', ...options()])).toEqual(expected);
      });
      test('a file outside the store is refused', async () => {
        for (const path of ['/etc/hostname', 's3://flows/other/x.parquet', `${server.endpoint}/flows`]) {
          await expect(onS3(sqlCommand, [`SELECT * FROM read_text('${path}')`, ...options()])).rejects.toMatchObject({
            code: 'QUERY_INVALID',
            message: expect.stringMatching(/disabled by configuration|requires the extension httpfs/),
          });
        }
      });
    });
  }

  describe('the cache', () => {
    const cached = (...args: string[]) => onS3(sqlCommand, ['--extensions', 'none', '--format', 'csv', ...args]);

    test('asks only for the days of the statement, and only once', async () => {
      await rm(cache, { recursive: true, force: true });
      const statement = "SELECT count(*) AS n FROM flows WHERE date BETWEEN '2026-01-30' AND '2026-01-30'";
      const first = await cached(statement);
      expect(requests.length).toBeGreaterThan(0);
      expect(requests.filter((path) => !path.includes('/flows/date=2026-01-30/'))).toEqual([]);
      expect(await cached(statement)).toEqual(first);
      expect(requests).toEqual([]);
      await cached('SELECT count(*) FROM costs_hourly');
      expect(requests.length).toBeGreaterThan(0);
      expect(requests.filter((path) => !path.includes('/costs_hourly/'))).toEqual([]);
    });

    test('an entry that was cut is fetched again', async () => {
      const expected = await onDirectory(sqlCommand, ['SELECT sum(tx_bytes) FROM flows', '--format', 'csv']);
      await cached('SELECT sum(tx_bytes) FROM flows');
      const objects = (await readdir(cache, { recursive: true, withFileTypes: true })).filter((entry) =>
        entry.isFile(),
      );
      const [damaged] = objects.filter(({ parentPath }) => parentPath.includes('/flows/date='));
      await truncate(join(damaged!.parentPath, damaged!.name), 100);
      expect(await cached('SELECT sum(tx_bytes) FROM flows')).toEqual(expected);
      expect(requests).toHaveLength(1);
    });

    test('what is cut on its way is asked for again; what stays cut is an error, and no entry', async () => {
      const statement = ['SELECT sum(tx_bytes) FROM flows', '--format', 'csv'];
      const expected = await onDirectory(sqlCommand, statement);
      await rm(cache, { recursive: true, force: true });
      const cut = new Set<string>();
      const isObject = (url: string) => url.includes('/flows/date=') || url.includes('/flows/date%3D');
      await expect(
        onS3(sqlCommand, [...statement, '--extensions', 'none'], ({ method, url }) => {
          if (method !== 'GET' || !isObject(url) || cut.has(url)) return undefined;
          cut.add(url);
          return 'cut-answer';
        }),
      ).resolves.toEqual(expected);
      expect(cut.size).toBeGreaterThan(0);
      await rm(cache, { recursive: true, force: true });
      await expect(
        onS3(sqlCommand, [...statement, '--extensions', 'none'], ({ url }) =>
          isObject(url) ? 'cut-answer' : undefined,
        ),
      ).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      expect(await bytesIn(cache)).toBe(0);
    });

    test('keeps to its bound, and says so when one statement needs more', async () => {
      await rm(cache, { recursive: true, force: true });
      const most = 1 << 20;
      await expect(cached('SELECT count(*) FROM flows', '--cache-size', String(most))).rejects.toMatchObject({
        code: 'QUERY_INVALID',
        message: expect.stringMatching(/this reads \d+ MiB of s3:\/\/flows.* holds 1 MiB: ask for fewer days/),
      });
      for (const day of ['2026-01-30', '2026-01-31', '2026-01-29', '2026-01-30']) {
        await cached(`SELECT count(*) FROM flows WHERE date = '${day}'`, '--cache-size', String(most));
      }
      expect(await bytesIn(cache)).toBeLessThanOrEqual(most);
    });
  });

  test.each([
    ['the profile', (endpoint: string) => ['[profile flows]', `endpoint_url = ${endpoint}`], []],
    [
      'a services section',
      () => ['[profile flows]', 'services = here'],
      (endpoint: string) => ['[services here]', 's3 =', `  endpoint_url = ${endpoint}`],
    ],
  ] as const)('the endpoint of %s is where httpfs reads, too', async (name, profile, more) => {
    const {
      AWS_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY,
      AWS_REGION,
      AWS_ENDPOINT_URL: _,
      ...rest
    } = server.environment('reader');
    const config = join(directory, `aws config of ${name}`);
    await writeFile(
      config,
      [
        ...profile(proxy.endpoint),
        `region = ${AWS_REGION}`,
        // With a profile the SDK looks for credentials there alone.
        `aws_access_key_id = ${AWS_ACCESS_KEY_ID}`,
        `aws_secret_access_key = ${AWS_SECRET_ACCESS_KEY}`,
        ...(typeof more === 'function' ? more(proxy.endpoint) : more),
      ].join('\n'),
    );
    for (const [variable, value] of Object.entries({ ...rest, AWS_CONFIG_FILE: config, AWS_PROFILE: 'flows' })) {
      vi.stubEnv(variable, value);
    }
    const ranges: string[] = [];
    proxy.trouble(({ url, headers }) => {
      if (headers['range'] !== undefined) ranges.push(url);
      return undefined;
    });
    const statement = ['SELECT count(*) AS n FROM flows', '--format', 'csv'];
    const store = ['--store', 's3://flows/some/where', '--cache', cache, '--extensions', extensions!.httpfs];
    expect(await printed(sqlCommand, [...store, ...statement])).toEqual(await onDirectory(sqlCommand, statement));
    expect(ranges.length, 'DuckDB itself has read').toBeGreaterThan(0);
  });

  test('where httpfs cannot read, files are fetched, and it is said', async () => {
    // DuckDB's client asks for ranges, ours does not.
    for (const [name, value] of Object.entries({ ...server.environment('reader'), AWS_ENDPOINT_URL: proxy.endpoint })) {
      vi.stubEnv(name, value);
    }
    proxy.trouble(({ method, headers }) =>
      method === 'HEAD' || headers['range'] !== undefined ? { instead: { status: 403, headers: {} } } : undefined,
    );
    const statement = ['SELECT count(*) AS n FROM flows', '--format', 'csv'];
    const store = ['--store', 's3://flows/some/where', '--cache', cache, '--extensions', extensions!.httpfs];
    const { text, remarks } = await printed(sqlCommand, [...store, ...statement]);
    expect(text).toBe((await onDirectory(sqlCommand, statement)).text);
    expect(remarks).toMatch(/^flowtoll: DuckDB cannot read the store itself; its files are fetched instead \(.*403/);
  });

  test('an extension that is not there is an error that says where it was looked for', async () => {
    await expect(onS3(sqlCommand, ['SELECT 1', '--extensions', join(directory, 'store')])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/has no httpfs\.duckdb_extension for DuckDB v1\.\d+\.\d+ on linux_/),
    });
  });
});

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}

async function printed(create: CreateCommand, args: readonly string[]): Promise<{ text: string; remarks: string }> {
  const printed = { text: '', remarks: '' };
  const command: Command = create(() => ({
    write: async (text) => {
      printed.text += text;
    },
    remark: (text) => {
      printed.remarks += text;
    },
  }));
  await command.exitOverride().parseAsync([...args], { from: 'user' });
  return printed;
}
