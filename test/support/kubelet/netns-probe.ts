// Client of netns_probe.py: HTTP requests from inside a network namespace, one process for each.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('netns_probe.py', import.meta.url));

export class NetnsProbes {
  readonly #processes = new Map<
    string,
    { readonly child: ChildProcess; readonly waiting: Map<number, (status: number | undefined) => void> }
  >();
  #next = 1;

  /** The status of the answer; undefined where nobody answered. */
  get(namespace: string, url: string, timeoutSeconds: number): Promise<number | undefined> {
    const { child, waiting } = this.#processOf(namespace);
    const id = this.#next++;
    return new Promise((resolve) => {
      waiting.set(id, resolve);
      child.stdin!.write(`${JSON.stringify({ id, url, timeout_s: timeoutSeconds })}\n`);
    });
  }

  close(): void {
    for (const { child } of this.#processes.values()) child.kill('SIGKILL');
  }

  #processOf(namespace: string) {
    const known = this.#processes.get(namespace);
    if (known !== undefined) return known;
    const child = spawn('python3', [PROGRAM, namespace], { stdio: ['pipe', 'pipe', 'ignore'] });
    const waiting = new Map<number, (status: number | undefined) => void>();
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, status } = JSON.parse(line) as { id: number; status: number | null };
      waiting.get(id)?.(status ?? undefined);
      waiting.delete(id);
    });
    child.on('close', () => {
      for (const answer of waiting.values()) answer(undefined);
      waiting.clear();
      this.#processes.delete(namespace);
    });
    const made = { child, waiting };
    this.#processes.set(namespace, made);
    return made;
  }
}
