// `flowtoll serve --store s3://…` against a real server: recorded traffic of real agents goes into the bucket, several
// aggregators commit to one table, and delta-rs reads from it what independent counters saw.
import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { deltaRsPython } from '../support/delta-rows.ts';
import { Programs } from '../support/processes.ts';
import { type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { serveRecordedTraffic } from '../support/store-suites.ts';

const program = await seaweedFsProgram();
const python = await deltaRsPython();
const programs = new Programs();

describe.skipIf(program === undefined || python === undefined)('serve with S3', () => {
  let server: SeaweedFs;
  beforeAll(async () => {
    server = await startSeaweedFs(program!);
    await server.createBucket('flows');
  });
  afterEach(() => programs.killAll());
  afterAll(() => server?.stop());

  test('aggregators that share a table put each batch into it once, and a foreign reader sees them', () =>
    serveRecordedTraffic(programs, python!, 's3://flows/deep/er', server.environment('writer'), async () =>
      server.foreignTable('flows/deep/er/demo/flows'),
    ));

  test('nothing lies outside the prefix, and no part of an upload is left', async () => {
    const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket: 'flows' }));
    expect(Contents.length).toBeGreaterThan(0);
    expect(
      Contents.filter(({ Key }) => !/^deep\/er\/demo\/flows\/(_delta_log\/\d{20}\.json|date=.*\.parquet)$/.test(Key!)),
    ).toEqual([]);
    const { Uploads = [] } = await server.client.send(new ListMultipartUploadsCommand({ Bucket: 'flows' }));
    expect(Uploads).toEqual([]);
  });
});
