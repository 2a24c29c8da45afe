// npm run bench -- agent-start: how long the agent's image takes from its start to its first reading, and what it has in memory at rest,
// beside a Node that does nothing, in the same minutes. Prints figures beside goals; it judges nothing by its exit code.
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TestAuthority } from '../../proto/src/tls/certificates.testing.ts';
import { imageOf } from '../support/images.ts';
import {
  bareMemory,
  bareStartMs,
  commandOf,
  type StartPlace,
  type StartVariant,
  startOnce,
} from './support/agent-start.ts';
import { ConntrackNamespace } from './support/conntrack-namespace.ts';
import type { MemoryAccount } from './support/memory-maps.ts';
import { median, range, textTable } from './support/statistics.ts';
import { TemporaryDirectory } from './support/temporary-directory.ts';

const MIB = 1024 * 1024;
const goals = { startMs: 500, restBytes: 64 * MIB };

const usage = `npm run bench -- agent-start [options]     (Linux, root)
  --rounds N     starts of each variant (default 9)
  --rest N       seconds until memory is read (default 15)
  --json FILE    the figures as JSON`;

const ADDRESS = '127.0.0.1:4460';
const AGGREGATOR = join(import.meta.dirname, '../../aggregator/bin/flowtoll.js');
const SOURCES = join(import.meta.dirname, '../../agent/bin/flowtoll-agent.js');

/** What a process of Node's costs that has what the agent has of Node's, and nothing else. */
const bare: readonly (readonly [name: string, text: string])[] = [
  ['node that waits', ''],
  ['… with a thread', "new (require('node:worker_threads').Worker)('setInterval(() => {}, 1e9)', { eval: true })"],
  [
    '… and HTTP, HTTP/2, TLS',
    "for (const name of ['http', 'http2', 'tls', 'zlib']) require('node:' + name);" +
      "require('node:tls').createSecureContext(); require('node:http').createServer().listen(0, '127.0.0.1');" +
      "new (require('node:worker_threads').Worker)('setInterval(() => {}, 1e9)', { eval: true })",
  ],
];

interface StartFigures {
  readonly name: string;
  readonly ms: readonly number[];
}

