// A request of OTLP: message ExportMetricsServiceRequest, as OpenTelemetry publishes it, field numbers and meanings its. Knows the message;
// knows neither HTTP nor where values come from.
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

const REQUEST = { resourceMetrics: 1 };
const RESOURCE_METRICS = { resource: 1, scopeMetrics: 2 };
const RESOURCE = { attributes: 1 };
const SCOPE_METRICS = { scope: 1, metrics: 2 };
const SCOPE = { name: 1, version: 2 };
const METRIC = { name: 1, description: 2, unit: 3, sum: 7 };
const SUM = { dataPoints: 1, aggregationTemporality: 2, isMonotonic: 3 };
const TEMPORALITY = { delta: 1, cumulative: 2 };
const POINT = { startTimeUnixNano: 2, timeUnixNano: 3, asDouble: 4, asInt: 6, attributes: 7 };
const KEY_VALUE = { key: 1, value: 2 };
const ANY_VALUE = { stringValue: 1 };
const RESPONSE = { partialSuccess: 1 };
const PARTIAL_SUCCESS = { rejectedDataPoints: 1, errorMessage: 2 };

const NANOSECONDS = 1_000_000n;

export type Attributes = readonly (readonly [string, string])[];

export interface OtlpMetric {
  readonly name: string;
  readonly description: string;
  /** UCUM. */
  readonly unit: string;
}

export interface OtlpPoint {
  readonly metric: OtlpMetric;
  readonly attributes: Attributes;
  /** An integer as such where `isInteger`. */
  readonly value: number;
  readonly isInteger: boolean;
  /** ms since the Unix epoch. */
  readonly startMs: number;
  readonly atMs: number;
}

export interface OtlpRequest {
  readonly resource: Attributes;
  readonly version: string;
  readonly temporality: keyof typeof TEMPORALITY;
  /** Those of one metric beside each other. */
  readonly points: readonly OtlpPoint[];
}

export function encodeMetricsRequest({ resource, version, temporality, points }: OtlpRequest): Uint8Array {
  const writer = new BinaryWriter();
  const open = (field: number) => writer.tag(field, WireType.LengthDelimited).fork();
  const text = (field: number, value: string) => writer.tag(field, WireType.LengthDelimited).string(value);
  const attributesOf = (field: number, attributes: Attributes) => {
    for (const [key, value] of attributes) {
      open(field);
      text(KEY_VALUE.key, key);
      open(KEY_VALUE.value);
      text(ANY_VALUE.stringValue, value);
      writer.join().join();
    }
  };
  open(REQUEST.resourceMetrics);
  open(RESOURCE_METRICS.resource);
  attributesOf(RESOURCE.attributes, resource);
  writer.join();
  open(RESOURCE_METRICS.scopeMetrics);
  open(SCOPE_METRICS.scope);
  text(SCOPE.name, 'flowtoll');
  text(SCOPE.version, version);
  writer.join();
  for (const [metric, some] of Map.groupBy(points, ({ metric }) => metric)) {
    open(SCOPE_METRICS.metrics);
    text(METRIC.name, metric.name);
    text(METRIC.description, metric.description);
    text(METRIC.unit, metric.unit);
    open(METRIC.sum);
    for (const { attributes, value, isInteger, startMs, atMs } of some) {
      open(SUM.dataPoints);
      writer.tag(POINT.startTimeUnixNano, WireType.Bit64).fixed64(BigInt(startMs) * NANOSECONDS);
      writer.tag(POINT.timeUnixNano, WireType.Bit64).fixed64(BigInt(atMs) * NANOSECONDS);
      if (isInteger) writer.tag(POINT.asInt, WireType.Bit64).sfixed64(BigInt(value));
      else writer.tag(POINT.asDouble, WireType.Bit64).double(value);
      attributesOf(POINT.attributes, attributes);
      writer.join();
    }
    writer.tag(SUM.aggregationTemporality, WireType.Varint).int32(TEMPORALITY[temporality]);
    writer.tag(SUM.isMonotonic, WireType.Varint).bool(true);
    writer.join().join();
  }
  writer.join().join();
  return writer.finish();
}

/** What a receiver did not take of a request that it answered with success. */
export interface Rejection {
  readonly points: number;
  readonly message: string;
}

/** Reads message ExportMetricsServiceResponse; undefined where all was taken, or the answer is none. */
export function decodeRejection(answer: Uint8Array): Rejection | undefined {
  let points = 0;
  let message = '';
  try {
    readMessage(answer, (field, reader) => {
      if (field !== RESPONSE.partialSuccess) return false;
      readMessage(reader.bytes(), (inner, part) => {
        if (inner === PARTIAL_SUCCESS.rejectedDataPoints) points = Number(part.int64());
        else if (inner === PARTIAL_SUCCESS.errorMessage) message = part.string();
        else return false;
        return true;
      });
      return true;
    });
  } catch {
    // Success, in words of its own.
    return undefined;
  }
  return points > 0 ? { points, message } : undefined;
}

/** @param take reads the field, or says that it does not know it */
function readMessage(bytes: Uint8Array, take: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!take(field, reader)) reader.skip(type, field);
  }
}
