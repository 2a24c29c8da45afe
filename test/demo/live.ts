// The demo with a real kernel: namespaces, traffic, one agent per node, one aggregator; and a Kubernetes control plane, if asked for.
import { CLUSTER } from '../lab/cluster.ts';
import { type ApiNames, readApiNames } from '../lab/kubernetes/names.ts';
import { type LabKubernetes, startLabKubernetes } from '../lab/kubernetes/start.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { startAgent, startAggregator } from '../lab/product.ts';
import { createRandom } from '../lab/random.ts';
import type { ControlPlaneAssets } from '../support/kubernetes/assets.ts';
import { addPayloads, type Payloads } from './comparison.ts';
import { bytesText, say } from './progress.ts';
import { planRound } from './traffic.ts';

/** How long traffic runs, ms; the round that is under way is finished. */
const TRAFFIC_MS = 60_000;
const SEED = 7;
const AGENT_OPTIONS = ['--dump-interval', '2s', '--window', '10s'];

export interface LiveOptions {
  /** Where the store and all else is kept. */
  readonly directory: string;
  readonly clusterName: string;
  /** Programs of a control plane that names come from; undefined: they come from a topology file. */
  readonly assets: ControlPlaneAssets | undefined;
}

/** What is known beside the store. */
export interface LiveOutcome {
  /** What the generator moved. */
  readonly payloads: Payloads;
  /** Names as the API server had them; undefined where there was none. */
  readonly names: ApiNames | undefined;
}

/** Runs it all; what is left is the store below the directory. */
export async function runLive({ directory, clusterName, assets }: LiveOptions): Promise<LiveOutcome> {
  say('making a cluster of network namespaces: 3 nodes in 2 regions and 3 zones, 6 pods, 4 services, an outside host');
  const lab = await createLab({ offloads: 'default', smallWindows: false });
  let kubernetes: LabKubernetes | undefined;
  try {
    for (const node of CLUSTER.nodes) {
      const pods = CLUSTER.pods.filter((pod) => pod.node === node.name);
      say(`  ${node.name} in ${node.zone}: ${pods.map((pod) => `${pod.namespace}/${pod.name}`).join(', ')}`);
    }
    if (assets !== undefined) kubernetes = await startKubernetes(lab, assets, directory);
    const aggregator = await startAggregator(lab, {
      ...{ directory, clusterName, commitInterval: '2s' },
      ...(kubernetes === undefined ? {} : { kubeconfig: kubernetes.kubeconfig }),
    });
    const nodes = CLUSTER.nodes.map((node) => node.name);
    const agents = await Promise.all(nodes.map((node) => startAgent(lab, node, AGENT_OPTIONS, directory)));
    say('an aggregator and three agents run; traffic begins (TCP and UDP, IPv4 and IPv6)');
    const payloads = await runTraffic(lab);
    await lab.settledTallies();
    const names = kubernetes && (await readApiNames(kubernetes.admin));
    say('stopping the agents: they hand over what they have, and wait until it is in the table');
    await Promise.all(agents.map((agent) => agent.stop()));
    await aggregator.stop();
    return { payloads, names };
  } finally {
    try {
      await kubernetes?.stop();
      if (kubernetes !== undefined) say('the control plane is gone');
    } finally {
      lab.close();
      say('the namespaces are gone');
    }
  }
}

async function startKubernetes(lab: Lab, assets: ControlPlaneAssets, directory: string): Promise<LabKubernetes> {
  say('starting a real Kubernetes control plane, and making nodes, workloads and services of the same addresses in it');
  const kubernetes = await startLabKubernetes(lab, assets, directory);
  const pods = await kubernetes.admin.list('pods');
  for (const { name } of CLUSTER.nodes) {
    const here = pods.filter((pod) => pod['spec'].nodeName === name);
    say(`  ${name} in Kubernetes: ${here.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ')}`);
  }
  say('the aggregator may list and watch, and has a topology file of what is outside of the cluster alone');
  return kubernetes;
}

async function runTraffic(lab: Lab): Promise<Payloads> {
  const payloads: Payloads = new Map();
  const random = createRandom(SEED);
  const end = performance.now() + TRAFFIC_MS;
  let connections = 0;
  for (let round = 0; performance.now() < end; round++) {
    const plan = planRound(lab.cluster, random, round);
    const results = await lab.run(plan);
    const failed = results.find((result) => result.error !== undefined);
    if (failed !== undefined) throw new Error(`a connection of the demo failed: ${failed.error}`);
    addPayloads(payloads, lab.cluster, plan, results);
    connections += plan.length;
    const moved = [...payloads.values()].reduce((sum, bytes) => sum + bytes, 0);
    say(`  ${bytesText(moved)} of payload in ${connections} connections so far`);
  }
  return payloads;
}
