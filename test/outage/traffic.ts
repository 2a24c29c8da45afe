// The traffic of one simulated agent: the same connections in every window, other counters in each, drawn once from a seed.
// Counters grow linearly with the window, so what a window must sum up to is known without looking at it again.
import type { WindowFlows } from '@flowtoll/agent/flow/window-flows.ts';
import { createRandom, type Random } from '../lab/random.ts';
import { OUTSIDE, outsideAddress, PODS_PER_NODE, podAddress, SERVICES, serviceAddress } from './cluster.ts';

export const WINDOW_MS = 60_000;

/** What the table must hold of one agent and window. */
export interface WindowSums {
  readonly rows: number;
  readonly txBytes: number;
  readonly rxBytes: number;
}

const V6_SHARE = 0.15;
const OUTSIDE_SHARE = 0.2;
const SAME_NODE_SHARE = 0.03;
const INBOUND_SHARE = 0.3;
const SERVICE_SHARE = 0.4;
const UDP_SHARE = 0.15;
const PORTS = [443, 80, 8080, 5432, 6379, 9092, 3306, 9090, 8443, 50_051];
const DNS = 53;
const TCP = 6;
const UDP = 17;

type Column = 'initiatorBytes' | 'initiatorPackets' | 'responderBytes' | 'responderPackets';
const COUNTERS: readonly Column[] = ['initiatorBytes', 'initiatorPackets', 'responderBytes', 'responderPackets'];

interface Flow {
  readonly initiator: readonly number[];
  readonly responder: readonly number[];
  readonly service: readonly number[] | undefined;
  readonly protocol: number;
  readonly port: number;
  /** Whether initiator and responder are pods of the reporting node. */
  readonly local: { readonly initiator: boolean; readonly responder: boolean };
}

/** What one agent sees. */
export class AgentTraffic {
  readonly #window: { -readonly [K in keyof WindowFlows]: WindowFlows[K] };
  readonly #firstWindowUs: number;
  /** Counters of window 0, and what each window adds. */
  readonly #base: Readonly<Record<Column, Float64Array>>;
  readonly #step: Readonly<Record<Column, Float64Array>>;
  readonly #rows: number;
  readonly #tx = { base: 0, step: 0 };
  readonly #rx = { base: 0, step: 0 };

  /** @param firstWindowMs begin of window 0, ms since the Unix epoch */
  constructor(nodes: number, node: number, flowCount: number, firstWindowMs: number, seed: number) {
    const random = createRandom(seed * 1_000_003 + node);
    const flows = drawFlows(random, nodes, node, flowCount);
    this.#firstWindowUs = firstWindowMs * 1000;
    this.#window = columns(flows, random);
    this.#base = counters(flowCount, () => random.logarithmic(52, 50_000_000));
    this.#step = counters(flowCount, () => random.logarithmic(1, 1_000_000));
    let rows = 0;
    for (const [i, { local }] of flows.entries()) {
      if (local.initiator) rows += this.#addRow('initiatorBytes', 'responderBytes', i);
      if (local.responder) rows += this.#addRow('responderBytes', 'initiatorBytes', i);
    }
    this.#rows = rows;
  }

  /** The flows of a window; its buffers are used again for the next. */
  window(index: number): WindowFlows {
    const window = this.#window;
    window.windowStartUs = this.#firstWindowUs + index * WINDOW_MS * 1000;
    window.windowEndUs = window.windowStartUs + WINDOW_MS * 1000;
    for (const name of COUNTERS) {
      const [base, step, column] = [this.#base[name], this.#step[name], window[name]];
      for (let i = 0; i < column.length; i++) column[i] = base[i]! + index * step[i]!;
    }
    return window;
  }

  /** What the table must hold of a window: a flow is a row of each of its ends that is a pod of the node. */
  sums(index: number): WindowSums {
    return {
      rows: this.#rows,
      txBytes: this.#tx.base + index * this.#tx.step,
      rxBytes: this.#rx.base + index * this.#rx.step,
    };
  }

  #addRow(sent: Column, received: Column, flow: number): 1 {
    this.#tx.base += this.#base[sent][flow]!;
    this.#tx.step += this.#step[sent][flow]!;
    this.#rx.base += this.#base[received][flow]!;
    this.#rx.step += this.#step[received][flow]!;
    return 1;
  }
}

function counters(count: number, draw: () => number): Readonly<Record<Column, Float64Array>> {
  const column = () => Float64Array.from({ length: count }, draw);
  return {
    initiatorBytes: column(),
    initiatorPackets: column(),
    responderBytes: column(),
    responderPackets: column(),
  };
}

