// A batch as JSON: the fields of egressd's message by their names, and what the message has no field for: cluster, place in the
// log, time. Knows no HTTP.
import { setImmediate } from 'node:timers/promises';
import type { BatchEncoder } from './batch.ts';
import type { PodTrafficItem } from './pod-traffic.ts';

export const encodeJson: BatchEncoder = async (parts, { cluster, id, slice }) => {
  const texts: string[] = [];
  for (const items of parts) {
    texts.push(items.map((item) => JSON.stringify(named(item))).join(','));
    await setImmediate();
  }
  const head = JSON.stringify({ cluster, id, committed_at: new Date(slice.committedMs).toISOString() });
  return Buffer.from(`${head.slice(0, -1)},"items":[${texts.join(',')}]}`);
};

function named(item: PodTrafficItem): object {
  return {
    ...{ src_ip: item.srcIp, src_pod: item.srcPod, src_namespace: item.srcNamespace },
    ...{ src_node: item.srcNode, src_zone: item.srcZone },
    ...{ dst_ip: item.dstIp, dst_pod: item.dstPod, dst_namespace: item.dstNamespace },
    ...{ dst_node: item.dstNode, dst_zone: item.dstZone },
    ...{ tx_bytes: item.txBytes, tx_packets: item.txPackets, rx_bytes: item.rxBytes, rx_packets: item.rxPackets },
    ...{ proto: item.proto, dst_dns_name: '' },
  };
}
