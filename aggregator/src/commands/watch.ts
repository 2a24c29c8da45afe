// `flowtoll watch`: rows as they are committed, from an aggregator. Options in, text out; the stream comes from client/, the
// looks from watch-output.ts.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { WatchRequestSchema } from '@flowtoll/proto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { followFlows } from '../client/flow-stream.ts';
import { readResumeFile, writeResumeFile } from '../client/resume-file.ts';
import { printable } from '../query/text-table.ts';
import { parseTimeBound } from '../query/time-bound.ts';
import { parseCount, parseDuration, parsePath } from './option-values.ts';
import { type CommandOutput, processOutput } from './options.ts';
import { addServerOptions, type ServerFlags, serverAccess } from './server-options.ts';
import { jsonPrinter, linePrinter, liveTablePrinter, type WatchPrinter } from './watch-output.ts';

/** Flags that are filters on the column of the same name. */
const FILTER_FLAGS: readonly (readonly [flag: string, column: string, what: string])[] = [
  ['namespace', 'namespace', 'namespaces of the local side'],
  ['workload', 'workload', 'workloads of the local side'],
  ['node', 'node', 'reporting nodes'],
  ['zone', 'zone', 'zones of the local side'],
  ['peer', 'peer', 'peers, by workload, namespace/workload, pod, name, node or address'],
  ['peer-namespace', 'peer_namespace', 'namespaces of the peer'],
  ['class', 'traffic_class', 'traffic classes, like cross-zone or internet'],
  ['service', 'service', 'services, namespace/name'],
  ['port', 'port', "the responder's ports"],
];

type Filter = { readonly column: string; readonly values: string[]; readonly exclude: boolean };

interface WatchFlags extends ServerFlags {
  readonly filter: readonly Filter[];
  readonly losses: boolean;
  readonly columns: readonly string[];
  readonly from: string;
  readonly resumeFile?: string;
  readonly format: 'table' | 'json';
  readonly top: number;
  readonly span: number;
  readonly [flag: string]: unknown;
}

/** How often the table in a terminal is drawn. */
const REDRAW_MS = 500;

/** What the command needs of its surroundings. */
export interface WatchSurroundings {
  readonly output: CommandOutput;
  readonly isTerminal: boolean;
  /** FLOWTOLL_TOKEN: what to show the server. */
  readonly token?: string | undefined;
  readonly nowMs: () => number;
  /** Ends the stream. */
  readonly signal: AbortSignal;
}

export function watchCommand(surroundings: () => WatchSurroundings = processSurroundings): Command {
  const command = new Command('watch').description(
    'Show flows as they are committed: the costliest pairs in a terminal, rows in a pipe.',
  );
  addServerOptions(command);
  for (const [flag, , what] of FILTER_FLAGS) {
    command.addOption(new Option(`--${flag} <value,…>`, `only these ${what}`).argParser(parseList));
  }
  return command
    .addOption(
      new Option(
        '--filter <column=value,…>',
        'only rows whose column (docs/columns.md, label:KEY) has one of the values; != for all others; repeatable',
      )
        .argParser(parseFilter)
        .default([], 'none'),
    )
    .addOption(new Option('--no-losses', 'leave out rows that say what is missing'))
    .addOption(
      new Option('--columns <name,…>', 'columns to print with --format json; all by default')
        .argParser(parseList)
        .default([], 'all'),
    )
    .addOption(
      new Option(
        '--from <place>',
        'now, oldest, a version (812), a time (2026-01-31T12:00Z, 15m ago as 15m) or a token',
      ).default('now'),
    )
    .addOption(
      new Option(
        '--resume-file <file>',
        'keep the place in this file, and go on from there if it exists; waits for the server, too',
      ).argParser(parsePath),
    )
    .addOption(
      new Option('--format <format>', 'for people, or exact for programs').choices(['table', 'json']).default('table'),
    )
    .addOption(new Option('--top <count>', 'pairs to show in a terminal').default(20).argParser(parseCount(1, 1000)))
    .addOption(
      new Option('--span <time>', 'how much of the newest data the table sums, 1m to 1d')
        .default(300_000, '5m')
        .argParser(parseDuration(60_000, 86_400_000)),
    )
    .action((flags: WatchFlags) => run(flags, surroundings()));
}

