// Documents of a price API from addresses and saved files: follows pages, within bounds. Understands no prices.
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { FlowtollError } from '../../model/errors.ts';
import {
  addressOf,
  decodeText,
  FETCH_LIMITS,
  type FetchLimits,
  type FetchWorld,
  fetchText,
  tooLarge,
} from './fetch-text.ts';
import type { PriceApi } from './import-book.ts';
import type { PriceDocument } from './reading.ts';

export interface ReadLimits extends FetchLimits {
  readonly maxPages: number;
}

export const READ_LIMITS: ReadLimits = { ...FETCH_LIMITS, maxPages: 2000 };

const KEY_HEADER = 'x-goog-api-key';

export interface ReadOptions {
  readonly world: FetchWorld;
  readonly limits?: ReadLimits;
  /** Sent to addresses as a header; never part of an address, an error or a source. */
  readonly key?: string;
  /** Day of documents that do not say their own; by default the day on which they are fetched or were saved. */
  readonly day?: string;
}

/** Reads each source, an http(s) address or a file, with the pages that follow. */
export async function readPriceDocuments(
  api: PriceApi,
  sources: readonly string[],
  options: ReadOptions,
): Promise<PriceDocument[]> {
  const documents: PriceDocument[] = [];
  for (const source of sources) {
    if (/^https?:\/\//i.test(source)) documents.push(...(await fetchPages(api, source, options)));
    else documents.push(await readSaved(source, options));
  }
  return documents;
}

async function fetchPages(api: PriceApi, source: string, options: ReadOptions): Promise<PriceDocument[]> {
  const { world, limits = READ_LIMITS, key } = options;
  const first = parseAddress(source, key);
  const headers = key === undefined ? undefined : { [KEY_HEADER]: key };
  const documents: PriceDocument[] = [];
  const seen = new Set<string>();
  let leftBytes = limits.maxBytes;
  let url: URL | undefined = first;
  while (url !== undefined) {
    if (url.origin !== first.origin) {
      throw pageError(documents.at(-1)!, `names a page of another server, ${url.origin}, as the next one`);
    }
    if (seen.has(url.href)) throw pageError(documents.at(-1)!, 'names a page as the next one that was read already');
    if (seen.size === limits.maxPages) throw pageError(documents.at(-1)!, `goes on after ${limits.maxPages} pages`);
    seen.add(url.href);
    const text: string = await fetchText(url, world, { ...limits, maxBytes: leftBytes }, headers);
    leftBytes -= Buffer.byteLength(text);
    const day = options.day ?? dayText(world.nowMs());
    const document: PriceDocument = { name: addressOf(url), isAddress: true, day, text };
    documents.push(document);
    url = api.nextPage(document, url);
  }
  return documents;
}

function parseAddress(source: string, key: string | undefined): URL {
  const url = URL.parse(source);
  if (url === null) throw new FlowtollError('CONFIG_INVALID', `--from ${source} is no address; check its spelling`);
  if (url.searchParams.has('key')) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      'the address after --from has a key in it, which others can read in the list of processes; give it by --key-file',
    );
  }
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (key !== undefined && url.protocol === 'http:' && !isLoopback) {
    throw new FlowtollError('CONFIG_INVALID', `a key is not sent to ${addressOf(url)} in the clear; use https`);
  }
  return url;
}

function pageError(document: PriceDocument, what: string): FlowtollError {
  return new FlowtollError(
    'PRICE_DOCUMENT_INVALID',
    `${document.name} ${what}; save the pages that are needed and give the files`,
  );
}

async function readSaved(path: string, { limits = READ_LIMITS, day }: ReadOptions): Promise<PriceDocument> {
  try {
    const { size, mtimeMs } = await stat(path);
    if (size > limits.maxBytes) throw tooLarge(path, limits.maxBytes);
    const text = decodeText(await readFile(path), path);
    return { name: basename(path), isAddress: false, day: day ?? dayText(mtimeMs), text };
  } catch (cause) {
    if (cause instanceof FlowtollError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlowtollError(
      'PRICE_DOCUMENT_UNAVAILABLE',
      `${path} cannot be read: ${reason}; --from takes http(s) addresses and files`,
      { cause },
    );
  }
}

function dayText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
