// The recorded cluster (agent/testdata) worked out by hand: who is where, what each side of each flow sent and received, and
// which class that is. From the independent counters alone; no code of the product is used here.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

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
