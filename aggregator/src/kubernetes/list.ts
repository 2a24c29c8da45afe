// A whole list of a resource, in pages, each object given away as soon as it has come. Knows the protocol of lists; keeps nothing.
import type { ApiClient } from './api-client.ts';
import { ApiFailure } from './api-failure.ts';
import { createListReader } from './list-reader.ts';
import { type ObjectHead, readHead } from './object-head.ts';
import type { PageParts, PageReader } from './page-reader.ts';
import { createProtobufListReader } from './protobuf-list.ts';
import type { RawListEnvelope, RawObject } from './raw-objects.ts';

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
  /** Of the objects. */
  readonly kind: string;
  readonly metadataOnly: boolean;
  /** Objects on a page. */
  readonly limit: number;
  readonly objectBytesMax: number;
  readonly signal: AbortSignal;
  readonly silenceMs: number;
}

/** What servers speak among themselves: half as many bytes, and what nobody reads is skipped unparsed. */
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const JSON_TYPE = 'application/json';
const AS_METADATA = ';as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
// Servers that extend the API need not know the one or the other.
const LIST_ACCEPT = `${PROTOBUF},${JSON_TYPE}`;
const METADATA_LIST_ACCEPT = `${PROTOBUF}${AS_METADATA},${JSON_TYPE}${AS_METADATA},${JSON_TYPE}`;

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
  const { path, kind, metadataOnly, limit, objectBytesMax, signal, silenceMs } = request;
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
  const parts: PageParts = {
    itemBytesMax: objectBytesMax,
    onHead: goOn,
    onItem(object) {
      if (!signal.aborted) taker.take(object);
    },
    onLarge(head) {
      if (!signal.aborted) taker.skip(head);
    },
  };
  let reader: PageReader | undefined;
  await client.getStream(
    {
      path: `${path}?${query}`,
      accept: metadataOnly ? METADATA_LIST_ACCEPT : LIST_ACCEPT,
      ...{ signal, silenceMs, compressed: true },
    },
    (contentType) => {
      taker.onPage();
      reader = contentType.startsWith(PROTOBUF) ? createProtobufListReader(kind, parts) : createJsonListReader(parts);
    },
    (chunk) => reader?.take(chunk),
  );
  const envelope = reader?.end();
  if (!envelope?.metadata?.resourceVersion) {
    throw new ApiFailure('malformed', 'the answer is not a list of the Kubernetes API');
  }
  page.resolve();
  goOn(envelope);
  return next ?? envelope.metadata.resourceVersion;
}

/** Says its head at the end: what is around the items may be written after them. */
function createJsonListReader({ itemBytesMax, onItem, onLarge }: PageParts): PageReader {
  const brackets = createListReader(
    itemBytesMax,
    (text) => onItem(parse(text) as RawObject),
    (beginning) => onLarge(readHead(beginning)),
  );
  return { take: brackets.take, end: () => parse(brackets.end()) as RawListEnvelope };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiFailure('malformed', 'the answer is not JSON', { cause: error });
  }
}
