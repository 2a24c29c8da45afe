// `flowtoll serve --kubernetes` as a process: it lets agents in once the cluster is known, says what is missing until then, and ends
// when it is told to, whenever that is.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../support/free-ports.ts';
import { type FaultProxy, startFaultProxy } from '../support/kubernetes/fault-proxy.ts';
import { KubeClient } from '../support/kubernetes/kube-client.ts';
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
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'flowtoll-serve-'));
    cluster = await start();
    const admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    const place = { region: 'eu-west-1', zone: 'eu-west-1a' };
    await createNode(admin, { name: 'node-a', address: '10.0.0.10', podPrefix: '10.244.0', ...place });
    await until('namespace default', async () =>
      (await admin.list('namespaces')).some(({ metadata }) => metadata.name === 'default'),
    );
    token = await admin.accountWith('flowtoll', rbacRules());
    proxy = await startFaultProxy(cluster);
    const user = { token };
    const kubeconfig = kubeconfigText({ server: proxy.server, ca: cluster.tls?.ca, user });
    writeFileSync(join(work, 'kubeconfig'), kubeconfig);
  });
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

  /** Starts it; `pages` are what it says over HTTP. */
  async function serve() {
    const [metricsPort] = await freePorts(1);
    const args = ['serve', '--store', join(work, 'store'), '--listen', '127.0.0.1:0'];
    args.push('--kubernetes', join(work, 'kubeconfig'), '--metrics-listen', `127.0.0.1:${metricsPort}`);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FLOWTOLL_')));
    const child = spawn(process.execPath, [FLOWTOLL, ...args], { env, stdio: ['ignore', 'inherit', 'pipe'] });
    running.push(child);
    const messages: string[] = [];
    createInterface({ input: child.stderr! }).on('line', (line) => messages.push(JSON.parse(line).msg));
    const page = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${metricsPort}${path}`).catch(() => undefined);
      return response && { status: response.status, text: await response.text() };
    };
    const exited = once(child, 'exit').then(([code]) => code as number | null);
    return { child, exited, messages, page };
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
});
