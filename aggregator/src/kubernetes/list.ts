// A whole list of a resource, in pages. Each page is projected and given away before the next is asked for. Knows the protocol of
// lists; keeps nothing.
import type { ApiClient } from './api-client.ts';
import { ApiFailure } from './api-failure.ts';
import type { RawList, RawObject } from './raw-objects.ts';

export interface ListRequest {
  readonly path: string;
  readonly metadataOnly: boolean;
  /** Objects on a page. */
  readonly limit: number;
  readonly pageBytesMax: number;
  readonly signal: AbortSignal;
  readonly silenceMs: number;
}

const LIST_ACCEPT = 'application/json';
// Servers that extend the API need not know it.
const METADATA_LIST_ACCEPT = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json';

/**
 * Gives all objects, page by page, to `take`, and returns the version at which they were so: all pages are of one moment.
 * Rejects with an ApiFailure; "gone" when the list took longer than the server remembers.
 */
export async function listAll(
  client: ApiClient,
  { path, metadataOnly, limit, pageBytesMax, signal, silenceMs }: ListRequest,
  take: (objects: readonly RawObject[]) => void,
): Promise<string> {
  let continuation: string | undefined;
  for (;;) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (continuation !== undefined) query.set('continue', continuation);
    const page = (await client.getJson(
      {
        path: `${path}?${query}`,
        accept: metadataOnly ? METADATA_LIST_ACCEPT : LIST_ACCEPT,
        signal,
        silenceMs,
      },
      pageBytesMax,
    )) as RawList | null;
    const version = page?.metadata?.resourceVersion;
    // Go writes an empty list of some types as null.
    const items = page?.items ?? [];
    if (!version || !Array.isArray(items)) {
      throw new ApiFailure('malformed', 'the answer is not a list of the Kubernetes API');
    }
    take(items);
    continuation = page.metadata?.continue;
    if (!continuation) return version;
  }
}
