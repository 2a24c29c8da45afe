// The story of one outage: agents deliver as ever; the store refuses writes, then is gone altogether, for as many windows as
// asked; it comes back, and everything arrives. The aggregator is the real program, the agents' exporters and spools are
// real; time is not: six hours of windows are made as fast as the machine can. Says what it measured, judges nothing.
import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGGREGATOR_PROGRAM, type Programs, type Running } from '../support/processes.ts';
import { until } from '../support/until.ts';
import type { AgentsCommand, AgentsMessage, AgentsState } from './agents.ts';
import { topologyDocument } from './cluster.ts';
import { checkTable, type TableReport } from './table-check.ts';
import { AgentTraffic, WINDOW_MS } from './traffic.ts';
import { Volume } from './volume.ts';
import { ProcessWatch, type Stretch } from './watch.ts';

export interface OutageScale {
  readonly agents: number;
  /** Flows of each agent in each window. */
  readonly flows: number;
  /** Windows of a minute while the store is away. */
  readonly outageWindows: number;
  /** Failed commits that each trouble lasts at least: the pauses between them grow to half a minute. */
  readonly failures: number;
  readonly seed: number;
  /** Most that the aggregator may have resident at any time. */
  readonly residentBytesMax: number;
  /** More options of `flowtoll serve`. None: it is as users start it. */
  readonly serveOptions: readonly string[];
}

export interface OutageReport {
  /** The start of the aggregator, idle, as ever, read-only, gone, catching up, and after it. */
  readonly stretches: readonly Stretch[];
  /** How the agents stood when the store came back, and at the end. */
  readonly atReturn: AgentsState;
  readonly atEnd: AgentsState;
  /** Commits that the aggregator says have failed, by the word in their error that names the trouble. */
  readonly failedCommits: Readonly<Record<'readOnly' | 'gone', number>>;
  /** What it said when the store had been away for a while, and at the end. */
  readonly during: Standing;
  readonly after: Standing;
  /** From the return of the store to the first acknowledgement: whoever waits tries now and then. */
  readonly secondsToFirst: number;
  /** Flows committed a second, from then to the last acknowledgement. */
  readonly flowsPerSecond: number;
  readonly table: TableReport;
}

/** What an aggregator says of itself. */
export interface Standing {
  /** Status of /readyz. */
  readonly readiness: number;
  /** For how long every commit has failed. */
  readonly failingSeconds: number;
}

/** Windows before the outage and after it. */
const WINDOWS_BEFORE = 2;
const WINDOWS_AFTER = 1;
/** Agents that stream when the outage begins; the others come while it lasts. */
const EARLY_SHARE = 0.6;
/** What an agent may spool by default. */
export const SPOOL_BYTES_MAX = 2 ** 30;
/** How long the aggregator is watched when all is done. */
const REST_MS = 2000;
const DAY_MS = 86_400_000;

const COMMIT_FAILED = 'commit failed; batches are kept and it is tried again';

/** @param progress hears a line now and then */
export async function runOutage(
  scale: OutageScale,
  directory: string,
  programs: Programs,
  progress: (text: string) => void,
): Promise<OutageReport> {
  using volume = new Volume(join(directory, 'volume'), join(directory, 'backing'));
  mkdirSync(join(volume.path, 'store'));
  writeFileSync(join(directory, 'topology.json'), JSON.stringify(topologyDocument(scale.agents)));
  const args = [
    ...['serve', '--store', join(volume.path, 'store'), '--topology', join(directory, 'topology.json')],
    ...['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0', ...scale.serveOptions],
  ];
  // The first start after a change of the sources strips their types, in 20 MiB that images with JavaScript do not need.
  const firstStart = programs.start(AGGREGATOR_PROGRAM, args);
  await firstStart.logged('listening');
  await firstStart.stop();
  const aggregator = programs.start(AGGREGATOR_PROGRAM, args);
  using watch = new ProcessWatch(aggregator.child.pid ?? 0);
  const { port, metricsPort } = await aggregator.logged('listening');
  using agents = new Agents();
  const outage = new Outage({ scale, directory, volume, aggregator, agents, watch, progress });
  return await Promise.race([outage.run(`127.0.0.1:${port}`, Number(metricsPort)), died(aggregator)]);
}

