// What kind of address it is for a bill: clouds bill public IPv4 otherwise than private addresses inside one region, and some IPv6 of
// another network. Runs on the text of rows, hence by hand.

/** `none`: no address, or one that cannot be read. */
export type AddressKind = 'private-ipv4' | 'public-ipv4' | 'private-ipv6' | 'public-ipv6' | 'none';

const NO_ADDRESS = -1;

/** First address and number of addresses of each block that is never a public one. */
const PRIVATE_IPV4 = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3', // multicast, and the reserved block that clouds let clusters use for pods
].map((range) => {
  const [network = '', bits] = range.split('/');
  return { first: ipv4Number(network), count: 2 ** (32 - Number(bits)) };
});

/** Kind of an address, or of a prefix by its first address. */
export function addressKind(text: string | null): AddressKind {
  if (text === null) return 'none';
  if (text.includes(':')) return isGlobalIpv6(text) ? 'public-ipv6' : 'private-ipv6';
  const address = ipv4Number(text);
  if (address === NO_ADDRESS) return 'none';
  const isPrivate = PRIVATE_IPV4.some(({ first, count }) => address >= first && address < first + count);
  return isPrivate ? 'private-ipv4' : 'public-ipv4';
}

/** 2000::/3: the only block of global unicast that is handed out. */
function isGlobalIpv6(text: string): boolean {
  const colon = text.indexOf(':');
  return colon === 4 && (text[0] === '2' || text[0] === '3');
}

/** The 32 bits of dotted decimal text, or of that before a "/"; NO_ADDRESS for anything else. */
function ipv4Number(text: string): number {
  let number = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) {
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return NO_ADDRESS;
    } else if (text[i] === '.' && octet >= 0) {
      number = number * 256 + octet;
      octet = -1;
      dots++;
    } else if (text[i] === '/') {
      break;
    } else {
      return NO_ADDRESS;
    }
  }
  return dots === 3 && octet >= 0 ? number * 256 + octet : NO_ADDRESS;
}
