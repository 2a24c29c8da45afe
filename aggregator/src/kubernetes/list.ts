// A whole list of a resource, in pages, each object given away as soon as it has come. Knows the protocol of lists; keeps nothing.
import type { ApiClient } from './api-client.ts';
import { ApiFailure } from './api-failure.ts';
import { createPieceReader } from './list-pieces.ts';
import { type ObjectHead, readHead } from './object-head.ts';
import type { RawListEnvelope, RawObject } from './raw-objects.ts';
import { emptyArrays, type UnreadArrays } from './unread-arrays.ts';

/** Where a list goes. */
export interface ListTaker {
  /** The server has agreed to a page. */
  onPage(): void;
  take(object: RawObject): void;
  /** An object that is larger than is taken. */
  skip(head: ObjectHead): void;
}

export interface ListRequest {
  readonly path: string;
  readonly metadataOnly: boolean;
  /** Arrays that the taker does not read: they may be empty in what it is given. */
  readonly unread: UnreadArrays;
  /** Objects on a page. */
  readonly limit: number;
  readonly objectBytesMax: number;
  readonly signal: AbortSignal;
  readonly silenceMs: number;
}

const LIST_ACCEPT = 'application/json';
// Servers that extend the API need not know it.
const METADATA_LIST_ACCEPT = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json';

/**
 * Gives all objects to `taker`, and returns the version at which they were so: all pages are of one moment. Rejects with an ApiFailure; "gone" when the list took longer than the server remembers.
 */
export async function listAll(client: ApiClient, request: ListRequest, taker: ListTaker): Promise<string> {
  const list = new AbortController();
  const signal = AbortSignal.any([request.signal, list.signal]);
  try {
    return await readPage({ client, request: { ...request, signal }, taker }, undefined, Promise.resolve());
  } catch (error) {
    // The page that was asked for ahead.
    list.abort();
    throw error;
  }
}

interface Reading {
  readonly client: ApiClient;
  readonly request: ListRequest;
  readonly taker: ListTaker;
}

/**
 * Reads this page and all that follow. The next one is asked for as soon as this one has said its token and the one before is done: the
 * server makes it meanwhile.
 */
async function readPage(
  reading: Reading,
  continuation: string | undefined,
  pageBefore: Promise<void>,
): Promise<string> {
  const { client, request, taker } = reading;
  const { path, metadataOnly, unread, limit, objectBytesMax, signal, silenceMs } = request;
  const query = new URLSearchParams({ limit: String(limit) });
  if (continuation !== undefined) query.set('continue', continuation);
  const page = Promise.withResolvers<void>();
  let next: Promise<string> | undefined;
  const goOn = ({ metadata }: RawListEnvelope): void => {
    const token = metadata?.continue;
    if (!token || next !== undefined) return;
    next = pageBefore.then(() => readPage(reading, token, page.promise));
    // Heard of below, or nobody needs it any more.
    next.catch(() => undefined);
  };
  const reader = createPieceReader({
    itemBytesMax: objectBytesMax,
    parse,
    shorten: (text) => emptyArrays(text, unread),
    onItem(object) {
      if (!signal.aborted) taker.take(object as RawObject);
    },
    onLarge(beginning) {
      if (!signal.aborted) taker.skip(readHead(beginning));
    },
    onHead: (head) => goOn(head as RawListEnvelope),
  });
  await client.getStream(
    {
      path: `${path}?${query}`,
      accept: metadataOnly ? METADATA_LIST_ACCEPT : LIST_ACCEPT,
      ...{ signal, silenceMs, compressed: true },
    },
    () => taker.onPage(),
    reader.take,
  );
  const envelope = parse(reader.end()) as RawListEnvelope;
  if (!envelope.metadata?.resourceVersion) {
    throw new ApiFailure('malformed', 'the answer is not a list of the Kubernetes API');
  }
  page.resolve();
  goOn(envelope);
  return next ?? envelope.metadata.resourceVersion;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiFailure('malformed', 'the answer is not JSON', { cause: error });
  }
}
