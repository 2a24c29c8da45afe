import { describe, expect, it } from 'vitest';
import { parsePriceBook } from './read.ts';

const BASIS = { basis: 'exact', sources: ['S'] };
const INTERNET = { class: 'internet', directions: ['out'], unit: 'GB', usdPerUnit: '0.09', ...BASIS };
const BETWEEN = { ...INTERNET, class: 'cross-region', usdPerUnit: '0.02' };
const NAT = { paths: ['nat-gateway'], directions: ['out', 'in'], unit: 'GB', usdPerUnit: '0.045', ...BASIS };
const FREE = { name: 'free', amount: 100, unit: 'GB', class: 'internet', counts: 'before-tiers', ...BASIS };
const AS_INTERNET = { class: 'other-provider', as: 'internet', basis: 'estimated', note: 'assumed' };
const SWITCHES = { tier: { values: ['premium', 'standard'], default: 'premium', note: 'what it is about' } };
const PREMIUM = { when: { tier: 'premium' } };
const STANDARD = { when: { tier: 'standard' } };

/** A good book of two regions, with some things changed. */
function book(changes: object) {
  return {
    formatVersion: 2,
    provider: 'cloud',
    date: '2026-11-23',
    currency: 'USD',
    units: { GB: { bytes: 1_073_741_824, ...BASIS } },
    regions: ['north', 'south'],
    rates: [INTERNET, BETWEEN],
    sources: { S: { address: 'https://example.com/prices', date: '2026-11-01', kind: 'official-page' } },
    ...changes,
  };
}

function problemsOf(document: unknown): string[] {
  try {
    parsePriceBook(document, 'test.json');
  } catch (error) {
    expect(error).toMatchObject({ code: 'PRICE_BOOK_INVALID' });
    return (error as Error).message.split('\n  ').slice(1);
  }
  return [];
}

describe('good books', () => {
  const good: [name: string, changes: object][] = [
    ['as it is', {}],
    [
      'a pattern that leaves out what another rate names',
      {
        rates: [
          { ...INTERNET, regions: ['north'] },
          { ...INTERNET, regions: ['*', '!north'] },
        ],
      },
    ],
    ['a rate that names a path beside one that does not', { rates: [INTERNET, { ...INTERNET, paths: ['vpn'] }] }],
    [
      'rates for different values of a switch',
      {
        switches: SWITCHES,
        rates: [
          { ...INTERNET, ...PREMIUM },
          { ...INTERNET, ...STANDARD },
        ],
      },
    ],
    ['no rate between regions at all', { rates: [INTERNET] }],
    [
      'a pair that is said to be missing',
      {
        rates: [{ ...BETWEEN, regions: ['north'] }],
        missing: [{ regions: ['south'], peerRegions: ['*'], note: 'not read' }],
      },
    ],
    [
      'a region that is not known',
      {
        rates: [
          { ...INTERNET, regions: ['?'] },
          { ...INTERNET, regions: ['*'] },
        ],
      },
    ],
  ];
  it.each(good)('%s', (_name, changes) => {
    expect(problemsOf(book(changes))).toEqual([]);
  });
});

