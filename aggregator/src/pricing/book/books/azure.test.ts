// The book of Azure against figures typed in from the price API readings and documents that it names.
import { describe, expect, it } from 'vitest';
import { parsePriceBook } from '../read.ts';
import { priceText, processingFor, processingText, ratesFor, type Traffic } from '../testing.ts';
import azure from './azure.json' with { type: 'json' };

const BOOK = parsePriceBook(azure, 'azure.json');

const NORTH_AMERICA =
  'canadacentral canadaeast centralus eastus eastus2 northcentralus southcentralus westcentralus westus westus2 westus3';
const EUROPE =
  'austriaeast belgiumcentral denmarkeast francecentral francesouth germanynorth germanywestcentral italynorth northeurope norwayeast norwaywest polandcentral spaincentral swedencentral swedensouth switzerlandnorth switzerlandwest uksouth ukwest westeurope';
const ELSEWHERE =
  'australiacentral australiacentral2 australiaeast australiasoutheast centralindia eastasia indonesiacentral israelcentral japaneast japanwest jioindiacentral jioindiawest koreacentral koreasouth malaysiawest newzealandnorth qatarcentral southafricanorth southafricawest southeastasia southindia taiwannorth uaecentral uaenorth westindia';
const SOUTH_AMERICA = 'brazilsouth brazilsoutheast chilecentral';
const CONTINENTS = [NORTH_AMERICA, 'mexicocentral', EUROPE, ELSEWHERE, SOUTH_AMERICA];

/** Between regions: rows and columns are the continents above. */
const MATRIX = [
  ['0.02 exact', '0.02 estimated', '0.05 disputed', '0.05 disputed', '0.05 disputed'],
  ['0.02 estimated', '-', '0.05 disputed', '0.05 disputed', '0.05 disputed'],
  ['0.05 disputed', '0.05 disputed', '0.02 exact', '0.05 disputed', '0.05 disputed'],
  ['0.08 exact', '0.08 exact', '0.08 exact', '0.08 exact', '0.08 exact'],
  ['0.16 exact', '0.16 exact', '0.16 exact', '0.16 exact', '0.16 disputed'],
];
const REGIONS = CONTINENTS.flatMap((regions, continent) => regions.split(' ').map((region) => ({ region, continent })));

/** The network of Microsoft: regions by zone, rates up to 10,335, 51,295, 153,695 GB and beyond. */
const ZONES: [zone: number, usd: string, regions: string][] = [
  [
    1,
    '0.087 0.083 0.07 0.05',
    'canadacentral canadaeast centralus eastus eastus2 francecentral francesouth germanynorth germanywestcentral israelcentral italynorth mexicocentral northcentralus northeurope norwayeast norwaywest polandcentral southcentralus spaincentral swedencentral swedensouth switzerlandnorth switzerlandwest uksouth ukwest westcentralus westeurope westus westus2 westus3',
  ],
  [
    2,
    '0.12 0.085 0.082 0.08',
    'australiacentral australiacentral2 australiaeast australiasoutheast centralindia eastasia japaneast japanwest jioindiacentral jioindiawest koreacentral koreasouth qatarcentral southeastasia southindia westindia',
  ],
  [3, '0.181 0.175 0.17 0.16', 'brazilsouth southafricanorth southafricawest uaecentral uaenorth'],
];
const DISPUTED = ['israelcentral', 'polandcentral'];

describe('between regions', () => {
  it('60 regions', () => expect(REGIONS.map(({ region }) => region).toSorted()).toEqual(BOOK.regions));

  it.each(REGIONS)('from $region to each other region', ({ region, continent }) => {
    for (const peer of REGIONS.filter((other) => other.region !== region)) {
      const price = priceText(BOOK, { class: 'cross-region', region, peerRegion: peer.region });
      expect([peer.region, price]).toEqual([peer.region, `${MATRIX[continent]![peer.continent]}, 0 exact`]);
    }
  });
});

describe('internet', () => {
  const zones = ZONES.flatMap(([zone, usd, regions]) => regions.split(' ').map((region) => ({ zone, usd, region })));
  it.each(zones)('$region is in zone $zone', ({ zone, usd, region }) => {
    const rates = ratesFor(BOOK, { class: 'internet', region }, 'out');
    const bounds = [0, 10_335, 51_295, 153_695];
    expect(rates).toMatchObject([
      {
        pool: `internet-mgn-zone-${zone}`,
        basis: DISPUTED.includes(region) ? 'disputed' : 'exact',
        tiers: usd.split(' ').map((usdPerUnit, index) => ({ from: bounds[index], usdPerUnit })),
      },
    ]);
  });

  it.each(['austriaeast', 'belgiumcentral', 'chilecentral', 'newzealandnorth'])('%s has no rate', (region) => {
    expect(priceText(BOOK, { class: 'internet', region })).toBe('none, 0 exact');
  });

  it('100 GB of the account are free, and inside the tiers', () => {
    expect(BOOK.allowances).toMatchObject([{ amount: 100, unit: 'GB', class: 'internet', counts: 'inside-tiers' }]);
    expect(BOOK.allowances![0]).not.toHaveProperty('regions');
  });

  const routed = { 'routing-preference': 'internet' };
  it('Internet routing from Australia East', () => {
    const [rate] = ratesFor(BOOK, { class: 'internet', region: 'australiaeast', switches: routed }, 'out');
    expect(rate!.tiers!.map(({ from, usdPerUnit }) => `${from} ${usdPerUnit}`)).toEqual([
      '0 0.11',
      '10100 0.075',
      '50100 0.07',
      '150100 0.06',
    ]);
    expect(rate!.basis).toBe('disputed');
  });

  it.each([
    ['brazilsouth', '0.12 estimated, 0 exact'],
    ['koreacentral', '0.11 estimated, 0 exact'],
    ['eastus', 'none, 0 exact'],
  ])('Internet routing from %s: %s', (region, price) => {
    expect(priceText(BOOK, { class: 'internet', region, switches: routed })).toBe(price);
  });
});

