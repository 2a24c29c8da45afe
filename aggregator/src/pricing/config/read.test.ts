import { describe, expect, it } from 'vitest';
import { testBook } from '../testing.ts';
import { parsePricing } from './read.ts';

const NO_BOOKS = () => {
  throw new Error('the test names no book');
};
const read = (text: string) => parsePricing(`version: 1\n${text}`, 'pricing.yaml', NO_BOOKS);

const wrong: { name: string; text: string; says: RegExp }[] = [
  { name: 'an unknown key', text: 'discount: []', says: /unknown key discount/ },
  {
    name: 'a range that is none',
    text: 'networks: [{ name: a, kind: peered, ranges: [10.0.0.1/8] }]',
    says: /networks\[0\]\.ranges\[0\]: .*10\.0\.0\.0\/8/,
  },
  {
    name: 'one range in two networks',
    text: 'networks: [{ name: a, kind: peered, ranges: [10.8.0.0/16] }, { name: b, kind: on-premises, ranges: [10.8.0.0/16] }]',
    says: /networks\[1\]\.ranges\[0\]: 10\.8\.0\.0\/16 is in network a, too/,
  },
  {
    name: 'a name twice',
    text: 'networks: [{ name: a, kind: own, ranges: [10.8.0.0/16] }, { name: a, kind: own, ranges: [10.9.0.0/16] }]',
    says: /networks\[1\]\.name: a is the name of networks\[0\]/,
  },
  {
    name: 'a zone without a region',
    text: 'networks: [{ name: a, kind: peered, ranges: [10.8.0.0/16], zone: us-east-1a }]',
    says: /networks\[0\]\.zone: needs its region/,
  },
  {
    name: 'an unknown region',
    text: 'networks: [{ name: a, kind: peered, ranges: [10.8.0.0/16], provider: aws, region: us-east-9 }]',
    says: /networks\[0\]\.regions: us-east-9 is no region/,
  },
  {
    name: 'an unknown account',
    text: 'networks: [{ name: a, kind: peered, ranges: [10.8.0.0/16], account: x }]',
    says: /networks\[0\]\.account: x is not in accounts/,
  },
  {
    name: 'a destination of a private network',
    text: 'networks: [{ name: a, kind: own, ranges: [10.8.0.0/16], destination: china }]',
    says: /networks\[0\]\.destination: is for kind internet only/,
  },
  {
    name: 'a cluster in two accounts',
    text: 'accounts: [{ name: a, clusters: [x] }, { name: b, clusters: [x] }]',
    says: /accounts\[1\]\.clusters: cluster x is in account a already/,
  },
  {
    name: 'two zones with one id',
    text: 'accounts: [{ name: a, zoneIds: { us-east-1a: use1-az1, us-east-1b: use1-az1 } }]',
    says: /two zones have the id use1-az1/,
  },
  {
    name: 'a path that nobody prices',
    text: 'paths: [{ name: a, path: worm-hole }]',
    says: /paths\[0\]\.path: no price book has a rate for "worm-hole"; there are .*nat-gateway/,
  },
  {
    name: 'a rule for an unknown network',
    text: 'paths: [{ name: a, path: nat-gateway, to: { networks: [x] } }]',
    says: /paths\[0\]\.to\.networks: x is not in networks/,
  },
  {
    name: 'two rules for one address',
    text: 'paths: [{ name: a, path: nat-gateway, from: { subnets: [10.1.0.0/16] } }, { name: b, path: load-balancer, from: { subnets: [10.1.0.0/16] } }]',
    says: /paths\[1\]: rule "a" is for 10\.1\.0\.0\/16, too/,
  },
  {
    name: 'two rules for all traffic',
    text: 'paths: [{ name: a, path: nat-gateway }, { name: b, path: load-balancer }]',
    says: /paths\[1\]: rule "a" is for all of it, too/,
  },
  {
    name: 'a percentage as a number',
    text: 'discounts: [{ percent: 12 }]',
    says: /discounts\[0\]\.percent: .*put it in quotes/,
  },
  {
    name: 'more than all',
    text: 'discounts: [{ percent: "101" }]',
    says: /discounts\[0\]\.percent: A percentage is text from "0" to "100"/,
  },
  {
    name: 'a discount for an unknown provider',
    text: 'discounts: [{ percent: "5", provider: oci }]',
    says: /discounts\[0\]\.provider: there is no price book of provider oci/,
  },
  {
    name: 'a discount for an unknown region',
    text: 'discounts: [{ percent: "5", provider: gcp, regions: [us-east-1] }]',
    says: /discounts\[0\]\.regions: us-east-1 is no region/,
  },
  {
    name: 'two discounts that say equally much',
    text: 'discounts: [{ percent: "5", provider: aws }, { percent: "7", provider: aws }]',
    says: /discounts\[1\]: discounts\[0\] is for the same traffic/,
  },
  {
    name: 'a negative rate',
    text: 'privateRates: [{ provider: aws, class: internet, directions: [out], usdPerUnit: "-0.01", unitBytes: 1073741824 }]',
    says: /privateRates\[0\]/,
  },
  {
    name: 'a wrong unit',
    text: 'privateRates: [{ provider: aws, class: internet, directions: [out], usdPerUnit: "0.01", unitBytes: 1024000000 }]',
    says: /privateRates\[0\]\.unitBytes: 1024000000 is no power/,
  },
  {
    name: 'processing without a path',
    text: 'privateRates: [{ provider: aws, processing: true, directions: [out], usdPerUnit: "0.01", unitBytes: 1000000000 }]',
    says: /privateRates\[0\]\.paths: is missing/,
  },
  {
    name: 'a switch that is none',
    text: 'switches: { gcp: { tier: premium } }',
    says: /switches\.gcp\.tier: is no switch of the price book; there are .*network-tier/,
  },
  {
    name: 'a value that is none',
    text: 'switches: { gcp: { network-tier: gold } }',
    says: /switches\.gcp\.network-tier: "gold" is none of premium, standard/,
  },
  {
    name: 'an amount of two things',
    text: 'monthlyAmounts: [{ provider: aws, class: internet, paths: [nat-gateway], units: 5 }]',
    says: /monthlyAmounts\[0\]: give either class or paths/,
  },
];

