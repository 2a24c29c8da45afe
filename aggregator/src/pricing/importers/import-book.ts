// Documents of a provider's price API and a base book → a price book. Reads no network, no file and no clock.
import type { PriceBook } from '../book/format.ts';
import { readAwsOffers } from './aws.ts';
import { nextAzurePage, readAzurePrices } from './azure.ts';
import { nextGcpPage, readGcpCatalog } from './gcp.ts';
import { type Imported, mergeReading } from './merge.ts';
import type { PriceDocument, Reading } from './reading.ts';

/** Providers whose price APIs can be read, as price books name them. */
export const IMPORT_PROVIDERS = ['aws', 'gcp', 'azure'] as const;

export type ImportProvider = (typeof IMPORT_PROVIDERS)[number];

/** What a provider's documents are. */
export interface PriceApi {
  /** Addresses that together have what can be read; they need no key, but for Google's. */
  readonly addresses: readonly string[];
  /** Understands documents. Throws PRICE_DOCUMENT_INVALID for what is none of this API's. */
  read(documents: readonly PriceDocument[]): Reading;
  /** The address of the page that follows `document`, which came from `url`; undefined after the last. */
  nextPage(document: PriceDocument, url: URL): URL | undefined;
}

export const PRICE_APIS: Readonly<Record<ImportProvider, PriceApi>> = {
  aws: {
    // The EC2 offer with the prices of NAT gateways has gigabytes; docs/importing-prices.md shows how to get the part.
    addresses: ['https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSDataTransfer/current/index.json'],
    read: readAwsOffers,
    nextPage: () => undefined,
  },
  gcp: {
    addresses: ['6F81-5844-456A', 'E505-1604-58F8'].map(
      (service) => `https://cloudbilling.googleapis.com/v1/services/${service}/skus?pageSize=5000`,
    ),
    read: readGcpCatalog,
    nextPage(document, url) {
      const token = nextGcpPage(document);
      if (token === undefined) return undefined;
      const next = new URL(url);
      next.searchParams.set('pageToken', token);
      return next;
    },
  },
  azure: {
    addresses: [
      "serviceName eq 'Bandwidth'",
      "serviceName eq 'NAT Gateway'",
      "productName eq 'Virtual Network Private Link'",
    ].map(
      (filter) =>
        `https://prices.azure.com/api/retail/prices?api-version=2023-01-01-preview&$filter=${encodeURIComponent(filter)}`,
    ),
    read: readAzurePrices,
    nextPage(document, url) {
      const link = nextAzurePage(document);
      return link === undefined ? undefined : new URL(link, url);
    },
  },
};

/** Makes a book of the documents' rates and the base's others. `effectiveFrom`: its first day; the base's by default. */
export function importPriceBook(
  provider: ImportProvider,
  documents: readonly PriceDocument[],
  base: PriceBook,
  effectiveFrom?: string,
): Imported {
  return mergeReading(PRICE_APIS[provider].read(documents), base, effectiveFrom);
}
