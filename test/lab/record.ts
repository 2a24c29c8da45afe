// Makes the recordings in agent/testdata: what a real kernel said on each node of the laboratory while known traffic ran,
// and beside it what independent counters saw. `node test/lab/record.ts` as root writes them again.
import { copyFile, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AGENT_PROGRAM, environment, follow, type Running } from '../support/processes.ts';
import { since } from './counters.ts';
import { type ExpectedFlow, expectedFlows, lostOnTheWay } from './expected.ts';
import { createLab, type Lab } from './lab.ts';
import { PATH_NAMES, type PlannedConnection, planTraffic } from './plan.ts';
import { createRandom, type Random } from './random.ts';

const TARGET = fileURLToPath(new URL('../../agent/testdata/', import.meta.url));
const SEED = 2026;
const CONNECTIONS = 300;
const SPREAD_MS = 7000;
/** Connections that are open, and have spoken, before the first dump. */
const EARLY_CONNECTIONS = 30;
/** A recording is for reading in tests: it should stay small. */
const BYTES_MAX = 1_500_000;
const CLUSTER_NAME = 'recorded';

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'flowtoll-record-'));
  const lab = await createLab({ timeouts: 'short', accounting: ['n1', 'n2', 'n3'] });
  try {
    const nodes = lab.cluster.nodes.map((node) => node.name);
    const flows = await record(lab, nodes, directory);
    await mkdir(TARGET, { recursive: true });
    let bytes = 0;
    for (const node of nodes) {
      bytes += (await stat(join(directory, `${node}.ftct`))).size;
      await copyFile(join(directory, `${node}.ftct`), join(TARGET, `${node}.ftct`));
      await writeFile(join(TARGET, `${node}.json`), oracle(flows.filter((flow) => flow.node === node)));
    }
    await writeFile(join(TARGET, 'topology.yaml'), yaml(lab.topology(CLUSTER_NAME)));
    if (bytes > BYTES_MAX) throw new Error(`${bytes} bytes of recordings are too many; plan less traffic`);
    process.stdout.write(`${flows.length} flows, ${bytes} bytes of recordings in ${TARGET}\n`);
  } finally {
    lab.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Runs the traffic under the recorders; gives what each node must have seen since they began. */
async function record(lab: Lab, nodes: readonly string[], directory: string): Promise<ExpectedFlow[]> {
  const random = createRandom(SEED);
  const early = earlyPlan(lab, random);
  const earlyResults = lab.run(early);
  // Awaited below; should the run end before, nobody would hear of its failure.
  earlyResults.catch(() => {});
  const before = await lab.settledTallies();

  const recorders = await Promise.all(nodes.map((node) => startRecorder(lab, node, directory)));
  requireNone('traffic during the first dump', since(await lab.tallies(), before));

  await lab.open('recording');
  const plan = planTraffic(lab.cluster, random, { count: CONNECTIONS, spreadMs: SPREAD_MS });
  requireNone(
    'paths without traffic',
    PATH_NAMES.filter((name) => !plan.some(({ path }) => path === name)),
  );
  const results = [...(await lab.run(plan)), ...(await earlyResults)];
  requireNone(
    'failed connections',
    results.filter(({ error }) => error !== undefined),
  );
  const tallies = since(await lab.settledTallies(), before);
  requireNone('packets lost on the way', lostOnTheWay(tallies));
  for (const node of nodes) {
    if ((await lab.invalidPackets(node)) > 0) throw new Error(`${node} saw packets of no connection`);
  }
  for (const recorder of recorders) {
    const { code, stderr } = await recorder.stop();
    if (code !== 0) throw new Error(`a recorder ended with ${code}: ${stderr}`);
  }
  return expectedFlows(lab.cluster, tallies);
}

/** Connections that speak before the first dump, and again once the recorders run. */
function earlyPlan(lab: Lab, random: Random): PlannedConnection[] {
  return planTraffic(lab.cluster, random, { count: EARLY_CONNECTIONS, spreadMs: 200 }).map((connection) => {
    const [first] = connection.exchanges;
    return { ...connection, exchanges: [first!, { ...first!, gate: 'recording' }], timeoutMs: 60_000 };
  });
}

async function startRecorder(lab: Lab, node: string, directory: string): Promise<Running> {
  const options = ['--node', node, '--output', `${node}.ftct`, '--dump-interval', '1s'];
  const child = lab.spawn(node, [process.execPath, AGENT_PROGRAM, 'record', ...options], {
    cwd: directory,
    env: environment(),
  });
  const recorder = follow(`recorder of ${node}`, child);
  await recorder.logged('baseline taken');
  return recorder;
}

function requireNone(what: string, found: readonly unknown[]): void {
  if (found.length > 0) throw new Error(`${what}; record again: ${JSON.stringify(found.slice(0, 5))}`);
}

/** One flow a line, so that a difference can be read. */
function oracle(flows: readonly ExpectedFlow[]): string {
  const rows = flows.map(({ node: _, ...flow }) => `    ${JSON.stringify(flow)}`).sort();
  const head = `  "connections": ${CONNECTIONS + EARLY_CONNECTIONS},\n  "seed": ${SEED},\n`;
  return `{\n${head}  "flows": [\n${rows.join(',\n')}\n  ]\n}\n`;
}

/** Lists with one thing a line. */
function yaml(topology: Record<string, unknown>): string {
  const lines = ['# The laboratory (test/lab/cluster.ts) as a topology file. Made by test/lab/record.ts.'];
  for (const [key, value] of Object.entries(topology)) {
    if (!Array.isArray(value)) lines.push(`${key}: ${flowStyle(value)}`);
    else lines.push(`${key}:`, ...value.map((thing) => `  - ${flowStyle(thing)}`));
  }
  return `${lines.join('\n')}\n`;
}

function flowStyle(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flowStyle).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, member]) => `${key}: ${flowStyle(member)}`);
    return `{ ${members.join(', ')} }`;
  }
  return typeof value === 'string' && /^[\w./-]+$/.test(value) ? value : JSON.stringify(value);
}

await main();
