import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import type { AddressPlace } from '../model/address-place.ts';
import { PrefixListBuilder, RANK, type RangePlace } from './prefix-list.ts';
import { createRangeTable } from './range-table.ts';

/** A line of a document. */
interface Line {
  readonly prefix: string;
  readonly place: RangePlace;
}

function place(provider: string, region: string | null, service: string | null, rank: RangePlace['rank']): RangePlace {
  return { provider, region, service, rank, inheritsRegion: provider === 'azure' && region === null };
}

function tableOf(...documents: readonly (readonly Line[])[]) {
  return createRangeTable(
    documents.map((lines) => {
      const builder = new PrefixListBuilder();
      for (const { prefix, place } of lines) expect(builder.add(prefix, place)).toBeUndefined();
      return builder.finish();
    }),
  );
}

const EC2 = place('aws', 'us-east-1', null, RANK.machines);
const AMAZON = place('aws', 'us-east-1', 'AMAZON', RANK.everything);
const S3 = place('aws', 'us-east-1', 'S3', RANK.service);

function answer({ provider, region, service }: AddressPlace): AddressPlace {
  return { provider, region, service };
}

describe('the table of ranges', () => {
  it('knows nothing where there are no documents', () => {
    const table = createRangeTable([]);
    expect(table.lookup('192.0.2.1')).toBeUndefined();
    expect(table.lookup('2001:db8::1')).toBeUndefined();
  });

  it('prefers a named service to machines, and these to everything, at equal length, whatever the order of lines', () => {
    const lines = [EC2, AMAZON, S3].map((place) => ({ prefix: '203.0.113.0/24', place }));
    expect(tableOf(lines).lookup('203.0.113.9')).toEqual(answer(S3));
    expect(tableOf(lines.toReversed()).lookup('203.0.113.9')).toEqual(answer(S3));
    expect(tableOf(lines.slice(0, 2)).lookup('203.0.113.9')).toEqual(answer(EC2));
    expect(tableOf(lines.slice(1, 2)).lookup('203.0.113.9')).toEqual(answer(AMAZON));
  });

  it('goes back to the outer range behind an inner one, also where both end together', () => {
    const table = tableOf([
      { prefix: '203.0.112.0/23', place: EC2 },
      { prefix: '203.0.112.128/25', place: S3 },
      { prefix: '203.0.113.128/25', place: S3 },
      { prefix: '203.0.113.192/26', place: AMAZON },
    ]);
    expect(table.lookup('203.0.112.127')).toEqual(answer(EC2));
    expect(table.lookup('203.0.112.128')).toEqual(answer(S3));
    expect(table.lookup('203.0.113.0')).toEqual(answer(EC2));
    expect(table.lookup('203.0.113.255')).toEqual(answer(AMAZON));
    expect(table.lookup('203.0.114.0')).toBeUndefined();
    expect(table.lookup('203.0.111.255')).toBeUndefined();
  });

  it('holds the last addresses of both families', () => {
    const table = tableOf([
      { prefix: '255.0.0.0/8', place: EC2 },
      { prefix: 'ffff::/16', place: S3 },
    ]);
    expect(table.lookup('255.255.255.255')).toEqual(answer(EC2));
    expect(table.lookup('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')).toEqual(answer(S3));
    expect(table.lookup('fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff')).toBeUndefined();
  });

  it('says of a prefix only what holds for all of it', () => {
    const table = tableOf([
      { prefix: '203.0.112.0/23', place: EC2 },
      { prefix: '203.0.113.0/25', place: S3 },
      { prefix: '203.0.116.0/24', place: S3 },
      { prefix: '203.0.117.0/24', place: S3 },
      { prefix: '2001:db8::/47', place: EC2 },
      { prefix: '2001:db8:1:1::/64', place: S3 },
    ]);
    expect(table.lookup('203.0.112.0/24')).toEqual(answer(EC2));
    expect(table.lookup('203.0.113.0/24')).toBeUndefined();
    expect(table.lookup('203.0.113.0/25')).toEqual(answer(S3));
    expect(table.lookup('203.0.116.0/23')).toEqual(answer(S3));
    expect(table.lookup('203.0.116.0/22')).toBeUndefined();
    expect(table.lookup('203.0.114.0/24')).toBeUndefined();
    expect(table.lookup('2001:db8::/48')).toEqual(answer(EC2));
    expect(table.lookup('2001:db8:1::/48')).toBeUndefined();
  });

  it('looks into addresses that embed an IPv4 address', () => {
    const table = tableOf([{ prefix: '203.0.113.0/24', place: S3 }]);
    expect(table.lookup('::ffff:cb00:7109')).toEqual(answer(S3));
    expect(table.lookup('64:ff9b::cb00:7109')).toEqual(answer(S3));
    expect(table.lookup('64:ff9b::cb00:7100/120')).toEqual(answer(S3));
    expect(table.lookup('64:ff9b::cb00:7000/116')).toBeUndefined();
    expect(table.lookup('64:ff9b:0:1::cb00:7109')).toBeUndefined();
    expect(table.lookup('::cb00:7109')).toBeUndefined();
  });

  it('gives a range without a region that of the same provider around it, or beside it', () => {
    const table = tableOf([
      { prefix: '203.0.0.0/16', place: place('azure', 'westeurope', null, RANK.machines) },
      { prefix: '203.0.1.0/24', place: place('azure', null, 'Storage', RANK.service) },
      { prefix: '203.0.1.0/25', place: S3 },
      { prefix: '203.0.1.0/26', place: place('azure', null, 'Sql', RANK.service) },
      { prefix: '198.51.100.0/24', place: place('azure', null, 'Storage', RANK.service) },
      { prefix: '198.51.100.0/24', place: place('azure', 'eastus', null, RANK.machines) },
      { prefix: '192.0.2.0/24', place: place('azure', null, 'Storage', RANK.service) },
    ]);
    expect(table.lookup('203.0.1.200')).toEqual({ provider: 'azure', region: 'westeurope', service: 'Storage' });
    expect(table.lookup('203.0.1.1')).toEqual({ provider: 'azure', region: 'westeurope', service: 'Sql' });
    expect(table.lookup('198.51.100.1')).toEqual({ provider: 'azure', region: 'eastus', service: 'Storage' });
    expect(table.lookup('192.0.2.1')).toEqual({ provider: 'azure', region: null, service: 'Storage' });
  });

  it('leaves a range without a region whose document says that there is none', () => {
    const table = tableOf([
      { prefix: '203.0.0.0/16', place: EC2 },
      { prefix: '203.0.1.0/24', place: place('aws', null, 'CLOUDFRONT', RANK.service) },
    ]);
    expect(table.lookup('203.0.1.1')).toEqual({ provider: 'aws', region: null, service: 'CLOUDFRONT' });
  });

  it('answers with the same object for the same place', () => {
    const table = tableOf([
      { prefix: '203.0.113.0/24', place: S3 },
      { prefix: '2001:db8::/32', place: S3 },
    ]);
    expect(table.lookup('203.0.113.1')).toBe(table.lookup('2001:db8::1'));
  });
});

