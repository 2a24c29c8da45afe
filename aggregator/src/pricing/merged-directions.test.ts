// Rows whose two directions are one sum, as Cilium's maps from 1.16 on have them: a price where it is the same however the sum is
// shared, else none. The oracle is the pricing of rows that know their directions.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chargeText } from '../billing/charge-text.ts';
import type { FlowRow } from '../model/flow-row.ts';
import { defaultPriceBooks } from './book/default-books.ts';
import type { PricingConfig } from './config/format.ts';
import { createPricing } from './pricing.ts';
import { at, peerAt, TO_INTERNET, testRow } from './testing.ts';

const GB = 1e9;
const CONFIG: PricingConfig = {
  version: 1,
  paths: [{ name: 'nat', path: 'nat-gateway', from: { nodes: ['private-*'] } }],
  overlayHeaderBytes: 50,
};
const pricing = createPricing({ books: defaultPriceBooks(), config: CONFIG });

function priced(fields: Partial<FlowRow>): FlowRow {
  const row = testRow(fields);
  pricing.price(row);
  return row;
}

/** The same traffic where nobody tells its directions apart. */
function merged(fields: Partial<FlowRow>): FlowRow {
  const sum = (a: number | null | undefined, b: number | null | undefined) => (a ?? 0) + (b ?? 0);
  return priced({
    ...fields,
    ...{ txBytes: sum(fields.txBytes, fields.rxBytes), rxBytes: 0 },
    ...{ txPackets: sum(fields.txPackets, fields.rxPackets), rxPackets: 0 },
    directionBasis: 'merged',
  });
}

const BETWEEN_ZONES_OF_AWS = {
  ...at('aws', 'us-east-1', 'us-east-1a'),
  ...peerAt('aws', 'us-east-1', 'us-east-1b'),
  ...{ txBytes: 2 * GB, rxBytes: GB },
};
const BETWEEN_ZONES_OF_GOOGLE = {
  ...at('gcp', 'us-central1', 'us-central1-a'),
  ...peerAt('gcp', 'us-central1', 'us-central1-b'),
  ...{ txBytes: 2 * GB, rxBytes: GB },
};

describe('a sum of both directions', () => {
  it('costs what it costs either way: between zones of AWS', () => {
    // 3 GB, 0.01 USD a GiB each way.
    expect(merged(BETWEEN_ZONES_OF_AWS)).toMatchObject({
      ...{ trafficClass: 'cross-zone', txCost: 27_939_677_238n, rxCost: 0n, processingCost: 0n, priceBasis: 'exact' },
    });
  });

  it('is free where both directions are', () => {
    const sameZone = { ...BETWEEN_ZONES_OF_AWS, ...peerAt('aws', 'us-east-1', 'us-east-1a') };
    expect(merged(sameZone)).toMatchObject({ trafficClass: 'same-zone', txCost: 0n, rxCost: 0n, priceBasis: 'exact' });
  });

  it.each([
    { name: 'between zones of Google, where the sender pays', row: BETWEEN_ZONES_OF_GOOGLE },
    {
      name: 'to the internet',
      row: { ...at('aws', 'us-east-1', 'us-east-1a'), ...TO_INTERNET, txBytes: 2 * GB, rxBytes: GB },
    },
  ])('has no price $name, and no other column is lost', ({ row }) => {
    const { trafficClass, txBytes, txCost, rxCost, processingCost, priceBasis } = merged(row);
    expect({ txBytes, txCost, rxCost, processingCost, priceBasis }).toEqual({
      ...{ txBytes: 3 * GB, txCost: null, rxCost: 0n, processingCost: 0n, priceBasis: 'none' },
    });
    expect(trafficClass).toBe(priced(row).trafficClass);
  });

  it('says that its share of each direction is missing, not a rate', () => {
    const { out, reasons } = pricing.decision(testRow({ ...BETWEEN_ZONES_OF_GOOGLE, directionBasis: 'merged' }));
    expect(out.missing.map(chargeText)).toEqual([
      'cross-zone out, us-central1 (its share of both directions)',
      'cross-zone in, us-central1 (its share of both directions)',
    ]);
    expect(reasons).toContain('both directions were counted in one sum');
  });

  it('passes a gateway that charges both ways alike', () => {
    const row = {
      ...at('aws', 'us-east-1', 'us-east-1a'),
      ...TO_INTERNET,
      node: 'private-1',
      txBytes: 2 * GB,
      rxBytes: GB,
    };
    // 3 GB, 0.045 USD a GiB.
    expect(merged(row)).toMatchObject({ path: 'nat-gateway', txCost: null, processingCost: 125_728_547_573n });
  });

  it('is decided as a stored row, too', () => {
    const stored = merged(BETWEEN_ZONES_OF_GOOGLE);
    expect(pricing.decisionAs(stored).out.rate).toBeUndefined();
    expect(pricing.decisionAs({ ...stored, directionBasis: null }).out.rate).toBeDefined();
  });
});

const BOOKS = defaultPriceBooks();
const place = fc.constantFrom(
  ...BOOKS.flatMap(({ provider, regions }) =>
    regions.slice(0, 3).flatMap((region) => ['a', 'b'].map((zone) => [provider, region, `${region}${zone}`] as const)),
  ),
);
const anyRow = fc
  .record({
    local: place,
    peer: fc.oneof(place, fc.constant(undefined)),
    node: fc.constantFrom('n1', 'private-1'),
    ...{
      txBytes: fc.integer({ min: 1, max: 2 ** 40 }),
      rxBytes: fc.integer({ min: 1, max: 2 ** 40 }),
      txPackets: fc.nat(1000),
      rxPackets: fc.nat(1000),
    },
  })
  .map(({ local, peer, ...counts }) => ({
    ...at(...local),
    ...(peer === undefined ? TO_INTERNET : peerAt(...peer)),
    ...counts,
  }));

describe('of any row', () => {
  it('the price is that of the row that knows its directions; it has none only if it depends on them', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        const known = priced(row);
        const sum = merged(row);
        const total = row.txBytes + row.rxBytes;
        if (sum.txCost !== null) {
          const difference = known.txCost! + known.rxCost! - sum.txCost;
          expect(difference >= -1n && difference <= 1n).toBe(true);
          return;
        }
        const packets = { txPackets: 0, rxPackets: 0 };
        const allSent = priced({ ...row, ...packets, txBytes: total, rxBytes: 0 });
        const allReceived = priced({ ...row, ...packets, txBytes: 0, rxBytes: total });
        const { out, in: into } = pricing.decision(testRow(row));
        const hasTiers = [...out.terms, ...into.terms].some(
          ({ tierFrom, allowances }) => tierFrom !== undefined || allowances.length > 0,
        );
        expect(hasTiers || allSent.txCost === null || allSent.txCost !== allReceived.rxCost).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