describe('wrong entries', () => {
  const wrong: [name: string, changes: object, problem: string][] = [
    // The shape.
    [
      'a negative rate',
      { rates: [{ ...INTERNET, usdPerUnit: '-0.09' }] },
      'rates[0].usdPerUnit: An amount is text, such as "0.0105": not negative, below 1000000, at most 12 places; see docs/price-books.md',
    ],
    [
      'a rate as a number',
      { rates: [{ ...INTERNET, usdPerUnit: 0.09 }] },
      'rates[0].usdPerUnit: Invalid input: expected string, received number; put it in quotes',
    ],
    [
      'too many places',
      { rates: [{ ...INTERNET, usdPerUnit: '0.0000000000001' }] },
      'rates[0].usdPerUnit: An amount is text, such as "0.0105": not negative, below 1000000, at most 12 places; see docs/price-books.md',
    ],
    [
      'an unknown key',
      { rates: [{ ...INTERNET, usdPerGb: '1' }] },
      'rates[0]: unknown key usdPerGb; remove, or correct the spelling',
    ],
    [
      'a path with a space',
      { rates: [{ ...INTERNET, paths: ['nat gateway'] }] },
      'rates[0].paths[0]: Lower-case letters, digits and hyphens; see docs/price-books.md',
    ],
    // Units.
    [
      'an unknown unit',
      { units: { gig: { bytes: 1_073_741_824, ...BASIS } } },
      'units.gig: "gig" is no unit of bytes; use one of KB, KiB, MB, MiB, GB, GiB, TB, TiB, PB, PiB',
    ],
    [
      'a unit with wrong bytes',
      { units: { GB: { bytes: 1_000_000, ...BASIS } } },
      'units.GB: 1000000 bytes are no GB; it has 1000000000 or 1073741824',
    ],
    [
      'a binary unit with decimal bytes',
      { units: { GiB: { bytes: 1_000_000_000, ...BASIS } } },
      'units.GiB: 1000000000 bytes are no GiB; it has 1073741824',
    ],
    [
      'a rate in a unit that is not there',
      { rates: [{ ...INTERNET, unit: 'TB' }] },
      'rates[0].unit: TB is not in units; add it there with its bytes',
    ],
    [
      'processing in a unit that is not there',
      { processing: [{ ...NAT, unit: 'TB' }] },
      'processing[0].unit: TB is not in units; add it there with its bytes',
    ],
    [
      'an allowance in a unit that is not there',
      { allowances: [{ ...FREE, unit: 'TB' }] },
      'allowances[0].unit: TB is not in units; add it there with its bytes',
    ],
    [
      'a unit with an unknown switch',
      { units: { GB: { bytes: 1e9, switch: { name: 'gigabyte', bytes: { decimal: 1e9 } }, ...BASIS } } },
      'units.GB.switch.name: gigabyte is not in switches; add it there, or correct the name',
    ],
    [
      'a unit without bytes for a value',
      {
        switches: SWITCHES,
        units: { GB: { bytes: 1e9, switch: { name: 'tier', bytes: { premium: 1e9 } }, ...BASIS } },
      },
      'units.GB.switch.bytes: must give bytes for each value of tier: premium, standard',
    ],
    [
      'a unit that is not what its default says',
      {
        switches: SWITCHES,
        units: { GB: { bytes: 1e9, switch: { name: 'tier', bytes: { premium: 2 ** 30, standard: 1e9 } }, ...BASIS } },
      },
      'units.GB.switch.bytes: premium is the default and must be the 1000000000 bytes of the unit',
    ],
    [
      'a pool of two units',
      {
        units: { GB: { bytes: 1e9, ...BASIS }, TB: { bytes: 1e12, ...BASIS } },
        rates: [
          {
            ...INTERNET,
            usdPerUnit: undefined,
            tiers: [{ from: 0, usdPerUnit: '1' }],
            pool: 'all',
            regions: ['north'],
          },
          {
            ...INTERNET,
            usdPerUnit: undefined,
            tiers: [{ from: 0, usdPerUnit: '1' }],
            pool: 'all',
            unit: 'TB',
            regions: ['south'],
          },
        ],
      },
      'rates[1].unit: is TB, but pool all counts GB; name another pool',
    ],
    // Sources.
    [
      'a source that is not listed',
      { rates: [{ ...INTERNET, sources: ['A9'] }] },
      'rates[0]: source A9 is not in sources; add its address and date',
    ],
    [
      'a source of a unit',
      { units: { GB: { bytes: 1e9, basis: 'exact', sources: ['A9'] } } },
      'units.GB: source A9 is not in sources; add its address and date',
    ],
    // Switches.
    [
      'an unknown switch',
      { rates: [{ ...INTERNET, ...PREMIUM }] },
      'rates[0].when.tier: is not in switches; add it there, or correct the name',
    ],
    [
      'an unknown value',
      { switches: SWITCHES, rates: [{ ...INTERNET, when: { tier: ['premium', 'gold'] } }] },
      'rates[0].when.tier: "gold" is none of its values premium, standard',
    ],
    [
      'an unknown value of processing',
      { switches: SWITCHES, processing: [{ ...NAT, when: { tier: 'gold' } }] },
      'processing[0].when.tier: "gold" is none of its values premium, standard',
    ],
    [
      'a default that is no value',
      { switches: { tier: { ...SWITCHES.tier, default: 'gold' } }, rates: [{ ...INTERNET, ...PREMIUM }] },
      'switches.tier.default: "gold" is none of its values',
    ],
    [
      'a value twice',
      {
        switches: { tier: { ...SWITCHES.tier, values: ['premium', 'premium'] } },
        rates: [{ ...INTERNET, ...PREMIUM }],
      },
      'switches.tier.values: names a value twice',
    ],
    ['a switch that nothing names', { switches: SWITCHES }, 'switches.tier: nothing depends on it; remove it'],
    // Regions.
    ['a region twice', { regions: ['north', 'south', 'north'] }, 'regions: names a region twice'],
    [
      'an unknown region',
      { rates: [{ ...INTERNET, regions: ['west'] }] },
      'rates[0].regions: west is unknown; no such region is in regions: add it there, or correct the name',
    ],
    [
      'an unknown peer region',
      { rates: [{ ...BETWEEN, peerRegions: ['!west'] }] },
      'rates[0].peerRegions: west is unknown; no such region is in regions: add it there, or correct the name',
    ],
    [
      'a pattern without a region',
      { processing: [{ ...NAT, regions: ['w*'] }] },
      'processing[0].regions: w* is unknown; no such region is in regions: add it there, or correct the name',
    ],
    [
      'an unknown group',
      { rates: [{ ...INTERNET, regions: ['@moon'] }] },
      'rates[0].regions: @moon is unknown; it is not in groups, and a group holds no group',
    ],
    [
      'a group of groups',
      { groups: { a: ['north'], b: ['@a'] } },
      'groups.b: @a is unknown; it is not in groups, and a group holds no group',
    ],
    [
      'a group of unknown regions',
      { groups: { a: ['west'] } },
      'groups.a: west is unknown; no such region is in regions: add it there, or correct the name',
    ],
    [
      'a group that leaves out',
      { groups: { a: ['*', '!north'] } },
      'groups.a: leaves out with "!"; do that where the group is used',
    ],
    [
      'an allowance for an unknown region',
      { allowances: [{ ...FREE, regions: ['west'] }] },
      'allowances[0].regions: west is unknown; no such region is in regions: add it there, or correct the name',
    ],
    [
      'an unknown region that is missing',
      { missing: [{ regions: ['west'], peerRegions: ['*'], note: 'not read' }] },
      'missing[0].regions: west is unknown; no such region is in regions: add it there, or correct the name',
    ],
    // Amounts.
    [
      'neither rate nor tiers',
      { rates: [{ ...INTERNET, usdPerUnit: undefined }] },
      'rates[0]: give either usdPerUnit or tiers',
    ],
    [
      'rate and tiers',
      { rates: [{ ...INTERNET, tiers: [{ from: 0, usdPerUnit: '1' }] }] },
      'rates[0]: give either usdPerUnit or tiers',
    ],
    [
      'processing without an amount',
      { processing: [{ ...NAT, usdPerUnit: undefined }] },
      'processing[0]: give either usdPerUnit or tiers',
    ],
    ['a pool without tiers', { rates: [{ ...INTERNET, pool: 'all' }] }, 'rates[0].pool: is for tiers only; remove it'],
    [
      'tiers that begin late',
      { rates: [{ ...INTERNET, usdPerUnit: undefined, tiers: [{ from: 100, usdPerUnit: '1' }] }] },
      'rates[0].tiers[0].from: is 100; the first tier begins at 0',
    ],
    [
      'tiers that overlap',
      {
        rates: [
          {
            ...INTERNET,
            usdPerUnit: undefined,
            tiers: [
              { from: 0, usdPerUnit: '1' },
              { from: 10, usdPerUnit: '2' },
              { from: 10, usdPerUnit: '3' },
            ],
          },
        ],
      },
      'rates[0].tiers[2].from: is 10, not above the 10 of the tier before: the tiers overlap',
    ],
    // What only some classes have.
    [
      'relations of a class that says it',
      { rates: [{ ...INTERNET, relations: ['unknown'] }] },
      'rates[0].relations: class internet says already where the sides are; remove it',
    ],
    [
      'services of another class',
      { rates: [{ ...INTERNET, services: ['S3'] }] },
      'rates[0].services: only class provider-service has services; remove it',
    ],
    // treatAs.
    [
      'treated as a class without a rate',
      { treatAs: [{ ...AS_INTERNET, as: 'same-zone' }] },
      'treatAs[0].as: no rate is for class same-zone; name another class that has rates of its own',
    ],
    [
      'treated as itself',
      { treatAs: [{ ...AS_INTERNET, class: 'internet' }] },
      'treatAs[0].as: no rate is for class internet; name another class that has rates of its own',
    ],
    [
      'a rule with services of another class',
      { treatAs: [{ ...AS_INTERNET, services: ['S3'] }] },
      'treatAs[0].services: only class provider-service has services; remove it',
    ],
    [
      'a rule with relations of a class that says it',
      { treatAs: [{ ...AS_INTERNET, relations: ['unknown'] }] },
      'treatAs[0].relations: class other-provider says already where the sides are; remove it',
    ],
    [
      'a rule behind a wider one',
      { treatAs: [AS_INTERNET, { ...AS_INTERNET, paths: ['vpn'] }] },
      'treatAs[1]: is never reached: treatAs[0] fits whatever it fits; put it before',
    ],
    // Allowances.
    [
      'an allowance for what has no rate',
      { allowances: [{ ...FREE, class: 'peered' }] },
      'allowances[0].class: no rate is for what peered traffic sends; add one, or correct the class',
    ],
    [
      'two allowances of one name',
      { allowances: [FREE, FREE] },
      'allowances[1].name: "free" is there already; each has a name of its own',
    ],
  ];
  it.each(wrong)('%s', (_name, changes, problem) => {
    expect(problemsOf(book(changes))).toContain(problem);
  });
});

