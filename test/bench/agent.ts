// npm run bench -- agent: what the agent's reading costs beyond the kernel's own work, in ratios to C programs that only
// read, taken in the same minutes on the same tables. Prints figures beside goals; it judges nothing by its exit code.
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type DumpResult, measureDumps } from './support/agent-dumps.ts';
import { type EventResult, measureEvents } from './support/agent-events.ts';
import { measureWhole, type WholeResult } from './support/agent-whole.ts';
import { plainJavaScript } from './support/plain-javascript.ts';
import { textTable } from './support/statistics.ts';

const MIB = 1024 * 1024;

const goals = {
  unchangedRatio: 1.3,
  changedRatio: 1.6,
  /** Resident memory of reading and accounting alone, by entries. */
  residentBytes: new Map([
    [10_000, 64 * MIB],
    [500_000, 110 * MIB],
  ]),
  eventRatio: 3,
};

const usage = `npm run bench -- agent [options]     (Linux, root)
  --entries N,N,…   sizes of the table (default 10000,100000,500000)
  --rounds N        samples of each ratio (default 7)
  --ipv6            IPv6 entries instead of IPv4
  --event-seconds N length of each run of events (default 60)
  --only WHAT       dumps, events or whole
  --node-flags F    flags of Node for the agent (default: ${'`agentNodeFlags`'} in test/bench/agent.ts)
  --json FILE       the figures as JSON, - for standard output`;

/**
 * Flags that keep the agent small. The young generation is kept at 1 MiB: little is allocated once tables have grown.
 * Without concurrent and mid-tier compilation no compiler thread leaves its memory in a malloc arena of its own.
 */
const agentNodeFlags = ['--max-semi-space-size=1', '--no-concurrent-recompilation', '--no-maglev'];

/** Buffer of a run that must lose events: 200 of them, where thousands come between two looks. */
const SCANT_BUFFER_BYTES = 128 * 1024;
const AMPLE_BUFFER_BYTES = 32 * MIB;

