// Which plural a kind has in paths, as the API server says. Knows the protocol of discovery alone.
import type { ApiClient, ApiRequest } from './api-client.ts';
import { ApiFailure } from './api-failure.ts';
import { type ApiResource, apiVersionOf, groupPath } from './resources.ts';

const DISCOVERY_BYTES_MAX = 4 * 1024 ** 2;

interface RawResourceList {
  readonly resources?: readonly { readonly name?: string; readonly kind?: string }[];
}

/** The resource with its plural. Rejects with an ApiFailure; "not-found" where the server has no such kind. */
export async function locateResource(
  client: ApiClient,
  resource: ApiResource,
  request: Pick<ApiRequest, 'signal' | 'silenceMs'>,
): Promise<ApiResource> {
  if (resource.plural !== undefined) return resource;
  const list = (await client.getJson(
    { ...request, path: groupPath(resource), accept: 'application/json' },
    DISCOVERY_BYTES_MAX,
  )) as RawResourceList | null;
  // Subresources have the kind of what they are part of, and a "/" in their names.
  const found = list?.resources?.find(({ name, kind }) => kind === resource.kind && !name?.includes('/'));
  if (found?.name === undefined) {
    throw new ApiFailure('not-found', `${apiVersionOf(resource)} has no kind ${resource.kind}`);
  }
  return { ...resource, plural: found.name };
}
