// IANA protocol numbers → the words in column `protocol`, and back.
// https://www.iana.org/assignments/protocol-numbers, keywords in lower case.

const KEYWORDS: Readonly<Record<number, string>> = {
  0: 'hopopt',
  1: 'icmp',
  2: 'igmp',
  3: 'ggp',
  4: 'ipv4',
  6: 'tcp',
  8: 'egp',
  9: 'igp',
  17: 'udp',
  27: 'rdp',
  33: 'dccp',
  41: 'ipv6',
  46: 'rsvp',
  47: 'gre',
  50: 'esp',
  51: 'ah',
  58: 'ipv6-icmp',
  88: 'eigrp',
  89: 'ospfigp',
  94: 'ipip',
  97: 'etherip',
  98: 'encap',
  103: 'pim',
  108: 'ipcomp',
  112: 'vrrp',
  115: 'l2tp',
  132: 'sctp',
  136: 'udplite',
  137: 'mpls-in-ip',
};

const NAMES: readonly string[] = Array.from({ length: 256 }, (_, number) => KEYWORDS[number] ?? String(number));

/** Lower-case IANA keyword of a protocol number, or the number as decimal text where it has none here. */
export function protocolName(protocol: number): string {
  return NAMES[protocol] ?? String(protocol);
}

const NUMBERS: ReadonlyMap<string, number> = new Map(NAMES.map((name, number) => [name, number]));

/** The number of a word of column `protocol`; undefined for a word that is none. */
export function protocolNumber(name: string): number | undefined {
  return NUMBERS.get(name);
}
