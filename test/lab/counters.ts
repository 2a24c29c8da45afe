// Reads the independent counters: how many bytes and packets of each 5-tuple a host sent, received or let pass.
import { run } from './exec.ts';
import { COUNTER_TABLE } from './rules.ts';

/** One counter. For echo messages the ports are 0 and `echo` says which; for all others `echo` is undefined. */
export interface Tally {
  /** Host that counted. */
  readonly host: string;
  /** Did the host send it (`out`), receive it (`in`), or let it pass (`via`)? */
  readonly side: 'out' | 'in' | 'via';
  readonly source: string;
  readonly destination: string;
  /** IANA name. */
  readonly protocol: Protocol;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly echo: 'request' | 'reply' | undefined;
  /** IP header and payload. */
  readonly bytes: number;
  readonly packets: number;
}

export type Protocol = 'tcp' | 'udp' | 'sctp' | 'icmp' | 'ipv6-icmp';

const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  '1': 'icmp',
  '6': 'tcp',
  '17': 'udp',
  '58': 'ipv6-icmp',
  '132': 'sctp',
  icmp: 'icmp',
  tcp: 'tcp',
  udp: 'udp',
  sctp: 'sctp',
  'ipv6-icmp': 'ipv6-icmp',
  icmpv6: 'ipv6-icmp',
};

interface NftSet {
  readonly name: string;
  readonly elem?: readonly NftElement[];
}

interface NftElement {
  readonly elem: {
    readonly val: { readonly concat: readonly (string | number)[] };
    readonly counter: { readonly packets: number; readonly bytes: number };
  };
}

/** Reads all counters of one host. */
export async function readTallies(host: string, namespace: string): Promise<Tally[]> {
  // -nn: numbers instead of service and protocol names.
  const text = await run([
    'ip',
    'netns',
    'exec',
    namespace,
    'nft',
    '-j',
    '-nn',
    'list',
    'table',
    'inet',
    COUNTER_TABLE,
  ]);
  const items = (JSON.parse(text) as { nftables: readonly { set?: NftSet }[] }).nftables;
  const tallies: Tally[] = [];
  for (const { set } of items) {
    if (set?.elem === undefined) continue;
    const [side, kind] = set.name.split('_') as ['out' | 'in' | 'via', 'l4' | 'echo'];
    for (const { elem } of set.elem) tallies.push(tallyOf(host, side, kind, elem));
  }
  return tallies;
}

function tallyOf(host: string, side: Tally['side'], kind: 'l4' | 'echo', element: NftElement['elem']): Tally {
  const [source, destination, protocol, third, fourth] = element.val.concat;
  const known = PROTOCOLS[String(protocol)];
  if (known === undefined) throw new Error(`nft counted an unknown protocol: ${JSON.stringify(element)}`);
  return {
    host,
    side,
    source: String(source),
    destination: String(destination),
    protocol: known,
    sourcePort: kind === 'l4' ? Number(third) : 0,
    destinationPort: kind === 'l4' ? Number(fourth) : 0,
    echo: kind === 'echo' ? echoOf(String(third)) : undefined,
    bytes: element.counter.bytes,
    packets: element.counter.packets,
  };
}

function echoOf(type: string): 'request' | 'reply' {
  if (type === 'echo-request' || type === '8' || type === '128') return 'request';
  if (type === 'echo-reply' || type === '0' || type === '129') return 'reply';
  throw new Error(`nft counted an ICMP message that is no echo: type ${type}`);
}

/** What was counted since an earlier reading of the same hosts. */
export function since(now: readonly Tally[], earlier: readonly Tally[]): Tally[] {
  const before = new Map(earlier.map((tally) => [identity(tally), tally]));
  const changed: Tally[] = [];
  for (const tally of now) {
    const old = before.get(identity(tally));
    const bytes = tally.bytes - (old?.bytes ?? 0);
    if (bytes > 0) changed.push({ ...tally, bytes, packets: tally.packets - (old?.packets ?? 0) });
  }
  return changed;
}

function identity(tally: Tally): string {
  const { host, side, source, destination, protocol, sourcePort, destinationPort, echo } = tally;
  return [host, side, source, destination, protocol, sourcePort, destinationPort, echo].join(' ');
}
