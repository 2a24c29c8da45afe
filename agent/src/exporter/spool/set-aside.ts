// Batches that a later version of the agent wrote: this one cannot read them, and leaves them for that version. They take room all the
// same. When there is none, the oldest is emptied, not removed: its number stays, and whoever sends its epoch tells it as a damaged batch,
// a loss of unknown bytes. Knows files and their names; nothing of what is in them.
import { readdirSync, statSync, truncateSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { isBatchName } from './file-queue.ts';

interface SetAsideBatch {
  readonly epoch: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly writtenMs: number;
}

export class SetAside {
  /** Names of the epochs' folders. */
  readonly epochs: readonly string[];
  /** Oldest first. */
  readonly #batches: SetAsideBatch[];

  /** @param directory the spool's */
  constructor(directory: string, epochs: readonly string[]) {
    this.epochs = epochs;
    this.#batches = epochs
      .flatMap((epoch) => batchesOf(directory, epoch))
      .sort((a, b) => a.writtenMs - b.writtenMs || (a.path < b.path ? -1 : 1));
  }

  /** Bytes of those that can be given up. */
  get sizeBytes(): number {
    return this.#batches.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Empties the oldest batch; its epoch, or undefined when there is none. */
  giveUpOldest(): string | undefined {
    for (let batch = this.#batches.shift(); batch !== undefined; batch = this.#batches.shift()) {
      try {
        truncateSync(batch.path);
        // The loss is as old as the batch was.
        utimesSync(batch.path, batch.writtenMs / 1000, batch.writtenMs / 1000);
        return batch.epoch;
      } catch {
        // The disk cannot be written, or somebody removed it: there is no room to be had here.
      }
    }
    return undefined;
  }
}

function batchesOf(directory: string, epoch: string): SetAsideBatch[] {
  return readdirSync(join(directory, epoch))
    .filter(isBatchName)
    .map((name) => {
      const path = join(directory, epoch, name);
      const { size, mtimeMs } = statSync(path);
      return { epoch, path, sizeBytes: size, writtenMs: mtimeMs };
    })
    .filter(({ sizeBytes }) => sizeBytes > 0);
}
