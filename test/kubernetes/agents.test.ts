// Agents by tokens of a real API server: `flowtoll serve --agent-auth kubernetes` as a process with TLS, tokens as the kubelet asks for them,
// and whoever else has one. The stand-in reviews nothing: without the real programs this cannot be shown, and says so.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { createExporter } from '@flowtoll/agent/exporter/exporter.ts';
import { createOpenLink } from '@flowtoll/agent/exporter/ingest-link.ts';
import { windowFlows } from '@flowtoll/agent/exporter/windows.testing.ts';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { HelloSchema } from '@flowtoll/proto';
import { CertificateFiles, type ClientTls, clientTls } from '@flowtoll/proto/tls';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MountedSecret, TestAuthority } from '../../proto/src/tls/certificates.testing.ts';
import { freePorts } from '../support/free-ports.ts';
import { controlPlaneAssets } from '../support/kubernetes/assets.ts';
import { startControlPlane } from '../support/kubernetes/control-plane.ts';
import { KubeClient, pathOf } from '../support/kubernetes/kube-client.ts';
import { createNode } from '../support/kubernetes/kubelets.ts';
import { kubeconfigText, type TestCluster } from '../support/kubernetes/test-cluster.ts';
import { AGGREGATOR_PROGRAM, Programs, type Running } from '../support/processes.ts';
import { until } from '../support/until.ts';

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const NAMESPACE = 'flowtoll';
const NODES = ['node-a', 'node-b'];
const BOOT = '66666666-7777-8888-9999-aaaaaaaaaaaa';
const assets = await controlPlaneAssets();

/** Of addresses that no commit waits to hear the names of. */
function windowNow(): ReturnType<typeof windowFlows> {
  const window = windowFlows(0, 1);
  for (let i = 0; i < window.addressCount; i++) window.addresses.set([203, 0, 113, i], 16 * i);
  const endUs = Date.now() * 1000;
  return { ...window, windowStartUs: endUs - 1_000_000, windowEndUs: endUs };
}
if ('missing' in assets) console.warn(`agents by tokens of Kubernetes are not tested: ${assets.missing}`);