function drawFlows(random: Random, nodes: number, node: number, count: number): Flow[] {
  const seen = new Set<string>();
  const flows: Flow[] = [];
  while (flows.length < count) {
    const flow = drawFlow(random, nodes, node);
    const key = `${flow.initiator} ${flow.responder} ${flow.service} ${flow.protocol} ${flow.port}`;
    if (seen.has(key)) continue;
    seen.add(key);
    flows.push(flow);
  }
  return flows;
}

function drawFlow(random: Random, nodes: number, node: number): Flow {
  const isV6 = random.chance(V6_SHARE);
  const own = node * PODS_PER_NODE + random.integer(0, PODS_PER_NODE - 1);
  const peer = drawPeer(random, nodes, node, own);
  const peerBytes = peer.outside ? outsideAddress(peer.index, isV6) : podAddress(peer.index, isV6);
  const inbound = random.chance(INBOUND_SHARE);
  const isUdp = random.chance(UDP_SHARE);
  const peerIsLocal = !peer.outside && Math.floor(peer.index / PODS_PER_NODE) === node;
  const viaService = !inbound && !peer.outside && !isV6 && random.chance(SERVICE_SHARE);
  return {
    initiator: inbound ? peerBytes : podAddress(own, isV6),
    responder: inbound ? podAddress(own, isV6) : peerBytes,
    service: viaService ? serviceAddress(peer.index % SERVICES) : undefined,
    protocol: isUdp ? UDP : TCP,
    port: isUdp ? DNS : random.chance(0.95) ? random.pick(PORTS) : random.integer(1024, 60_000),
    local: { initiator: !inbound || peerIsLocal, responder: inbound || peerIsLocal },
  };
}

/** Popular peers are popular with everybody: the rank is Zipf's, with exponent 1. */
function drawPeer(random: Random, nodes: number, node: number, own: number): { outside: boolean; index: number } {
  if (random.chance(OUTSIDE_SHARE)) return { outside: true, index: random.logarithmic(1, OUTSIDE) - 1 };
  if (random.chance(SAME_NODE_SHARE)) {
    const other = (own + random.integer(1, PODS_PER_NODE - 1)) % PODS_PER_NODE;
    return { outside: false, index: node * PODS_PER_NODE + other };
  }
  const pods = nodes * PODS_PER_NODE;
  const index = random.logarithmic(1, pods) - 1;
  // A pod does not talk to itself.
  return { outside: false, index: index === own ? (index + PODS_PER_NODE) % pods : index };
}

function columns(flows: readonly Flow[], random: Random): WindowFlows {
  const indices = new Map<string, number>();
  const addresses: (readonly number[])[] = [];
  const indexOf = (bytes: readonly number[]): number => {
    const key = bytes.join();
    const known = indices.get(key);
    if (known !== undefined) return known;
    indices.set(key, addresses.length);
    return addresses.push(bytes) - 1;
  };
  const count = flows.length;
  const fixed = (of: (flow: Flow) => number) => Uint32Array.from(flows, of);
  const flowColumns = {
    initiator: fixed(({ initiator }) => indexOf(initiator)),
    responder: fixed(({ responder }) => indexOf(responder)),
    originalDestination: fixed(({ service }) => (service === undefined ? 0 : 1 + indexOf(service))),
    originalDestinationPort: fixed(({ service, port }) => (service === undefined ? 0 : port)),
    translatedSource: new Uint32Array(count),
    protocol: Uint8Array.from(flows, ({ protocol }) => protocol),
    responderPort: fixed(({ port }) => port),
    connections: fixed(() => random.logarithmic(1, 1000)),
  };
  const slots = new Uint8Array(16 * addresses.length);
  for (const [i, bytes] of addresses.entries()) slots.set(bytes, 16 * i);
  const isV6 = Uint8Array.from(addresses, ({ length }) => (length === 16 ? 1 : 0));
  return {
    windowStartUs: 0,
    windowEndUs: 0,
    count,
    addressCount: addresses.length,
    addresses: slots,
    addressIsV6: isV6,
    prefixLengths: isV6.map((v6) => (v6 === 1 ? 128 : 32)),
    ...flowColumns,
    initiatorBytes: new Float64Array(count),
    initiatorPackets: new Float64Array(count),
    responderBytes: new Float64Array(count),
    responderPackets: new Float64Array(count),
    folded: new Uint8Array(count),
    foldedCount: 0,
    losses: [],
  };
}
