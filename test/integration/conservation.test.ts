// Conservation to the byte, from a real kernel to the table: what independent counters saw of each reduced key and
// direction is what the rows say. The counters are nft counters in the pods, the outside host and the router; never the
// agent's figures, never conntrack (conservation-method.test.ts shows that they can be trusted to the byte).
//
// FLOWTOLL_SEED=7,8 runs these seeds; FLOWTOLL_SOAK=1 runs twenty.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LabCluster, podOf } from '../lab/cluster.ts';
import { since } from '../lab/counters.ts';
import { expectedFlows, lostOnTheWay } from '../lab/expected.ts';
import { expectedRows, rowDifferences, rowId } from '../lab/expected-rows.ts';
import type { ConnectionResult } from '../lab/helper-process.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { PATH_NAMES, type PlannedConnection, planTraffic } from '../lab/plan.ts';
import { type Part, startAgent, startAggregator } from '../lab/product.ts';
import { createRandom } from '../lab/random.ts';
import { losses, tableRows } from '../lab/table-rows.ts';

const CONNECTIONS = 1000;
const SPREAD_MS = 8000;
/** Between readings, by node: on n3 most entries are gone before a dump could show them. */
const DUMP_INTERVAL: Readonly<Record<string, string>> = { n1: '500ms', n2: '700ms', n3: '4s' };
const WINDOW = '4s';
/** The node whose accounting is off until its agent switches it on. */
const UNPREPARED_NODE = 'n2';

function seeds(): number[] {
  const wanted = process.env['FLOWTOLL_SEED'];
  if (wanted !== undefined) return wanted.split(',').map(Number);
  return Array.from({ length: process.env['FLOWTOLL_SOAK'] === '1' ? 20 : 3 }, (_, i) => 101 + i);
}

describe('bytes counted are bytes in the table', () => {
  let directory: string;
  let lab: Lab | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flowtoll-conservation-'));
  });
  afterEach(async () => {
    lab?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test.each(seeds())('seed %i', async (seed) => {
    lab = await createLab({ timeouts: 'short', accounting: ['n1', 'n3'] });
    const random = createRandom(seed);

    // Connections that are open, and idle, when the agents begin.
    const early = earlyPlan(lab.cluster, random);
    const earlyResults = lab.run(early);
    // Began before its node counted at all, and lasts until the agents have stopped.
    const uncountedResult = lab.run([uncounted(lab.cluster)]);
    // Awaited below; should the test end before, nobody would hear of their failure.
    for (const running of [earlyResults, uncountedResult]) running.catch(() => {});
    const before = await lab.settledTallies();

    const aggregator = await startAggregator(lab, { directory, clusterName: 'lab', commitInterval: '1s' });
    const nodes = lab.cluster.nodes.map((node) => node.name);
    const agents = await Promise.all(nodes.map((node) => startAgent(lab!, node, agentOptions(node), directory)));
    expect(since(await lab.tallies(), before), 'traffic while the agents took their baselines').toEqual([]);

    // Connections that begin afterwards, most of them over between two dumps; and the early ones go on.
    for (const node of nodes) lab.reapEnded(node);
    await lab.open('agents-run');
    const plan = planTraffic(lab.cluster, random, { count: CONNECTIONS, spreadMs: SPREAD_MS });
    expect(new Set(plan.map((connection) => connection.path))).toEqual(new Set(PATH_NAMES));
    expect(failures(plan, await lab.run(plan))).toEqual([]);
    expect(failures(early, await earlyResults)).toEqual([]);
    const tallies = since(await lab.settledTallies(), before);
    expect(lostOnTheWay(tallies), 'packets lost on the way: no exact comparison is possible').toEqual([]);
    for (const node of nodes) expect(await lab.invalidPackets(node), `invalid packets on ${node}`).toBe(0);
    expect(await liveEntries(lab, nodes), 'entries that outlived the run').toBeLessThan(CONNECTIONS);

    await stopAll([...agents, aggregator]);
    await lab.open('agents-stopped');
    expect((await uncountedResult)[0]!.error).toBe(undefined);

    const expected = expectedRows(lab.cluster, expectedFlows(lab.cluster, tallies));
    // The kernel never knew its bytes, and the table says so.
    for (const id of uncountedRows(lab.cluster)) expect(expected.delete(id), `${id} was not even counted`).toBe(true);
    expect(expected.size, 'reduced keys compared').toBeGreaterThan(400);
    const differences = rowDifferences(expected, await tableRows(directory));
    expect(differences, `seed ${seed}: run again with FLOWTOLL_SEED=${seed}`).toEqual([]);
    expect(await losses(directory)).toEqual([{ node: UNPREPARED_NODE, loss_reason: 'no-counters', bytes: null }]);
  });
});

