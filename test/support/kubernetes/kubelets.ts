// Plays the kubelets of all nodes: gives pods addresses and phases, ends jobs, and ends what is to be deleted. Nothing runs. Looks at all
// pods again and again, which is slower than a kubelet and as good for a test.
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeClient, KubeObject } from './kube-client.ts';

/** A node as clouds make them. */
export interface NodePlan {
  readonly name: string;
  readonly address: string;
  /** Of pods on it: the first three bytes of their addresses. */
  readonly podPrefix: string;
  readonly region: string;
  readonly zone: string;
  /** Id of the zone, the same in all accounts; absent: the node does not say it. */
  readonly zoneId?: string;
  /** Of nodes with both families: the same in IPv6, the first four groups of addresses of pods. */
  readonly ipv6?: { readonly address: string; readonly podPrefix: string };
}

/** What kubelets do otherwise than by default. */
export interface KubeletsOptions {
  /** The addresses of a pod that begins, the main one first. Default: one of each family that no running pod of its node has. */
  readonly addressesOf?: (pod: KubeObject, pods: readonly KubeObject[]) => readonly string[];
  /** Whether pods of jobs end as soon as they run. Default: true. */
  readonly jobsEnd?: boolean;
  /** A namespace whose pods somebody else looks after. */
  readonly except?: string;
}

const LOOK_EVERY_MS = 50;
/** Addresses of a node are few, and given again as soon as they are free. */
const ADDRESSES_PER_NODE = 12;

export async function createNode(
  client: KubeClient,
  { name, address, podPrefix, region, zone, zoneId, ipv6 }: NodePlan,
): Promise<void> {
  const now = new Date().toISOString();
  const podCIDRs = [`${podPrefix}.0/24`, ...(ipv6 === undefined ? [] : [`${ipv6.podPrefix}::/64`])];
  const place = {
    ...{ 'topology.kubernetes.io/region': region, 'topology.kubernetes.io/zone': zone },
    ...(zoneId !== undefined && { 'topology.k8s.aws/zone-id': zoneId }),
  };
  await client.create('nodes', undefined, {
    ...{ apiVersion: 'v1', kind: 'Node' },
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', ...place } },
    spec: { providerID: `aws:///${zone}/i-${name}`, podCIDR: podCIDRs[0], podCIDRs },
  });
  const resources = { cpu: '64', memory: '256Gi', pods: '110' };
  await client.patch(
    'nodes',
    undefined,
    name,
    {
      status: {
        addresses: [
          { type: 'InternalIP', address },
          ...(ipv6 === undefined ? [] : [{ type: 'InternalIP', address: ipv6.address }]),
          { type: 'Hostname', address: name },
        ],
        capacity: resources,
        allocatable: resources,
        conditions: [
          {
            ...{ type: 'Ready', status: 'True', reason: 'Test', message: 'a test plays kubelet' },
            ...{ lastHeartbeatTime: now, lastTransitionTime: now },
          },
        ],
      },
    },
    'status',
  );
  // The controllers of a real control plane have tainted it meanwhile: it was not ready.
  await client.patch('nodes', undefined, name, { spec: { taints: null } });
}

export class Kubelets {
  readonly #client: KubeClient;
  readonly #nodes: ReadonlyMap<string, NodePlan>;
  readonly #addressesOf: NonNullable<KubeletsOptions['addressesOf']>;
  readonly #jobsEnd: boolean;
  readonly #except: string | undefined;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  #next = 0;

  constructor(client: KubeClient, nodes: readonly NodePlan[], options: KubeletsOptions = {}) {
    this.#client = client;
    this.#nodes = new Map(nodes.map((node) => [node.name, node]));
    this.#addressesOf = options.addressesOf ?? ((pod, pods) => this.#freeAddresses(pod, pods));
    this.#jobsEnd = options.jobsEnd ?? true;
    this.#except = options.except;
    this.#running = this.#run();
    // Told by `stop`.
    this.#running.catch(() => undefined);
  }

  /** Rejects if it had to give up. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const pods = await this.#client.list('pods');
      for (const pod of pods) await this.#tend(pod, pods);
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #tend(pod: KubeObject, pods: readonly KubeObject[]): Promise<void> {
    const { metadata } = pod;
    const node = this.#nodes.get(pod['spec'].nodeName);
    if (node === undefined || metadata.namespace === this.#except) return;
    if (metadata.deletionTimestamp !== undefined) {
      await this.#client.delete('pods', metadata.namespace, metadata.name, { gracePeriodSeconds: 0 });
    } else if (pod['status'].phase === 'Pending') {
      await this.#say(pod, runningStatus(pod['spec'].hostNetwork ? addressesOf(node) : this.#addressesOf(pod, pods)));
    } else if (this.#jobsEnd && pod['status'].phase === 'Running' && metadata.ownerReferences?.[0]?.kind === 'Job') {
      await this.#say(pod, succeededStatus(pod));
    }
  }

  /** Somebody may have deleted it a moment ago. */
  async #say({ metadata }: KubeObject, status: object): Promise<void> {
    await this.#client
      .patch('pods', metadata.namespace, metadata.name, { status }, 'status')
      .catch((error: Error) => (error.message.includes('404') ? undefined : Promise.reject(error)));
  }

  #freeAddresses(pod: KubeObject, pods: readonly KubeObject[]): string[] {
    const { name, podPrefix, ipv6 } = this.#nodes.get(pod['spec'].nodeName)!;
    const taken = new Set(
      pods
        .filter((pod) => pod['spec'].nodeName === name && pod['status'].phase === 'Running')
        .map((pod) => pod['status'].podIP),
    );
    for (let tries = 0; tries < 250; tries++) {
      // When the few are taken, more.
      const range = tries < ADDRESSES_PER_NODE ? ADDRESSES_PER_NODE : 250;
      const host = 2 + (this.#next++ % range);
      const address = `${podPrefix}.${host}`;
      if (!taken.has(address))
        return [address, ...(ipv6 === undefined ? [] : [`${ipv6.podPrefix}::${host.toString(16)}`])];
    }
    throw new Error(`no address is left on ${name}`);
  }
}

function addressesOf({ address, ipv6 }: NodePlan): string[] {
  return [address, ...(ipv6 === undefined ? [] : [ipv6.address])];
}

function runningStatus(addresses: readonly string[]): object {
  const now = new Date().toISOString();
  return {
    phase: 'Running',
    podIP: addresses[0],
    podIPs: addresses.map((ip) => ({ ip })),
    startTime: now,
    conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
      ...{ type, status: 'True', lastTransitionTime: now },
    })),
  };
}

function succeededStatus(pod: KubeObject): object {
  const now = new Date().toISOString();
  return {
    phase: 'Succeeded',
    conditions: [
      { type: 'PodScheduled', status: 'True', lastTransitionTime: now },
      { type: 'Ready', status: 'False', reason: 'PodCompleted', lastTransitionTime: now },
    ],
    containerStatuses: [
      {
        ...{ name: pod['spec'].containers[0].name, image: 'test', imageID: '', ready: false, restartCount: 0 },
        state: { terminated: { exitCode: 0, reason: 'Completed', startedAt: now, finishedAt: now } },
      },
    ],
  };
}
