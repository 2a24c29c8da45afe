// Datagrams of a real kernel through the real accounting. testdata/*.ftct are recordings of three nodes of the network
// laboratory; testdata/*.json is what nft counters in other namespaces saw of the same traffic (testdata/README.md).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CaptureConfig, CILIUM_DEFAULTS } from './config.ts';
import type { WindowFlows } from './flow/window-flows.ts';
import { replay } from './replay.ts';
import { Recording } from './source/conntrack/recording.ts';

const TESTDATA = join(import.meta.dirname, '..', 'testdata');
const NODES = ['n1', 'n2', 'n3'] as const;
type NodeName = (typeof NODES)[number];

/** What the agent keeps of initiators outside of the cluster: /24 and /48. */
const OUTSIDE: Readonly<Record<string, string>> = {
  '198.51.100.7': '198.51.100.0/24',
  '203.0.113.9': '203.0.113.0/24',
  '2001:db8:7::7': '2001:db8:7::/48',
  '2001:db8:9::9': '2001:db8:9::/48',
};
const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'ipv6-icmp', 132: 'sctp' };

/** Bytes and packets of one reduced key. */
interface Sums {
  initiatorBytes: number;
  initiatorPackets: number;
  responderBytes: number;
  responderPackets: number;
}
const MEASURES = ['initiatorBytes', 'initiatorPackets', 'responderBytes', 'responderPackets'] as const;
type SumsByKey = Map<string, Sums>;

interface OracleFlow extends Sums {
  readonly initiator: string;
  readonly responder: string;
  readonly protocol: string;
  readonly port: number;
}

function config(windowMs: number): CaptureConfig {
  return {
    node: 'replayed',
    dumpIntervalMs: 1000,
    windowMs,
    maxFlows: 20_000,
    clusterRanges: [],
    initiatorPrefixV4: 24,
    initiatorPrefixV6: 48,
    eventBufferBytes: 1 << 20,
    reliableEvents: false,
    reliableEventsMaxFillPercent: 80,
    setSysctls: false,
    logLevel: 'silent',
    source: 'conntrack',
    cilium: CILIUM_DEFAULTS,
  };
}

const recorded = (node: NodeName): Uint8Array => readFileSync(join(TESTDATA, `${node}.ftct`));

function replayed(bytes: Uint8Array, windowMs: number) {
  const windows: WindowFlows[] = [];
  const result = replay(new Recording(bytes, 'recording'), config(windowMs), (window) => windows.push(window));
  return { ...result, windows, sums: sumsOf(windows) };
}

function oracle(node: NodeName): SumsByKey {
  const { flows } = JSON.parse(readFileSync(join(TESTDATA, `${node}.json`), 'utf8')) as { flows: OracleFlow[] };
  const sums: SumsByKey = new Map();
  for (const flow of flows) {
    const initiator = OUTSIDE[flow.initiator] ?? flow.initiator;
    add(sums, `${initiator} > ${flow.responder} ${flow.protocol}/${flow.port}`, flow);
  }
  return sums;
}

function sumsOf(windows: readonly WindowFlows[]): SumsByKey {
  const sums: SumsByKey = new Map();
  for (const window of windows) {
    for (let i = 0; i < window.count; i++) {
      const [initiator, responder] = [window.initiator[i]!, window.responder[i]!].map((at) => addressText(window, at));
      const [initiatorBytes, responderBytes] = [window.initiatorBytes[i]!, window.responderBytes[i]!];
      const [initiatorPackets, responderPackets] = [window.initiatorPackets[i]!, window.responderPackets[i]!];
      const flow = { initiatorBytes, initiatorPackets, responderBytes, responderPackets };
      add(sums, `${initiator} > ${responder} ${PROTOCOLS[window.protocol[i]!]}/${window.responderPort[i]}`, flow);
    }
  }
  return sums;
}

function add(sums: SumsByKey, key: string, flow: Sums): void {
  const sum = sums.get(key) ?? { initiatorBytes: 0, initiatorPackets: 0, responderBytes: 0, responderPackets: 0 };
  for (const measure of MEASURES) sum[measure] += flow[measure];
  sums.set(key, sum);
}

