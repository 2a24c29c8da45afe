// The price books that come with Flowtoll: public list prices of 2026-11, each with its sources in the book itself.
import aws from './books/aws.json' with { type: 'json' };
import azure from './books/azure.json' with { type: 'json' };
import gcp from './books/gcp.json' with { type: 'json' };
import { type PriceBook, parsePriceBook } from './price-book.ts';

/** AWS, Google Cloud and Azure, checked. */
export function defaultPriceBooks(): readonly PriceBook[] {
  return [parsePriceBook(aws, 'aws.json'), parsePriceBook(gcp, 'gcp.json'), parsePriceBook(azure, 'azure.json')];
}
