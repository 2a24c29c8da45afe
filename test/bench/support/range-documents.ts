// Documents of address ranges as large as those of the providers, made up: as many prefixes, of the same lengths about, nested and
// repeated as they are there. The same in every run.

/** Texts of the four documents. */
export interface RangeDocuments {
  readonly aws: string;
  readonly cloud: string;
  readonly google: string;
  readonly azure: string;
}

// Prefixes of August 2026 (Azure: October 2025, and some growth): of AWS 10,668 and 6,160, of cloud.json 1,094, of goog.json 114.
const AWS_IPV4 = 10_668;
const AWS_IPV6 = 6_160;
const CLOUD = 1_094;
const GOOG = 114;
const AZURE = 100_000;
const IPV6_SHARE = 0.4;
const AWS_SERVICES = [
  'S3',
  'DYNAMODB',
  'CLOUDFRONT',
  'API_GATEWAY',
  'EFS',
  'EBS',
  'ROUTE53_RESOLVER',
  'GLOBALACCELERATOR',
];
const REGIONS = Array.from({ length: 70 }, (_, i) => `region${i}`);
const AZURE_SERVICES = Array.from({ length: 45 }, (_, i) => `Service${i}`);

export function syntheticDocuments(): RangeDocuments {
  const random = generator(20_261_126);
  return { aws: aws(random), cloud: cloud(random), google: google(random), azure: azure(random) };
}

type Random = (end: number) => number;

/** Outer ranges, each as AMAZON and EC2, with services inside; every other line is an inner range. */
function aws(random: Random): string {
  const lines = (count: number, key: string, outer: (i: number) => Prefix, longest: number) => {
    const made: object[] = [];
    for (let i = 0; made.length < count; i++) {
      const prefix = outer(i);
      const region = REGIONS[random(30)]!;
      const line = (at: Prefix, service: string) =>
        made.push({ [key]: textOf(at), region, service, network_border_group: region });
      line(prefix, 'AMAZON');
      line(prefix, 'EC2');
      for (let inner = random(3); inner > 0; inner--) {
        line(inside(prefix, longest, random), AWS_SERVICES[random(AWS_SERVICES.length)]!);
      }
    }
    return made.slice(0, count);
  };
  return JSON.stringify({
    syncToken: '1787411825',
    prefixes: lines(AWS_IPV4, 'ip_prefix', (i) => ipv4(3, 52, i, 16 + random(9)), 32),
    ipv6_prefixes: lines(AWS_IPV6, 'ipv6_prefix', (i) => ipv6(0x2600_1f00n, i, 36 + random(12)), 64),
  });
}

function cloud(random: Random): string {
  const prefixes = Array.from({ length: CLOUD }, (_, i) => ({
    ...(i % 11 === 0
      ? { ipv6Prefix: textOf(ipv6(0x2600_1900n, i, 44)) }
      : { ipv4Prefix: textOf(ipv4(34, 35, i, 16 + random(9))) }),
    service: 'Google Cloud',
    scope: REGIONS[random(45)],
  }));
  return JSON.stringify({ syncToken: '1753409788780', prefixes });
}

function google(random: Random): string {
  const prefixes = Array.from({ length: GOOG }, (_, i) => ({ ipv4Prefix: textOf(ipv4(34, 35, i, 12 + random(12))) }));
  return JSON.stringify({ syncToken: '1753409788781', prefixes });
}

/** Each service prefix under its tag and under the tag of its region, inside of a range of AzureCloud. */
function azure(random: Random): string {
  const tags = new Map<string, { region: string; addressPrefixes: string[] }>();
  const add = (name: string, region: string, prefix: Prefix) => {
    const tag = tags.get(name) ?? { region, addressPrefixes: [] };
    tags.set(name, tag);
    tag.addressPrefixes.push(textOf(prefix));
  };
  let count = 0;
  for (let i = 0; count < AZURE; i++) {
    const region = REGIONS[i % REGIONS.length]!;
    const isIpv6 = random(1000) < 1000 * IPV6_SHARE;
    const outer = isIpv6 ? ipv6(0x2603_1000n, i, 47 + random(10)) : ipv4(13, 104, i, 16 + random(9));
    add('AzureCloud', '', outer);
    add(`AzureCloud.${region}`, region, outer);
    count += 2;
    for (let inner = random(6); inner > 0; inner--) {
      const service = AZURE_SERVICES[random(AZURE_SERVICES.length)]!;
      const prefix = inside(outer, isIpv6 ? 128 : 32, random);
      add(service, '', prefix);
      add(`${service}.${region}`, region, prefix);
      count += 2;
    }
  }
  const values = [...tags].map(([name, properties]) => ({ name, id: name, properties }));
  return JSON.stringify({ changeNumber: 375, cloud: 'Public', values });
}

interface Prefix {
  readonly first: bigint;
  readonly bits: number;
  readonly family: 4 | 6;
}

/** The i-th of the /16 to /24 in these first bytes, spread over them. */
function ipv4(firstByte: number, lastByte: number, i: number, bits: number): Prefix {
  const size = BigInt(lastByte - firstByte + 1) << 24n;
  const value = (BigInt(firstByte) << 24n) + ((BigInt(i) * 40_503n * 256n) % size);
  return cut(value, bits, 4);
}

/** The i-th /40 about, beginning with these 32 bits. */
function ipv6(first32Bits: bigint, i: number, bits: number): Prefix {
  return cut((first32Bits << 96n) + (BigInt(i) << 84n), bits, 6);
}

/** A longer prefix in this one. */
function inside({ first, bits, family }: Prefix, longest: number, random: Random): Prefix {
  const width = family === 4 ? 32 : 128;
  const inner = bits + 1 + random(longest - bits);
  const offset = (BigInt(random(2 ** 30)) << BigInt(width - bits)) >> 30n;
  return cut(first + offset, inner, family);
}

function cut(value: bigint, bits: number, family: 4 | 6): Prefix {
  const host = BigInt((family === 4 ? 32 : 128) - bits);
  return { first: (value >> host) << host, bits, family };
}

function textOf({ first, bits, family }: Prefix): string {
  if (family === 4) return `${[24n, 16n, 8n, 0n].map((shift) => (first >> shift) & 255n).join('.')}/${bits}`;
  const groups = Array.from({ length: 8 }, (_, i) => ((first >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return `${new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)}/${bits}`;
}

/** xorshift32: a whole number below `end`. */
function generator(seed: number): Random {
  let state = seed;
  return (end) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 2 ** 32) * end);
  };
}
