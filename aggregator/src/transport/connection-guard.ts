// A port of a gRPC server that strangers can reach: takes connections, few of which may be of nobody in particular. A connection proves
// itself by a call of somebody who is known; until then it has little time, and gives way to others where there are many. Knows sockets;
// who is known, others say.
import { lookup } from 'node:dns/promises';
import { createServer, isIP, type Server as NetServer, type Socket } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Schedule } from '../model/schedule.ts';

export interface ConnectionLimits {
  /** Most connections. Default 20,000. */
  readonly connectionsMax?: number;
  /** Most connections that have not proved themselves. Default 2,000. */
  readonly unprovenMax?: number;
  /** How long a connection may take for that, from its first packet on, TLS included, ms. Default 15 s. */
  readonly provenWithinMs?: number;
}

/** Since the start of the process. */
export interface ConnectionCounters {
  /** Connections that are open now. */
  readonly open: number;
  /** Of these, those that have not proved themselves. */
  readonly unproven: number;
  /** Connections that were closed by us, by reason: they had not proved themselves in time; they were unproven, and too many; no room at all. */
  readonly closed: { readonly slow: number; readonly crowded: number; readonly full: number };
}

export interface ConnectionGuard {
  readonly counters: ConnectionCounters;
  /** Takes connections for the server; resolves to the port. Rejects with the system's error. */
  listen(server: Server, credentials: ServerCredentials, address: { host: string; port: number }): Promise<number>;
  /** A call on this connection is of somebody who is known. `peer`: as grpc-js gives it. */
  proven(peer: string): void;
  /** Takes no more connections, and closes those that have not proved themselves; resolves when all are closed, by whomever. */
  stop(): Promise<void>;
}

const CONNECTIONS_MAX = 20_000;
const UNPROVEN_MAX = 2000;
const PROVEN_WITHIN_MS = 15_000;

interface Unproven {
  readonly socket: Socket;
  readonly cancel: () => void;
}

export function createConnectionGuard(
  limits: ConnectionLimits,
  { schedule }: { readonly schedule: Schedule },
): ConnectionGuard {
  const connectionsMax = limits.connectionsMax ?? CONNECTIONS_MAX;
  const unprovenMax = limits.unprovenMax ?? UNPROVEN_MAX;
  const provenWithinMs = limits.provenWithinMs ?? PROVEN_WITHIN_MS;
  const closed = { slow: 0, crowded: 0, full: 0 };
  const listeners: NetServer[] = [];
  /** Those that have not proved themselves, by address of the other side, the oldest first. */
  const unproven = new Map<string, Map<string, Unproven>>();
  let open = 0;
  let unprovenCount = 0;

  function forget(host: string, peer: string): Unproven | undefined {
    const ofHost = unproven.get(host);
    const entry = ofHost?.get(peer);
    if (ofHost === undefined || entry === undefined) return undefined;
    entry.cancel();
    ofHost.delete(peer);
    if (ofHost.size === 0) unproven.delete(host);
    unprovenCount--;
    return entry;
  }

  function drop(host: string, peer: string, reason: keyof typeof closed): void {
    const entry = forget(host, peer);
    if (entry === undefined) return;
    closed[reason]++;
    entry.socket.destroy();
  }

  /** Of whoever has most of them the oldest: so a flood of one address drives out its own. */
  function dropOne(): boolean {
    let most: [string, Map<string, Unproven>] | undefined;
    for (const entry of unproven) if (most === undefined || entry[1].size > most[1].size) most = entry;
    const oldest = most?.[1].keys().next().value;
    if (most === undefined || oldest === undefined) return false;
    drop(most[0], oldest, 'crowded');
    return true;
  }

  function take(socket: Socket, inject: (socket: Socket) => void): void {
    const host = socket.remoteAddress;
    const port = socket.remotePort;
    // It has gone already.
    if (host === undefined || port === undefined) {
      socket.destroy();
      return;
    }
    socket.on('error', () => undefined);
    if (open >= connectionsMax && !dropOne()) {
      closed.full++;
      socket.destroy();
      return;
    }
    if (unprovenCount >= unprovenMax) dropOne();
    open++;
    const peer = `${host}:${port}`;
    const cancel = schedule(() => drop(host, peer, 'slow'), provenWithinMs);
    const ofHost = unproven.get(host) ?? new Map<string, Unproven>();
    unproven.set(host, ofHost);
    ofHost.set(peer, { socket, cancel });
    unprovenCount++;
    socket.once('close', () => {
      open--;
      forget(host, peer);
    });
    inject(socket);
  }

  return {
    counters: {
      get open() {
        return open;
      },
      get unproven() {
        return unprovenCount;
      },
      closed,
    },
    async listen(server, credentials, { host, port }) {
      const injector = server.createConnectionInjector(credentials);
      const onSocket = (socket: Socket) => take(socket, (taken) => injector.injectConnection(taken));
      let boundPort = port;
      let problem: unknown;
      for (const address of await addressesOf(host)) {
        const listener = createServer({ noDelay: true }, onSocket);
        try {
          boundPort = await bind(listener, address, boundPort);
          listeners.push(listener);
        } catch (error) {
          problem ??= error;
        }
      }
      // A name may have an address of a family that this machine lacks.
      if (listeners.length === 0) throw problem;
      return boundPort;
    },
    proven(peer) {
      const at = peer.lastIndexOf(':');
      if (at > 0) forget(peer.slice(0, at), peer);
    },
    async stop() {
      const ended = listeners.map((listener) => new Promise<void>((resolve) => listener.close(() => resolve())));
      for (const ofHost of unproven.values()) for (const { socket } of ofHost.values()) socket.destroy();
      await Promise.all(ended);
    },
  };
}

/** A name may stand for an address of each family, such as "localhost". */
async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  return [...new Set((await lookup(host, { all: true })).map(({ address }) => address))];
}

function bind(listener: NetServer, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen({ host, port, backlog: 1024 }, () => {
      listener.off('error', reject);
      listener.on('error', () => undefined);
      const address = listener.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
