// Upkeep of one cluster's tables now and then, at uneven intervals, so that replicas seldom meet at it. Beside ingest and never in
// its way: what fails is said, counted, and tried again with the next round.
import type { Logger } from './ingest/ingest-stream.ts';
import type { ObjectStore } from './store/store.ts';
import { type MaintainOptions, type MaintainStep, maintain } from './upkeep/maintain.ts';

/** Rounds of this process. */
export interface UpkeepCounts {
  rounds: { done: number; failed: number };
  /** Versions, files or entries, by step. */
  readonly steps: Record<MaintainStep['step'], number>;
  /** Steps that could not be done, by step. */
  readonly failures: Record<MaintainStep['step'], number>;
}

export interface UpkeepLoop {
  readonly counts: UpkeepCounts;
  /** Resolves when the step that runs is done; nothing begins after it. */
  stop(): Promise<void>;
}

export interface UpkeepLoopParts {
  readonly store: ObjectStore;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Runs one round. Default: upkeep itself. */
  readonly run?: typeof maintain;
  /** Calls back after a delay in ms; returns how to cancel. */
  readonly schedule?: (callback: () => void, delayMs: number) => () => void;
}

/** Intervals differ by this part either way. */
const SPREAD = 0.5;

/** Begins; the first round comes after about one interval. */
export function startUpkeep(
  options: Omit<MaintainOptions, 'onStep' | 'onFailure' | 'mayGoOn' | 'dryRun'> & { readonly intervalMs: number },
  { store, log, random, run = maintain, schedule = timers }: UpkeepLoopParts,
): UpkeepLoop {
  const none = { 'roll-up': 0, compact: 0, retention: 0, checkpoint: 0, 'log-clean-up': 0, vacuum: 0 };
  const counts: UpkeepCounts = { rounds: { done: 0, failed: 0 }, steps: { ...none }, failures: { ...none } };
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let cancel = next();

  function next(): () => void {
    return schedule(
      () => {
        running = round().then(() => {
          if (!stopped) cancel = next();
        });
      },
      options.intervalMs * (1 - SPREAD + 2 * SPREAD * random()),
    );
  }

  async function round(): Promise<void> {
    try {
      await run(store, {
        ...options,
        mayGoOn: () => !stopped,
        onStep: (step) => {
          counts.steps[step.step] += step.count;
          log.info({ ...step }, 'upkeep');
        },
        onFailure: ({ error, ...step }) => {
          counts.failures[step.step]++;
          log.warn({ ...step, err: error }, 'a step of upkeep failed; the others go on, and it is tried again');
        },
      });
      counts.rounds.done++;
    } catch (error) {
      counts.rounds.failed++;
      log.warn({ err: error }, 'upkeep of the tables failed; it is tried again, and nothing is lost');
    }
  }

  return {
    counts,
    async stop() {
      stopped = true;
      cancel();
      await running;
    },
  };
}

function timers(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}
