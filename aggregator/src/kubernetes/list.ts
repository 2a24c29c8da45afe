// A whole list of a resource, in pages, each object given away as soon as it has come. Knows the protocol of lists; keeps nothing.
import type { ApiClient } from './api-client.ts';
import { ApiFailure } from './api-failure.ts';
import { createPieceReader } from './list-pieces.ts';
import type { RawListEnvelope, RawObject } from './raw-objects.ts';

export interface ListRequest {
  readonly path: string;
  readonly metadataOnly: boolean;
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
 * Gives all objects to `take`, and returns the version at which they were so: all pages are of one moment. Calls `onPage` when the
 * server has agreed to a page. Rejects with an ApiFailure; "gone" when the list took longer than the server remembers.
 */
export async function listAll(
  client: ApiClient,
  { path, metadataOnly, limit, objectBytesMax, signal, silenceMs }: ListRequest,
  onPage: () => void,
  take: (object: RawObject) => void,
): Promise<string> {
  const accept = metadataOnly ? METADATA_LIST_ACCEPT : LIST_ACCEPT;
  let continuation: string | undefined;
  for (;;) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (continuation !== undefined) query.set('continue', continuation);
    const reader = createPieceReader(objectBytesMax, parse, (object) => take(object as RawObject));
    await client.getStream(
      { path: `${path}?${query}`, accept, signal, silenceMs, compressed: true },
      onPage,
      reader.take,
    );
    const { metadata } = parse(reader.end()) as RawListEnvelope;
    if (!metadata?.resourceVersion) {
      throw new ApiFailure('malformed', 'the answer is not a list of the Kubernetes API');
    }
    if (!metadata.continue) return metadata.resourceVersion;
    continuation = metadata.continue;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiFailure('malformed', 'the answer is not JSON', { cause: error });
  }
}
