// Before the read APIs: nobody passes without a token, and nobody makes more calls than one may. A call that is refused costs its headers;
// its message is not read. Knows gRPC's calls and headers; who readers are, an authority says.
import { createHash } from 'node:crypto';
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerListener,
  status,
} from '@grpc/grpc-js';
import { FlowtollError, lineOf } from '../../model/errors.ts';
import { createRateBudget } from '../../model/rate-budget.ts';
import type { Reader } from '../../model/reader.ts';
import type { Schedule } from '../../model/schedule.ts';
import { bearerToken } from './bearer-token.ts';
import { createCallBudget } from './call-budget.ts';
import type { ReaderAuthority } from './reader-authority.ts';

type CallStatus = Parameters<ServerInterceptingCallInterface['sendStatus']>[0];

export interface ReaderGateConfig {
  /** Full names of the services that anybody may call: they look after themselves. */
  readonly openServices: readonly string[];
}

export interface ReaderGateParts {
  readonly authority: ReaderAuthority;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly schedule: Schedule;
  /** Hears of each connection on which a reader was let in; "address:port". */
  readonly onAdmitted?: (peer: string) => void;
}

/** Calls that were refused. */
export interface ReaderGateCounters {
  /** No token, or one that nobody knows. */
  unknown: number;
  /** More calls than one may make. */
  busy: number;
  /** Nobody could say who it is. */
  unavailable: number;
}

export interface ReaderGate {
  /** For the server whose services it guards. */
  readonly interceptor: ServerInterceptor;
  /** Who makes a call that was let in. */
  readerOf(metadata: Metadata): Reader | undefined;
  readonly counters: ReaderGateCounters;
}

/** Calls that may wait at one time until it is known whose they are. */
const PENDING_MAX = 1024;
/**
 * Tokens that were not let in before, of one address: so many at once, and a second. Whoever tries tokens asks the authority no more than
 * that, and keeps it free for others. Behind a balancer all readers may have one address; theirs are let in before.
 */
const NEW_TOKENS = { atOnce: 100, perSecond: 5, rememberedMax: 10_000 };
/** Tokens that were let in and are remembered, by their SHA-256. */
const LET_IN_MAX = 10_000;
/** The first message of a call comes with it. */
const FIRST_MESSAGE_MS = 10_000;
/** Reflection takes some dozens for all that there is; nothing else takes more than one. */
const MESSAGES_MAX = 1000;
const TOO_MANY_MESSAGES = `a call has at most ${MESSAGES_MAX} messages: begin another`;
/** Between two lines of the log about refusals. */
const TELL_EVERY_MS = 10_000;

export function createReaderGate(config: ReaderGateConfig, parts: ReaderGateParts): ReaderGate {
  const { authority, log, now, schedule } = parts;
  const open = new Set(config.openServices);
  const readers = new WeakMap<Metadata, Reader>();
  const budget = createCallBudget(now);
  const newTokens = createRateBudget(NEW_TOKENS, now);
  /** The one that came last at the end. */
  const letIn = new Set<string>();
  const counters: ReaderGateCounters = { unknown: 0, busy: 0, unavailable: 0 };
  let pending = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  let untold = 0;

  /** One line for many, so that a flood of wrong tokens fills no disk. */
  function tell(peer: string, reason: string): void {
    untold++;
    if (now() - toldAt < TELL_EVERY_MS) return;
    log.info({ peer, reason, refused: untold }, 'readers are refused');
    toldAt = now();
    untold = 0;
  }

  async function identify(metadata: Metadata, peer: string): Promise<Reader> {
    const token = bearerToken(metadata);
    const hash = createHash('sha256').update(token).digest('base64');
    if (!letIn.has(hash) && !newTokens.take(peer.slice(0, peer.lastIndexOf(':')))) {
      throw new FlowtollError(
        'READER_BUSY',
        `more tokens that nobody has shown before come from your address than are looked at (${NEW_TOKENS.perSecond} a second): try again in some seconds`,
      );
    }
    if (pending >= PENDING_MAX) {
      throw new FlowtollError('READER_BUSY', `${pending} callers wait to be known, as many as may: try again later`);
    }
    pending++;
    try {
      const reader = await authority.identify(token);
      letIn.delete(hash);
      letIn.add(hash);
      if (letIn.size > LET_IN_MAX) letIn.delete(letIn.values().next().value!);
      return reader;
    } catch (error) {
      if (error instanceof FlowtollError && error.code === 'READER_UNKNOWN') letIn.delete(hash);
      throw error;
    } finally {
      pending--;
    }
  }

  function refusalOf(error: unknown, peer: string): CallStatus {
    if (error instanceof FlowtollError && error.code === 'READER_UNKNOWN') counters.unknown++;
    else if (error instanceof FlowtollError && error.code === 'READER_BUSY') counters.busy++;
    else counters.unavailable++;
    if (!(error instanceof FlowtollError)) log.error({ err: error, peer }, 'who a caller is could not be found out');
    tell(peer, lineOf(error));
    return statusOf(error);
  }

  function guarded(call: ServerInterceptingCallInterface): ServerInterceptingCall {
    let stopWaiting = () => {};
    let giveBack = () => {};
    let messages = 0;
    let isOver = false;
    const over = (): void => {
      isOver = true;
      stopWaiting();
      giveBack();
    };
    const refuse = (refusal: CallStatus): void => {
      over();
      call.sendStatus(refusal);
    };
    const admit = (reader: Reader, metadata: Metadata): void => {
      giveBack = budget.begin(reader.name);
      parts.onAdmitted?.(call.getPeer());
      readers.set(metadata, reader);
      // Nobody needs it any more, and nobody shall find it.
      metadata.remove('authorization');
      const tooLate = { code: status.DEADLINE_EXCEEDED, details: 'no request has come' };
      stopWaiting = schedule(() => refuse(tooLate), FIRST_MESSAGE_MS);
    };
    const listener: ServerListener = {
      async onReceiveMetadata(metadata, next) {
        try {
          const reader = await identify(metadata, call.getPeer());
          if (isOver) return;
          admit(reader, metadata);
        } catch (error) {
          const refusal = refusalOf(error, call.getPeer());
          if (!isOver) refuse(refusal);
          return;
        }
        next(metadata);
      },
      onReceiveMessage(message, next) {
        stopWaiting();
        if (++messages <= MESSAGES_MAX) next(message);
        else if (!isOver) refuse(statusOf(new FlowtollError('READER_BUSY', TOO_MANY_MESSAGES)));
      },
      onReceiveHalfClose(next) {
        stopWaiting();
        next();
      },
      onCancel: over,
    };
    return new ServerInterceptingCall(call, {
      start: (next) => next(listener),
      sendStatus(said, next) {
        over();
        next(said);
      },
    });
  }

  return {
    counters,
    readerOf: (metadata) => readers.get(metadata),
    interceptor: ({ path }, call) =>
      open.has(path.split('/')[1] ?? '') ? new ServerInterceptingCall(call) : guarded(call),
  };
}

/** Codes are those of FlowService, whose .proto says them. */
function statusOf(error: unknown): CallStatus {
  if (!(error instanceof FlowtollError)) return { code: status.INTERNAL, details: 'INTERNAL: see the log' };
  const code =
    error.code === 'READER_UNKNOWN'
      ? status.UNAUTHENTICATED
      : error.code === 'READER_BUSY'
        ? status.RESOURCE_EXHAUSTED
        : status.UNAVAILABLE;
  return { code, details: `${error.code}: ${error.message}` };
}
