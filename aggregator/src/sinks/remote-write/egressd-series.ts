// Traffic of pods as the series of egressd's remote write: its names, labels and meanings. The values are what one export says, not totals, as
// with the defaults of egressd's chart. Knows items; knows no encoding.
import ipaddr from 'ipaddr.js';
import type { PodTrafficItem } from '../http/pod-traffic.ts';
import { type MetricFacts, type Sample, sampleLabels } from './sample.ts';

const TRANSMIT: MetricFacts = {
  name: 'egressd_transmit_bytes_total',
  help: 'Bytes that pods sent since the export before.',
  unit: 'bytes',
};
const RECEIVED: MetricFacts = {
  name: 'egressd_received_bytes_total',
  help: 'Bytes that pods received since the export before.',
  unit: 'bytes',
};

/** IANA's numbers as egressd names them; others are numbers. */
const PROTOCOLS: Readonly<Record<number, string>> = { 0: 'ANY', 1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6' };

export interface EgressdOptions {
  readonly withReceived: boolean;
  readonly customLabels: Readonly<Record<string, string>>;
  readonly atMs: number;
}

export function* egressdSamples(items: Iterable<PodTrafficItem>, options: EgressdOptions): Generator<Sample> {
  const { withReceived, customLabels, atMs } = options;
  for (const item of items) {
    const own = labelsOf(item);
    yield { metric: TRANSMIT, labels: sampleLabels(TRANSMIT.name, own, customLabels), value: item.txBytes, atMs };
    if (withReceived) {
      yield { metric: RECEIVED, labels: sampleLabels(RECEIVED.name, own, customLabels), value: item.rxBytes, atMs };
    }
  }
}

function labelsOf(item: PodTrafficItem): [string, string][] {
  const isCrossZone = item.srcZone !== '' && item.dstZone !== '' && item.srcZone !== item.dstZone;
  return [
    ['src_ip', item.srcIp],
    ['src_pod', item.srcPod],
    ['src_namespace', item.srcNamespace],
    ['src_node', item.srcNode],
    ['src_zone', item.srcZone],
    ['dst_ip', item.dstIp],
    ['dst_ip_type', isPrivate(item.dstIp) ? 'private' : 'public'],
    ['dst_pod', item.dstPod],
    ['dst_namespace', item.dstNamespace],
    ['dst_node', item.dstNode],
    ['dst_zone', item.dstZone],
    ['cross_zone', String(isCrossZone)],
    ['proto', PROTOCOLS[item.proto] ?? String(item.proto)],
  ];
}

/** RFC 1918 and RFC 4193, as in Go's net.IP.IsPrivate. */
function isPrivate(ip: string): boolean {
  return ipaddr.isValid(ip) && ['private', 'uniqueLocal'].includes(ipaddr.parse(ip).range());
}
