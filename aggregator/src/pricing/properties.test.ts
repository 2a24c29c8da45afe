// What holds for every row, whatever its places and the configuration.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FlowRow, PeerKind } from '../model/flow-row.ts';
import { defaultPriceBooks } from './book/default-books.ts';
import type { PriceBook, RateEntry } from './book/format.ts';
import { compileSelector, representatives } from './book/region-selector.ts';
import type { Relation } from './book/words.ts';
import type { PricingConfig } from './config/format.ts';
import { createPricing } from './pricing.ts';
import { testRow } from './testing.ts';

const BOOKS = defaultPriceBooks();

const CONFIG: PricingConfig = {
  version: 1,
  networks: [
    { name: 'data', kind: 'peered', ranges: ['10.8.0.0/16'] },
    { name: 'office', kind: 'on-premises', ranges: ['192.168.0.0/16'] },
  ],
  paths: [{ name: 'nat', path: 'nat-gateway', from: { nodes: ['private-*'] }, zone: 'r-1a' }],
  discounts: [{ percent: '7.5', provider: 'aws' }],
  overlayHeaderBytes: 50,
};

const region = fc.constantFrom(
  ...BOOKS.flatMap(({ provider, regions }) => regions.slice(0, 4).map((name) => [provider, name] as const)),
);
const zone = fc.option(fc.constantFrom('a', 'b'), { nil: null });
const ip = fc.constantFrom('10.1.2.3', '10.8.2.3', '192.168.1.1', '54.1.2.3', '2600:1f18::2', 'fd00::1');

interface End {
  readonly provider: string | null;
  readonly region: string | null;
  readonly zone: string | null;
  readonly ip: string;
  readonly node: string;
  readonly cluster: string;
}

const end: fc.Arbitrary<End> = fc
  .tuple(
    fc.option(region, { nil: [null, null] as const }),
    zone,
    ip,
    fc.constantFrom('n1', 'n2', 'private-1'),
    fc.constantFrom('test', 'other'),
  )
  .map(([[provider, name], letter, address, node, cluster]) => ({
    provider,
    region: name,
    zone: name === null || letter === null ? null : `${name}${letter}`,
    ip: address,
    node,
    cluster,
  }));

const bytes = fc.oneof(fc.nat(100_000), fc.integer({ min: 0, max: 2 ** 40 }));

/** The row that the agent on the side of `local` makes. */
function rowOf(local: End, peer: End, txBytes: number, rxBytes: number): FlowRow {
  return testRow({
    cluster: local.cluster,
    provider: local.provider,
    region: local.region,
    zone: local.zone,
    ip: local.ip,
    node: local.node,
    peerCluster: peer.cluster,
    peerProvider: peer.provider,
    peerRegion: peer.region,
    peerZone: peer.zone,
    peerIp: peer.ip,
    peerNode: peer.node,
    txBytes,
    rxBytes,
  });
}

const outside = fc.record({
  peerKind: fc.constantFrom<PeerKind>('internet', 'private', 'provider-service', 'unknown'),
  peerCluster: fc.constant(null),
  peerNode: fc.constant(null),
  peerName: fc.constantFrom('S3', 'AMAZON', 'Storage', null),
  peerWorkloadKind: fc.constantFrom('S3', null),
});

const anyRow = fc
  .tuple(end, end, fc.option(outside, { nil: {} }), bytes, bytes)
  .map(([local, peer, fields, tx, rx]) => ({ ...rowOf(local, peer, tx, rx), ...fields }));

function price(row: FlowRow): FlowRow {
  pricing.price(row);
  return row;
}

const pricing = createPricing({ books: BOOKS, config: CONFIG });
const COLUMNS = ['txCost', 'rxCost', 'processingCost'] as const;

