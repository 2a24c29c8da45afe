import { describe, expect, it } from 'vitest';
import { protocolName } from '../model/protocol-name.ts';
import { type AddressScope, addressScope } from './address-scope.ts';

const scopes: [address: string, scope: AddressScope][] = [
  ['8.8.8.8', 'internet'],
  ['203.0.113.0/24', 'internet'],
  ['203.0.113.9', 'internet'],
  ['9.255.255.255', 'internet'],
  ['10.0.0.0', 'private'],
  ['10.255.255.255', 'private'],
  ['11.0.0.0', 'internet'],
  ['100.63.255.255', 'internet'],
  ['100.64.0.0', 'private'],
  ['100.127.255.255', 'private'],
  ['100.128.0.0', 'internet'],
  ['172.15.255.255', 'internet'],
  ['172.16.0.0', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.0', 'internet'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.1', 'private'],
  ['240.0.0.1', 'private'],
  ['127.0.0.1', 'loopback'],
  ['169.254.169.254', 'link-local'],
  ['224.0.0.251', 'multicast'],
  ['255.255.255.255', 'multicast'],
  ['0.0.0.0', 'unclear'],
  ['0.0.0.0/0', 'unclear'],
  ['172.0.0.0/8', 'unclear'], // private and public addresses
  ['34.0.0.0/8', 'internet'],
  ['2001:db8::1', 'internet'],
  ['2600::/48', 'internet'],
  ['fd00::1', 'private'],
  ['fc00::/7', 'private'],
  ['fe80::1', 'link-local'],
  ['fec0::1', 'private'],
  ['ff02::fb', 'multicast'],
  ['::1', 'loopback'],
  ['::', 'unclear'],
  ['::/0', 'unclear'],
  ['4000::1', 'unclear'], // not assigned
  ['::ffff:10.0.0.1', 'private'],
  ['::ffff:808:808', 'internet'],
  ['64:ff9b::808:808', 'internet'], // NAT64 of 8.8.8.8
  ['64:ff9b::a00:1', 'private'], // NAT64 of 10.0.0.1
  ['64:ff9b:1::1', 'private'],
  ['nonsense', 'unclear'],
];

describe('addressScope', () => {
  it.each(scopes)('%s is %s', (address, scope) => {
    expect(addressScope(address)).toBe(scope);
  });
});

const protocols: [number: number, name: string][] = [
  [1, 'icmp'],
  [4, 'ipv4'],
  [6, 'tcp'],
  [17, 'udp'],
  [33, 'dccp'],
  [41, 'ipv6'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [58, 'ipv6-icmp'],
  [132, 'sctp'],
  [136, 'udplite'],
  [253, '253'],
  [255, '255'],
];

describe('protocolName', () => {
  it.each(protocols)('%i is %s', (number, name) => {
    expect(protocolName(number)).toBe(name);
  });
});
