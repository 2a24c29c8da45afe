// When to dump, when to look at events, when to close a window. Works on the wall clock's grid, so that windows are whole
// minutes and a dump falls on each of their ends. Clock and timer are passed in.
import type { Accountant } from './flow/accountant.ts';
import type { WindowFlows } from './flow/window-flows.ts';

/** A source that can be asked; it feeds the accountant. */
export interface DumpingSource {
  /** Hands over waiting events; returns how many. */
  pollEvents(): number;
  /** One full dump; whether it was complete. */
  dump(): boolean;
}

/** Time, as the loop sees it. */
export interface LoopClock {
  /** Wall clock, ms since the Unix epoch. */
  nowMs(): number;
  /** Time that passes evenly whatever is done to the wall clock, ms since any instant. */
  elapsedMs(): number;
  /** Calls back once after a delay; returns how to cancel. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Periods of the loop. */
export interface CaptureLoopOptions {
  /** Between dumps, ms. */
  readonly dumpIntervalMs: number;
  /** Length of a window, ms. */
  readonly windowMs: number;
  /** Between looks at the event socket, ms. */
  readonly pollIntervalMs: number;
  /** Close a window right after the first dump: what it found becomes durable at once, and not a window later. */
  readonly closesFirstWindow?: boolean;
}

/** After dropped events a new dump is due, but dumps may not take more than this share of the thread's time. */
const EXTRA_DUMP_PAUSE_FACTOR = 4;
const EXTRA_DUMP_PAUSE_MIN_MS = 200;
/** The wall clock gained or lost so much between two turns: somebody set it. Slewing is slower. */
const CLOCK_JUMP_MS = 1000;

/** Drives one source and one accountant. */
export class CaptureLoop {
  readonly #options: CaptureLoopOptions;
  readonly #source: DumpingSource;
  readonly #accountant: Accountant;
  readonly #clock: LoopClock;
  readonly #onWindow: (window: WindowFlows) => void;
  readonly #beforeDump: () => void;
  readonly #afterDump: (durationMs: number) => void;
  readonly #onFailure: (error: unknown) => void;
  readonly #wantsWindow: () => boolean;
  readonly #onClockJump: (jumpMs: number) => void;
  /** Wall clock less even time at the last turn. */
  #offsetMs: number;
  #cancel: () => void = () => {};
  #nextDumpMs = 0;
  #earliestExtraDumpMs = 0;

  constructor(
    options: CaptureLoopOptions,
    parts: {
      source: DumpingSource;
      accountant: Accountant;
      clock: LoopClock;
      onWindow: (window: WindowFlows) => void;
      /** Called before and after each dump, for what has to be watched about as often. */
      beforeDump?: () => void;
      afterDump?: (durationMs: number) => void;
      /** Whether a window should end before its time. */
      wantsWindow?: () => boolean;
      /** The wall clock was set; ms, positive when it was set forward. */
      onClockJump?: (jumpMs: number) => void;
      /** Something failed while the loop ran: the last window has been handed over, the loop runs no more. */
      onFailure?: (error: unknown) => void;
    },
  ) {
    this.#options = options;
    this.#source = parts.source;
    this.#accountant = parts.accountant;
    this.#clock = parts.clock;
    this.#onWindow = parts.onWindow;
    this.#beforeDump = parts.beforeDump ?? (() => {});
    this.#afterDump = parts.afterDump ?? (() => {});
    this.#wantsWindow = parts.wantsWindow ?? (() => false);
    this.#onClockJump = parts.onClockJump ?? (() => {});
    this.#offsetMs = this.#clock.nowMs() - this.#clock.elapsedMs();
    this.#onFailure =
      parts.onFailure ??
      ((error) => {
        throw error;
      });
  }

  /** Takes the baseline, then runs until `stop`. */
  start(): void {
    this.#dump();
    if (this.#options.closesFirstWindow) this.#closeLast();
    this.#schedule();
  }

  /** Accounts what there is, closes the window, and runs no more. */
  stop(): void {
    this.#cancel();
    try {
      this.#dump();
    } finally {
      this.#closeLast();
    }
  }

  #schedule(): void {
    const untilDump = this.#nextDumpMs - this.#clock.nowMs();
    const delay = Math.max(0, Math.min(this.#options.pollIntervalMs, untilDump));
    this.#cancel = this.#clock.after(delay, () => this.#tick());
  }

  #tick(): void {
    try {
      this.#turn();
    } catch (error) {
      this.#closeLast();
      this.#onFailure(error);
      return;
    }
    this.#schedule();
  }

  #turn(): void {
    const now = this.#readClock();
    const late = now >= this.#nextDumpMs;
    // A clock that jumped back must not silence the loop for as long as it jumped.
    const jumpedBack = this.#nextDumpMs - now > this.#options.dumpIntervalMs;
    const extra = this.#accountant.needsDump && now >= this.#earliestExtraDumpMs;
    if (late || jumpedBack || extra) {
      this.#dump();
      this.#closeWindowIfOver();
    } else this.#source.pollEvents();
    if (this.#wantsWindow()) {
      this.#dump();
      this.#closeLast(this.#readClock());
    }
  }

  #dump(): void {
    this.#beforeDump();
    const begin = this.#clock.elapsedMs();
    this.#source.dump();
    const durationMs = this.#clock.elapsedMs() - begin;
    const end = this.#clock.nowMs();
    const { dumpIntervalMs } = this.#options;
    this.#nextDumpMs = (Math.floor(end / dumpIntervalMs) + 1) * dumpIntervalMs;
    this.#earliestExtraDumpMs = end + Math.max(EXTRA_DUMP_PAUSE_MIN_MS, durationMs * EXTRA_DUMP_PAUSE_FACTOR);
    this.#afterDump(durationMs);
  }

  /**
   * The wall clock now. A jump since the last reading is told before the reading is used: a window that was closed by the new
   * clock and moved afterwards would be moved twice.
   */
  #readClock(): number {
    const nowMs = this.#clock.nowMs();
    const offsetMs = nowMs - this.#clock.elapsedMs();
    const jumpMs = Math.round(offsetMs - this.#offsetMs);
    this.#offsetMs = offsetMs;
    if (Math.abs(jumpMs) >= CLOCK_JUMP_MS) {
      this.#accountant.clockJumped(jumpMs * 1000);
      this.#onClockJump(jumpMs);
    }
    return nowMs;
  }

  #closeWindowIfOver(): void {
    const window = this.#accountant.closeIfOver(this.#readClock() * 1000, this.#options.windowMs * 1000);
    if (window) this.#onWindow(window);
  }

  #closeLast(nowMs = this.#clock.nowMs()): void {
    this.#onWindow(this.#accountant.closeLast(nowMs * 1000));
  }
}
