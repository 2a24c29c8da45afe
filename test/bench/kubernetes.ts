// What the caches of a large cluster cost: time to sync against JSON.parse of the same bytes, memory, and CPU while pods change. The
// cluster is the stand-in in a process of its own; the caches, and the floor, have one each. A sync before the one that is measured lets the
// stand-in make its pages: a real server is no load of this machine. The caches run from a bundle, as in the image: the sources of client-node alone
// are 65 MiB more. Options: pods, nodes.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS } from '../../images/parts/bundle-options.ts';
import { builtinsByRequire } from '../../images/parts/bundle-plugins.ts';
import type { ClusterSize } from './support/kubernetes-objects.ts';
import { textTable } from './support/statistics.ts';
import { TemporaryDirectory } from './support/temporary-directory.ts';

const SUPPORT = join(import.meta.dirname, 'support');

const CHURN_A_SECOND = 100;
const CHURN_MS = 20_000;
const MIB = 1024 ** 2;

const GOAL_SYNC_RATIO = 1.5;
const GOAL_RESIDENT_MIB = 400;
const GOAL_CHURN_CORE = 0.05;

export async function run(args: readonly string[]): Promise<void> {
  const [pods = 150_000, nodes = 5000] = args.map(Number);
  const size: ClusterSize = { pods, nodes, namespaces: 200, podsPerWorkload: 10 };
  await using directory = await TemporaryDirectory.create();
  const bundled = await bundleClient(directory.path);
  const server = start(join(SUPPORT, 'kubernetes-server.ts'), size);
  try {
    const where = await said(server);
    const floor = start(bundled, { ...where, mode: 'floor' });
    const { parseMs, parseCpuMs, bytes } = await said(floor);
    const first = start(bundled, { ...where, mode: 'caches' });
    await said(first);
    await stopped(first);
    const client = start(bundled, { ...where, mode: 'caches' });
    const sync = await said(client);
    server.send({ churn: CHURN_A_SECOND });
    client.send({ measureMs: CHURN_MS });
    const churn = await said(client);
    await stopped(client);
    const core = churn['cpuMs'] as number;
    process.stdout.write(
      `${textTable([
        [`${pods} pods, ${nodes} nodes`, 'measured', 'goal'],
        ['JSON.parse of all pages, s', seconds(parseMs), ''],
        ['bytes of these pages, MiB', mib(bytes), ''],
        ['time to sync, s', seconds(sync['syncMs']), ''],
        ['time to sync ÷ JSON.parse', (num(sync['syncMs']) / num(parseMs)).toFixed(2), `≤ ${GOAL_SYNC_RATIO}`],
        ['CPU of JSON.parse, s', seconds(parseCpuMs), ''],
        ['CPU to sync (all threads), s', seconds(sync['syncCpuMs']), ''],
        ['CPU to sync ÷ CPU of JSON.parse', (num(sync['syncCpuMs']) / num(parseCpuMs)).toFixed(2), ''],
        ['objects', String(sync['objects']), ''],
        ['resident before, MiB', mib(sync['loadedBytes']), ''],
        ['resident after sync, MiB', mib(sync['residentBytes']), ''],
        ['most that ever was, MiB', mib(sync['peakBytes']), `≤ ${GOAL_RESIDENT_MIB}`],
        ['pod changes in the churn', String(churn['told']), `${(CHURN_A_SECOND * CHURN_MS) / 1000}`],
        ['CPU while they change, cores', (core / CHURN_MS).toFixed(3), `≤ ${GOAL_CHURN_CORE}`],
        ['resident after the churn, MiB', mib(churn['residentBytes']), ''],
      ])}\n`,
    );
  } finally {
    server.kill();
  }
}

async function bundleClient(folder: string): Promise<string> {
  await build({
    ...BUNDLE_OPTIONS,
    entryPoints: [join(SUPPORT, 'kubernetes-client.ts')],
    outdir: folder,
    splitting: true,
    plugins: [builtinsByRequire()],
  });
  return join(folder, 'kubernetes-client.mjs');
}

function start(file: string, options: object): ChildProcess {
  return fork(file, [JSON.stringify(options)], {
    execArgv: ['--max-old-space-size=8192'],
  });
}

async function stopped(client: ChildProcess): Promise<void> {
  client.send('stop');
  await once(client, 'exit');
}

/** The next message; rejects when the process ends before it. */
async function said(child: ChildProcess): Promise<Record<string, unknown>> {
  const ended = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`a process of the benchmark ended: ${code}`)),
  );
  ended.catch(() => undefined);
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [Record<string, unknown>];
  return message;
}

function num(value: unknown): number {
  return Number(value);
}

function seconds(ms: unknown): string {
  return (num(ms) / 1000).toFixed(2);
}

function mib(bytes: unknown): string {
  return (num(bytes) / MIB).toFixed(0);
}
