// Between the wire and the watcher: WatchRequest → start and query, event → bytes of a WatchResponse, error → gRPC status.
// The one file that knows both sides.
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  asBuffer,
  ResumeExpired_Reason,
  ResumeExpiredSchema,
  type WatchRequest,
  WatchRequestSchema,
  type WatchResponse,
  WatchResponseSchema,
} from '@flowtoll/proto';
import { Metadata, status } from '@grpc/grpc-js';
import { type ErrorCode, FlowtollError } from '../model/errors.ts';
import type { AllowedNamespaces } from '../model/reader.ts';
import { type MissedRows, ResumeExpiredError } from './resume-expired.ts';
import { createRowQuery, type RowFilter, type RowQuery } from './row-query.ts';
import type { WatchEvent, WatchStart } from './watcher.ts';

/** Trailer with a ResumeExpired: said in the .proto. */
export const RESUME_EXPIRED_TRAILER = 'flowtoll-resume-expired-bin';

/** A request with as many filters as may be is some kilobytes; whoever asks must not cost more than they are told. */
const REQUEST_BYTES_MAX = 1 << 20;

/** What somebody asks for; what of it they may see is not decided yet. */
export interface WatchQuestion {
  /** Namespaces that the filters name, so that no row of another can match; undefined if they name none. */
  readonly namespacesAsked: readonly string[] | undefined;
  readonly start: WatchStart;
  /** Throws REQUEST_INVALID. */
  query(allowed: AllowedNamespaces): RowQuery;
}

/** Throws REQUEST_INVALID. */
export function watchFromProto(bytes: Uint8Array): WatchQuestion {
  const request = decode(bytes);
  const { columns, filters, withoutLosses } = request;
  return {
    namespacesAsked: namespacesAsked(filters),
    start: startOf(request.from),
    query: (allowed) => createRowQuery(columns, filters, withoutLosses, allowed),
  };
}

function decode(bytes: Uint8Array): WatchRequest {
  if (bytes.length > REQUEST_BYTES_MAX) {
    throw new FlowtollError('REQUEST_INVALID', `the request has ${bytes.length} bytes; at most ${REQUEST_BYTES_MAX}`);
  }
  try {
    return fromBinary(WatchRequestSchema, bytes);
  } catch {
    throw new FlowtollError('REQUEST_INVALID', 'the request is no WatchRequest');
  }
}

/** Of the local side, where all filters agree; and of peers, whose names are only seen by those who may see their namespaces. */
function namespacesAsked(filters: readonly RowFilter[]): readonly string[] | undefined {
  const named = (name: string) =>
    filters
      .filter(({ column, exclude }) => column === name && !exclude)
      .map(({ values }) => new Set(values.filter((value) => value !== '')));
  const [first, ...rest] = named('namespace');
  const local = [...(first ?? [])].filter((value) => rest.every((values) => values.has(value)));
  if (local.length === 0) return undefined;
  return [...new Set([...local, ...named('peer_namespace').flatMap((values) => [...values])])];
}

function startOf(from: WatchRequest['from']): WatchStart {
  switch (from.case) {
    case 'resumeToken':
      return { at: 'token', token: from.value };
    case 'version':
      if (from.value > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw new FlowtollError('REQUEST_INVALID', `version ${from.value} is higher than any that a table may have`);
      }
      return { at: 'version', version: Number(from.value) };
    case 'time':
      return { at: 'time', timeMs: timestampMs(from.value) };
    case 'oldest':
      return from.value ? { at: 'oldest' } : { at: 'now' };
    case undefined:
      return { at: 'now' };
  }
}

/** The bytes of the WatchResponse. */
export function watchResponse(event: WatchEvent): Buffer {
  switch (event.kind) {
    case 'rows':
      return asBuffer(event.bytes);
    case 'progress':
      return encode(event.token, {
        case: 'progress',
        value: {
          version: BigInt(event.version),
          newestVersion: BigInt(event.newestVersion),
          caughtUp: event.caughtUp,
          ...timeField('commitTime', event.timeMs),
        },
      });
    case 'removal':
      return encode(event.token, {
        case: 'removal',
        value: {
          version: BigInt(event.version),
          dates: [...event.removal.dates],
          rewritten: event.removal.rewritten,
          ...timeField('commitTime', event.timeMs),
        },
      });
    case 'rewind': {
      const { lastCommonVersion } = event;
      return encode(event.token, {
        case: 'rewind',
        value: lastCommonVersion === undefined ? {} : { lastCommonVersion: BigInt(lastCommonVersion) },
      });
    }
  }
}

type EventInit = NonNullable<MessageInitShape<typeof WatchResponseSchema>['event']>;

function encode(resumeToken: string, event: EventInit): Buffer {
  const message: WatchResponse = create(WatchResponseSchema, { resumeToken, event });
  return asBuffer(toBinary(WatchResponseSchema, message));
}

function timeField<const F extends string>(field: F, ms: number | undefined): Partial<Record<F, Timestamp>> {
  return ms === undefined ? {} : ({ [field]: timestampFromMs(ms) } as Record<F, Timestamp>);
}

/** How a stream ends with an error, as grpc-js wants it. */
export interface RpcStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

const STATUS: Partial<Record<ErrorCode, status>> = {
  REQUEST_INVALID: status.INVALID_ARGUMENT,
  RESUME_EXPIRED: status.OUT_OF_RANGE,
  READER_UNKNOWN: status.UNAUTHENTICATED,
  READER_FORBIDDEN: status.PERMISSION_DENIED,
  READER_BUSY: status.RESOURCE_EXHAUSTED,
  READER_STALLED: status.RESOURCE_EXHAUSTED,
  IDENTITY_UNAVAILABLE: status.UNAVAILABLE,
  WATCHERS_FULL: status.RESOURCE_EXHAUSTED,
  STORE_UNAVAILABLE: status.UNAVAILABLE,
  TABLE_INVALID: status.DATA_LOSS,
};

/** As the .proto says it. Errors that nobody expected are INTERNAL. */
export function rpcStatus(error: unknown): RpcStatus {
  if (!(error instanceof FlowtollError)) return { code: status.INTERNAL, details: 'INTERNAL: see the log' };
  const details = `${error.code}: ${error.message}`;
  const code = STATUS[error.code] ?? status.INTERNAL;
  if (!(error instanceof ResumeExpiredError)) return { code, details };
  const metadata = new Metadata();
  metadata.set(RESUME_EXPIRED_TRAILER, missedRows(error.missed));
  return { code, details, metadata };
}

const REASON = {
  'log-cleaned': ResumeExpired_Reason.LOG_CLEANED,
  'files-vacuumed': ResumeExpired_Reason.FILES_VACUUMED,
  rewound: ResumeExpired_Reason.REWOUND,
} as const;

function missedRows({ reason, fromVersion, toVersion, fromTimeMs, toTimeMs, resumeToken }: MissedRows): Buffer {
  const message = create(ResumeExpiredSchema, {
    reason: REASON[reason],
    missedFromVersion: BigInt(fromVersion),
    missedToVersion: BigInt(toVersion),
    ...timeField('missedFromTime', fromTimeMs),
    ...timeField('missedToTime', toTimeMs),
    resumeToken,
  });
  return asBuffer(toBinary(ResumeExpiredSchema, message));
}
