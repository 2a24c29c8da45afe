// Runs the product inside a laboratory: one aggregator in the management namespace, one agent per node, as a user would
// start them; and asks the table. Knows the command lines and the log, nothing of the product's insides.
import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { run } from './exec.ts';
import type { Lab } from './lab.ts';
import { outsideTopologyOf } from './topology.ts';
import { MANAGEMENT_ADDRESS } from './wiring.ts';

/** Command lines of the two programs: pass them to `process.execPath`. */
export const AGENT = fileURLToPath(new URL('../../agent/src/main.ts', import.meta.url));
export const AGGREGATOR = fileURLToPath(new URL('../../aggregator/src/main.ts', import.meta.url));
const PORT = 4460;

/** How long a part may take to say that it is ready, or to end. */
const PATIENCE_MS = 60_000;

/** A running part of the product. */
export interface Part {
  /** Resolves with the first log line, past or future, that has this message. */
  logged(message: string): Promise<Record<string, unknown>>;
  /** Asks it to end (SIGTERM) and waits; rejects when it did not end well. */
  stop(): Promise<void>;
  /** Kills it at this very instant (SIGKILL) and waits until it is gone. */
  kill(): Promise<void>;
  /** Resolves when it ended by itself; rejects when it did not end well. */
  ended(): Promise<void>;
  /** Log lines of level warn and above. */
  readonly complaints: readonly string[];
}

/** Where the aggregator keeps its tables, and what it is told. */
export interface AggregatorOptions {
  /** An existing directory for the store and the topology file. */
  readonly directory: string;
  readonly clusterName: string;
  readonly commitInterval: string;
  /**
   * Path of a kubeconfig: the cluster's names come from there, and the topology file has what is outside of the cluster alone.
   * Default: the topology file has all names.
   */
  readonly kubeconfig?: string;
}

/** Starts the aggregator; resolves once it listens. */
export async function startAggregator(lab: Lab, options: AggregatorOptions): Promise<Part> {
  const { directory, clusterName, commitInterval, kubeconfig } = options;
  const topology = join(directory, 'topology.json');
  const content = kubeconfig === undefined ? lab.topology(clusterName) : outsideTopologyOf(lab.cluster, clusterName);
  await writeFile(topology, JSON.stringify(content, undefined, 2));
  const part = watchPart(
    'aggregator',
    lab.spawn('management', [
      ...[process.execPath, AGGREGATOR, 'serve', '--store', storeOf(directory), '--topology', topology],
      ...['--listen', `0.0.0.0:${PORT}`, '--insecure', '--commit-interval', commitInterval],
      ...(kubeconfig === undefined ? [] : ['--kubernetes', kubeconfig]),
    ]),
  );
  await part.logged('listening');
  return part;
}

/**
 * Starts the agent of a node; resolves once its baseline is taken: from then on it accounts. Its spool and its baseline lie
 * under the directory, so that another one started there goes on.
 */
export async function startAgent(lab: Lab, node: string, options: readonly string[], directory: string): Promise<Part> {
  const own = join(directory, 'agents', node);
  const command = [process.execPath, AGENT, 'run', '--node', node, '--aggregator', `${MANAGEMENT_ADDRESS}:${PORT}`];
  command.push('--insecure');
  command.push('--spool', join(own, 'spool'), '--state', join(own, 'state'));
  const part = watchPart(`agent of ${node}`, lab.spawn(node, [...command, ...options]));
  await part.logged('baseline taken');
  return part;
}

/** The store under a directory that was given to startAggregator. */
export const storeOf = (directory: string): string => join(directory, 'store');

/** A store, and what programs need in their environment to read it. */
export interface StorePlace {
  readonly store: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Runs `flowtoll sql` and gives its rows. `place`: a directory that was given to startAggregator, or any store. */
export async function sql<Row>(place: string | StorePlace, statement: string): Promise<Row[]> {
  const { store, env } = typeof place === 'string' ? { store: storeOf(place), env: process.env } : place;
  const command = [process.execPath, AGGREGATOR, 'sql', statement, '--store', store, '--format', 'json'];
  return JSON.parse(await run(command, '', env)) as Row[];
}

/** Runs `flowtoll sql` and gives its text, as a person sees it. */
export function sqlText(directory: string, statement: string): Promise<string> {
  return run([process.execPath, AGGREGATOR, 'sql', statement, '--store', storeOf(directory)]);
}

/** Runs `flowtoll report` and gives its text. */
export function report(directory: string, options: readonly string[]): Promise<string> {
  return run([process.execPath, AGGREGATOR, 'report', '--store', storeOf(directory), ...options]);
}

/** Follows a started part by its log lines. */
export function watchPart(name: string, child: ChildProcess): Part {
  const lines: Record<string, unknown>[] = [];
  const complaints: string[] = [];
  const tail: string[] = [];
  const waiting = new Set<() => void>();
  let ended: string | undefined;
  const wake = (): void => {
    for (const check of waiting) check();
  };
  const onLine = (line: string): void => {
    tail.push(line);
    if (tail.length > 40) tail.shift();
    try {
      const entry = JSON.parse(line) as Record<string, unknown>;
      lines.push(entry);
      const { level } = entry;
      if (typeof level === 'number' ? level >= 40 : level === 'warn' || level === 'error') complaints.push(line);
    } catch {
      // Not a log line: a message of the runtime. It is in the tail.
    }
    wake();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream! }).on('line', onLine);
  child.on('close', (code, signal) => {
    ended = String(signal ?? code);
    wake();
  });
  const until = <T>(what: string, look: () => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const problem = (text: string): Error => new Error(`${name} ${text}; its last lines:\n${tail.join('\n')}`);
      const timer = setTimeout(() => settle(() => reject(problem(`did not ${what} in time`))), PATIENCE_MS);
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        waiting.delete(check);
        finish();
      };
      const check = (): void => {
        const found = look();
        if (found !== undefined) settle(() => resolve(found));
        else if (ended !== undefined) settle(() => reject(problem(`ended with ${ended}, and did not ${what}`)));
      };
      waiting.add(check);
      check();
    });
  const awaitEnd = async (): Promise<void> => {
    const code = await until('end', () => ended);
    if (code !== '0') throw new Error(`${name} ended with ${code}; its last lines:\n${tail.join('\n')}`);
  };
  return {
    complaints,
    logged: (message) => until(`log "${message}"`, () => lines.find((entry) => entry['msg'] === message)),
    ended: awaitEnd,
    kill: async () => {
      child.kill('SIGKILL');
      await until('die', () => ended);
    },
    stop: () => {
      child.kill('SIGTERM');
      return awaitEnd();
    },
  };
}
