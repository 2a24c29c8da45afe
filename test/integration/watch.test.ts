// Watchers as strangers run them: Python's gRPC libraries, the example clients of docs/examples, and `flowtoll watch`, against a
// `flowtoll serve` that is killed and started again, while this process commits, compacts and vacuums as another replica.
import { execFile, spawn } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { WatchedTable } from '@flowtoll/aggregator/api/watched-table.testing.ts';
import { flowRow, WINDOW_US } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRandom } from '../lab/random.ts';
import { AGGREGATOR_PROGRAM, environment, follow, Programs, type Running } from '../support/processes.ts';
import { GRPC_CLIENT, pythonEnvironment } from '../support/python-env.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TOPOLOGY = `
version: 1
nodes:
  - { name: node-a, provider: aws, region: us-east-1, zone: us-east-1a, addresses: [10.0.0.0, 10.1.0.0] }
`;

const python = await pythonEnvironment(GRPC_CLIENT);
if ('missing' in python) console.warn(`The tests with Python are skipped: ${python.missing}`);

let table: WatchedTable;
let work: string;
const programs = new Programs();
const strangers = new Set<Running>();

beforeEach(async () => {
  table = await WatchedTable.open();
  work = await mkdtemp(join(tmpdir(), 'flowtoll-watchers-'));
  await writeFile(join(work, 'topology.yaml'), TOPOLOGY);
});

afterEach(async () => {
  for (const { child } of strangers) child.kill('SIGKILL');
  strangers.clear();
  await programs.killAll();
  await table.close();
  await rm(work, { recursive: true, force: true });
});

/** A replica; resolves when it listens. */
async function serve(port = 0): Promise<{ readonly port: number; readonly running: Running }> {
  const running = programs.start(AGGREGATOR_PROGRAM, [
    ...['serve', '--store', table.folder, '--cluster', 'demo', '--topology', join(work, 'topology.yaml')],
    ...['--listen', `127.0.0.1:${port}`, '--metrics-listen', 'none', '--vanished-after', 'none'],
  ]);
  const line = await running.logged('listening');
  return { port: Number(line['port']), running };
}

/** Starts any program; what it prints can be awaited. */
function start(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Stranger {
  const child = spawn(command, args, { cwd: work, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
  const running = follow(`${command} ${args.join(' ')}`, child);
  strangers.add(running);
  return new Stranger(running);
}

class Stranger {
  readonly #running: Running;
  readonly #lookers = new Set<() => void>();
  #text = '';

  constructor(running: Running) {
    this.#running = running;
    running.child.stdout!.on('data', (text: string) => {
      this.#text += text;
      for (const look of this.#lookers) look();
    });
  }

  /** Whole lines so far. */
  get lines(): string[] {
    return this.#text.split('\n').slice(0, -1);
  }

  printed(count: number): Promise<void> {
    return this.#until(() => this.lines.length >= count, `${count} lines`);
  }

  /** A line has this word. */
  printedOf(word: string): Promise<void> {
    return this.#until(() => new RegExp(`\\b${word}\\b`).test(this.#text), word);
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    await Promise.race([
      new Promise<void>((resolve) => {
        const look = () => {
          if (!condition()) return;
          this.#lookers.delete(look);
          resolve();
        };
        this.#lookers.add(look);
        look();
      }),
      this.#running.ended().then(({ stderr }) => {
        throw new Error(`ended before ${what}, after ${this.lines.length} lines:\n${stderr}`);
      }),
    ]);
  }

  async kill(): Promise<void> {
    this.#running.child.kill('SIGKILL');
    await this.#running.ended();
  }
}

/** Rows whose lines the examples print. */
async function commitPairs(names: readonly string[]): Promise<void> {
  const shared = {
    namespace: 'shop',
    peerWorkload: 'db',
    trafficClass: 'cross-zone',
    windowStartUs: WINDOW_US,
  } as const;
  await table.commitRows(
    names.map((workload) => flowRow({ ...shared, workload, txBytes: 1000, txCost: 10_000_000_000n })),
  );
}

const lineOf = (workload: string) => `shop/${workload} → db cross-zone 1000 bytes $0.01`;

/** What a client has printed, over its lives. */
async function restarted(startClient: () => Stranger, port: number, replica: Running): Promise<void> {
  const first = startClient();
  await commitPairs(['a', 'b', 'c']);
  await first.printed(3);
  // The replica goes and comes back: the client goes on by itself.
  await programs.killAll();
  await replica.ended();
  await commitPairs(['d']);
  await serve(port);
  await first.printed(4);
  await commitPairs(['e']);
  await first.printed(5);
  await first.kill();
  const second = startClient();
  await commitPairs(['f', 'g']);
  await second.printed(2);
  await second.printedOf('shop/g');
  const late = second.lines;
  expect(first.lines.sort()).toEqual(['a', 'b', 'c', 'd', 'e'].map(lineOf));
  // Killed between its last line and its token it sees that message again, and no other.
  expect([late.filter((line) => line !== lineOf('e')).sort(), late.length <= 3]).toEqual([
    ['f', 'g'].map(lineOf),
    true,
  ]);
}

describe.skipIf('missing' in python)('Python', () => {
  const interpreter = 'python' in python ? python.python : '';

  test('finds health, reflection and FlowService by an address alone', async () => {
    await table.commit(1);
    const { port } = await serve();
    const script = join(ROOT, 'test', 'support', 'grpc_stranger.py');
    const { stdout } = await promisify(execFile)(interpreter, [script, `127.0.0.1:${port}`]);
    expect(JSON.parse(stdout)).toEqual({
      services: [
        'flowtoll.v1.FlowService',
        'flowtoll.v1.IngestService',
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
      ],
      health: {
        '': 'SERVING',
        'flowtoll.v1.FlowService': 'SERVING',
        'flowtoll.v1.IngestService': 'SERVING',
        nobody: 'NOT_FOUND',
      },
      watchedUnknown: 'SERVICE_UNKNOWN',
      methods: ['Ingest'],
      first: ['progress', 'resumeToken'],
    });
  });

  test('the example client sees each row, over restarts of its own and of the replica', async () => {
    const { port, running } = await serve();
    await promisify(execFile)(interpreter, [
      ...['-m', 'grpc_tools.protoc', '-I', join(ROOT, 'proto'), '--python_out', work, '--grpc_python_out', work],
      'flowtoll/v1/flow_service.proto',
    ]);
    await copyFile(join(ROOT, 'docs', 'examples', 'watch.py'), join(work, 'watch.py'));
    const client = () => start(interpreter, ['watch.py', `127.0.0.1:${port}`, join(work, 'token')]);
    await restarted(client, port, running);
  });
});

test('the TypeScript example sees each row, over restarts of its own and of the replica', async () => {
  const { port, running } = await serve();
  const example = join(ROOT, 'docs', 'examples', 'watch.ts');
  await restarted(() => start(process.execPath, [example, `127.0.0.1:${port}`, join(work, 'token')]), port, running);
});

test('flowtoll watch and its replica are killed again and again, the table compacted and vacuumed: every row, or it is told', async () => {
  const seed = Number(process.env['FLOWTOLL_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  const random = createRandom(seed);
  const where = `seed ${seed}`;
  let { port, running } = await serve();
  const flags = ['--server', `127.0.0.1:${port}`, '--from', 'oldest', '--format', 'json', '--columns', 'pod'];
  const watching = () =>
    start(process.execPath, [AGGREGATOR_PROGRAM, 'watch', ...flags, '--resume-file', join(work, 'place')]);
  const lives: Stranger[] = [watching()];
  let kills = 0;
  for (let round = 0; round < 40; round++) {
    const version = await table.commit(random.pick([1, 10, 3000]), random.integer(1, 2));
    const life = lives.at(-1)!;
    if (random.chance(0.5)) await life.printedOf(table.committed.get(version)![0]!);
    if (random.chance(0.25)) {
      await life.kill();
      kills++;
      lives.push(watching());
    }
    if (random.chance(0.2)) {
      running.child.kill('SIGKILL');
      await running.ended();
      ({ port, running } = await serve(port));
    }
    if (random.chance(0.2)) await table.compact();
    if (random.chance(0.1)) await table.vacuum();
  }
  // A last row, known by its name, ends what each life has to print.
  const end = table.committed.get(await table.commit(1))![0]!;
  const last = lives.at(-1)!;
  await last.printedOf(end).catch((error: unknown) => {
    throw new Error(`${where}: ${error}`);
  });
  const events = lives.flatMap(({ lines }) => lines.map((line) => JSON.parse(line) as Record<string, unknown>));
  const seen = new Map<string, number>();
  for (const { pod } of events) if (typeof pod === 'string') seen.set(pod, (seen.get(pod) ?? 0) + 1);
  const missed = events.filter(({ event }) => event === 'missed') as { from_version: number; to_version: number }[];
  for (const [version, names] of table.committed) {
    const isWhole = names.every((name) => seen.has(name));
    const isTold = missed.some((range) => range.from_version <= version && version <= range.to_version);
    expect(isWhole || isTold, `${where}: version ${version} lacks rows and nobody was told`).toBe(true);
  }
  // A life that is killed between a message and its token sees that message again: at most 2,048 rows a kill.
  const again = [...seen.values()].filter((count) => count > 1);
  expect(again.length, where).toBeLessThanOrEqual(2048 * kills);
  expect(Math.max(1, ...again), where).toBeLessThanOrEqual(1 + kills);
  expect(await readFile(join(work, 'place'), 'utf8')).toMatch(/^\S+\n$/);
  if (kills === 0) expect(again).toEqual([]);
});
