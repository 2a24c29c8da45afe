// What it costs to take flows: from gRPC streams of many agents to committed Parquet on an S3 server, with names from a
// topology of 150,000 pods and prices. First by stage, one commit after the other in a process of its own, beside the floor:
// the same rows as Parquet alone. Then `flowtoll serve` as users run it, under all the load that it takes: CPU and memory of
// that process alone, the agents are others.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { AGGREGATOR_PROGRAM, environment, Programs } from '../support/processes.ts';
import { seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { writeBatchFile } from './support/batch-file.ts';
import { createClusterModel, topologyText } from './support/cluster-model.ts';
import { ClusterTraffic } from './support/cluster-traffic.ts';
import type { FloorCost } from './support/ingest-floor.ts';
import type { StageCosts } from './support/ingest-stages.ts';
import { LineProcess } from './support/line-process.ts';
import { processCpuNs, processMemory } from './support/process-memory.ts';
import { mean, median, range, textTable } from './support/statistics.ts';
import { TemporaryDirectory } from './support/temporary-directory.ts';

const CLUSTER = { nodes: 5000, pods: 150_000, workloads: 10_000, namespaces: 300 };
const TRAFFIC = { outsideAddresses: 50_000, flowsPerNode: 2000 };
const WINDOWS = 2;
/** Flows of a commit, as `serve` makes them by default. */
const COMMIT_FLOWS = 40_000;
/** Before anything is measured: every batch once, so that all endpoints have been met, as they are after a minute; and seconds of `serve`. */
const warmUpRounds = (flows: number) => Math.ceil(flows / COMMIT_FLOWS);
const WARM_UP_S = 10;
const MIB = 2 ** 20;

const GOAL_FLOWS_PER_S = 500_000;
const GOAL_RATIO = 2;

/** One commit of so many is split, and is in no other figure. */
const SPLIT_ROUNDS = 4;

const STAGES = ['decode', 'fill', 'parquet', 'upload'] as const;
const STAGE_NAMES: Readonly<Record<(typeof STAGES)[number], string>> = {
  decode: 'decompress, decode, check',
  fill: 'names, class, price, columns of the commit',
  parquet: 'sort, Parquet, statistics',
  upload: 'upload and commit',
};

interface Inputs {
  readonly topology: string;
  readonly batches: string;
  readonly scratch: string;
  readonly env: Readonly<Record<string, string>>;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '20260131' },
      agents: { type: 'string', default: '250' },
      rounds: { type: 'string', default: '40' },
      seconds: { type: 'string', default: '60' },
    },
  });
  const program = await seaweedFsProgram();
  if (program === undefined) throw new Error('this benchmark needs SeaweedFS (test/support/seaweedfs.ts)');
  await using directory = await TemporaryDirectory.create();
  const nodes = Number(values.agents);
  const size = { ...CLUSTER, seed: Number(values.seed) };
  process.stdout.write(`${JSON.stringify({ ...size, ...TRAFFIC, agents: nodes })}\n`);
  const model = createClusterModel(size);
  const topology = join(directory.path, 'topology.json');
  const batches = join(directory.path, 'batches');
  await writeFile(topology, topologyText(model, 'bench'));
  const traffic = new ClusterTraffic(model, { ...TRAFFIC, nodes });
  const flows = await writeBatchFile(batches, model, traffic, { nodes, windows: WINDOWS });
  process.stdout.write(`${flows.toLocaleString('en')} flows in ${nodes * WINDOWS} batches, replayed\n\n`);
  const s3 = await startSeaweedFs(program);
  try {
    await s3.createBucket('flows');
    const inputs = { topology, batches, scratch: directory.path, env: s3.environment('writer') };
    const isMet = await measureStages(inputs, warmUpRounds(flows), Number(values.rounds));
    await measureServe(inputs, Number(values.seconds));
    process.exitCode = isMet ? 0 : 1;
  } finally {
    await s3.stop();
  }
}

