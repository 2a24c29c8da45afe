// The spool's directory: who may use it, whose batches lie in it, how much they may take together. One folder an epoch (spool
// id + boot id of the kernel).
//
// An epoch lasts as long as one accounting goes on, so a name (epoch and number) never stands for two contents: an agent that
// cannot go on from where the newest batch ends takes a new spool id. Why this is enough:
// - After a reboot the boot id differs: a new epoch begins, the old one's batches go first, under their old id.
// - A cloned disk boots with another boot id; the batches that both copies hold have one name and one content, and the
//   table takes each name once, whoever sends it first. A copied folder has a new spool id (spool-identity.ts), so copies on
//   one kernel differ, too.
// - A reinstalled node has a new spool id.
// - A disk set back to an older copy either boots anew, or its newest batch names an accounting that is no longer kept. What
//   it held when it was copied goes first, under its old name; what an agent made since, and perhaps sent, has names that
//   are not given again.
// - What a later version wrote is left for that version (set-aside.ts); this one goes on in a new epoch.
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../../errors.ts';
import { tryLock } from '../../system/libc.ts';
import type { OpenQueue } from '../exporter.ts';
import { FileQueue, finishReplacements, holdsNewerVersion } from './file-queue.ts';
import { SetAside } from './set-aside.ts';
import { readSpoolId, writeSpoolId } from './spool-identity.ts';

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const EPOCH = new RegExp(`^(${UUID})\\.(${UUID})$`);
/** File of an epoch that names the node whose flows it holds. */
const NODE = 'node';

export interface SpoolOptions {
  readonly directory: string;
  /** Name of the node. */
  readonly node: string;
  /** Life of the kernel. */
  readonly bootId: string;
  /**
   * Whether this agent can account on from where the batch with this checkpoint ends; of undefined: whether no agent has
   * accounted in this life of the kernel.
   */
  readonly goesOnFrom: (checkpoint: string | undefined) => boolean;
  /** Most bytes of batches, of all epochs together. */
  readonly bytesMax: number;
  readonly memoryBytesMax: number;
  readonly sync: boolean;
  readonly onSpooled: (checkpoint: string) => void;
  readonly onDiskProblem: (problem: Error | undefined) => void;
  /** The oldest batch of an epoch that a later version wrote was given up, to make room. */
  readonly onSetAsideGivenUp: (epoch: string) => void;
}

/** An epoch that a process before left unfinished. */
export interface OldEpoch {
  readonly spoolId: string;
  readonly bootId: string;
  /** Name that the node had. */
  readonly node: string;
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
  readonly #setAside: SetAside;
  readonly #options: SpoolOptions;
  readonly #lock: number;
  /** In the order of their age: old epochs first, as they are opened. */
  readonly #queues: FileQueue[] = [];
  #diskFails = false;

