// The book of Google Cloud against figures typed in from the catalogue readings and pages that it names.
import { describe, expect, it } from 'vitest';
import { parsePriceBook } from '../read.ts';
import { priceText, processingText, ratesFor, type Traffic } from '../testing.ts';
import gcp from './gcp.json' with { type: 'json' };

const BOOK = parsePriceBook(gcp, 'gcp.json');

const US = 'us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4';
const EUROPE =
  'europe-central2 europe-north1 europe-north2 europe-southwest1 europe-west1 europe-west10 europe-west12 europe-west2 europe-west3 europe-west4 europe-west6 europe-west8 europe-west9';
const NORTH_AMERICA = `northamerica-northeast1 northamerica-northeast2 northamerica-south1 ${US}`;

/** Columns and rows of the matrix, in its order. */
const CONTINENTS: [regions: string, usdTo: string][] = [
  [NORTH_AMERICA, '0.02 0.05 0.08 0.1 0.1 0.11 0.14 0.11'],
  [EUROPE, '0.05 0.02 0.08 0.1 0.1 0.11 0.14 0.11'],
  [
    'asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2 asia-southeast1 asia-southeast3',
    '0.08 0.08 0.08 0.1 0.1 0.11 0.14 0.11',
  ],
  ['asia-southeast2', '0.1 0.1 0.1 n/a 0.08 0.11 0.14 0.14'],
  ['australia-southeast1 australia-southeast2', '0.1 0.1 0.1 0.08 0.08 0.11 0.14 0.14'],
  ['me-central1 me-central2 me-west1', '0.11 0.11 0.11 0.11 0.11 0.08 0.14 0.11'],
  ['southamerica-east1 southamerica-west1', '0.14 0.14 0.14 0.14 0.14 0.14 0.14 0.14'],
  ['africa-south1', '0.11 0.11 0.11 0.14 0.14 0.11 0.14 n/a'],
];
const REGIONS = CONTINENTS.flatMap(([regions], continent) =>
  regions.split(' ').map((region) => ({ region, continent })),
);

/** Premium tier to "worldwide", up to 1,024 GiB, 10,240 GiB and beyond; two rates: up to 10,240 GiB and beyond. */
const PREMIUM: [regions: string, usd: string][] = [
  ['africa-south1 me-central1 me-west1', '0.15 0.13 0.11'],
  [`asia-east1 asia-east2 asia-south1 asia-south2 asia-southeast1 asia-southeast3 ${EUROPE}`, '0.12 0.11 0.085'],
  ['asia-northeast1 asia-northeast2', '0.12 0.085'],
  ['asia-northeast3', '0.19 0.15'],
  [
    'asia-southeast2 australia-southeast1 australia-southeast2 me-central2 southamerica-east1 southamerica-west1',
    '0.19 0.18 0.15',
  ],
  [NORTH_AMERICA, '0.12 0.11 0.08'],
];

const STANDARD: [regions: string, usd: string][] = [
  [`${US} ${EUROPE}`, '0.085 0.065 0.045'],
  ['asia-east1 asia-east2 asia-northeast1 asia-southeast1', '0.11 0.075 0.07'],
  ['asia-northeast3', '0.119 0.109'],
  ['australia-southeast1 australia-southeast2 southamerica-east1 southamerica-west1', '0.12 0.085'],
];

function internetTiers(region: string, switches: Record<string, string> = {}) {
  const rates = ratesFor(BOOK, { class: 'internet', region, switches }, 'out');
  expect(rates.length).toBeLessThan(2);
  return rates[0]?.tiers?.map(({ from, usdPerUnit }) => [from, usdPerUnit]);
}

function tiers(bounds: readonly number[], usd: string) {
  return usd.split(' ').map((rate, index) => [bounds[index], rate]);
}

const premiumTiers = (usd: string) => tiers(usd.split(' ').length === 2 ? [0, 10_240] : [0, 1_024, 10_240], usd);

describe('between regions', () => {
  it('43 regions', () => expect(REGIONS.map(({ region }) => region).toSorted()).toEqual(BOOK.regions));

  it.each(REGIONS)('from $region to each other region', ({ region, continent }) => {
    const row = CONTINENTS[continent]![1].split(' ');
    for (const peer of REGIONS.filter((other) => other.region !== region)) {
      const rates = ratesFor(BOOK, { class: 'cross-region', region, peerRegion: peer.region }, 'out');
      expect([peer.region, ...rates.map((rate) => rate.usdPerUnit)]).toEqual([peer.region, row[peer.continent]]);
    }
  });

  const cells: [from: string, to: string, price: string][] = [
    ['us-central1', 'us-east1', '0.02 exact, 0 exact'],
    ['europe-west3', 'europe-west4', '0.02 exact, 0 exact'],
    ['europe-west3', 'us-east4', '0.05 exact, 0 exact'],
    ['europe-west3', 'asia-east1', '0.08 exact, 0 exact'],
    ['asia-east1', 'asia-south1', '0.08 exact, 0 exact'],
    ['me-west1', 'us-east1', '0.11 exact, 0 exact'],
    ['us-central1', 'europe-west3', '0.05 estimated, 0 exact'],
    ['us-central1', 'northamerica-south1', '0.02 estimated, 0 exact'],
    ['northamerica-south1', 'us-central1', '0.02 estimated, 0 exact'],
    ['europe-west3', 'northamerica-south1', '0.05 estimated, 0 exact'],
    ['southamerica-east1', 'us-east1', '0.14 estimated, 0 exact'],
    // By its name alone.
    ['us-east1', 'us-east7', '0.02 estimated, 0 exact'],
    ['europe-north9', 'asia-southeast2', '0.1 estimated, 0 exact'],
    ['us-east1', 'moon-north1', 'none, 0 exact'],
  ];
  it.each(cells)('%s to %s: %s', (from, to, price) => {
    expect(priceText(BOOK, { class: 'cross-region', region: from, peerRegion: to })).toBe(price);
  });
});

