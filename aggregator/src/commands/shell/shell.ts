// The shell of `flowtoll sql` on a terminal: prompts, history, completion, Ctrl-C. Knows node:readline; what the lines mean is the
// interpreter's.
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { FlowtollError } from '../../model/errors.ts';
import type { QuerySession } from '../../query/session.ts';
import { complete } from './completion.ts';
import { HISTORY_LENGTH, type HistoryFile } from './history-file.ts';
import type { Interpreter } from './interpreter.ts';
import { StatementReader } from './statement-reader.ts';

const PROMPT = 'flowtoll> ';
const PROMPT_WITHIN = '      ... ';

export interface ShellOptions {
  readonly session: QuerySession;
  readonly interpreter: Interpreter;
  readonly history: HistoryFile;
  readonly input: Readable;
  /** Terminal for the prompt and what is typed. */
  readonly terminal: Writable;
}

/** Runs until the user ends it. */
export async function runShell(options: ShellOptions): Promise<void> {
  const functions = await functionNames(options.session);
  await new Shell(options, functions).run();
}

class Shell {
  readonly #options: ShellOptions;
  readonly #readline: Interface;
  readonly #reader = new StatementReader();
  readonly #lines: string[] = [];
  /** Lines of what is being typed, as history has them. */
  #typed: string[] = [];
  #history: string[] = [];
  #isRunning = false;
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(options: ShellOptions, functions: readonly string[]) {
    this.#options = options;
    const history = options.history.read();
    this.#readline = createInterface({
      input: options.input,
      output: options.terminal,
      terminal: true,
      prompt: PROMPT,
      history,
      historySize: HISTORY_LENGTH,
      removeHistoryDuplicates: true,
      completer: (line: string) => complete(line, options.session.tables, functions),
    });
    this.#history = history;
    this.#readline.on('history', (lines) => {
      this.#history = lines;
    });
    this.#readline.on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.#readline.on('SIGINT', () => this.#interrupt());
    this.#readline.on('close', () => {
      this.#isClosed = true;
      if (this.#isRunning) options.session.cancel();
      this.#wake();
    });
  }

  async run(): Promise<void> {
    this.#say('SQL over flows, costs_hourly and endpoints; .help says more, .quit ends.\n');
    this.#prompt();
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) {
        if (!(await this.#take(line))) break;
        this.#prompt();
      } else if (this.#isClosed) {
        this.#say('\n');
        break;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    this.#readline.close();
  }

  /** `false` when it was said to end. */
  async #take(line: string): Promise<boolean> {
    this.#typed.push(line);
    const instructions = this.#reader.take(line);
    if (this.#reader.isEmpty) this.#remember();
    for (const instruction of instructions) {
      this.#isRunning = true;
      try {
        if (!(await this.#options.interpreter.run(instruction))) return false;
      } catch (error) {
        if (!(error instanceof FlowtollError)) throw error;
        this.#say(`${error.message}\n`);
        // What followed on the line was meant to follow a success.
        this.#reader.clear();
        return true;
      } finally {
        this.#isRunning = false;
      }
    }
    return true;
  }

  /** A statement of many lines becomes one entry, where that does not change it: a comment would swallow the rest. */
  #remember(): void {
    const typed = this.#typed.filter((line) => line.trim() !== '');
    this.#typed = [];
    if (typed.length === 0) return;
    const isOne = typed.length > 1 && !typed.some((line) => line.includes('--'));
    const entries = isOne ? [typed.map((line) => line.trim()).join(' ')] : typed;
    if (isOne) {
      for (const line of typed) {
        const at = this.#history.indexOf(line);
        if (at >= 0) this.#history.splice(at, 1);
      }
      this.#history.unshift(...entries);
    }
    for (const entry of entries) this.#options.history.add(entry);
  }

  #interrupt(): void {
    if (this.#isRunning) {
      this.#options.session.cancel();
      return;
    }
    this.#reader.clear();
    this.#typed = [];
    this.#say('^C\n');
    // Takes back what was typed on this line.
    this.#readline.write(null, { ctrl: true, name: 'e' });
    this.#readline.write(null, { ctrl: true, name: 'u' });
    this.#prompt();
  }

  #prompt(): void {
    if (this.#isClosed) return;
    this.#readline.setPrompt(this.#reader.isEmpty ? PROMPT : PROMPT_WITHIN);
    // What was typed ahead stays as it is.
    this.#readline.prompt(true);
  }

  #say(text: string): void {
    this.#options.terminal.write(text);
  }
}

async function functionNames(session: QuerySession): Promise<string[]> {
  const rows = await session.queryAll(
    `SELECT DISTINCT function_name FROM duckdb_functions()
     WHERE function_type IN ('scalar', 'aggregate', 'macro') AND regexp_full_match(function_name, '[a-z][a-z0-9_]+') ORDER BY 1`,
  );
  return rows.map(([name]) => String(name));
}
