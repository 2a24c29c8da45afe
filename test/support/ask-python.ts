// Asks a Python program one question: JSON on standard input, JSON on standard output. Nothing of it outlives the answer: its
// streams are its own (a process that shared this one's would keep the test runner waiting as long as it lives), and it has a
// time to answer in.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

const PATIENCE_MS = 300_000;

/** The answer; throws with what the program wrote on standard error when it gave none. */
export async function askPython(python: string, program: string, question: unknown): Promise<unknown> {
  const child = spawn(python, [program], { stdio: 'pipe', timeout: PATIENCE_MS, killSignal: 'SIGKILL' });
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify(question));
  const [answer, complaints, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  if (code !== 0) throw new Error(`${program} ended with ${signal ?? code}:\n${complaints}`);
  return JSON.parse(answer);
}