/** Rejects when the program ends by itself. */
function died({ child, lines }: Running): Promise<never> {
  return new Promise((_, reject) => {
    child.once('exit', (code, signal) => {
      if (code !== 0) reject(new Error(`the aggregator ended with ${code ?? signal}: ${JSON.stringify(lines.at(-1))}`));
    });
  });
}

interface OutageParts {
  readonly scale: OutageScale;
  readonly directory: string;
  readonly volume: Volume;
  readonly aggregator: Running;
  readonly agents: Agents;
  readonly watch: ProcessWatch;
  readonly progress: (text: string) => void;
}

/** All of it lies in the past, so that no clock is corrected; midnight falls in the middle, at any time of the day. */
function firstWindowMs(windows: number, nowMs: number): number {
  const halfMs = Math.ceil(windows / 2) * WINDOW_MS;
  return Math.floor((nowMs - halfMs) / DAY_MS) * DAY_MS - halfMs;
}

class Outage {
  readonly #parts: OutageParts;
  readonly #stretches: Stretch[] = [];
  readonly #windows: number;
  readonly #firstWindowMs: number;

  constructor(parts: OutageParts) {
    this.#parts = parts;
    this.#windows = WINDOWS_BEFORE + parts.scale.outageWindows + WINDOWS_AFTER;
    this.#firstWindowMs = firstWindowMs(this.#windows, Date.now());
  }

  async run(address: string, metricsPort: number): Promise<OutageReport> {
    const { scale, directory, volume, aggregator, agents, watch } = this.#parts;
    const { agents: count, flows, outageWindows, failures, seed } = scale;
    const early = Math.round(count * EARLY_SHARE);
    const half = WINDOWS_BEFORE + Math.ceil(outageWindows / 2);
    const back = WINDOWS_BEFORE + outageWindows;
    this.#mark('start');
    const epochs = await agents.do({
      kind: 'make',
      ...{ agents: count, flows, firstWindowMs: this.#firstWindowMs, seed, aggregator: address },
      ...{ spoolDirectory: join(directory, 'spools'), spoolBytesMax: SPOOL_BYTES_MAX },
    });
    this.#mark('idle');
    await agents.do({ kind: 'connect', from: 0, to: early });
    await agents.do({ kind: 'append', from: 0, to: WINDOWS_BEFORE });
    await agents.until(({ acknowledged }) => acknowledged === early * WINDOWS_BEFORE);
    this.#mark('as ever');

    volume.refuseWrites();
    await agents.do({ kind: 'append', from: WINDOWS_BEFORE, to: half });
    await this.#failures('readOnly', failures);
    this.#mark('read-only');
    volume.goAway();
    await agents.do({ kind: 'connect', from: early, to: count });
    await agents.do({ kind: 'append', from: half, to: back });
    await this.#failures('gone', failures);
    const during = await standing(metricsPort);
    this.#mark('gone');

    const atReturn = await agents.until(() => true);
    volume.comeBack();
    const returnedMs = performance.now();
    const first = agents
      .until(({ acknowledged }) => acknowledged > atReturn.acknowledged)
      .then(({ acknowledged }) => ({ acknowledged, ms: performance.now() }));
    await agents.do({ kind: 'append', from: back, to: this.#windows });
    const { acknowledged, ms: firstMs } = await first;
    const atEnd = await agents.until((state) => state.acknowledged === count * this.#windows);
    const flowsPerSecond = ((atEnd.acknowledged - acknowledged) * flows * 1000) / (performance.now() - firstMs);
    this.#mark('catching up');
    await sleep(REST_MS);
    const after = await standing(metricsPort);
    this.#mark('after');
    await agents.do({ kind: 'stop' });
    watch.stop();
    await aggregator.stop();
    this.#parts.progress('reading the table');
    return {
      stretches: this.#stretches,
      atReturn,
      atEnd,
      failedCommits: { readOnly: this.#failed('readOnly'), gone: this.#failed('gone') },
      during,
      after,
      secondsToFirst: (firstMs - returnedMs) / 1000,
      flowsPerSecond,
      table: await this.#check(epochs),
    };
  }

  #mark(name: string): Stretch {
    const stretch = this.#parts.watch.mark(name);
    this.#stretches.push(stretch);
    const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
    const { peakBytes, meanBytes, seconds, cpuSeconds } = stretch;
    this.#parts.progress(
      `${name}: ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} CPU s, resident ${mib(meanBytes)} MiB, peak ${mib(peakBytes)} MiB`,
    );
    return stretch;
  }

  #failed(trouble: 'readOnly' | 'gone'): number {
    const says = trouble === 'readOnly' ? /read-only/ : /is gone/;
    return this.#parts.aggregator.lines.filter(
      ({ msg, err }) => msg === COMMIT_FAILED && says.test(String((err as { message?: unknown } | undefined)?.message)),
    ).length;
  }

  async #failures(trouble: 'readOnly' | 'gone', count: number): Promise<void> {
    const describe = () => `(${this.#failed(trouble)})`;
    await until(`${count} commits failed: ${trouble}`, () => this.#failed(trouble) >= count, {
      patienceMs: 3 * 60_000,
      describe,
    });
  }

  #check(epochs: readonly string[]): Promise<TableReport> {
    const { agents, flows, seed } = this.#parts.scale;
    const traffic = epochs.map((_, agent) => new AgentTraffic(agents, agent, flows, this.#firstWindowMs, seed));
    return checkTable(join(this.#parts.volume.path, 'store', 'outage', 'flows'), {
      epochs,
      windows: this.#windows,
      firstWindowMs: this.#firstWindowMs,
      sums: (agent, window) => traffic[agent]!.sums(window),
    });
  }
}

