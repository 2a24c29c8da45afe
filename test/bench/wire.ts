// Bytes and CPU from an agent's columns to an aggregator's validated batch: the agent's encoder and link here, the
// aggregator's ingest in another process, grpc-js over loopback between them. Beside it the floor: the same bytes, ready
// made, through grpc-js alone. The two are interleaved, so that a slow minute of the machine slows both.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { create } from '@bufbuild/protobuf';
import { encodeBatch } from '@flowtoll/agent/exporter/batch-codec.ts';
import { batchRequest, createOpenLink, type IngestLink } from '@flowtoll/agent/exporter/ingest-link.ts';
import type { WindowFlows } from '@flowtoll/agent/flow/window-flows.ts';
import { HelloSchema } from '@flowtoll/proto';
import { Client, credentials } from '@grpc/grpc-js';
import { textTable } from './support/statistics.ts';
import { FLOOR_PATH, type ServerMessage } from './support/wire-server.ts';
import { wireWorkload } from './support/wire-workload.ts';

/** Goals, at the size of a busy node's batch; the other sizes are for the picture. */
const GOAL_FLOWS = 10_000;
const GOAL_BYTES_PER_FLOW = 24;
const GOAL_MS_PER_1000 = 0.8;

const SIZES = [1000, 2000, 10_000, 20_000];
const FLOWS_PER_ROUND = 300_000;
const ROUNDS = 5;
/** Batches under way at once, in both. */
const IN_FLIGHT = 8;

/** CPU of both processes for 1,000 flows, in ms. */
interface Cost {
  readonly client: number;
  readonly server: number;
  readonly flowsPerSecond: number;
}

interface Result {
  readonly flows: number;
  readonly bytesPerFlow: number;
  readonly cost: Cost;
  readonly floor: Cost;
}

/** Measures all sizes and prints the table; exit code 1 when a goal is missed. */
export async function run(): Promise<void> {
  const server = await startServer();
  try {
    const results: Result[] = [];
    for (const flows of SIZES) {
      results.push(await measure(server, flows));
      process.stderr.write(`… measured ${flows} flows a batch\n`);
    }
    if (!print(results)) process.exitCode = 1;
  } finally {
    server.child.kill();
  }
}

interface ServerProcess {
  readonly child: ChildProcess;
  readonly ports: { readonly ingest: number; readonly floor: number };
}

async function startServer(): Promise<ServerProcess> {
  const child = fork(new URL('./support/wire-server.ts', import.meta.url));
  const [ports]: ServerMessage[] = await once(child, 'message');
  if (ports?.kind !== 'ports') throw new Error('the server did not say its ports');
  return { child, ports };
}

async function serverCpuMs({ child }: ServerProcess): Promise<number> {
  const answer = once(child, 'message');
  child.send('cpu');
  const [message]: ServerMessage[] = await answer;
  if (message?.kind !== 'cpu') throw new Error('the server did not say its CPU time');
  return message.microseconds / 1000;
}

async function measure(server: ServerProcess, flows: number): Promise<Result> {
  const window = wireWorkload(flows);
  const batches = Math.ceil(FLOWS_PER_ROUND / flows);
  const ready = encodeBatch({ epoch: epochOf(0), sequence: 1 }, window, []);
  const costs: Cost[] = [];
  const floors: Cost[] = [];
  // The first round of each warms both processes up.
  for (let round = 0; round <= ROUNDS; round++) {
    const floor = await timed(server, flows * batches, () => floorRound(server.ports.floor, ready, batches));
    const cost = await timed(server, flows * batches, () => ingestRound(server.ports.ingest, window, batches));
    if (round > 0) {
      floors.push(floor);
      costs.push(cost);
    }
  }
  return { flows, bytesPerFlow: ready.length / flows, cost: median(costs), floor: median(floors) };
}

async function timed(server: ServerProcess, flows: number, round: () => Promise<void>): Promise<Cost> {
  const serverBefore = await serverCpuMs(server);
  const clientBefore = process.cpuUsage();
  const startedAt = performance.now();
  await round();
  const seconds = (performance.now() - startedAt) / 1000;
  const client = process.cpuUsage(clientBefore);
  const serverMs = (await serverCpuMs(server)) - serverBefore;
  const thousands = flows / 1000;
  return {
    client: (client.user + client.system) / 1000 / thousands,
    server: serverMs / thousands,
    flowsPerSecond: flows / seconds,
  };
}

