// Wire message → domain batch: the one validation of what agents send. Everything behind it trusts a FlowBatch. Each
// message says which field, which element, and both sizes where two do not agree.
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import {
  ADDRESSES_MAX,
  type Batch,
  decodeFlowColumns,
  decompressFrame,
  FLOWS_MAX,
  freeBytes,
  type Hello,
  type Loss as LossMessage,
  type WireColumns,
  WireError,
  type WireErrorCode,
} from '@flowtoll/proto';
import type { FlowBatch, Loss } from '../model/flow-batch.ts';
import { hostBitsAreZero } from './address-text.ts';
import { InvalidMessageError, type RejectReason } from './invalid-message.ts';
import { KnownAddresses } from './known-addresses.ts';

/** The version of the contract that this aggregator speaks. */
export const PROTOCOL_VERSION = 1;

/** Uncompressed columns: more than 100,000 flows with four IPv6 addresses each need. */
const COLUMN_BYTES_MAX = 16 << 20;
/** Kubernetes names are DNS subdomains (RFC 1123): at most 253 characters. */
const NODE_NAME_LENGTH_MAX = 253;
const AGENT_VERSION_LENGTH_MAX = 100;
const LOSS_REASON_LENGTH_MAX = 64;
const DAY_US = 86_400_000_000;
/** A node whose clock was never set says 1970. */
const EARLIEST_US = Date.UTC(2020, 0, 1) * 1000;
const LATEST_US = Date.UTC(2200, 0, 1) * 1000;
const COUNTER_END = 2n ** 53n;

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const EPOCH = new RegExp(`^${UUID}\\.${UUID}$`);

/** Who opened a stream, checked. */
export interface Agent {
  readonly node: string;
  readonly epoch: string;
  readonly version: string;
  /** Highest sequence number that it has made; 0 when none. */
  readonly lastSequence: number;
}

/** Checks Hello. */
export function agentFromProto(hello: Hello): Agent {
  if (hello.protocolVersion !== PROTOCOL_VERSION) {
    throw new InvalidMessageError(
      'version',
      `hello.protocol_version is ${hello.protocolVersion}; this aggregator speaks ${PROTOCOL_VERSION}. Upgrade the older side`,
    );
  }
  const { node, epoch } = hello;
  if (node === '') throw new InvalidMessageError('node', 'hello.node is empty; it must name the node');
  if (node.length > NODE_NAME_LENGTH_MAX) {
    throw new InvalidMessageError('node', `hello.node has ${node.length} characters; at most ${NODE_NAME_LENGTH_MAX}`);
  }
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(node)) {
    throw new InvalidMessageError(
      'node',
      `hello.node is ${quote(node)}; a node's name has letters, digits, ".", "-" and "_", a letter or digit first and last`,
    );
  }
  if (!EPOCH.test(epoch)) {
    throw new InvalidMessageError('epoch', `hello.epoch is ${quote(epoch)}; it must be "<uuid>.<uuid>" in lower case`);
  }
  if (hello.firstSequence > hello.lastSequence) {
    throw new InvalidMessageError(
      'sequence',
      `hello.first_sequence ${hello.firstSequence} is above last_sequence ${hello.lastSequence}`,
    );
  }
  if (hello.lastSequence >= COUNTER_END) {
    throw new InvalidMessageError('sequence', `hello.last_sequence is ${hello.lastSequence}; at most 2^53 - 1`);
  }
  const version = hello.agentVersion.slice(0, AGENT_VERSION_LENGTH_MAX);
  return { node, epoch, version, lastSequence: Number(hello.lastSequence) };
}

/** The batch's sequence number, checked; apart, so that errors in the rest can name it. */
export function sequenceFromProto(batch: Batch): number {
  if (batch.sequence < 1n || batch.sequence >= COUNTER_END) {
    throw new InvalidMessageError('sequence', `batch.sequence is ${batch.sequence}; it counts from 1 to 2^53 - 1`);
  }
  return Number(batch.sequence);
}

/** Checks everything in a batch of this agent. `columns` are the bytes of its FlowColumns when they came uncompressed. */
export function batchFromProto(batch: Batch, columns: Uint8Array | undefined, agent: Agent): FlowBatch {
  const sequence = sequenceFromProto(batch);
  if (batch.epoch !== agent.epoch) {
    throw new InvalidMessageError('epoch', `batch.epoch is ${quote(batch.epoch)}; hello named ${agent.epoch}`);
  }
  const windowStartUs = timestamp(batch.windowStart, 'batch.window_start', 'window');
  const windowEndUs = timestamp(batch.windowEnd, 'batch.window_end', 'window');
  interval(windowStartUs, windowEndUs, 'batch.window', 'window');
  const count = batch.flowCount;
  if (count > FLOWS_MAX) {
    throw new InvalidMessageError('flow-count', `batch.flow_count is ${count}; at most ${FLOWS_MAX}`);
  }
  const wire = columnsFromProto(batch, columns, count);
  return {
    node: agent.node,
    epoch: agent.epoch,
    sequence,
    windowStartUs,
    windowEndUs,
    count,
    ...flowColumns(wire, count),
    ...(batch.directionsMerged && { directionsMerged: oneWay(wire) }),
    losses: batch.losses.map((loss, index) => lossFromProto(loss, index, windowStartUs, windowEndUs)),
  };
}