describe('entries that do not go together', () => {
  const wrong: [name: string, changes: object, problems: string[]][] = [
    [
      'two rates for the same traffic',
      { rates: [INTERNET, INTERNET] },
      ['rates[0]: and rates[1] both price some internet traffic; leave one, or tell them apart'],
    ],
    [
      'two rates that share a direction',
      { rates: [INTERNET, { ...INTERNET, directions: ['in', 'out'] }] },
      ['rates[0]: and rates[1] both price some internet traffic; leave one, or tell them apart'],
    ],
    [
      'a pattern that holds a region of another rate',
      {
        rates: [
          { ...INTERNET, regions: ['north'] },
          { ...INTERNET, regions: ['n*'] },
        ],
      },
      ['rates[0]: and rates[1] both price some internet traffic; leave one, or tell them apart'],
    ],
    [
      'two patterns that share regions that are not listed',
      {
        regions: ['north-1'],
        rates: [
          { ...INTERNET, regions: ['n*', '!north-1'] },
          { ...INTERNET, regions: ['north*', '!north-1'] },
        ],
      },
      ['rates[0]: and rates[1] both price some internet traffic; leave one, or tell them apart'],
    ],
    [
      'two rates that name one path',
      {
        rates: [
          { ...INTERNET, paths: ['vpn', 'interconnect'] },
          { ...INTERNET, paths: ['interconnect'] },
        ],
      },
      ['rates[0]: and rates[1] both price some internet traffic; leave one, or tell them apart'],
    ],
    [
      'two rates that name one service',
      {
        rates: [
          { ...INTERNET, class: 'provider-service', services: ['S3'] },
          { ...INTERNET, class: 'provider-service', services: ['S3', 'SQS'] },
        ],
      },
      ['rates[0]: and rates[1] both price some provider-service traffic; leave one, or tell them apart'],
    ],
    [
      'two rates that share a relation',
      {
        rates: [
          { ...INTERNET, class: 'peered' },
          { ...INTERNET, class: 'peered', relations: ['same-zone'] },
        ],
      },
      ['rates[0]: and rates[1] both price some peered traffic; leave one, or tell them apart'],
    ],
    [
      'two rates that share a value of a switch',
      { switches: SWITCHES, rates: [INTERNET, { ...INTERNET, ...PREMIUM }] },
      ['rates[0]: and rates[1] both price some internet traffic; leave one, or tell them apart'],
    ],
    [
      'two entries for one middlebox',
      { processing: [NAT, { ...NAT, paths: ['vpn', 'nat-gateway'], directions: ['in'], regions: ['north'] }] },
      ['processing[0]: and processing[1] both price some bytes of nat-gateway; leave one, or tell them apart'],
    ],
    [
      'a pair of regions without a rate',
      { rates: [{ ...BETWEEN, regions: ['north'] }] },
      ['rates: no cross-region rate from south to north; add it, or list it in missing'],
    ],
    [
      'a pair that has a rate by one path only',
      {
        rates: [
          { ...BETWEEN, regions: ['north'] },
          { ...BETWEEN, regions: ['south'], paths: ['vpn'] },
        ],
      },
      ['rates: no cross-region rate from south to north; add it, or list it in missing'],
    ],
    [
      'a pair that has a rate for one value of a switch only',
      {
        switches: SWITCHES,
        rates: [
          { ...BETWEEN, regions: ['north'] },
          { ...BETWEEN, regions: ['south'], ...PREMIUM },
        ],
      },
      ['rates: no cross-region rate from south to north with tier standard; add it, or list it in missing'],
    ],
    [
      'a missing pair that has a rate',
      { missing: [{ regions: ['north'], peerRegions: ['south'], note: 'not read' }] },
      ['missing: north to south has a rate; remove it from missing'],
    ],
    [
      'a rate between a region and itself',
      { rates: [BETWEEN, { ...BETWEEN, directions: ['in'], regions: ['north'], peerRegions: ['north'] }] },
      ['rates[1]: no cross-region traffic goes between these regions; correct regions or peerRegions'],
    ],
    [
      'a rate inside a region between two',
      { rates: [{ ...INTERNET, class: 'same-zone', regions: ['north'], peerRegions: ['south'] }] },
      ['rates[0]: no same-zone traffic goes between these regions; correct regions or peerRegions'],
    ],
    [
      'a rate of the internet to a region',
      { rates: [{ ...INTERNET, peerRegions: ['south'] }] },
      ['rates[0]: no internet traffic goes between these regions; correct regions or peerRegions'],
    ],
    [
      'a relation that these regions cannot have',
      { rates: [{ ...INTERNET, class: 'peered', relations: ['unknown'], regions: ['north'], peerRegions: ['south'] }] },
      ['rates[0]: no peered traffic goes between these regions; correct regions or peerRegions'],
    ],
    [
      'a selector that leaves out all it selects',
      { rates: [{ ...INTERNET, class: 'other-provider', regions: ['north', '!n*'] }] },
      ['rates[0]: no other-provider traffic goes between these regions; correct regions or peerRegions'],
    ],
    [
      'processing for no region',
      { processing: [{ ...NAT, regions: ['north', '!north'] }] },
      ['processing[0].regions: selects no region; correct it'],
    ],
    [
      'an allowance for no region',
      { allowances: [{ ...FREE, regions: ['north', '!north'] }] },
      ['allowances[0].regions: selects no region; correct it'],
    ],
  ];
  it.each(wrong)('%s', (_name, changes, problems) => {
    expect(problemsOf(book(changes))).toEqual(problems);
  });
});

it('all problems are named at once', () => {
  const rates = [
    { ...INTERNET, unit: 'TB' },
    { ...BETWEEN, sources: ['A9'] },
  ];
  expect(problemsOf(book({ rates, regions: ['north', 'south', 'north'] }))).toHaveLength(3);
});