const agentOptions = (node: string): string[] => ['--dump-interval', DUMP_INTERVAL[node]!, '--window', WINDOW];

/** Connections that do not touch the unprepared node. */
function earlyPlan(cluster: LabCluster, random: ReturnType<typeof createRandom>): PlannedConnection[] {
  const elsewhere = new Set(
    [...cluster.pods.filter((pod) => pod.node === UNPREPARED_NODE), ...servicesOver(cluster)].flatMap((x) => x.address),
  );
  const candidates = planTraffic(cluster, random, { count: 150, spreadMs: 300 }).filter(
    ({ source, destination }) => !elsewhere.has(source) && !elsewhere.has(destination),
  );
  return candidates.map((connection, index) => {
    const [first, ...rest] = connection.exchanges;
    const again = { ...first!, pauseMs: random.integer(0, 1500), gate: 'agents-run' };
    return { ...connection, index, timeoutMs: 120_000, exchanges: [first!, again, ...rest] };
  });
}

/** A connection inside the unprepared node, on a port that no plan uses there. */
function uncounted(cluster: LabCluster): PlannedConnection {
  const exchange = { send: 3000, receive: 30_000, pauseMs: 0 };
  const exchanges = [exchange, { ...exchange, gate: 'agents-run' }, { ...exchange, gate: 'agents-stopped' }];
  const kind = { index: 0, host: 'web-1', path: 'same-node', protocol: 'tcp', port: 8081, close: 'client' } as const;
  return { ...kind, ...uncountedAddresses(cluster), atMs: 0, timeoutMs: 120_000, exchanges };
}

/** Services that may lead to the unprepared node. */
const servicesOver = (cluster: LabCluster) =>
  cluster.services.filter((service) => service.backends.some((name) => podOf(cluster, name).node === UNPREPARED_NODE));

const uncountedAddresses = (cluster: LabCluster) => ({
  source: podOf(cluster, 'web-1').address[0],
  destination: podOf(cluster, 'postgres-0').address[0],
});

function uncountedRows(cluster: LabCluster): string[] {
  const { source, destination } = uncountedAddresses(cluster);
  const key = { node: UNPREPARED_NODE, protocol: 'tcp', port: 8081 };
  return [
    rowId({ ...key, ip: source, peerIp: destination, initiator: 'local' }),
    rowId({ ...key, ip: destination, peerIp: source, initiator: 'peer' }),
  ];
}

function failures(plan: readonly PlannedConnection[], results: readonly ConnectionResult[]): unknown[] {
  return plan
    .map((connection, i) => ({ connection, result: results[i] }))
    .filter(({ result }) => result?.error !== undefined);
}

async function liveEntries(lab: Lab, nodes: readonly string[]): Promise<number> {
  const read = (node: string) => lab.exec(node, ['cat', '/proc/sys/net/netfilter/nf_conntrack_count']);
  return (await Promise.all(nodes.map(read))).reduce((sum, count) => sum + Number(count), 0);
}

/** Agents first, all at once: they hand over what they have; then the aggregator. */
async function stopAll(parts: readonly Part[]): Promise<void> {
  await Promise.all(parts.slice(0, -1).map((part) => part.stop()));
  await parts.at(-1)!.stop();
}
