// The simulated agents, in a process of their own: each has the agent's real exporter, its real spool and a connection of
// its own. They do what the parent says over IPC, and say how they stand. They do not sync their spools: nobody pulls the plug.
import { join } from 'node:path';
import { createExporter, type Exporter } from '@flowtoll/agent/exporter/exporter.ts';
import { Spool } from '@flowtoll/agent/exporter/spool/spool.ts';
import { nodeName } from './cluster.ts';
import { AgentTraffic } from './traffic.ts';

/** What the parent says. Agents and windows are given as the first and the one after the last. */
export type AgentsCommand =
  | {
      readonly kind: 'make';
      readonly agents: number;
      readonly flows: number;
      readonly firstWindowMs: number;
      readonly seed: number;
      readonly spoolDirectory: string;
      readonly spoolBytesMax: number;
      readonly aggregator: string;
    }
  | { readonly kind: 'connect'; readonly from: number; readonly to: number }
  | { readonly kind: 'append'; readonly from: number; readonly to: number }
  | { readonly kind: 'stop' };

/** What the parent hears: the answer to each command, and twice a second how all stand. */
export type AgentsMessage = { readonly kind: 'done'; readonly epochs?: readonly string[] } | AgentsState;

/** All agents together. */
export interface AgentsState {
  readonly kind: 'state';
  readonly connected: number;
  readonly waitingBatches: number;
  readonly waitingBytes: number;
  /** Bytes in the fullest spool. */
  readonly fullestBytes: number;
  readonly acknowledged: number;
  readonly sent: number;
  readonly connectionAttempts: number;
  /** Batches whose flows became a loss, for whatever reason; spools that could not be written; epochs begun anew. */
  readonly lost: number;
  readonly diskProblems: number;
  readonly epochRestarts: number;
}

interface SimulatedAgent {
  readonly traffic: AgentTraffic;
  readonly spool: Spool;
  readonly exporter: Exporter;
}

const STATE_MS = 500;
/** The first half of it goes, so that the second says which agent it was. */
const BOOT_ID = '00000000-0000-4000-8000-';
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

let agents: SimulatedAgent[] = [];
let diskProblems = 0;

function makeAgents(command: Extract<AgentsCommand, { kind: 'make' }>): void {
  const { flows, firstWindowMs, seed, spoolDirectory, spoolBytesMax, aggregator } = command;
  agents = Array.from({ length: command.agents }, (_, node) => {
    const bootId = `${BOOT_ID}${String(node).padStart(12, '0')}`;
    const spool = new Spool({
      directory: join(spoolDirectory, nodeName(node)),
      node: nodeName(node),
      bootId,
      bytesMax: spoolBytesMax,
      memoryBytesMax: 64 << 20,
      sync: false,
      goesOnFrom: () => true,
      onSetAsideGivenUp: () => undefined,
      onSpooled: () => undefined,
      onDiskProblem: () => {
        diskProblems++;
      },
    });
    const { spoolId, openQueue } = spool;
    const exporter = createExporter(
      { aggregator, node: nodeName(node), agentVersion: 'simulated', spoolId, bootId, queueBytes: 0 },
      { log: SILENT, openQueue },
    );
    return { traffic: new AgentTraffic(command.agents, node, flows, firstWindowMs, seed), spool, exporter };
  });
}

/** Window by window, as time goes. The connections get their turn after each agent. */
async function append(from: number, to: number): Promise<void> {
  for (let window = from; window < to; window++) {
    for (const { exporter, traffic } of agents) {
      exporter.send(traffic.window(window));
      await new Promise(setImmediate);
    }
  }
}

function state(): AgentsState {
  const sum = (of: (exporter: Exporter) => number) => agents.reduce((total, { exporter }) => total + of(exporter), 0);
  return {
    kind: 'state',
    connected: sum(({ isConnected }) => Number(isConnected)),
    waitingBatches: sum(({ waiting }) => waiting.batches),
    waitingBytes: sum(({ waiting }) => waiting.bytes),
    fullestBytes: Math.max(0, ...agents.map(({ exporter }) => exporter.waiting.bytes)),
    acknowledged: sum(({ counters }) => counters.batchesAcknowledged),
    sent: sum(({ counters }) => counters.batchesSent),
    connectionAttempts: sum(({ counters }) => counters.connectionAttempts),
    lost: sum(({ counters }) => Object.values(counters.batchesLost).reduce((a, b) => a + b)),
    diskProblems,
    epochRestarts: sum(({ counters }) => counters.epochRestarts),
  };
}

async function obey(command: AgentsCommand): Promise<AgentsMessage> {
  switch (command.kind) {
    case 'make':
      makeAgents(command);
      return { kind: 'done', epochs: agents.map(({ exporter }) => exporter.epoch) };
    case 'connect':
      for (const { exporter } of agents.slice(command.from, command.to)) exporter.start();
      return { kind: 'done' };
    case 'append':
      await append(command.from, command.to);
      return { kind: 'done' };
    case 'stop':
      await Promise.all(agents.map(({ exporter }) => exporter.stop(0)));
      for (const { spool } of agents) spool.close();
      return { kind: 'done' };
  }
}

if (process.send !== undefined) {
  const say = (message: AgentsMessage) => process.send?.(message);
  process.on('message', (command: AgentsCommand) => {
    obey(command).then(say, (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
      process.exit(1);
    });
  });
  process.on('disconnect', () => process.exit(0));
  setInterval(() => say(state()), STATE_MS);
}
