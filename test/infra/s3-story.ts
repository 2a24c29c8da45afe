// All that the product asks of S3, once: several aggregators that share tables, names from Kubernetes, upkeep under a clock that the
// test sets forward by weeks, a large file and one whose upload fails, a stream, and everything that reads. Real programs wherever the
// clock does not matter; everything through one recorder. Knows command lines and stores, and nothing of permissions.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { openS3Store } from '@flowtoll/aggregator/store/s3-store.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { maintain } from '@flowtoll/aggregator/upkeep/maintain.ts';
import { freePorts } from '../support/free-ports.ts';
import { KubeClient } from '../support/kubernetes/kube-client.ts';
import { createNode } from '../support/kubernetes/kubelets.ts';
import { startStandIn } from '../support/kubernetes/stand-in/stand-in.ts';
import { kubeconfigText } from '../support/kubernetes/test-cluster.ts';
import { AGENT_PROGRAM, AGGREGATOR_PROGRAM, type Programs, type Running } from '../support/processes.ts';
import { NODES, TESTDATA } from '../support/recorded-traffic.ts';
import { type S3Recorder, startS3Recorder } from '../support/s3-recorder.ts';
import { credentialsOf, type IdentityName, type SeaweedFs } from '../support/seaweedfs.ts';
import { withoutCloud } from '../support/store-suites.ts';
import { startTroubleProxy, type TroubleProxy } from '../support/trouble-proxy.ts';
import { until } from '../support/until.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1024 ** 2;

export const BUCKET = 'flows';
export const PREFIX = 'deep/er/';
const STORE = `s3://${BUCKET}/${PREFIX}`;

