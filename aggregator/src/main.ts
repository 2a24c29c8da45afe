// `flowtoll`: the command line of the aggregator. Wires the commands; errors become one line and an exit code: 1 for what
// went wrong, 2 for a command line that cannot be understood. A command may have others for what it found.
import { Command, CommanderError } from 'commander';
import { explainCommand } from './commands/explain.ts';
import { ipRangesCommand } from './commands/ip-ranges.ts';
import { maintainCommand } from './commands/maintain.ts';
import { migrateEgressdCommand } from './commands/migrate-egressd.ts';
import { priceCommand } from './commands/price.ts';
import { pricesCommand } from './commands/prices.ts';
import { reportCommand } from './commands/report.ts';
import { serveCommand } from './commands/serve.ts';
import { sqlCommand } from './commands/sql.ts';
import { statusCommand } from './commands/status.ts';
import { tokensCommand } from './commands/tokens.ts';
import { watchCommand } from './commands/watch.ts';
import { FlowtollError } from './model/errors.ts';
import { printable } from './query/text-table.ts';
import { aggregatorVersion } from './version.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

function buildProgram(exitWith: (code: number) => void): Command {
  const program = new Command('flowtoll')
    .description('what every Kubernetes network flow costs')
    .version(aggregatorVersion())
    .showHelpAfterError('(flowtoll --help lists what there is)')
    .exitOverride();
  const commands = [
    serveCommand(),
    statusCommand(exitWith),
    reportCommand(),
    sqlCommand(),
    watchCommand(),
    priceCommand(exitWith),
    explainCommand(),
    maintainCommand(),
    pricesCommand(exitWith),
    ipRangesCommand(exitWith),
    tokensCommand(),
    migrateEgressdCommand(),
  ];
  for (const command of commands) {
    inheritSettings(command, program);
    program.addCommand(command);
  }
  return program;
}

/** Also for commands of commands: each of them parses its own part of the command line. */
function inheritSettings(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inheritSettings(child, command);
}

async function main(): Promise<number> {
  let exitCode = 0;
  try {
    await buildProgram((code) => {
      exitCode = code;
    }).parseAsync();
    return exitCode;
  } catch (error) {
    // commander has printed its own message already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    if (!(error instanceof FlowtollError)) throw error;
    // Messages quote files, servers and names; lines of their own they may have.
    const message = error.message.split('\n').map(printable).join('\n');
    process.stderr.write(`flowtoll: ${error.code}: ${message}\n`);
    return error.code === 'CONFIG_INVALID' ? EXIT_USAGE : EXIT_FAILED;
  }
}

process.exitCode = await main();
