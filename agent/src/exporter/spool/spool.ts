// The spool's directory: who may use it, whose batches lie in it. One folder an epoch (spool id + boot id of the kernel).
//
// Why this is enough:
// - After a reboot the boot id differs: a new epoch begins, the old one's batches go first, under their old id.
// - A cloned disk boots with another boot id; the batches that both copies hold have one name, and the table takes each
//   name once.
// - A reinstalled node has a new spool id.
// - A disk set back to an older copy either boots anew, or the table knows higher numbers than the spool: the exporter then
//   drops what it found or had sent (the table has it) and goes on in a new epoch.
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../../errors.ts';
import { tryLock } from '../../system/libc.ts';
import type { OpenQueue } from '../exporter.ts';
import { FileQueue, finishReplacements } from './file-queue.ts';

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const EPOCH = new RegExp(`^(${UUID})\\.(${UUID})$`);

export interface SpoolOptions {
  readonly directory: string;
  /** Life of the kernel. */
  readonly bootId: string;
  readonly bytesMax: number;
  readonly memoryBytesMax: number;
  readonly sync: boolean;
  readonly onSpooled: (checkpoint: string) => void;
  readonly onDiskProblem: (problem: Error | undefined) => void;
}

/** An epoch that a process before left unfinished. */
export interface OldEpoch {
  readonly spoolId: string;
  readonly bootId: string;
  readonly openQueue: OpenQueue;
  /** Removes its folder, once all of it is acknowledged. */
  remove(): void;
}

/** A spool that belongs to this process. */
export class Spool {
  /** First half of the epoch. */
  readonly spoolId: string;
  /** Checkpoint of the newest batch of this life of the kernel; undefined when there is none. */
  readonly lastCheckpoint: string | undefined;
  readonly #options: SpoolOptions;
  readonly #lock: number;

  /**
   * @throws AgentError SPOOL_LOCKED when another agent uses the directory, SPOOL_INVALID when it cannot be used
   */
  constructor(options: SpoolOptions) {
    this.#options = options;
    const { directory } = options;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      this.#lock = openSync(join(directory, 'lock'), 'a+', 0o600);
    } catch (error) {
      throw new AgentError(
        'SPOOL_INVALID',
        `cannot use ${directory} as spool (${(error as Error).message}): name a writable directory with --spool ` +
          '(FLOWTOLL_SPOOL), or "none" to keep batches in memory',
        { cause: error },
      );
    }
    this.#takeLock();
    try {
      finishReplacements(directory);
      this.spoolId = this.#readOrMakeId();
      this.lastCheckpoint = this.#findCheckpoint();
    } catch (error) {
      closeSync(this.#lock);
      throw error;
    }
  }

  /** Opens the queue of the current epoch. */
  readonly openQueue: OpenQueue = (epoch, callbacks) => this.#open(epoch, callbacks);

  /** Epochs of other lives with batches that wait, the one that was written last at the end. */
  oldEpochs(): OldEpoch[] {
    const current = `${this.spoolId}.${this.#options.bootId}`;
    const writtenMs = (name: string) => statSync(join(this.#options.directory, name)).mtimeMs;
    return readdirSync(this.#options.directory)
      .filter((name) => name !== current && EPOCH.test(name))
      .sort((a, b) => writtenMs(a) - writtenMs(b))
      .flatMap((name) => {
        const match = EPOCH.exec(name);
        if (match === null) return [];
        const remove = () => rmSync(join(this.#options.directory, name), { recursive: true, force: true });
        return [{ spoolId: match[1]!, bootId: match[2]!, openQueue: this.openQueue, remove }];
      });
  }

  /** The exporter goes on in an epoch with this spool id. */
  rename(spoolId: string): void {
    this.#writeId(spoolId);
  }

  /** Gives the directory free. */
  close(): void {
    closeSync(this.#lock);
  }

  #open(epoch: string, callbacks: Parameters<OpenQueue>[1]): FileQueue {
    const { directory, bytesMax, memoryBytesMax, sync, onSpooled, onDiskProblem } = this.#options;
    return new FileQueue({
      directory: join(directory, epoch),
      bytesMax,
      memoryBytesMax,
      sync,
      onSpooled,
      onDiskProblem,
      ...callbacks,
    });
  }

  #takeLock(): void {
    const { directory } = this.#options;
    let taken = false;
    try {
      taken = tryLock(this.#lock);
    } finally {
      if (!taken) closeSync(this.#lock);
    }
    if (!taken) {
      const holder = readFileSync(join(directory, 'lock'), 'utf8').trim();
      throw new AgentError(
        'SPOOL_LOCKED',
        `${directory} is in use by another agent (process ${holder || 'unknown'}): stop it, or name another directory ` +
          'with --spool (FLOWTOLL_SPOOL)',
      );
    }
    ftruncateSync(this.#lock);
    writeSync(this.#lock, `${process.pid}\n`);
  }

  #readOrMakeId(): string {
    try {
      const id = readFileSync(join(this.#options.directory, 'spool-id'), 'utf8').trim();
      if (new RegExp(`^${UUID}$`).test(id)) return id;
    } catch {
      // The first start.
    }
    const id = randomUUID();
    this.#writeId(id);
    return id;
  }

  #writeId(id: string): void {
    const path = join(this.#options.directory, 'spool-id');
    try {
      writeFileSync(`${path}.tmp`, `${id}\n`, { flush: true, mode: 0o600 });
      renameSync(`${path}.tmp`, path);
    } catch (error) {
      // Batches wait in memory, then; after a restart the id is another one, and so is the epoch.
      this.#options.onDiskProblem(error as Error);
    }
  }

  #findCheckpoint(): string | undefined {
    const queue = this.#open(`${this.spoolId}.${this.#options.bootId}`, {
      withoutFlows: () => undefined,
      damaged: () => new Uint8Array(0),
    });
    return queue.lastCheckpoint === '' ? undefined : queue.lastCheckpoint;
  }
}
