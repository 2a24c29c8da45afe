// Writes a checkpoint beside the commits of this replica whenever one is due; one at a time. A failure keeps nobody from
// committing: it is reported, and tried again after the next commit.
import type { ObjectStore } from '../store/store.ts';
import type { DeltaLog } from './delta-log.ts';
import { checkpointLog, isCheckpointDue, type LogUpkeepRules } from './log-upkeep.ts';

export class Checkpointer {
  readonly #store: ObjectStore;
  readonly #log: DeltaLog;
  readonly #rules: LogUpkeepRules;
  readonly #clock: () => number;
  readonly #onCheckpoint: (problem: unknown) => void;
  readonly #beforeWrite: () => void;
  #running: Promise<void> | undefined;

  /**
   * @param clock milliseconds since the Unix epoch
   * @param onCheckpoint hears of each that was tried; the problem where it failed, else undefined
   * @param beforeWrite called when its file is about to be made: that takes tens of megabytes for a moment
   */
  constructor(
    store: ObjectStore,
    log: DeltaLog,
    rules: LogUpkeepRules,
    clock: () => number,
    onCheckpoint: (problem: unknown) => void,
    beforeWrite: () => void = () => undefined,
  ) {
    this.#store = store;
    this.#log = log;
    this.#rules = rules;
    this.#clock = clock;
    this.#onCheckpoint = onCheckpoint;
    this.#beforeWrite = beforeWrite;
  }

  /** To be called after a commit. Returns at once. */
  afterCommit(): void {
    if (this.#running !== undefined || !isCheckpointDue(this.#log, this.#rules)) return;
    this.#running = this.#write().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when none is being written. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #write(): Promise<void> {
    try {
      if (await checkpointLog(this.#store, this.#log, this.#rules, this.#clock(), this.#beforeWrite))
        this.#onCheckpoint(undefined);
    } catch (error) {
      this.#onCheckpoint(error);
    }
  }
}
