// The batches of one epoch that wait on disk: a BatchQueue whose batches survive the process and the machine. Only sizes are
// in memory. While the disk cannot be written, batches wait in memory under their numbers and go to disk when it can.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AgentError } from '../../errors.ts';
import type { BatchQueue, QueuedBatch } from '../batch-queue.ts';
import { isOfNewerVersion, readBatchFile, type StoredBatch, syncDirectory, writeBatchFile } from './batch-file.ts';

const NAME = /^(\d{16})\.batch$/;
/** What was the newest batch, once its file is gone. */
const LAST = 'last';
/** Ending of a folder that is being made. */
const DRAFT = '.draft';
/** File that names the folder in whose place this one is; that one's batches are here, too. */
const REPLACES = 'replaces';

const nameOf = (sequence: number) => `${String(sequence).padStart(16, '0')}.batch`;

/** Ends what a crash may have left half done: folders that were replaced go, and drafts. To be called before all else. */
export function finishReplacements(root: string): void {
  for (const name of readdirSync(root)) {
    const folder = join(root, name);
    if (name.endsWith(DRAFT)) rmSync(folder, { recursive: true, force: true });
    else if (existsSync(join(folder, REPLACES))) {
      rmSync(join(root, basename(readFileSync(join(folder, REPLACES), 'utf8'))), { recursive: true, force: true });
      rmSync(join(folder, REPLACES));
    }
  }
}

/** Whether a file of an epoch holds a batch, by its name. */
export function isBatchName(name: string): boolean {
  return NAME.test(name);
}

/** Whether a later version of the agent wrote batches of an epoch. */
export function holdsNewerVersion(directory: string): boolean {
  return readdirSync(directory).some((name) => NAME.test(name) && isOfNewerVersion(join(directory, name)));
}

export interface FileQueueOptions {
  /** Folder of the epoch. */
  readonly directory: string;
  /** Most bytes that wait, on disk and in memory together, and of other epochs. */
  readonly bytesMax: number;
  /** Bytes that wait in other epochs of the same spool. Default: none. */
  readonly bytesElsewhere?: () => number;
  /** Gives up the flows of the oldest batch of another epoch; false when there are none. Default: there are none. */
  readonly giveUpElsewhere?: () => boolean;
  /** Most of them that wait in memory while the disk cannot be written. */
  readonly memoryBytesMax: number;
  /** Whether each batch is synced to the disk before it counts as spooled. */
  readonly sync: boolean;
  /** The batch with a loss in place of its flows; undefined when nothing can be given up. Counts and logs. */
  readonly withoutFlows: (batch: QueuedBatch, reason: 'queue-full' | 'rejected') => Uint8Array | undefined;
  /** A batch that says that the one with this number is lost; `timeMs`: when it was written. Counts and logs. */
  readonly damaged: (sequence: number, timeMs: number) => Uint8Array;
  /** The batch with this checkpoint is on disk. */
  readonly onSpooled: (checkpoint: string) => void;
  /** The disk could not be written, or can be again (undefined). Once for each change. */
  readonly onDiskProblem: (problem: Error | undefined) => void;
}

/** A queue on disk. */
export class FileQueue implements BatchQueue {
  readonly isDurable = true;
  readonly #options: FileQueueOptions;
  #directory: string;
  /** Sizes of what waits, oldest first; the newest has the number `lastSequence`. */
  #sizes: number[] = [];
  #sizeBytes = 0;
  #lastSequence = 0;
  #lastCheckpoint = '';
  /** Checkpoints of batches that were written and of which nobody has been told. */
  #spooled: string[] = [];
  /** All batches before this number have given up their flows. */
  #intactFrom = 1;
  /** What is not on disk yet. */
  readonly #unwritten = new Map<number, StoredBatch>();
  #unwrittenBytes = 0;
  #diskFails = false;

