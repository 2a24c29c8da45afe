// A batch as a busy node would send it: 80 % of the addresses IPv4, 300 local ones, 2,000 remote ones of which few are
// popular, services behind translation, masquerading, heavy-tailed counters. The same flows in every run.
import type { WindowFlows } from '@flowtoll/agent/flow/window-flows.ts';

const LOCAL = 300;
const REMOTE = 2000;
const SERVICES = 50;
const V6_SHARE = 0.2;
const PORTS = [443, 80, 8080, 5432, 6379, 9092, 3306, 9090, 8443, 50051];
const DNS = 53;

/** xorshift32: uniform in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
}

interface Flow {
  readonly initiator: number;
  readonly responder: number;
  readonly service: number | undefined;
  readonly source: number | undefined;
  readonly protocol: number;
  readonly port: number;
  readonly counters: readonly [number, number, number, number];
  readonly connections: number;
}

/** A window with `count` different flows, in no order. */
export function wireWorkload(count: number): WindowFlows {
  const random = generator(20_260_601);
  const below = (end: number) => Math.floor(random() * end);
  const seen = new Set<string>();
  const flows: Flow[] = [];
  while (flows.length < count) {
    const flow = drawFlow(random, below);
    const key = `${flow.initiator} ${flow.responder} ${flow.protocol} ${flow.port}`;
    if (seen.has(key)) continue;
    seen.add(key);
    flows.push(flow);
  }
  return toWindow(flows, below, random);
}

function drawFlow(random: () => number, below: (end: number) => number): Flow {
  const local = below(LOCAL);
  // The third power: a tenth of the remotes takes almost half of the flows.
  const remote = LOCAL + Math.floor(REMOTE * random() ** 3);
  const inbound = random() < 0.3;
  const udp = random() < 0.15;
  const known = PORTS[Math.floor(PORTS.length * random() ** 2)]!;
  const port = udp ? DNS : random() < 0.95 ? known : 1024 + below(60_000);
  const initiatorPackets = heavyTail(random, 2, 1.1, 1e9);
  const responderPackets = 1 + Math.floor(initiatorPackets * (0.3 + 1.5 * random()));
  return {
    initiator: inbound ? remote : local,
    responder: inbound ? local : remote,
    service: !inbound && random() < 0.3 ? LOCAL + REMOTE + below(SERVICES) : undefined,
    source: !inbound && random() < 0.2 ? below(4) : undefined,
    protocol: udp ? 17 : 6,
    port,
    counters: [
      Math.floor(initiatorPackets * (52 + 1300 * random() ** 2)),
      initiatorPackets,
      Math.floor(responderPackets * (52 + 1400 * random())),
      responderPackets,
    ],
    connections: heavyTail(random, 1, 1.5, 1e5),
  };
}

/** Pareto: most values near `least`, a few enormous. */
function heavyTail(random: () => number, least: number, exponent: number, most: number): number {
  return Math.min(most, Math.floor(least * (1 - random()) ** (-1 / exponent)));
}

/** Columns of the flows, with a dictionary of only the addresses that they name. */
function toWindow(flows: readonly Flow[], below: (end: number) => number, random: () => number): WindowFlows {
  const count = flows.length;
  const indices = new Map<number, number>();
  const indexOf = (address: number) => {
    const index = indices.get(address) ?? indices.size;
    indices.set(address, index);
    return index;
  };
  const fixed = (of: (flow: Flow) => number) => Uint32Array.from(flows, of);
  const counter = (which: number) => Float64Array.from(flows, ({ counters }) => counters[which]!);
  const columns = {
    initiator: fixed(({ initiator }) => indexOf(initiator)),
    responder: fixed(({ responder }) => indexOf(responder)),
    originalDestination: fixed(({ service }) => (service === undefined ? 0 : 1 + indexOf(service))),
    originalDestinationPort: fixed(({ service, port }) => (service === undefined ? 0 : port)),
    translatedSource: fixed(({ source }) => (source === undefined ? 0 : 1 + indexOf(source))),
    protocol: Uint8Array.from(flows, ({ protocol }) => protocol),
    responderPort: fixed(({ port }) => port),
    initiatorBytes: counter(0),
    initiatorPackets: counter(1),
    responderBytes: counter(2),
    responderPackets: counter(3),
    connections: fixed(({ connections }) => connections),
  };
  const addressCount = indices.size;
  const addresses = new Uint8Array(16 * addressCount);
  const addressIsV6 = new Uint8Array(addressCount);
  for (const [address, index] of indices) {
    const isV6 = random() < V6_SHARE;
    addressIsV6[index] = isV6 ? 1 : 0;
    const bytes = isV6 ? 16 : 4;
    // Pods and services share their network's first bytes; remote addresses share nothing.
    const shared = address < LOCAL ? [10, 244, 3] : address >= LOCAL + REMOTE ? [10, 96] : [];
    for (let i = 0; i < bytes; i++) addresses[16 * index + i] = shared[i] ?? below(256);
  }
  return {
    windowStartUs: Date.UTC(2026, 5, 1, 12, 0) * 1000,
    windowEndUs: Date.UTC(2026, 5, 1, 12, 1) * 1000,
    count,
    addressCount,
    addresses,
    addressIsV6,
    prefixLengths: addressIsV6.map((isV6) => (isV6 === 1 ? 128 : 32)),
    ...columns,
    folded: new Uint8Array(count),
    foldedCount: 0,
    losses: [],
  };
}
