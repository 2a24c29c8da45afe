// A request of remote write 2.0: message io.prometheus.write.v2.Request, as Prometheus publishes it, field numbers and meanings its: each text
// once, in a table whose first entry is empty. Knows the message; knows neither HTTP nor compression.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Sample } from './sample.ts';

const REQUEST = { symbols: 4, timeseries: 5 };
/** The time at which a counter began was here until it went to the sample. Receivers skip what they do not know, so both are sent. */
const TIME_SERIES = { labelsRefs: 1, samples: 2, metadata: 5, createdTimestamp: 6 };
const SAMPLE = { value: 1, timestamp: 2, startTimestamp: 3 };
const METADATA = { type: 1, helpRef: 3, unitRef: 4 };
/** Metadata.MetricType.METRIC_TYPE_COUNTER */
const COUNTER = 1;

export const VERSION_2_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
  'x-prometheus-remote-write-version': '2.0.0',
};

export function encodeVersion2(samples: readonly Sample[]): Uint8Array {
  const symbols = new Map<string, number>([['', 0]]);
  const refOf = (text: string): number => {
    const known = symbols.get(text);
    if (known !== undefined) return known;
    symbols.set(text, symbols.size);
    return symbols.size - 1;
  };
  const series = new BinaryWriter();
  for (const { metric, labels, value, atMs, sinceMs } of samples) {
    series.tag(REQUEST.timeseries, WireType.LengthDelimited).fork();
    series.tag(TIME_SERIES.labelsRefs, WireType.LengthDelimited).fork();
    for (const [name, text] of labels) series.uint32(refOf(name)).uint32(refOf(text));
    series.join();
    series.tag(TIME_SERIES.samples, WireType.LengthDelimited).fork();
    series.tag(SAMPLE.value, WireType.Bit64).double(value);
    series.tag(SAMPLE.timestamp, WireType.Varint).int64(atMs);
    if (sinceMs !== undefined) series.tag(SAMPLE.startTimestamp, WireType.Varint).int64(sinceMs);
    series.join();
    series.tag(TIME_SERIES.metadata, WireType.LengthDelimited).fork();
    series.tag(METADATA.type, WireType.Varint).int32(COUNTER);
    series.tag(METADATA.helpRef, WireType.Varint).uint32(refOf(metric.help));
    series.tag(METADATA.unitRef, WireType.Varint).uint32(refOf(metric.unit));
    series.join();
    if (sinceMs !== undefined) series.tag(TIME_SERIES.createdTimestamp, WireType.Varint).int64(sinceMs);
    series.join();
  }
  const table = new BinaryWriter();
  for (const text of symbols.keys()) table.tag(REQUEST.symbols, WireType.LengthDelimited).string(text);
  return Buffer.concat([table.finish(), series.finish()]);
}
