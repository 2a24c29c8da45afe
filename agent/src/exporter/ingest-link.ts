// One stream to an aggregator, from connecting to its end (proto/flowtoll/v1/ingest_service.proto). Only what goes over
// the wire: which batch when, and what to do after the end, is the exporter's.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type Acknowledgement,
  asBuffer,
  type Goodbye,
  type Hello,
  IngestRequestSchema,
  IngestResponseSchema,
  IngestService,
  silenceGrpcLog,
  type Throttle,
  type Welcome,
} from '@flowtoll/proto';
import { type ClientTls, plainText } from '@flowtoll/proto/tls';
import { type ChannelOptions, Client, Metadata, type StatusObject, status } from '@grpc/grpc-js';

/** What the exporter hears. After `onEnd` there is nothing more. */
export interface LinkHandlers {
  readonly onWelcome: (welcome: Welcome) => void;
  readonly onAcknowledgement: (acknowledgement: Acknowledgement) => void;
  readonly onThrottle: (throttle: Throttle) => void;
  /** The stream takes more, after `sendBatch` returned false. */
  readonly onDrain: () => void;
  readonly onEnd: (end: LinkEnd) => void;
}

/** Why a stream ended. */
export interface LinkEnd {
  /** gRPC status code. */
  readonly code: number;
  readonly details: string;
  /** The batch that the aggregator will never take, if it named one. */
  readonly rejectedSequence: number | undefined;
  /** Why the aggregator does not let us in, in its words; undefined where it was something else. */
  readonly refusal?: string | undefined;
}

export interface IngestLink {
  sendHello(hello: Hello): void;
  /**
   * Sends a serialised Batch; false when the stream would rather have no more before `onDrain`.
   * @param isHeldBack the next batch has to wait for an acknowledgement
   */
  sendBatch(batchBytes: Uint8Array, isHeldBack?: boolean): boolean;
  /** Ends the stream from this side, after a last word where there is one, and lets the aggregator end it; `onEnd` is not called. */
  finish(goodbye?: Goodbye): void;
  /** Breaks the stream off; `onEnd` is not called. */
  close(): void;
}

/** Opens one stream; what fails is heard through `onEnd`. */
export type OpenLink = (handlers: LinkHandlers) => IngestLink;

const PATH = `/${IngestService.typeName}/${IngestService.method.ingest.name}`;
const REJECTED_SEQUENCE_TRAILER = 'flowtoll-rejected-sequence';
const REFUSAL_TRAILER = 'flowtoll-refusal';

/** How long the end of a stream may take: the process stays for it. */
const FINISH_MS = 2000;

/** How often a silent connection is asked for a sign of life when nobody says otherwise. */
const KEEPALIVE_MS = 30_000;
/** Longest wait for that sign. */
const KEEPALIVE_ANSWER_MAX_MS = 10_000;

/** How links are made. */
export interface LinkOptions {
  /** Default: plain text. */
  readonly tls?: ClientTls | undefined;
  /** Asked for each stream: the token that it shows. What it throws ends the link. Default: none. */
  readonly token?: (() => string) | undefined;
  /**
   * Time between two questions for a sign of life, ms; default 30 s. Without an answer within the same time, at most 10 s,
   * the link ends.
   */
  readonly keepaliveMs?: number | undefined;
}

function channelOptions(keepaliveMs: number): ChannelOptions {
  return {
    // The exporter has its own backoff, and wants each attempt to be one: no memory of earlier failures, names looked up
    // anew.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': Math.min(keepaliveMs, KEEPALIVE_ANSWER_MAX_MS),
    'grpc.enable_retries': 0,
  };
}

/** Links over grpc-js to `address`, "host:port". */
export function createOpenLink(address: string, options: LinkOptions = {}): OpenLink {
  silenceGrpcLog();
  const tls = options.tls ?? plainText();
  const channel = { ...channelOptions(options.keepaliveMs ?? KEEPALIVE_MS), ...tls.channelOptions };
  return (handlers) => {
    const metadata = new Metadata();
    try {
      const token = options.token?.();
      if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    } catch (error) {
      return failedLink(handlers, error instanceof Error ? error.message : String(error));
    }
    const client = new Client(address, tls.credentials, channel);
    const stream = client.makeBidiStreamRequest(
      PATH,
      (request: Buffer) => request,
      (bytes) => fromBinary(IngestResponseSchema, bytes),
      metadata,
    );
    let ended = false;
    const close = () => {
      ended = true;
      stream.cancel();
      client.close();
    };
    stream.on('data', ({ message }: ReturnType<typeof fromBinary<typeof IngestResponseSchema>>) => {
      if (ended) return;
      if (message.case === 'welcome') handlers.onWelcome(message.value);
      else if (message.case === 'acknowledgement') handlers.onAcknowledgement(message.value);
      else if (message.case === 'throttle') handlers.onThrottle(message.value);
    });
    stream.on('drain', () => !ended && handlers.onDrain());
    // The status comes after it and says the same.
    stream.on('error', () => undefined);
    stream.on('status', (status: StatusObject) => {
      if (ended) return;
      close();
      handlers.onEnd({
        code: status.code,
        details: status.details,
        rejectedSequence: rejectedSequence(status.metadata.get(REJECTED_SEQUENCE_TRAILER)[0]),
        refusal: status.metadata.get(REFUSAL_TRAILER)[0]?.toString(),
      });
    });
    return {
      sendHello: (hello) => {
        const request = create(IngestRequestSchema, { message: { case: 'hello', value: hello } });
        stream.write(asBuffer(toBinary(IngestRequestSchema, request)));
      },
      sendBatch: (batchBytes, isHeldBack) => stream.write(batchRequest(batchBytes, isHeldBack)),
      finish(goodbye) {
        if (ended) return;
        ended = true;
        const timer = setTimeout(close, FINISH_MS);
        stream.on('status', () => {
          clearTimeout(timer);
          close();
        });
        if (goodbye !== undefined) {
          const request = create(IngestRequestSchema, { message: { case: 'goodbye', value: goodbye } });
          stream.write(asBuffer(toBinary(IngestRequestSchema, request)));
        }
        stream.end();
      },
      close,
    };
  };
}

/** Nothing was sent. Its end comes as that of any link does: after it was given out. */
function failedLink({ onEnd }: LinkHandlers, details: string): IngestLink {
  let isClosed = false;
  const close = () => {
    isClosed = true;
  };
  setImmediate(() => isClosed || onEnd({ code: status.UNAUTHENTICATED, details, rejectedSequence: undefined }));
  return { sendHello: () => undefined, sendBatch: () => false, finish: close, close };
}

function rejectedSequence(text: string | Buffer | undefined): number | undefined {
  const value = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/** Tag of IngestRequest.batch: field 2, length-delimited. */
const BATCH_TAG = 0x12;

/** IngestRequest.is_held_back, true: field 4, a varint. Its place is behind the batch. */
const HELD_BACK = Uint8Array.of(0x20, 1);
const NOT_HELD_BACK = new Uint8Array(0);

/** An IngestRequest around bytes that are a Batch already: tag, length, bytes. */
export function batchRequest(batchBytes: Uint8Array, isHeldBack = false): Buffer {
  const header = [BATCH_TAG];
  let rest = batchBytes.length;
  for (; rest >= 0x80; rest >>>= 7) header.push((rest & 0x7f) | 0x80);
  header.push(rest);
  return Buffer.concat([Uint8Array.from(header), batchBytes, isHeldBack ? HELD_BACK : NOT_HELD_BACK]);
}
