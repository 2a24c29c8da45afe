// One document of address ranges from its source: a file, or an address, with what is known of the last answer, so that a source need
// not send again what has not changed. Does not read what it fetches.
import { readFile } from 'node:fs/promises';
import { FlowtollError, lineOf } from '../model/errors.ts';
import type { Schedule } from '../model/schedule.ts';
import type { Origin } from './range-directory.ts';
import { isUrl } from './range-sources.ts';

/** What a source said. */
export type Fetched =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'document';
      readonly text: string;
      /** Where it was in the end: of a page that links to it, the address of the link. */
      readonly url: string;
      readonly etag: string | null;
      readonly lastModified: string | null;
    };

export interface FetchParts {
  readonly schedule: Schedule;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
  /** For the whole answer of one request. */
  readonly timeoutMs?: number;
  readonly bytesMax?: number;
}

/** Azure's document has 4 MB. */
const BYTES_MAX = 64 * 1024 ** 2;
const TIMEOUT_MS = 60_000;

/**
 * Fetches the document. Throws RANGES_UNAVAILABLE.
 *
 * @param link finds the address of the document where the source is a page that links to it
 * @param origin of the copy that is kept
 */
export async function fetchRanges(
  source: string,
  link: RegExp | undefined,
  origin: Origin | undefined,
  parts: FetchParts,
): Promise<Fetched> {
  if (!isUrl(source)) return readSource(source);
  const first = await request(source, origin, parts);
  if (first.kind === 'unchanged' || link === undefined || !/^\s*</.test(first.text)) return first;
  const address = link.exec(first.text)?.[0];
  if (address === undefined) {
    throw unavailable(
      source,
      'the page has no link to the document; save the document by hand, or give its own address',
    );
  }
  if (source.startsWith('https:') && !address.startsWith('https:')) {
    throw unavailable(source, `the page links to ${address}, which is not https; give the document's own address`);
  }
  return request(address, origin, parts);
}

async function readSource(path: string): Promise<Fetched> {
  try {
    const text = await readFile(path, 'utf8');
    return { kind: 'document', text, url: path, etag: null, lastModified: null };
  } catch (error) {
    throw unavailable(path, lineOf(error), error);
  }
}

async function request(
  url: string,
  origin: Origin | undefined,
  { schedule, signal, timeoutMs = TIMEOUT_MS, bytesMax = BYTES_MAX }: FetchParts,
): Promise<Fetched> {
  const slow = new AbortController();
  const cancel = schedule(() => slow.abort(), timeoutMs);
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json, */*;q=0.5', ...conditions(url, origin) },
      signal: AbortSignal.any([signal, slow.signal]),
    });
    if (response.status === 304) {
      await response.body?.cancel();
      return { kind: 'unchanged' };
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw unavailable(url, `it answered ${response.status} ${response.statusText}`.trimEnd());
    }
    const text = await textOf(response, url, bytesMax);
    const { headers } = response;
    return { kind: 'document', text, url, etag: headers.get('etag'), lastModified: headers.get('last-modified') };
  } catch (error) {
    if (error instanceof FlowtollError) throw error;
    if (slow.signal.aborted) throw unavailable(url, `no whole answer within ${timeoutMs / 1000} s`, error);
    throw unavailable(url, reasonOf(error), error);
  } finally {
    cancel();
  }
}

/** Only about what came from this address. */
function conditions(url: string, origin: Origin | undefined): Record<string, string> {
  if (origin?.url !== url) return {};
  return {
    ...(origin.etag !== null && { 'if-none-match': origin.etag }),
    ...(origin.lastModified !== null && { 'if-modified-since': origin.lastModified }),
  };
}

async function textOf(response: Response, url: string, bytesMax: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > bytesMax) throw unavailable(url, `it is larger than ${bytesMax} bytes, which no such document is`);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** What fetch itself says is "fetch failed" or "terminated"; its cause says why. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${lineOf(error.cause)}` : '';
  return `${lineOf(error)}${cause}`;
}

function unavailable(source: string, reason: string, cause?: unknown): FlowtollError {
  return new FlowtollError('RANGES_UNAVAILABLE', `${source} cannot be fetched: ${reason}`, { cause });
}
