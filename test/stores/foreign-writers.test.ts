// Another program writes to our table in a bucket: rows, OPTIMIZE, vacuum, checkpoints, a newer protocol; before serve starts and
// while it runs. Real processes, a real S3 server, delta-rs; what must be in the table, the windows that were sent say.
import { ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import type { Exporter } from '@flowtoll/agent/exporter/exporter.ts';
import { openS3Store } from '@flowtoll/aggregator/store/s3-store.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { maintain } from '@flowtoll/aggregator/upkeep/maintain.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { deltaRsPython, type ForeignTable, foreignColumn } from '../support/delta-rows.ts';
import { type ForeignRow, writeForeign } from '../support/foreign-writer.ts';
import { freePorts } from '../support/free-ports.ts';
import { AGGREGATOR_PROGRAM, type Ended, Programs, type Running } from '../support/processes.ts';
import { TESTDATA } from '../support/recorded-traffic.ts';
import { credentialsOf, type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { bytesOfWindows, finish, send, startSoundAgent } from '../support/sound-agent.ts';
import { withoutCloud } from '../support/store-suites.ts';

const STORE = 's3://flows/shared';
const HOUR_MS = 3_600_000;
/** Nothing is too old. */
const AGES_MS = 50 * 365 * 24 * HOUR_MS;
/** Of a newer protocol: where, which versions and features, and what to do. */
const REFUSAL =
  /the table newer\/flows in s3:\/\/flows\/shared\/ at http:.* needs Delta protocol 3\/7 with the features deletionVectors, somethingOfTheFuture; .*Use a newer Flowtoll, let that program drop the features .*, or begin a new table/;
const PATIENCE = { timeout: 30_000, interval: 50 };

const program = await seaweedFsProgram();
const python = await deltaRsPython();
const programs = new Programs();

describe.skipIf(program === undefined || python === undefined)('another writer', () => {
  let server: SeaweedFs;
  let table: ForeignTable;
  let agent: Exporter | undefined;

  beforeAll(async () => {
    server = await startSeaweedFs(program!);
    await server.createBucket('flows');
  });
  afterEach(async () => {
    await agent?.stop(0);
    agent = undefined;
    await programs.killAll();
  });
  afterAll(() => server?.stop());

  /** A table of its own for each test. */
  function tableOf(cluster: string): ForeignTable {
    const { uri, options } = server.foreignTable(`flows/shared/${cluster}/flows`);
    const { accessKeyId, secretAccessKey } = credentialsOf('writer');
    return { uri, options: { ...options, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } };
  }

  const openStore = () =>
    openS3Store({
      bucket: 'flows',
      prefix: 'shared/',
      client: { endpoint: server.endpoint, region: 'us-east-1', credentials: credentialsOf('writer') },
    });

  const env = () => ({ env: withoutCloud(server.environment('writer')) });

  async function serve(cluster: string, port: number): Promise<Running> {
    const aggregator = programs.start(
      AGGREGATOR_PROGRAM,
      [
        ...['serve', '--store', STORE, '--cluster', cluster, '--topology', `${TESTDATA}/topology.yaml`],
        ...['--listen', `127.0.0.1:${port}`, '--metrics-listen', 'none', '--commit-interval', '100ms'],
        ...['--max-batch-age', 'none', '--maintain-interval', 'none'],
      ],
      env(),
    );
    await aggregator.logged('listening');
    return aggregator;
  }

  const flowtoll = (...args: string[]): Promise<Ended> =>
    programs.start(AGGREGATOR_PROGRAM, [...args, '--store', STORE], env()).ended();

  /** Until everything that the agent was given is in the table. */
  const settled = () => vi.waitFor(() => expect(agent!.waiting.batches).toBe(0), PATIENCE);

  /** Bytes by `flowtoll sql`, by `flowtoll report`, and by delta-rs. */
  async function bytes(cluster: string): Promise<number[]> {
    const sql = await flowtoll(
      'sql',
      'SELECT sum(tx_bytes + rx_bytes)::DOUBLE AS n FROM flows',
      '--cluster',
      cluster,
      '--format',
      'json',
    );
    expect(sql).toMatchObject({ code: 0, stderr: '' });
    const report = await flowtoll('report', '--cluster', cluster, '--format', 'json');
    expect(report).toMatchObject({ code: 0, stderr: '' });
    const { total } = JSON.parse(report.stdout) as { total: { tx_bytes: number; rx_bytes: number } };
    const foreign: number[] = [];
    for (const column of ['tx_bytes', 'rx_bytes'])
      foreign.push(...(await foreignColumn(python!, table, column)).map(Number));
    return [
      (JSON.parse(sql.stdout) as { n: number }[])[0]!.n,
      Number(total.tx_bytes) + Number(total.rx_bytes),
      foreign.reduce((a, b) => a + b),
    ];
  }

  /** A row that is not ours; its bytes are 12. */
  const row = (cluster: string): ForeignRow => ({
    ...{
      date: '2026-01-31',
      window_start: Date.UTC(2026, 0, 31, 12) * 1000,
      window_end: Date.UTC(2026, 0, 31, 12, 1) * 1000,
    },
    ...{ cluster, node: 'elsewhere', local_kind: 'node', peer_kind: 'internet', protocol: 'tcp', port: 443 },
    ...{
      initiator: 'local',
      resolution: 'none',
      tx_bytes: 5,
      tx_packets: 1,
      rx_bytes: 7,
      rx_packets: 1,
      connections: 1,
    },
    ...{ traffic_class: 'internet', price_basis: 'none' },
  });

  test('rows, OPTIMIZE, vacuum, checkpoints and clean-up, before serve starts and while it runs: every row once', async () => {
    const cluster = 'rows';
    table = tableOf(cluster);
    const [port] = await freePorts(1);
    const first = await serve(cluster, port!);
    agent = startSoundAgent(port!);
    for (const window of [0, 1]) send(agent, window);
    await settled();
    await writeForeign(python!, table, [{ append: [row(cluster)] }]);
    send(agent, 2);
    await settled();
    await writeForeign(python!, table, [
      'optimize',
      'vacuum',
      'checkpoint',
      'cleanup',
      { append: [row(cluster), row(cluster)] },
    ]);
    send(agent, 3);
    await settled();
    const afterFirst = bytesOfWindows(4) + 3 * 12;
    expect(await bytes(cluster)).toEqual([afterFirst, afterFirst, afterFirst]);
    expect(await first.stop()).toMatchObject({ code: 0 });

    send(agent, 4);
    await writeForeign(python!, table, [{ append: [row(cluster)] }, 'optimize', 'vacuum', 'checkpoint', 'cleanup']);
    const second = await serve(cluster, port!);
    await settled();
    // While both write at once: whoever loses a race looks again.
    const racing = writeForeign(
      python!,
      table,
      Array.from({ length: 5 }, () => ({ append: [row(cluster)] })),
    );
    for (let window = 5; window < 25; window++) {
      send(agent, window);
      await settled();
    }
    await racing;
    expect(agent.counters).toMatchObject({ epochRestarts: 0, batchesAcknowledged: 25 });
    await finish(agent);
    agent = undefined;
    const all = bytesOfWindows(25) + 9 * 12;
    expect(await bytes(cluster)).toEqual([all, all, all]);
    for (const aggregator of [first, second]) {
      const complaints = aggregator.complaints().map(({ msg }) => msg);
      expect(complaints.filter((msg) => !/--max-batch-age none/.test(String(msg)))).toEqual([]);
    }
    expect(await second.stop()).toMatchObject({ code: 0 });

    // Two hours later, to upkeep its entries are as good as ours: hours are summed, files merged.
    const clock = () => Date.now() + 2 * HOUR_MS;
    const store = await openStore();
    const later = await openFlowTable(store, { cluster, clock });
    const last = flowRow({
      cluster,
      windowStartUs: clock() * 1000,
      windowEndUs: clock() * 1000 + 1,
      txBytes: 4,
      rxBytes: 6,
    });
    await later.commit([{ epoch: 'later', sequence: 1 }], (_, rows) => rows.append(last));
    await later.close();
    const steps: string[] = [];
    await maintain(store, {
      ...{ cluster, clock, keepFlowsMs: AGES_MS, keepCostsMs: AGES_MS },
      onStep: ({ step }) => steps.push(step),
    });
    expect(steps).toEqual(expect.arrayContaining(['roll-up', 'compact']));
    expect(await bytes(cluster)).toEqual([all + 10, all + 10, all + 10]);
  });

  test('a newer protocol: everybody refuses and says what to do, nothing is written, and nothing is lost', async () => {
    const cluster = 'newer';
    table = tableOf(cluster);
    const [port] = await freePorts(1);
    const aggregator = await serve(cluster, port!);
    agent = startSoundAgent(port!);
    send(agent, 0);
    await settled();
    const watch = (): Running =>
      programs.start(AGGREGATOR_PROGRAM, [
        'watch',
        '--server',
        `127.0.0.1:${port}`,
        '--format',
        'json',
        '--from',
        'oldest',
      ]);
    const watching = watch();
    await vi.waitFor(() => expect(aggregator.lines.map(({ msg }) => msg)).toContain('watcher begins'), PATIENCE);

    const version = await writeForeign(python!, table, []);
    const putEntry = (number: number, protocol: object) =>
      server.client.send(
        new PutObjectCommand({
          Bucket: 'flows',
          Key: `shared/${cluster}/flows/_delta_log/${String(number).padStart(20, '0')}.json`,
          Body: JSON.stringify({ protocol }),
          IfNoneMatch: '*',
        }),
      );
    const features = ['deletionVectors', 'somethingOfTheFuture'];
    await putEntry(version + 1, {
      minReaderVersion: 3,
      minWriterVersion: 7,
      readerFeatures: features,
      writerFeatures: features,
    });
    const objects = await keys();

    send(agent, 1);
    const failed = await aggregator.logged('commit failed; batches are kept and it is tried again');
    expect(failed['err']).toMatchObject({ code: 'TABLE_INVALID', message: expect.stringMatching(REFUSAL) });
    expect(agent.waiting.batches, 'the agent keeps what it has').toBe(1);
    const [again] = await freePorts(1);
    const topology = ['--topology', `${TESTDATA}/topology.yaml`];
    const listen = ['--listen', `127.0.0.1:${again}`, '--metrics-listen', 'none'];
    const ends: readonly (readonly [string, Promise<Ended>])[] = [
      ['a watcher that was there', watching.ended()],
      ['watch', watch().ended()],
      ['serve', flowtoll('serve', '--cluster', cluster, ...topology, ...listen)],
      ['report', flowtoll('report', '--cluster', cluster)],
      ['sql', flowtoll('sql', 'SELECT count(*) FROM flows', '--cluster', cluster)],
      ['maintain', flowtoll('maintain', '--cluster', cluster)],
      ['maintain --dry-run', flowtoll('maintain', '--cluster', cluster, '--dry-run')],
    ];
    for (const [name, ended] of ends) {
      const { code, stderr } = await ended;
      expect(stderr, name).toMatch(REFUSAL);
      expect(stderr.trim().split('\n'), name).toHaveLength(1);
      expect(code, name).toBe(1);
    }
    expect((await watching.ended()).stdout, 'what came before was told').toContain('"node":"n9"');
    expect(await keys()).toEqual(objects);

    // The other program drops the features.
    await putEntry(version + 2, { minReaderVersion: 1, minWriterVersion: 2 });
    await vi.waitFor(() => expect(agent!.waiting.batches).toBe(0), { ...PATIENCE, timeout: 90_000 });
    await finish(agent);
    agent = undefined;
    const all = bytesOfWindows(2);
    expect(await bytes(cluster)).toEqual([all, all, all]);
    expect(await aggregator.stop()).toMatchObject({ code: 0 });
  });

  async function keys(): Promise<string[]> {
    const { Contents = [] } = await server.client.send(
      new ListObjectsV2Command({ Bucket: 'flows', Prefix: 'shared/newer/' }),
    );
    return Contents.map(({ Key }) => Key!).sort();
  }
});
