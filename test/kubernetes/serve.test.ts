// `flowtoll serve --kubernetes` as a process: it lets agents in once the cluster is known, says what is missing until then, and ends
// when it is told to, whenever that is.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { rootCertificates } from 'node:tls';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freePorts } from '../support/free-ports.ts';
import { type FaultProxy, startFaultProxy } from '../support/kubernetes/fault-proxy.ts';
import { KubeClient, pathOf } from '../support/kubernetes/kube-client.ts';
import { createNode } from '../support/kubernetes/kubelets.ts';
import { testClusters } from '../support/kubernetes/start-test-cluster.ts';
import { kubeconfigText, type TestCluster } from '../support/kubernetes/test-cluster.ts';
import { until } from '../support/until.ts';

const FLOWTOLL = join(import.meta.dirname, '..', '..', 'aggregator', 'bin', 'flowtoll.js');

describe.each(await testClusters())('flowtoll serve on $name', ({ start }) => {
  let cluster: TestCluster;
  let proxy: FaultProxy;
  let work: string;
  let token: string;
  let admin: KubeClient;
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'flowtoll-serve-'));
    cluster = await start();
    admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    const place = { region: 'eu-west-1', zone: 'eu-west-1a' };
    await createNode(admin, { name: 'node-a', address: '10.0.0.10', podPrefix: '10.244.0', ...place });
    await admin.whenUsable();
    token = await admin.accountWith('flowtoll', rbacRules());
    proxy = await startFaultProxy(cluster);
    writeKubeconfig({ token });
  });
  beforeEach(() => writeKubeconfig({ token }));
  afterEach(async () => {
    for (const child of running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await proxy.away(false);
  });
  afterAll(async () => {
    try {
      await proxy?.stop();
    } finally {
      await cluster?.stop();
      rmSync(work, { recursive: true, force: true });
    }
  });

  /** For processes that start from now on, and those whose credentials are refused. */
  function writeKubeconfig(user: object, ca = cluster.tls?.ca, server = proxy.server): void {
    writeFileSync(join(work, 'kubeconfig'), kubeconfigText({ server, ca, user: { ...user } }));
  }

  /** Starts it; `pages` are what it says over HTTP. */
  async function serve() {
    const [metricsPort] = await freePorts(1);
    const args = ['serve', '--store', join(work, 'store'), '--listen', '127.0.0.1:0'];
    args.push('--kubernetes', join(work, 'kubeconfig'), '--metrics-listen', `127.0.0.1:${metricsPort}`);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FLOWTOLL_')));
    const child = spawn(process.execPath, [FLOWTOLL, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    running.push(child);
    const messages: string[] = [];
    const lines: Record<string, unknown>[] = [];
    createInterface({ input: child.stderr! }).on('line', (line) => {
      lines.push(JSON.parse(line));
      messages.push(String(lines.at(-1)!['msg']));
    });
    const page = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${metricsPort}${path}`).catch(() => undefined);
      return response && { status: response.status, text: await response.text() };
    };
    const exited = once(child, 'exit').then(([code]) => code as number | null);
    return { child, exited, messages, lines, page };
  }

  test('agents are let in once the cluster is known', async () => {
    await proxy.away(true);
    const { child, exited, messages, page } = await serve();
    await until('it says what is missing', async () => (await page('/readyz'))?.text.includes('not heard of in full'));
    expect((await page('/readyz'))!.status).toBe(503);
    expect((await page('/readyz'))!.text).toMatch(/namespaces, nodes, pods, services/);
    expect(messages).not.toContain('listening');
    await proxy.away(false);
    await until('it listens', () => messages.includes('listening'), { patienceMs: 20_000 });
    expect(messages).toContain('the cluster is known');
    expect((await page('/readyz'))!.status).toBe(200);
    expect((await page('/metrics'))!.text).toContain('flowtoll_cluster_objects{resource="nodes"} 1');
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });

  test('whoever is told to stop before that stops', async () => {
    await proxy.away(true);
    const { child, exited, messages, page } = await serve();
    await until('it waits', async () => (await page('/readyz'))?.status === 503);
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
    expect(messages).not.toContain('the cluster is known');
  });

  test('whoever may read nothing is told which rules to add, once; agents wait, and it stops when it is told to', async () => {
    writeKubeconfig({ token: await admin.accountWith(`poor-${Date.now()}`, []) });
    const { child, exited, messages, lines, page } = await serve();
    const said = () => lines.filter(({ code }) => code === 'KUBERNETES_FORBIDDEN');
    await until('all resources have said it', () => said().length === 7);
    for (const rule of [
      '{apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"]}',
      '{apiGroups: ["apps"], resources: ["replicasets"], verbs: ["list", "watch"]}',
      '{apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]}',
    ]) {
      expect(
        said().filter(({ msg }) => String(msg).includes(`add this rule to its ClusterRole: ${rule}`)),
      ).toHaveLength(1);
    }
    const { status, text } = (await page('/readyz'))!;
    expect(status).toBe(503);
    expect(text).toMatch(/not heard of in full yet: .*pods.*the account of the kubeconfig .* may not list resource/s);
    expect((await page('/metrics'))!.text).toContain('flowtoll_kubernetes_up{resource="pods"} 0');
    expect((await page('/metrics'))!.text).toContain('flowtoll_kubernetes_failures_total{reason="forbidden"} 7');
    expect(messages).not.toContain('listening');
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });

  test('a permission that is taken away later: one line, and agents are served as before', async () => {
    const account = `robbed-${Date.now()}`;
    const own = { server: cluster.server, token: await admin.accountWith(account, rbacRules()), ca: cluster.tls?.ca };
    writeKubeconfig({ token: own.token });
    const { child, exited, messages, lines, page } = await serve();
    await until('it listens', () => messages.includes('listening'), { patienceMs: 20_000 });
    await admin.patch('clusterroles', undefined, account, {
      rules: rbacRules().filter(({ apiGroups }) => !apiGroups.includes('apps')),
    });
    const replicaSets = new KubeClient(own);
    await until('the server knows it', async () => (await replicaSets.ask(pathOf('replicasets'))).status === 403);
    proxy.cutWatches();
    await until('it is refused', () => lines.some(({ code }) => code === 'KUBERNETES_FORBIDDEN'));
    const said = lines.filter(({ code }) => code === 'KUBERNETES_FORBIDDEN');
    expect(said).toMatchObject([{ resource: 'replicasets.apps', reason: 'forbidden', synced: true }]);
    expect(said[0]!['msg']).toMatch(/may not watch resource "replicasets" .*; names go on from what is known$/);
    expect((await page('/readyz'))!.status).toBe(200);
    expect((await page('/metrics'))!.text).toContain('flowtoll_kubernetes_up{resource="replicasets.apps"} 0');
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });

  test('wrong credentials, certificates and addresses: one line for all resources; it waits until they are right', async () => {
    const wrong = [
      {
        user: { token: 'nobody' },
        says: /the server does not accept the kubeconfig .*context "test"; they are read again before each try/,
      },
      {
        user: { token },
        server: proxy.server.replace(/:\d+$/, ':1'),
        says: /ECONNREFUSED.*check the network and the address of the server/,
      },
      ...(cluster.tls === undefined
        ? []
        : [
            {
              user: { token },
              ca: rootCertificates[0]!,
              says: /the connection is not secure: check server and certificate authority of the kubeconfig/,
            },
          ]),
    ];
    for (const { user, ca, server, says } of wrong) {
      writeKubeconfig(user, ca, server);
      const { child, exited, messages, page } = await serve();
      const said = () => messages.filter((message) => message.startsWith('kubernetes: '));
      await until('it has said it', () => said().length > 0);
      const tries = async () =>
        /flowtoll_kubernetes_failures_total\{.*\} (\d+)/.exec((await page('/metrics'))!.text)?.[1];
      await until('each resource has tried three times', async () => Number(await tries()) >= 21, {
        patienceMs: 20_000,
      });
      expect(said()).toEqual([expect.stringMatching(says)]);
      expect((await page('/readyz'))!.status).toBe(503);
      expect((await page('/readyz'))!.text).toMatch(says);
      if (user.token === 'nobody') {
        writeKubeconfig({ token });
        await until('it listens', () => messages.includes('listening'), { patienceMs: 20_000 });
        await until('all resources are told of', () => said().length > 1);
        expect(said().slice(1)).toEqual([
          expect.stringMatching(/^kubernetes: the API server answers again, after \d+ s$/),
        ]);
      }
      child.kill('SIGTERM');
      expect(await exited).toBe(0);
    }
  });
});
