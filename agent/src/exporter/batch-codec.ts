// A window's flows → the bytes of a Batch (proto/flowtoll/v1/flow.proto), and what can be done to such bytes afterwards:
// say that its flows are lost, give it another name. Knows neither the queue nor the stream.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import {
  type Batch,
  BatchSchema,
  compressFrame,
  compressionOrder,
  decodeFlowColumns,
  decompressFrame,
  encodeFlowColumns,
  LossSchema,
} from '@flowtoll/proto';
import type { WindowFlows } from '../flow/window-flows.ts';

/** Reasons of losses that arise here; the others arise where flows are made. */
export type ExporterLossReason = 'queue-full' | 'rejected' | 'unencodable';

/** A loss with an interval of its own, as a batch carries it. */
export interface BatchLoss {
  readonly reason: string;
  readonly entries: number | undefined;
  /** Both directions together, or undefined where nobody knows. */
  readonly bytes: number | undefined;
  /** Upper bound of the bytes, where one is known. */
  readonly bytesMax?: number;
  /** Microseconds since the Unix epoch. */
  readonly startUs: number;
  readonly endUs: number;
}

/** What names a batch for ever. */
export interface BatchName {
  readonly epoch: string;
  readonly sequence: number;
}

/** Serialised Batch. `carried` are losses of earlier windows. Throws WireError for flows that break the contract. */
export function encodeBatch(name: BatchName, window: WindowFlows, carried: readonly BatchLoss[]): Uint8Array {
  const frame = window.count > 0 ? compressFrame(encodeFlowColumns(window, compressionOrder(window))) : undefined;
  return encode(name, window, frame, windowLosses(window, carried));
}

/** Serialised Batch that has the window's losses and no flows: they are lost, too. */
export function encodeLostWindow(
  name: BatchName,
  window: WindowFlows,
  carried: readonly BatchLoss[],
  reason: ExporterLossReason,
): Uint8Array {
  return encode(name, window, undefined, [...windowLosses(window, carried), lostFlows(window, reason)]);
}

/** All losses of a window, with its interval. */
export function windowLosses(window: WindowFlows, carried: readonly BatchLoss[]): BatchLoss[] {
  const { windowStartUs: startUs, windowEndUs: endUs } = window;
  return [...carried, ...window.losses.map((loss) => ({ startUs, endUs, ...loss }))];
}

/** A batch in the place of one that cannot be read any more: nobody knows what it held. */
export function encodeDamaged(name: BatchName, startUs: number, endUs: number): Uint8Array {
  return toBinary(
    BatchSchema,
    create(BatchSchema, {
      ...name,
      sequence: BigInt(name.sequence),
      windowStart: timestamp(startUs),
      windowEnd: timestamp(endUs),
      losses: [create(LossSchema, { reason: 'spool-damaged' })],
    }),
  );
}

/** The flows of a window as a loss. */
export function lostFlows(window: WindowFlows, reason: ExporterLossReason): BatchLoss {
  const bytes = sum(window.initiatorBytes, window.count) + sum(window.responderBytes, window.count);
  return {
    reason,
    entries: undefined,
    bytes: Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined,
    startUs: window.windowStartUs,
    endUs: window.windowEndUs,
  };
}

/** The same batch, its flows replaced by a loss of as many bytes; undefined when it holds no flows. */
export function withoutFlows(
  batchBytes: Uint8Array,
  reason: ExporterLossReason,
): { readonly bytes: Uint8Array; readonly lostBytes: number | undefined } | undefined {
  const batch = fromBinary(BatchSchema, batchBytes);
  if (batch.flowCount === 0) return undefined;
  const lostBytes = flowBytes(batch);
  batch.flowCount = 0;
  batch.flows = { case: undefined };
  batch.directionsMerged = false;
  batch.losses.push(create(LossSchema, { reason, ...(lostBytes !== undefined && { bytes: BigInt(lostBytes) }) }));
  return { bytes: toBinary(BatchSchema, batch), lostBytes };
}

/** A batch without flows, its window and intervals replaced: an aggregator found those invalid, too. */
export function withWindow(batchBytes: Uint8Array, startUs: number, endUs: number): Uint8Array {
  const batch = fromBinary(BatchSchema, batchBytes);
  batch.windowStart = timestamp(startUs);
  batch.windowEnd = timestamp(endUs);
  for (const loss of batch.losses) {
    delete loss.start;
    delete loss.end;
  }
  return toBinary(BatchSchema, batch);
}

/** The same batch under another name. */
export function renameBatch(batchBytes: Uint8Array, name: BatchName): Uint8Array {
  const batch = fromBinary(BatchSchema, batchBytes);
  batch.epoch = name.epoch;
  batch.sequence = BigInt(name.sequence);
  return toBinary(BatchSchema, batch);
}

function encode(
  { epoch, sequence }: BatchName,
  window: WindowFlows,
  frame: Uint8Array | undefined,
  losses: readonly BatchLoss[],
): Uint8Array {
  const batch = create(BatchSchema, {
    epoch,
    sequence: BigInt(sequence),
    windowStart: timestamp(window.windowStartUs),
    windowEnd: timestamp(window.windowEndUs),
    flowCount: frame === undefined ? 0 : window.count,
    directionsMerged: frame !== undefined && window.directionsMerged === true,
    losses: losses.map((loss) => toLoss(loss, window)),
  });
  if (frame !== undefined) batch.flows = { case: 'zstdColumns', value: frame };
  return toBinary(BatchSchema, batch);
}

function toLoss(loss: BatchLoss, window: WindowFlows) {
  const ofWindow = loss.startUs === window.windowStartUs && loss.endUs === window.windowEndUs;
  return create(LossSchema, {
    reason: loss.reason,
    ...(loss.entries !== undefined && { entries: BigInt(loss.entries) }),
    ...(loss.bytes !== undefined && { bytes: BigInt(loss.bytes) }),
    ...(loss.bytesMax !== undefined && { bytesMax: BigInt(Math.ceil(loss.bytesMax)) }),
    ...(!ofWindow && { start: timestamp(loss.startUs), end: timestamp(loss.endUs) }),
  });
}

function timestamp(us: number): Timestamp {
  const seconds = Math.floor(us / 1e6);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: Math.round(us - seconds * 1e6) * 1000 });
}

/** Bytes of the flows of a batch that this module encoded; undefined when the sum is beyond 2^53. */
function flowBytes(batch: Batch): number | undefined {
  if (batch.flows.case !== 'zstdColumns') return undefined;
  const columns = decodeFlowColumns(decompressFrame(batch.flows.value, OWN_COLUMN_BYTES_MAX));
  const { initiatorBytes, responderBytes } = columns;
  const bytes = sum(initiatorBytes, initiatorBytes.length) + sum(responderBytes, responderBytes.length);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Ours are below it: 100,000 flows with four IPv6 addresses each. */
const OWN_COLUMN_BYTES_MAX = 16 << 20;

function sum(values: Float64Array, count: number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += values[i]!;
  return total;
}
