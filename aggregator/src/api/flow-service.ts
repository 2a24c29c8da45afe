// FlowService as a service of the aggregator's gRPC server: one watcher for each stream, as fast as its reader takes it. A
// component: nothing is read from the store while nobody watches. Knows streams; what is in them comes from watcher.ts.

import { FlowService, grpcService, type RpcService, type WatchRequest } from '@flowtoll/proto';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { FlowtollError } from '../model/errors.ts';
import { type Schedule, timers } from '../model/schedule.ts';
import type { ObjectStore } from '../store/store.ts';
import { LogTail } from '../table/log-tail.ts';
import { DataFileSource } from './data-file-source.ts';
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
  /** How often the store is asked for new commits of other replicas while somebody watches, in ms. */
  readonly pollMs?: number;
  /** How often it is asked whether the log was set back, in ms. */
  readonly verifyMs?: number;
  /** After how long without a message one says where the stream is, in ms. */
  readonly heartbeatMs?: number;
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
  readonly schedule?: Schedule;
}

export interface FlowServiceCounters {
  opened: number;
  /** Refused, because there were as many as may be. */
  refused: number;
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

type WatchCall = ServerWritableStream<WatchRequest, Buffer>;

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
  const counters: FlowServiceCounters = { opened: 0, refused: 0, expired: 0, rows: 0, bytes: 0 };
  const open = new Map<AbortController, Promise<void>>();
  let stopping = false;

  async function serve(call: WatchCall, stop: AbortController): Promise<RpcStatus | undefined> {
    const peer = call.getPeer();
    try {
      const { start, query } = watchFromProto(call.request);
      await dependencies.requireReadable?.();
      log.info({ peer, start, filters: query.parameters.length, columns: query.columns.length }, 'watcher begins');
      /** The last message, on its way: the next is read meanwhile, and not sent before. */
      let sent: Promise<void> = Promise.resolve();
      for await (const event of watch(start, query, parts, stop.signal)) {
        await sent;
        if (stop.signal.aborted) break;
        const bytes = watchResponse(event);
        counters.bytes += bytes.length;
        if (event.kind === 'rows') counters.rows += event.rowCount;
        sent = write(call, bytes, stop.signal);
      }
      await sent;
      return stopping ? { code: status.UNAVAILABLE, details: 'this replica is stopping: go on elsewhere' } : undefined;
    } catch (error) {
      const end = rpcStatus(error);
      if (end.code === status.OUT_OF_RANGE) counters.expired++;
      if (!(error instanceof FlowtollError)) log.error({ err: error, peer }, 'a watcher failed');
      return end;
    }
  }

  function refuse(call: WatchCall): RpcStatus | undefined {
    if (stopping) return { code: status.UNAVAILABLE, details: 'this replica is stopping: go on elsewhere' };
    if (open.size < config.watchersMax) return undefined;
    counters.refused++;
    log.info({ peer: call.getPeer(), watchersMax: config.watchersMax }, 'watcher refused: there are too many');
    const message = `this replica serves ${open.size} watchers, as many as it may (--watchers-max): ask another one, or later`;
    return rpcStatus(new FlowtollError('WATCHERS_FULL', message));
  }

  function onWatch(call: WatchCall): void {
    const refusal = refuse(call);
    if (refusal !== undefined) {
      end(call, refusal);
      return;
    }
    counters.opened++;
    const stop = new AbortController();
    const onGone = () => stop.abort();
    call.on('cancelled', onGone);
    call.on('error', onGone);
    call.on('close', onGone);
    const done = serve(call, stop).then((result) => {
      open.delete(stop);
      if (result !== undefined) end(call, result);
      else if (!call.cancelled) call.end();
    });
    open.set(stop, done);
  }

  const definition = grpcService(FlowService);
  return {
    // Messages are made as bytes.
    definition: { ...definition, watch: { ...definition['watch']!, responseSerialize: (bytes: Buffer) => bytes } },
    implementation: { watch: onWatch },
    counters,
    get watchers() {
      return open.size;
    },
    committed: () => tail.poke(),
    async stop() {
      stopping = true;
      for (const stop of open.keys()) stop.abort();
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
