// The price books that come with Flowtoll: public list prices of 2026-11, each with its sources in the book itself.
import aws from './books/aws.json' with { type: 'json' };
import azure from './books/azure.json' with { type: 'json' };
import gcp from './books/gcp.json' with { type: 'json' };
import type { PriceBook } from './format.ts';
import { parsePriceBook } from './read.ts';

let books: readonly PriceBook[] | undefined;

/** AWS, Google Cloud and Azure, checked. */
export function defaultPriceBooks(): readonly PriceBook[] {
  books ??= [parsePriceBook(aws, 'aws.json'), parsePriceBook(gcp, 'gcp.json'), parsePriceBook(azure, 'azure.json')];
  return books;
}