describe('every row', () => {
  it('has no negative cost, and a null one wherever bytes have no rate', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        const { trafficClass, txCost, rxCost, processingCost, priceBasis } = price(row);
        for (const column of COLUMNS) expect((row[column] ?? 0n) >= 0n).toBe(true);
        const isKnown = txCost !== null && rxCost !== null && processingCost !== null;
        expect(priceBasis === 'none').toBe(!isKnown);
        if (trafficClass === 'unknown') expect([txCost, rxCost]).toEqual([null, null]);
      }),
      { numRuns: 3000 },
    );
  });

  it('costs the same split in two, within half a unit of the 12th place for each row and column', () => {
    fc.assert(
      fc.property(anyRow, fc.double({ min: 0, max: 1, noNaN: true }), (row, share) => {
        const tx = Math.floor(row.txBytes! * share);
        const rx = Math.floor(row.rxBytes! * share);
        const whole = price({ ...row });
        const parts = [
          price({ ...row, txBytes: tx, rxBytes: rx }),
          price({ ...row, txBytes: row.txBytes! - tx, rxBytes: row.rxBytes! - rx }),
        ];
        for (const column of COLUMNS) {
          // A part without bytes costs 0 where the whole has no rate.
          if (whole[column] === null) continue;
          const difference = parts[0]![column]! + parts[1]![column]! - whole[column];
          // Half a unit for the whole and for each part, in whole units.
          expect(difference >= -1n && difference <= 1n).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('adds up whatever the order and the grouping', () => {
    const key = (row: FlowRow) => `${row.trafficClass} ${row.peerRegion}`;
    const sum = (rows: readonly FlowRow[]) =>
      rows.reduce((total, row) => total + (row.txCost ?? 0n) + (row.rxCost ?? 0n) + (row.processingCost ?? 0n), 0n);
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 30 }), (rows) => {
        const inOrder = rows.map((row) => price({ ...row }));
        // Another engine, another order: no answer depends on what was asked before.
        const other = createPricing({ books: BOOKS, config: CONFIG });
        const backwards = rows.toReversed().map((row) => {
          const copy = { ...row };
          other.price(copy);
          return copy;
        });
        const groups = Map.groupBy(backwards, key);
        expect([...groups.values()].reduce((total, group) => total + sum(group), 0n)).toBe(sum(inOrder));
      }),
      { numRuns: 200 },
    );
  });

  it('has the same class seen from the other side, whose sent is this one’s received', () => {
    fc.assert(
      fc.property(end, end, bytes, bytes, (a, b, tx, rx) => {
        // Networks of the configuration are outside of the cluster: nobody reports from there.
        fc.pre(![a, b].some(({ ip: address }) => address.startsWith('10.8.') || address.startsWith('192.168.')));
        const here = price(rowOf(a, b, tx, rx));
        const there = price(rowOf(b, a, rx, tx));
        expect(there.trafficClass).toBe(here.trafficClass);
        expect([there.txBytes, there.rxBytes]).toEqual([here.rxBytes, here.txBytes]);
      }),
      { numRuns: 3000 },
    );
  });

  it('does not depend on how often it was asked, nor on keys of its endpoints', () => {
    fc.assert(
      fc.property(anyRow, fc.nat(1000), (row, key) => {
        const first = price({ ...row });
        const keyed = createPricing({ books: BOOKS, config: CONFIG });
        const rows = [1, 2].map(() => ({ ...row, localKey: key + 1, peerKey: key + 70_000 }));
        for (const again of rows) {
          keyed.price(again);
          expect(COLUMNS.map((column) => again[column])).toEqual(COLUMNS.map((column) => first[column]));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe.each(BOOKS)('the price book of $provider', (book) => {
  it('has no rate that no row can have', () => {
    const unreachable = book.rates.flatMap((rate, index) =>
      rate.directions
        .filter((direction) => !reaches(book, rate, direction))
        .map((direction) => `rates[${index}] ${rate.class} ${direction}`),
    );
    expect(unreachable).toEqual([]);
  });

  it('has no processing that no row can have', () => {
    const entries = book.processing ?? [];
    const unreachable = entries.flatMap((entry, index) => {
      const isIn = entry.regions === undefined ? () => true : compileSelector(entry.regions, book.groups ?? {});
      const place = book.regions.find(isIn) ?? null;
      return entry.directions
        .filter((direction) =>
          entry.paths.some((path) => {
            const engine = configured(book, path, entry.when);
            const decided = engine.decision(testRow({ provider: book.provider, region: place, ...INTERNET }));
            return !decided.processing[direction].terms.some((term) => term.entry === entry);
          }),
        )
        .map((direction) => `processing[${index}] ${direction}`);
    });
    expect(unreachable).toEqual([]);
  });
});

const INTERNET: Partial<FlowRow> = {
  ...{ peerKind: 'internet', peerCluster: null, peerNode: null, peerWorkloadKind: null, peerIp: '203.0.113.9' },
};

/** An engine in which everything goes through `path`, with switches that fit `when`. */
function configured(
  book: PriceBook,
  path: string | undefined,
  when: RateEntry['when'],
  network?: 'peered' | 'on-premises',
) {
  const values = Object.fromEntries(Object.entries(when ?? {}).map(([name, wanted]) => [name, [wanted].flat()[0]!]));
  const networks = network === undefined ? [] : [{ name: 'x', kind: network, ranges: ['172.30.0.0/16'] }];
  // The gateway is in no zone of any node: the way to it goes between zones.
  const rule = {
    name: 'all',
    path: path ?? '',
    family: 'any' as const,
    zone: 'elsewhere',
    to: { peerKinds: ANY_PEER },
  };
  return createPricing({
    books: [book],
    config: {
      version: 1,
      networks,
      switches: { [book.provider]: values },
      ...(path !== undefined && { paths: [rule] }),
    },
  });
}

const ANY_PEER: ('pod' | 'node' | 'service' | 'provider-service' | 'private' | 'internet')[] = [
  'pod',
  'node',
  'service',
  'provider-service',
  'private',
  'internet',
];

const RELATIONS_OF: Readonly<Partial<Record<RateEntry['class'], readonly Relation[]>>> = {
  'same-zone': ['same-zone'],
  'cross-zone': ['cross-zone'],
  'same-region': ['same-region'],
  'same-region-public': ['same-zone', 'cross-zone', 'same-region'],
  'cross-region': ['cross-region'],
  internet: ['unknown'],
  'other-provider': ['unknown'],
};

/** Zones are named after their region; Azure's must be. */
function zoneIn(region: string | null, letter: string | null): string | null {
  return region === null || letter === null ? null : `${region}-${letter}`;
}

/** Whether some row gets this rate in this direction. */
function reaches(book: PriceBook, rate: RateEntry, direction: 'out' | 'in'): boolean {
  const selects = (selector: RateEntry['regions']) =>
    selector === undefined ? () => true : compileSelector(selector, book.groups ?? {});
  // Patterns also mean regions that are newer than the book.
  const named = [rate.regions ?? [], rate.peerRegions ?? []];
  const all = [...new Set([...book.regions, ...representatives(named, book.groups ?? {})])];
  const regions = all.filter(selects(rate.regions));
  const peers = all.filter(selects(rate.peerRegions));
  const network = rate.class === 'peered' || rate.class === 'on-premises' ? rate.class : undefined;
  const engine = configured(book, rate.paths?.[0], rate.when, network);
  const relations = rate.relations ??
    RELATIONS_OF[rate.class] ?? ['same-zone', 'cross-zone', 'same-region', 'cross-region', 'unknown'];
  return relations.some((relation) =>
    regions.some((here) =>
      peers.some((there) => {
        const row = rowFor(book, rate, relation, here, there);
        if (row === undefined) return false;
        const toGateway = testRow({ ...row, ...INTERNET, peerProvider: null, peerRegion: null, peerZone: null });
        return [row, toGateway].some((each) =>
          engine.decision(each)[direction].terms.some(({ entry }) => entry === rate),
        );
      }),
    ),
  );
}

function rowFor(
  book: PriceBook,
  rate: RateEntry,
  relation: Relation,
  here: string | null,
  there: string | null,
): FlowRow | undefined {
  const isOneRegion = relation === 'same-zone' || relation === 'cross-zone' || relation === 'same-region';
  if (
    isOneRegion
      ? here === null || here !== there
      : relation === 'cross-region' && (here === null || there === null || here === there)
  ) {
    return undefined;
  }
  const zones = relation === 'same-region' ? [null, null] : relation === 'same-zone' ? ['1', '1'] : ['1', '2'];
  const places: Partial<FlowRow> = {
    ...{ provider: book.provider, region: here, zone: zoneIn(here, zones[0]!) },
    ...{ peerProvider: book.provider, peerRegion: there, peerZone: zoneIn(there, zones[1]!) },
  };
  switch (rate.class) {
    case 'internet':
      return testRow({ ...places, ...INTERNET, peerProvider: null, peerRegion: null, peerZone: null });
    case 'other-provider':
      return testRow({ ...places, ...INTERNET, peerProvider: 'another' });
    case 'provider-service':
      return testRow({ ...places, ...INTERNET, peerKind: 'provider-service', peerName: rate.services?.[0] ?? 'any' });
    case 'same-region-public':
      return testRow({ ...places, peerIp: '54.1.2.3' });
    case 'peered':
    case 'on-premises':
      return testRow({ ...places, ...INTERNET, peerKind: 'private', peerIp: '172.30.1.1' });
    default:
      return testRow(places);
  }
}
