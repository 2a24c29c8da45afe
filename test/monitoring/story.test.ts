// A real Prometheus scrapes real aggregators, and takes remote write from them, while the recorded traffic comes in: what it has then is what
// `flowtoll report` says, and every panel of every dashboard has data.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CaptureConfig, CILIUM_DEFAULTS } from '@flowtoll/agent/config.ts';
import { type DeliveryConfig, openDelivery } from '@flowtoll/agent/delivery.ts';
import { replay } from '@flowtoll/agent/replay.ts';
import { Recording } from '@flowtoll/agent/source/conntrack/recording.ts';
import { AgentTelemetry } from '@flowtoll/agent/telemetry/telemetry.ts';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dashboards } from '../support/dashboards.ts';
import { freePorts } from '../support/free-ports.ts';
import { KubeClient } from '../support/kubernetes/kube-client.ts';
import { createNode } from '../support/kubernetes/kubelets.ts';
import { startStandIn } from '../support/kubernetes/stand-in/stand-in.ts';
import { kubeconfigText, type TestCluster } from '../support/kubernetes/test-cluster.ts';
import { AGGREGATOR_PROGRAM, Programs } from '../support/processes.ts';
import { type Prometheus, prometheusPrograms, startPrometheus } from '../support/prometheus.ts';
import { NODES, TESTDATA } from '../support/recorded-traffic.ts';
import { until } from '../support/until.ts';

const SETS = `
version: 1
sets:
  - { name: namespace, labels: [namespace, traffic_class], measures: [bytes, packets, connections, cost] }
  - { name: workload, labels: [namespace, workload, peer_namespace, peer_workload, traffic_class], limit: 1000 }
  - { name: few, labels: [node, ip, peer_ip, port], limit: 5 }
`;

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** One of both replicas delivers. */
const SINKS = (url: string) => `
version: 1
sinks:
  prometheus:
    type: prometheus-remote-write
    url: ${url}/api/v1/write
    interval: 1s
    from: oldest
    labels: { via: remote-write }
    sendReceivedBytesMetric: true
`;
const SCRAPED = 'via=""';
const WRITTEN = 'via="remote-write"';

interface ReportJson {
  readonly total: { readonly tx_bytes: number; readonly rx_bytes: number; readonly cost_usd: string };
  readonly groups: readonly Record<string, string | number | null>[];
}

/** An agent's settings: its defaults, and windows that are as short as the recordings. */
const AGENT = {
  node: 'as recorded',
  dumpIntervalMs: 1000,
  windowMs: 2000,
  maxFlows: 20_000,
  clusterRanges: [],
  initiatorPrefixV4: 24,
  initiatorPrefixV6: 48,
  eventBufferBytes: 1 << 20,
  reliableEvents: false,
  reliableEventsMaxFillPercent: 80,
  setSysctls: false,
  logLevel: 'silent',
  source: 'conntrack',
  cilium: CILIUM_DEFAULTS,
  queueBytes: 1 << 20,
  spoolBytes: 1 << 20,
  spoolSync: false,
} satisfies CaptureConfig & Omit<DeliveryConfig, 'aggregator'>;

const prometheusFound = await prometheusPrograms();