async function standing(metricsPort: number): Promise<Standing> {
  const metrics = `http://127.0.0.1:${metricsPort}`;
  const { status } = await fetch(`${metrics}/readyz`);
  const text = await (await fetch(`${metrics}/metrics`)).text();
  return {
    readiness: status,
    failingSeconds: Number(/^flowtoll_commits_failing_seconds (\S+)$/m.exec(text)?.[1]),
  };
}

/** The process of the agents. */
class Agents {
  readonly #child: ChildProcess;
  readonly #waiting = new Set<(message: AgentsMessage) => void>();

  constructor() {
    this.#child = fork(join(import.meta.dirname, 'agents.ts'));
    this.#child.on('message', (message: AgentsMessage) => {
      for (const hear of this.#waiting) hear(message);
    });
  }

  /** Has it done; resolves to the epochs, where there are any to tell. */
  async do(command: AgentsCommand): Promise<readonly string[]> {
    const done = this.#next((message) => message.kind === 'done');
    this.#child.send(command);
    const message = await done;
    return message.kind === 'done' ? (message.epochs ?? []) : [];
  }

  /** The first state, from now on, that is as asked. */
  async until(is: (state: AgentsState) => boolean): Promise<AgentsState> {
    return (await this.#next((message) => message.kind === 'state' && is(message))) as AgentsState;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }

  #next(matches: (message: AgentsMessage) => boolean): Promise<AgentsMessage> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#waiting.delete(hear);
        this.#child.off('exit', onExit);
        act();
      };
      const hear = (message: AgentsMessage) => {
        if (matches(message)) settle(() => resolve(message));
      };
      const onExit = (code: number | null) => settle(() => reject(new Error(`the agents ended with ${code}`)));
      this.#waiting.add(hear);
      this.#child.once('exit', onExit);
    });
  }
}
