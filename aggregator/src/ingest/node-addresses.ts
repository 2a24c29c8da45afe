// The addresses of a node's interfaces as its agent names them in Hello, checked and in the form that batches have.
import type { Hello } from '@flowtoll/proto';
import ipaddr from 'ipaddr.js';
import { InvalidMessageError } from './invalid-message.ts';

const NODE_ADDRESSES_MAX = 4096;

/** Canonical text of each (RFC 5952 for IPv6). Throws InvalidMessageError `address`. */
export function nodeAddressesFromProto({ nodeAddresses }: Hello): ReadonlySet<string> {
  if (nodeAddresses.length > NODE_ADDRESSES_MAX) {
    throw new InvalidMessageError(
      'address',
      `hello.node_addresses has ${nodeAddresses.length} elements; at most ${NODE_ADDRESSES_MAX}`,
    );
  }
  return new Set(nodeAddresses.map(canonical));
}

function canonical(text: string, index: number): string {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toString();
  if (ipaddr.IPv6.isValid(text) && !text.includes('%')) return ipaddr.IPv6.parse(text).toRFC5952String();
  throw new InvalidMessageError(
    'address',
    `hello.node_addresses[${index}] is ${JSON.stringify(text.slice(0, 50))}: no address`,
  );
}
