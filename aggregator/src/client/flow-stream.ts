// FlowService.Watch from a client's side: one stream after another, each from where the last one ended, so that whoever reads
// sees the table's rows once whatever happens to replicas and connections. Knows gRPC; knows nothing of what rows mean.
import { setTimeout as sleep } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import {
  FlowService,
  grpcMethod,
  type ResumeExpired,
  ResumeExpiredSchema,
  silenceGrpcLog,
  type WatchRequest,
  type WatchResponse,
} from '@flowtoll/proto';
import { type ClientTls, plainText } from '@flowtoll/proto/tls';
import { Client, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { FlowtollError } from '../model/errors.ts';

export interface FlowStreamOptions {
  /** host:port */
  readonly server: string;
  /** Default: plain text. */
  readonly channel?: ClientTls;
  /** What to show the server, asked for before each stream, because somebody may renew it. Default: nothing. */
  readonly token?: (() => Promise<string>) | undefined;
  readonly request: WatchRequest;
  readonly signal: AbortSignal;
  /** Whether to wait for a server that is not there from the beginning, too. */
  readonly isPatient: boolean;
  /** The stream broke and is opened again after a pause of so many ms. */
  readonly onRetry?: (reason: string, pauseMs: number) => void;
}

export type FlowStreamEvent =
  | { readonly kind: 'message'; readonly message: WatchResponse }
  /** Rows are missed; the stream goes on behind them. */
  | { readonly kind: 'expired'; readonly missed: ResumeExpired };

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;
const EXPIRED_TRAILER = 'flowtoll-resume-expired-bin';

/** What passes by itself, or with another replica. */
const PASSING: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.RESOURCE_EXHAUSTED,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.INTERNAL,
  status.UNKNOWN,
]);

/**
 * Messages for ever, or until the signal aborts. Throws what the server refuses, and SERVER_UNAVAILABLE when there is no server
 * from the beginning and it is not patient; later it waits for one to come back.
 */
export async function* followFlows(options: FlowStreamOptions): AsyncGenerator<FlowStreamEvent, void, undefined> {
  silenceGrpcLog();
  const { credentials, channelOptions } = options.channel ?? plainText();
  const client = new Client(options.server, credentials, {
    ...channelOptions,
    'grpc.max_receive_message_length': 64 << 20,
    // A server that is gone without a word is noticed.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.initial_reconnect_backoff_ms': RETRY_MIN_MS,
  });
  let { from } = options.request;
  let wasThere = options.isPatient;
  let pauseMs = RETRY_MIN_MS;
  try {
    while (!options.signal.aborted) {
      const token = await options.token?.();
      try {
        for await (const message of oneStream(client, { ...options.request, from }, token, options.signal)) {
          wasThere = true;
          pauseMs = RETRY_MIN_MS;
          yield { kind: 'message', message };
          // After it was processed, not before: whoever fails at it gets it again.
          from = { case: 'resumeToken', value: message.resumeToken };
        }
        if (options.signal.aborted) return;
        options.onRetry?.('the server ended the stream', pauseMs);
      } catch (error) {
        if (options.signal.aborted) return;
        if (!isServiceError(error)) throw error;
        const missed = missedOf(error);
        if (missed !== undefined) {
          yield { kind: 'expired', missed };
          from = { case: 'resumeToken', value: missed.resumeToken };
          continue;
        }
        // One that has expired may have been renewed meanwhile.
        const isRenewed = error.code === status.UNAUTHENTICATED && (await options.token?.()) !== token;
        if (!isRenewed && (!PASSING.has(error.code) || !wasThere)) throw refusal(options.server, error);
        options.onRetry?.(error.details, pauseMs);
      }
      await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS);
    }
  } finally {
    client.close();
  }
}

async function* oneStream(
  client: Client,
  request: WatchRequest,
  token: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse, void, undefined> {
  const { path, requestSerialize, responseDeserialize } = grpcMethod(FlowService.method.watch);
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const call = client.makeServerStreamRequest(
    path,
    requestSerialize,
    (bytes) => responseDeserialize(bytes) as WatchResponse,
    request,
    metadata,
  );
  const cancel = () => call.cancel();
  signal.addEventListener('abort', cancel);
  try {
    if (signal.aborted) return;
    yield* call as AsyncIterable<WatchResponse>;
  } finally {
    signal.removeEventListener('abort', cancel);
    // What comes after nobody reads any more is nobody's error.
    call.on('error', () => undefined);
    call.cancel();
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'metadata' in error;
}

function missedOf(error: ServiceError): ResumeExpired | undefined {
  if (error.code !== status.OUT_OF_RANGE) return undefined;
  const [trailer] = error.metadata.get(EXPIRED_TRAILER);
  return trailer instanceof Buffer ? fromBinary(ResumeExpiredSchema, trailer) : undefined;
}

function refusal(server: string, error: ServiceError): FlowtollError {
  const [, code, text] = /^([A-Z_]+): (.*)$/s.exec(error.details) ?? [];
  switch (code) {
    case 'REQUEST_INVALID':
    case 'READER_UNKNOWN':
    case 'READER_FORBIDDEN':
    case 'READER_BUSY':
    case 'READER_STALLED':
    case 'IDENTITY_UNAVAILABLE':
    case 'WATCHERS_FULL':
    case 'STORE_UNAVAILABLE':
    case 'TABLE_INVALID':
      return new FlowtollError(code, text ?? '', { cause: error });
    default:
      return new FlowtollError(
        'SERVER_UNAVAILABLE',
        `no aggregator answers at ${server}: ${error.details}; name one that runs flowtoll serve with --server`,
        { cause: error },
      );
  }
}
