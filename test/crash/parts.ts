// Starts agents and aggregators of a crash test inside a laboratory, with points at which they die or stop, and follows one
// life of each. Knows command lines, signals and what the module of the crash points notes.
import type { ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../lab/lab.ts';
import { AGENT, AGGREGATOR, type StorePlace, storeOf, watchPart } from '../lab/product.ts';
import { MANAGEMENT_ADDRESS } from '../lab/wiring.ts';
import { environment } from '../support/processes.ts';
import {
  type Action,
  ARMED_VARIABLE,
  NOTES_VARIABLE,
  type Note,
  type Point,
  UPKEEP_PAUSES_VARIABLE,
} from './points.ts';

const CRASH_POINTS = fileURLToPath(new URL('./crash-points.ts', import.meta.url));
const JUMPING_CLOCK = fileURLToPath(new URL('../support/jumping-clock.ts', import.meta.url));

/** Everything happens often, so that a fault finds something under way. */
const AGENT_OPTIONS = [
  ...['--dump-interval', '300ms', '--window', '600ms', '--keepalive', '1s'],
  ...['--drain-timeout', '60s', '--stream-age', '3s'],
];
const AGGREGATOR_OPTIONS = [
  ...['--commit-when-all-waiting', 'false', '--metrics-listen', 'none', '--log-level', 'debug'],
  ...['--commit-interval', '300ms'],
];
/** No row shall reach its age. */
const KEEP_OPTIONS = ['--keep-flows', '3650d', '--keep-costs', '3650d'];
/** With upkeep: many small entries, and rounds of it every few seconds. */
const BUSY_OPTIONS = ['--commit-interval', '100ms', '--maintain-interval', '1m', ...KEEP_OPTIONS];
const UPKEEP_PAUSES = 0.04;

/** An instant in a life: the `hit`-th time, from 1, that the process passes the point. */
export interface Instant {
  readonly point: Point;
  readonly hit: number;
}

/** What shall happen to a process at points. */
export type Arming = Readonly<Partial<Record<Action, readonly Instant[]>>>;

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
  /** What it said on standard error besides its log. */
  readonly lastWords: readonly string[];
}

/** What aggregators of a site have besides a directory. */
export interface SiteOptions {
  /** Default: a directory. */
  readonly place?: StorePlace;
  /** Upkeep runs in aggregators; their clock is what this file says (jumping-clock.ts). */
  readonly upkeepClock?: string;
}

/** Everything that one run leaves on disk. */
export class Site {
  readonly directory: string;
  readonly #lab: Pick<Lab, 'spawn' | 'topology'>;
  readonly #topology: string;
  readonly #place: StorePlace;
  readonly #upkeepClock: string | undefined;

  /** @param directory an existing one, for the store, the agents' spools and states, logs and notes */
  constructor(lab: Pick<Lab, 'spawn' | 'topology'>, directory: string, options: SiteOptions = {}) {
    this.#lab = lab;
    this.directory = directory;
    this.#place = options.place ?? { store: storeOf(directory), env: environment() };
    this.#upkeepClock = options.upkeepClock;
    this.#topology = join(directory, 'topology.json');
    writeFileSync(this.#topology, JSON.stringify(lab.topology('lab'), undefined, 2));
    mkdirSync(join(directory, 'logs'), { recursive: true });
  }

  /** Starts the agent of a node; it reaches an aggregator at that port. Another one under the same name goes on. */
  startAgent(node: string, port: number, arming: Arming = {}, name = node): Life {
    const own = this.agentDirectory(name);
    const to = ['--aggregator', `${MANAGEMENT_ADDRESS}:${port}`, '--insecure', '--node', node];
    const keep = ['--spool', join(own, 'spool'), '--state', join(own, 'state')];
    const marks = ['baseline taken', 'baseline taken'] as const;
    return this.#start(name, node, marks, [AGENT, 'run', ...to, ...keep, ...AGENT_OPTIONS], arming);
  }

  /** Starts an aggregator that listens on that port of the management namespace. */
  startAggregator(name: string, port: number, arming: Arming = {}): Life {
    const from = ['--store', this.#place.store, '--topology', this.#topology];
    const command = [AGGREGATOR, 'serve', ...from, '--listen', `0.0.0.0:${port}`, '--insecure', ...AGGREGATOR_OPTIONS];
    if (this.#upkeepClock !== undefined) command.push(...BUSY_OPTIONS);
    return this.#start(name, 'management', ['listening', 'batch taken'], command, arming, this.#environment(name));
  }

  /** Starts one round of upkeep as a process of its own. It is ready and busy when it has begun. */
  startUpkeep(name: string, arming: Arming = {}): Life {
    const command = [
      AGGREGATOR,
      'maintain',
      '--once',
      '--store',
      this.#place.store,
      '--cluster',
      'lab',
      ...KEEP_OPTIONS,
    ];
    return this.#start(name, 'management', [], command, arming, this.#environment(name));
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

  /** What an aggregator has in its environment. */
  #environment(name: string): NodeJS.ProcessEnv {
    if (this.#upkeepClock === undefined) return this.#place.env;
    // Each has a folder of its own for temporary files, as pods have: by this clock those of others are soon old.
    const own = join(this.directory, 'tmp', name);
    mkdirSync(own, { recursive: true });
    const ahead = { FLOWTOLL_TEST_CLOCK: this.#upkeepClock, [UPKEEP_PAUSES_VARIABLE]: String(UPKEEP_PAUSES) };
    return { ...this.#place.env, ...ahead, TMPDIR: own };
  }

  #start(
    name: string,
    host: string,
    marks: Marks,
    command: readonly string[],
    arming: Arming,
    env: NodeJS.ProcessEnv = environment(),
  ): Life {
    const imports = [...(env['FLOWTOLL_TEST_CLOCK'] === undefined ? [] : [JUMPING_CLOCK]), CRASH_POINTS];
    const argv = [process.execPath, ...imports.flatMap((path) => ['--import', path]), ...command];
    const child = this.#lab.spawn(host, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...env,
        // Hundreds of starts of the same code.
        NODE_COMPILE_CACHE: join(this.directory, 'compiled'),
        [NOTES_VARIABLE]: this.#notes,
        [ARMED_VARIABLE]: Object.entries(arming)
          .flatMap(([action, instants]) => instants.map(({ point, hit }) => `${action}:${point}:${hit}`))
          .join(),
      },
    });
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.pipe(createWriteStream(join(this.directory, 'logs', `${name}.log`), { flags: 'a' }));
    }
    return lifeOf(name, child, marks);
  }
}

/** Log messages by which `ready` and `busy` are known; without any it is both at once. */
type Marks = readonly [ready: string, busy: string] | readonly [];

function lifeOf(name: string, child: ChildProcess, [ready, busy]: Marks): Life {
  const part = watchPart(name, child);
  const logged = async (mark: string | undefined) => void (mark && (await part.logged(mark)));
  const lastWords: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => {
    if (!line.startsWith('{')) lastWords.push(line);
  });
  return {
    ready: () => logged(ready),
    busy: () => logged(busy),
    signal: (signal) => void child.kill(signal),
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal }))),
    pid: child.pid!,
    complaints: part.complaints,
    lastWords,
  };
}
