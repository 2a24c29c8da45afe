// Nodes that no agent speaks for, as two replicas over one store say it: both compare the nodes of Kubernetes with the log that they share, so
// that it does not matter to which of them an agent is connected. Processes, their /metrics and their logs.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createExporter, type Exporter } from '@flowtoll/agent/exporter/exporter.ts';
import { windowFlows } from '@flowtoll/agent/exporter/windows.testing.ts';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../support/free-ports.ts';
import { KubeClient } from '../support/kubernetes/kube-client.ts';
import { createNode } from '../support/kubernetes/kubelets.ts';
import { testClusters } from '../support/kubernetes/start-test-cluster.ts';
import { kubeconfigText, type TestCluster } from '../support/kubernetes/test-cluster.ts';
import { AGGREGATOR_PROGRAM, Programs, type Running } from '../support/processes.ts';
import { until } from '../support/until.ts';

const NODES = ['node-a', 'node-b', 'node-c'];
/** For how long a node may be silent; much longer than a busy machine takes from one window to its commit. */
const UNWATCHED_AFTER_MS = 5000;
const WINDOW_MS = 250;
const UNWATCHED = 'no agent speaks for these nodes: what they pay for is not in the table';
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Replica {
  readonly process: Running;
  readonly port: number;
  /** Value of a metric without labels; undefined where it is absent. */
  metric(name: string): Promise<number | undefined>;
}

interface Agent {
  /** Dies without a word. */
  kill(): Promise<void>;
}

describe.each(await testClusters())('nodes without an agent, two replicas: $name', ({ start }) => {
  let cluster: TestCluster;
  let work: string;
  const programs = new Programs();
  const agents: Agent[] = [];

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'flowtoll-unwatched-'));
    cluster = await start();
    const { server, tls } = cluster;
    const admin = new KubeClient({ server, token: cluster.adminToken, ca: tls?.ca });
    for (const [index, name] of NODES.entries()) {
      const place = { region: 'eu-west-1', zone: 'eu-west-1a' };
      await createNode(admin, { name, address: `10.0.0.${10 + index}`, podPrefix: `10.244.${index}`, ...place });
    }
    await admin.whenUsable();
    const token = await admin.accountWith('flowtoll', rbacRules());
    writeFileSync(join(work, 'kubeconfig'), kubeconfigText({ server, ca: tls?.ca, user: { token } }));
  });
  afterEach(async () => {
    for (const agent of agents.splice(0)) await agent.kill();
    await programs.killAll();
  });
  afterAll(async () => {
    await cluster?.stop();
    rmSync(work, { recursive: true, force: true });
  });

  async function startReplica(): Promise<Replica> {
    const [metricsPort] = await freePorts(1);
    const process = programs.start(AGGREGATOR_PROGRAM, [
      ...['serve', '--store', join(work, 'store'), '--listen', '127.0.0.1:0', '--commit-interval', '100ms'],
      ...['--kubernetes', join(work, 'kubeconfig'), '--metrics-listen', `127.0.0.1:${metricsPort}`],
      ...['--unwatched-after', `${UNWATCHED_AFTER_MS}ms`, '--maintain-interval', 'none'],
    ]);
    const { port } = await process.logged('listening');
    return {
      ...{ process, port: port as number },
      metric: async (name) => {
        const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
        const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1];
        return value === undefined ? undefined : Number(value);
      },
    };
  }

  /** An agent of this node at this replica: one window after the other. */
  function startAgent(node: string, { port }: Replica): Agent {
    const id = `${NODES.indexOf(node) + 1}`.padStart(12, '0');
    const exporter: Exporter = createExporter(
      {
        ...{ aggregator: `127.0.0.1:${port}`, node, agentVersion: 'test', queueBytes: 1 << 20 },
        ...{ spoolId: `11111111-2222-3333-4444-${id}`, bootId: `66666666-7777-8888-9999-${id}` },
      },
      { log: SILENT },
    );
    exporter.start();
    const timer = setInterval(() => {
      const endUs = Date.now() * 1000;
      const times = { windowStartUs: endUs - WINDOW_MS * 1000, windowEndUs: endUs };
      const window = windowFlows(0, 1);
      // Addresses that no commit waits to hear the names of.
      for (let i = 0; i < window.addressCount; i++) window.addresses.set([203, 0, 113, i], 16 * i);
      exporter.send({ ...window, ...times });
    }, WINDOW_MS);
    const agent = {
      kill: async () => {
        clearInterval(timer);
        await exporter.stop(0);
      },
    };
    agents.push(agent);
    return agent;
  }

  /** What it has said of nodes, in order. */
  const said = ({ process }: Replica): unknown[] =>
    process.lines
      .filter(({ msg }) => msg === UNWATCHED || msg === 'an agent speaks for each node again')
      .map(({ nodes }) => nodes);

  test('both say the same, wherever the agents are', async () => {
    const replicas = [await startReplica(), await startReplica()] as const;
    const bothSay = (unwatched: number): Promise<unknown> =>
      until(
        `both say ${unwatched}`,
        async () => {
          const counts = await Promise.all(replicas.map(({ metric }) => metric('flowtoll_nodes_unwatched')));
          return counts.every((count) => count === unwatched);
        },
        { patienceMs: 4 * UNWATCHED_AFTER_MS, describe: () => JSON.stringify(replicas.map(said)) },
      );
    const [first, second] = replicas;
    // Silence proves nothing yet.
    for (const { metric } of replicas) expect(await metric('flowtoll_nodes_unwatched')).toBeUndefined();
    const neighbour = startAgent('node-a', first);
    startAgent('node-b', first);
    await bothSay(1);
    for (const replica of replicas) {
      expect(await replica.metric('flowtoll_nodes')).toBe(NODES.length);
      expect(said(replica)).toEqual([['node-c']]);
    }
    expect(await second.metric('flowtoll_streams')).toBe(0);
    // Its agent speaks to the one that has no other.
    startAgent('node-c', second);
    await bothSay(0);
    for (const replica of replicas) expect(said(replica)).toEqual([['node-c'], []]);
    // One that dies is missed by both, too.
    await neighbour.kill();
    await bothSay(1);
    for (const replica of replicas) expect(said(replica)).toEqual([['node-c'], [], ['node-a']]);
    startAgent('node-a', second);
    await bothSay(0);
    for (const replica of replicas) {
      expect(said(replica)).toEqual([['node-c'], [], ['node-a'], []]);
      expect(replica.process.complaints().filter(({ msg }) => msg !== UNWATCHED)).toEqual([]);
    }
  });
});
