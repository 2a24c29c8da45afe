// Bills worked by hand. Rates are those of the price pages as noted in the fact sheet of 2026-11, typed in here again:
// nothing in this file is computed from a book.
import { describe, expect, it } from 'vitest';
import type { FlowRow, PriceBasis, TrafficClass } from '../model/flow-row.ts';
import { defaultPriceBooks } from './book/default-books.ts';
import { createPricing } from './pricing.ts';
import { at, peerAt, TO_INTERNET, testRow } from './testing.ts';

const books = defaultPriceBooks();
const pricing = createPricing({ books });

const GIB = 2 ** 30;
const USD = 1_000_000_000_000n;
const CENT = USD / 100n;

interface Bill {
  readonly name: string;
  readonly row: Partial<FlowRow>;
  readonly tx: number;
  readonly rx: number;
  readonly trafficClass: TrafficClass;
  readonly txCost: bigint | null;
  readonly rxCost: bigint | null;
  readonly basis: PriceBasis;
}

function awsZone(zone: string): readonly [string, string, string] {
  return ['aws', 'us-east-1', `us-east-1${zone}`];
}

const NODES: Partial<FlowRow> = { localKind: 'node', peerKind: 'node', ip: '172.20.1.1', peerIp: '172.20.2.1' };

const bills: Bill[] = [
  // AWS, 2^30 bytes a GB.
  {
    name: 'AWS between zones: 0.01 for each direction on this side',
    row: { ...at(...awsZone('a')), ...peerAt(...awsZone('b')) },
    tx: 10 * GIB, // 10 x 0.01 = 0.10
    rx: 3 * GIB, // 3 x 0.01 = 0.03
    trafficClass: 'cross-zone',
    txCost: 10n * CENT,
    rxCost: 3n * CENT,
    basis: 'exact',
  },
  {
    name: 'AWS between zones, a million bytes',
    row: { ...at(...awsZone('a')), ...peerAt(...awsZone('b')) },
    tx: 1_000_000, // 1,000,000 / 1,073,741,824 x 0.01 = 0.000009313225746154785… -> 0.000009313226
    rx: 0,
    trafficClass: 'cross-zone',
    txCost: 9_313_226n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'AWS inside a zone is free',
    row: { ...at(...awsZone('a')), ...peerAt(...awsZone('a')) },
    tx: 7 * GIB,
    rx: 7 * GIB,
    trafficClass: 'same-zone',
    txCost: 0n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'AWS us-east-1 to us-east-2: 0.01 out, nothing in',
    row: { ...at(...awsZone('a')), ...peerAt('aws', 'us-east-2', 'us-east-2a') },
    tx: 100 * GIB, // 100 x 0.01
    rx: 50 * GIB,
    trafficClass: 'cross-region',
    txCost: USD,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'AWS us-east-1 to eu-west-1',
    row: { ...at(...awsZone('a')), ...peerAt('aws', 'eu-west-1', 'eu-west-1a') },
    tx: 100 * GIB, // 100 x 0.02
    rx: 0,
    trafficClass: 'cross-region',
    txCost: 2n * USD,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'AWS sa-east-1 to us-east-1',
    row: { ...at('aws', 'sa-east-1', 'sa-east-1a'), ...peerAt(...awsZone('a')) },
    tx: 10 * GIB, // 10 x 0.138
    rx: 0,
    trafficClass: 'cross-region',
    txCost: 138n * CENT,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'AWS me-central-1 to ap-southeast-7',
    row: { ...at('aws', 'me-central-1', 'x'), ...peerAt('aws', 'ap-southeast-7', 'y') },
    tx: 2 * GIB, // 2 x 0.1105 = 0.221
    rx: 0,
    trafficClass: 'cross-region',
    txCost: 221_000_000_000n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'AWS us-east-1 to the internet: first tier',
    row: { ...at(...awsZone('a')), ...TO_INTERNET },
    tx: 10 * GIB, // 10 x 0.09
    rx: 1000 * GIB,
    trafficClass: 'internet',
    txCost: 90n * CENT,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'AWS ap-east-2 to the internet: four places after the point',
    row: { ...at('aws', 'ap-east-2', 'x'), ...TO_INTERNET },
    tx: GIB, // 0.1083
    rx: 0,
    trafficClass: 'internet',
    txCost: 108_300_000_000n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'AWS by public addresses in one zone: 0.01 each way',
    row: { ...at(...awsZone('a')), ...peerAt(...awsZone('a')), peerKind: 'node', peerIp: '54.1.2.3' },
    tx: GIB,
    rx: 2 * GIB,
    trafficClass: 'same-region-public',
    txCost: CENT,
    rxCost: 2n * CENT,
    basis: 'exact',
  },
  {
    name: 'AWS, a region without a rate: out unknown, in known to be free',
    row: { ...at('aws', 'me-west-1', 'x'), ...TO_INTERNET },
    tx: GIB,
    rx: GIB,
    trafficClass: 'internet',
    txCost: null,
    rxCost: 0n,
    basis: 'none',
  },
  {
    name: 'AWS, a region without a rate that only received',
    row: { ...at('aws', 'me-west-1', 'x'), ...TO_INTERNET },
    tx: 0,
    rx: GIB,
    trafficClass: 'internet',
    txCost: 0n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'AWS GovCloud between zones was never read',
    row: { ...at('aws', 'us-gov-west-1', 'a'), ...peerAt('aws', 'us-gov-west-1', 'b') },
    tx: GIB,
    rx: GIB,
    trafficClass: 'cross-zone',
    txCost: null,
    rxCost: null,
    basis: 'none',
  },
  {
    name: 'AWS to Google: like the internet, assumed',
    row: { ...at(...awsZone('a')), ...peerAt('gcp', 'us-east1', 'us-east1-b') },
    tx: GIB, // 0.09
    rx: GIB,
    trafficClass: 'other-provider',
    txCost: 9n * CENT,
    rxCost: 0n,
    basis: 'estimated',
  },
  // Google, 2^30 bytes a GiB.
  {
    name: 'Google between zones: the sender pays',
    row: { ...at('gcp', 'us-central1', 'us-central1-a'), ...peerAt('gcp', 'us-central1', 'us-central1-b') },
    tx: 10 * GIB, // 10 x 0.01
    rx: 10 * GIB,
    trafficClass: 'cross-zone',
    txCost: 10n * CENT,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'Google inside a zone is free',
    row: { ...at('gcp', 'us-central1', 'us-central1-a'), ...peerAt('gcp', 'us-central1', 'us-central1-a') },
    tx: GIB,
    rx: GIB,
    trafficClass: 'same-zone',
    txCost: 0n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'Google North America to Europe',
    row: { ...at('gcp', 'us-central1', 'x'), ...peerAt('gcp', 'europe-west4', 'y') },
    tx: 20 * GIB, // 20 x 0.05
    rx: 5 * GIB,
    trafficClass: 'cross-region',
    txCost: USD,
    rxCost: 0n,
    basis: 'estimated',
  },
  {
    name: 'Google Jakarta is a group of its own in Asia',
    row: { ...at('gcp', 'asia-southeast2', 'x'), ...peerAt('gcp', 'asia-southeast1', 'y') },
    tx: 10 * GIB, // 10 x 0.10
    rx: 0,
    trafficClass: 'cross-region',
    txCost: USD,
    rxCost: 0n,
    basis: 'estimated',
  },
  {
    name: 'Google São Paulo to Johannesburg',
    row: { ...at('gcp', 'southamerica-east1', 'x'), ...peerAt('gcp', 'africa-south1', 'y') },
    tx: 50 * GIB, // 50 x 0.14
    rx: 0,
    trafficClass: 'cross-region',
    txCost: 7n * USD,
    rxCost: 0n,
    basis: 'estimated',
  },
  {
    name: 'Google Mexico counts as North America, not verified',
    row: { ...at('gcp', 'northamerica-south1', 'x'), ...peerAt('gcp', 'us-east1', 'y') },
    tx: 100 * GIB, // 100 x 0.02
    rx: 0,
    trafficClass: 'cross-region',
    txCost: 2n * USD,
    rxCost: 0n,
    basis: 'estimated',
  },
  {
    name: 'Google Iowa to the internet, Premium tier',
    row: { ...at('gcp', 'us-central1', 'x'), ...TO_INTERNET },
    tx: 10 * GIB, // 10 x 0.12
    rx: GIB,
    trafficClass: 'internet',
    txCost: 120n * CENT,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Google Sydney to the internet',
    row: { ...at('gcp', 'australia-southeast1', 'x'), ...TO_INTERNET },
    tx: GIB, // 0.19
    rx: 0,
    trafficClass: 'internet',
    txCost: 19n * CENT,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Google by external addresses in one zone',
    row: { ...at('gcp', 'us-east1', 'x'), ...peerAt('gcp', 'us-east1', 'x'), peerIp: '34.1.2.3' },
    tx: GIB, // 0.01, sender only
    rx: GIB,
    trafficClass: 'same-region-public',
    txCost: CENT,
    rxCost: 0n,
    basis: 'estimated',
  },
  // Azure, 10^9 bytes a GB, which is disputed.
  {
    name: 'Azure between zones is free, but disputed',
    row: { ...at('azure', 'eastus', 'eastus-1'), ...peerAt('azure', 'eastus', 'eastus-2') },
    tx: 5e9,
    rx: 5e9,
    trafficClass: 'cross-zone',
    txCost: 0n,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Azure inside a zone is free',
    row: { ...at('azure', 'eastus', 'eastus-1'), ...peerAt('azure', 'eastus', 'eastus-1') },
    tx: 5e9,
    rx: 5e9,
    trafficClass: 'same-zone',
    txCost: 0n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'Azure in one region, zones unknown',
    row: { ...at('azure', 'eastus'), ...peerAt('azure', 'eastus') },
    tx: 5e9,
    rx: 0,
    trafficClass: 'same-region',
    txCost: 0n,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Azure inside Europe',
    row: { ...at('azure', 'westeurope', 'x'), ...peerAt('azure', 'northeurope', 'y') },
    tx: 50e9, // 50 x 0.02
    rx: 5e9,
    trafficClass: 'cross-region',
    txCost: USD,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Azure Europe to North America',
    row: { ...at('azure', 'westeurope', 'x'), ...peerAt('azure', 'eastus', 'y') },
    tx: 20e9, // 20 x 0.05
    rx: 0,
    trafficClass: 'cross-region',
    txCost: USD,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Azure Korea to Brazil',
    row: { ...at('azure', 'koreacentral', 'x'), ...peerAt('azure', 'brazilsouth', 'y') },
    tx: 100e9, // 100 x 0.08
    rx: 0,
    trafficClass: 'cross-region',
    txCost: 8n * USD,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Azure Brazil to Chile',
    row: { ...at('azure', 'brazilsouth', 'x'), ...peerAt('azure', 'chilecentral', 'y') },
    tx: 100e9, // 100 x 0.16
    rx: 0,
    trafficClass: 'cross-region',
    txCost: 16n * USD,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Azure East US to the internet: the first tier is free, the marginal one is not',
    row: { ...at('azure', 'eastus', 'eastus-1'), ...TO_INTERNET },
    tx: 10e9, // 10 x 0.087
    rx: 1e9,
    trafficClass: 'internet',
    txCost: 87n * CENT,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Azure Brazil to the internet',
    row: { ...at('azure', 'brazilsouth', 'x'), ...TO_INTERNET },
    tx: 1e9, // 0.181
    rx: 0,
    trafficClass: 'internet',
    txCost: 181_000_000_000n,
    rxCost: 0n,
    basis: 'disputed',
  },
  {
    name: 'Azure only received from the internet: free, and nothing about it is disputed',
    row: { ...at('azure', 'eastus', 'x'), ...TO_INTERNET },
    tx: 0,
    rx: 1e9,
    trafficClass: 'internet',
    txCost: 0n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'Azure Austria has internet meters that were not read',
    row: { ...at('azure', 'austriaeast', 'x'), ...TO_INTERNET },
    tx: 1e9,
    rx: 0,
    trafficClass: 'internet',
    txCost: null,
    rxCost: 0n,
    basis: 'none',
  },
  {
    name: 'Azure by public addresses in one region was not found',
    row: { ...at('azure', 'eastus', 'x'), ...peerAt('azure', 'eastus', 'x'), peerIp: '20.1.2.3' },
    tx: 1e9,
    rx: 1e9,
    trafficClass: 'same-region-public',
    txCost: null,
    rxCost: null,
    basis: 'none',
  },
  // No provider needed, or none known.
  {
    name: 'one node',
    row: { peerNode: 'n1' },
    tx: GIB,
    rx: GIB,
    trafficClass: 'same-node',
    txCost: 0n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'VXLAN between zones: what it carries is priced',
    row: { ...at(...awsZone('a')), ...peerAt(...awsZone('b')), ...NODES, protocol: 'udp', port: 8472 },
    tx: GIB,
    rx: GIB,
    trafficClass: 'encapsulation',
    txCost: 0n,
    rxCost: 0n,
    basis: 'exact',
  },
  {
    name: 'a provider without a book',
    row: { ...at('kind', 'home', 'r1'), ...peerAt('kind', 'home', 'r2') },
    tx: GIB,
    rx: GIB,
    trafficClass: 'cross-zone',
    txCost: null,
    rxCost: null,
    basis: 'none',
  },
  {
    name: 'the internet from nobody knows where',
    row: TO_INTERNET,
    tx: GIB,
    rx: GIB,
    trafficClass: 'internet',
    txCost: null,
    rxCost: null,
    basis: 'none',
  },
  {
    name: 'a peer that nobody knows',
    row: { ...at(...awsZone('a')), peerNode: null },
    tx: GIB,
    rx: GIB,
    trafficClass: 'unknown',
    txCost: null,
    rxCost: null,
    basis: 'none',
  },
  {
    name: 'a loss',
    row: { ...at(...awsZone('a')), lossReason: 'events-dropped' },
    tx: GIB,
    rx: 0,
    trafficClass: 'lost',
    txCost: null,
    rxCost: null,
    basis: 'none',
  },
];

