import { describe, expect, it } from 'vitest';
import type { AddressPlace, PlacesOfAddresses } from '../model/address-place.ts';
import type { ExternalIdentity, Topology } from '../model/topology.ts';
import { createEnricher } from './enricher.ts';
import { batchOf, TOPOLOGY } from './testing.ts';

const POD = '10.244.1.2';
const S3: AddressPlace = { provider: 'aws', region: 'us-east-1', service: 'S3' };
const MACHINE: AddressPlace = { provider: 'aws', region: 'us-east-1', service: null };
const EDGE: AddressPlace = { provider: 'aws', region: null, service: 'CLOUDFRONT' };

/** Places by address, and the addresses that were asked for. */
function placesOf(known: Readonly<Record<string, AddressPlace>>): PlacesOfAddresses & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    version: 1,
    asked,
    lookup(address) {
      asked.push(address);
      return known[address];
    },
  };
}

/** What a row says of the peer at this address. */
function peerAt(address: string, places: PlacesOfAddresses, topology: Topology = TOPOLOGY) {
  const enricher = createEnricher({ topology: { snapshot: () => topology }, cluster: 'demo', places });
  const peers: object[] = [];
  enricher.enrich(batchOf('n1', [{ from: POD, to: address }]), (row) => {
    const { peerKind, peerName, peerWorkloadKind, peerProvider, peerRegion, peerZone, resolution } = row;
    peers.push({ peerKind, peerName, peerWorkloadKind, peerProvider, peerRegion, peerZone, resolution });
  });
  expect(peers).toHaveLength(1);
  return peers[0];
}

const NO_PLACE = { peerProvider: null, peerRegion: null, peerZone: null };
const US_EAST_1 = { peerProvider: 'aws', peerRegion: 'us-east-1', peerZone: null };

describe('an address that nobody in the cluster has', () => {
  it('is the service that its provider names', () => {
    expect(peerAt('203.0.113.9', placesOf({ '203.0.113.9': S3 }))).toEqual({
      ...{ peerKind: 'provider-service', peerName: 'S3', peerWorkloadKind: 'S3', resolution: 'exact' },
      ...US_EAST_1,
    });
  });

  it('is of the internet with a place where it is a machine', () => {
    expect(peerAt('203.0.113.9', placesOf({ '203.0.113.9': MACHINE }))).toEqual({
      ...{ peerKind: 'internet', peerName: null, peerWorkloadKind: null, resolution: 'exact' },
      ...US_EAST_1,
    });
  });

  it('has a provider alone where it is in no region', () => {
    expect(peerAt('203.0.113.9', placesOf({ '203.0.113.9': EDGE }))).toEqual({
      ...{ peerKind: 'provider-service', peerName: 'CLOUDFRONT', peerWorkloadKind: 'CLOUDFRONT', resolution: 'exact' },
      ...{ ...NO_PLACE, peerProvider: 'aws' },
    });
  });

  it('has none where no provider names it', () => {
    expect(peerAt('203.0.113.9', placesOf({}))).toEqual({
      ...{ peerKind: 'internet', peerName: null, peerWorkloadKind: null, resolution: 'exact' },
      ...NO_PLACE,
    });
  });

  it('is looked up as a whole where it is a prefix', () => {
    const places = placesOf({ '203.0.113.0/24': MACHINE });
    expect(peerAt('203.0.113.0/24', places)).toMatchObject({ peerKind: 'internet', ...US_EAST_1 });
    expect(places.asked).toEqual(['203.0.113.0/24']);
  });

  it.each([
    ['192.168.3.4', 'private'],
    ['10.244.9.9', 'private'],
    ['169.254.169.254', 'private'],
    ['fe80::1', 'private'],
    ['224.0.0.1', 'unknown'],
    // Public by its bits; the operator says that it is the cluster's.
    ['9.9.1.1', 'private'],
    // Known in the cluster.
    ['10.244.2.2', 'pod'],
    ['172.20.2.1', 'node'],
    ['10.96.0.10', 'service'],
  ])('is not asked for when it is %s: %s', (address, peerKind) => {
    const places = placesOf({ [address]: S3 });
    expect(peerAt(address, places)).toMatchObject({ peerKind });
    expect(places.asked).toEqual([]);
  });
});

describe('an address with a name of the operator’s', () => {
  const named = (external: Partial<ExternalIdentity>): Topology => ({
    ...TOPOLOGY,
    lookupAddress: (address, ...when) =>
      address === '203.0.113.9'
        ? {
            certainty: 'exact',
            identity: { kind: 'external', name: 'backups', provider: null, region: null, zone: null, ...external },
          }
        : TOPOLOGY.lookupAddress(address, ...when),
  });

  it.each([
    ['no place', {}, S3, 'provider-service', US_EAST_1],
    ['no place, of a machine', {}, MACHINE, 'internet', US_EAST_1],
    ['the same provider', { provider: 'aws' }, S3, 'provider-service', US_EAST_1],
    ['the same region', { provider: 'aws', region: 'us-east-1' }, S3, 'provider-service', US_EAST_1],
    [
      'a zone besides',
      { provider: 'aws', region: 'us-east-1', zone: 'us-east-1b' },
      MACHINE,
      'internet',
      { ...US_EAST_1, peerZone: 'us-east-1b' },
    ],
    ['another provider', { provider: 'gcp' }, S3, 'internet', { ...NO_PLACE, peerProvider: 'gcp' }],
    [
      'another region',
      { provider: 'aws', region: 'eu-west-1' },
      S3,
      'internet',
      { ...NO_PLACE, peerProvider: 'aws', peerRegion: 'eu-west-1' },
    ],
    [
      'a region where the provider says none',
      { provider: 'aws', region: 'eu-west-1' },
      EDGE,
      'provider-service',
      { ...NO_PLACE, peerProvider: 'aws', peerRegion: 'eu-west-1' },
    ],
    [
      'a place that no provider names',
      { provider: 'aws' },
      undefined,
      'internet',
      { ...NO_PLACE, peerProvider: 'aws' },
    ],
  ] as const)(
    'keeps it and what it says, and the word for a service stays: %s',
    (_, external, place, peerKind, expected) => {
      const peerWorkloadKind = peerKind === 'provider-service' ? place.service : null;
      expect(peerAt('203.0.113.9', placesOf(place ? { '203.0.113.9': place } : {}), named(external))).toEqual({
        ...{ peerKind, peerName: 'backups', peerWorkloadKind, resolution: 'exact' },
        ...expected,
      });
    },
  );
});

describe('places that change', () => {
  it('are asked for again when the version changes, and only then', () => {
    let place: AddressPlace | undefined = MACHINE;
    let version = 1;
    let asked = 0;
    const places: PlacesOfAddresses = {
      get version() {
        return version;
      },
      lookup() {
        asked++;
        return place;
      },
    };
    for (const topology of [TOPOLOGY, { ...TOPOLOGY, isTimeless: true }]) {
      const enricher = createEnricher({ topology: { snapshot: () => topology }, cluster: 'demo', places });
      const regions: (string | null)[] = [];
      const enrich = () =>
        enricher.enrich(batchOf('n1', [{ from: POD, to: '203.0.113.9' }]), (row) => regions.push(row.peerRegion));
      asked = 0;
      place = MACHINE;
      enrich();
      enrich();
      expect(asked).toBe(1);
      place = { ...MACHINE, region: 'eu-west-1' };
      enrich();
      version++;
      enrich();
      enrich();
      expect(regions).toEqual(['us-east-1', 'us-east-1', 'us-east-1', 'eu-west-1', 'eu-west-1']);
      expect(asked).toBe(2);
    }
  });
});