const WIRE_REASONS: Record<WireErrorCode, RejectReason> = {
  TRUNCATED: 'malformed',
  MALFORMED: 'malformed',
  WIRE_TYPE: 'malformed',
  COLUMN_LENGTH: 'columns',
  ADDRESS_LENGTH: 'address',
  COUNTER_RANGE: 'counter',
  OVER_LIMIT: 'columns',
  ZSTD: 'zstd',
};

function columnsFromProto(batch: Batch, columns: Uint8Array | undefined, count: number): WireColumns {
  const compressed = batch.flows.case === 'zstdColumns' ? batch.flows.value : undefined;
  if (columns === undefined && compressed === undefined && count > 0) {
    throw new InvalidMessageError('flow-count', `batch.flow_count is ${count}, but batch.flows is absent`);
  }
  const field = compressed === undefined ? 'batch.columns' : 'batch.zstd_columns';
  let step: RejectReason | undefined;
  try {
    if (compressed !== undefined) step = 'zstd';
    const bytes = compressed === undefined ? (columns ?? NO_BYTES) : decompressFrame(compressed, COLUMN_BYTES_MAX);
    step = undefined;
    const decoded = decodeFlowColumns(bytes, { flowsMax: FLOWS_MAX, addressesMax: ADDRESSES_MAX });
    if (compressed !== undefined) freeBytes(bytes);
    return decoded;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new InvalidMessageError(step ?? WIRE_REASONS[error.code], `${field}: ${error.message}`, { cause: error });
  }
}

const NO_BYTES = new Uint8Array(0);

function flowColumns(wire: WireColumns, count: number) {
  const { addressCount, initiator, responder, originalDestination, translatedSource } = wire;
  const per = (name: string, column: ArrayLike<number>) => columnLength(name, column.length, count, 'flows');
  columnLength('prefix_lengths', wire.prefixLengths.length, addressCount, 'addresses');
  per('initiator', initiator);
  per('responder', responder);
  per('original_destination', originalDestination);
  per('original_destination_port', wire.originalDestinationPort);
  per('translated_source', translatedSource);
  per('protocol', wire.protocol);
  per('responder_port', wire.responderPort);
  per('initiator_bytes', wire.initiatorBytes);
  per('initiator_packets', wire.initiatorPackets);
  per('responder_bytes', wire.responderBytes);
  per('responder_packets', wire.responderPackets);
  per('connections', wire.connections);
  if (wire.folded.length > 0) per('folded', wire.folded);
  below('folded', wire.folded, 2, 'columns', 'values');
  below('initiator', initiator, addressCount, 'index', 'addresses');
  below('responder', responder, addressCount, 'index', 'addresses');
  below('original_destination', originalDestination, addressCount + 1, 'index', 'addresses (1 + index)');
  below('translated_source', translatedSource, addressCount + 1, 'index', 'addresses (1 + index)');
  below('original_destination_port', wire.originalDestinationPort, 65_536, 'port', 'ports');
  below('responder_port', wire.responderPort, 65_536, 'port', 'ports');
  return {
    ...addressesOf(wire),
    initiator,
    responder,
    originalDestination,
    originalDestinationPort: wire.originalDestinationPort,
    translatedSource,
    protocol: wire.protocol,
    responderPort: wire.responderPort,
    initiatorBytes: wire.initiatorBytes,
    initiatorPackets: wire.initiatorPackets,
    responderBytes: wire.responderBytes,
    responderPackets: wire.responderPackets,
    connections: wire.connections,
    folded: wire.folded.includes(1) ? wire.folded : undefined,
  };
}

/** Where both directions are one sum, the responder's counters say nothing. */
function oneWay({ responderBytes, responderPackets }: WireColumns): true {
  for (const [name, column] of Object.entries({
    responder_bytes: responderBytes,
    responder_packets: responderPackets,
  })) {
    const i = column.findIndex((value) => value !== 0);
    if (i < 0) continue;
    throw new InvalidMessageError(
      'counter',
      `columns.${name}[${i}] is ${column[i]}, but batch.directions_merged says that the initiator's counters have both directions; it must be 0`,
    );
  }
  return true;
}

