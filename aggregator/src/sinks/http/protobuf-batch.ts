// A batch as egressd's message PodNetworkMetricBatch: field numbers and meanings are its, as published. Fields with no value are
// left out, as in any proto3. Knows the message; knows no HTTP.
import { setImmediate } from 'node:timers/promises';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { BatchEncoder } from './batch.ts';
import type { PodTrafficItem } from './pod-traffic.ts';

const BATCH = { items: 1 };
/** PodNetworkMetric; 16 is reserved, 17 (dst_dns_name) is for names of the outside, which nobody gives yet. */
const TEXT_FIELDS: readonly (readonly [number, keyof PodTrafficItem])[] = [
  [1, 'srcIp'],
  [2, 'srcPod'],
  [3, 'srcNamespace'],
  [4, 'srcNode'],
  [5, 'srcZone'],
  [6, 'dstIp'],
  [7, 'dstPod'],
  [8, 'dstNamespace'],
  [9, 'dstNode'],
  [10, 'dstZone'],
];
const COUNTER_FIELDS: readonly (readonly [number, keyof PodTrafficItem])[] = [
  [11, 'txBytes'],
  [12, 'txPackets'],
  [13, 'rxBytes'],
  [14, 'rxPackets'],
];
const PROTO_FIELD = 15;

export const encodeProtobuf: BatchEncoder = async (parts) => {
  const encoded: Uint8Array[] = [];
  for (const items of parts) {
    const writer = new BinaryWriter();
    for (const item of items) {
      writer.tag(BATCH.items, WireType.LengthDelimited).fork();
      writeItem(writer, item);
      writer.join();
    }
    encoded.push(writer.finish());
    await setImmediate();
  }
  // Messages one after the other are one message with the items of all.
  return Buffer.concat(encoded);
};

function writeItem(writer: BinaryWriter, item: PodTrafficItem): void {
  for (const [number, field] of TEXT_FIELDS) {
    const text = item[field] as string;
    if (text !== '') writer.tag(number, WireType.LengthDelimited).string(text);
  }
  for (const [number, field] of COUNTER_FIELDS) {
    const count = item[field] as number;
    if (count !== 0) writer.tag(number, WireType.Varint).int64(count);
  }
  if (item.proto !== 0) writer.tag(PROTO_FIELD, WireType.Varint).int32(item.proto);
}
