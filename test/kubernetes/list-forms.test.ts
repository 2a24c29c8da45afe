// The same lists in Protocol Buffers and in JSON, from the same server: whoever reads the one knows what the other says.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type ApiClient, createApiClient } from '@flowtoll/aggregator/kubernetes/api-client.ts';
import { loadApiConfig } from '@flowtoll/aggregator/kubernetes/api-config.ts';
import { listAll } from '@flowtoll/aggregator/kubernetes/list.ts';
import { createProjections } from '@flowtoll/aggregator/kubernetes/projection.ts';
import {
  type ApiResource,
  BUILT_IN_RESOURCES,
  groupPath,
  ownerKindOf,
  parseOwnerKind,
} from '@flowtoll/aggregator/kubernetes/resources.ts';
import { SYSTEM_TIMING } from '@flowtoll/aggregator/kubernetes/timing.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { controlPlaneAssets } from '../support/kubernetes/assets.ts';
import { startControlPlane } from '../support/kubernetes/control-plane.ts';
import { KubeClient } from '../support/kubernetes/kube-client.ts';
import { createNode } from '../support/kubernetes/kubelets.ts';
import { testClusters } from '../support/kubernetes/start-test-cluster.ts';
import { kubeconfigText, type TestCluster } from '../support/kubernetes/test-cluster.ts';
import { until } from '../support/until.ts';
import { deployment, job, service } from './workloads.ts';

const CONTAINERS = [{ name: 'main', image: 'registry.example/app:1', env: [{ name: 'LOG', value: '[debug]' }] }];
const PROTOBUF = 'application/vnd.kubernetes.protobuf';

describe.each(await testClusters())('lists of $name', ({ start }) => {
  let cluster: TestCluster;
  let client: ApiClient;
  let folder: string;

  beforeAll(async () => {
    cluster = await start();
    folder = mkdtempSync(join(tmpdir(), 'flowtoll-forms-'));
    const admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    await admin.whenUsable();
    await fill(admin);
    const user = { token: cluster.adminToken };
    const source = join(folder, 'config');
    writeFileSync(source, kubeconfigText({ server: cluster.server, ca: cluster.tls?.ca, user }));
    client = createApiClient(() => loadApiConfig({ source }), SYSTEM_TIMING);
  });
  afterAll(async () => {
    client?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
    await cluster?.stop();
  });

  test.each(BUILT_IN_RESOURCES)('$plural are the same in both forms', async (resource) => {
    const [protobuf, json] = await until('nothing changes', async () => {
      const lists = [await listOf(asJson(client), resource), await listOf(client, resource)] as const;
      const again = await listOf(asJson(client), resource);
      return isDeepStrictEqual(lists[0], again) && ([lists[1], lists[0]] as const);
    });
    expect(protobuf.types).toEqual(new Set([PROTOBUF]));
    expect(json.types).toEqual(new Set(['application/json']));
    expect(json.objects.length).toBeGreaterThan(1);
    expect(protobuf.objects).toEqual(json.objects);
    // The test is of what is read: it has been there.
    for (const member of REQUIRED[resource.plural] ?? []) {
      expect(JSON.stringify(json.objects), `${resource.plural} with ${member}`).toMatch(member);
    }
  });
});

