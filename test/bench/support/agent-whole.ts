// The whole agent, beside the figures of its reading alone: the product's own process with worker and gRPC, connected to
// a real aggregator, while every entry's counters change between its dumps.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConntrackNamespace } from './conntrack-namespace.ts';
import { nativeProgram } from './native.ts';
import { processCpuNs, processMemory } from './process-memory.ts';
import { raiseTableLimit } from './table-limit.ts';
import { TemporaryDirectory } from './temporary-directory.ts';

const AGGREGATOR_FILE = join(import.meta.dirname, '../../../aggregator/src/main.ts');
const ADDRESS = '127.0.0.1:4460';
const WINDOW_MS = 10_000;
const WINDOWS = 3;

/** The agent's process after a few windows of a busy table. */
export interface WholeResult {
  readonly entries: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
  /** Share of one core, all threads, with a dump each 5 s and a window each 10 s. */
  readonly coreShare: number;
}

/** Runs agent and aggregator for half a minute. `agentFile`: the agent's entry as plain JavaScript. */
export async function measureWhole(
  entries: number,
  agentFile: string,
  nodeFlags: readonly string[],
): Promise<WholeResult> {
  await using temporary = await TemporaryDirectory.create();
  const directory = temporary.path;
  const topology = join(directory, 'topology.json');
  const node = { name: 'bench', provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a', addresses: ['192.0.2.1'] };
  writeFileSync(topology, JSON.stringify({ version: 1, cluster: 'bench', nodes: [node], pods: [], services: [] }));
  await using _limit = await raiseTableLimit(Math.ceil(entries * 1.2));
  await using namespace = await ConntrackNamespace.create();
  await using traffic = namespace.start([nativeProgram('flowgen'), '4']);
  await using aggregator = namespace.startDaemon([
    ...[process.execPath, AGGREGATOR_FILE, 'serve', '--store', join(directory, 'store'), '--topology', topology],
    ...['--listen', ADDRESS, '--commit-interval', '5s'],
  ]);
  await aggregator.logged('listening');
  await traffic.ask(`make ${entries}`);
  await using agent = namespace.startDaemon([
    ...[process.execPath, ...nodeFlags, agentFile, 'run', '--node', 'bench', '--aggregator', ADDRESS],
    ...['--window', `${WINDOW_MS}ms`, '--spool', join(directory, 'spool'), '--state', join(directory, 'state')],
  ]);
  await agent.logged('baseline taken');
  const begin = { cpuNs: processCpuNs(agent.pid), at: performance.now() };
  while (performance.now() < begin.at + WINDOWS * WINDOW_MS) {
    await traffic.ask('touch');
    await new Promise((resolve) => setTimeout(resolve, 2_500));
  }
  const cpuNs = processCpuNs(agent.pid) - begin.cpuNs;
  return { entries, ...processMemory(agent.pid), coreShare: cpuNs / 1e6 / (performance.now() - begin.at) };
}