  /**
   * @throws AgentError SPOOL_LOCKED when another agent uses the directory, SPOOL_INVALID when it cannot be used; its `cause`
   *   is what the file system said
   */
  constructor(options: SpoolOptions) {
    this.#options = options;
    const { directory, node } = options;
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
      const newer = this.#epochs().filter((name) => holdsNewerVersion(join(directory, name)));
      this.#setAside = new SetAside(directory, newer);
      const id = readSpoolId(directory, node);
      const usable = id !== undefined && !this.setAside.includes(this.#epochOf(id)) ? id : undefined;
      const end = usable === undefined ? undefined : this.#endOf(usable);
      const goesOn = end?.isKnown && options.goesOnFrom(end.checkpoint);
      this.spoolId = usable !== undefined && goesOn ? usable : this.#makeId();
      this.lastCheckpoint = end?.checkpoint;
    } catch (error) {
      closeSync(this.#lock);
      throw error;
    }
  }

  /** Whether the disk cannot be written. */
  get diskFails(): boolean {
    return this.#diskFails;
  }

  /** Epochs that a later version wrote: they wait for it. */
  get setAside(): readonly string[] {
    return this.#setAside.epochs;
  }

  /** Opens the queue of an epoch of this node. Old epochs are to be opened first. */
  readonly openQueue: OpenQueue = (epoch, callbacks) => {
    const queue = this.#open(epoch, callbacks);
    this.#queues.push(queue);
    return queue;
  };

  /** Epochs of other lives with batches that wait, the one that was written last at the end. */
  oldEpochs(): OldEpoch[] {
    const current = this.#epochOf(this.spoolId);
    const writtenMs = (name: string) => statSync(join(this.#options.directory, name)).mtimeMs;
    return this.#epochs()
      .filter((name) => name !== current && !this.setAside.includes(name))
      .sort((a, b) => writtenMs(a) - writtenMs(b))
      .map((name) => this.#oldEpoch(name));
  }

  /** The exporter goes on in an epoch with this spool id. */
  rename(spoolId: string): void {
    this.#makeId(spoolId);
  }

  /** Gives the directory free. */
  close(): void {
    closeSync(this.#lock);
  }

  #oldEpoch(name: string): OldEpoch {
    const [, spoolId, bootId] = EPOCH.exec(name)!;
    let queue: FileQueue | undefined;
    return {
      spoolId: spoolId!,
      bootId: bootId!,
      node: this.#nodeOf(name),
      openQueue: (epoch, callbacks) => {
        // Its checkpoints are of an accounting that is gone: they must not be taken for those of this one.
        queue = this.#open(epoch, callbacks, () => undefined);
        this.#queues.push(queue);
        return queue;
      },
      remove: () => {
        queue?.remove();
        if (queue !== undefined) this.#queues.splice(this.#queues.indexOf(queue), 1);
        rmSync(join(this.#options.directory, name), { recursive: true, force: true });
      },
    };
  }

  #epochOf(spoolId: string): string {
    return `${spoolId}.${this.#options.bootId}`;
  }

  #epochs(): string[] {
    return readdirSync(this.#options.directory).filter((name) => EPOCH.test(name));
  }

  #open(epoch: string, callbacks: Parameters<OpenQueue>[1], onSpooled = this.#options.onSpooled): FileQueue {
    const { directory, node, bytesMax, memoryBytesMax, sync } = this.#options;
    const queue: FileQueue = new FileQueue({
      directory: join(directory, epoch),
      bytesMax,
      memoryBytesMax,
      sync,
      onSpooled,
      onDiskProblem: (problem) => this.#onDiskProblem(problem),
      bytesElsewhere: () =>
        this.#others(queue).reduce((sum, { sizeBytes }) => sum + sizeBytes, this.#setAside.sizeBytes),
      giveUpElsewhere: () => this.#giveUpSetAside() || this.#others(queue).some((other) => other.giveUpOldest()),
      ...callbacks,
    });
    try {
      writeFileSync(join(directory, epoch, NODE), node, { flag: 'wx', mode: 0o600 });
    } catch {
      // It is there. Or the disk cannot be written: then the name that the node has now is as good as any.
    }
    return queue;
  }

  /** What waits for a later version goes before what this one can send. */
  #giveUpSetAside(): boolean {
    const epoch = this.#setAside.giveUpOldest();
    if (epoch !== undefined) this.#options.onSetAsideGivenUp(epoch);
    return epoch !== undefined;
  }

  #others(queue: FileQueue): FileQueue[] {
    return this.#queues.filter((other) => other !== queue);
  }

  #nodeOf(epoch: string): string {
    try {
      return readFileSync(join(this.#options.directory, epoch, NODE), 'utf8');
    } catch {
      return this.#options.node;
    }
  }

  #onDiskProblem(problem: Error | undefined): void {
    this.#diskFails = problem !== undefined;
    this.#options.onDiskProblem(problem);
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
    try {
      ftruncateSync(this.#lock);
      writeSync(this.#lock, `${process.pid}\n`);
    } catch {
      // A full disk: the lock holds all the same, only its holder's number is not told.
    }
  }

  #makeId(id: string = randomUUID()): string {
    try {
      return writeSpoolId(this.#options.directory, this.#options.node, id);
    } catch (error) {
      // Batches wait in memory, then. The next agent finds the id before, if any, and nothing to go on from in its epoch.
      this.#onDiskProblem(error as Error);
      return id;
    }
  }

  /** Where this life's epoch of a spool ends: what its newest batch says, also when it was acknowledged long ago. */
  #endOf(spoolId: string): { readonly checkpoint: string | undefined; readonly isKnown: boolean } {
    const { lastSequence, lastCheckpoint } = this.#open(this.#epochOf(spoolId), {
      withoutFlows: () => undefined,
      damaged: () => new Uint8Array(0),
    });
    const checkpoint = lastCheckpoint === '' ? undefined : lastCheckpoint;
    return { checkpoint, isKnown: lastSequence === 0 || checkpoint !== undefined };
  }
}
