// The checks at the end of a round of the crash test (crash/table-checks.ts) find what they are there for: nothing in sound tables,
// and what is wrong in those that somebody broke.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CopyObjectCommand, DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkTables } from '../crash/table-checks.ts';
import { deltaRsPython } from '../support/delta-rows.ts';
import { duckdbExtensions } from '../support/duckdb-extensions.ts';
import { environment } from '../support/processes.ts';
import { uploadStore, writeQueryTables } from '../support/query-tables.ts';
import { type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';

const parts = [await seaweedFsProgram(), await deltaRsPython(), await duckdbExtensions()];
const Bucket = 'flows';

describe.skipIf(parts.includes(undefined))('the checks of the crash test', () => {
  let directory: string;
  let server: SeaweedFs;
  let prefix: string;
  let tables = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flowtoll-checks-'));
    await writeQueryTables(join(directory, 'store'));
    server = await startSeaweedFs(parts[0] as string);
    await server.createBucket(Bucket);
  });
  afterAll(async () => {
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    prefix = `tables-${++tables}/`;
    await uploadStore(server, join(directory, 'store'), prefix);
  });
  afterEach(() => rm(join(directory, 'cache'), { recursive: true, force: true }));

  const check = () =>
    checkTables({
      server,
      folder: `${Bucket}/${prefix}demo`,
      reading: {
        store: `s3://${Bucket}/${prefix}`,
        env: environment({ ...server.environment('reader'), FLOWTOLL_CACHE: join(directory, 'cache') }),
      },
    });

  async function keys(pattern: RegExp): Promise<string[]> {
    const found: string[] = [];
    let StartAfter = '';
    for (;;) {
      const { Contents = [] } = await server.client.send(
        new ListObjectsV2Command({ Bucket, Prefix: prefix, StartAfter }),
      );
      if (Contents.length === 0) return found;
      StartAfter = Contents.at(-1)!.Key!;
      found.push(...Contents.map(({ Key }) => Key!).filter((key) => pattern.test(key)));
    }
  }
  const remove = (Key: string) => server.client.send(new DeleteObjectCommand({ Bucket, Key }));

  test('sound tables: nothing', async () => {
    expect(await check()).toEqual([]);
  });

  test('a second copy of a roll-up', async () => {
    const [key] = await keys(/costs_hourly\/date=.*\.parquet$/);
    const copy = key!.replace('.parquet', '-again.parquet');
    await server.client.send(new CopyObjectCommand({ Bucket, CopySource: `${Bucket}/${key}`, Key: copy }));
    expect((await check())[0]).toMatch(/^a glob over costs_hourly differs from its log in \d+ lines/);
  });

  test('a roll-up that says more than it took', async () => {
    const log = await keys(/costs_hourly\/_delta_log\/\d{20}\.json$/);
    const [file] = (await keys(/costs_hourly\/date=.*\.parquet$/)).slice(3);
    const [other] = (await keys(/costs_hourly\/date=.*\.parquet$/)).slice(4);
    expect(log.length).toBeGreaterThan(5);
    await server.client.send(new CopyObjectCommand({ Bucket, CopySource: `${Bucket}/${other}`, Key: file! }));
    expect((await check()).join('\n')).toMatch(/costs_hourly and flows after version \d+ differs from flows/);
  });

  test('a gap in a log', async () => {
    const log = await keys(/flows\/_delta_log\/\d{20}\.json$/);
    await remove(log.at(-3)!);
    expect((await check())[0]).toMatch(/^flows: the log has (\d+) in the place of \d+$/);
  });
});
