// From the API to names: caches and index together, on real workloads. What is expected is read from the API by the test.
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import type { AddressOwner } from '@flowtoll/aggregator/model/topology.ts';
import { ClusterIndex } from '@flowtoll/aggregator/topology/cluster/cluster-index.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KubeClient, type KubeObject } from '../support/kubernetes/kube-client.ts';
import { createNode, Kubelets, type NodePlan } from '../support/kubernetes/kubelets.ts';
import { testClusters } from '../support/kubernetes/start-test-cluster.ts';
import type { TestCluster } from '../support/kubernetes/test-cluster.ts';
import { until } from '../support/until.ts';
import { type CachesUnderTest, cachesOn } from './rig.ts';
import { daemonSet, deployment, job, service } from './workloads.ts';

const NODES: readonly NodePlan[] = ['a', 'b'].map((zone, index) => ({
  ...{ name: `node-${zone}`, address: `10.0.${index}.10`, podPrefix: `10.244.${index}` },
  ...{ region: 'eu-west-1', zone: `eu-west-1${zone}` },
}));

const MINUTE_US = 60e6;

describe.each(await testClusters())('names on $name', ({ name: clusterName, start }) => {
  let cluster: TestCluster;
  let admin: KubeClient;
  let kubelets: Kubelets;
  let caches: CachesUnderTest;
  const index = new ClusterIndex();

  beforeAll(async () => {
    cluster = await start();
    admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
    for (const node of NODES) await createNode(admin, node);
    kubelets = new Kubelets(admin, NODES);
    await admin.whenUsable();
    await admin.patch('namespaces', undefined, 'default', { metadata: { labels: { team: 'payments' } } });
    const token = await admin.accountWith('flowtoll', rbacRules());
    caches = cachesOn(cluster, { token }, { listener: index, namespaceLabels: ['team'] });
    caches.caches.start();
    await caches.caches.whenSynced;
  });
  afterAll(async () => {
    try {
      await caches?.stop();
      await kubelets?.stop();
    } finally {
      await cluster?.stop();
    }
  });

  const podsOf = async (app: string): Promise<KubeObject[]> =>
    (await admin.list('pods')).filter(({ metadata }) => metadata.labels?.['app'] === app);
  /** Whose address it was in the minute that ends now. */
  const ownerNow = (address: string): AddressOwner | undefined => {
    const nowUs = Date.now() * 1000;
    return index.lookupAddress(address, nowUs - MINUTE_US, nowUs);
  };
  const allRun = (app: string, count: number): Promise<unknown> =>
    until(
      `${count} pods of ${app} are named`,
      async () => {
        const pods = (await podsOf(app)).filter((pod) => pod['status'].phase === 'Running');
        return pods.length === count && pods.every((pod) => ownerNow(pod['status'].podIP) !== undefined);
      },
      { patienceMs: 20_000 },
    );

  test('pods of a Deployment, by way of a ReplicaSet; their nodes and namespaces', async () => {
    await admin.create('deployments', 'default', deployment('web', 3));
    await allRun('web', 3);
    for (const pod of await podsOf('web')) {
      const node = NODES.find(({ name }) => name === pod['spec'].nodeName)!;
      await until('the owner is known', () => JSON.stringify(ownerNow(pod['status'].podIP)).includes('Deployment'));
      expect(ownerNow(pod['status'].podIP)).toEqual({
        certainty: 'exact',
        identity: {
          ...{ kind: 'pod', namespace: 'default', name: pod.metadata.name },
          ...{ workloadKind: 'Deployment', workload: 'web', labels: { app: 'web', 'namespace:team': 'payments' } },
          node: {
            ...{ kind: 'node', name: node.name, addresses: [node.address] },
            ...{ provider: 'aws', region: node.region, zone: node.zone, zoneId: null },
          },
        },
      });
    }
  });

  test('services by their addresses and node ports', async () => {
    const made = await admin.create(
      'services',
      'default',
      service('web', 'web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
    );
    const address = (made['spec'] as { clusterIP: string }).clusterIP;
    await until('it is named', () => ownerNow(address));
    expect(ownerNow(address)).toMatchObject({ identity: { kind: 'service', namespace: 'default', name: 'web' } });
    const nowUs = Date.now() * 1000;
    expect(index.lookupNodePort(30080, 6, NODES[0]!.address, nowUs - MINUTE_US, nowUs)?.name).toBe('web');
  });

  test('the endpoints of the API server, which no pod is', async () => {
    const slices = await admin.list('endpointslices');
    const own = slices.find(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'kubernetes');
    const address = (own?.['endpoints'] as { addresses: string[] }[] | undefined)?.[0]?.addresses[0];
    // The stand-in has no such service.
    if (clusterName === 'stand-in') expect(address).toBeUndefined();
    else expect(ownerNow(address!)?.identity).toMatchObject({ name: 'default/kubernetes' });
  });

  test('pods on the host network are their node', async () => {
    await admin.create('daemonsets', 'default', daemonSet('agent'));
    await allRun('agent', NODES.length);
    for (const { name, address } of NODES) {
      expect(ownerNow(address)).toMatchObject({ certainty: 'exact', identity: { kind: 'node', name } });
    }
  });

  test('a Job that has ended holds its address no longer, although its pod says so', async () => {
    await admin.create('jobs', 'default', job('report', 1));
    await until('it has ended', () =>
      caches.sink.objects('pods').some(({ owner, phase }) => owner?.kind === 'Job' && phase === 'Succeeded'),
    );
    const pod = caches.sink.objects('pods').find(({ owner }) => owner?.kind === 'Job')!;
    const address = pod.addresses[0]!;
    expect(index.lookupAddress(address, pod.startedUs!, pod.startedUs! + 1e6)?.identity).toMatchObject({
      ...{ name: pod.name, workloadKind: 'Job', workload: 'report' },
    });
    const laterUs = pod.endedUs! + 5 * MINUTE_US;
    expect(index.lookupAddress(address, laterUs, laterUs + MINUTE_US)?.identity.kind).not.toBe('pod');
  });

  test('a pod that is gone is named as of its time', async () => {
    const [pod] = await podsOf('web');
    const address: string = pod!['status'].podIP;
    const beforeUs = Date.now() * 1000;
    await admin.delete('pods', 'default', pod!.metadata.name, {});
    await until('it is gone, and another runs', async () => {
      const pods = await podsOf('web');
      return (
        pods.length === 3 &&
        pods.every(({ metadata }) => metadata.name !== pod!.metadata.name) &&
        caches.sink.named('pods', pod!.metadata.name) === undefined
      );
    });
    const named = index.lookupAddress(address, beforeUs - 10e6, beforeUs)?.identity;
    expect(named).toMatchObject({ kind: 'pod', name: pod!.metadata.name, workload: 'web' });
    const laterUs = Date.now() * 1000 + 5 * MINUTE_US;
    expect(index.lookupAddress(address, laterUs, laterUs + MINUTE_US)?.identity.name).not.toBe(pod!.metadata.name);
  });
});