/** The longest prefix by looking at all of them; then the rank; then the word, and a region before none. */
function naiveLookup(lines: readonly Line[], address: string): AddressPlace | undefined {
  const holding = lines
    .filter(({ prefix }) => isIn(address, prefix))
    .sort((a, b) => lengthOf(b.prefix) - lengthOf(a.prefix));
  const [first] = holding;
  if (first === undefined) return undefined;
  const equal = holding.filter(({ prefix }) => lengthOf(prefix) === lengthOf(first.prefix));
  const rank = Math.max(...equal.map(({ place }) => place.rank));
  const words = equal
    .map(({ place }) => place)
    .filter((place) => place.rank === rank)
    .sort((a, b) => compareText(a.provider, b.provider) || compareText(a.service ?? '', b.service ?? ''))
    .filter(({ provider, service }, _, [best]) => provider === best!.provider && service === best!.service);
  const withRegion = words.filter(({ region }) => region !== null).sort((a, b) => compareText(a.region!, b.region!));
  const { provider, service, inheritsRegion } = words[0]!;
  const around =
    holding.find(({ place }) => place.provider === provider && place.region !== null)?.place.region ?? null;
  return { provider, service, region: withRegion[0]?.region ?? (inheritsRegion ? around : null) };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function lengthOf(prefix: string): number {
  return Number(prefix.split('/')[1]);
}

function isIn(address: string, prefix: string): boolean {
  const ip = ipaddr.parse(address);
  const [network, bits] = ipaddr.parseCIDR(prefix);
  return ip.kind() === network.kind() && ip.match(network as ipaddr.IPv4 & ipaddr.IPv6, bits);
}

describe('against a search through all prefixes', () => {
  // Few bits differ, so that prefixes nest, repeat and touch.
  const bits4 = fc.array(fc.constantFrom(0, 1), { minLength: 6, maxLength: 6 });
  const ipv4 = fc.tuple(bits4, fc.constantFrom(14, 15, 16, 17, 31, 32)).map(([bits, length]) => {
    const value = bits.reduce((sum, bit, i) => sum + bit * 2 ** [18, 17, 16, 15, 1, 0][i]!, 203 * 2 ** 24);
    return cut(Buffer.from([value / 2 ** 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]), length);
  });
  const ipv6 = fc.tuple(bits4, fc.constantFrom(31, 32, 33, 63, 64, 65, 127, 128)).map(([bits, length]) => {
    const bytes = Buffer.alloc(16);
    bytes[0] = 0x20;
    for (const [i, place] of [30, 31, 32, 63, 64, 127].entries()) {
      if (bits[i] === 1) bytes[place >> 3]! |= 0x80 >> (place & 7);
    }
    return cut(bytes, length);
  });

  function cut(bytes: Buffer, length: number): { readonly address: string; readonly prefix: string } {
    const address = ipaddr.fromByteArray([...bytes]).toString();
    const network = bytes.map((byte, i) => byte & ~(0xff >> Math.min(8, Math.max(0, length - 8 * i))));
    return { address, prefix: `${ipaddr.fromByteArray([...network]).toString()}/${length}` };
  }

  const places = [
    EC2,
    AMAZON,
    S3,
    place('aws', null, 'CLOUDFRONT', RANK.service),
    place('gcp', 'us-east1', null, RANK.machines),
    place('azure', 'westeurope', null, RANK.machines),
    place('azure', null, null, RANK.machines),
    place('azure', 'westeurope', 'Storage', RANK.service),
    place('azure', null, 'Storage', RANK.service),
    place('azure', null, 'Sql', RANK.service),
  ];
  const line = fc
    .tuple(fc.oneof(ipv4, ipv6), fc.constantFrom(...places))
    .map(([{ prefix }, place]) => ({ prefix, place }));

  it('finds the same place', () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 14 }),
        fc.array(line, { maxLength: 14 }),
        fc.array(fc.oneof(ipv4, ipv6), { minLength: 20, maxLength: 40 }),
        (one, other, asked) => {
          const table = tableOf(one, other);
          for (const { address } of asked) {
            expect(table.lookup(address), address).toEqual(naiveLookup([...one, ...other], address));
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('says of a prefix what it says of each of its addresses, or nothing', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 14 }), fc.nat({ max: 63 }), (lines, at) => {
        const table = tableOf(lines);
        const prefix = `203.0.${at}.252/30`;
        const answers = [252, 253, 254, 255].map((last) => table.lookup(`203.0.${at}.${last}`));
        expect(table.lookup(prefix)).toBe(answers.every((one) => one === answers[0]) ? answers[0] : undefined);
      }),
      { numRuns: 1000 },
    );
  });
});
