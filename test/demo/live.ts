// The demo with a real kernel: namespaces, traffic, one agent per node, one aggregator.
import { CLUSTER } from '../lab/cluster.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { startAgent, startAggregator } from '../lab/product.ts';
import { createRandom } from '../lab/random.ts';
import { addPayloads, type Payloads } from './comparison.ts';
import { bytesText, say } from './progress.ts';
import { planRound } from './traffic.ts';

/** How long traffic runs, ms; the round that is under way is finished. */
const TRAFFIC_MS = 60_000;
const SEED = 7;
const AGENT_OPTIONS = ['--dump-interval', '2s', '--window', '10s'];

/** Runs it all; what is left is the store below `directory`. Gives what the generator moved. */
export async function runLive(directory: string, clusterName: string): Promise<Payloads> {
  say('making a cluster of network namespaces: 3 nodes in 2 regions and 3 zones, 6 pods, 4 services, an outside host');
  const lab = await createLab({ offloads: 'default', smallWindows: false });
  try {
    for (const node of CLUSTER.nodes) {
      const pods = CLUSTER.pods.filter((pod) => pod.node === node.name);
      say(`  ${node.name} in ${node.zone}: ${pods.map((pod) => `${pod.namespace}/${pod.name}`).join(', ')}`);
    }
    const aggregator = await startAggregator(lab, { directory, clusterName, commitInterval: '2s' });
    const nodes = CLUSTER.nodes.map((node) => node.name);
    const agents = await Promise.all(nodes.map((node) => startAgent(lab, node, AGENT_OPTIONS, directory)));
    say('an aggregator and three agents run; traffic begins (TCP and UDP, IPv4 and IPv6)');
    const payloads = await runTraffic(lab);
    await lab.settledTallies();
    say('stopping the agents: they hand over what they have, and wait until it is in the table');
    await Promise.all(agents.map((agent) => agent.stop()));
    await aggregator.stop();
    return payloads;
  } finally {
    lab.close();
    say('the namespaces are gone');
  }
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