describe('worked bills', () => {
  it.each(bills)('$name', ({ row, tx, rx, trafficClass, txCost, rxCost, basis }) => {
    const priced = testRow({ ...row, txBytes: tx, rxBytes: rx });
    pricing.price(priced);
    expect(priced).toMatchObject({ trafficClass, txCost, rxCost, priceBasis: basis });
  });
});

describe('price', () => {
  it('names the book, and leaves nothing of the row before', () => {
    const row = testRow({ ...at(...awsZone('a')), ...peerAt(...awsZone('b')), txBytes: GIB, rxBytes: 0 });
    pricing.price(row);
    expect(row).toMatchObject({ priceBook: 'aws@2026-11-23', processingCost: 0n });
    row.peerRegion = null;
    pricing.price(row);
    expect(row).toMatchObject({
      trafficClass: 'unknown',
      txCost: null,
      rxCost: null,
      processingCost: null,
      priceBasis: 'none',
    });
  });

  it('refuses a million dollars and leaves a row that can be stored', () => {
    // 2^53 bytes = 2^23 GiB x 0.147 = 1,233,125.376 USD
    const row = testRow({
      ...at('aws', 'af-south-1', 'x'),
      ...peerAt('aws', 'us-east-1', 'y'),
      txBytes: 2 ** 53 - 1,
      rxBytes: 1,
    });
    expect(() => pricing.price(row)).toThrow(expect.objectContaining({ code: 'PRICE_OVERFLOW' }));
    expect(row).toMatchObject({ txBytes: 2 ** 53 - 1, txCost: null, rxCost: null, priceBasis: 'none' });
  });

  it('refuses two books for one provider', () => {
    expect(() => createPricing({ books: [books[0]!, books[0]!] })).toThrow(
      expect.objectContaining({ code: 'PRICE_BOOK_INVALID' }),
    );
  });
});
