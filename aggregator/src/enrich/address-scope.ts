// What an address can be, from its bits alone: https://www.iana.org/assignments/iana-ipv4-special-registry and
// …/iana-ipv6-special-registry. Knows no names and no cluster.
import ipaddr from 'ipaddr.js';

/**
 * `internet`: global unicast. `private`: routed only where somebody chose to. `link-local`, `multicast`: never forwarded
 * by a node, so one side of such a flow is the reporting node. `unclear`: no address of a machine, or a prefix that holds
 * addresses of several scopes.
 */
export type AddressScope = 'internet' | 'private' | 'loopback' | 'link-local' | 'multicast' | 'unclear';

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

interface ScopedRange {
  readonly network: Ip;
  readonly bits: number;
  readonly scope: AddressScope;
}

// Documentation prefixes (203.0.113.0/24, 2001:db8::/32, …) are not listed: examples and tests use them for the internet.
const IPV4_RANGES = ranges({
  '0.0.0.0/8': 'unclear',
  '10.0.0.0/8': 'private',
  '100.64.0.0/10': 'private', // RFC 6598; AWS and others hand it to pods
  '127.0.0.0/8': 'loopback',
  '169.254.0.0/16': 'link-local',
  '172.16.0.0/12': 'private',
  '192.0.0.0/24': 'private',
  '192.168.0.0/16': 'private',
  '198.18.0.0/15': 'private', // RFC 2544
  '224.0.0.0/4': 'multicast',
  '255.255.255.255/32': 'multicast',
  '240.0.0.0/4': 'private', // reserved; clouds let clusters use it for pods
});

const IPV6_RANGES = ranges({
  '::/128': 'unclear',
  '::1/128': 'loopback',
  '64:ff9b:1::/48': 'private', // RFC 8215
  '2000::/3': 'internet',
  'fc00::/7': 'private',
  'fec0::/10': 'private',
  'fe80::/10': 'link-local',
  'ff00::/8': 'multicast',
});

/** Prefixes whose last 32 bits are an IPv4 address that decides: mapped addresses, and NAT64 (RFC 6052). */
const EMBEDDING = [ipaddr.parseCIDR('::ffff:0:0/96'), ipaddr.parseCIDR('64:ff9b::/96')];

/** Scope of an address or, with "/length" appended, of a prefix. */
export function addressScope(text: string): AddressScope {
  const [address = '', length] = text.split('/');
  if (!ipaddr.isValid(address)) {
    return 'unclear';
  }
  const ip = ipaddr.parse(address);
  return ip.kind() === 'ipv4'
    ? scopeIn(IPV4_RANGES, ip, length === undefined ? 32 : Number(length), 'internet')
    : ipv6Scope(ip as ipaddr.IPv6, length === undefined ? 128 : Number(length));
}

function ipv6Scope(ip: ipaddr.IPv6, bits: number): AddressScope {
  if (bits >= 96 && EMBEDDING.some(([network, length]) => matches(ip, network, length))) {
    const embedded = ipaddr.fromByteArray(ip.toByteArray().slice(12));
    return scopeIn(IPV4_RANGES, embedded, bits - 96, 'internet');
  }
  return scopeIn(IPV6_RANGES, ip, bits, 'unclear');
}

/** The first range that holds the whole prefix; `unclear` if one holds a part of it. */
function scopeIn(list: readonly ScopedRange[], ip: Ip, bits: number, otherwise: AddressScope): AddressScope {
  for (const range of list) {
    if (matches(ip, range.network, Math.min(bits, range.bits))) {
      return bits >= range.bits ? range.scope : 'unclear';
    }
  }
  return otherwise;
}

function matches(ip: Ip, network: Ip, bits: number): boolean {
  return ip.match(network as ipaddr.IPv4 & ipaddr.IPv6, bits);
}

function ranges(scopes: Readonly<Record<string, AddressScope>>): ScopedRange[] {
  return Object.entries(scopes).map(([text, scope]) => {
    const [network, bits] = ipaddr.parseCIDR(text);
    return { network, bits, scope };
  });
}