describe('inside a region, services, networks', () => {
  const here = { region: 'eastus', peerRegion: 'eastus' } as const;
  const billed = { switches: { 'inter-zone': 'billed' } };
  const between = (region: string, peerRegion: string): Traffic => ({
    ...{ class: 'peered', relation: 'cross-region', region, peerRegion },
  });
  const cases: [name: string, traffic: Traffic, price: string][] = [
    ['one zone', { ...here, class: 'same-zone' }, '0 exact, 0 exact'],
    ['two zones', { ...here, class: 'cross-zone' }, '0 exact, 0 exact'],
    ['two zones, if billed', { ...here, ...billed, class: 'cross-zone' }, '0.01 exact, 0.01 exact'],
    ['zones not known', { ...here, class: 'same-region' }, '0 exact, 0 exact'],
    ['zones not known, if billed', { ...here, ...billed, class: 'same-region' }, 'none, none'],
    ['public addresses', { ...here, class: 'same-region-public' }, 'none, none'],
    [
      'Storage',
      { ...here, class: 'provider-service', relation: 'same-region', service: 'AzureStorage' },
      '0 estimated, 0 estimated',
    ],
    ['peered, one zone', { ...here, class: 'peered', relation: 'same-zone' }, '0.01 exact, 0.01 exact'],
    ['peered, zones not known', { ...here, class: 'peered', relation: 'same-region' }, '0.01 exact, 0.01 exact'],
    ['peered, zone 1 to 2', between('eastus', 'japaneast'), '0.035 exact, 0.035 exact'],
    ['peered, zone 2 to 1', between('japaneast', 'eastus'), '0.09 exact, 0.09 exact'],
    ['peered, zone 1 to 3', between('eastus', 'brazilsouth'), '0.035 exact, 0.035 exact'],
    ['peered, zone 3', between('brazilsouth', 'eastus'), 'none, none'],
    ['peered, a disputed zone', between('polandcentral', 'eastus'), '0.035 disputed, 0.035 disputed'],
    ['on premises', { class: 'on-premises', relation: 'unknown', path: 'vpn', region: 'eastus' }, 'none, 0 exact'],
    ['from China', { class: 'internet', region: 'eastus', switches: { destination: 'china' } }, 'tiers exact, none'],
  ];
  it.each(cases)('%s', (_name, traffic, price) => {
    expect(priceText(BOOK, traffic)).toBe(price);
  });

  it('free traffic between zones is disputed until an operator says so', () => {
    expect(BOOK.switches!['inter-zone']).toMatchObject({ default: 'free', defaultBasis: 'disputed' });
  });

  it('a gigabyte is 10^9 bytes, which is disputed, or 2^30', () => {
    expect(BOOK.units['GB']).toMatchObject({
      bytes: 1_000_000_000,
      basis: 'disputed',
      switch: { name: 'gigabyte', bytes: { decimal: 1_000_000_000, binary: 1_073_741_824 } },
    });
  });
});

describe('middleboxes', () => {
  it.each([
    ['nat-gateway', '0.045 exact, 0.045 exact'],
    ['load-balancer', '0.005 exact, 0.005 exact'],
    ['private-endpoint', 'tiers exact, tiers exact'],
    ['service-endpoint', '0 estimated, 0 estimated'],
    ['vpc-peering', '0 exact, 0 exact'],
    ['vpn', '0 estimated, 0 estimated'],
  ])('%s: %s', (path, price) => {
    expect(processingText(BOOK, { path, region: 'westeurope' })).toBe(price);
  });

  it('a private endpoint counts each direction by itself, over all regions', () => {
    for (const direction of ['out', 'in'] as const) {
      expect(processingFor(BOOK, { path: 'private-endpoint' }, direction)).toMatchObject([
        {
          pool: `private-endpoint-${direction}`,
          tiers: [
            { from: 0, usdPerUnit: '0.01' },
            { from: 1_000_000, usdPerUnit: '0.006' },
            { from: 5_000_000, usdPerUnit: '0.004' },
          ],
        },
      ]);
    }
  });
});
