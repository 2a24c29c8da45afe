// The recorded cluster (agent/testdata) worked out by hand: who is where, what each side of each flow sent and received, and
// which class that is. From the independent counters alone; no code of the product is used here.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AGGREGATOR_PROGRAM, type Programs } from './processes.ts';

export const TESTDATA = join(import.meta.dirname, '..', '..', 'agent', 'testdata');
export const NODES = ['n1', 'n2', 'n3'] as const;
export type NodeName = (typeof NODES)[number];

const PLACES: Readonly<Record<NodeName, { region: string; zone: string }>> = {
  n1: { region: 'us-east-1', zone: 'us-east-1a' },
  n2: { region: 'us-east-1', zone: 'us-east-1b' },
  n3: { region: 'us-west-2', zone: 'us-west-2a' },
};
const VXLAN_PORT = 8472;

/** What nft counted of one flow on its way over one node: IP header and payload. */
export interface CountedFlow {
  readonly initiator: string;
  /** Who really answered: after translation. */
  readonly responder: string;
  readonly protocol: string;
  readonly port: number;
  readonly initiatorBytes: number;
  readonly responderBytes: number;
}

export type RecordedClass = 'same-node' | 'cross-zone' | 'cross-region' | 'internet' | 'encapsulation';

/** One side of a flow that lives on the node: what the cloud looks at when it bills. */
export interface Side {
  readonly trafficClass: RecordedClass;
  /** The address of the side; undefined for the node itself, where it passes a flow on. */
  readonly local: string | undefined;
  readonly peer: string;
  readonly txBytes: number;
  readonly rxBytes: number;
}

/** What the independent counters saw of a node's flows. */
export function countedFlows(node: NodeName): readonly CountedFlow[] {
  return (JSON.parse(readFileSync(join(TESTDATA, `${node}.json`), 'utf8')) as { flows: CountedFlow[] }).flows;
}

/** The sides that live on the node, of all its flows. */
export function sidesOn(node: NodeName): Side[] {
  return countedFlows(node).flatMap((flow) => {
    const { initiator, responder, initiatorBytes, responderBytes } = flow;
    const tunnel = flow.protocol === 'udp' && flow.port === VXLAN_PORT;
    const initiatorSide = { txBytes: initiatorBytes, rxBytes: responderBytes };
    const responderSide = { txBytes: responderBytes, rxBytes: initiatorBytes };
    const trafficClass = (peer: string): RecordedClass => (tunnel ? 'encapsulation' : classOf(node, nodeOf(peer)));
    const sides: Side[] = [];
    if (nodeOf(initiator) === node) {
      sides.push({ trafficClass: trafficClass(responder), local: initiator, peer: responder, ...initiatorSide });
    }
    if (nodeOf(responder) === node) {
      sides.push({ trafficClass: trafficClass(initiator), local: responder, peer: initiator, ...responderSide });
    }
    if (sides.length > 0) return sides;
    // The node only passes it on (a node port). On the wire the node answers the initiator, and asks the responder.
    return [
      { trafficClass: trafficClass(initiator), local: undefined, peer: initiator, ...responderSide },
      { trafficClass: trafficClass(responder), local: undefined, peer: responder, ...initiatorSide },
    ];
  });
}

/** Bytes of one class on one node, in both directions. */
export interface ClassBytes {
  readonly node: string;
  readonly class: string;
  readonly tx: number;
  readonly rx: number;
}

/** What the table must hold after replays of these nodes' recordings; a node may be there several times. */
export function bytesByNodeAndClass(replays: readonly NodeName[]): ClassBytes[] {
  const sums = new Map<string, { node: string; class: string; tx: number; rx: number }>();
  for (const node of [...replays].sort()) {
    for (const { trafficClass, txBytes, rxBytes } of sidesOn(node)) {
      const key = `${node} ${trafficClass}`;
      const sum = sums.get(key) ?? { node, class: trafficClass, tx: 0, rx: 0 };
      sum.tx += txBytes;
      sum.rx += rxBytes;
      sums.set(key, sum);
    }
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

/** Which node an address lives on; undefined is the outside. Addresses hold the node's number: 10.244.2.11 is on n2. */
function nodeOf(address: string): NodeName | undefined {
  const number = /^(?:10\.(?:0|244)\.|fd00:10:(?:0|244):)(\d)[.:]/.exec(address)?.[1];
  return NODES.find((node) => node === `n${number}`);
}

function classOf(here: NodeName, there: NodeName | undefined): RecordedClass {
  if (there === undefined) return 'internet';
  if (there === here) return 'same-node';
  return PLACES[here].region === PLACES[there].region ? 'cross-zone' : 'cross-region';
}

/** What the table does hold, by `flowtoll sql`. */
export async function storedBytes(programs: Programs, store: string): Promise<ClassBytes[]> {
  const statement = `SELECT node, traffic_class AS class, sum(tx_bytes)::DOUBLE AS tx, sum(rx_bytes)::DOUBLE AS rx
    FROM flows GROUP BY ALL ORDER BY ALL`;
  const args = ['sql', statement, '--store', store, '--format', 'json'];
  const { code, stdout, stderr } = await programs.run(AGGREGATOR_PROGRAM, args);
  if (code !== 0) throw new Error(`flowtoll sql ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as ClassBytes[];
}
