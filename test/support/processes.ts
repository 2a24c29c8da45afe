// Starts the product's programs as users do and follows what they say. Knows command lines and log lines, nothing of the
// insides. Whatever was started is killed by `killAll`.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '..', '..');
/** What `flowtoll-agent` runs. */
export const AGENT_PROGRAM = join(ROOT, 'agent', 'bin', 'flowtoll-agent.js');
/** What `flowtoll` runs. */
export const AGGREGATOR_PROGRAM = join(ROOT, 'aggregator', 'bin', 'flowtoll.js');

/** How long a program may take to say what it is expected to say, or to end. */
const PATIENCE_MS = 180_000;

const PINO_WARN = 40;

/** One line of a log, as pino writes it. */
export type LogLine = Readonly<Record<string, unknown>>;

/** How a program ended, and everything that it wrote. */
export interface Ended {
  /** undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that was started. */
export interface Running {
  readonly child: ChildProcess;
  /** Resolves with the first log line on standard error, past or future, that is as asked; rejects when none came in time. */
  logged(what: string | ((line: LogLine) => boolean)): Promise<LogLine>;
  /** All log lines so far. */
  readonly lines: readonly LogLine[];
  /** Those of level warn and above. */
  complaints(): readonly LogLine[];
  /** Resolves when it has ended, however. */
  ended(): Promise<Ended>;
  /** Asks it to end (SIGTERM); resolves when it has. */
  stop(): Promise<Ended>;
}

/** The environment of whoever runs the tests, without their settings of Flowtoll. */
export function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith('FLOWTOLL_'));
  return { ...Object.fromEntries(foreign), ...extra };
}

/** Programs that one test started. */
export class Programs {
  readonly #children = new Set<ChildProcess>();

  /** Starts `flowtoll-agent` or `flowtoll` (see AGENT_PROGRAM, AGGREGATOR_PROGRAM). */
  start(program: string, args: readonly string[], options: SpawnOptions = {}): Running {
    const child = spawn(process.execPath, [program, ...args], {
      env: environment(),
      ...options,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    return follow(`${program} ${args.join(' ')}`, child);
  }

  /** Runs one to its end. */
  run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return this.start(program, args, { env: environment(env) }).ended();
  }

  /** Ends what still runs, at once. */
  async killAll(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    this.#children.clear();
  }
}

/** Follows a started child whose standard output and standard error are pipes. */
export function follow(name: string, child: ChildProcess): Running {
  const lines: LogLine[] = [];
  const waiting = new Set<() => void>();
  let stdout = '';
  let stderr = '';
  let end: Ended | undefined;
  const wake = (): void => {
    for (const look of waiting) look();
  };
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stderr! }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    lines.push(JSON.parse(line) as LogLine);
    wake();
  });
  child.on('close', (code) => {
    end = { code: code ?? undefined, stdout, stderr };
    wake();
  });
  const until = <T>(what: string, find: () => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        finish(() => reject(new Error(`${name} ${why} before ${what}; its last words:\n${stderr.slice(-4000)}`)));
      const timer = setTimeout(() => fail(`took more than ${PATIENCE_MS / 1000} s`), PATIENCE_MS);
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        waiting.delete(look);
        settle();
      };
      const look = (): void => {
        const found = find();
        if (found !== undefined) finish(() => resolve(found));
        else if (end !== undefined) fail(`ended with ${end.code ?? 'a signal'}`);
      };
      waiting.add(look);
      look();
    });
  const ended = (): Promise<Ended> => until('its end', () => end);
  return {
    child,
    lines,
    complaints: () => lines.filter(({ level }) => Number(level) >= PINO_WARN),
    logged: (what) => {
      const matches = typeof what === 'string' ? (line: LogLine) => line['msg'] === what : what;
      return until(`it logged ${what}`, () => lines.find(matches));
    },
    ended,
    stop: () => {
      child.kill('SIGTERM');
      return ended();
    },
  };
}
