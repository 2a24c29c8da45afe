// How long `flowtoll report` takes, from the command line to the last byte, and its memory: over hourly sums of a month of 100
// nodes, and over flows. Beside each the floor: bare DuckDB in a process of its own that reads the same files and sums two columns
// by namespace and class. The two are interleaved, so that a slow minute of the machine slows both.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { processMemory } from './support/process-memory.ts';
import { type QueryData, writeQueryData } from './support/query-data.ts';
import { median, medianRatio, textTable } from './support/statistics.ts';
import { TemporaryDirectory } from './support/temporary-directory.ts';

const FLOWTOLL = join(import.meta.dirname, '..', '..', 'aggregator', 'bin', 'flowtoll.js');
const FLOOR = join(import.meta.dirname, 'support', 'query-floor.ts');

const MEMORY_POLL_MS = 10;
const MIB = 2 ** 20;

/** Goals: of hourly sums for a month of 100 nodes, of flows for 100 million rows; memory for both. */
const HOURLY_GOAL_MS = 1_000;
const FLOWS_GOAL_MS = 10_000;
const FLOWS_GOAL_ROWS = 100e6;
const MEMORY_GOAL_BYTES = 1024 * MIB;

interface Run {
  readonly ms: number;
  readonly peakBytes: number;
}

interface Case {
  readonly name: string;
  readonly table: 'flows' | 'costs_hourly';
  readonly args: readonly string[];
  readonly goalMs: number | undefined;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '20260131' },
      flows: { type: 'string', default: '10000000' },
      rounds: { type: 'string', default: '5' },
    },
  });
  const data: QueryData = {
    ...{ seed: Number(values.seed), days: 30, nodes: 100, workloads: 140, peers: 4 },
    flowRows: Number(values.flows),
  };
  const rounds = Number(values.rounds);
  await using directory = await TemporaryDirectory.create();
  process.stdout.write(`${JSON.stringify(data)}\n`);
  const rows = await writeQueryData(directory.path, data);
  // A smaller run is for the picture: what a process needs to begin would be most of it.
  const flowsGoalMs = rows.flows < FLOWS_GOAL_ROWS ? undefined : FLOWS_GOAL_MS;
  const cases: Case[] = [
    { name: 'costs_hourly, default keys', table: 'costs_hourly', args: [], goalMs: HOURLY_GOAL_MS },
    { name: 'costs_hourly, by day', table: 'costs_hourly', args: ['--by', 'day'], goalMs: HOURLY_GOAL_MS },
    { name: 'flows, by node and class', table: 'flows', args: ['--by', 'node,class'], goalMs: flowsGoalMs },
    {
      name: 'flows, by node and workload',
      table: 'flows',
      args: ['--by', 'node,namespace,workload'],
      goalMs: flowsGoalMs,
    },
  ];
  const lines = [['report over', 'rows', 'ms', 'floor ms', 'ratio', 'peak MiB', 'goal ms']];
  let areMet = true;
  for (const { name, table, args: keys, goalMs } of cases) {
    const report: Run[] = [];
    const floor: Run[] = [];
    for (let round = 0; round < rounds; round++) {
      report.push(
        await measure([FLOWTOLL, 'report', '--store', directory.path, '--format', 'json', '--top', '25', ...keys]),
      );
      floor.push(await measure([FLOOR, join(directory.path, 'bench', table)]));
    }
    const ms = median(report.map((each) => each.ms));
    const peakBytes = Math.max(...report.map((each) => each.peakBytes));
    areMet &&= ms <= (goalMs ?? ms) && peakBytes <= MEMORY_GOAL_BYTES;
    lines.push([
      ...[name, (table === 'flows' ? rows.flows : rows.costs).toLocaleString('en'), ms.toFixed(0)],
      median(floor.map((each) => each.ms)).toFixed(0),
      medianRatio(
        report.map((each) => each.ms),
        floor.map((each) => each.ms),
      ).toFixed(2),
      ...[(peakBytes / MIB).toFixed(0), goalMs?.toFixed(0) ?? ''],
    ]);
  }
  process.stdout.write(`median of ${rounds} processes each, files in the page cache\n${textTable(lines)}\n`);
  process.stdout.write(`${areMet ? 'met' : 'MISSED'}: time, and at most ${MEMORY_GOAL_BYTES / MIB} MiB\n`);
  process.exitCode = areMet ? 0 : 1;
}

/** Runs a program to its end. */
async function measure(command: readonly string[]): Promise<Run> {
  const beganMs = performance.now();
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] });
  let peakBytes = 0;
  const timer = setInterval(() => {
    try {
      peakBytes = Math.max(peakBytes, processMemory(child.pid!).peakBytes || 0);
    } catch {
      // It has just ended.
    }
  }, MEMORY_POLL_MS);
  const [code] = await once(child, 'exit');
  clearInterval(timer);
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}`);
  return { ms: performance.now() - beganMs, peakBytes };
}