describe('parsePricing', () => {
  it.each(wrong)('refuses $name', ({ text, says }) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ code: 'PRICING_INVALID', message: expect.stringMatching(says) }),
    );
  });

  it('takes all there is', () => {
    const { config, books } = read(`
accounts: [{ name: prod, clusters: [eu, us], zoneIds: { us-east-1a: use1-az4 } }]
networks:
  - { name: data, kind: peered, ranges: [10.8.0.0/16], provider: aws, region: us-east-1, zone: us-east-1a, account: prod }
  - { name: office, kind: on-premises, ranges: [192.168.0.0/16], via: vpn }
paths:
  - { name: egress, path: nat-gateway, zone: us-east-1a, from: { subnets: [10.1.0.0/16] } }
  - { name: buckets, path: gateway-endpoint, to: { services: [S3] } }
discounts: [{ percent: "12.5", provider: aws, until: 2027-01-01 }, { percent: "20", provider: aws, classes: [internet] }]
privateRates: [{ provider: aws, class: internet, directions: [out], usdPerUnit: "0.05", unitBytes: 1000000000 }]
monthlyAmounts: [{ provider: aws, class: internet, units: 60000 }]
switches: { gcp: { network-tier: standard } }
overlayHeaderBytes: 50
charge: { gatewaySide: true, readsFrom: [S3] }
`);
    expect(config.paths).toHaveLength(2);
    expect(books.map((book) => book.provider)).toEqual(['aws', 'gcp', 'azure']);
  });

  it('takes an own book in place of the one that comes with Flowtoll', () => {
    const { books } = parsePricing('version: 1\nbooks: [mine.yaml]', 'pricing.yaml', (path) => {
      expect(path).toBe('mine.yaml');
      return testBook({ provider: 'gcp' });
    });
    expect(books.map((book) => `${book.provider} ${book.date}`)).toEqual([
      'gcp 2026-01-01',
      'aws 2026-11-23',
      'azure 2026-11-23',
    ]);
  });
});
