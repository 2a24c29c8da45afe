// Runs the system's network tools. Knows nothing about the laboratory.
import { spawn, spawnSync } from 'node:child_process';

/** Runs a program to its end and gives its standard output; rejects with its standard error when it fails. */
export function run(argv: readonly string[], input = '', env: NodeJS.ProcessEnv = process.env): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0]!, argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], env });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else reject(new Error(`${argv.join(' ')} ended with ${signal ?? code}: ${Buffer.concat(err).toString().trim()}`));
    });
    // A program that fails at once may close its input before all of it is written; its exit code says more.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** The same, blocking and without failing: for exit handlers. */
export function runSync(argv: readonly string[], input = ''): string {
  return spawnSync(argv[0]!, argv.slice(1), { input, encoding: 'utf8' }).stdout ?? '';
}
