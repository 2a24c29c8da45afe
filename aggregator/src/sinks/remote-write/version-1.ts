// A request of remote write 1.0: message WriteRequest, as Prometheus publishes it (prompb/remote.proto and types.proto), field numbers and
// meanings its. Knows the message; knows neither HTTP nor compression.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Sample } from './sample.ts';

const WRITE_REQUEST = { timeseries: 1, metadata: 3 };
const TIME_SERIES = { labels: 1, samples: 2 };
const LABEL = { name: 1, value: 2 };
const SAMPLE = { value: 1, timestamp: 2 };
const METADATA = { type: 1, metricFamilyName: 2, help: 4, unit: 5 };
/** MetricMetadata.MetricType.COUNTER */
const COUNTER = 1;

export const VERSION_1_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'application/x-protobuf',
  'x-prometheus-remote-write-version': '0.1.0',
};

export function encodeVersion1(samples: readonly Sample[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { labels, value, atMs } of samples) {
    writer.tag(WRITE_REQUEST.timeseries, WireType.LengthDelimited).fork();
    for (const [name, text] of labels) {
      writer.tag(TIME_SERIES.labels, WireType.LengthDelimited).fork();
      writer.tag(LABEL.name, WireType.LengthDelimited).string(name);
      writer.tag(LABEL.value, WireType.LengthDelimited).string(text);
      writer.join();
    }
    writer.tag(TIME_SERIES.samples, WireType.LengthDelimited).fork();
    writer.tag(SAMPLE.value, WireType.Bit64).double(value);
    writer.tag(SAMPLE.timestamp, WireType.Varint).int64(atMs);
    writer.join().join();
  }
  for (const { name, help, unit } of new Set(samples.map(({ metric }) => metric))) {
    writer.tag(WRITE_REQUEST.metadata, WireType.LengthDelimited).fork();
    writer.tag(METADATA.type, WireType.Varint).int32(COUNTER);
    writer.tag(METADATA.metricFamilyName, WireType.LengthDelimited).string(name);
    writer.tag(METADATA.help, WireType.LengthDelimited).string(help);
    writer.tag(METADATA.unit, WireType.LengthDelimited).string(unit);
    writer.join();
  }
  return writer.finish();
}
