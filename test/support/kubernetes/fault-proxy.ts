// An HTTP(S) proxy before an API server, on which lists and watches meet trouble. It forwards requests as they are and does to single ones
// what a test asks; open watches can be cut or silenced, and the server can be away. Knows HTTP and which requests are watches.
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestCluster } from './test-cluster.ts';

/** A GET that came to the proxy. */
export interface FaultRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly watching: boolean;
  /** How many requests came before it. */
  readonly number: number;
}

/** What happens to one request. `undefined`: nothing. */
export type Fault =
  | undefined
  /** The server never sees it; the connection ends. */
  | 'cut-before'
  /** It is taken, and nothing is ever answered. */
  | 'never-answered'
  /** The answer begins, and nothing follows. */
  | 'silent'
  /** The server never sees it; this is the answer: 401, 410, 429 and the like, as a Status of the API. */
  | { readonly status: number; readonly retryAfterS?: number }
  /** An ERROR event of this code comes instead of the watch. */
  | { readonly errorEvent: number }
  /** After so many bytes of the answer the connection ends. */
  | { readonly cutAfterBytes: number }
  /** The answer comes in so many pieces, with this wait before each. */
  | { readonly pieces: number; readonly delayMs: number }
  /** These lines come before what the server says. */
  | { readonly linesBefore: readonly string[] };

export interface FaultProxy {
  readonly server: string;
  /** All requests so far. */
  readonly requests: readonly FaultRequest[];
  /** Asked for each request from now on. */
  fault(decide: (request: FaultRequest) => Fault): void;
  /** Open watches end, wherever they are. */
  cutWatches(): void;
  /** Nothing more comes on open watches, and they stay open. */
  silenceWatches(): void;
  /** Whether connections are refused, the open ones ended. */
  away(away: boolean): Promise<void>;
  stop(): Promise<void>;
}

interface OpenWatch {
  readonly response: ServerResponse;
  silent: boolean;
}

export async function startFaultProxy(upstream: Pick<TestCluster, 'server' | 'tls'>): Promise<FaultProxy> {
  let decide: (request: FaultRequest) => Fault = () => undefined;
  const requests: FaultRequest[] = [];
  const watches = new Set<OpenWatch>();
  const stopped = new AbortController();

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(incoming.url ?? '/', 'http://proxy');
    const watching = url.searchParams.get('watch') === 'true';
    const request = { path: url.pathname, query: url.searchParams, watching, number: requests.length };
    requests.push(request);
    const fault = decide(request);
    if (fault === 'cut-before') {
      incoming.socket.destroy();
      return;
    }
    if (fault === 'never-answered') return;
    if (typeof fault === 'object' && 'status' in fault) {
      refuse(response, fault.status, fault.retryAfterS);
      return;
    }
    if (typeof fault === 'object' && 'errorEvent' in fault) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify({ type: 'ERROR', object: statusOf(fault.errorEvent) })}\n`);
      return;
    }
    await forward(incoming, response, fault, watching);
  };

  const forward = async (
    incoming: IncomingMessage,
    response: ServerResponse,
    fault: Exclude<Fault, 'cut-before' | 'never-answered' | { status: number } | { errorEvent: number }>,
    watching: boolean,
  ): Promise<void> => {
    const outgoing = (upstream.tls === undefined ? httpRequest : httpsRequest)(`${upstream.server}${incoming.url}`, {
      method: incoming.method ?? 'GET',
      headers: { ...incoming.headers, host: new URL(upstream.server).host },
      agent: false,
      ...(upstream.tls === undefined ? {} : { ca: upstream.tls.ca }),
    });
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    const watch = { response, silent: fault === 'silent' };
    if (watching) watches.add(watch);
    const pieces = typeof fault === 'object' && 'pieces' in fault ? fault : undefined;
    let left = typeof fault === 'object' && 'cutAfterBytes' in fault ? fault.cutAfterBytes : Number.POSITIVE_INFINITY;
    if (typeof fault === 'object' && 'linesBefore' in fault) {
      for (const line of fault.linesBefore) response.write(`${line}\n`);
    }
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        if (watch.silent) continue;
        for (const piece of pieces === undefined ? [chunk] : split(chunk, pieces.pieces)) {
          if (pieces !== undefined) await delay(pieces.delayMs, undefined, { signal: stopped.signal });
          response.write(piece.subarray(0, left));
          left -= piece.length;
        }
        if (left <= 0) {
          response.socket?.end();
          response.destroy();
        }
      }
      if (!watch.silent) response.end();
    } finally {
      watches.delete(watch);
    }
  };

  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    handle(incoming, response).catch(() => response.destroy());
  };
  const { tls } = upstream;
  const make = () =>
    tls === undefined ? createServer(listener) : createTlsServer({ cert: tls.certificate, key: tls.key }, listener);
  let server = make();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return {
    server: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    requests,
    fault: (next) => {
      decide = next;
    },
    cutWatches: () => {
      for (const { response } of watches) response.destroy();
    },
    silenceWatches: () => {
      for (const watch of watches) watch.silent = true;
    },
    away: async (away) => {
      if (away) await close();
      else if (!server.listening) {
        server = make();
        server.listen(port, '127.0.0.1');
        await once(server, 'listening');
      }
    },
    stop: async () => {
      stopped.abort();
      await close();
    },
  };
}

function split(chunk: Buffer, pieces: number): Buffer[] {
  const size = Math.max(1, Math.ceil(chunk.length / pieces));
  const parts: Buffer[] = [];
  for (let start = 0; start < chunk.length; start += size) parts.push(chunk.subarray(start, start + size));
  return parts;
}

const REASONS: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
};

function statusOf(code: number): object {
  const reason = REASONS[code];
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `played: ${reason}`,
    reason,
    code,
  };
}

function refuse(response: ServerResponse, status: number, retryAfterS: number | undefined): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }),
  });
  response.end(JSON.stringify(statusOf(status)));
}