const assets = await controlPlaneAssets();
if (!('missing' in assets)) {
  test('a kind that was added to the real server is listed, in whatever form it has', async () => {
    await using cluster = await disposable(startControlPlane(assets, { apiOnly: true }));
    const admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    await admin.whenUsable();
    const path = '/apis/argoproj.io/v1alpha1/namespaces/default/rollouts';
    const post = async (to: string, body: object) => (await admin.ask(to, { method: 'POST', body })).status;
    expect(await post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', ROLLOUTS)).toBe(201);
    await until('the kind is served', async () => (await admin.ask(path)).status === 200);
    for (const name of ['web', 'db']) {
      const rollout = {
        apiVersion: 'argoproj.io/v1alpha1',
        kind: 'Rollout',
        metadata: { name },
        spec: { replicas: 3 },
      };
      expect(await post(path, rollout)).toBe(201);
    }
    const folder = mkdtempSync(join(tmpdir(), 'flowtoll-forms-'));
    const source = join(folder, 'config');
    const user = { token: cluster.adminToken };
    writeFileSync(source, kubeconfigText({ server: cluster.server, ca: cluster.tls?.ca, user }));
    const client = createApiClient(() => loadApiConfig({ source }), SYSTEM_TIMING);
    try {
      const rollouts = { ...parseOwnerKind('argoproj.io/v1alpha1/Rollout'), plural: 'rollouts' };
      const { objects } = await listOf(client, rollouts);
      expect(objects).toMatchObject([
        { name: 'db', kind: 'Rollout' },
        { name: 'web', namespace: 'default' },
      ]);
      expect(objects).toEqual((await listOf(asJson(client), rollouts)).objects);
    } finally {
      client.close();
      rmSync(folder, { recursive: true });
    }
  });
}

const ROLLOUTS = {
  ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
  metadata: { name: 'rollouts.argoproj.io' },
  spec: {
    group: 'argoproj.io',
    scope: 'Namespaced',
    names: { plural: 'rollouts', singular: 'rollout', kind: 'Rollout', listKind: 'RolloutList' },
    versions: [
      {
        ...{ name: 'v1alpha1', served: true, storage: true },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

async function disposable<T extends TestCluster>(starting: Promise<T>): Promise<T & AsyncDisposable> {
  const cluster = await starting;
  return Object.assign(cluster, { [Symbol.asyncDispose]: () => cluster.stop() });
}

/** What must have been among the objects for the comparison to say something. */
const REQUIRED: Readonly<Record<string, readonly RegExp[]>> = {
  pods: [
    ...[/"endedUs":177\d{13}/, /"startedUs":177\d{13}/, /"deletedUs":1\d{15}/, /"hostNetwork":true/],
    ...[/"fd00::7"/, /"nodeName":"node-a"/, /"kind":"ReplicaSet"/, /"labels":\{"app":"p1"\}/],
  ],
  nodes: [/"podCidrs":\["10.244.0.0\/24","fd00:1:2:3::\/64"\]/, /"providerId":"aws:/, /"10.0.0.10","fd00::10"/],
  services: [/"nodePort":30080/, /"192.0.2.9"/, /"192.0.2.7"/, /"clusterIps":\["10\./, /"type":"ExternalName"/],
  endpointslices: [/"pod":"default\/p1"/, /"zone":"eu-west-1a"/, /"service":"web"/, /"fd00::8"/],
  replicasets: [/"owner":\{"apiVersion":"apps\/v1","kind":"Deployment"/],
  namespaces: [/"labels":\{"team":"a"\}/],
};

async function fill(admin: KubeClient): Promise<void> {
  await createNode(admin, {
    ...{ name: 'node-a', address: '10.0.0.10', podPrefix: '10.244.0', region: 'eu-west-1', zone: 'eu-west-1a' },
    ipv6: { address: 'fd00::10', podPrefix: 'fd00:1:2:3' },
  });
  await admin.create('nodes', undefined, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'bare' } });
  for (const name of ['one', 'two']) {
    const metadata = { name, labels: { team: 'a' } };
    await admin.create('namespaces', undefined, { apiVersion: 'v1', kind: 'Namespace', metadata });
  }
  // Its ReplicaSet and its pod have owners. Nobody schedules them: nothing changes any more.
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: CONTAINERS, schedulerName: 'nobody' } };
  const { spec, ...rest } = deployment('web', 1);
  await admin.create('deployments', 'default', { ...rest, spec: { ...spec, template } });
  await admin.create('replicasets', 'default', {
    ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name: 'alone' } },
    spec: { replicas: 0, selector: { matchLabels: { app: 'web' } }, template },
  });
  for (const name of ['import', 'export'])
    await admin.create('jobs', 'default', { ...job(name, 1), spec: suspended(name) });
  await services(admin);
  await pods(admin);
  await until('a pod of the Deployment', async () =>
    (await admin.list('pods', 'default')).some(({ metadata }) => metadata.ownerReferences?.[0]?.kind === 'ReplicaSet'),
  );
}

function suspended(app: string): object {
  const template = { metadata: { labels: { app } }, spec: { containers: CONTAINERS, restartPolicy: 'Never' } };
  return { suspend: true, template };
}

async function services(admin: KubeClient): Promise<void> {
  const ports = [{ name: 'web', port: 80, targetPort: 'http', nodePort: 30080 }];
  await admin.create('services', 'default', service('web', 'web', { type: 'LoadBalancer', ports }));
  await admin.patch(
    'services',
    'default',
    'web',
    { status: { loadBalancer: { ingress: [{ ip: '192.0.2.9' }] } } },
    'status',
  );
  await admin.create('services', 'default', service('outside', 'web', { externalIPs: ['192.0.2.7'] }));
  await admin.create('services', 'default', service('headless', 'web', { clusterIP: 'None' }));
  await admin.create('services', 'default', {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'elsewhere' } },
    spec: { type: 'ExternalName', externalName: 'db.example' },
  });
  for (const [addressType, address] of [
    ['IPv4', '10.244.0.8'],
    ['IPv6', 'fd00::8'],
  ] as const) {
    await admin.create('endpointslices', 'default', {
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType },
      metadata: { name: `web-${addressType.toLowerCase()}`, labels: { 'kubernetes.io/service-name': 'web' } },
      ports: [{ name: 'web', port: 8080, protocol: 'TCP' }],
      endpoints: [
        {
          ...{ addresses: [address], nodeName: 'node-a', zone: 'eu-west-1a', conditions: { ready: false } },
          targetRef: { kind: 'Pod', namespace: 'default', name: 'p1' },
        },
        { addresses: [address === 'fd00::8' ? 'fd00::9' : '10.244.0.9'] },
      ],
    });
  }
}

