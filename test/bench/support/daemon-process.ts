// A part of the product as a benchmark runs it: started like a user starts it, known by what it logs (JSON lines), ended
// by SIGTERM.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** How long a part may take to say something that is waited for. */
const PATIENCE_MS = 60_000;

export class DaemonProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #exited: Promise<void>;
  #ended = false;

  constructor(command: readonly string[]) {
    const [file, ...args] = command;
    this.#child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const wake = () => {
      for (const watcher of this.#watchers) watcher();
    };
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line);
        wake();
      });
    }
    this.#exited = new Promise((resolve) => {
      this.#child.on('close', () => {
        this.#ended = true;
        wake();
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits until it has logged `message`. */
  async logged(message: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = (problem?: string) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        if (problem === undefined) resolve();
        else reject(new Error(`${problem}:\n${this.#lines.slice(-20).join('\n')}`));
      };
      const timer = setTimeout(() => settle(`"${message}" was not logged in time`), PATIENCE_MS);
      const look = () => {
        if (this.#lines.some((line) => line.includes(`"msg":"${message}"`))) settle();
        else if (this.#ended) settle(`it ended and had not logged "${message}"`);
      };
      this.#watchers.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill('SIGTERM');
    await this.#exited;
  }
}
