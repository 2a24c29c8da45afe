// The API server goes away for an hour, the whole way: `flowtoll serve` as a process, an agent's streams, rows in the table. Flows are
// committed all the while; whoever was known keeps the name; what happened to addresses meanwhile is told by the list after it. The clock of
// process and agents is the test's (jumping-clock.ts); API objects say times of that clock.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createExporter, type Exporter } from '@flowtoll/agent/exporter/exporter.ts';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../support/free-ports.ts';
import { type FaultProxy, startFaultProxy } from '../support/kubernetes/fault-proxy.ts';
import { KubeClient } from '../support/kubernetes/kube-client.ts';
import { createNode } from '../support/kubernetes/kubelets.ts';
import { testClusters } from '../support/kubernetes/start-test-cluster.ts';
import { kubeconfigText, type TestCluster } from '../support/kubernetes/test-cluster.ts';
import { AGGREGATOR_PROGRAM, environment, Programs } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { MINUTE_MS, windowBetween } from '../support/window-between.ts';

const CLOCK = pathToFileURL(join(import.meta.dirname, '..', 'support', 'jumping-clock.ts')).href;
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

const CLIENT = '10.244.0.2';
/** Addresses on the other node, and what becomes of them while nobody hears. */
const STAYS = '10.244.1.2';
/** Its pod goes, and another gets it at minute 20. */
const GIVEN_AGAIN = '10.244.1.3';
/** Its pod goes, and nobody comes. */
const LEFT = '10.244.1.4';
/** Its pod succeeds at minute 10, and says so. */
const ENDED = '10.244.1.5';
/** Given to a new pod at minute 20. */
const FRESH = '10.244.1.6';
const PEERS = [STAYS, GIVEN_AGAIN, LEFT, ENDED, FRESH];

interface Row {
  readonly reporter: string;
  readonly startMs: number;
  readonly local: string | null;
  readonly ip: string;
  readonly pod: string | null;
  readonly resolution: string;
}

