// `flowtoll sql`: statements over the tables, exact values: one on the command line, those of a file or of standard input, or a
// shell on a terminal.
import { createReadStream } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Argument, Command, Option } from 'commander';
import { FlowtollError } from '../model/errors.ts';
import { parsePath } from './option-values.ts';
import { type CommandOutput, formatOption, type OutputFormat, processOutput } from './options.ts';
import { HistoryFile } from './shell/history-file.ts';
import { Interpreter } from './shell/interpreter.ts';
import { runShell } from './shell/shell.ts';
import { type Instruction, StatementReader } from './shell/statement-reader.ts';
import { addSourceOptions, type SourceFlags } from './source-options.ts';
import { openTables } from './tables-source.ts';

/** Rows of a table on a terminal; whoever wants more does not read them there. */
const MOST_SHELL_ROWS = 1000;

interface SqlFlags extends SourceFlags {
  readonly file?: string;
  readonly format: OutputFormat;
  readonly history: string;
}

/** @param stdin standard input: a terminal, or something that holds statements */
export function sqlCommand(
  createOutput: () => CommandOutput = processOutput,
  stdin: NodeJS.ReadStream = process.stdin,
): Command {
  const command = new Command('sql')
    .description(
      'Query the tables "flows", "costs_hourly" and "endpoints" (docs/columns.md). Nothing can be changed by it. Without a statement: a ' +
        'shell on a terminal; else the statements on standard input.',
    )
    .addArgument(new Argument('[statement]', 'SQL as DuckDB speaks it; times are UTC'))
    .addOption(new Option('-f, --file <file>', 'run the statements of this file').argParser(parsePath));
  return addSourceOptions(command)
    .addOption(formatOption())
    .addOption(
      new Option('--history <file>', 'where the shell keeps what was typed')
        .env('FLOWTOLL_HISTORY')
        .argParser(parsePath)
        .default(join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'flowtoll', 'sql_history')),
    )
    .action(async (statement: string | undefined, flags: SqlFlags) => {
      if (statement !== undefined && flags.file !== undefined) {
        throw new FlowtollError('CONFIG_INVALID', 'give a statement or --file, not both');
      }
      const output = createOutput();
      const tables = await openTables({ flags, remark: output.remark });
      const { session } = tables;
      const { format } = flags;
      const interpreter = (mostTableRows?: number): Interpreter =>
        new Interpreter({ session, output, format, ...(mostTableRows === undefined ? {} : { mostTableRows }) });
      try {
        if (statement !== undefined) {
          await interpreter().statement(statement);
        } else if (flags.file !== undefined) {
          await runScript(createReadStream(flags.file), flags.file, interpreter());
        } else if (stdin.isTTY) {
          await runShell({
            session,
            interpreter: interpreter(MOST_SHELL_ROWS),
            history: new HistoryFile(flags.history),
            input: stdin,
            // Rows that go into a pipe stay free of what is typed.
            terminal: process.stdout.isTTY ? process.stdout : process.stderr,
          });
        } else {
          await runScript(stdin, 'standard input', interpreter());
        }
      } finally {
        await tables.close();
      }
    });
}

/** Runs all statements; ends with the first that fails, saying where it stands. */
async function runScript(input: NodeJS.ReadableStream, name: string, interpreter: Interpreter): Promise<void> {
  const reader = new StatementReader();
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (!(await runAll(reader.take(line), name, interpreter))) return;
    }
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) {
      throw new FlowtollError('CONFIG_INVALID', `cannot read ${name}: ${error.message}`, { cause: error });
    }
    throw error;
  }
  await runAll(reader.end(), name, interpreter);
}

async function runAll(instructions: readonly Instruction[], name: string, interpreter: Interpreter): Promise<boolean> {
  for (const instruction of instructions) {
    try {
      if (!(await interpreter.run(instruction))) return false;
    } catch (error) {
      if (!(error instanceof FlowtollError)) throw error;
      throw new FlowtollError(error.code, `${name}, line ${instruction.line}: ${error.message}`, { cause: error });
    }
  }
  return true;
}