  /** @throws AgentError SPOOL_INVALID when the folder cannot be read, or a later version wrote it */
  constructor(options: FileQueueOptions) {
    this.#options = options;
    this.#directory = options.directory;
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      this.#load();
    } catch (error) {
      throw new AgentError('SPOOL_INVALID', `cannot use ${this.#directory}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  get firstSequence(): number {
    return this.#sizes.length === 0 ? 0 : this.#first();
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get count(): number {
    return this.#sizes.length;
  }

  /** Bytes that wait in memory, because the disk cannot be written. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  /** Checkpoint of the newest batch that is on disk or was; empty when there was none. */
  get lastCheckpoint(): string {
    return this.#lastCheckpoint;
  }

  append(bytes: Uint8Array, checkpoint = ''): boolean {
    const sequence = this.#lastSequence + 1;
    this.#sizes.push(bytes.length);
    this.#sizeBytes += bytes.length;
    this.#lastSequence = sequence;
    this.#intactFrom = Math.max(this.#intactFrom, this.#first());
    this.#unwritten.set(sequence, { bytes, checkpoint });
    this.#unwrittenBytes += bytes.length;
    const before = this.#lastCheckpoint;
    this.#writeWhatWaits();
    this.#makeRoom();
    const fits = this.#fits();
    if (!fits) this.#withdraw(checkpoint, before);
    this.#tellSpooled();
    return fits;
  }

  peekAfter(sequence: number): QueuedBatch | undefined {
    const wanted = sequence + 1;
    if (wanted < this.#first() || wanted > this.#lastSequence) return undefined;
    const { bytes } = this.#read(wanted);
    this.#tellSpooled();
    return { sequence: wanted, bytes };
  }

  dropThrough(sequence: number): number {
    const count = Math.max(0, Math.min(this.#sizes.length, sequence - this.#first() + 1));
    if (count === 0) return 0;
    const first = this.#first();
    if (count === this.#sizes.length) this.#rememberLast();
    for (let i = 0; i < count; i++) this.#forget(first + i);
    for (const size of this.#sizes.slice(0, count)) this.#sizeBytes -= size;
    this.#sizes = this.#sizes.slice(count);
    return count;
  }

  giveUp(sequence: number, reason: 'rejected'): boolean {
    const given = this.#giveUp(sequence, reason);
    this.#tellSpooled();
    return given;
  }

  /** Gives up the flows of the oldest batch that still has its; false when there is none. */
  giveUpOldest(): boolean {
    const given = this.#giveUpOldest();
    this.#tellSpooled();
    return given;
  }

  renumber(rename: (bytes: Uint8Array, sequence: number) => Uint8Array, epoch: string): void {
    const batches = Array.from({ length: this.#sizes.length }, (_, i) => {
      const { bytes, checkpoint } = this.#read(this.#first() + i);
      return { bytes: rename(bytes, i + 1), checkpoint };
    });
    const old = this.#directory;
    this.#directory = join(old, '..', epoch);
    this.#unwritten.clear();
    this.#unwrittenBytes = 0;
    this.#sizes = batches.map(({ bytes }) => bytes.length);
    this.#sizeBytes = this.#sizes.reduce((sum, size) => sum + size, 0);
    this.#lastSequence = batches.length;
    this.#intactFrom = 1;
    if (this.#tryDisk(() => this.#replaceFolder(old, batches))) return;
    for (const [i, batch] of batches.entries()) this.#unwritten.set(i + 1, batch);
    this.#unwrittenBytes = this.#sizeBytes;
  }

  /** Removes the folder of an epoch that has nothing left to say. */
  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #giveUpOldest(): boolean {
    this.#intactFrom = Math.max(this.#intactFrom, this.#first());
    while (this.#intactFrom <= this.#lastSequence) {
      if (this.#giveUp(this.#intactFrom++, 'queue-full')) return true;
    }
    return false;
  }

  #giveUp(sequence: number, reason: 'queue-full' | 'rejected'): boolean {
    if (sequence < this.#first() || sequence > this.#lastSequence) return false;
    const { bytes, checkpoint } = this.#read(sequence);
    const lost = this.#options.withoutFlows({ sequence, bytes }, reason);
    if (lost === undefined) return false;
    this.#replace(sequence, { bytes: lost, checkpoint });
    return true;
  }

  /** Puts a folder with these batches in the place of another one: by one rename, so that they are never in both. */
  #replaceFolder(old: string, batches: readonly StoredBatch[]): void {
    const root = dirname(old);
    const draft = `${this.#directory}${DRAFT}`;
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { mode: 0o700 });
    for (const [i, batch] of batches.entries()) writeBatchFile(join(draft, nameOf(i + 1)), batch, this.#options.sync);
    const flush = this.#options.sync;
    const last = { sequence: batches.length, checkpoint: this.#lastCheckpoint };
    writeFileSync(join(draft, LAST), JSON.stringify(last), { flush });
    writeFileSync(join(draft, REPLACES), basename(old), { flush });
    renameSync(draft, this.#directory);
    if (flush) syncDirectory(root);
    finishReplacements(root);
  }

  #first(): number {
    return this.#lastSequence - this.#sizes.length + 1;
  }

  #path(sequence: number): string {
    return join(this.#directory, nameOf(sequence));
  }

  #fits(): boolean {
    return this.#fitsDisk() && this.#unwrittenBytes <= this.#options.memoryBytesMax;
  }

  #fitsDisk(): boolean {
    const { bytesMax, bytesElsewhere } = this.#options;
    return this.#sizeBytes + (bytesElsewhere?.() ?? 0) <= bytesMax;
  }

  /** The oldest first: what waits elsewhere is of an earlier life. */
  #makeRoom(): void {
    while (!this.#fits()) {
      const gaveUp = (!this.#fitsDisk() && this.#options.giveUpElsewhere?.()) || this.#giveUpOldest();
      if (!gaveUp) return;
    }
  }

  /** Reads a batch; one that is damaged or missing becomes a loss in its place. */
  #read(sequence: number): StoredBatch {
    const waiting = this.#unwritten.get(sequence);
    if (waiting !== undefined) return waiting;
    let stored: StoredBatch | undefined;
    let timeMs = Date.now();
    try {
      timeMs = statSync(this.#path(sequence)).mtimeMs;
      stored = readBatchFile(this.#path(sequence));
    } catch {
      // Missing or unreadable: as good as damaged.
    }
    if (stored !== undefined) return stored;
    const loss = { bytes: this.#options.damaged(sequence, timeMs), checkpoint: '' };
    this.#replace(sequence, loss);
    return loss;
  }

  #replace(sequence: number, batch: StoredBatch): void {
    const index = sequence - this.#first();
    this.#sizeBytes += batch.bytes.length - this.#sizes[index]!;
    this.#sizes[index] = batch.bytes.length;
    const waiting = this.#unwritten.get(sequence);
    if (waiting !== undefined) this.#unwrittenBytes -= waiting.bytes.length;
    this.#unwritten.set(sequence, batch);
    this.#unwrittenBytes += batch.bytes.length;
    this.#writeWhatWaits();
  }

  /** Brings to disk what is not there, oldest first; what fails waits for the next try. */
  #writeWhatWaits(): void {
    for (const [sequence, batch] of [...this.#unwritten].sort(([a], [b]) => a - b)) {
      if (!this.#tryDisk(() => writeBatchFile(this.#path(sequence), batch, this.#options.sync))) return;
      this.#unwritten.delete(sequence);
      this.#unwrittenBytes -= batch.bytes.length;
      // A newest batch without a checkpoint means that the accounting after it is not kept anywhere.
      if (sequence === this.#lastSequence) this.#lastCheckpoint = batch.checkpoint;
      if (batch.checkpoint !== '') this.#spooled.push(batch.checkpoint);
    }
  }

  #tellSpooled(): void {
    for (const checkpoint of this.#spooled.splice(0)) this.#options.onSpooled(checkpoint);
  }

  /** The newest batch has no room: it was never here, and the accounting after it must not be gone on from. */
  #withdraw(checkpoint: string, checkpointBefore: string): void {
    const sequence = this.#lastSequence;
    this.#forget(sequence);
    this.#sizeBytes -= this.#sizes.pop()!;
    this.#lastSequence--;
    this.#intactFrom = Math.min(this.#intactFrom, sequence);
    this.#spooled = this.#spooled.filter((spooled) => spooled !== checkpoint);
    this.#lastCheckpoint = this.#sizes.length === 0 ? checkpointBefore : this.#read(sequence - 1).checkpoint;
  }

  #forget(sequence: number): void {
    const waiting = this.#unwritten.get(sequence);
    if (waiting !== undefined) {
      this.#unwritten.delete(sequence);
      this.#unwrittenBytes -= waiting.bytes.length;
    }
    this.#tryDisk(() => rmSync(this.#path(sequence), { force: true }), 'only removes');
  }

  /** Before the last file goes: its number must not be given again. */
  #rememberLast(): void {
    const text = JSON.stringify({ sequence: this.#lastSequence, checkpoint: this.#lastCheckpoint });
    this.#tryDisk(() => {
      writeFileSync(join(this.#directory, `${LAST}.tmp`), text, { flush: this.#options.sync });
      renameSync(join(this.#directory, `${LAST}.tmp`), join(this.#directory, LAST));
    });
  }

  /** Whether the work succeeded. What only removes files proves nothing: a full disk lets it. */
  #tryDisk(work: () => void, kind?: 'only removes'): boolean {
    try {
      work();
    } catch (error) {
      if (!this.#diskFails) this.#options.onDiskProblem(error as Error);
      this.#diskFails = true;
      return false;
    }
    if (kind === 'only removes') return true;
    if (this.#diskFails) this.#options.onDiskProblem(undefined);
    this.#diskFails = false;
    return true;
  }

  #load(): void {
    const names = readdirSync(this.#directory);
    for (const name of names) if (name.endsWith('.tmp')) rmSync(join(this.#directory, name), { force: true });
    const sequences = names
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    if (holdsNewerVersion(this.#directory)) throw new Error('a later version of the agent wrote it');
    const last = this.#readLast();
    this.#lastSequence = Math.max(last.sequence, sequences.at(-1) ?? 0);
    this.#lastCheckpoint = last.checkpoint;
    const first = sequences[0];
    if (first === undefined) return;
    const there = new Set(sequences);
    for (let sequence = first; sequence <= this.#lastSequence; sequence++) {
      this.#sizes.push(there.has(sequence) ? statSync(this.#path(sequence)).size : 0);
    }
    this.#sizeBytes = this.#sizes.reduce((sum, size) => sum + size, 0);
    this.#intactFrom = this.#first();
    const newest = readBatchFile(this.#path(sequences.at(-1)!));
    if (this.#lastSequence === sequences.at(-1)) this.#lastCheckpoint = newest?.checkpoint ?? '';
  }

  #readLast(): { sequence: number; checkpoint: string } {
    try {
      const { sequence, checkpoint } = JSON.parse(readFileSync(join(this.#directory, LAST), 'utf8'));
      if (Number.isSafeInteger(sequence) && typeof checkpoint === 'string') return { sequence, checkpoint };
    } catch {
      // None, or cut by a loss of power: the files say what there is.
    }
    return { sequence: 0, checkpoint: '' };
  }
}
