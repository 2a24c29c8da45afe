// Two small clouds for tests, every rate a round figure. Acme bills zones both ways, has tiers, a free amount, and gateways; Bolt does
// not know zones and bills by GiB.
import type { PriceBook } from './book/format.ts';
import { parsePriceBook } from './book/read.ts';

export const GB = 1_000_000_000;
export const GIB = 2 ** 30;

const sources = { list: { address: 'the list', date: '2026-01-01', kind: 'official-page' } };
const nowhere = (regions: string, peerRegions: string) => ({
  regions: [regions],
  peerRegions: [peerRegions],
  note: 'not listed',
});

type RateFields = Readonly<Record<string, unknown>>;

function rate(trafficClass: string, directions: readonly string[], amount: string | RateFields): RateFields {
  const price = typeof amount === 'string' ? { usdPerUnit: amount } : amount;
  return { class: trafficClass, directions, unit: 'GB', basis: 'exact', sources: ['list'], ...price };
}

/**
 * Acme, per GB of 10^9: zones 0.01 each way; r1 → r2 0.02, nothing else between regions; internet 0.10 to 10 GB, 0.05 above, 2 GB a month
 * free before the tiers; a NAT gateway 0.04 both ways, an interface endpoint 0.03 of what is sent; nothing for its queue by path tgw.
 */
export function acmeBook(changes: Partial<Record<keyof PriceBook, unknown>> = {}): PriceBook {
  const document = {
    ...{ formatVersion: 2, provider: 'acme', date: '2026-01-01', currency: 'USD', regions: ['r1', 'r2'] },
    units: { GB: { bytes: GB, basis: 'exact', sources: ['list'] } },
    rates: [
      rate('same-zone', ['out', 'in'], '0'),
      rate('cross-zone', ['out', 'in'], { usdPerUnit: '0.01', meter: 'ZoneBytes' }),
      rate('same-region-public', ['out', 'in'], '0.01'),
      rate('cross-region', ['out'], { usdPerUnit: '0.02', regions: ['r1'], peerRegions: ['r2'] }),
      rate('cross-region', ['in'], '0'),
      rate('internet', ['out'], {
        tiers: [
          { from: 0, usdPerUnit: '0.10' },
          { from: 10, usdPerUnit: '0.05' },
        ],
      }),
      rate('internet', ['in'], '0'),
      rate('provider-service', ['out', 'in'], '0'),
      rate('peered', ['out', 'in'], { usdPerUnit: '0.01', relations: ['cross-zone'] }),
      rate('peered', ['out', 'in'], { usdPerUnit: '0', relations: ['same-zone'] }),
    ],
    processing: [
      {
        ...{ paths: ['nat-gateway'], directions: ['out', 'in'], unit: 'GB', usdPerUnit: '0.04', basis: 'exact' },
        sources: ['list'],
      },
      {
        ...{ paths: ['interface-endpoint'], directions: ['out'], unit: 'GB', usdPerUnit: '0.03', basis: 'exact' },
        sources: ['list'],
      },
      {
        ...{ paths: ['vpc-peering'], directions: ['out', 'in'], unit: 'GB', usdPerUnit: '0', basis: 'exact' },
        sources: ['list'],
      },
    ],
    allowances: [
      {
        name: '2 GB',
        amount: 2,
        unit: 'GB',
        class: 'internet',
        counts: 'before-tiers',
        basis: 'exact',
        sources: ['list'],
      },
    ],
    ...{ missing: [nowhere('r2', 'r1')], sources },
    ...changes,
  };
  return parsePriceBook(document, 'acme.json');
}

/** Bolt, per GiB: nothing inside a region, internet 0.08, estimated; nothing between regions. */
export function boltBook(): PriceBook {
  const inGib = (amount: RateFields): RateFields => ({ unit: 'GiB', ...amount });
  const document = {
    ...{ formatVersion: 2, provider: 'bolt', date: '2026-02-02', currency: 'USD', regions: ['b1'] },
    units: { GiB: { bytes: GIB, basis: 'exact', sources: ['list'] } },
    rates: [
      rate('same-region', ['out', 'in'], inGib({ usdPerUnit: '0' })),
      rate('same-zone', ['out', 'in'], inGib({ usdPerUnit: '0' })),
      rate('cross-zone', ['out', 'in'], inGib({ usdPerUnit: '0' })),
      rate('internet', ['out'], inGib({ usdPerUnit: '0.08', basis: 'estimated' })),
      rate('internet', ['in'], inGib({ usdPerUnit: '0' })),
    ],
    sources,
  };
  return parsePriceBook(document, 'bolt.json');
}
