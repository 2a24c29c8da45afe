// Test kit of the importers: small base books, documents in the shape of the official ones, and what a book says about one kind of
// traffic, looked up in the plainest way: entry by entry, term by term.
import type { PriceBook, ProcessingEntry, RateEntry } from '../book/format.ts';
import type { PriceDocument } from './reading.ts';

export function documentOf(content: unknown, name = 'document.json', day = '2026-10-01'): PriceDocument {
  return { name, isAddress: false, day, text: typeof content === 'string' ? content : JSON.stringify(content) };
}

export function bookOf(parts: Partial<PriceBook> & Pick<PriceBook, 'provider' | 'regions' | 'rates'>): PriceBook {
  return {
    ...{ formatVersion: 2, date: '2026-01-31', currency: 'USD' },
    units: {
      GB: { bytes: 2 ** 30, basis: 'exact', sources: ['B1'] },
      GiB: { bytes: 2 ** 30, basis: 'exact', sources: ['B1'] },
    },
    sources: { B1: { address: 'https://prices.example/', date: '2026-01-31', kind: 'by hand' } },
    ...parts,
  };
}

/** A rate of one price for all of a class. */
export function rate(parts: Partial<RateEntry> & Pick<RateEntry, 'class'>): RateEntry {
  return {
    ...{ directions: ['out'], unit: 'GB', basis: 'exact', sources: ['B1'] },
    ...(parts.tiers === undefined ? { usdPerUnit: '9' } : {}),
    ...parts,
  };
}

export interface Traffic {
  readonly class?: RateEntry['class'];
  readonly path?: string;
  readonly relation?: string;
  readonly direction: 'out' | 'in';
  readonly when?: Readonly<Record<string, string>>;
  readonly region: string;
  readonly peerRegion?: string;
}

/** The prices of the entries that are for this traffic, "0.02" or "0:0.09 10240:0.085" each; more than one is an overlap. */
export function pricesOf(book: PriceBook, traffic: Traffic): string[] {
  return entriesFor(book, traffic).map(priceText);
}

export function priceText(entry: Pick<RateEntry, 'usdPerUnit' | 'tiers'>): string {
  return entry.usdPerUnit ?? entry.tiers!.map((tier) => `${tier.from}:${tier.usdPerUnit}`).join(' ');
}

export function entriesFor(book: PriceBook, traffic: Traffic): (RateEntry | ProcessingEntry)[] {
  const list: (RateEntry | ProcessingEntry)[] =
    traffic.class === undefined ? (book.processing ?? []) : book.rates.filter((entry) => entry.class === traffic.class);
  return list.filter((entry) => {
    const peers = 'class' in entry ? entry.peerRegions : undefined;
    const relations = 'class' in entry ? entry.relations : undefined;
    return (
      entry.directions.includes(traffic.direction) &&
      (traffic.path === undefined ? entry.paths === undefined : entry.paths?.includes(traffic.path) === true) &&
      (relations === undefined || relations.some((one) => one === traffic.relation)) &&
      Object.entries(entry.when ?? {}).every(([name, value]) => [value].flat().includes(traffic.when?.[name] ?? '')) &&
      isIn(book, entry.regions, traffic.region) &&
      (traffic.peerRegion === undefined || isIn(book, peers, traffic.peerRegion))
    );
  });
}

function isIn(book: PriceBook, selector: readonly string[] | undefined, region: string): boolean {
  if (selector === undefined) return true;
  let isSelected = false;
  for (const written of selector) {
    const isLeftOut = written.startsWith('!');
    const term = isLeftOut ? written.slice(1) : written;
    const isMatch = term.startsWith('@')
      ? isIn(book, book.groups![term.slice(1)], region)
      : term.endsWith('*')
        ? region.startsWith(term.slice(0, -1))
        : term === region;
    if (isMatch && isLeftOut) return false;
    isSelected ||= isMatch;
  }
  return isSelected;
}

/** A product of an AWS offer. */
export interface AwsProduct {
  readonly sku: string;
  readonly productFamily?: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly unit?: string;
  readonly currency?: string;
  /** Begin, end, price. */
  readonly tiers: readonly (readonly [begin: string, end: string, usd: string])[];
}

export function awsOffer(products: readonly AwsProduct[], head: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    ...{ formatVersion: 'v1.0', offerCode: 'AWSDataTransfer', version: '20260916132208' },
    publicationDate: '2026-09-16T13:22:08Z',
    products: Object.fromEntries(
      products.map(({ sku, productFamily = 'Data Transfer', attributes }) => [sku, { sku, productFamily, attributes }]),
    ),
    terms: {
      OnDemand: Object.fromEntries(
        products.map(({ sku, unit = 'GB', currency = 'USD', tiers }) => [
          sku,
          {
            [`${sku}.JRTCKXETXF`]: {
              offerTermCode: 'JRTCKXETXF',
              sku,
              effectiveDate: '2026-09-01T00:00:00Z',
              priceDimensions: Object.fromEntries(
                tiers.map(([beginRange, endRange, price], index) => [
                  `${sku}.JRTCKXETXF.${index}`,
                  { unit, beginRange, endRange, pricePerUnit: { [currency]: price }, appliesTo: [] },
                ]),
              ),
              termAttributes: {},
            },
          },
        ]),
      ),
    },
    ...head,
  };
}

/** Attributes of a row between two places; codes only where given. */
export function awsTransfer(transferType: string, usagetype: string, from: string, to: string): Record<string, string> {
  const [fromLocation = '', fromRegionCode] = from.split('|');
  const [toLocation = '', toRegionCode] = to.split('|');
  const typeOf = (location: string) => (location === 'External' || location === 'Global' ? 'Other' : 'AWS Region');
  return {
    ...{ servicecode: 'AWSDataTransfer', transferType, usagetype, operation: '', fromLocation, toLocation },
    ...{ fromLocationType: typeOf(fromLocation), toLocationType: typeOf(toLocation) },
    ...(fromRegionCode === undefined ? {} : { fromRegionCode }),
    ...(toRegionCode === undefined ? {} : { toRegionCode }),
  };
}
