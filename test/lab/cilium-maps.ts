// Client of cilium_maps.py: Cilium's conntrack maps, made for real, and what Cilium would write into them.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The four global maps. */
export const MAP_NAMES = {
  tcp4: 'cilium_ct4_global',
  any4: 'cilium_ct_any4_global',
  tcp6: 'cilium_ct6_global',
  any6: 'cilium_ct_any6_global',
} as const;
export type MapName = keyof typeof MAP_NAMES;

/** What names an entry. */
export interface EntryKey {
  /** Who opened the connection. */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly protocol: number;
  /** "out": made by a packet that left a pod; "in": by one that entered one. */
  readonly kind: 'out' | 'in' | 'related' | 'service';
}

/** Packets and bytes. */
export type Counters = readonly [packets: number, bytes: number];

/** An entry: `rx` and `tx` in the layout until 1.15, `total` in the one from 1.16 on. */
export type Entry = EntryKey & { readonly closed?: boolean; readonly natAddress?: number } & (
    | { readonly rx: Counters; readonly tx: Counters }
    | { readonly total: Counters }
  );

/** Maps on a bpffs of their own. */
export interface CiliumMaps {
  readonly directory: string;
  /** Makes a map, or another one in its place. */
  create(name: MapName, options?: { readonly entries?: number; readonly valueBytes?: number }): Promise<void>;
  put(name: MapName, entries: readonly Entry[]): Promise<void>;
  delete(name: MapName, entries: readonly EntryKey[]): Promise<void>;
  /** Removes the path; the map lives as long as somebody has it open. */
  unpin(name: MapName): Promise<void>;
  close(): Promise<void>;
}

const SCRIPT = fileURLToPath(new URL('cilium_maps.py', import.meta.url));

/** Mounts a bpffs at an absent or empty directory. Needs root. */
export async function openCiliumMaps(directory: string): Promise<CiliumMaps> {
  const child = spawn('python3', [SCRIPT, directory], { stdio: ['pipe', 'pipe', 'pipe'] });
  const pending = new Map<number, { resolve(): void; reject(error: Error): void }>();
  const ready = Promise.withResolvers<void>();
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, error } = JSON.parse(line) as { id?: number; error?: string };
    if (id === undefined) {
      ready.resolve();
      return;
    }
    const waiter = pending.get(id);
    pending.delete(id);
    if (error === undefined) waiter?.resolve();
    else waiter?.reject(new Error(error));
  });
  const ended = new Promise<void>((resolve) => {
    child.on('close', (code) => {
      const error = new Error(`cilium_maps.py ended with ${code}: ${stderr} (these tests need root)`);
      ready.reject(error);
      for (const waiter of pending.values()) waiter.reject(error);
      resolve();
    });
  });
  await ready.promise;
  let nextId = 1;
  const request = (op: string, name: MapName, body: object = {}): Promise<void> => {
    const id = nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    pending.set(id, { resolve, reject });
    child.stdin.write(`${JSON.stringify({ id, op, path: join(directory, MAP_NAMES[name]), ...body })}\n`);
    return promise;
  };
  return {
    directory,
    create: (name, { entries = 4096, valueBytes = 56 } = {}) =>
      request('create', name, { family: name.endsWith('6') ? 6 : 4, entries, valueBytes }),
    put: (name, entries) => request('put', name, { put: entries }),
    delete: (name, entries) => request('delete', name, { delete: entries }),
    unpin: (name) => request('unpin', name),
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