describe.each(await testClusters())('an API server that goes away for an hour: $name', ({ start }) => {
  let cluster: TestCluster;
  let admin: KubeClient;
  let proxy: FaultProxy;
  let work: string;
  const programs = new Programs();
  const exporters: Exporter[] = [];

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'flowtoll-away-'));
    cluster = await start();
    admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    for (const [index, zone] of ['a', 'b'].entries()) {
      const address = `10.0.${index}.10`;
      const place = { region: 'eu-west-1', zone: `eu-west-1${zone}` };
      await createNode(admin, { name: `node-${zone}`, address, podPrefix: `10.244.${index}`, ...place });
    }
    await admin.whenUsable();
    const token = await admin.accountWith('flowtoll', rbacRules());
    proxy = await startFaultProxy(cluster);
    writeFileSync(
      join(work, 'kubeconfig'),
      kubeconfigText({ server: proxy.server, ca: cluster.tls?.ca, user: { token } }),
    );
  });
  afterEach(async () => {
    for (const exporter of exporters.splice(0)) await exporter.stop(0);
    await programs.killAll();
  });
  afterAll(async () => {
    try {
      await proxy?.stop();
    } finally {
      await cluster?.stop();
      rmSync(work, { recursive: true, force: true });
    }
  });

  /** A pod that a kubelet has running since then. */
  async function run(name: string, ip: string, sinceMs: number): Promise<void> {
    const nodeName = ip === CLIENT ? 'node-a' : 'node-b';
    const containers = [{ name: 'main', image: 'registry.example/app:1' }];
    await admin.create('pods', 'default', {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name } },
      spec: { nodeName, containers },
    });
    const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }], startTime: timeText(sinceMs) };
    await admin.patch('pods', 'default', name, { status }, 'status');
  }

  function succeeded(name: string, atMs: number): Promise<unknown> {
    const terminated = { exitCode: 0, reason: 'Completed', startedAt: timeText(atMs), finishedAt: timeText(atMs) };
    const container = { name: 'main', image: 'app', imageID: '', ready: false, restartCount: 0, state: { terminated } };
    const status = { phase: 'Succeeded', containerStatuses: [container] };
    return admin.patch('pods', 'default', name, { status }, 'status');
  }

  test.each([
    { how: 'its watches go on', gone: false },
    { how: 'it has forgotten, and lists', gone: true },
  ])(
    'flows are committed, names stay, and nobody has a wrong one once it is known: $how',
    async ({ how, gone }) => {
      const store = join(work, how);
      for (const { metadata } of await admin.list('pods')) {
        await admin.delete('pods', metadata.namespace, metadata.name, { gracePeriodSeconds: 0 });
      }
      proxy.fault(() => undefined);
      const clockFile = join(work, 'clock');
      let aheadMs = 0;
      const now = () => Date.now() + aheadMs;
      const goTo = (ms: number): void => {
        aheadMs = ms - Date.now();
        writeFileSync(clockFile, String(aheadMs));
      };
      goTo(now());
      const longAgoMs = now() - 10 * MINUTE_MS;
      const first = { client: CLIENT, stays: STAYS, goes: GIVEN_AGAIN, leaves: LEFT, ends: ENDED };
      for (const [name, ip] of Object.entries(first)) await run(name, ip, longAgoMs);

      const [metricsPort] = await freePorts(1);
      const serve = programs.start(
        AGGREGATOR_PROGRAM,
        [
          ...['serve', '--store', store, '--listen', '127.0.0.1:0', '--commit-interval', '100ms'],
          ...['--kubernetes', join(work, 'kubeconfig'), '--metrics-listen', `127.0.0.1:${metricsPort}`],
        ],
        { env: environment({ NODE_OPTIONS: `--import=${CLOCK}`, FLOWTOLL_TEST_CLOCK: clockFile }) },
      );
      const { port } = await serve.logged('listening');
      const page = async (path: string) => {
        const response = await fetch(`http://127.0.0.1:${metricsPort}${path}`);
        return { status: response.status, text: await response.text() };
      };
      const values = async (metric: string): Promise<Map<string, number>> => {
        const { text } = await page('/metrics');
        return new Map(
          text.split('\n').flatMap((line) => {
            const match = new RegExp(`^${metric}\\{\\w+="([^"]+)"\\} (\\S+)$`).exec(line);
            return match === null ? [] : [[match[1]!, Number(match[2])] as const];
          }),
        );
      };
      const agesOf = () => values('flowtoll_kubernetes_age_seconds');
      /** Goes to this minute after it went away, and waits until the process has its clock there. */
      const goToMinute = async (minute: number): Promise<void> => {
        // No namespace comes or goes here.
        const seconds = async () => (await values('flowtoll_kubernetes_unchanged_seconds')).get('namespaces')!;
        const before = await seconds();
        goTo(goneMs + minute * MINUTE_MS);
        await until('its clock is set', async () => (await seconds()) > before + 30);
      };
      /** Something happens to a pod, and pods are heard of up to now. */
      const hear = async (): Promise<void> => {
        await admin.patch('pods', 'default', 'stays', { metadata: { labels: { heard: String(now()) } } });
        await until('pods are heard of', async () => (await agesOf()).get('pods')! < 20);
      };
      const said = (): unknown[] =>
        serve.lines.map(({ msg }) => msg).filter((msg) => String(msg).startsWith('kubernetes:'));

      let agents = 0;
      const agent = (node: string): Exporter => {
        const id = `${++agents}`.padStart(12, '0');
        const exporter = createExporter(
          {
            ...{ aggregator: `127.0.0.1:${port}`, node, agentVersion: 'test', queueBytes: 1 << 20 },
            ...{ spoolId: `11111111-2222-3333-4444-${id}`, bootId: `66666666-7777-8888-9999-${id}` },
          },
          { log: SILENT, now },
        );
        exporters.push(exporter);
        exporter.start();
        return exporter;
      };
      let windows = 0;
      const send = async (exporter: Exporter, startMs: number): Promise<void> => {
        windows++;
        exporter.send(windowBetween(startMs, CLIENT, PEERS));
        await until('it is acknowledged', () => exporter.waiting.batches === 0, { patienceMs: 20_000 });
      };

      // Before.
      const nodeA = agent('node-a');
      const goneMs = now();
      await send(nodeA, goneMs - 2 * MINUTE_MS);

      // Gone.
      await proxy.away(true);
      const resources = ['namespaces', 'nodes', 'pods', 'services', 'endpointslices.discovery.k8s.io'];
      await until('all resources have failed twice', async () => {
        const up = await values('flowtoll_kubernetes_up');
        const tries = (await values('flowtoll_kubernetes_failures_total')).get('unreachable') ?? 0;
        return resources.every((resource) => up.get(resource) === 0) && tries >= 3 * up.size;
      });
      await goToMinute(30);
      await send(nodeA, goneMs + 29 * MINUTE_MS);
      for (const name of ['goes', 'leaves']) await admin.delete('pods', 'default', name, { gracePeriodSeconds: 0 });
      await succeeded('ends', goneMs + 10 * MINUTE_MS);
      await run('successor', GIVEN_AGAIN, goneMs + 20 * MINUTE_MS);
      await run('fresh', FRESH, goneMs + 20 * MINUTE_MS);
      await goToMinute(61);
      expect(await page('/readyz')).toMatchObject({ status: 200 });
      for (const [resource, seconds] of await agesOf()) {
        expect(seconds, resource).toBeGreaterThan(3600);
        expect(seconds, resource).toBeLessThan(3700);
      }
      expect((await values('flowtoll_kubernetes_unchanged_seconds')).get('pods')).toBeGreaterThan(3600);
      // Agents that come now are let in.
      await send(agent('node-b'), goneMs + 60 * MINUTE_MS);
      expect(said()).toEqual([
        expect.stringMatching(
          /^kubernetes: cannot \w+ \S+ at http\S+ \(.*ECONN.*\): check the network and the address of the server; it is tried again; names go on from what is known$/,
        ),
      ]);

      // Back.
      if (gone) {
        // Each resource once: what it asks for is forgotten.
        const told = new Set<string>();
        proxy.fault(({ path, watching }) => {
          if (!watching || told.has(path)) return undefined;
          told.add(path);
          return { status: 410 };
        });
      }
      await proxy.away(false);
      await until('it is back', () => said().length > 1, { patienceMs: 30_000 });
      expect(said().slice(1)).toEqual([
        expect.stringMatching(/^kubernetes: the API server answers again, after 36\d\d s$/),
      ]);
      expect(new Set((await values('flowtoll_kubernetes_up')).values())).toEqual(new Set([1]));
      await goToMinute(62);
      await hear();
      const late = { before: -1, early: 5, handover: 19.75, between: 15, later: 40 };
      for (const minute of Object.values(late)) await send(nodeA, goneMs + minute * MINUTE_MS);
      await goToMinute(65);
      await hear();
      await send(nodeA, goneMs + 64 * MINUTE_MS);
      expect(said()).toHaveLength(2);
      expect(serve.complaints()).toHaveLength(1);

      // What became rows.
      expect((await serve.stop()).code).toBe(0);
      const statement =
        'SELECT node AS reporter, epoch_ms(window_start)::DOUBLE AS "startMs", pod AS local, peer_ip AS ip, peer_pod AS pod, resolution ' +
        "FROM flows WHERE ip = '10.244.0.2'";
      const args = ['sql', statement, '--store', store, '--format', 'json'];
      const { stdout, stderr } = await programs.run(AGGREGATOR_PROGRAM, args);
      expect(stderr).toBe('');
      const rows = JSON.parse(stdout) as Row[];
      // Nothing lost, nothing twice. What node-b says of the client is seen from the other side.
      expect(rows.filter(({ reporter }) => reporter === 'node-a')).toHaveLength(PEERS.length * (windows - 1));
      const namesAt = (minute: number) => {
        const startMs = goneMs + minute * MINUTE_MS;
        const of = rows.filter((row) => row.reporter === 'node-a' && Math.abs(row.startMs - startMs) < 2);
        expect(of.map(({ local }) => local)).toEqual(PEERS.map(() => 'client'));
        return Object.fromEntries(PEERS.map((ip) => [ip, nameOf(of.find((row) => row.ip === ip)!)]));
      };
      const nobody = expect.stringMatching(/^null /);
      const before = {
        [STAYS]: 'stays exact',
        [GIVEN_AGAIN]: 'goes exact',
        [LEFT]: 'leaves exact',
        [ENDED]: 'ends exact',
      };
      expect(namesAt(-2)).toEqual({ ...before, [FRESH]: nobody });
      expect(namesAt(late.before)).toEqual({ ...before, [FRESH]: nobody });
      // Committed while nobody could know better.
      expect(namesAt(29)).toEqual({
        ...{ [STAYS]: 'stays stale', [GIVEN_AGAIN]: 'goes stale', [LEFT]: 'leaves stale', [ENDED]: 'ends stale' },
        [FRESH]: nobody,
      });
      // Late, and named by what the new list told.
      const known = { [STAYS]: 'stays exact', [LEFT]: 'leaves stale' };
      const early = { ...known, [GIVEN_AGAIN]: 'goes stale', [FRESH]: nobody };
      expect(namesAt(late.early)).toEqual({ ...early, [ENDED]: 'ends exact' });
      expect(namesAt(late.between)).toEqual({ ...early, [ENDED]: nobody });
      const after = { ...known, [GIVEN_AGAIN]: 'successor ambiguous', [FRESH]: 'fresh exact', [ENDED]: nobody };
      expect(namesAt(late.handover)).toEqual(after);
      expect(namesAt(late.later)).toEqual(after);
      expect(namesAt(64)).toEqual({ ...after, [GIVEN_AGAIN]: 'successor exact', [LEFT]: nobody });
    },
    120_000,
  );
});

function nameOf({ pod, resolution }: Row): string {
  return `${pod} ${resolution}`;
}

/** As the API has times: whole seconds. */
function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
