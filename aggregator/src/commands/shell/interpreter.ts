// Carries out what a shell, a file or standard input says: statements and the shell's commands, one after another. Knows no
// terminal.
import { FlowtollError } from '../../model/errors.ts';
import { printResult, RESULT_FORMATS, type ResultFormat } from '../../query/result-output.ts';
import type { QuerySession } from '../../query/session.ts';
import { countText } from '../../query/units.ts';
import type { CommandOutput } from '../options.ts';
import { helpText, SHELL_COMMANDS, schemaText, tablesText } from './shell-commands.ts';
import type { Instruction } from './statement-reader.ts';

export interface InterpreterOptions {
  readonly session: QuerySession;
  readonly output: CommandOutput;
  readonly format: ResultFormat;
  /** For people at a terminal: the most rows of a table. */
  readonly mostTableRows?: number;
}

export class Interpreter {
  readonly #session: QuerySession;
  readonly #output: CommandOutput;
  readonly #mostTableRows: number | undefined;
  #format: ResultFormat;

  constructor({ session, output, format, mostTableRows }: InterpreterOptions) {
    this.#session = session;
    this.#output = output;
    this.#format = format;
    this.#mostTableRows = mostTableRows;
  }

  /** Carries it out; `false` when it says to end. Throws QUERY_INVALID when it cannot be done. */
  async run({ kind, text }: Instruction): Promise<boolean> {
    if (kind === 'command') return this.#command(text);
    await this.statement(text);
    return true;
  }

  /** Runs a statement and prints its rows. */
  async statement(sql: string): Promise<void> {
    const result = await this.#session.query(sql);
    const { count, isCut } = await printResult(this.#format, result, this.#output.write, this.#mostTableRows);
    if (isCut) {
      this.#output.remark(
        `Only the first ${countText(BigInt(count))} rows are shown: add ORDER BY and LIMIT, or print all with .format csv\n`,
      );
    }
  }

  async #command(text: string): Promise<boolean> {
    const [name = '', ...rest] = text.split(/\s+/);
    const [argument] = rest;
    if (rest.length > 1) throw new FlowtollError('QUERY_INVALID', `${name} takes one word at most (.help)`);
    switch (name as (typeof SHELL_COMMANDS)[number]['name']) {
      case '.quit':
        return false;
      case '.help':
        await this.#output.write(helpText());
        return true;
      case '.tables':
        await this.#output.write(tablesText(this.#session.tables));
        return true;
      case '.schema': {
        const schema = schemaText(this.#session.tables, argument);
        if (schema === undefined) throw new FlowtollError('QUERY_INVALID', `there is no table ${argument} (.tables)`);
        await this.#output.write(schema);
        return true;
      }
      case '.format': {
        const format = RESULT_FORMATS.find((each) => each === argument);
        if (format === undefined) {
          throw new FlowtollError('QUERY_INVALID', `.format takes ${RESULT_FORMATS.join(', ')}; it is ${this.#format}`);
        }
        this.#format = format;
        return true;
      }
      default: {
        const names = SHELL_COMMANDS.map((each) => each.name).join(' ');
        throw new FlowtollError('QUERY_INVALID', `there is no command ${name}; there are ${names}`);
      }
    }
  }
}
