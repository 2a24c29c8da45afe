// Between the wire and the watcher: WatchRequest → start and query, event → bytes of a WatchResponse, error → gRPC status.
// The one file that knows both sides.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  asBuffer,
  ResumeExpired_Reason,
  ResumeExpiredSchema,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
} from '@flowtoll/proto';
import { Metadata, status } from '@grpc/grpc-js';
import { type ErrorCode, FlowtollError } from '../model/errors.ts';
import { type MissedRows, ResumeExpiredError } from './resume-expired.ts';
import { createRowQuery, type RowQuery } from './row-query.ts';
import type { WatchEvent, WatchStart } from './watcher.ts';

/** Trailer with a ResumeExpired: said in the .proto. */
export const RESUME_EXPIRED_TRAILER = 'flowtoll-resume-expired-bin';

/** Throws REQUEST_INVALID. */
export function watchFromProto(request: WatchRequest): { start: WatchStart; query: RowQuery } {
  return {
    start: startOf(request.from),
    query: createRowQuery(request.columns, request.filters, request.withoutLosses),
  };
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
