// A child process that takes one command a line and answers one JSON object a line, in order. All measured programs of
// the benchmark, C and TypeScript, are driven this way, so that no process start is inside a measurement.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

interface Waiter {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** Ends when its input does: a benchmark that is killed leaves no child behind. */
export class LineProcess implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #name: string;
  readonly #waiters: Waiter[] = [];
  readonly #exited: Promise<void>;
  #stderr = '';
  #ended = false;

  constructor(command: readonly string[], options: { detached?: boolean; env?: NodeJS.ProcessEnv } = {}) {
    const [file, ...args] = command;
    this.#name = command.join(' ');
    this.#child = spawn(file!, args, { detached: options.detached ?? false, env: options.env ?? process.env });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    this.#child.stdin.on('error', () => {}); // a dead child is reported by its exit
    createInterface({ input: this.#child.stdout }).on('line', (line) =>
      this.#waiters.shift()?.resolve(JSON.parse(line)),
    );
    this.#exited = new Promise((resolve) => {
      const end = (why: string) => {
        this.#ended = true;
        const error = new Error(`${this.#name} ${why}: ${this.#stderr.trim() || 'no message'}`);
        for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
        resolve();
      };
      this.#child.on('error', (error) => end(error.message));
      this.#child.on('close', (code, signal) => end(`ended with ${signal ?? code}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends `command`; the promise holds the answer, or the child's last words if it ended before. */
  ask<T>(command: string): Promise<T> {
    const answer = this.next<T>();
    if (!this.#ended) this.#child.stdin.write(`${command}\n`);
    return answer;
  }

  /** The next line that the child writes by itself, such as its greeting. */
  next<T>(): Promise<T> {
    if (this.#ended) return Promise.reject(new Error(`${this.#name} has ended: ${this.#stderr.trim()}`));
    return new Promise<T>((resolve, reject) => {
      this.#waiters.push({ resolve: (answer) => resolve(answer as T), reject });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
  }
}
