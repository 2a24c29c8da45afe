// Runs the tools that images are made with: package clients, tar. Knows none of them.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Where a tool runs, and with what beside this process's environment. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a tool to its end; its standard output. Rejects with the command and its last words. */
export async function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { cwd, env = {} } = options;
  try {
    const { stdout } = await execute(program, [...args], {
      ...(cwd !== undefined && { cwd }),
      env: { ...process.env, LC_ALL: 'C', ...env },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const { code, stderr = '' } = error as { code?: string | number; stderr?: string };
    if (code === 'ENOENT') throw new Error(`${program} is missing; images are made on Debian (see images/README.md)`);
    const words = stderr.trim().split('\n').slice(-5).join('\n');
    throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${words}`);
  }
}
