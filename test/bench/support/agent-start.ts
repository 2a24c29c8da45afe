// The agent of the image from its start to its first reading, and at rest: its own Node, bundle, command line and environment, on this
// machine's libc. Knows how the image is started; what is compared with what is told.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunnableImage } from '../../support/image-runner.ts';
import type { ConntrackNamespace } from './conntrack-namespace.ts';
import { type MemoryAccount, memoryAccount } from './memory-maps.ts';

/** One way of starting it. */
export interface StartVariant {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const clean = (env: Readonly<Record<string, string>>): string[] => [
  ...['env', '-i'],
  ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
];

/** The image's command line with its paths on this machine. */
export function commandOf({ root, config }: RunnableImage): { node: string; flags: string[]; program: string } {
  const [node, ...rest] = config.entrypoint;
  return { node: join(root, node!), flags: rest.slice(0, -1), program: join(root, rest.at(-1)!) };
}

/** ms of a whole `node -e 0`, started as the agent is. */
export function bareStartMs(node: string, flags: readonly string[]): number {
  const begin = performance.now();
  const enter = ['--net=/proc/self/ns/net', '--', 'setpriv', '--pdeathsig', 'KILL', ...clean({})];
  const { status } = spawnSync('nsenter', [...enter, node, ...flags, '-e', '0'], { stdio: 'ignore' });
  if (status !== 0) throw new Error(`node -e 0 ended with ${status}`);
  return performance.now() - begin;
}

/** Where it delivers and what it keeps. */
export interface StartPlace {
  readonly namespace: ConntrackNamespace;
  readonly aggregator: string;
  /** File with the certificate of the aggregator's authority. */
  readonly authority: string;
  /** An empty folder for each start. */
  readonly folder: string;
}

export interface StartResult {
  /** From the start of the process to the end of the first dump, and until it reads on. */
  readonly firstDumpMs: number;
  readonly capturingMs: number;
  /** At rest, where that was asked for. */
  readonly memory: MemoryAccount | undefined;
}

/** Starts it, waits until it reads, and for `restMs`; ends it. */
export async function startOnce(
  { argv, env }: StartVariant,
  { namespace, aggregator, authority, folder }: StartPlace,
  restMs: number,
): Promise<StartResult> {
  mkdirSync(folder, { recursive: true });
  const link = ['--node', 'bench', '--aggregator', aggregator, '--tls-ca', authority];
  const options = [...link, '--window', '5s', '--metrics-listen', '127.0.0.1:9465'];
  const kept = ['--spool', join(folder, 'spool'), '--state', join(folder, 'state'), '--drain-timeout', '1s'];
  const begin = performance.now();
  await using agent = namespace.startDaemon([...clean(env), ...argv, 'run', ...options, ...kept]);
  await agent.logged('baseline taken');
  const firstDumpMs = performance.now() - begin;
  await agent.logged('capturing');
  const capturingMs = performance.now() - begin;
  if (restMs === 0) return { firstDumpMs, capturingMs, memory: undefined };
  await delay(restMs);
  return { firstDumpMs, capturingMs, memory: memoryAccount(agent.pid) };
}

/** Memory of a Node program that does nothing but what its text says. */
export async function bareMemory(
  node: string,
  flags: readonly string[],
  env: Readonly<Record<string, string>>,
  text: string,
  namespace: ConntrackNamespace,
): Promise<MemoryAccount> {
  const ready = `${text}; process.stdout.write('{"msg":"up"}\\n'); setInterval(() => {}, 1e9);`;
  await using program = namespace.startDaemon([...clean(env), node, ...flags, '-e', ready]);
  await program.logged('up');
  await delay(2_000);
  return memoryAccount(program.pid);
}