async function pods(admin: KubeClient): Promise<void> {
  const create = (name: string, spec: object = {}, metadata: object = {}) =>
    admin.create('pods', 'default', {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name }, ...metadata } },
      spec: { containers: CONTAINERS, nodeName: 'node-a', ...spec },
    });
  const say = (name: string, status: object) => admin.patch('pods', 'default', name, { status }, 'status');
  await admin.create('pods', 'default', {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'unscheduled' } },
    spec: { containers: CONTAINERS, schedulerName: 'nobody' },
  });
  await create('p1', {}, { annotations: { note: 'größe' } });
  await say('p1', {
    ...{ phase: 'Running', podIP: '10.244.0.7', podIPs: [{ ip: '10.244.0.7' }, { ip: 'fd00::7' }] },
    ...{ startTime: '2026-02-25T00:00:00Z', hostIP: '10.0.0.10' },
  });
  await create('host', { hostNetwork: true });
  await say('host', { phase: 'Running', podIP: '10.0.0.10', podIPs: [{ ip: '10.0.0.10' }] });
  await create('done', { initContainers: [{ name: 'first', image: 'registry.example/first:1' }] });
  const ended = (finishedAt: string) => ({
    terminated: { exitCode: 0, startedAt: '2026-02-25T00:00:00Z', finishedAt },
  });
  const status = { image: 'registry.example/app:1', imageID: '', restartCount: 0, ready: false };
  await say('done', {
    phase: 'Succeeded',
    containerStatuses: [{ name: 'main', ...status, state: ended('2026-02-26T00:00:00Z') }],
    initContainerStatuses: [{ name: 'first', ...status, state: ended('2026-02-25T12:00:00Z') }],
  });
  // Somebody must end it, and so it stays for its grace.
  await create('leaving');
  await admin.delete('pods', 'default', 'leaving');
}

async function listOf(client: ApiClient, resource: ApiResource & { readonly plural: string }) {
  const types = new Set<string>();
  const noting: ApiClient = {
    ...client,
    getStream: (request, onOpen, take) =>
      client.getStream(
        request,
        (type) => {
          types.add(type);
          onOpen(type);
        },
        take,
      ),
  };
  const project = createProjections({ podLabels: ['app'], namespaceLabels: ['team'], nodeLabels: [] });
  const objects: unknown[] = [];
  await listAll(
    noting,
    {
      ...{
        path: `${groupPath(resource)}/${resource.plural}`,
        kind: resource.kind,
        metadataOnly: resource.metadataOnly,
      },
      ...{ limit: 3, objectBytesMax: 1e6, signal: new AbortController().signal, silenceMs: 10_000 },
    },
    {
      onPage: () => undefined,
      take: (raw) => objects.push(project[resource.becomes](raw, ownerKindOf(resource))),
      skip: () => expect.unreachable('nothing is large'),
    },
  );
  return { types, objects };
}

/** As if the server spoke JSON alone. */
function asJson(client: ApiClient): ApiClient {
  return {
    ...client,
    getStream: (request, onOpen, take) =>
      client.getStream({ ...request, accept: request.accept.replace(/application\/vnd[^,]*,/, '') }, onOpen, take),
  };
}
