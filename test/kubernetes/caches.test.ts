import { rootCertificates } from 'node:tls';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { parseOwnerKind } from '@flowtoll/aggregator/kubernetes/resources.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createRandom, type Random } from '../lab/random.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../support/kubernetes/fault-proxy.ts';
import { KubeClient, pathOf } from '../support/kubernetes/kube-client.ts';
import { createNode, Kubelets, type NodePlan } from '../support/kubernetes/kubelets.ts';
import { createManualTiming } from '../support/kubernetes/manual-timing.ts';
import { testClusters } from '../support/kubernetes/start-test-cluster.ts';
import type { TestCluster } from '../support/kubernetes/test-cluster.ts';
import { until } from '../support/until.ts';
import { type CachesUnderTest, cachesOn } from './rig.ts';
import { toldBy, truthOf } from './truth.ts';
import { daemonSet, deployment, job, service } from './workloads.ts';

const NODES: readonly NodePlan[] = ['a', 'b', 'c'].map((zone, index) => ({
  ...{ name: `node-${zone}`, address: `10.0.${index}.10`, podPrefix: `10.244.${index}` },
  ...{ region: 'eu-west-1', zone: `eu-west-1${zone}` },
}));

/** One seed in `npm test`; FLOWTOLL_SEED repeats one, FLOWTOLL_SEEDS plays many. */
const SEEDS = process.env['FLOWTOLL_SEED']
  ? [Number(process.env['FLOWTOLL_SEED'])]
  : Array.from({ length: Number(process.env['FLOWTOLL_SEEDS'] ?? 1) }, (_, index) => Date.now() + index);

