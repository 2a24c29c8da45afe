// Starts agents and aggregators of a crash test inside a laboratory, with points at which they die or stop, and follows one
// life of each. Knows command lines, signals and what the module of the crash points notes.
import type { ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../lab/lab.ts';
import { AGENT, AGGREGATOR, storeOf, watchPart } from '../lab/product.ts';
import { MANAGEMENT_ADDRESS } from '../lab/wiring.ts';
import { environment } from '../support/processes.ts';
import { type Action, ARMED_VARIABLE, NOTES_VARIABLE, type Note, type Point } from './points.ts';

const CRASH_POINTS = fileURLToPath(new URL('./crash-points.ts', import.meta.url));

/** Everything happens often, so that a fault finds something under way. */
const AGENT_OPTIONS = [
  ...['--dump-interval', '300ms', '--window', '600ms', '--keepalive', '1s'],
  ...['--drain-timeout', '60s', '--stream-age', '3s'],
];
const AGGREGATOR_OPTIONS = [
  ...['--commit-interval', '300ms', '--commit-when-all-waiting', 'false', '--metrics-listen', 'none'],
  ...['--log-level', 'debug'],
];

/** An instant in a life: the `hit`-th time, from 1, that the process passes the point. */
export interface Instant {
  readonly point: Point;
  readonly hit: number;
}

/** What shall happen to a process at points. */
export type Arming = Readonly<Partial<Record<Action, Instant | undefined>>>;

/** How a process ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One process from its start to its end. */
export interface Life {
  /** Resolves once it is at work: an agent accounts, an aggregator listens. Rejects when it ends before. */
  ready(): Promise<void>;
  /** Resolves once it has something to do when it is told to stop. Rejects when it ends before. */
  busy(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** Resolves when it is gone. */
  readonly ended: Promise<End>;
  readonly pid: number;
  /** Log lines of level warn and above. */
  readonly complaints: readonly string[];
}

/** Everything that one run leaves on disk. */
export class Site {
  readonly directory: string;
  readonly #lab: Lab;
  readonly #topology: string;

  /** @param directory an existing one, for the store, the agents' spools and states, logs and notes */
  constructor(lab: Lab, directory: string) {
    this.#lab = lab;
    this.directory = directory;
    this.#topology = join(directory, 'topology.json');
    writeFileSync(this.#topology, JSON.stringify(lab.topology('lab'), undefined, 2));
    mkdirSync(join(directory, 'logs'), { recursive: true });
  }

  /** Starts the agent of a node; it reaches an aggregator at that port. Another one under the same name goes on. */
  startAgent(node: string, port: number, arming: Arming = {}, name = node): Life {
    const own = this.agentDirectory(name);
    const to = ['--aggregator', `${MANAGEMENT_ADDRESS}:${port}`, '--node', node];
    const keep = ['--spool', join(own, 'spool'), '--state', join(own, 'state')];
    const marks = ['baseline taken', 'baseline taken'] as const;
    return this.#start(name, node, marks, [AGENT, 'run', ...to, ...keep, ...AGENT_OPTIONS], arming);
  }

  /** Starts an aggregator that listens on that port of the management namespace. */
  startAggregator(name: string, port: number, arming: Arming = {}): Life {
    const from = ['--store', storeOf(this.directory), '--topology', this.#topology];
    const command = [AGGREGATOR, 'serve', ...from, '--listen', `0.0.0.0:${port}`, ...AGGREGATOR_OPTIONS];
    return this.#start(name, 'management', ['listening', 'batch taken'], command, arming);
  }

  /** Spool and state of an agent. */
  agentDirectory(name: string): string {
    return join(this.directory, 'agents', name);
  }

  /** What processes noted so far. */
  notes(): Note[] {
    if (!existsSync(this.#notes)) return [];
    return readFileSync(this.#notes, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Note);
  }

  get #notes(): string {
    return join(this.directory, 'notes.jsonl');
  }

  #start(name: string, host: string, marks: Marks, command: readonly string[], arming: Arming): Life {
    const child = this.#lab.spawn(host, [process.execPath, '--import', CRASH_POINTS, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment({
        // Hundreds of starts of the same code.
        NODE_COMPILE_CACHE: join(this.directory, 'compiled'),
        [NOTES_VARIABLE]: this.#notes,
        [ARMED_VARIABLE]: Object.entries(arming)
          .flatMap(([action, instant]) => (instant ? `${action}:${instant.point}:${instant.hit}` : []))
          .join(),
      }),
    });
    child.stderr!.pipe(createWriteStream(join(this.directory, 'logs', `${name}.log`), { flags: 'a' }));
    return lifeOf(name, child, marks);
  }
}

/** Log messages by which `ready` and `busy` are known. */
type Marks = readonly [ready: string, busy: string];

function lifeOf(name: string, child: ChildProcess, [ready, busy]: Marks): Life {
  const part = watchPart(name, child);
  return {
    ready: async () => void (await part.logged(ready)),
    busy: async () => void (await part.logged(busy)),
    signal: (signal) => void child.kill(signal),
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal }))),
    pid: child.pid!,
    complaints: part.complaints,
  };
}