describe('internet', () => {
  it.each(PREMIUM.flatMap(([regions, usd]) => regions.split(' ').map((region) => ({ region, usd }))))(
    'Premium tier from $region, by destination',
    ({ region, usd }) => {
      expect(internetTiers(region)).toEqual(premiumTiers(usd));
      expect(internetTiers(region, { destination: 'australia' })).toEqual(premiumTiers('0.19 0.18 0.15'));
      expect(internetTiers(region, { destination: 'china' })).toEqual(premiumTiers('0.23 0.22 0.2'));
    },
  );

  it.each(STANDARD.flatMap(([regions, usd]) => regions.split(' ').map((region) => ({ region, usd }))))(
    'Standard tier from $region, whatever the destination',
    ({ region, usd }) => {
      const expected = tiers([0, 10_240, 153_600], usd);
      expect(internetTiers(region, { 'network-tier': 'standard' })).toEqual(expected);
      expect(internetTiers(region, { 'network-tier': 'standard', destination: 'china' })).toEqual(expected);
    },
  );

  it('no Standard rate where none was read', () => {
    const read = STANDARD.flatMap(([regions]) => regions.split(' '));
    for (const region of BOOK.regions.filter((name) => !read.includes(name))) {
      expect([region, internetTiers(region, { 'network-tier': 'standard' })]).toEqual([region, undefined]);
    }
  });

  const first: [region: string, destination: string, price: string][] = [
    ['europe-west3', 'middle-east', '0.15 disputed, 0 exact'],
    ['europe-west3', 'africa', '0.15 disputed, 0 exact'],
    ['europe-west3', 'korea', '0.19 disputed, 0 exact'],
    ['europe-west3', 'indonesia', '0.19 disputed, 0 exact'],
    ['europe-west3', 'south-america', 'tiers disputed, 0 exact'],
    ['asia-east2', 'korea', '0.19 disputed, 0 exact'],
    ['asia-east2', 'africa', '0.15 disputed, 0 exact'],
    ['asia-east2', 'south-america', 'none, 0 exact'],
    ['us-central1', 'korea', 'none, 0 exact'],
    ['us-central1', 'worldwide', 'tiers disputed, 0 exact'],
  ];
  it.each(first)('from %s to %s: %s', (region, destination, price) => {
    expect(priceText(BOOK, { class: 'internet', region, switches: { destination } })).toBe(price);
  });

  it('Premium tiers are counted by source group and destination', () => {
    const groups = [
      NORTH_AMERICA,
      EUROPE,
      'asia-east1 asia-east2 asia-south1 asia-south2 asia-southeast1 asia-southeast3',
      'asia-northeast1 asia-northeast2',
      'asia-northeast3',
      'asia-southeast2',
      'australia-southeast1 australia-southeast2',
      'me-central1 me-west1',
      'me-central2',
      'southamerica-east1 southamerica-west1',
      'africa-south1',
    ];
    const pools = ['worldwide', 'australia', 'china'].flatMap((destination) =>
      groups.map((regions) => {
        const switches = { destination };
        const ofGroup = regions
          .split(' ')
          .map((region) => ratesFor(BOOK, { class: 'internet', region, switches }, 'out')[0]!.pool);
        expect(new Set(ofGroup).size).toBe(1);
        return ofGroup[0];
      }),
    );
    expect(new Set(pools).size).toBe(33);
    expect(pools).not.toContain(undefined);
  });

  it('Standard tiers are counted region by region', () => {
    const switches = { 'network-tier': 'standard' };
    for (const region of STANDARD.flatMap(([regions]) => regions.split(' '))) {
      expect(ratesFor(BOOK, { class: 'internet', region, switches }, 'out')).toMatchObject([{ pool: 'region' }]);
    }
  });

  it('free amounts are counted inside the tiers', () => {
    expect(BOOK.allowances).toMatchObject([
      { amount: 1, unit: 'GiB', counts: 'inside-tiers', regions: ['@north-america', '@mexico'], basis: 'disputed' },
      { amount: 200, unit: 'GiB', counts: 'inside-tiers', when: { 'network-tier': 'standard' }, basis: 'disputed' },
    ]);
    expect(BOOK.allowances![0]!.when!['destination']).not.toContain('china');
    expect(BOOK.allowances![0]!.when!['destination']).not.toContain('australia');
  });
});

