// Rows → traffic of pods as egressd tells it: what one pod sent and received, by peer and protocol, ports dropped. Knows egressd's
// meaning of source (the local pod, whoever opened the connection) and destination; knows no encoding.
import type { RowFilter } from '../../api/row-query.ts';
import { protocolNumber } from '../../model/protocol-name.ts';
import type { RowColumns } from '../row-columns.ts';

/** One item; the names are egressd's. What is not known of a destination is empty. */
export interface PodTrafficItem {
  readonly srcIp: string;
  readonly srcPod: string;
  readonly srcNamespace: string;
  readonly srcNode: string;
  readonly srcZone: string;
  readonly dstIp: string;
  readonly dstPod: string;
  readonly dstNamespace: string;
  readonly dstNode: string;
  readonly dstZone: string;
  /** IANA's number. */
  readonly proto: number;
  txBytes: number;
  txPackets: number;
  rxBytes: number;
  rxPackets: number;
}

/** By their index here, below. */
const TEXTS = [
  ...['ip', 'pod', 'namespace', 'node', 'zone', 'peer_ip', 'peer_pod', 'peer_namespace', 'peer_node', 'peer_zone'],
  ...['protocol', 'peer_kind'],
] as const;
const PEER_IP = 5;
const PROTOCOL = 10;
const PEER_KIND = 11;
const NUMBERS = ['tx_bytes', 'tx_packets', 'rx_bytes', 'rx_packets'] as const;

export const POD_TRAFFIC_COLUMNS: readonly string[] = [...TEXTS, ...NUMBERS];

/** Pods are the local side, and what tunnels carry is counted in its own rows. */
export const POD_TRAFFIC_FILTERS: readonly RowFilter[] = [
  { column: 'local_kind', values: ['pod'], exclude: false },
  { column: 'traffic_class', values: ['encapsulation'], exclude: true },
];

/** Peers whose addresses `groupPublicIps` puts together. */
const OUTSIDE: ReadonlySet<string> = new Set(['internet', 'provider-service']);

export class PodTraffic {
  readonly #groupPublicIps: boolean;
  /** In the order in which they first came. */
  readonly items = new Map<string, PodTrafficItem>();
  /** Number of each text, so that a key is short. */
  readonly #numbers = new Map<string, number>();

  constructor({ groupPublicIps }: { readonly groupPublicIps: boolean }) {
    this.#groupPublicIps = groupPublicIps;
  }

  add(rows: RowColumns): void {
    const texts = TEXTS.map((name) => rows.text(name));
    const codes = texts.map(({ codes }) => codes);
    const words = texts.map(({ dictionary }, i) =>
      dictionary.map((text) => (i === PEER_IP ? address(text ?? '') : (text ?? ''))),
    );
    const numbers = words.map((column) => column.map((word) => this.#numberOf(word)));
    const [txBytes, txPackets, rxBytes, rxPackets] = NUMBERS.map((name) => rows.numbers(name));
    for (let row = 0; row < rows.rowCount; row++) {
      const isGrouped = this.#groupPublicIps && OUTSIDE.has(words[PEER_KIND]![codes[PEER_KIND]![row]!]!);
      let key = '';
      for (let i = 0; i <= PROTOCOL; i++) {
        if (i === PEER_IP && isGrouped) key += `${wholeFamily(words[i]![codes[i]![row]!]!)},`;
        else key += `${numbers[i]![codes[i]![row]!]!},`;
      }
      let item = this.items.get(key);
      if (item === undefined) {
        item = itemOf((i) => {
          const word = words[i]![codes[i]![row]!]!;
          return i === PEER_IP && isGrouped ? wholeFamily(word) : word;
        });
        this.items.set(key, item);
      }
      item.txBytes += txBytes![row] || 0;
      item.txPackets += txPackets![row] || 0;
      item.rxBytes += rxBytes![row] || 0;
      item.rxPackets += rxPackets![row] || 0;
    }
  }

  #numberOf(word: string): number {
    const known = this.#numbers.get(word);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(word, number);
    return number;
  }
}

function itemOf(word: (index: number) => string): PodTrafficItem {
  return {
    ...{ srcIp: word(0), srcPod: word(1), srcNamespace: word(2), srcNode: word(3), srcZone: word(4) },
    ...{ dstIp: word(PEER_IP), dstPod: word(6), dstNamespace: word(7), dstNode: word(8), dstZone: word(9) },
    proto: protocolNumber(word(PROTOCOL)) ?? 0,
    ...{ txBytes: 0, txPackets: 0, rxBytes: 0, rxPackets: 0 },
  };
}

/** A prefix ("203.0.113.0/24") as its first address: receivers expect an address. */
function address(text: string): string {
  const slash = text.indexOf('/');
  return slash < 0 ? text : text.slice(0, slash);
}

function wholeFamily(ip: string): string {
  return ip.includes(':') ? '::' : '0.0.0.0';
}
