import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { interfaceAddresses } from './interface-addresses.ts';

const info = { netmask: '', mac: '', cidr: null };

test('each address once, without loopback and link-local ones', () => {
  expect(
    interfaceAddresses({
      lo: [{ ...info, family: 'IPv4', address: '127.0.0.1', internal: true }],
      eth0: [
        { ...info, family: 'IPv4', address: '10.0.0.1', internal: false },
        { ...info, family: 'IPv6', address: 'fe80::1', internal: false, scopeid: 2 },
        { ...info, family: 'IPv6', address: '2001:db8::1', internal: false, scopeid: 0 },
      ],
      cni0: [{ ...info, family: 'IPv4', address: '10.244.1.1', internal: false }],
      'flannel.1': [{ ...info, family: 'IPv4', address: '10.244.1.1', internal: false }],
      none: undefined,
    }),
  ).toEqual(['10.0.0.1', '2001:db8::1', '10.244.1.1']);
});

test('of this machine: nothing that Node does not list', () => {
  const listed = Object.values(networkInterfaces()).flatMap((list = []) => list.map(({ address }) => address));
  expect(listed).toEqual(expect.arrayContaining([...interfaceAddresses()]));
});