describe('inside a region, services, networks, links', () => {
  const here = { region: 'us-central1', peerRegion: 'us-central1' } as const;
  const cases: [name: string, traffic: Traffic, price: string][] = [
    ['one zone', { ...here, class: 'same-zone' }, '0 exact, 0 exact'],
    ['two zones', { ...here, class: 'cross-zone' }, '0.01 exact, 0 exact'],
    ['zones not known', { ...here, class: 'same-region' }, 'none, none'],
    ['public addresses', { ...here, class: 'same-region-public' }, '0.01 estimated, 0 estimated'],
    ['two VPN gateways of one zone', { ...here, class: 'same-zone', path: 'vpn' }, '0.01 estimated, 0 estimated'],
    ['peered, one zone', { ...here, class: 'peered', relation: 'same-zone' }, '0 estimated, 0 estimated'],
    ['peered, two zones', { ...here, class: 'peered', relation: 'cross-zone' }, '0.01 estimated, 0 estimated'],
    ['peered, zones not known', { ...here, class: 'peered', relation: 'same-region' }, 'none, 0 estimated'],
    [
      'peered by VPN',
      { ...here, class: 'peered', relation: 'same-region', path: 'vpn' },
      '0.01 estimated, 0 estimated',
    ],
    [
      'a service of the region',
      { ...here, class: 'provider-service', relation: 'same-region', service: 'Google Cloud' },
      '0 exact, 0 exact',
    ],
    [
      'Google APIs',
      { class: 'provider-service', relation: 'unknown', service: 'GOOGLE-APIS', region: 'us-central1' },
      'none, 0 exact',
    ],
    [
      'Google APIs that the operator says are in the region',
      {
        class: 'provider-service',
        relation: 'unknown',
        service: 'GOOGLE-APIS',
        region: 'us-central1',
        switches: { 'google-apis': 'in-region' },
      },
      '0 exact, 0 exact',
    ],
    ['Cloud NAT from another zone', { ...here, class: 'cross-zone', path: 'nat-gateway' }, '0 exact, 0 exact'],
    [
      'a service without a region',
      { class: 'provider-service', relation: 'unknown', service: 'Google Cloud', region: 'us-central1' },
      'none, 0 exact',
    ],
    [
      'CDN Interconnect, North America',
      { class: 'internet', path: 'cdn-interconnect', region: 'us-east4' },
      '0.08 exact, 0 exact',
    ],
    [
      'Direct Peering, Europe',
      { class: 'on-premises', relation: 'unknown', path: 'direct-peering', region: 'europe-west3' },
      '0.08 exact, 0 estimated',
    ],
    [
      'Direct Peering, Asia',
      { class: 'on-premises', relation: 'unknown', path: 'direct-peering', region: 'asia-east1' },
      '0.085 exact, 0 estimated',
    ],
    [
      'Cloud Interconnect',
      { class: 'on-premises', relation: 'unknown', path: 'interconnect', region: 'us-east4' },
      'none, none',
    ],
  ];
  it.each(cases)('%s', (_name, traffic, price) => {
    expect(priceText(BOOK, traffic)).toBe(price);
  });
});

describe('middleboxes', () => {
  const cases: [path: string, kind: string | undefined, region: string, price: string][] = [
    ['nat-gateway', undefined, 'us-central1', '0.045 exact, 0.045 exact'],
    ['nat-gateway', undefined, 'africa-south1', '0.045 exact, 0.045 exact'],
    ['load-balancer', undefined, 'us-central1', '0.008 exact, 0.008 exact'],
    ['load-balancer', 'application', 'asia-south1', '0.01 exact, 0.01 exact'],
    ['load-balancer', 'application', 'europe-west3', '0.008 estimated, 0.008 estimated'],
    ['load-balancer', 'network', 'us-central1', '0 estimated, 0.008 exact'],
    ['load-balancer', 'network', 'asia-south1', '0 estimated, 0.01 exact'],
    ['private-service-connect', undefined, 'us-central1', '0.01 estimated, 0.01 estimated'],
    ['network-connectivity-center', undefined, 'us-central1', '0.02 estimated, 0 estimated'],
    ['private-google-access', undefined, 'us-central1', '0 estimated, 0 estimated'],
    ['vpc-peering', undefined, 'us-central1', '0 estimated, 0 estimated'],
    ['vpn', undefined, 'us-central1', '0 estimated, 0 estimated'],
    ['direct-peering', undefined, 'us-central1', '0 estimated, 0 estimated'],
    ['interconnect', undefined, 'us-central1', 'none, none'],
  ];
  it.each(cases)('%s (%s) of %s: %s', (path, kind, region, price) => {
    expect(processingText(BOOK, { path, region, switches: kind === undefined ? {} : { 'load-balancer': kind } })).toBe(
      price,
    );
  });
});