/** What the story went through, for the test to know that it was worth something. */
export interface Story {
  /** As the aggregator: `writer`; as whoever reads: `reader`. */
  readonly recorder: S3Recorder;
  /** Steps of upkeep, "table step". */
  readonly upkeep: ReadonlySet<string>;
  /** What each command that reads printed, by its name. */
  readonly printed: ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

/** @param httpfs folder of DuckDB's extension: with it and without it, other requests read the same */
export async function playStory(server: SeaweedFs, programs: Programs, httpfs: string): Promise<Story> {
  const work = await mkdtemp(join(tmpdir(), 'flowtoll-s3-story-'));
  const troubles = await startTroubleProxy(server.endpoint);
  const recorder = await startS3Recorder(troubles.endpoint);
  const stop = async (): Promise<void> => {
    await programs.killAll();
    await recorder.stop();
    await troubles.stop();
    await rm(work, { recursive: true, force: true });
  };
  const stage = { server, programs, work, troubles, recorder };
  try {
    await ingest(stage);
    await nameAfterKubernetes(stage);
    const upkeep = await lookAfterOldTables(stage);
    const printed = await read(stage, httpfs);
    return { recorder, upkeep, printed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Stage {
  readonly server: SeaweedFs;
  readonly programs: Programs;
  readonly work: string;
  readonly troubles: TroubleProxy;
  readonly recorder: S3Recorder;
}

function environmentOf({ server, recorder }: Stage, identity: IdentityName): NodeJS.ProcessEnv {
  return withoutCloud({ ...server.environment(identity), AWS_ENDPOINT_URL: recorder.endpoint });
}

function serve(stage: Stage, cluster: string, args: readonly string[]): Running {
  const common = ['serve', '--store', STORE, '--cluster', cluster, '--listen', '127.0.0.1:0'];
  return stage.programs.start(AGGREGATOR_PROGRAM, [...common, '--commit-interval', '100ms', ...args], {
    env: environmentOf(stage, 'writer'),
  });
}

/** Agents replay recorded traffic to two aggregators of one cluster; a watcher reads it from a third. */
async function ingest(stage: Stage): Promise<void> {
  const names = ['--topology', join(TESTDATA, 'topology.yaml'), '--max-batch-age', 'none', '--metrics-listen', 'none'];
  const aggregators = [serve(stage, 'demo', names), serve(stage, 'demo', names)];
  for (const [i, node] of NODES.entries()) {
    const { port } = await aggregators[i % aggregators.length]!.logged('listening');
    const args = ['run', '--source', 'replay', '--replay-file', join(TESTDATA, `${node}.ftct`)];
    const { code, stderr } = await stage.programs
      .start(AGENT_PROGRAM, [...args, '--aggregator', `127.0.0.1:${port}`])
      .ended();
    if (code !== 0) throw new Error(`the agent of ${node} ended with ${code}: ${stderr}`);
  }
  const third = serve(stage, 'demo', names);
  const { port } = await third.logged('listening');
  const watch = ['watch', '--server', `127.0.0.1:${port}`, '--from', 'oldest', '--format', 'json'];
  const watcher = stage.programs.start(AGGREGATOR_PROGRAM, watch);
  let rows = '';
  watcher.child.stdout!.on('data', (text: string) => {
    rows += text;
  });
  await until('a watcher sees rows', () => rows.includes('\n'), { patienceMs: 30_000 });
  await watcher.stop();
  for (const aggregator of [...aggregators, third]) await aggregator.stop();
}

/** An aggregator with names from the API writes the table `endpoints`; another one reads it when it starts. */
async function nameAfterKubernetes(stage: Stage): Promise<void> {
  const cluster = await startStandIn({ bookmarkMs: 100 });
  try {
    const admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    const place = { region: 'eu-west-1', zone: 'eu-west-1a' };
    await createNode(admin, { name: 'node-a', address: '10.0.0.10', podPrefix: '10.244.0', ...place });
    const token = await admin.accountWith('flowtoll', rbacRules());
    const kubeconfig = join(stage.work, 'kubeconfig');
    await writeFile(kubeconfig, kubeconfigText({ server: cluster.server, ca: cluster.tls?.ca, user: { token } }));
    await createPod(admin);
    const [metricsPort] = await freePorts(1);
    const args = ['--kubernetes', kubeconfig, '--metrics-listen', `127.0.0.1:${metricsPort}`];
    const first = serve(stage, 'named', args);
    await first.logged('listening');
    await admin.delete('pods', 'default', 'cart-0', { gracePeriodSeconds: 0 });
    await until('the aggregator has heard of the end of the pod', async () => {
      const page = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
      return /^flowtoll_cluster_history 1$/m.test(await page.text());
    });
    // What it has heard of is written at its end.
    await first.stop();
    const second = serve(stage, 'named', args);
    await second.logged('names of addresses from before the start were loaded');
    await second.logged('listening');
    await second.stop();
  } finally {
    await cluster.stop();
  }
}

async function createPod(admin: KubeClient): Promise<void> {
  const containers = [{ name: 'main', image: 'registry.example/app:1' }];
  const spec = { nodeName: 'node-a', containers };
  await admin.create('pods', 'default', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'cart-0' }, spec });
  const startTime = new Date(Date.now() - MINUTE_MS).toISOString();
  const status = { phase: 'Running', podIP: '10.244.0.5', podIPs: [{ ip: '10.244.0.5' }], startTime };
  await admin.patch('pods', 'default', 'cart-0', { status }, 'status');
}

/** Weeks of commits of another cluster and their upkeep. */
async function lookAfterOldTables({ server: _, troubles, work, recorder }: Stage): Promise<Set<string>> {
  const client = { endpoint: recorder.endpoint, region: 'us-east-1', credentials: credentialsOf('writer') };
  const store = await openS3Store({ bucket: BUCKET, prefix: PREFIX, partBytes: 5 * MIB, client });
  const startMs = Date.now() - 60 * DAY_MS;
  let nowMs = startMs - (startMs % DAY_MS) + DAY_MS / 2;
  const clock = () => nowMs;
  const table = await openFlowTable(store, { cluster: 'old', clock, checkpointEntries: 10 });
  let sequence = 0;
  const commit = async (): Promise<void> => {
    const times = { windowStartUs: (nowMs - 60_000) * 1000, windowEndUs: nowMs * 1000 };
    await table.commit([{ epoch: 'e', sequence: ++sequence }], (_, rows) => {
      rows.append(flowRow({ ...times, txBytes: sequence, pod: `pod-${sequence}` }));
    });
  };
  const steps = new Set<string>();
  const keep = { keepFlowsMs: 30 * DAY_MS, keepCostsMs: 400 * DAY_MS };
  const upkeep = () =>
    maintain(store, { cluster: 'old', clock, ...keep, onStep: ({ table: of, step }) => steps.add(`${of} ${step}`) });
  for (; sequence < 30; nowMs += HOUR_MS) await commit();
  await upkeep();
  for (let weeks = 0; weeks < 5; weeks++) {
    nowMs += 10 * DAY_MS;
    await commit();
    await upkeep();
  }
  await table.close();

  const large = async (key: string): Promise<void> => {
    const file = join(work, 'large');
    await writeFile(file, Buffer.alloc(6 * MIB, key));
    await store.put(key, { file });
  };
  await large('old/flows/date=2026-01-01/large.parquet');
  const refusal = '<Error><Code>InvalidRequest</Code><Message>made up</Message></Error>';
  troubles.trouble(({ method, url }) =>
    method === 'PUT' && url.includes('partNumber=2') ? { instead: { status: 400, body: refusal } } : undefined,
  );
  const failed = await large('old/flows/date=2026-01-01/failed.parquet').catch((error: Error) => error);
  if (!(failed instanceof Error)) throw new Error('the upload of which a part was refused has succeeded');
  troubles.trouble(() => undefined);
  return steps;
}

/** Whatever reads a store, as the reader, with DuckDB's extension and without it. */
async function read(stage: Stage, httpfs: string): Promise<Map<string, string>> {
  const printed = new Map<string, string>();
  const commands = {
    report: ['report', '--by', 'cluster', '--format', 'json'],
    sql: [
      'sql',
      'SELECT (SELECT count(*) FROM flows) f, (SELECT count(*) FROM costs_hourly) c, (SELECT count(*) FROM endpoints) e',
    ],
    status: ['status', '--format', 'json'],
    explain: ['explain', '--list'],
  };
  for (const [name, args] of Object.entries(commands)) {
    for (const [how, extensions] of [
      ['in place', httpfs],
      ['from the cache', 'none'],
    ] as const) {
      const options = ['--store', STORE, '--extensions', extensions, '--cache', join(stage.work, `cache-${name}`)];
      const env = environmentOf(stage, 'reader');
      const { code, stdout, stderr } = await stage.programs
        .start(AGGREGATOR_PROGRAM, [...args, ...options], { env })
        .ended();
      // `status` ends with 3 where something needs attention, as old tables do.
      if (code !== 0 && !(name === 'status' && code === 3))
        throw new Error(`flowtoll ${name} ended with ${code}: ${stderr}`);
      printed.set(`${name} ${how}`, stdout);
    }
  }
  return printed;
}
