// FlowService as a service of the aggregator's gRPC server: one watcher for each stream, as fast as its reader takes it. A
// component: nothing is read from the store while nobody watches. Knows streams; what is in them comes from watcher.ts.

import { FlowService, grpcService, type RpcService } from '@flowtoll/proto';
import type { Metadata, ServerWritableStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { FlowtollError } from '../model/errors.ts';
import { ANYBODY, type Reader } from '../model/reader.ts';
import { type Schedule, timers } from '../model/schedule.ts';
import type { ObjectStore } from '../store/store.ts';
import { LogTail } from '../table/log-tail.ts';
import { DataFileSource } from './data-file-source.ts';
import { keepAsking } from './keep-asking.ts';
import { createReaderThread } from './reader-thread.ts';
import { type RpcStatus, rpcStatus, watchFromProto, watchResponse } from './watch-messages.ts';
import { type WatchDependencies, watch } from './watcher.ts';

/** The part of pino that is used here. */
interface Logger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface FlowServiceConfig {
  /** Streams at one time; more are refused. Each costs some MiB while its reader is slow. */
  readonly watchersMax: number;
  /** Streams of one reader at one time. Default: as many as there may be. */
  readonly watchersPerReaderMax?: number;
  /** How often the store is asked for new commits of other replicas while somebody watches, in ms. */
  readonly pollMs?: number;
  /** How often it is asked whether the log was set back, in ms. */
  readonly verifyMs?: number;
  /** After how long without a message one says where the stream is, in ms. */
  readonly heartbeatMs?: number;
  /** How often it is asked whether a reader may still see what they see, in ms. */
  readonly askAgainMs?: number;
  /** How long a message may wait for its reader before the stream ends, in ms. */
  readonly stalledMs?: number;
}

export interface FlowServiceDependencies {
  readonly store: ObjectStore;
  /** Key of the table's root in the store. */
  readonly root: string;
  readonly log: Logger;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** A version of the table that is known to exist; -1 if none is. */
  readonly knownVersion?: () => number;
  /** Rejects when the table cannot be read by this code, so that nobody begins to watch it. */
  readonly requireReadable?: () => Promise<void>;
  /** Who makes a call, by its metadata; undefined: nobody was let in. Default: nobody is asked. */
  readonly readerOf?: (metadata: Metadata) => Reader | undefined;
  readonly schedule?: Schedule;
}

export interface FlowServiceCounters {
  opened: number;
  /** Refused, because there were as many as may be, of all readers or of one. */
  refused: number;
  /** Refused at the beginning or later, because the reader may not see what they asked for, or is not whom they said. */
  forbidden: number;
  /** Ended, because their reader took nothing for too long. */
  stalled: number;
  /** Ended, because rows could no longer be told. */
  expired: number;
  rows: number;
  bytes: number;
}

export interface FlowServer extends RpcService {
  readonly counters: FlowServiceCounters;
  /** Streams that are open. */
  readonly watchers: number;
  /** This process has committed: who follows hears of it at once. */
  committed(): void;
  /** Ends all streams, and gives back memory. */
  stop(): Promise<void>;
}

const POLL_MS = 1000;
const VERIFY_MS = 30_000;
const HEARTBEAT_MS = 10_000;
const ASK_AGAIN_MS = 30_000;
const STALLED_MS = 300_000;

/** Requests come as bytes, too, so that their size is looked at before anything is made of them. */
type WatchCall = ServerWritableStream<Buffer, Buffer>;

/** One stream. */
interface Watching {
  readonly stop: AbortController;
  readonly reader: Reader;
  /** Why it ends, where the reader is to be told. */
  ending: FlowtollError | undefined;
}

export function createFlowService(config: FlowServiceConfig, dependencies: FlowServiceDependencies): FlowServer {
  const { store, root, log, now } = dependencies;
  const schedule = dependencies.schedule ?? timers;
  const tail = new LogTail(store, root, {
    pollMs: config.pollMs ?? POLL_MS,
    verifyMs: config.verifyMs ?? VERIFY_MS,
    now,
    schedule,
    ...(dependencies.knownVersion && { hint: dependencies.knownVersion }),
  });
  const reader = createReaderThread();
  const heartbeatMs = config.heartbeatMs ?? HEARTBEAT_MS;
  const parts: WatchDependencies = {
    store,
    tail,
    files: new DataFileSource(store),
    reader,
    schedule,
    heartbeatMs,
    now,
  };
  const counters: FlowServiceCounters = {
    opened: 0,
    refused: 0,
    forbidden: 0,
    stalled: 0,
    expired: 0,
    rows: 0,
    bytes: 0,
  };
  const askAgainMs = config.askAgainMs ?? ASK_AGAIN_MS;
  const stalledMs = config.stalledMs ?? STALLED_MS;
  const perReaderMax = config.watchersPerReaderMax ?? config.watchersMax;
  const readerOf = dependencies.readerOf ?? (() => ANYBODY);
  const open = new Map<Watching, Promise<void>>();
  let stopping = false;

  async function serve(call: WatchCall, watching: Watching): Promise<RpcStatus | undefined> {
    const peer = call.getPeer();
    const { reader, stop } = watching;
    const endWith = (error: FlowtollError): void => {
      watching.ending ??= error;
      stop.abort();
    };
    try {
      const { start, query: queryOf, namespacesAsked } = watchFromProto(call.request);
      const allowed = await reader.allowed(namespacesAsked);
      const query = queryOf(allowed);
      await dependencies.requireReadable?.();
      const stopAsking = keepAsking(
        { reader: reader.name, asked: namespacesAsked, seen: allowed, everyMs: askAgainMs },
        { allowed: reader.allowed, now, schedule, onEnd: endWith },
      );
      log.info(
        {
          ...{ peer, reader: reader.name, namespaces: allowed === 'all' ? 'all' : [...allowed], from: start.at },
          ...{ filters: query.parameters.length, columns: query.columns.length },
        },
        'watcher begins',
      );
      try {
        await follow(call, watching, watch(start, query, parts, stop.signal), endWith);
      } finally {
        stopAsking();
      }
      if (watching.ending !== undefined) throw watching.ending;
      return stopping ? { code: status.UNAVAILABLE, details: 'this replica is stopping: go on elsewhere' } : undefined;
    } catch (error) {
      const end = rpcStatus(error);
      if (end.code === status.OUT_OF_RANGE) counters.expired++;
      if (end.code === status.PERMISSION_DENIED || end.code === status.UNAUTHENTICATED) {
        counters.forbidden++;
        log.info({ peer, reader: reader.name, reason: end.details }, 'watcher refused');
      }
      if (!(error instanceof FlowtollError)) log.error({ err: error, peer }, 'a watcher failed');
      return end;
    }
  }

  async function follow(
    call: WatchCall,
    { stop }: Watching,
    events: ReturnType<typeof watch>,
    endWith: (error: FlowtollError) => void,
  ): Promise<void> {
    /** The last message, on its way: the next is read meanwhile, and not sent before. */
    let sent: Promise<void> = Promise.resolve();
    const onStalled = () => {
      counters.stalled++;
      const message = `nothing was taken for ${stalledMs / 1000} s: go on with the token when there is room`;
      endWith(new FlowtollError('READER_STALLED', message));
    };
    for await (const event of events) {
      await sent;
      if (stop.signal.aborted) break;
      const bytes = watchResponse(event);
      counters.bytes += bytes.length;
      if (event.kind === 'rows') counters.rows += event.rowCount;
      const cancel = schedule(onStalled, stalledMs);
      sent = write(call, bytes, stop.signal).finally(cancel);
    }
    await sent;
  }

  function refuse(call: WatchCall, reader: Reader): RpcStatus | undefined {
    if (stopping) return { code: status.UNAVAILABLE, details: 'this replica is stopping: go on elsewhere' };
    const own = [...open.keys()].filter((other) => other.reader.name === reader.name).length;
    if (open.size < config.watchersMax && own < perReaderMax) return undefined;
    counters.refused++;
    log.info(
      { peer: call.getPeer(), reader: reader.name, open: open.size, own },
      'watcher refused: there are too many',
    );
    return rpcStatus(
      own >= perReaderMax && perReaderMax < config.watchersMax
        ? new FlowtollError(
            'READER_BUSY',
            `this reader has ${own} streams here, as many as one may (--watchers-per-reader): end one, or ask another replica`,
          )
        : new FlowtollError(
            'WATCHERS_FULL',
            `this replica serves ${open.size} watchers, as many as it may (--watchers-max): ask another one, or later`,
          ),
    );
  }

  function onWatch(call: WatchCall): void {
    const reader = readerOf(call.metadata);
    if (reader === undefined) {
      counters.forbidden++;
      end(call, rpcStatus(new FlowtollError('READER_UNKNOWN', 'nobody was let in: give a token')));
      return;
    }
    const refusal = refuse(call, reader);
    if (refusal !== undefined) {
      end(call, refusal);
      return;
    }
    counters.opened++;
    const watching: Watching = { stop: new AbortController(), reader, ending: undefined };
    const onGone = () => watching.stop.abort();
    call.on('cancelled', onGone);
    call.on('error', onGone);
    call.on('close', onGone);
    const done = serve(call, watching).then((result) => {
      open.delete(watching);
      if (result !== undefined) end(call, result);
      else if (!call.cancelled) call.end();
    });
    open.set(watching, done);
  }

  const definition = grpcService(FlowService);
  return {
    definition: {
      ...definition,
      // Messages are read and made as bytes.
      watch: {
        ...definition['watch']!,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
      },
    },
    implementation: { watch: onWatch },
    counters,
    get watchers() {
      return open.size;
    },
    committed: () => tail.poke(),
    async stop() {
      stopping = true;
      for (const { stop } of open.keys()) stop.abort();
      tail.close();
      await Promise.all(open.values());
      await reader.close();
    },
  };
}

/** Ends the stream with an error; grpc-js takes code, details and metadata from what is emitted. */
function end(call: WatchCall, { code, details, metadata }: RpcStatus): void {
  call.emit('error', { code, details, ...(metadata && { metadata }) });
}

/** Resolves when the reader has room again, or when nobody waits any more. */
function write(call: WatchCall, bytes: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done);
    call.write(bytes, done);
  });
}
