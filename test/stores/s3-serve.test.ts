// `flowtoll serve --store s3://…` against a real server: recorded traffic of real agents goes into the bucket, several
// aggregators commit to one table, and delta-rs reads from it what independent counters saw.
import { join } from 'node:path';
import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { deltaRsPython, foreignBytes } from '../support/delta-rows.ts';
import { AGENT_PROGRAM, AGGREGATOR_PROGRAM, environment, Programs, type Running } from '../support/processes.ts';
import { bytesByNodeAndClass, NODES, type NodeName, TESTDATA } from '../support/recorded-traffic.ts';
import { type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';

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

  const serve = (store: string): Running =>
    programs.start(
      AGGREGATOR_PROGRAM,
      [
        ...['serve', '--store', store, '--topology', join(TESTDATA, 'topology.yaml'), '--listen', '127.0.0.1:0'],
        ...['--commit-interval', '100ms', '--max-batch-age', 'none', '--cluster', 'demo', '--metrics-listen', 'none'],
      ],
      { env: environment(server.environment('writer')) },
    );

  const replay = (node: NodeName, port: unknown): Running =>
    programs.start(AGENT_PROGRAM, [
      ...['run', '--source', 'replay', '--replay-file', join(TESTDATA, `${node}.ftct`)],
      ...['--aggregator', `127.0.0.1:${port}`],
    ]);

  test('aggregators that share a table put each batch into it once, and a foreign reader sees them', async () => {
    const aggregators = NODES.map(() => serve('s3://flows/deep/er'));
    const agents = await Promise.all(
      aggregators.map(async (aggregator, i) => replay(NODES[i]!, (await aggregator.logged('listening'))['port'])),
    );
    for (const agent of agents) {
      expect(await agent.ended()).toMatchObject({ code: 0 });
    }
    for (const aggregator of aggregators) {
      expect(await aggregator.stop()).toMatchObject({ code: 0 });
      expect(aggregator.complaints()).toEqual([]);
    }
    expect(await foreignBytes(python!, server.foreignTable('flows/deep/er/demo/flows'))).toEqual(
      bytesByNodeAndClass(NODES),
    );
  });

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