/** Prints the table; whether the goals are met. */
async function measureStages(
  { topology, batches, scratch, env }: Inputs,
  warmUp: number,
  rounds: number,
): Promise<boolean> {
  const options = ['--topology', topology, '--batches', batches, '--flows', String(COMMIT_FLOWS)];
  const script = (name: string) => join(import.meta.dirname, 'support', name);
  const command = [process.execPath, script('ingest-stages.ts'), ...options, '--store', 's3://flows/stages'];
  await using stages = new LineProcess(command, { env: environment(env) });
  await using floor = new LineProcess([process.execPath, script('ingest-floor.ts'), ...options, '--scratch', scratch]);
  const costs: StageCosts[] = [];
  const floors: number[] = [];
  const names: number[] = [];
  for (let round = -warmUp; round < rounds; round++) {
    if (round % SPLIT_ROUNDS === 0) {
      const { enrich, flows } = await stages.ask<StageCosts>('split');
      if (round >= 0) names.push(enrich / flows);
    }
    const cost = await stages.ask<StageCosts>('commit');
    const { rows, cpuUs } = await floor.ask<FloorCost>('encode');
    if (round < 0) continue;
    costs.push(cost);
    floors.push((cpuUs / rows) * (cost.rows / cost.flows));
  }
  const perFlow = (of: (costs: StageCosts) => number) => costs.map((each) => of(each) / each.flows);
  const whole = perFlow((each) => STAGES.reduce((sum, stage) => sum + each[stage], 0));
  const line = (name: string, values: readonly number[]) => [
    name,
    median(values).toFixed(3),
    mean(values).toFixed(3),
    range(values)
      .map((value) => value.toFixed(2))
      .join(' to '),
  ];
  // Of means: most commits see no full collection, and a median would not know of any.
  const ratio = mean(whole) / mean(floors);
  const flowsPerS = 1e6 / mean(whole);
  process.stdout.write(
    `CPU seconds for a million flows (${median(perFlow(({ rows }) => rows)).toFixed(3)} rows each), ${rounds} commits of about ${COMMIT_FLOWS} flows\n${textTable(
      [
        ['stage', 'median', 'mean', 'range'],
        ...STAGES.map((stage) =>
          line(
            STAGE_NAMES[stage],
            perFlow((each) => each[stage]),
          ),
        ),
        line('all of these', whole),
        line('names, class, price: part of the second', names),
        line('floor: the rows as Parquet alone, by DuckDB', floors),
      ],
    )}\n`,
  );
  const verdicts = [
    {
      isMet: flowsPerS >= GOAL_FLOWS_PER_S,
      text: `${Math.round(flowsPerS)} flows/s and core, goal ${GOAL_FLOWS_PER_S}`,
    },
    { isMet: ratio <= GOAL_RATIO, text: `${ratio.toFixed(2)} × the floor, goal at most ${GOAL_RATIO}` },
  ];
  for (const { isMet, text } of verdicts) process.stdout.write(`${isMet ? 'met   ' : 'MISSED'}  ${text}\n`);
  process.stdout.write('\n');
  return verdicts.every(({ isMet }) => isMet);
}

/** Runs the product as its users do, and prints what it took. */
async function measureServe({ topology, batches, env }: Inputs, seconds: number): Promise<void> {
  const programs = new Programs();
  const serve = programs.start(
    AGGREGATOR_PROGRAM,
    [
      ...['serve', '--store', 's3://flows/serve', '--topology', topology, '--listen', '127.0.0.1:0'],
      ...['--metrics-listen', 'none', '--maintain-interval', 'none'],
    ],
    { env: environment(env) },
  );
  try {
    const { port } = await serve.logged('listening');
    const pid = serve.child.pid!;
    const idleBytes = processMemory(pid).residentBytes;
    await using clients = new LineProcess([
      ...[process.execPath, join(import.meta.dirname, 'support', 'ingest-clients.ts')],
      ...['--address', `127.0.0.1:${port}`, '--batches', batches],
    ]);
    const acknowledged = async () => (await clients.ask<{ flows: number }>('flows')).flows;
    while ((await acknowledged()) === 0) await delay(100);
    await delay(WARM_UP_S * 1000);
    const before = { ms: performance.now(), flows: await acknowledged(), cpuNs: processCpuNs(pid) };
    const resident: number[] = [];
    for (let second = 0; second < seconds; second++) {
      await delay(1000);
      resident.push(processMemory(pid).residentBytes);
    }
    const flows = (await acknowledged()) - before.flows;
    const cpuS = (processCpuNs(pid) - before.cpuNs) / 1e9;
    const wallS = (performance.now() - before.ms) / 1000;
    const part = Math.ceil(seconds / 6);
    const mib = (bytes: number) => Math.round(bytes / MIB);
    process.stdout.write(
      `flowtoll serve, receiving included, ${Math.round(wallS)} s: ${Math.round(flows / wallS)} flows/s at ${(cpuS / wallS).toFixed(2)} cores, ` +
        `${Math.round(flows / cpuS)} flows/s and core (${((cpuS * 1e6) / flows).toFixed(2)} CPU s for a million)\n` +
        `resident MiB: ${mib(idleBytes)} before the first flow; by sixths of the time, at most: ` +
        `${Array.from({ length: 6 }, (_, i) => mib(Math.max(...resident.slice(i * part, (i + 1) * part), 0))).join(', ')}; ` +
        `peak ${mib(processMemory(pid).peakBytes)}\n`,
    );
  } finally {
    await programs.killAll();
  }
}
