// An HTTP proxy in front of a real server, on which answers get lost. It forwards requests as they are (the signature of a
// request covers its Host header, which stays the proxy's) and does to single ones what a test asks. Knows HTTP alone.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

/** A request that came to the proxy. */
export interface ProxiedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface CannedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What happens to one request. `undefined`: it is forwarded, and answered as the server answers. */
export type Trouble =
  | undefined
  /** The server never sees it; the connection ends. */
  | 'cut-before'
  /** The server carries it out; the connection ends without an answer. */
  | 'drop-answer'
  /** The server carries it out; half of the body of the answer comes, then the connection ends. */
  | 'cut-answer'
  /** The server carries it out, and its answer comes this much later. */
  | { readonly delayMs: number }
  /** The server sees it this much later; who asked waits for the answer. */
  | { readonly heldMs: number }
  /** The connection ends; the server sees it this much later, and carries it out. */
  | { readonly lateMs: number }
  /** The server carries it out; this is the answer nevertheless. */
  | { readonly afterwards: CannedAnswer }
  /** The server never sees it; this is the answer. */
  | { readonly instead: CannedAnswer };

export interface TroubleProxy {
  /** http://127.0.0.1:port */
  readonly endpoint: string;
  /** All requests since the last `trouble`. */
  readonly requests: readonly ProxiedRequest[];
  /** Asked for each request from now on. */
  trouble(decide: (request: ProxiedRequest) => Trouble | Promise<Trouble>): void;
  stop(): Promise<void>;
}

/** Where the server is: http://host:port, or a Unix socket. */
export type Upstream = string | { readonly socketPath: string };

/** @param port where the proxy listens, on the loopback interface; by default a free one */
export async function startTroubleProxy(upstream: Upstream, port = 0): Promise<TroubleProxy> {
  let decide: (request: ProxiedRequest) => Trouble | Promise<Trouble> = () => undefined;
  let requests: ProxiedRequest[] = [];
  const stopped = new AbortController();
  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = incoming;
    const proxied = { method, url, headers, body: await buffer(incoming) };
    requests.push(proxied);
    const trouble = await decide(proxied);
    if (trouble === 'cut-before') {
      incoming.socket.destroy();
    } else if (typeof trouble === 'object' && 'instead' in trouble) {
      answer(response, trouble.instead);
    } else if (typeof trouble === 'object' && 'lateMs' in trouble) {
      incoming.socket.destroy();
      await delay(trouble.lateMs, undefined, { signal: stopped.signal });
      await forward(upstream, proxied);
    } else {
      if (typeof trouble === 'object' && 'heldMs' in trouble) {
        await delay(trouble.heldMs, undefined, { signal: stopped.signal });
      }
      const { status, headers: answered, body } = await forward(upstream, proxied);
      if (typeof trouble === 'object' && 'delayMs' in trouble) {
        await delay(trouble.delayMs, undefined, { signal: stopped.signal });
      }
      if (trouble === 'drop-answer') {
        incoming.socket.destroy();
      } else if (typeof trouble === 'object' && 'afterwards' in trouble) {
        answer(response, trouble.afterwards);
      } else {
        response.writeHead(status, answered);
        if (trouble === 'cut-answer') {
          response.write(body.subarray(0, body.length / 2), () => incoming.socket.destroy());
        } else {
          response.end(body);
        }
      }
    }
  };
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    trouble: (next) => {
      decide = next;
      requests = [];
    },
    stop: async () => {
      stopped.abort();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function answer(response: ServerResponse, { status, headers = {}, body = '' }: CannedAnswer): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers });
  response.end(body);
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
}

async function forward(upstream: Upstream, { method, url, headers, body }: ProxiedRequest): Promise<Answer> {
  const options = { method, headers, agent: false } as const;
  const outgoing =
    typeof upstream === 'string' ? request(new URL(url, upstream), options) : request({ ...options, ...upstream });
  // The path as it came: a URL would normalize it, and the signature would not fit.
  outgoing.path = url;
  outgoing.end(body);
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  const answered = Object.entries(incoming.headers).filter(
    (entry): entry is [string, string | string[]] => entry[1] !== undefined && !HOP_BY_HOP.has(entry[0]),
  );
  return { status: incoming.statusCode!, headers: Object.fromEntries(answered), body: await buffer(incoming) };
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding']);
