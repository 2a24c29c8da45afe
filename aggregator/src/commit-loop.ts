// Batches wait here, in memory, for the next commit. Paced by age and by size; one commit at a time; a failed one is tried
// again with the same batches. Holds a bounded number of bytes: beyond it nothing more is admitted until a commit makes
// room. Knows neither rows nor the store.
import type { FlowBatch } from './model/flow-batch.ts';

/** The part of pino that is used here. */
interface Logger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Runs `callback` after `delayMs`; returns how to cancel it. */
export type Schedule = (callback: () => void, delayMs: number) => () => void;

export interface CommitLoopConfig {
  /** Age of the oldest waiting batch at which a commit begins, in milliseconds. */
  readonly commitIntervalMs: number;
  /** Bytes of waiting batches, in memory, at which a commit begins whatever their age. Default 64 MiB. */
  readonly commitBytes?: number;
  /** Bytes of batches, waiting or in the commit that runs, above which none is admitted. Default 256 MiB. */
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
  readonly schedule?: Schedule;
}

export interface CommitLoop {
  /** Calls `take` once, now or when there is room. */
  admit(take: () => void): void;
  /** Holds the batch for the next commit. */
  put(batch: FlowBatch): void;
  /** Forgets the waiting batches that `which` says. */
  drop(which: (batch: FlowBatch) => boolean): void;
  /** Commits what is held; one attempt. Rejects as the commit does. */
  flush(): Promise<void>;
  /** Stops pacing. What is held stays uncommitted. */
  stop(): void;
  /** Number of batches held, and their bytes in memory. */
  readonly held: { readonly batches: number; readonly bytes: number };
}

const COMMIT_BYTES = 64 << 20;
const HELD_BYTES_MAX = 256 << 20;
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 30_000;

const timers: Schedule = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};

/** About what a batch takes in memory: its columns, and text and pointer of each address. */
export function batchBytes(batch: FlowBatch): number {
  return 61 * batch.count + 60 * batch.addresses.length + 200 * (1 + batch.losses.length);
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
    if (failures === 0 && waitingBytes >= commitBytes) {
      cancelTimer?.();
      cancelTimer = undefined;
      void attempt();
    } else cancelTimer ??= schedule(onTimer, failures === 0 ? config.commitIntervalMs : retryMs);
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
    if (running !== undefined) return running.then(commitHeld, commitHeld);
    if (waiting.length === 0) return Promise.resolve();
    running = commitWaiting().finally(() => {
      running = undefined;
      release();
      pace();
    });
    return running;
  }

  async function commitWaiting(): Promise<void> {
    [committing, committingBytes] = [waiting, waitingBytes];
    [waiting, waitingBytes] = [[], 0];
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
    put(batch) {
      waiting.push(batch);
      waitingBytes += batchBytes(batch);
      pace();
    },
    drop(which) {
      waiting = waiting.filter((batch) => !which(batch));
      waitingBytes = waiting.reduce((sum, batch) => sum + batchBytes(batch), 0);
    },
    flush: commitHeld,
    stop() {
      stopped = true;
      cancelTimer?.();
      cancelTimer = undefined;
    },
    get held() {
      return { batches: waiting.length + committing.length, bytes: waitingBytes + committingBytes };
    },
  };
}
