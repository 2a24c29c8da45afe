// The links between agents and aggregators, and what can befall them: client of link-proxy.ts, JSON lines both ways.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../lab/lab.ts';

const PROXY = fileURLToPath(new URL('./link-proxy.ts', import.meta.url));

/** Something that befalls all connections of an agent. */
export type LinkFault =
  /** Ended: by FIN to both sides, or by RST. */
  | { readonly kind: 'cut'; readonly orderly: boolean }
  /** What is sent that way arrives nowhere, and nobody is told; after that time both sides get a RST. */
  | { readonly kind: 'half-open'; readonly direction: 'up' | 'down' | 'both'; readonly forMs: number }
  /** Everything comes that much later, also on new connections, for that time. */
  | { readonly kind: 'delay'; readonly delayMs: number; readonly forMs: number };

export interface LinkCommand {
  readonly id: number;
  /** Address of the agent. */
  readonly link: string;
  readonly fault: LinkFault;
}

export interface LinkAnswer {
  readonly id: number;
  /** How many connections felt it. */
  readonly connections: number;
}

/** A running proxy. */
export interface Links {
  /** Resolves when the fault is over, with the number of connections that felt it. */
  befall(link: string, fault: LinkFault): Promise<number>;
}

/** Starts the proxy; resolves once it listens. It ends with the laboratory. */
export async function startLinks(
  lab: Pick<Lab, 'spawn'>,
  port: number,
  aggregatorPorts: readonly number[],
): Promise<Links> {
  const argv = [process.execPath, PROXY, ...[port, ...aggregatorPorts].map(String)];
  const child = lab.spawn('management', argv, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stderr!.pipe(process.stderr, { end: false });
  const waiting = new Map<number, { resolve(connections: number): void; reject(error: Error): void }>();
  await new Promise<void>((resolve, reject) => {
    const onLine = (line: string): void => {
      const answer = JSON.parse(line) as LinkAnswer | { ready: true };
      if ('ready' in answer) resolve();
      else {
        waiting.get(answer.id)?.resolve(answer.connections);
        waiting.delete(answer.id);
      }
    };
    createInterface({ input: child.stdout! }).on('line', onLine);
    child.on('close', () => {
      const error = new Error('the proxy between agents and aggregators ended');
      for (const { reject: fail } of waiting.values()) fail(error);
      waiting.clear();
      reject(error);
    });
  });
  return { befall: (link, fault) => send(child, waiting, link, fault) };
}

let lastId = 0;

function send(
  child: ChildProcess,
  waiting: Map<number, { resolve(connections: number): void; reject(error: Error): void }>,
  link: string,
  fault: LinkFault,
): Promise<number> {
  const command: LinkCommand = { id: ++lastId, link, fault };
  return new Promise((resolve, reject) => {
    waiting.set(command.id, { resolve, reject });
    child.stdin!.write(`${JSON.stringify(command)}\n`);
  });
}