describe.skipIf('missing' in assets)('agents by tokens that a real API server reviews', () => {
  const programs = new Programs();
  let cluster: TestCluster;
  let admin: KubeClient;
  let work: string;
  let tls: ClientTls;
  let aggregator: Running;
  let address: string;
  let metricsPort: number;
  let epochs = 0;

  beforeAll(async () => {
    if ('missing' in assets) return;
    work = mkdtempSync(join(tmpdir(), 'flowtoll-agents-'));
    cluster = await startControlPlane(assets, { apiOnly: true });
    const { server } = cluster;
    const ca = cluster.tls?.ca;
    admin = new KubeClient({ server, token: cluster.adminToken, ca });
    await admin.whenUsable();
    for (const [index, name] of NODES.entries()) {
      const place = { region: 'eu-west-1', zone: 'eu-west-1a' };
      await createNode(admin, { name, address: `10.0.0.${10 + index}`, podPrefix: `10.244.${index}`, ...place });
    }
    await admin.create('namespaces', undefined, { metadata: { name: NAMESPACE } });
    for (const name of ['agent', 'web']) await admin.create('serviceaccounts', NAMESPACE, { metadata: { name } });
    const reviews = { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] };
    const token = await admin.accountWith('aggregator', [...rbacRules(), reviews]);
    writeFileSync(join(work, 'kubeconfig'), kubeconfigText({ server, ca, user: { token } }));
    await serve();
  });
  afterAll(async () => {
    await programs.killAll();
    await cluster?.stop();
    if (work !== undefined) rmSync(work, { recursive: true, force: true });
  });

  async function serve(): Promise<void> {
    const authority = new TestAuthority(work);
    const pair = authority.issue({ names: 'DNS:flowtoll-aggregator' });
    const secret = new MountedSecret(work, { 'tls.crt': pair.cert, 'tls.key': pair.key, 'ca.crt': authority.cert });
    [metricsPort] = (await freePorts(1)) as [number];
    aggregator = programs.start(AGGREGATOR_PROGRAM, [
      ...['serve', '--store', join(work, 'store'), '--listen', '127.0.0.1:0', '--commit-interval', '100ms'],
      ...['--kubernetes', join(work, 'kubeconfig'), '--metrics-listen', `127.0.0.1:${metricsPort}`],
      ...['--tls-cert', secret.path('tls.crt'), '--tls-key', secret.path('tls.key')],
      ...['--agent-auth', 'kubernetes', '--agent-service-accounts', `${NAMESPACE}/agent`],
    ]);
    address = `127.0.0.1:${(await aggregator.logged('listening'))['port']}`;
    const surroundings = { log: SILENT, now: Date.now, schedule: () => () => undefined };
    const files = new CertificateFiles({ authoritiesFile: secret.path('ca.crt') }, surroundings);
    tls = clientTls({ server: address, trust: 'files', serverName: 'flowtoll-aggregator', showsOwn: false }, files);
  }

  /** A pod of the account on a node; nothing runs in it. */
  async function podOf(account: string, nodeName: string) {
    const { metadata } = await admin.create('pods', NAMESPACE, {
      metadata: { generateName: `${account}-` },
      spec: { serviceAccountName: account, nodeName, containers: [{ name: 'c', image: 'none' }] },
    });
    return metadata;
  }

  /** A token as the kubelet asks for it. */
  async function tokenOf(
    account: string,
    pod?: { name: string; uid: string },
    audiences = ['flowtoll'],
  ): Promise<string> {
    const boundObjectRef = pod && { kind: 'Pod', apiVersion: 'v1', name: pod.name, uid: pod.uid };
    const path = `${pathOf('serviceaccounts', NAMESPACE, account)}/token`;
    const spec = { audiences, expirationSeconds: 600, ...(boundObjectRef && { boundObjectRef }) };
    const answer = await admin.ask(path, { method: 'POST', body: { spec } });
    if (answer.status !== 201) throw new Error(answer.text);
    return JSON.parse(answer.text).status.token;
  }

  const spoolId = () => `11111111-2222-3333-4444-${String(++epochs).padStart(12, '0')}`;

  /** "welcome", or how it ended: the status, and the word for why. */
  function sayHello(token: string | undefined, node: string, epoch = `${spoolId()}.${BOOT}`): Promise<string> {
    return new Promise((resolve) => {
      const none = () => undefined;
      const link = createOpenLink(address, { tls, token: token === undefined ? undefined : () => token })({
        ...{ onAcknowledgement: none, onThrottle: none, onDrain: none },
        onWelcome: () => {
          link.close();
          resolve('welcome');
        },
        onEnd: ({ code, refusal }) => resolve(`${status[code]} ${refusal}`),
      });
      link.sendHello(create(HelloSchema, { protocolVersion: 1, agentVersion: 'test', node, epoch }));
    });
  }

  const page = async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();

  test('an agent delivers with the token of its pod, and renews it while it does', async () => {
    const pod = await podOf('agent', 'node-a');
    const tokens = [await tokenOf('agent', pod), await tokenOf('agent', pod)];
    let shown = 0;
    const exporter = createExporter(
      {
        ...{ aggregator: address, node: 'node-a', agentVersion: 'test', queueBytes: 1 << 20 },
        ...{ spoolId: spoolId(), bootId: BOOT },
      },
      { log: SILENT, link: { tls, token: () => tokens[shown++ % tokens.length]! } },
    );
    exporter.start();
    exporter.send(windowNow());
    await until('the first is in', () => exporter.counters.batchesAcknowledged === 1, { patienceMs: 20_000 });
    exporter.renewStream();
    exporter.send(windowNow());
    await until('the second is in', () => exporter.counters.batchesAcknowledged === 2, { patienceMs: 20_000 });
    expect(shown).toBe(2);
    expect(await exporter.stop(5000)).toBe(true);
  });

  test('the node is that of the pod, and not what Hello says', async () => {
    const token = await tokenOf('agent', await podOf('agent', 'node-b'));
    expect(await sayHello(token, 'node-a')).toBe('PERMISSION_DENIED other-node');
    expect(await sayHello(token, 'node-b')).toBe('welcome');
  });

  test("another node's epoch is not gone on with, by whomever", async () => {
    const [a, b] = [await podOf('agent', 'node-a'), await podOf('agent', 'node-b')];
    const epoch = `${spoolId()}.${BOOT}`;
    expect(await sayHello(await tokenOf('agent', a), 'node-a', epoch)).toBe('welcome');
    expect(await sayHello(await tokenOf('agent', b), 'node-b', epoch)).toBe('PERMISSION_DENIED foreign-epoch');
  });

  test('who has no token, one for others, of another account or of no pod, does not get in', async () => {
    const [agent, web] = [await podOf('agent', 'node-a'), await podOf('web', 'node-a')];
    expect(await sayHello(undefined, 'node-a')).toBe('UNAUTHENTICATED no-proof');
    const forApi = await tokenOf('agent', agent, ['https://kubernetes.default.svc']);
    // The server says the same of a token for others and of one that it does not know.
    expect(await sayHello(forApi, 'node-a')).toMatch(/^UNAUTHENTICATED (wrong-audience|not-authenticated)$/);
    expect(await sayHello(await tokenOf('web', web), 'node-a')).toBe('PERMISSION_DENIED wrong-account');
    expect(await sayHello(await tokenOf('agent'), 'node-a')).toBe('PERMISSION_DENIED no-node');
    const good = await tokenOf('agent', agent);
    expect(await sayHello(`${good.slice(0, -4)}AAAA`, 'node-a')).toBe('UNAUTHENTICATED not-authenticated');
    expect(await sayHello(cluster.adminToken, 'node-a')).toMatch(/^UNAUTHENTICATED|^PERMISSION_DENIED/);
  });

  test('the token of a pod that is deleted is worth nothing', async () => {
    const pod = await podOf('agent', 'node-a');
    const token = await tokenOf('agent', pod);
    await admin.delete('pods', NAMESPACE, pod.name, { gracePeriodSeconds: 0 });
    expect(await sayHello(token, 'node-a')).toBe('UNAUTHENTICATED not-authenticated');
  });

  test('each refusal is counted, and no token is in the log, in metrics, in arguments or in the store', async () => {
    const pod = await podOf('agent', 'node-a');
    const token = await tokenOf('agent', pod);
    expect(await sayHello(token, 'node-b')).toBe('PERMISSION_DENIED other-node');
    const metrics = await page();
    for (const reason of ['no-proof', 'wrong-account', 'no-node', 'other-node', 'foreign-epoch', 'not-authenticated']) {
      expect(metrics).toMatch(new RegExp(`^flowtoll_agents_refused_total\\{reason="${reason}"\\} [1-9]`, 'm'));
    }
    expect(metrics).toMatch(/^flowtoll_tls_certificate_expires_timestamp_seconds\{certificate="own"\} \d/m);
    await aggregator.logged(({ msg }) => String(msg).startsWith('agents are refused: '));
    const said = [
      metrics,
      JSON.stringify(aggregator.lines),
      readFileSync(`/proc/${aggregator.child.pid}/cmdline`, 'utf8'),
    ];
    const own = JSON.parse(readFileSync(join(work, 'kubeconfig'), 'utf8')).users[0].user.token as string;
    const files = readdirSync(join(work, 'store'), { recursive: true, encoding: 'utf8', withFileTypes: true });
    for (const file of files) if (file.isFile()) said.push(readFileSync(join(file.parentPath, file.name), 'latin1'));
    expect(files.length).toBeGreaterThan(2);
    // The header of a token is the same for all; claims and signature are not.
    for (const secret of [token, own].flatMap((text) => text.split('.').slice(1))) {
      for (const text of said) expect(text.includes(secret)).toBe(false);
    }
  });

  test('a pod without the right to review says which one it lacks, and refuses nobody', async () => {
    const token = await admin.accountWith('poor', rbacRules());
    writeFileSync(join(work, 'poor'), kubeconfigText({ server: cluster.server, ca: cluster.tls?.ca, user: { token } }));
    const poor = programs.start(AGGREGATOR_PROGRAM, [
      ...['serve', '--store', join(work, 'poor-store'), '--listen', '127.0.0.1:0', '--metrics-listen', 'none'],
      ...['--kubernetes', join(work, 'poor'), '--agent-auth', 'kubernetes'],
      ...['--agent-service-accounts', `${NAMESPACE}/agent`],
    ]);
    const port = (await poor.logged('listening'))['port'];
    const good = await tokenOf('agent', await podOf('agent', 'node-a'));
    const end = await new Promise<string>((resolve) => {
      const none = () => undefined;
      const handlers = { onWelcome: none, onAcknowledgement: none, onThrottle: none, onDrain: none };
      createOpenLink(`127.0.0.1:${port}`, { token: () => good })({
        ...handlers,
        onEnd: ({ code, details }) => resolve(`${status[code]}: ${details}`),
      }).sendHello(create(HelloSchema, { protocolVersion: 1, node: 'node-a', epoch: `${spoolId()}.${BOOT}` }));
    });
    expect(end).toMatch(/^UNAVAILABLE: IDENTITY_UNAVAILABLE: .*bind the ClusterRole system:auth-delegator/);
  });
});
