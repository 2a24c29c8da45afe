// A process that can be stopped, continued and killed. All that reaches it (answers, messages, timers) comes through here,
// so killing it between two of them is death at any await point.
import type { VirtualClock } from './clock.ts';

export class SimulatedProcess {
  readonly #clock: VirtualClock;
  #state: 'running' | 'paused' | 'dead' = 'running';
  #held: (() => void)[] = [];

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  /** Lets the process see something: now; when it goes on; or never. */
  run(step: () => void): void {
    if (this.#state === 'running') step();
    else if (this.#state === 'paused') this.#held.push(step);
  }

  /** A timer of the process. A process that was stopped finds its timers overdue. */
  readonly after = (step: () => void, delayMs: number): (() => void) => {
    let cancelled = false;
    const cancel = this.#clock.after(delayMs, () => this.run(() => cancelled || step()));
    return () => {
      cancelled = true;
      cancel();
    };
  };

  /** Stops it, as SIGSTOP or a frozen machine do: it notices nothing. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** Lets it go on with all that waits for it, in order. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    for (const step of this.#held.splice(0)) this.#clock.after(0, () => this.run(step));
  }

  /** Ends it: what was under way to it is lost. */
  kill(): void {
    this.#state = 'dead';
    this.#held = [];
  }
}
