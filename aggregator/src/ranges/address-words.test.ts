import { isIP } from 'node:net';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { hasHostBits, IPV6, NO_ADDRESS, readAddress } from './address-words.ts';

const words = new Uint32Array(4);

/** Words of an address by others' parsers: ipaddr.js reads "::1.2.3.4" otherwise than RFC 4291 says, URL does not. */
function expectedWords(text: string): number[] {
  const plain = text.includes(':') ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text;
  const bytes = Buffer.from(ipaddr.parse(plain).toByteArray());
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32BE(4 * i));
}

function read(text: string): { readonly code: number; readonly words: number[] } {
  const code = readAddress(text, words);
  return { code, words: [...words.subarray(0, code >= IPV6 ? 4 : 1)] };
}

const ipv6Text = fc.ipV6().map((text) => text.toLowerCase());

describe('readAddress', () => {
  it.each([
    '0.0.0.0',
    '255.255.255.255',
    '192.0.2.1',
    '::',
    '::1',
    '1::',
    '2001:db8::8:800:200c:417a',
    '1:2:3:4:5:6:7:8',
  ])('reads %s', (text) => {
    const whole = text.includes(':') ? IPV6 + 128 : 32;
    expect(read(text)).toEqual({ code: whole, words: expectedWords(text) });
  });

  it.each([
    ['::ffff:192.0.2.1', [0, 0, 0xffff, 0xc0000201]],
    ['1:2:3:4:5:6:192.0.2.1', [0x10002, 0x30004, 0x50006, 0xc0000201]],
    ['ABCD::EF', [0xabcd0000, 0, 0, 0xef]],
  ])('reads %s', (text, expected) => {
    expect(read(text)).toEqual({ code: IPV6 + 128, words: expected });
  });

  it.each([
    ['192.0.2.0/24', 24],
    ['0.0.0.0/0', 0],
    ['192.0.2.1/32', 32],
    ['2001:db8::/32', IPV6 + 32],
    ['::/0', IPV6],
    ['::1/128', IPV6 + 128],
  ])('reads the prefix %s', (text, code) => {
    expect(read(text).code).toBe(code);
  });

  it.each(
    [
      [
        '',
        'a',
        '1.2.3',
        '1.2.3.4.5',
        '1.2.3.256',
        '01.2.3.4',
        '1.2.3.',
        '.1.2.3',
        '1..2.3',
        '1.2.3.4 ',
        ' 1.2.3.4',
        '0x1.2.3.4',
      ],
      ['1.2.3.4/', '1.2.3.4/33', '1.2.3.4/024', '1.2.3.4/-1', '1.2.3.4/8/8', '1.2.3.4/0008', '/24', '1.2.3.4/1e1'],
      [':', ':::', '1:', ':1', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '12345::', '::g'],
      ['fe80::1%eth0', '::1.2.3', '1:2:3:4:5:6:7:1.2.3.4', '1.2.3.4::', '::/129', '::/', 'example.org', '::1.2.3.4:5'],
    ].flat(),
  )('refuses %j', (text) => {
    expect(readAddress(text, words)).toBe(NO_ADDRESS);
  });

  it('reads what other parsers write', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), ipv6Text), (text) => {
        expect(read(text)).toEqual({ code: text.includes(':') ? IPV6 + 128 : 32, words: expectedWords(text) });
      }),
      { numRuns: 2000 },
    );
  });

  it('takes for an address what the system takes for one', () => {
    const pieces = fc.constantFrom(':', '::', '.', '0', '1', '255', '256', 'ffff', 'a', 'g', '1.2.3.4', '00', '/');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 16 }), (parts) => {
        const text = parts.join('');
        expect(readAddress(text, words) !== NO_ADDRESS, text).toBe(isIP(text) !== 0 || isPrefix(text));
      }),
      { numRuns: 20_000 },
    );
  });
});

function isPrefix(text: string): boolean {
  const [address = '', length, ...rest] = text.split('/');
  if (length === undefined || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(length)) return false;
  const family = isIP(address);
  return family !== 0 && Number(length) <= (family === 4 ? 32 : 128);
}

describe('hasHostBits', () => {
  it.each([
    ['192.0.2.0/24', false],
    ['192.0.2.1/24', true],
    ['192.0.2.1/32', false],
    ['0.0.0.0/0', false],
    ['128.0.0.0/0', true],
    ['2001:db8::/32', false],
    ['2001:db8::1/127', true],
    ['2001:db8::2/127', false],
    ['2001:db8:8000::/33', false],
    ['2001:db8:8000::/32', true],
  ])('%s: %s', (text, expected) => {
    expect(hasHostBits(readAddress(text, words), words)).toBe(expected);
  });
});
