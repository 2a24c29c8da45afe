// Against ipaddr.js, which formats by itself, and a table of RFC 5952's own cases.
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, test } from 'vitest';
import { addressText, hostBitsAreZero } from './address-text.ts';

/** Bytes in the second of two slots, so that an offset that is ignored shows. */
function slots(bytes: ArrayLike<number>): Uint8Array {
  const all = new Uint8Array(32).fill(0xff);
  all.fill(0, 16);
  all.set(bytes, 16);
  return all;
}

describe('addressText', () => {
  const cases = [
    { address: '0.0.0.0', prefix: 0, text: '0.0.0.0/0' },
    { address: '198.51.100.0', prefix: 24, text: '198.51.100.0/24' },
    { address: '255.255.255.255', prefix: 32, text: '255.255.255.255' },
    { address: '::', prefix: 128, text: '::' },
    { address: '::1', prefix: 128, text: '::1' },
    { address: '2001:0db8::0001', prefix: 128, text: '2001:db8::1' },
    { address: '2001:db8:0:1:1:1:1:1', prefix: 128, text: '2001:db8:0:1:1:1:1:1' }, // 4.2.2: one group is not shortened
    { address: '2001:0:0:1:0:0:0:1', prefix: 128, text: '2001:0:0:1::1' }, // 4.2.3: the longest run
    { address: '2001:db8:0:0:1:0:0:1', prefix: 128, text: '2001:db8::1:0:0:1' }, // 4.2.3: the first of equals
    { address: '2001:DB8:AAAA::', prefix: 48, text: '2001:db8:aaaa::/48' },
    { address: '1:2:3:4:5:6:7:8', prefix: 128, text: '1:2:3:4:5:6:7:8' },
    { address: '1:2:3:4:5:6::', prefix: 128, text: '1:2:3:4:5:6::' },
  ];
  for (const { address, prefix, text } of cases) {
    test(`${address} with ${prefix} bits is ${text}`, () => {
      const ip = ipaddr.parse(address);
      expect(addressText(slots(ip.toByteArray()), 16, ip.kind() === 'ipv6', prefix)).toBe(text);
    });
  }

  test('is what ipaddr.js writes', () => {
    const byte = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(byte, { minLength: 16, maxLength: 16 }), (bytes) => {
        const v6 = ipaddr.fromByteArray(bytes) as ipaddr.IPv6;
        expect(addressText(slots(bytes), 16, true, 128)).toBe(v6.toRFC5952String());
        const v4 = ipaddr.fromByteArray(bytes.slice(0, 4));
        expect(addressText(slots(bytes.slice(0, 4)), 16, false, 32)).toBe(v4.toString());
      }),
    );
  });
});

test('hostBitsAreZero agrees with the network address of ipaddr.js', () => {
  const byte = fc.oneof(fc.constantFrom(0, 128, 192, 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(byte, { minLength: 4, maxLength: 4 }), fc.nat(32), (bytes, prefix) => {
      const text = bytes.join('.');
      const network = ipaddr.IPv4.networkAddressFromCIDR(`${text}/${prefix}`).toString();
      expect(hostBitsAreZero(slots(bytes), 16, 4, prefix)).toBe(network === text);
    }),
  );
});