interface MemoryFigures {
  readonly name: string;
  readonly account: MemoryAccount;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '9' },
      rest: { type: 'string', default: '15' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return print(usage);
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return print('This benchmark makes network namespaces: it needs Linux and root.');
  }
  for (const [signal, number] of [['SIGINT', 2] as const, ['SIGTERM', 15] as const]) {
    process.once(signal, () => process.exit(128 + number));
  }
  const image = await imageOf('agent');
  const { node, flags, program } = commandOf(image);
  const { env } = image.config;
  await using temporary = await TemporaryDirectory.create();
  await using namespace = await ConntrackNamespace.create();
  const place = { name: 'bench', provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a', addresses: ['192.0.2.1'] };
  const file = (name: string, content: string): string => {
    writeFileSync(join(temporary.path, name), content);
    return join(temporary.path, name);
  };
  const names = { version: 1, cluster: 'bench', nodes: [place], pods: [], services: [] };
  const topology = file('topology.json', JSON.stringify(names));
  const authority = new TestAuthority(temporary.path);
  const { cert, key } = authority.issue({ names: 'IP:127.0.0.1' });
  await using aggregator = namespace.startDaemon([
    ...[process.execPath, AGGREGATOR, 'serve', '--store', join(temporary.path, 'store'), '--topology', topology],
    ...['--listen', ADDRESS, '--tls-cert', file('tls.crt', cert), '--tls-key', file('tls.key', key)],
  ]);
  await aggregator.logged('listening');

  const variant = (
    name: string,
    own: readonly string[],
    more: Readonly<Record<string, string>> = {},
  ): StartVariant => ({
    ...{ name, argv: [node, ...own, program], env: { ...env, ...more } },
  });
  const variants: readonly StartVariant[] = [
    variant('the image', flags),
    variant('without its flags', []),
    variant('with a compile cache', flags, { NODE_COMPILE_CACHE: join(temporary.path, 'compile-cache') }),
    variant('without flags, with a cache', [], { NODE_COMPILE_CACHE: join(temporary.path, 'compile-cache-2') }),
    { name: 'the sources', argv: [node, ...flags, SOURCES], env },
  ];
  const ca = file('ca.crt', authority.cert);
  let starts = 0;
  const start = (each: StartVariant, restMs = 0) => {
    const folder = join(temporary.path, String(starts++));
    return startOnce(each, { namespace, aggregator: ADDRESS, authority: ca, folder } satisfies StartPlace, restMs);
  };
  const floor: number[] = [];
  const times = variants.map(({ name }) => ({ name, ms: [] as number[] }));
  // The first round fills caches.
  for (let round = 0; round <= Number(values.rounds); round++) {
    progress(`starts, round ${round} of ${values.rounds}`);
    const bareMs = bareStartMs(node, flags);
    if (round > 0) floor.push(bareMs);
    for (const [index, each] of variants.entries()) {
      const { capturingMs } = await start(each);
      if (round > 0) times[index]!.ms.push(capturingMs);
    }
  }
  const memory: MemoryFigures[] = [];
  for (const [name, text] of bare) {
    progress(`memory: ${name}`);
    memory.push({ name, account: await bareMemory(node, flags, env, text, namespace) });
  }
  const atRest = [
    variant('the image', flags),
    variant('without its flags', []),
    variant('with --optimize-for-size', [...flags, '--optimize-for-size']),
    variant('without an optimizing compiler', [...flags, '--no-opt']),
    variant('interpreted alone (--jitless)', [...flags, '--jitless']),
  ];
  for (const each of atRest) {
    progress(`memory: ${each.name}`);
    memory.push({ name: each.name, account: (await start(each, Number(values.rest) * 1000)).memory! });
  }
  print(`${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node ${process.version} ${flags.join(' ')}\n`);
  print(startTable(floor, times));
  print(`\n${memoryTable(memory)}`);
  print(`\n${kindsTable(memory)}`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ floor, times, memory }, undefined, 2)}\n`);
}

function startTable(floor: readonly number[], times: readonly StartFigures[]): string {
  const rows = [['start until it reads, ms', 'median', 'range', 'goal', '']];
  const add = ({ name, ms }: StartFigures, goal?: number) => {
    const limits = range(ms).map((value) => value.toFixed(0));
    rows.push([
      name,
      median(ms).toFixed(0),
      limits.join('–'),
      goal === undefined ? '' : `≤ ${goal}`,
      goal === undefined ? '' : verdict(median(ms) <= goal),
    ]);
  };
  add({ name: 'node -e 0, to its end', ms: floor });
  times.forEach((each, index) => {
    add(each, index === 0 ? goals.startMs : undefined);
  });
  return textTable(rows);
}

function memoryTable(memory: readonly MemoryFigures[]): string {
  const rows = [['memory at rest, MiB', 'resident (RSS)', 'proportional (PSS)', 'own', 'goal', '']];
  for (const { name, account } of memory) {
    const isImage = name === 'the image';
    rows.push([
      name,
      ...[account.residentBytes, account.proportionalBytes, account.ownBytes].map(mib),
      isImage ? `RSS ≤ ${mib(goals.restBytes)}` : '',
      isImage ? verdict(account.residentBytes <= goals.restBytes) : '',
    ]);
  }
  return textTable(rows);
}

/** Where the image's memory is, beside that of a Node that has the same parts. */
function kindsTable(memory: readonly MemoryFigures[]): string {
  const shown = [memory[0]!, memory[bare.length - 1]!, memory[bare.length]!];
  const kinds = [...new Set(shown.flatMap(({ account }) => [...account.kinds.keys()]))];
  const rows = [['resident, MiB', ...shown.map(({ name }) => name)]];
  const of = (kind: string) => shown.map(({ account }) => account.kinds.get(kind)?.residentBytes ?? 0);
  for (const kind of kinds.sort((a, b) => of(b).at(-1)! - of(a).at(-1)!)) rows.push([kind, ...of(kind).map(mib)]);
  return textTable(rows);
}

const verdict = (good: boolean) => (good ? 'meets' : 'MISSES');
const mib = (bytes: number) => (bytes / MIB).toFixed(1);
const print = (text: string) => void process.stdout.write(`${text}\n`);
const progress = (text: string) => void process.stderr.write(`… ${text}\n`);
