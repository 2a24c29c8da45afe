// Readers by tokens of a real Kubernetes API server: whose token is taken, what RBAC lets its account see, and how soon both end. The stand-in
// knows no reviews. First flowtoll serve as a process, then the same parts in this process, with memories short enough to wait for.
import { createSign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { createFlowService, type FlowServer } from '@flowtoll/aggregator/api/flow-service.ts';
import { createReadServer, type ReadServer } from '@flowtoll/aggregator/api/read-server.ts';
import { isAt, ROOT, texts, WatchedTable } from '@flowtoll/aggregator/api/watched-table.testing.ts';
import { createKubernetesReaders } from '@flowtoll/aggregator/identity/readers/kubernetes-readers.ts';
import { createReaderGate, type ReaderGate } from '@flowtoll/aggregator/identity/readers/reader-gate.ts';
import { createSubjectAccessReviewer } from '@flowtoll/aggregator/identity/subject-access-review.ts';
import { createTokenReviewer } from '@flowtoll/aggregator/identity/token-review.ts';
import { createApiClient } from '@flowtoll/aggregator/kubernetes/api-client.ts';
import { loadApiConfig } from '@flowtoll/aggregator/kubernetes/api-config.ts';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { SYSTEM_TIMING } from '@flowtoll/aggregator/kubernetes/timing.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { FlowService, grpcMethod, WatchRequestSchema, type WatchResponse } from '@flowtoll/proto';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { controlPlaneAssets } from '../support/kubernetes/assets.ts';
import { type ControlPlane, startControlPlane } from '../support/kubernetes/control-plane.ts';
import { type FaultProxy, startFaultProxy } from '../support/kubernetes/fault-proxy.ts';
import { KubeClient, pathOf } from '../support/kubernetes/kube-client.ts';
import { createNode } from '../support/kubernetes/kubelets.ts';
import { kubeconfigText } from '../support/kubernetes/test-cluster.ts';
import { AGGREGATOR_PROGRAM, Programs, type Running } from '../support/processes.ts';
import { until } from '../support/until.ts';

type Request = MessageInitShape<typeof WatchRequestSchema>;

const AUDIENCE = 'flowtoll-read';
/** As docs/security.md and the chart have it, beside what names need. */
const REVIEW_RULES = [
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
];
const READ_FLOWS = [{ apiGroups: ['flowtoll.io'], resources: ['flows'], verbs: ['get'] }];
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

const assets = await controlPlaneAssets();
if ('missing' in assets) console.warn(`readers by Kubernetes are not tested: ${assets.missing}`);

describe.skipIf('missing' in assets)('readers by tokens of Kubernetes', () => {
  let cluster: ControlPlane;
  let proxy: FaultProxy;
  let admin: KubeClient;
  let table: WatchedTable;
  let version: number;
  let work: string;
  let client: Client;
  let accounts = 0;

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'flowtoll-readers-'));
    if ('missing' in assets) return;
    cluster = await startControlPlane(assets, { apiOnly: true });
    admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    await admin.whenUsable();
    const place = { region: 'eu-west-1', zone: 'eu-west-1a' };
    await createNode(admin, { name: 'node-a', address: '10.0.0.10', podPrefix: '10.244.0', ...place });
    for (const name of ['shop', 'pay']) await post('/api/v1/namespaces', { metadata: { name } });
    const token = await admin.accountWith('flowtoll', [...rbacRules(), ...REVIEW_RULES]);
    proxy = await startFaultProxy(cluster);
    const config = kubeconfigText({ server: proxy.server, ca: cluster.tls?.ca, user: { token } });
    writeFileSync(join(work, 'kubeconfig'), config);
    table = await WatchedTable.open();
    version = await table.commitRows(
      ['shop', 'pay'].map((namespace) => flowRow({ namespace, pod: `${namespace}-1`, workload: 'web' })),
    );
  });
  afterAll(async () => {
    try {
      await proxy?.stop();
      await table?.close();
    } finally {
      await cluster?.stop();
      rmSync(work, { recursive: true, force: true });
    }
  });

  async function post(path: string, body: object): Promise<{ readonly [field: string]: unknown }> {
    const { status: code, text } = await admin.ask(path, { method: 'POST', body });
    if (code > 299) throw new Error(`POST ${path}: HTTP ${code}: ${text}`);
    return JSON.parse(text) as { readonly [field: string]: unknown };
  }

  /** A service account that nobody else has. */
  async function account(): Promise<string> {
    const name = `reader-${++accounts}`;
    await admin.create('serviceaccounts', 'default', { metadata: { name } });
    return name;
  }

  async function tokenOf(name: string, spec: object = {}): Promise<string> {
    const answer = await post(`${pathOf('serviceaccounts', 'default', name)}/token`, {
      spec: { expirationSeconds: 600, audiences: [AUDIENCE], ...spec },
    });
    return (answer['status'] as { readonly token: string }).token;
  }

  /** Lets the account read flows; of a namespace, or of all. Returns how to take it back. */
  async function allow(name: string, namespace?: string): Promise<() => Promise<unknown>> {
    const [kind, where] = namespace === undefined ? ['ClusterRole', RBAC] : ['Role', `${RBAC}/namespaces/${namespace}`];
    const plural = namespace === undefined ? 'cluster' : '';
    const role = `${name}-reads`;
    await post(`${where}/${plural}roles`, { metadata: { name: role }, rules: READ_FLOWS });
    await post(`${where}/${plural}rolebindings`, {
      metadata: { name: role },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: role },
      subjects: [{ kind: 'ServiceAccount', name, namespace: 'default' }],
    });
    return () => admin.ask(`${where}/${plural}rolebindings/${role}`, { method: 'DELETE' });
  }

  interface Answer {
    readonly code: status;
    readonly details: string;
    readonly pods: readonly (string | null)[];
  }

  /** Reads up to the newest version, or until it is refused; `isEndless`: until the server ends it. */
  function watch(token: string | undefined, namespaces: readonly string[] = [], isEndless = false): Promise<Answer> {
    const { path, requestSerialize, responseDeserialize } = grpcMethod(FlowService.method.watch);
    const request: Request = {
      from: { case: 'version', value: 1n },
      columns: ['pod'],
      filters: namespaces.length === 0 ? [] : [{ column: 'namespace', values: [...namespaces], exclude: false }],
    };
    const metadata = new Metadata();
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    return new Promise((resolve) => {
      const pods: (string | null)[] = [];
      const call = client.makeServerStreamRequest(
        path,
        requestSerialize,
        (bytes) => responseDeserialize(bytes) as WatchResponse,
        create(WatchRequestSchema, request),
        metadata,
      );
      call.on('data', (message: WatchResponse) => {
        pods.push(...texts(message, 'pod'));
        if (!isEndless && isAt(message, version)) call.cancel();
      });
      call.on('end', () => resolve({ code: status.OK, details: '', pods: pods.sort() }));
      call.on('error', ({ code, details }: ServiceError) => resolve({ code, details, pods: pods.sort() }));
    });
  }

  const seen = (pods: readonly string[]) => ({ code: status.CANCELLED, pods });
  const unknown = (details: RegExp) => ({
    ...{ code: status.UNAUTHENTICATED, pods: [] },
    details: expect.stringMatching(details),
  });
  const forbidden = (details: RegExp) => ({
    ...{ code: status.PERMISSION_DENIED, pods: [] },
    details: expect.stringMatching(details),
  });

  describe('at flowtoll serve', () => {
    const programs = new Programs();
    let serving: Running;

    beforeAll(async () => {
      serving = programs.start(AGGREGATOR_PROGRAM, [
        ...['serve', '--store', table.folder, '--cluster', 'demo', '--kubernetes', join(work, 'kubeconfig')],
        ...['--listen', '127.0.0.1:0', '--read-listen', '127.0.0.1:0', '--read-auth', 'kubernetes'],
        ...['--metrics-listen', 'none', '--vanished-after', 'none', '--maintain-interval', 'none'],
      ]);
      const { readPort } = await serving.logged('listening');
      client = new Client(`127.0.0.1:${readPort}`, credentials.createInsecure());
    });
    afterAll(async () => {
      client?.close();
      await programs.killAll();
    });

    test('accounts see what RBAC allows them, and those who are none see nothing', async () => {
      const [everything, ofShop, nobody] = [await account(), await account(), await account()];
      await allow(everything);
      await allow(ofShop, 'shop');
      const [all, shop, none] = [await tokenOf(everything), await tokenOf(ofShop), await tokenOf(nobody)];
      const other = await tokenOf(everything, { audiences: ['vault'] });
      const ofTheApi = await admin.tokenOf(everything);
      expect(await watch(all)).toMatchObject(seen(['pay-1', 'shop-1']));
      expect(await watch(all, ['pay'])).toMatchObject(seen(['pay-1']));
      expect(await watch(shop, ['shop'])).toMatchObject(seen(['shop-1']));
      expect(await watch(shop)).toMatchObject(forbidden(/may not see the flows of all namespaces: name those/));
      for (const names of [['pay'], ['shop', 'pay'], ['*'], ['shop/../pay'], ['kube-system']]) {
        expect(await watch(shop, names)).toMatchObject(forbidden(/may not see the flows of namespace/));
      }
      // Null stands for no namespace: that is nobody's.
      expect(await watch(shop, [''])).toMatchObject(forbidden(/may not see the flows of all namespaces/));
      expect(await watch(none, ['shop'])).toMatchObject(forbidden(/system:serviceaccount:default:reader-\d+ may not/));
      expect(await watch(undefined)).toMatchObject(unknown(/^READER_UNKNOWN: no token came/));
      expect(await watch(other)).toMatchObject(unknown(/--audience flowtoll-read/));
      expect(await watch(ofTheApi)).toMatchObject(unknown(/--audience flowtoll-read/));
      // It may do everything at the API, and was not made for us.
      expect(await watch(cluster.adminToken)).toMatchObject(unknown(/--audience flowtoll-read/));
      expect(await watch(`${all.slice(0, -8)}AAAAAAAA`)).toMatchObject(unknown(/the cluster does not know the token/));
      const log = serving.lines.map((line) => JSON.stringify(line)).join('\n');
      for (const token of [all, shop, none, other, ofTheApi, cluster.adminToken]) expect(log).not.toContain(token);
    });
  });

  describe('with short memories', () => {
    const MEMORY_MS = 20;
    let flows: FlowServer;
    let gate: ReaderGate;
    let server: ReadServer;
    let api: ReturnType<typeof createApiClient>;

    beforeEach(async () => {
      api = createApiClient(() => loadApiConfig({ source: join(work, 'kubeconfig') }), SYSTEM_TIMING);
      const memory = { acceptedMs: MEMORY_MS, allowedMs: MEMORY_MS, refusedMs: MEMORY_MS };
      const parts = { client: api, timing: SYSTEM_TIMING };
      const authority = createKubernetesReaders(AUDIENCE, {
        tokens: createTokenReviewer({ audience: AUDIENCE, ...memory }, parts),
        access: createSubjectAccessReviewer(memory, parts),
      });
      const now = () => performance.now();
      gate = createReaderGate({ openServices: [] }, { authority, log: silent, now, schedule: SYSTEM_TIMING.schedule });
      flows = createFlowService(
        { watchersMax: 8, askAgainMs: 50 },
        { store: table.store, root: ROOT, log: silent, now, readerOf: gate.readerOf },
      );
      server = createReadServer({ host: '127.0.0.1', port: 0 }, { services: [flows], gate: gate.interceptor });
      client = new Client(`127.0.0.1:${await server.start()}`, credentials.createInsecure());
    });
    afterEach(async () => {
      await proxy.away(false);
      client.close();
      await flows.stop();
      await server.stop();
      api.close();
    });

    test('a token that has expired is refused by the API server', async () => {
      const name = await account();
      await allow(name, 'shop');
      const token = await tokenOf(name);
      const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Record<string, number>;
      const signed = (changed: object) => {
        const body = Buffer.from(JSON.stringify({ ...claims, ...changed })).toString('base64url');
        const text = `${token.split('.')[0]}.${body}`;
        return `${text}.${createSign('RSA-SHA256').update(text).sign(cluster.tokenKey, 'base64url')}`;
      };
      const nowS = Math.floor(Date.now() / 1000);
      expect(await watch(signed({ exp: nowS + 300 }), ['shop'])).toMatchObject(seen(['shop-1']));
      // A minute of leeway is the server's.
      const past = { iat: nowS - 900, nbf: nowS - 900, exp: nowS - 120 };
      expect(await watch(signed(past), ['shop'])).toMatchObject(unknown(/does not know the token: it expired/));
    });

    test('streams end, and no others begin, when account, pod or right is taken away', async () => {
      // One after the other would be longer: the API server itself remembers a good token for 10 s.
      const cases: { change: (reader: string, takeBack: () => Promise<unknown>) => Promise<unknown>; ends: status }[] =
        [
          {
            // One of the same name is another one.
            change: async (reader) => {
              await admin.delete('serviceaccounts', 'default', reader);
              await admin.create('serviceaccounts', 'default', { metadata: { name: reader } });
            },
            ends: status.UNAUTHENTICATED,
          },
          {
            change: (reader) => admin.delete('pods', 'default', reader, { gracePeriodSeconds: 0 }),
            ends: status.UNAUTHENTICATED,
          },
          { change: (_, takeBack) => takeBack(), ends: status.PERMISSION_DENIED },
        ];
      const readers = await Promise.all(
        cases.map(async ({ change, ends }) => {
          const reader = await account();
          const takeBack = await allow(reader, 'shop');
          const pod = await admin.create('pods', 'default', {
            ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: reader } },
            spec: { serviceAccountName: reader, containers: [{ name: 'main', image: 'none' }] },
          });
          const bound = { apiVersion: 'v1', kind: 'Pod', name: reader, uid: pod.metadata.uid };
          const token = await tokenOf(reader, { boundObjectRef: bound });
          const stream = watch(token, ['shop'], true);
          return { token, stream, ends, change: () => change(reader, takeBack) };
        }),
      );
      await until('all run', () => flows.counters.rows === readers.length);
      for (const { change } of readers) await change();
      for (const { token, stream, ends } of readers) {
        expect(await stream).toMatchObject({ code: ends, pods: ['shop-1'] });
        await until('no other begins', async () => (await watch(token, ['shop'])).code === ends);
      }
    });

    test('while the API server is away nobody new gets in, who reads goes on, and nobody is called unknown', async () => {
      const reader = await account();
      await allow(reader, 'shop');
      const token = await tokenOf(reader);
      const stream = watch(token, ['shop'], true);
      await until('it runs', () => flows.counters.rows === 1);
      await proxy.away(true);
      await until('what was remembered is over', async () => {
        const { code, details } = await watch(token, ['shop']);
        return code === status.UNAVAILABLE && details.startsWith('IDENTITY_UNAVAILABLE: ');
      });
      await until('the first one is left', () => flows.watchers === 1);
      expect(gate.counters).toMatchObject({ unknown: 0, busy: 0 });
      await proxy.away(false);
      await until('others begin again', async () => (await watch(token, ['shop'])).code === status.CANCELLED);
      await until('the first one is left', () => flows.watchers === 1);
      await flows.stop();
      expect((await stream).code).toBe(status.UNAVAILABLE);
    });
  });
});