describe.each(await testClusters())('caches on $name', ({ start }) => {
  let cluster: TestCluster;
  let admin: KubeClient;
  let kubelets: Kubelets;
  let proxy: FaultProxy;
  let token: string;
  const running: CachesUnderTest[] = [];

  beforeAll(async () => {
    cluster = await start();
    admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    for (const node of NODES) await createNode(admin, node);
    kubelets = new Kubelets(admin, NODES);
    proxy = await startFaultProxy(cluster);
    await until(
      'namespace default',
      async () => (await admin.ask(pathOf('namespaces', undefined, 'default'))).status === 200,
    );
    // Exactly the rules that the documentation lists, and nothing else.
    token = await admin.accountWith('flowtoll', rbacRules());
  });
  afterEach(async () => {
    for (const caches of running.splice(0)) await caches.stop();
    proxy.fault(() => undefined);
    await proxy.away(false);
  });
  afterAll(async () => {
    try {
      await proxy?.stop();
      await kubelets?.stop();
    } finally {
      await cluster?.stop();
    }
  });

  const cachesWith = (
    user: Readonly<Record<string, unknown>>,
    options: Parameters<typeof cachesOn>[2] = {},
    at: Pick<TestCluster, 'server' | 'tls'> = { ...cluster, server: proxy.server },
  ): CachesUnderTest => {
    const caches = cachesOn(at, user, options);
    running.push(caches);
    caches.caches.start();
    return caches;
  };

  /** Waits until the caches say what the API server says, and compares. */
  const expectTruth = async ({ sink, caches }: CachesUnderTest): Promise<void> => {
    let truth = await truthOf(admin);
    await until(
      'the caches have caught up',
      async () => {
        truth = await truthOf(admin);
        return caches.synced && JSON.stringify(toldBy(sink)) === JSON.stringify(truth);
      },
      { patienceMs: 20_000 },
    ).catch(() => expect(toldBy(sink)).toEqual(truth));
    expect(sink.faults).toEqual([]);
    expect(caches.synced).toBe(true);
  };

  test('workloads of the real kinds: what is told is what the API server says', async () => {
    const caches = cachesWith({ token });
    await caches.caches.whenSynced;
    await admin.create('deployments', 'default', deployment('web', 4));
    await admin.create('daemonsets', 'default', daemonSet('agent'));
    await admin.create('jobs', 'default', job('report', 2));
    await admin.create('services', 'default', service('web', 'web'));
    await admin.create('services', 'default', service('web-headless', 'web', { clusterIP: 'None' }));
    await admin.create(
      'services',
      'default',
      service('web-port', 'web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
    );
    await until(
      'all run or have ended',
      () =>
        caches.sink.objects('pods').filter(({ phase }) => phase === 'Running').length === 7 &&
        caches.sink.objects('pods').filter(({ phase }) => phase === 'Succeeded').length === 2,
      { patienceMs: 30_000, describe: () => JSON.stringify(toldBy(caches.sink), undefined, 1) },
    );
    await until(
      'endpoints',
      () => caches.sink.objects('endpointslices').filter(({ endpoints }) => endpoints.length === 4).length === 3,
    );
    await expectTruth(caches);

    const pods = caches.sink.objects('pods');
    const owners = new Map(caches.sink.objects('owners').map((owner) => [owner.uid, owner]));
    const web = pods.filter(({ labels }) => labels['app'] === 'web');
    expect(web).toHaveLength(4);
    // Pod → ReplicaSet → Deployment, the last a reference.
    for (const pod of web) {
      expect(owners.get(pod.owner!.uid)).toMatchObject({
        kind: 'ReplicaSet',
        owner: { kind: 'Deployment', name: 'web' },
      });
    }
    const agents = pods.filter(({ labels }) => labels['app'] === 'agent');
    expect(agents.map(({ addresses, nodeName }) => [nodeName, ...addresses]).sort()).toEqual(
      NODES.map(({ name, address }) => [name, address]),
    );
    expect(agents.every(({ hostNetwork, owner }) => hostNetwork && owner?.kind === 'DaemonSet')).toBe(true);
    const ended = pods.filter(({ phase }) => phase === 'Succeeded');
    expect(ended.every(({ endedUs, addresses }) => endedUs !== null && addresses.length === 1)).toBe(true);
    expect(owners.get(ended[0]!.owner!.uid)).toMatchObject({ kind: 'Job', name: 'report' });
    expect(caches.sink.named('services', 'web-headless')?.clusterIps).toEqual([]);
    expect(caches.sink.named('services', 'web-port')?.ports).toEqual([{ protocol: 'tcp', port: 80, nodePort: 30080 }]);
    expect(caches.warnings).toEqual([]);
  });

  test.each(SEEDS)(
    'churn under faults, seed %i',
    async (seed) => {
      const random = createRandom(seed);
      await ensureWeb(admin);
      const caches = cachesWith(
        { token },
        { timing: { now: Date.now, schedule: SCHEDULE, random: () => random.next() } },
      );
      proxy.fault((request) => randomFault(random, request.watching));
      for (let step = 0; step < 16; step++) {
        await randomChange(admin, random, step);
        // So that there are new requests to be troubled.
        if (random.chance(0.5)) proxy.cutWatches();
      }
      proxy.silenceWatches();
      proxy.fault(() => undefined);
      try {
        await expectTruth(caches);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
      }
      const failures = caches.caches.resources.flatMap(({ failures: byReason }) => [...byReason.values()]);
      expect(failures.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(5);
    },
    60_000,
  );

  test('no permission: each resource says what it lacks, and works once it may', async () => {
    const account = `poor-${Date.now()}`;
    const caches = cachesWith({ token: await admin.accountWith(account, []) });
    await until('all are refused', () =>
      caches.caches.resources.every(({ error }) => error?.code === 'KUBERNETES_FORBIDDEN'),
    );
    for (const { resource, error } of caches.caches.resources) {
      const [plural, ...group] = resource.split('.');
      expect(error?.message).toContain(
        `may not list resource "${plural}" in API group "${group.join('.')}"; add this rule to its ClusterRole: ` +
          `{apiGroups: ["${group.join('.')}"], resources: ["${plural}"], verbs: ["list", "watch"]}`,
      );
    }
    expect(caches.caches.synced).toBe(false);
    expect(caches.sink.told).toEqual([]);
    await admin.patch('clusterroles', undefined, account, { rules: rbacRules() });
    await expectTruth(caches);
  });

  test('list alone is not enough', async () => {
    const listOnly = await admin.accountWith(
      `lister-${Date.now()}`,
      rbacRules().map((rule) => ({ ...rule, verbs: ['list'] })),
    );
    const caches = cachesWith({ token: listOnly });
    await until('watches are refused', () =>
      caches.status('pods').error?.message.includes('may not watch resource "pods"'),
    );
  });

  test('an expired token: nothing is forgotten, and a new one is found', async () => {
    const caches = cachesWith({ token });
    await caches.caches.whenSynced;
    const told = caches.sink.told.length;
    proxy.fault(() => ({ status: 401 }));
    proxy.cutWatches();
    await until('it is refused', () =>
      caches.status('pods').error?.message.includes('the server does not accept the kubeconfig'),
    );
    caches.writeUser({ token: 'expired' });
    const refusals = () => caches.caches.resources.map(({ failures }) => failures.get('unauthorized') ?? 0);
    const refusedBefore = refusals();
    await until('all have it', () => refusals().every((count, index) => count > refusedBefore[index]! + 1));
    proxy.fault(() => undefined);
    const playedBefore = refusals();
    await until('the server itself refuses', () => refusals().every((count, index) => count > playedBefore[index]!));
    caches.writeUser({ token: await admin.tokenOf('flowtoll') });
    await expectTruth(caches);
    expect(caches.sink.told.slice(told).filter(({ what }) => what === 'remove')).toEqual([]);
  });

  test('a wrong kubeconfig: what is wrong with it', async () => {
    const badToken = cachesWith({ token: 'nobody' });
    await until('refused', () =>
      badToken.status('pods').error?.message.includes('the server does not accept the kubeconfig'),
    );
    const plugin = cachesWith({
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: 'flowtoll-no-such-plugin',
        interactiveMode: 'Never',
      },
    });
    await until('no plugin', () => plugin.status('pods').error?.message.includes('flowtoll-no-such-plugin'));
    expect(plugin.status('pods').error?.code).toBe('KUBERNETES_CONFIG_INVALID');
    const nowhere = cachesWith({ token }, {}, { ...cluster, server: proxy.server.replace(/:\d+$/, ':1') });
    await until('nobody there', () =>
      nowhere.status('pods').error?.message.includes('check the network and the address of the server'),
    );
    if (cluster.tls !== undefined) {
      const stranger = cachesWith(
        { token },
        {},
        { server: cluster.server, tls: { ...cluster.tls, ca: rootCertificates[0]! } },
      );
      await until('not trusted', () =>
        stranger.status('pods').error?.message.includes('check server and certificate authority'),
      );
    }
    for (const caches of running) expect(caches.caches.synced).toBe(false);
  });

  test('an API server that is away for an hour: no wrong names, nothing lost', async () => {
    const timing = createManualTiming(Date.now());
    const caches = cachesWith({ token }, { timing, limits: { pageObjects: 5 } });
    await caches.caches.whenSynced;
    await expectTruth(caches);
    await until('all watch', () => caches.caches.resources.every(({ state }) => state === 'watching'));
    const before = toldBy(caches.sink);
    const told = caches.sink.told.length;
    await proxy.away(true);
    await until('all have noticed', () => caches.caches.resources.every(({ state }) => state === 'waiting'));
    const tries = () => caches.caches.resources.map(({ failures }) => failures.get('unreachable') ?? 0);
    for (let waited = 0; waited < 3600; waited += 60) {
      const seen = tries();
      timing.advance(60_000);
      await until('each has tried again', () => tries().every((count, index) => count > seen[index]!));
    }
    await admin.delete('deployments', 'default', 'web');
    await admin.create('deployments', 'default', deployment('after', 2));
    await until(
      'pods of web are gone',
      async () => !(await admin.list('pods')).some(({ metadata }) => metadata.name.startsWith('web-')),
      {
        patienceMs: 20_000,
      },
    );
    expect(toldBy(caches.sink)).toEqual(before);
    expect(caches.sink.told).toHaveLength(told);
    expect(timing.now() - caches.status('pods').heardMs!).toBeGreaterThanOrEqual(3_600_000);
    await proxy.away(false);
    await until('each works again', () => {
      timing.advance(1000);
      return caches.caches.resources.every(({ error }) => error === null);
    });
    await expectTruth(caches);
  });

  test('owner kinds of the configuration, each with a rule of its own', async () => {
    const kind = parseOwnerKind('apps/v1/Deployment');
    const bound = await admin.accountWith(`owners-${Date.now()}`, [
      ...rbacRules(),
      { apiGroups: ['apps'], resources: ['deployments'], verbs: ['list', 'watch'] },
    ]);
    const caches = cachesWith({ token: bound }, { ownerKinds: [kind] });
    await caches.caches.whenSynced;
    const deployments = await admin.list('deployments');
    expect(deployments.length).toBeGreaterThan(0);
    expect(
      caches.sink
        .objects('owners')
        .filter((owner) => owner.kind === 'Deployment')
        .map(({ uid }) => uid)
        .sort(),
    ).toEqual(deployments.map(({ metadata }) => metadata.uid).sort());
    const poor = cachesWith({ token }, { ownerKinds: [kind] });
    await until('its rule is named', () =>
      poor
        .status('deployments.apps')
        ?.error?.message.includes('{apiGroups: ["apps"], resources: ["deployments"], verbs: ["list", "watch"]}'),
    );
  });
});

const SCHEDULE = (callback: () => void, delayMs: number): (() => void) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};