function addressText(window: WindowFlows, at: number): string {
  const bytes = window.addresses.subarray(at * 16, at * 16 + 16);
  const prefixLength = window.prefixLengths[at]!;
  if (window.addressIsV6[at] === 0) {
    return bytes.subarray(0, 4).join('.') + (prefixLength === 32 ? '' : `/${prefixLength}`);
  }
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
  // The URL parser writes the shortest form.
  const short = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
  return short + (prefixLength === 128 ? '' : `/${prefixLength}`);
}

describe.each(NODES)('recording of %s', (node) => {
  test('every flow has the bytes and packets that independent counters saw', () => {
    const { sums, counts, whole, windows } = replayed(recorded(node), 2000);
    expect(Object.fromEntries(sums)).toEqual(Object.fromEntries(oracle(node)));
    expect(sums.size).toBeGreaterThan(80);
    expect(whole).toBe(true);
    expect(windows.flatMap(({ losses }) => losses)).toEqual([]);
    expect(counts).toMatchObject({ undecodable: 0, truncatedDatagrams: 0, unknownMessages: 0, failedDumps: 0 });
    expect(counts.dumps).toBeGreaterThan(5);
    expect(counts.baselinedEntries).toBeGreaterThan(0);
  });

  test.each([100, 60_000])('windows of %i ms hold the same sums', (windowMs) => {
    const { sums, windows } = replayed(recorded(node), windowMs);
    expect(Object.fromEntries(sums)).toEqual(Object.fromEntries(oracle(node)));
    for (const [i, window] of windows.entries()) {
      if (i > 0) expect(window.windowStartUs).toBe(windows[i - 1]!.windowEndUs);
    }
  });

  test('cut anywhere, it never gives more than the whole', () => {
    const bytes = recorded(node);
    const whole = oracle(node);
    const firstRecord = 12 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
    fc.assert(
      fc.property(fc.integer({ min: firstRecord, max: bytes.length }), (length) => {
        const { sums } = replayed(bytes.subarray(0, length), 2000);
        for (const [key, sum] of sums) {
          for (const measure of MEASURES) expect(sum[measure], key).toBeLessThanOrEqual(whole.get(key)![measure]);
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** The three recordings together hold each of these: a kind without an example would be tested by nobody. */
const KINDS: readonly { name: string; is: (window: WindowFlows, i: number) => boolean }[] = [
  { name: 'a translated destination', is: (w, i) => w.originalDestination[i]! > 0 && w.translatedSource[i] === 0 },
  { name: 'a masqueraded source', is: (w, i) => w.originalDestination[i] === 0 && w.translatedSource[i]! > 0 },
  {
    name: 'a hairpin: a pod that reaches itself through its service',
    is: (w, i) => w.initiator[i] === w.responder[i] && w.originalDestination[i]! > 0 && w.translatedSource[i]! > 0,
  },
  {
    name: 'a node port of a node without the pod',
    is: (w, i) => w.originalDestinationPort[i] === 30080 && w.translatedSource[i]! > 0,
  },
  { name: 'VXLAN between nodes', is: (w, i) => w.protocol[i] === 17 && w.responderPort[i] === 8472 },
  { name: 'a pod in two conntrack zones', is: (w, i) => addressText(w, w.responder[i]!) === '10.244.3.12' },
  { name: 'an outside initiator, kept as a prefix', is: (w, i) => w.prefixLengths[w.initiator[i]!] === 24 },
  { name: 'TCP over IPv6', is: (w, i) => w.protocol[i] === 6 && w.addressIsV6[w.responder[i]!] === 1 },
  { name: 'UDP without an answer', is: (w, i) => w.protocol[i] === 17 && w.responderPackets[i] === 0 },
  { name: 'SCTP', is: (w, i) => w.protocol[i] === 132 && w.responderBytes[i]! > 0 },
  { name: 'ICMP', is: (w, i) => w.protocol[i] === 1 && w.responderPort[i] === 0 },
  { name: 'ICMPv6', is: (w, i) => w.protocol[i] === 58 },
];

test.each(KINDS)('recorded: $name', ({ is }) => {
  const windows = NODES.flatMap((node) => replayed(recorded(node), 2000).windows);
  expect(windows.some((window) => Array.from({ length: window.count }).some((_, i) => is(window, i)))).toBe(true);
});