async function run(flags: WatchFlags, { output, isTerminal, token, nowMs, signal }: WatchSurroundings): Promise<void> {
  const { resumeFile, server } = flags;
  const access = serverAccess(flags, { token, remark: (text) => output.remark(text) });
  const resumed = resumeFile === undefined ? undefined : await readResumeFile(resumeFile);
  const isLive = flags.format === 'table' && isTerminal;
  const printer = printerOf(flags, isLive);
  const from = placeOf(resumed ?? flags.from, nowMs());
  const request = create(WatchRequestSchema, {
    ...(from && { from }),
    filters: filtersOf(flags),
    columns: [...printer.columns],
    withoutLosses: !flags.losses,
  });
  const redraw = () => void output.write(printer.redraw());
  const drawing = isLive ? setInterval(redraw, REDRAW_MS) : undefined;
  const onRetry = (reason: string, pauseMs: number) => {
    if (!isLive) output.remark(`flowtoll: the stream broke (${printable(reason)}); going on in ${pauseMs / 1000} s\n`);
  };
  try {
    // Who keeps his place runs unattended, and may begin before the server does.
    const isPatient = resumeFile !== undefined;
    for await (const event of followFlows({ server, ...access, request, signal, isPatient, onRetry })) {
      const text = printer.print(event);
      if (text !== '') await output.write(text);
      // Behind what was written: whoever is killed between the two sees some rows again, and misses none.
      const token = event.kind === 'message' ? event.message.resumeToken : event.missed.resumeToken;
      if (resumeFile !== undefined) await writeResumeFile(resumeFile, token);
    }
  } finally {
    clearInterval(drawing);
    access.stop();
    if (isLive) await output.write(printer.redraw());
  }
}

function printerOf(flags: WatchFlags, isLive: boolean): WatchPrinter {
  if (flags.format === 'json') return jsonPrinter(flags.columns);
  if (!isLive) return linePrinter();
  const minutes = flags.span / 60_000;
  const spanText = minutes === 1 ? 'the last minute' : `the last ${Number(minutes.toFixed(1))} minutes`;
  return liveTablePrinter({ top: flags.top, spanMs: flags.span, spanText });
}

function placeOf(text: string, nowMs: number): MessageInitShape<typeof WatchRequestSchema>['from'] {
  if (text === 'now') return undefined;
  if (text === 'oldest') return { case: 'oldest', value: true };
  if (/^\d{1,15}$/.test(text)) return { case: 'version', value: BigInt(text) };
  // A token: five dashes, and no instant looks like that.
  if (/^\d+-\S+-\S+-\S+-\S+-\S+$/.test(text)) return { case: 'resumeToken', value: text };
  return { case: 'time', value: timestampFromMs(parseTimeBound(text, '--from', nowMs)) };
}

function filtersOf(flags: WatchFlags): Filter[] {
  const named = FILTER_FLAGS.flatMap(([flag, column]) => {
    const values = flags[flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())] as string[] | undefined;
    return values === undefined ? [] : [{ column, values, exclude: false }];
  });
  return [...named, ...flags.filter];
}

function parseList(text: string): string[] {
  return text.split(',').map((value) => value.trim());
}

function parseFilter(text: string, before: readonly Filter[]): Filter[] {
  const match = /^([^=!]+)(!?=)(.*)$/s.exec(text);
  if (match === null) throw new InvalidArgumentError('It takes column=value, column=value,value or column!=value.');
  return [...before, { column: match[1]!.trim(), values: parseList(match[3]!), exclude: match[2] === '!=' }];
}

/** The process's own; SIGINT and SIGTERM end the stream. */
function processSurroundings(): WatchSurroundings {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  return {
    ...{ output: processOutput(), isTerminal: process.stdout.isTTY === true },
    ...{ token: process.env['FLOWTOLL_TOKEN'], nowMs: Date.now, signal: stop.signal },
  };
}
