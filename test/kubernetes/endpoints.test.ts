// Names that outlive processes: an aggregator dies, a pod goes, another aggregator starts, and flows that waited in their agent are named as
// of their time; and those of another cluster that has talked to that pod are, too. Real processes over one store; the table
// `endpoints` is read besides by a reader that is not ours.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createExporter } from '@flowtoll/agent/exporter/exporter.ts';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { deltaRsPython, foreignRows } from '../support/delta-rows.ts';
import { freePorts } from '../support/free-ports.ts';
import { KubeClient } from '../support/kubernetes/kube-client.ts';
import { createNode } from '../support/kubernetes/kubelets.ts';
import { testClusters } from '../support/kubernetes/start-test-cluster.ts';
import { kubeconfigText, type TestCluster } from '../support/kubernetes/test-cluster.ts';
import { AGGREGATOR_PROGRAM, Programs } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { MINUTE_MS, windowBetween } from '../support/window-between.ts';

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const POD = '10.244.0.5';
const FAR_NODE = '172.20.9.1';

/** The other cluster: one node, nothing from Kubernetes. Its zone has the name of another one, as in another account. */
const FAR_TOPOLOGY = JSON.stringify({
  version: 1,
  nodes: [
    {
      ...{ name: 'far', addresses: [FAR_NODE] },
      ...{ provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a', zoneId: 'euw1-az2' },
    },
  ],
});

const python = await deltaRsPython();

describe.each(await testClusters())('names that outlive processes: $name', ({ start }) => {
  let cluster: TestCluster;
  let admin: KubeClient;
  let work: string;
  let store: string;
  const programs = new Programs();

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'flowtoll-endpoints-'));
    store = join(work, 'store');
    cluster = await start();
    admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    const place = { region: 'eu-west-1', zone: 'eu-west-1a', zoneId: 'euw1-az1' };
    await createNode(admin, { name: 'node-a', address: '10.0.0.10', podPrefix: '10.244.0', ...place });
    await admin.whenUsable();
    const token = await admin.accountWith('flowtoll', rbacRules());
    const { server, tls } = cluster;
    writeFileSync(join(work, 'kubeconfig'), kubeconfigText({ server, ca: tls?.ca, user: { token } }));
    writeFileSync(join(work, 'far.json'), FAR_TOPOLOGY);
  });
  afterEach(() => programs.killAll());
  afterAll(async () => {
    await cluster?.stop();
    rmSync(work, { recursive: true, force: true });
  });

  /** An aggregator of this cluster, once it listens. */
  async function serve(name: string, ...names: readonly string[]) {
    const [metricsPort] = await freePorts(1);
    const args = ['serve', '--store', store, '--cluster', name, ...names, '--listen', '127.0.0.1:0'];
    args.push('--metrics-listen', `127.0.0.1:${metricsPort}`, '--commit-interval', '1s');
    const process = programs.start(AGGREGATOR_PROGRAM, args);
    const { port } = await process.logged('listening');
    const metrics = async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    return { port: Number(port), process, metrics };
  }
  const ofKubernetes = () => serve('prod', '--kubernetes', join(work, 'kubeconfig'));

  /** What an agent has kept until now, acknowledged. */
  async function sendLate(port: number, node: string, startMs: number, from: string, to: string): Promise<void> {
    const exporter = createExporter(
      {
        ...{ aggregator: `127.0.0.1:${port}`, node, agentVersion: 'test', queueBytes: 1 << 20 },
        ...{ spoolId: crypto.randomUUID(), bootId: crypto.randomUUID() },
      },
      { log: SILENT },
    );
    exporter.start();
    exporter.send(windowBetween(startMs, from, [to]));
    expect(await exporter.stop(20_000), 'acknowledged').toBe(true);
  }

  async function rows(statement: string): Promise<object[]> {
    const args = ['sql', statement, '--store', store, '--format', 'json'];
    const { stdout, stderr } = await programs.run(AGGREGATOR_PROGRAM, args);
    expect(stderr).toBe('');
    return JSON.parse(stdout) as object[];
  }

  test('flows of a pod that is gone have its names, here and in another cluster', async () => {
    const beganMs = Math.floor(Date.now() / 1000) * 1000 - 10 * MINUTE_MS;
    const containers = [{ name: 'main', image: 'registry.example/app:1' }];
    const metadata = { name: 'cart-0', labels: { app: 'cart' } };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: 'node-a', containers } };
    const { metadata: created } = await admin.create('pods', 'default', pod);
    const startTime = new Date(beganMs).toISOString().replace('.000', '');
    const status = { phase: 'Running', podIP: POD, podIPs: [{ ip: POD }], startTime };
    await admin.patch('pods', 'default', 'cart-0', { status }, 'status');

    const first = await ofKubernetes();
    await admin.delete('pods', 'default', 'cart-0', { gracePeriodSeconds: 0 });
    await until('the pod is gone', async () => (await admin.list('pods')).length === 0);
    await until('the aggregator has heard of it', async () =>
      /^flowtoll_cluster_history 1$/m.test(await first.metrics()),
    );
    await first.process.stop();
    const duringMs = beganMs + 5 * MINUTE_MS;

    const second = await ofKubernetes();
    expect(second.process.lines).toContainEqual(
      expect.objectContaining({ msg: 'names of addresses from before the start were loaded', holdings: 1 }),
    );
    await sendLate(second.port, 'node-a', duringMs, POD, FAR_NODE);
    await second.process.stop();
    const far = await serve('far', '--topology', join(work, 'far.json'));
    await sendLate(far.port, 'far', duringMs, FAR_NODE, POD);
    await far.process.stop();

    const during = `window_start = to_timestamp(${duringMs / 1000})`;
    expect(
      await rows(`SELECT pod, namespace, ip, zone, resolution FROM flows WHERE cluster = 'prod' AND ${during}`),
    ).toEqual([{ pod: 'cart-0', namespace: 'default', ip: POD, zone: 'eu-west-1a', resolution: 'none' }]);
    expect(
      await rows(
        `SELECT peer_cluster, peer_kind, peer_pod, peer_node, peer_zone, resolution, traffic_class FROM flows
         WHERE cluster = 'far' AND ${during}`,
      ),
    ).toEqual([
      {
        ...{ peer_cluster: 'prod', peer_kind: 'pod', peer_pod: 'cart-0', peer_node: 'node-a', peer_zone: 'eu-west-1a' },
        ...{ resolution: 'exact', traffic_class: 'cross-zone' },
      },
    ]);

    const seen = await rows(`SELECT address, uid, pod, held_to IS NULL AS lasts FROM endpoints WHERE kind = 'pod'`);
    expect(seen).toEqual([{ address: POD, uid: created.uid, pod: 'cart-0', lasts: false }]);
    if (python === undefined) return;
    const columns = ['address', 'uid', 'pod', 'namespace', 'node', 'zone', 'kind'];
    const read = await foreignRows(python, { uri: join(store, 'prod', 'endpoints'), options: {} }, columns);
    expect(read.filter((row) => row[6] === 'pod')).toEqual([
      [POD, created.uid, 'cart-0', 'default', 'node-a', 'eu-west-1a', 'pod'],
    ]);
  });
});
