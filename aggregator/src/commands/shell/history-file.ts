// The statements of earlier shells, one a line. Shells add to it at once, so several at a time do no harm. History is a comfort: a
// file that cannot be read or written is none, and no reason to stop.
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Statements that are kept. */
export const HISTORY_LENGTH = 1000;

export class HistoryFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The newest first. */
  read(): string[] {
    try {
      const lines = readFileSync(this.#path, 'utf8').split('\n').filter(Boolean);
      const kept = lines.slice(-HISTORY_LENGTH);
      if (lines.length > 2 * HISTORY_LENGTH) this.#rewrite(kept);
      return kept.reverse();
    } catch {
      return [];
    }
  }

  /** Adds one line. */
  add(entry: string): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      // What is asked may name what is not for others.
      appendFileSync(this.#path, `${entry}\n`, { mode: 0o600 });
    } catch {
      // See the head of this file.
    }
  }

  #rewrite(lines: readonly string[]): void {
    const scratch = `${this.#path}.${process.pid}`;
    writeFileSync(scratch, `${lines.join('\n')}\n`, { mode: 0o600 });
    renameSync(scratch, this.#path);
  }
}
