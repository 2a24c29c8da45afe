// The accounting's memory beyond its process: what was accounted of each live entry survives the agent's death and
// upgrade, and agrees with the spool at every instant.
//
// At the end of each window, in this order: (1) baseline n, the accounting after that window, is written; (2) the events
// that follow go to journal n; (3) the batch goes to the spool with the word "n"; (4) what is older than n is removed.
// The spool decides: a new process takes the baseline that the last spooled batch names and the journals from it on.
// Death between (1) and (3) leaves baseline n without its batch: it is not taken, and its window is made again from
// baseline n − 1, whose journals hold the events of both.

import type { Accountant } from '../flow/accountant.ts';
import { EntryTable } from '../flow/entry-table.ts';
import type { RestoredTracker } from '../flow/tracker.ts';
import type { Loss } from '../flow/window-flows.ts';
import type { ConntrackConsumer } from '../source/conntrack/consumer.ts';
import { bytesBetween, type InterfaceBytes, readInterfaceBytes } from '../system/interface-counters.ts';
import { BaselineStore } from './baseline-store.ts';
import { EventJournal, replayJournal } from './event-journal.ts';

/** The form of an accounting of which its baseline does not say another. */
const CONNTRACK = 'conntrack';
const isConntrack = (form: string) => form === CONNTRACK;

/** What is found of an accounting before. */
export interface Restored {
  readonly tracker: RestoredTracker;
  /** First instant of the window that goes on, µs. */
  readonly windowStartUs: number;
  /** Feeds the events since into the accounting, and tells it what nobody saw. */
  goOn(accountant: Accountant, nowUs: number): void;
}

/** One agent's baselines. */
export class Baseline {
  readonly #store: BaselineStore;
  #number: number;
  #journal: EventJournal | undefined;
  #isLost = false;
  #fails = false;
  #isSuspended = false;
  readonly #onProblem: (problem: Error | undefined) => void;

  /**
   * @param root directory on tmpfs
   * @param bootId life of the kernel
   * @param onProblem the state cannot be kept (tmpfs is full), or can be again (undefined). Once for each change.
   * @throws AgentError STATE_UNAVAILABLE
   */
  constructor(root: string, bootId: string, onProblem: (problem: Error | undefined) => void = () => {}) {
    this.#onProblem = onProblem;
    this.#store = new BaselineStore(root, bootId);
    this.#number = Math.max(0, ...this.#store.numbers(), ...this.#store.journalNumbers());
  }

  /** Whether an agent before left an accounting that cannot be gone on from: what it had not spooled is not known. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Whether the journal has grown so much that a baseline should supersede it. */
  get wantsWindow(): boolean {
    return this.#journal?.isFull ?? false;
  }

  /**
   * The accounting after the last spooled batch; undefined when there is none, or none that can be read.
   * @param checkpoint what `save` returned for that batch; undefined when no batch of this life of the kernel was spooled
   * @param accepts whether an accounting of this form can be gone on from
   */
  restore(checkpoint: string | undefined, accepts: (form: string) => boolean = isConntrack): Restored | undefined {
    const number = checkpoint === undefined ? Number.NaN : Number(checkpoint);
    const image = Number.isInteger(number) ? this.#store.read(number) : undefined;
    const header = image?.header as BaselineHeader | undefined;
    const isOurs = header !== undefined && accepts(header.form ?? CONNTRACK);
    const entries =
      image && isOurs && EntryTable.restore({ seed: header.seed, slots: header.slots, columns: image.columns });
    if (!entries || header === undefined) {
      this.#isLost = checkpoint !== undefined || this.#store.numbers().length > 0;
      this.#store.clear();
      return undefined;
    }
    this.#store.dropBefore(number);
    this.#store.dropBaselinesAfter(number);
    return {
      tracker: { entries, firstDumpUs: header.firstDumpUs },
      windowStartUs: header.windowEndUs,
      goOn: (accountant, nowUs) => this.#goOn(header, accountant, nowUs),
    };
  }

  /** Puts the journal between a source and the accounting. */
  listen(next: ConntrackConsumer): ConntrackConsumer {
    const journal = new EventJournal(next, (error) => this.#fail(error));
    this.#journal = journal;
    this.#try(() => journal.open(this.#store.journalPath(++this.#number)));
    return journal;
  }

  /**
   * Keeps the accounting as it is at the end of a window. To be called before the window's batch is spooled.
   * @param form what of: see CaptureSource
   * @returns the word that the spool keeps with the batch; undefined before the first complete dump, and while the state
   *   cannot be kept: capturing goes on, but a new agent could not go on from here
   */
  save(accountant: Accountant, form = CONNTRACK): string | undefined {
    const kept = accountant.kept;
    if (kept === undefined || this.#isSuspended) return undefined;
    const number = ++this.#number;
    const { seed, slots, columns } = kept.entries.image();
    const header: BaselineHeader = {
      form,
      seed,
      slots,
      firstDumpUs: kept.firstDumpUs,
      windowEndUs: accountant.windowStartUs,
      interfaceBytes: readInterfaceBytes(),
    };
    const isKept = this.#try(() => {
      this.#store.write(number, { header: { ...header }, columns });
      this.#journal?.open(this.#store.journalPath(number));
    });
    return isKept ? String(number) : undefined;
  }

  /**
   * The spool cannot be written, or can be again: batches may reach the table without having been in the spool, and a new
   * agent that went on from a baseline would count them again. Meanwhile nothing is kept.
   */
  suspend(isSuspended: boolean): void {
    this.#isSuspended = isSuspended;
    if (!isSuspended) return;
    this.#journal?.close();
    this.#store.clear();
  }

  /** The batch with this word is in the spool: what is older is not needed any more. */
  spooled(checkpoint: string): void {
    this.#store.dropBefore(Number(checkpoint));
  }

  close(): void {
    this.#journal?.close();
  }

  #try(write: () => void): boolean {
    try {
      write();
    } catch (error) {
      this.#fail(error as Error);
      return false;
    }
    if (this.#fails) this.#onProblem(undefined);
    this.#fails = false;
    return true;
  }

  /** Half a state would count twice: none is left, so that a new agent says what it does not know. */
  #fail(error: Error): void {
    this.#store.clear();
    if (!this.#fails) this.#onProblem(error);
    this.#fails = true;
  }

  #goOn(header: BaselineHeader, accountant: Accountant, nowUs: number): void {
    let listenedUntilUs = header.windowEndUs;
    for (const number of this.#store.journalNumbers()) {
      listenedUntilUs = Math.max(listenedUntilUs, replayJournal(this.#store.journalPath(number), accountant));
    }
    const bytesMax = bytesBetween(header.interfaceBytes, readInterfaceBytes());
    const loss: Loss = {
      reason: 'agent-away',
      entries: undefined,
      bytes: undefined,
      startUs: Math.floor(Math.min(listenedUntilUs, nowUs - 1)),
      endUs: nowUs,
      ...(bytesMax !== undefined && { bytesMax }),
    };
    accountant.addLoss(loss);
  }
}

interface BaselineHeader {
  /** What was accounted; absent in those of agents that knew conntrack only. */
  readonly form?: string;
  /** Seed of the entries' hashes. */
  readonly seed: number;
  readonly slots: number;
  readonly firstDumpUs: number;
  readonly windowEndUs: number;
  /** Of the interfaces, when the window ended. */
  readonly interfaceBytes: InterfaceBytes;
}
