// The HTTP server that monitoring asks: /metrics, /livez, /readyz. Answers GET and HEAD, and nothing else; has no secrets,
// and changes nothing.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { ListenAddress } from './listen-address.ts';
import { METRICS_CONTENT_TYPE } from './metric.ts';

/** What is answered. */
export interface TelemetrySource {
  /** Metrics in the Prometheus text format; in pieces where it is long: between them the process does what else it has to do. */
  metrics(): string | Iterable<string>;
  /** Why the process should be started anew; undefined while it should not. */
  deadBecause(): string | undefined;
  /** Why the process cannot do its work now; undefined while it can. */
  notReadyBecause(): string | undefined;
}

export interface TelemetryServer {
  /** Listens; resolves to the real port. Rejects as node:net does. */
  start(): Promise<number>;
  /** Closes; answers that are under way are cut. */
  stop(): Promise<void>;
}

/** A prober that says nothing must not hold a socket for ever. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Makes the server; nothing happens before start(). */
export function createTelemetryServer({ host, port }: ListenAddress, source: TelemetrySource): TelemetryServer {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => answer(request, response, source),
  );
  // Monitoring alone does not keep a process alive.
  server.unref();
  return {
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          const address = server.address();
          resolve(typeof address === 'object' && address !== null ? address.port : port);
        });
      }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse, source: TelemetrySource): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, 'only GET and HEAD\n');
    return;
  }
  switch (request.url?.split('?')[0]) {
    case '/metrics':
      void sendMetrics(request, response, source);
      return;
    case '/livez':
      health(response, source.deadBecause());
      return;
    case '/readyz':
      health(response, source.notReadyBecause());
      return;
    default:
      send(response, 404, 'there are /metrics, /livez and /readyz\n');
  }
}

/** Text of series is long and repeats itself: it is compressed for whoever takes that, as Prometheus does. */
async function sendMetrics(request: IncomingMessage, response: ServerResponse, source: TelemetrySource): Promise<void> {
  response.setHeader('Content-Type', METRICS_CONTENT_TYPE);
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Vary', 'Accept-Encoding');
  const metrics = source.metrics();
  const text = Readable.from(typeof metrics === 'string' ? [metrics] : metrics, { highWaterMark: 1 });
  try {
    if (request.method === 'HEAD') response.end();
    else if (takesGzip(request)) {
      response.setHeader('Content-Encoding', 'gzip');
      await pipeline(text, createGzip({ level: 1 }), response);
    } else await pipeline(text, response);
  } catch {
    // Whoever asked has gone.
    response.destroy();
  }
}

function takesGzip({ headers }: IncomingMessage): boolean {
  const coding = String(headers['accept-encoding'] ?? '')
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .find((part) => /^gzip(;|$)/.test(part));
  return coding !== undefined && !/;\s*q=0(\.0*)?\s*$/.test(coding);
}

function health(response: ServerResponse, problem: string | undefined): void {
  send(response, problem === undefined ? 200 : 503, `${problem ?? 'ok'}\n`);
}

function send(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('Cache-Control', 'no-store');
  response.end(text);
}
