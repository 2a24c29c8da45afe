// Why a message of an agent is not taken, and how that is said on the wire: the one place where the aggregator's errors
// become gRPC statuses.
import { Metadata, status } from '@grpc/grpc-js';
import { AgentRefusedError } from '../model/agent-identity.ts';
import { type ErrorCode, FlowtollError } from '../model/errors.ts';

/** What is wrong, for counters: a closed list. */
export type RejectReason =
  | 'malformed' // not a message of the contract: bytes, or order of messages
  | 'version' // another protocol version
  | 'node' // no name, or an impossible one
  | 'epoch' // not an epoch, or not the one that Hello named
  | 'sequence' // not a sequence number
  | 'gap' // a sequence number that does not follow
  | 'window' // not a window of time
  | 'future' // a window that lies ahead by more than clocks explain
  | 'too-old' // a window from before what the log remembers
  | 'flow-count' // too many flows, or none where there should be some
  | 'zstd' // not one frame that states its size, or too large
  | 'columns' // columns that do not fit one another
  | 'address' // an address or prefix length that cannot be
  | 'index' // an index that points nowhere
  | 'port' // a port above 65,535
  | 'counter' // a counter of 2^53 or more
  | 'loss' // a loss that says nothing
  | 'idle' // many messages that brought nothing new
  | 'too-large'; // a message over the size limit

/** A message that breaks the contract. */
export class InvalidMessageError extends FlowtollError {
  readonly reason: RejectReason;

  constructor(reason: RejectReason, message: string, options?: ErrorOptions) {
    super(CODES[reason] ?? 'BATCH_INVALID', message, options);
    this.name = 'InvalidMessageError';
    this.reason = reason;
  }
}

const CODES: Partial<Record<RejectReason, ErrorCode>> = {
  version: 'BATCH_UNSUPPORTED_VERSION',
  gap: 'BATCH_OUT_OF_ORDER',
  idle: 'BATCH_OUT_OF_ORDER',
};

/** Trailer that names the batch that was not taken; see the .proto. */
export const REJECTED_SEQUENCE_TRAILER = 'flowtoll-rejected-sequence';

/** Trailer that says why an agent is not let in; see the .proto. */
export const REFUSAL_TRAILER = 'flowtoll-refusal';

/** How a stream ends. */
export interface StreamEnd {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

/** The status for an error. `sequence` is the batch's whose fault it is, where one is. */
export function toStreamEnd(error: unknown, sequence?: number): StreamEnd {
  if (!(error instanceof FlowtollError)) {
    return { code: status.INTERNAL, details: 'internal error; see the log of the aggregator' };
  }
  const details = `${error.code}: ${error.message}`;
  const code = statusCode(error);
  if (error instanceof AgentRefusedError) {
    const metadata = new Metadata();
    metadata.set(REFUSAL_TRAILER, error.reason);
    return { code, details, metadata };
  }
  if (code !== status.INVALID_ARGUMENT || sequence === undefined) return { code, details };
  const metadata = new Metadata();
  metadata.set(REJECTED_SEQUENCE_TRAILER, String(sequence));
  return { code, details, metadata };
}

function statusCode(error: FlowtollError): status {
  if (error instanceof InvalidMessageError && error.reason === 'too-large') return status.RESOURCE_EXHAUSTED;
  switch (error.code) {
    case 'BATCH_INVALID':
      return status.INVALID_ARGUMENT;
    case 'BATCH_UNSUPPORTED_VERSION':
    case 'BATCH_OUT_OF_ORDER':
      return status.FAILED_PRECONDITION;
    case 'AGENT_UNKNOWN':
      return status.UNAUTHENTICATED;
    case 'AGENT_FORBIDDEN':
      return status.PERMISSION_DENIED;
    case 'AGENT_BUSY':
      return status.RESOURCE_EXHAUSTED;
    case 'AGENT_SLOW':
      return status.DEADLINE_EXCEEDED;
    case 'STORE_UNAVAILABLE':
    case 'TABLE_CONFLICT':
    case 'IDENTITY_UNAVAILABLE':
      return status.UNAVAILABLE;
    default:
      return status.INTERNAL;
  }
}