/** Whatever ran before. */
async function ensureWeb(admin: KubeClient): Promise<void> {
  const { status } = await admin.ask(pathOf('deployments', 'default', 'web'));
  if (status === 404) await admin.create('deployments', 'default', deployment('web', 4));
}

function randomFault(random: Random, watching: boolean): Fault {
  const faults: readonly Fault[] = watching
    ? [
        { errorEvent: 410 },
        { status: 410 },
        { status: 429, retryAfterS: 0 },
        { errorEvent: 500 },
        { cutAfterBytes: random.integer(200, 20_000) },
        { linesBefore: ['not JSON'] },
        { linesBefore: ['{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"2"}}}'] },
        'silent',
        'never-answered',
        'cut-before',
      ]
    : [
        { status: 410 },
        { status: 429, retryAfterS: 1 },
        { status: 503 },
        { status: 401 },
        { cutAfterBytes: random.integer(100, 5000) },
        { pieces: 4, delayMs: 10 },
        'cut-before',
        'never-answered',
      ];
  // Two of three pass: an hour of trouble, and yet the world moves on.
  return random.chance(1 / 3) ? random.pick(faults) : undefined;
}

async function randomChange(admin: KubeClient, random: Random, step: number): Promise<void> {
  const pods = (await admin.list('pods', 'default')).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const pod = pods.length === 0 ? undefined : random.pick(pods);
  switch (random.integer(0, 4)) {
    case 0:
      await admin.patch('deployments', 'default', 'web', { spec: { replicas: random.integer(1, 6) } });
      break;
    case 1:
      if (pod !== undefined) await admin.delete('pods', 'default', pod.metadata.name);
      break;
    case 2:
      await admin.create('jobs', 'default', job(`churn-${step}-${Date.now()}`, random.integer(1, 3)));
      break;
    case 3: {
      const [old] = await admin.list('jobs', 'default');
      if (old !== undefined) await admin.delete('jobs', 'default', old.metadata.name);
      break;
    }
    default:
      if (pod !== undefined) {
        await admin.patch('pods', 'default', pod.metadata.name, { metadata: { labels: { step: String(step) } } });
      }
  }
  await admin.create('services', 'default', service(`churn-${step}-${Date.now()}`, 'web'));
}
