// A proxy in front of an S3 server that writes down what is asked of it: which operation, on what, with which headers and as whom, and
// how it was answered. Bodies pass through and are not kept. Knows S3's requests; nothing of Flowtoll, and nothing of who may do what
// (s3-permissions.ts).
import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Upstream } from './trouble-proxy.ts';

/** Names of the API's reference. Those that are missing are not told from one another: see `operationOf`. */
export type S3Operation =
  | 'AbortMultipartUpload'
  | 'CompleteMultipartUpload'
  | 'CreateMultipartUpload'
  | 'DeleteObject'
  | 'GetBucketLocation'
  | 'GetObject'
  | 'HeadBucket'
  | 'HeadObject'
  | 'ListMultipartUploads'
  | 'ListObjects'
  | 'ListObjectsV2'
  | 'ListParts'
  | 'PutObject'
  | 'UploadPart';

/** A request and how it ended. */
export interface S3Request {
  /** Undefined where it is none that this module knows. */
  readonly operation: S3Operation | undefined;
  readonly method: string;
  readonly bucket: string;
  /** The object's key, decoded; undefined where the bucket itself is asked. */
  readonly key: string | undefined;
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** Id of the access key that signed it; undefined where nobody did. */
  readonly identity: string | undefined;
  /** Status of the answer; undefined while there is none, or where the connection broke. */
  readonly status: number | undefined;
}

export interface S3Recorder {
  /** http://host:port, to be given as AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  /** All requests since the start or the last `clear`, in the order in which they came. */
  readonly requests: readonly S3Request[];
  clear(): void;
  stop(): Promise<void>;
}

export interface S3RecorderOptions {
  /** Address to listen on. Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: a free one. */
  readonly port?: number;
}

/** Starts it before a server that has buckets in the path. */
export async function startS3Recorder(upstream: Upstream, options: S3RecorderOptions = {}): Promise<S3Recorder> {
  const { host = '127.0.0.1', port = 0 } = options;
  let requests: S3Request[] = [];
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, response) => {
    const asked: Writable<S3Request> = { ...describeRequest(incoming), status: undefined };
    requests.push(asked);
    forward(upstream, agent, incoming, response, (status) => {
      asked.status = status;
    }).catch(() => response.destroy());
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    endpoint: `http://${host}:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    clear: () => {
      requests = [];
    },
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      agent.destroy();
    },
  };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function describeRequest({ method = '', url = '', headers }: IncomingMessage): Omit<S3Request, 'status'> {
  const [path = '', query = ''] = splitOnce(url, '?');
  const [bucket = '', key = ''] = splitOnce(path.slice(1), '/');
  const asked = {
    method,
    bucket: decodeURIComponent(bucket),
    key: key === '' ? undefined : decodeURIComponent(key),
    query: Object.fromEntries(new URLSearchParams(query)),
    headers,
  };
  return { ...asked, operation: operationOf(asked), identity: signerOf(asked) };
}

/** The operation by method, query and headers, as S3's reference of the API has them. */
export function operationOf({ method, key, query, headers }: Omit<S3Request, 'operation' | 'identity' | 'status'>) {
  return key === undefined ? bucketOperation(method, query) : objectOperation(method, query, headers);
}

function bucketOperation(method: string, query: S3Request['query']): S3Operation | undefined {
  if (method === 'HEAD') return 'HeadBucket';
  if (method !== 'GET') return undefined;
  if ('location' in query) return 'GetBucketLocation';
  if ('uploads' in query) return 'ListMultipartUploads';
  if (query['list-type'] === '2') return 'ListObjectsV2';
  // What else can be asked of a bucket (its policy, versions, tags, …) has a word of its own.
  const ofListing = /^(prefix|delimiter|marker|max-keys|encoding-type)$|^x-/;
  return Object.keys(query).every((name) => ofListing.test(name)) ? 'ListObjects' : undefined;
}

function objectOperation(
  method: string,
  query: S3Request['query'],
  headers: S3Request['headers'],
): S3Operation | undefined {
  const words = Object.keys(query).filter((name) => !/^(x-|X-Amz-|response-)/.test(name));
  const is = (...expected: readonly string[]): boolean =>
    words.length === expected.length && expected.every((word) => words.includes(word));
  if (headers['x-amz-copy-source'] !== undefined) return undefined;
  switch (method) {
    case 'GET':
      return is() || is('partNumber') ? 'GetObject' : is('uploadId') ? 'ListParts' : undefined;
    case 'HEAD':
      return is() || is('partNumber') ? 'HeadObject' : undefined;
    case 'PUT':
      return is() ? 'PutObject' : is('partNumber', 'uploadId') ? 'UploadPart' : undefined;
    case 'POST':
      return is('uploads') ? 'CreateMultipartUpload' : is('uploadId') ? 'CompleteMultipartUpload' : undefined;
    case 'DELETE':
      return is() ? 'DeleteObject' : is('uploadId') ? 'AbortMultipartUpload' : undefined;
    default:
      return undefined;
  }
}

function signerOf({ headers, query }: Pick<S3Request, 'headers' | 'query'>): string | undefined {
  const credential = /Credential=([^/,]+)\//.exec(headers.authorization ?? '')?.[1];
  return credential ?? query['X-Amz-Credential']?.split('/')[0];
}

/** Bodies flow both ways; the request keeps its Host header, which its signature covers. */
async function forward(
  upstream: Upstream,
  agent: Agent,
  incoming: IncomingMessage,
  response: ServerResponse,
  onStatus: (status: number) => void,
): Promise<void> {
  const { method, url } = incoming;
  // The server of this proxy has answered the expectation already.
  const { expect: _, ...headers } = incoming.headers;
  const options = { method, headers, agent } as const;
  const outgoing =
    typeof upstream === 'string' ? request(new URL(upstream), options) : request({ ...options, ...upstream });
  // The path as it came: a URL would normalize it, and the signature would not fit.
  outgoing.path = url!;
  response.on('close', () => {
    if (!response.writableFinished) outgoing.destroy();
  });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  const [, [answer]] = await Promise.all([hasBody ? pipeline(incoming, outgoing) : outgoing.end(), answered]);
  onStatus(answer.statusCode!);
  response.writeHead(answer.statusCode!, headersOf(answer));
  await pipeline(answer, response);
}

function headersOf({ headers }: IncomingMessage): Record<string, string | string[]> {
  const kept = Object.entries(headers).filter(
    (entry): entry is [string, string | string[]] => entry[1] !== undefined && !HOP_BY_HOP.has(entry[0]),
  );
  return Object.fromEntries(kept);
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding']);

function splitOnce(text: string, separator: string): [before: string, after: string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
