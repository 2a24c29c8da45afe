// Batches wait here, in memory, for the next commit. Paced by age, by size, and by whether anybody is left to wait for; one
// commit at a time, of a bounded size; a failed one is tried again with the same batches. Holds a bounded number of bytes:
// beyond it nothing more is admitted until a commit makes room. Knows neither rows nor the store.
import type { FlowBatch } from './model/flow-batch.ts';
import { type Schedule, timers } from './model/schedule.ts';

/** The part of pino that is used here. */
interface Logger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface CommitLoopConfig {
  /** Age of the oldest waiting batch at which a commit begins, in milliseconds. */
  readonly commitIntervalMs: number;
  /**
   * Bytes of waiting batches, in memory, at which a commit begins whatever their age, and about the most that one commit
   * takes: its rows need several times as much. Default 3 MiB, some 40,000 flows.
   */
  readonly commitBytes?: number;
  /** Bytes of batches, waiting or in the commit that runs, above which none is admitted. Default 6 MiB: one runs, one fills. */
  readonly heldBytesMax?: number;
}

export interface CommitLoopDependencies {
  /** Commits all of the batches, or rejects and has committed none or all: a second try must be harmless. */
  readonly commit: (batches: readonly FlowBatch[]) => Promise<void>;
  /** A commit failed and will be tried again after `retryMs`. */
  readonly onRetry: (retryMs: number) => void;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Whether all who send have something waiting, so that a commit need not wait for more. Default: never. */
  readonly allWaiting?: () => boolean;
  readonly schedule?: Schedule;
}

export interface CommitLoop {
  /** Calls `take` once, now or when there is room. */
  admit(take: () => void): void;
  /** Holds the batch for the next commit. */
  put(batch: FlowBatch, isHeldBack?: boolean): void;
  /** Forgets the waiting batches that `which` says. */
  drop(which: (batch: FlowBatch) => boolean): void;
  /** Commits all that is held, in as many commits as it takes; one attempt each. Rejects as the first that fails. */
  flush(): Promise<void>;
  /** Stops pacing. What is held stays uncommitted. */
  stop(): void;
  /** Number of batches held, their bytes in memory, and how many wait to be admitted. */
  readonly held: { readonly batches: number; readonly bytes: number; readonly heldBack: number };
}

const COMMIT_BYTES = 3 << 20;
const HELD_BYTES_MAX = 6 << 20;
/** Batches that all who send wait for are committed at this part of the interval: those who catch up send more at once. */
const ALL_WAITING_PART = 0.1;
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 30_000;

/** About what a batch takes in memory: its columns, and text and pointer of each address. */
export function batchBytes(batch: FlowBatch): number {
  return 61 * batch.count + 60 * batch.addressNumbers.length + 200 * (1 + batch.losses.length);
}

/** Makes the loop; it begins with the first batch. */
export function createCommitLoop(config: CommitLoopConfig, dependencies: CommitLoopDependencies): CommitLoop {
  const commitBytes = config.commitBytes ?? COMMIT_BYTES;
  const heldBytesMax = config.heldBytesMax ?? HELD_BYTES_MAX;
  const schedule = dependencies.schedule ?? timers;
  let waiting: FlowBatch[] = [];
  let waitingBytes = 0;
  let committing: readonly FlowBatch[] = [];
  let committingBytes = 0;
  let running: Promise<void> | undefined;
  let cancelTimer: (() => void) | undefined;
  /** The first part of the interval is over: a commit may begin as soon as nobody is left to wait for. */
  let mayBeEarly = false;
  /** The last commit left batches behind that had waited as long as those it took. */
  let overdue = false;
  /** An agent has more than it may send before a commit. */
  let someHeldBack = false;
  /** Failed commits since the last one that succeeded, and the pause that follows from them. */
  let failures = 0;
  let retryMs = 0;
  let stopped = false;
  const queue: (() => void)[] = [];

  const hasRoom = () => waitingBytes + committingBytes < heldBytesMax;

  /** Lets in who waits, one at a time: each may fill what is left. */
  function release(): void {
    while (queue.length > 0 && hasRoom()) queue.shift()!();
  }

  function pace(): void {
    if (stopped || running !== undefined || waiting.length === 0) return;
    if (failures > 0) cancelTimer ??= schedule(onTimer, retryMs);
    else if (overdue || waitingBytes >= commitBytes || (mayBeEarly && (someHeldBack || dependencies.allWaiting?.()))) {
      cancelTimer?.();
      onTimer();
    } else if (dependencies.allWaiting === undefined) cancelTimer ??= schedule(onTimer, config.commitIntervalMs);
    else cancelTimer ??= schedule(beEarly, config.commitIntervalMs * ALL_WAITING_PART);
  }

  function beEarly(): void {
    mayBeEarly = true;
    cancelTimer = schedule(onTimer, config.commitIntervalMs * (1 - ALL_WAITING_PART));
    pace();
  }

  function onTimer(): void {
    cancelTimer = undefined;
    void attempt();
  }

  /** One paced attempt. After a failure the batches wait again, and `pace` has set the timer. */
  async function attempt(): Promise<void> {
    try {
      await commitHeld();
    } catch (error) {
      const fields = { err: error, batches: waiting.length, retryMs };
      dependencies.log.error(fields, 'commit failed; batches are kept and it is tried again');
      dependencies.onRetry(retryMs);
    }
  }

  function commitHeld(): Promise<void> {
    mayBeEarly = false;
    running = commitWaiting().finally(() => {
      running = undefined;
      release();
      pace();
    });
    return running;
  }

  async function flush(): Promise<void> {
    while (running !== undefined || waiting.length > 0) {
      if (running !== undefined) await running.catch(() => undefined);
      else await commitHeld();
    }
  }

  /** The oldest batches, about `commitBytes` of them: what an epoch sent stays in order. */
  function takeWaiting(): void {
    let count = 0;
    let bytes = 0;
    while (count < waiting.length && bytes < commitBytes) bytes += batchBytes(waiting[count++]!);
    [committing, committingBytes] = [waiting.slice(0, count), bytes];
    [waiting, waitingBytes] = [waiting.slice(count), waitingBytes - bytes];
    overdue = waiting.length > 0;
    someHeldBack = false;
  }

  async function commitWaiting(): Promise<void> {
    takeWaiting();
    try {
      await dependencies.commit(committing);
      failures = 0;
    } catch (error) {
      waiting = [...committing, ...waiting];
      waitingBytes += committingBytes;
      const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures);
      failures++;
      retryMs = Math.round(ceiling * (0.5 + dependencies.random() / 2));
      throw error;
    } finally {
      [committing, committingBytes] = [[], 0];
    }
  }

  return {
    admit(take) {
      if (queue.length === 0 && hasRoom()) take();
      else queue.push(take);
    },
    put(batch, isHeldBack = false) {
      waiting.push(batch);
      someHeldBack ||= isHeldBack;
      waitingBytes += batchBytes(batch);
      pace();
    },
    drop(which) {
      waiting = waiting.filter((batch) => !which(batch));
      waitingBytes = waiting.reduce((sum, batch) => sum + batchBytes(batch), 0);
    },
    flush,
    stop() {
      stopped = true;
      cancelTimer?.();
      cancelTimer = undefined;
    },
    get held() {
      return {
        batches: waiting.length + committing.length,
        bytes: waitingBytes + committingBytes,
        heldBack: queue.length,
      };
    },
  };
}
