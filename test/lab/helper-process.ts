// Client of traffic_helper.py: one process in one namespace, JSON lines both ways.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** One request and response of a connection; bytes of application payload. */
export interface Exchange {
  /** From the initiator. At least HEADER_BYTES for TCP, UDP and SCTP. */
  readonly send: number;
  /** Back from the responder; ignored for echo, whose answer is as long as the question. */
  readonly receive: number;
  /** Idle time before it, ms. */
  readonly pauseMs: number;
  /** It waits for this gate to be opened, and for the idle time after that. */
  readonly gate?: string;
}

/** What a helper does for one connection. */
export interface ConnectionSpec {
  readonly index: number;
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'sctp';
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  /** Start, ms after the command. */
  readonly atMs: number;
  readonly exchanges: readonly Exchange[];
  /** Who ends a TCP connection, and how. */
  readonly close: 'client' | 'server' | 'reset';
  /** The connection fails when it has not ended by then; 20 s by default. */
  readonly timeoutMs?: number;
}

/** What became of it; payload bytes. */
export interface ConnectionResult {
  readonly index: number;
  readonly sent: number;
  readonly received: number;
  readonly sourcePort?: number;
  readonly error?: string;
}

interface Reply {
  readonly id: number;
  readonly error?: string;
  readonly results?: readonly ConnectionResult[];
}

/** Size of the header with which each request begins (traffic_helper.py, HEADER). */
export const HEADER_BYTES = 21;

/** A running helper. */
export interface Helper {
  listen(addresses: readonly string[], ports: readonly number[]): Promise<void>;
  run(connections: readonly ConnectionSpec[]): Promise<readonly ConnectionResult[]>;
  /** Lets exchanges go on that wait for the gate. */
  open(gate: string): Promise<void>;
}

/** Wraps a started traffic_helper.py. */
export function createHelper(host: string, child: ChildProcess): Helper {
  const pending = new Map<number, { resolve(reply: Reply): void; reject(error: Error): void }>();
  let nextId = 1;
  let stderr = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4000);
  });
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const reply = JSON.parse(line) as Reply;
    const waiter = pending.get(reply.id);
    pending.delete(reply.id);
    if (reply.error === undefined) waiter?.resolve(reply);
    else waiter?.reject(new Error(`traffic helper on ${host}: ${reply.error}`));
  });
  child.stdin!.on('error', () => {});
  child.on('close', (code, signal) => {
    const error = new Error(`traffic helper on ${host} ended with ${signal ?? code}: ${stderr}`);
    for (const waiter of pending.values()) waiter.reject(error);
    pending.clear();
  });
  const request = (body: object): Promise<Reply> => {
    const id = nextId++;
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      child.stdin!.write(`${JSON.stringify({ id, ...body })}\n`);
    });
  };
  return {
    listen: async (addresses, ports) => void (await request({ op: 'listen', addresses, ports })),
    run: async (connections) => (await request({ op: 'run', connections })).results ?? [],
    open: async (gate) => void (await request({ op: 'open', gate })),
  };
}