function median(costs: readonly Cost[]): Cost {
  const sorted = costs.toSorted((a, b) => a.client + a.server - (b.client + b.server));
  return sorted[sorted.length >> 1]!;
}

let epochs = 0;

function epochOf(index: number): string {
  return `00000000-0000-4000-8000-${String(index).padStart(12, '0')}.00000000-0000-4000-8000-000000000000`;
}

/** Encodes and sends each batch anew, as an agent does each minute. */
function ingestRound(port: number, window: WindowFlows, batches: number): Promise<void> {
  const epoch = epochOf(++epochs);
  return new Promise((resolve, reject) => {
    let sent = 0;
    let acknowledged = 0;
    const pump = () => {
      for (; sent < batches && sent - acknowledged < IN_FLIGHT; sent++) {
        link.sendBatch(encodeBatch({ epoch, sequence: sent + 1 }, window, []));
      }
    };
    const link: IngestLink = createOpenLink(`127.0.0.1:${port}`)({
      onWelcome: pump,
      onAcknowledgement: ({ sequence }) => {
        acknowledged = Number(sequence);
        pump();
        if (acknowledged < batches) return;
        link.close();
        resolve();
      },
      onThrottle: () => undefined,
      onDrain: () => undefined,
      onEnd: ({ details }) => reject(new Error(details)),
    });
    link.sendHello(create(HelloSchema, { protocolVersion: 1, agentVersion: 'bench', node: 'bench', epoch }));
  });
}

/** Sends the same ready bytes each time. */
function floorRound(port: number, ready: Uint8Array, batches: number): Promise<void> {
  const request = batchRequest(ready);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const bytes = (value: Buffer) => value;
  return new Promise((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    const stream = client.makeBidiStreamRequest(FLOOR_PATH, bytes, bytes);
    const pump = () => {
      for (; sent < batches && sent - answered < IN_FLIGHT; sent++) stream.write(request);
    };
    stream.on('data', () => {
      answered++;
      pump();
      if (answered === batches) stream.end();
    });
    stream.on('error', reject);
    stream.on('status', () => {
      client.close();
      resolve();
    });
    pump();
  });
}

/** Prints everything; whether the goals were met. */
function print(results: readonly Result[]): boolean {
  const rows = [
    ['flows a batch', 'bytes a flow', 'agent', 'aggregator', 'both', 'floor (grpc-js alone)', 'flows/s'],
    ...results.map(({ flows, bytesPerFlow, cost, floor }) => [
      flows.toLocaleString('en'),
      bytesPerFlow.toFixed(1),
      cost.client.toFixed(3),
      cost.server.toFixed(3),
      (cost.client + cost.server).toFixed(3),
      (floor.client + floor.server).toFixed(3),
      Math.round(cost.flowsPerSecond).toLocaleString('en'),
    ]),
  ];
  process.stdout.write(`CPU in ms for 1,000 flows (user and system), median of ${ROUNDS} rounds\n${textTable(rows)}\n`);
  const goal = results.find(({ flows }) => flows === GOAL_FLOWS)!;
  const cpu = goal.cost.client + goal.cost.server;
  const verdicts = [
    verdict(`bytes a flow at ${GOAL_FLOWS}`, goal.bytesPerFlow, GOAL_BYTES_PER_FLOW),
    verdict(`CPU ms for 1,000 flows at ${GOAL_FLOWS}, both sides`, cpu, GOAL_MS_PER_1000),
  ];
  for (const { text } of verdicts) process.stdout.write(`${text}\n`);
  return verdicts.every(({ met }) => met);
}

function verdict(what: string, value: number, most: number): { met: boolean; text: string } {
  const met = value <= most;
  return { met, text: `${met ? 'met   ' : 'MISSED'}  ${what}: ${value.toFixed(3)}, goal at most ${most}` };
}