function columnLength(name: string, length: number, expected: number, of: string): void {
  if (length !== expected) {
    throw new InvalidMessageError('columns', `columns.${name} has ${length} elements; the batch has ${expected} ${of}`);
  }
}

function below(name: string, values: Uint32Array | Uint8Array, end: number, reason: RejectReason, of: string): void {
  for (let i = 0; i < values.length; i++) {
    if (values[i]! >= end) {
      throw new InvalidMessageError(reason, `columns.${name}[${i}] is ${values[i]}; there are ${end} ${of}, from 0`);
    }
  }
}

/** Of all agents. */
const known = new KnownAddresses();

function addressesOf(wire: WireColumns): Pick<FlowBatch, 'addressNumbers' | 'addressTexts'> {
  const { addressCount, addresses, addressIsV6, prefixLengths } = wire;
  known.makeRoom(addressCount);
  const addressNumbers = new Uint32Array(addressCount);
  for (let i = 0; i < addressCount; i++) {
    const isV6 = addressIsV6[i] === 1;
    const bits = prefixLengths[i]!;
    const number = known.number(addresses, 16 * i, isV6, bits);
    const whole = isV6 ? 128 : 32;
    if (bits > whole) {
      const text = known.texts[number];
      throw new InvalidMessageError('address', `columns.prefix_lengths[${i}] is ${bits}; at most ${whole} for ${text}`);
    }
    if (bits < whole && !hostBitsAreZero(addresses, 16 * i, isV6 ? 16 : 4, bits)) {
      const text = known.texts[number];
      throw new InvalidMessageError('address', `columns.addresses[${i}] is ${text}, with bits behind its prefix`);
    }
    addressNumbers[i] = number;
  }
  return { addressNumbers, addressTexts: known.texts };
}

function lossFromProto(loss: LossMessage, index: number, windowStartUs: number, windowEndUs: number): Loss {
  const field = `batch.losses[${index}]`;
  if (!/^[a-z][a-z0-9-]*$/.test(loss.reason) || loss.reason.length > LOSS_REASON_LENGTH_MAX) {
    throw new InvalidMessageError(
      'loss',
      `${field}.reason is ${quote(loss.reason)}; lower-case words joined by hyphens, at most ${LOSS_REASON_LENGTH_MAX} characters`,
    );
  }
  if ((loss.start === undefined) !== (loss.end === undefined)) {
    throw new InvalidMessageError('loss', `${field} has only one of start and end`);
  }
  const startUs = loss.start === undefined ? windowStartUs : timestamp(loss.start, `${field}.start`, 'loss');
  const endUs = loss.end === undefined ? windowEndUs : timestamp(loss.end, `${field}.end`, 'loss');
  if (startUs >= endUs) throw new InvalidMessageError('loss', `${field}.start is not before its end`);
  return {
    reason: loss.reason,
    entries: optionalCounter(loss.entries, `${field}.entries`),
    bytes: optionalCounter(loss.bytes, `${field}.bytes`),
    bytesMax: optionalCounter(loss.bytesMax, `${field}.bytes_max`),
    startUs,
    endUs,
  };
}

function optionalCounter(value: bigint | undefined, field: string): number | undefined {
  if (value === undefined) return undefined;
  if (value >= COUNTER_END) throw new InvalidMessageError('counter', `${field} is ${value}; at most 2^53 - 1`);
  return Number(value);
}

function timestamp(value: Timestamp | undefined, field: string, reason: RejectReason): number {
  if (value === undefined) throw new InvalidMessageError(reason, `${field} is absent`);
  if (value.nanos < 0 || value.nanos > 999_999_999) {
    throw new InvalidMessageError(reason, `${field}.nanos is ${value.nanos}; 0 to 999,999,999`);
  }
  const us = Number(value.seconds) * 1_000_000 + Math.floor(value.nanos / 1000);
  if (us < EARLIEST_US || us >= LATEST_US) {
    throw new InvalidMessageError(reason, `${field} is ${value.seconds} s since 1970; it must lie in 2020 to 2199`);
  }
  return us;
}

function interval(startUs: number, endUs: number, field: string, reason: RejectReason): void {
  if (startUs >= endUs) {
    throw new InvalidMessageError(
      reason,
      `${field}_start ${isoUs(startUs)} is not before ${field}_end ${isoUs(endUs)}`,
    );
  }
  if (endUs - startUs > DAY_US) {
    throw new InvalidMessageError(reason, `${field} is ${Math.round((endUs - startUs) / 1e6)} s long; at most 24 h`);
  }
}

function isoUs(us: number): string {
  return new Date(us / 1000).toISOString();
}

/** Foreign text for a message: short, one line, ASCII. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text).replace(/[^\x20-\x7e]/g, '?');
}
