// A row for the tests of this directory: two pods, nothing known about them but what a test gives.
import type { FlowRow } from '../model/flow-row.ts';
import type { PriceBook } from './book/format.ts';
import { parsePriceBook } from './book/read.ts';

/** A row between pods on two nodes of one cluster. */
export function testRow(fields: Partial<FlowRow>): FlowRow {
  return {
    ...{ localKey: 0, peerKey: 0, zoneId: null, peerZoneId: null },
    windowStartUs: 0,
    windowEndUs: 60_000_000,
    cluster: 'test',
    provider: null,
    region: null,
    zone: null,
    node: 'n1',
    localKind: 'pod',
    namespace: 'shop',
    workloadKind: 'Deployment',
    workload: 'web',
    pod: 'web-1',
    labels: null,
    ip: '10.244.1.2',
    peerKind: 'pod',
    peerCluster: 'test',
    peerProvider: null,
    peerRegion: null,
    peerZone: null,
    peerNode: 'n2',
    peerNamespace: 'shop',
    peerWorkloadKind: 'Deployment',
    peerWorkload: 'db',
    peerPod: 'db-1',
    peerName: null,
    peerIp: '10.244.2.2',
    protocol: 'tcp',
    port: 5432,
    service: null,
    initiator: 'local',
    resolution: 'exact',
    txBytes: 0,
    txPackets: 0,
    rxBytes: 0,
    rxPackets: 0,
    connections: 1,
    lossReason: null,
    lostBytesMax: null,
    trafficClass: 'unknown',
    path: null,
    txCost: null,
    rxCost: null,
    processingCost: null,
    priceBook: null,
    priceBasis: null,
    directionBasis: null,
    ...fields,
  };
}

/** The local side is in this place. */
export function at(provider: string | null, region: string | null, zone: string | null = null): Partial<FlowRow> {
  return { provider, region, zone };
}

/** The peer is a pod in this place. */
export function peerAt(provider: string | null, region: string | null, zone: string | null = null): Partial<FlowRow> {
  return { peerProvider: provider, peerRegion: region, peerZone: zone };
}

/** The peer is somewhere on the internet. */
export const TO_INTERNET: Partial<FlowRow> = {
  peerKind: 'internet',
  peerCluster: null,
  peerNode: null,
  peerNamespace: null,
  peerWorkloadKind: null,
  peerWorkload: null,
  peerPod: null,
  peerIp: '203.0.113.9',
};

/** A small price book of provider "aws" in regions r1 and r2, one unit of 1000 bytes, with the given fields in place of its own. */
export function testBook(fields: Partial<Record<keyof PriceBook, unknown>> = {}): PriceBook {
  return parsePriceBook({ ...SMALL_BOOK, ...fields }, 'test');
}

/** A rate for `testBook`. */
export function testRate(fields: Record<string, unknown>): Record<string, unknown> {
  return { directions: ['out'], unit: 'KB', usdPerUnit: '1', basis: 'exact', sources: ['S'], ...fields };
}

const SMALL_BOOK = {
  formatVersion: 2,
  provider: 'aws',
  date: '2026-01-01',
  currency: 'USD',
  units: { KB: { bytes: 1000, basis: 'exact', sources: ['S'] } },
  regions: ['r1', 'r2'],
  rates: [
    testRate({ class: 'same-zone', directions: ['out', 'in'], usdPerUnit: '0' }),
    testRate({ class: 'cross-zone', directions: ['out', 'in'], usdPerUnit: '0.01' }),
    testRate({ class: 'cross-region', usdPerUnit: '0.02' }),
    testRate({ class: 'cross-region', directions: ['in'], usdPerUnit: '0' }),
    testRate({ class: 'internet', usdPerUnit: '0.09' }),
    testRate({ class: 'internet', directions: ['in'], usdPerUnit: '0' }),
  ],
  sources: { S: { address: 'https://example.com/prices', date: '2026-01-01', kind: 'official page' } },
};
