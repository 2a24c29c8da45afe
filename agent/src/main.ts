// Entry of flowtoll-agent: commands, exit codes, and nothing else. Exit code 1: something failed; 2: it was called wrongly.
import { Command, CommanderError } from 'commander';
import { recordCommand } from './commands/record.ts';
import { runCommand } from './commands/run.ts';
import { sysctlsCommand } from './commands/sysctls.ts';
import { AgentError } from './errors.ts';
import { AGENT_VERSION } from './version.ts';

const run = runCommand().exitOverride();
const program = new Command('flowtoll-agent')
  .description('Reads what the kernel counted for each connection of this node and sends the flows to an aggregator.')
  .version(AGENT_VERSION)
  .addCommand(run, { isDefault: true })
  .addCommand(recordCommand().exitOverride())
  .addCommand(sysctlsCommand().exitOverride())
  .addHelpText('after', () => `\nThe default command:\n\n${run.helpInformation()}`)
  .exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof AgentError) {
    process.stderr.write(`flowtoll-agent: ${error.code}: ${error.message}\n`);
    process.exitCode = error.code === 'CONFIG_INVALID' ? 2 : 1;
  } else throw error;
}