/** Everything that was measured. */
interface Report {
  readonly date: string;
  readonly kernel: string;
  readonly node: string;
  readonly cpu: string;
  readonly nodeFlags: readonly string[];
  readonly dumps: DumpResult[];
  readonly events: EventResult[];
  readonly whole: WholeResult[];
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      entries: { type: 'string', default: '10000,100000,500000' },
      rounds: { type: 'string', default: '7' },
      ipv6: { type: 'boolean', default: false },
      'event-seconds': { type: 'string', default: '60' },
      only: { type: 'string' },
      'node-flags': { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return print(usage);
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return print('The agent benchmark makes network namespaces and real packets: it needs Linux and root.');
  }
  exitOnSignals();
  const sizes = values.entries.split(',').map(Number);
  const nodeFlags = values['node-flags']?.split(' ').filter(Boolean) ?? agentNodeFlags;
  const wanted = (what: string) => values.only === undefined || values.only === what;
  const readerFile = plainJavaScript(join(import.meta.dirname, 'support/agent-reader.ts'));
  const agentFile = plainJavaScript(join(import.meta.dirname, '../../agent/src/main.ts'));
  const report: Report = {
    date: new Date().toISOString(),
    kernel: release(),
    node: process.version,
    cpu: `${cpus().length} × ${cpus()[0]?.model}`,
    nodeFlags,
    dumps: [],
    events: [],
    whole: [],
  };
  const reader = { readerFile, nodeFlags, progress };
  if (wanted('dumps')) {
    for (const entries of sizes) {
      report.dumps.push(await measureDumps({ entries, rounds: Number(values.rounds), ipv6: values.ipv6, ...reader }));
    }
  }
  if (wanted('whole')) {
    for (const entries of sizes) {
      progress(`whole agent, ${entries} entries`);
      report.whole.push(await measureWhole(entries, agentFile, nodeFlags));
    }
  }
  if (wanted('events')) {
    const seconds = Number(values['event-seconds']);
    const runs = [
      { reliable: true, bufferBytes: AMPLE_BUFFER_BYTES, seconds },
      { reliable: false, bufferBytes: AMPLE_BUFFER_BYTES, seconds },
      { reliable: false, bufferBytes: SCANT_BUFFER_BYTES, seconds: Math.min(seconds, 15) },
    ];
    for (const options of runs) {
      const floorSeconds = Math.max(2, Math.min(10, options.seconds / 4));
      report.events.push(await measureEvents({ ...options, floorSeconds, ...reader }));
    }
  }
  print(textOf(report));
  if (values.json === '-') print(JSON.stringify(report, null, 2));
  else if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

/** Children end with their input and the namespaces with them: leaving is all that a signal needs. */
function exitOnSignals(): void {
  for (const [signal, number] of [['SIGINT', 2] as const, ['SIGTERM', 15] as const]) {
    process.once(signal, () => process.exit(128 + number));
  }
}

function textOf(report: Report): string {
  const parts = [`${report.cpu}, Linux ${report.kernel}, Node ${report.node} ${report.nodeFlags.join(' ')}`];
  if (report.dumps.length > 0) parts.push(dumpTable(report.dumps), memoryTable(report));
  else if (report.whole.length > 0) parts.push(memoryTable(report));
  if (report.events.length > 0) parts.push(eventTable(report.events));
  return parts.join('\n\n');
}

function dumpTable(dumps: readonly DumpResult[]): string {
  const rows = [['dump, CPU', 'counters', 'C µs/entry', 'agent µs/entry', 'of it user', 'ratio', 'range', 'goal', '']];
  for (const dump of dumps) {
    const kinds = [
      ['unchanged', dump.unchanged, goals.unchangedRatio],
      ['all changed', dump.changed, goals.changedRatio],
    ] as const;
    for (const [kind, figures, goal] of kinds) {
      rows.push([
        `${count(dump.entries)} entries${dump.ipv6 ? ', IPv6' : ''}`,
        kind,
        (figures.floorNsPerEntry / 1000).toFixed(2),
        (figures.agentNsPerEntry / 1000).toFixed(2),
        (figures.agentUserNsPerEntry / 1000).toFixed(2),
        figures.ratio.toFixed(2),
        figures.ratioRange.map((value) => value.toFixed(2)).join('–'),
        `≤ ${goal}`,
        verdict(figures.ratio <= goal),
      ]);
    }
  }
  const windows = dumps.map(
    (dump) =>
      `${count(dump.entries)} entries: a window's end with ${count(dump.windowFlows)} flows takes ` +
      `${(dump.windowNs / 1e6).toFixed(1)} ms; bytes sent but not accounted: ${dump.bytesMissing}`,
  );
  return [textTable(rows), ...windows].join('\n');
}

function memoryTable({ dumps, whole }: Report): string {
  const rows = [['memory, MiB', 'reading: resident', 'peak', 'goal', '', 'whole agent: resident', 'peak', 'of a core']];
  const sizes = new Set([...dumps, ...whole].map((result) => result.entries));
  for (const entries of sizes) {
    const reading = dumps.find((result) => result.entries === entries);
    const agent = whole.find((result) => result.entries === entries);
    const goal = goals.residentBytes.get(entries);
    rows.push([
      `${count(entries)} entries`,
      mib(reading?.residentBytes),
      mib(reading?.peakBytes),
      goal ? `≤ ${mib(goal)}` : '',
      goal && reading ? verdict(reading.residentBytes <= goal) : '',
      mib(agent?.residentBytes),
      mib(agent?.peakBytes),
      agent ? `${(agent.coreShare * 100).toFixed(1)} %` : '',
    ]);
  }
  return textTable(rows);
}

function eventTable(events: readonly EventResult[]): string {
  const heading = [
    'DESTROY events',
    'events/s',
    'destroyed',
    'accounted',
    'reported lost',
    'kernel drops',
    'unexplained',
  ];
  const rows = [[...heading, 'C µs', 'agent µs', 'ratio', 'goal', '', 'peak MiB']];
  for (const run of events) {
    const lossFree = run.reliable || run.bufferBytes >= AMPLE_BUFFER_BYTES;
    rows.push([
      `${run.reliable ? 'reliable' : 'lossy'}, ${run.bufferBytes / 1024} KiB, ${run.seconds} s`,
      count(Math.round(run.destroyedPerSecond)),
      count(run.destroyed),
      count(run.accounted),
      Object.entries(run.lost)
        .map(([reason, entries]) => `${reason} ${count(entries)}`)
        .join(', ') || '0',
      count(run.kernelDrops),
      count(run.unexplained),
      (run.floorNsPerEvent / 1000).toFixed(2),
      (run.agentNsPerEvent / 1000).toFixed(2),
      run.ratio.toFixed(2),
      lossFree ? `≤ ${goals.eventRatio}` : '',
      lossFree ? verdict(run.ratio <= goals.eventRatio) : '',
      mib(run.peakBytes),
    ]);
  }
  return textTable(rows);
}

const verdict = (good: boolean) => (good ? 'meets' : 'MISSES');
const count = (value: number) => value.toLocaleString('en-US').replaceAll(',', ' ');
const mib = (bytes: number | undefined) => (bytes === undefined ? '' : (bytes / MIB).toFixed(1));
const print = (text: string) => void process.stdout.write(`${text}\n`);
const progress = (text: string) => void process.stderr.write(`… ${text}\n`);