describe.runIf(prometheusFound !== undefined)('Prometheus', () => {
  const programs = new Programs();
  let folder: string;
  let cluster: TestCluster | undefined;
  let prometheus: Prometheus | undefined;
  let replicas: string[];
  let processes: ReturnType<typeof startReplica>[];
  let agentPorts: number[];
  let agents: Awaited<ReturnType<typeof startAgent>>[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flowtoll-prometheus-'));
    await writeFile(join(folder, 'series.yaml'), SETS);
    cluster = await startStandIn({ bookmarkMs: 1000 });
    const admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: undefined });
    await createNode(admin, {
      ...{ name: 'n9', address: '10.9.0.1', podPrefix: '10.244.9', region: 'us-east-1', zone: 'us-east-1a' },
    });
    await admin.whenUsable();
    const token = await admin.accountWith('flowtoll', rbacRules());
    await writeFile(
      join(folder, 'kubeconfig'),
      kubeconfigText({ server: cluster.server, ca: undefined, user: { token } }),
    );

    const [first, second, firstMetrics, secondMetrics, ...agentMetrics] = await freePorts(4 + NODES.length);
    replicas = [`127.0.0.1:${firstMetrics}`, `127.0.0.1:${secondMetrics}`];
    agentPorts = agentMetrics;
    prometheus = await startPrometheus(prometheusFound!, [
      ...replicas,
      ...agentMetrics.map((port) => `127.0.0.1:${port}`),
    ]);
    await writeFile(join(folder, 'sinks.yaml'), SINKS(prometheus.url));
    const kubernetes = ['--kubernetes', join(folder, 'kubeconfig'), '--unwatched-after', '1s'];
    processes = [startReplica(first!, replicas[0]!), startReplica(second!, replicas[1]!, ...kubernetes)];
    for (const process of processes) await process.logged('listening');
    // Each round is other epochs, and counts again: by the other replica, and then by the first, so that its counters rise.
    for (const port of [first!, second!, first!]) {
      for (const agent of agents.splice(0)) await agent.stop();
      agents = await Promise.all(NODES.map((node, i) => startAgent(node, port, agentMetrics[i]!)));
      await untilScraped();
    }
    for (const agent of agents) agent.dumped();
    await untilScraped();
    await until('a node without an agent is seen', async () => (await value('max(flowtoll_nodes_unwatched)')) === 1, {
      patienceMs: 30_000,
    });
  });
  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    await programs.killAll();
    await prometheus?.stop();
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function startReplica(port: number, metrics: string, ...names: string[]) {
    return programs.start(AGGREGATOR_PROGRAM, [
      ...['serve', '--store', join(folder, 'store'), '--cluster', 'demo', '--listen', `127.0.0.1:${port}`],
      ...['--commit-interval', '200ms', '--max-batch-age', 'none', '--metrics-listen', metrics, ...names],
      ...[
        '--sinks',
        join(folder, 'sinks.yaml'),
        '--series',
        join(folder, 'series.yaml'),
        '--topology',
        join(TESTDATA, 'topology.yaml'),
      ],
    ]);
  }

  /** What `flowtoll-agent run` puts together, over a recording; resolves when all of it is in the table. */
  async function startAgent(node: string, port: number, metricsPort: number) {
    const recording = Recording.open(join(TESTDATA, `${node}.ftct`));
    const delivery = openDelivery({ ...AGENT, aggregator: `127.0.0.1:${port}` }, undefined, {
      ...{ node, bootId: randomUUID(), log: SILENT, goesOnFrom: () => false },
      onSpooled: () => {},
      onSpoolFails: () => {},
    });
    const telemetry = new AgentTelemetry(delivery, AGENT.dumpIntervalMs);
    const server = telemetry.server({ host: '127.0.0.1', port: metricsPort });
    await server.start();
    delivery.start();
    const { counts } = replay(recording, AGENT, (window) => delivery.send(window));
    const source = { name: 'conntrack', mapsReplaced: undefined, isAccountingOff: false } as const;
    const dumped = () => telemetry.dumped({ durationMs: 3, entries: counts.entries, counts, source });
    dumped();
    await until('everything is acknowledged', () => delivery.status.waiting.batches === 0, { patienceMs: 60_000 });
    return {
      dumped,
      stop: async () => {
        await delivery.stop(0);
        await server.stop();
      },
    };
  }

  async function value(expression: string): Promise<number | undefined> {
    return (await prometheus!.query(expression))[0]?.value;
  }

  /** What the replicas say of themselves, read past Prometheus. */
  async function exposed(): Promise<string> {
    const texts = await Promise.all(replicas.map(async (target) => (await fetch(`http://${target}/metrics`)).text()));
    return texts.join('');
  }

  /** Prometheus has what the replicas have now, twice. */
  async function untilScraped(): Promise<void> {
    const lines = (await exposed()).matchAll(/^flowtoll_namespace_tx_bytes_total\{.*\} (\d+)$/gm);
    const sum = [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
    const since = Date.now() / 1000;
    await until(
      'Prometheus has it',
      async () =>
        (await value(`sum(flowtoll_namespace_tx_bytes_total{${SCRAPED}})`)) === sum &&
        ((await value(`min(timestamp(flowtoll_namespace_tx_bytes_total{${SCRAPED}}))`)) ?? 0) > since + 0.5,
      { patienceMs: 30_000 },
    );
  }

  async function report(...args: string[]): Promise<ReportJson> {
    const { stdout, code } = await programs.run(AGGREGATOR_PROGRAM, [
      ...['report', '--store', join(folder, 'store'), '--format', 'json', ...args],
    ]);
    expect(code).toBe(0);
    return JSON.parse(stdout) as ReportJson;
  }

  test('has the sums of the report, of every set, whatever its limit', async () => {
    const { total } = await report();
    expect(total.tx_bytes).toBeGreaterThan(0);
    for (const set of ['namespace', 'workload', 'few']) {
      expect(await value(`sum(flowtoll_${set}_tx_bytes_total{${SCRAPED}})`), set).toBe(total.tx_bytes);
      expect(await value(`sum(flowtoll_${set}_rx_bytes_total{${SCRAPED}})`), set).toBe(total.rx_bytes);
      expect(await value(`sum(flowtoll_${set}_cost_usd_total{${SCRAPED}})`), set).toBeCloseTo(
        Number(total.cost_usd),
        12,
      );
    }
    expect(await value('max(count by (instance) (flowtoll_few_tx_bytes_total))')).toBe(5);
    expect(await value('sum(flowtoll_few_tx_bytes_total{ip="other",port="other"})')).toBeGreaterThan(0);
  });

  test('is told money exactly, to the last decimal', async () => {
    const { total } = await report();
    const costs = [...(await exposed()).matchAll(/^flowtoll_few_cost_usd_total\{.*\} (\d+)\.?(\d*)$/gm)];
    const pico = costs.reduce((sum, [, whole, part = '']) => sum + BigInt(`${whole}${part.padEnd(12, '0')}`), 0n);
    expect(pico).toBe(BigInt(total.cost_usd.replace('.', '')));
  });

  test('has each group as the report has it', async () => {
    const { groups } = await report('--by', 'namespace,class');
    const samples = await prometheus!.query(
      `sum by (namespace, traffic_class) (flowtoll_namespace_tx_bytes_total{${SCRAPED}})`,
    );
    const got = new Map(
      samples.map(({ labels, value }) => [`${labels['namespace'] ?? ''} ${labels['traffic_class']}`, value]),
    );
    const wanted = new Map(groups.map((group) => [`${group['namespace'] ?? ''} ${group['class']}`, group['tx_bytes']]));
    expect(got).toEqual(wanted);
    const zones = await report('--by', 'zone,peer-zone', '--filter', 'class=cross-zone');
    const between = await prometheus!.query(`sum by (zone, peer_zone) (flowtoll_interzone_tx_bytes_total{${SCRAPED}})`);
    expect(new Map(between.map(({ labels, value }) => [`${labels['zone']} ${labels['peer_zone']}`, value]))).toEqual(
      new Map(
        zones.groups.map((group) => [
          `${group['zone']} ${group['peer-zone'] ?? group['peer_zone']}`,
          group['tx_bytes'],
        ]),
      ),
    );
  });

  const panels = dashboards().flatMap((dashboard) =>
    dashboard.panels.map((panel) => ({ ...panel, of: dashboard.title })),
  );
  test.each(panels)('has data for $of: $title', async ({ targets }) => {
    for (const { expr } of targets) {
      const expression = expr
        .replaceAll('$__rate_interval', '2m')
        .replaceAll('$__range', '5m')
        .replaceAll('namespace=~"$namespace"', 'namespace=~".*"')
        .replaceAll('$namespace', 'shop')
        .replaceAll('$workload', 'web');
      expect(expression).not.toContain('$');
      const samples = await prometheus!.query(expression);
      expect(samples.length, expression).toBeGreaterThan(0);
      for (const sample of samples) expect(sample.value, expression).not.toBeNaN();
    }
  });

  describe('by remote write', () => {
    /** All that is in the table was delivered. */
    async function untilWritten(): Promise<ReportJson['total']> {
      const { total } = await report();
      await until(
        'all of it was delivered',
        async () => (await value(`sum(flowtoll_namespace_tx_bytes_total{${WRITTEN}})`)) === total.tx_bytes,
        {
          // A replica hears of another's commits within 15 s, and ends a slice within 10.
          patienceMs: 100_000,
          describe: () => JSON.stringify(processes.flatMap((process) => process.lines.filter(({ sink }) => sink))),
        },
      );
      return total;
    }

    async function expectTotals(total: ReportJson['total']): Promise<void> {
      for (const set of ['namespace', 'workload']) {
        for (const [metric, wanted] of [
          [`flowtoll_${set}_tx_bytes_total`, total.tx_bytes],
          [`flowtoll_${set}_rx_bytes_total`, total.rx_bytes],
          [`flowtoll_${set}_cost_usd_total`, Number(total.cost_usd)],
        ] as const) {
          const samples = `${metric}{${WRITTEN}}[20m]`;
          expect(await value(`sum(last_over_time(${samples}))`), metric).toBeCloseTo(wanted, 12);
          // Each begins with a zero and never falls, so what it grew by is all of it.
          const growth = `sum(max_over_time(${samples}) - min_over_time(${samples}))`;
          expect(await value(growth), metric).toBeCloseTo(wanted, 12);
          expect(await value(`sum(resets(${samples}))`), metric).toBe(0);
        }
      }
    }

    test('has the sums of the report as counters, and egressd’s series as parts of the sum', async () => {
      await expectTotals(await untilWritten());
      const { stdout } = await programs.run(AGGREGATOR_PROGRAM, [
        ...['sql', '--store', join(folder, 'store'), '--format', 'json'],
        `SELECT sum(tx_bytes)::DOUBLE AS tx, sum(rx_bytes)::DOUBLE AS rx,
           (sum(tx_bytes) FILTER (zone <> peer_zone))::DOUBLE AS "crossZone"
         FROM flows WHERE local_kind = 'pod' AND traffic_class NOT IN ('lost', 'encapsulation')`,
      ]);
      const [pods] = JSON.parse(stdout) as { tx: number; rx: number; crossZone: number }[];
      const sent = (labels: string) => value(`sum(sum_over_time(egressd_transmit_bytes_total{${labels}}[20m]))`);
      expect(await sent(WRITTEN)).toBe(pods!.tx);
      expect(await sent('cross_zone="true"')).toBe(pods!.crossZone);
      expect(await value('sum(sum_over_time(egressd_received_bytes_total[20m]))')).toBe(pods!.rx);
    });

    test('goes on where another replica takes over', async () => {
      const held = await prometheus!.query('flowtoll_sink_lease_held == 1');
      expect(held).toHaveLength(1);
      const holder = replicas.indexOf(held[0]!.labels['instance']!);
      for (const agent of agents.splice(0)) await agent.stop();
      await processes[holder]!.stop();
      const { port } = (await processes[1 - holder]!.logged('listening')) as unknown as { port: number };
      const before = await report();
      agents = await Promise.all(NODES.map((node, i) => startAgent(node, port, agentPorts[i]!)));
      const total = await untilWritten();
      expect(total.tx_bytes).toBeGreaterThan(before.total.tx_bytes);
      await expectTotals(total);
    });
  });
});
