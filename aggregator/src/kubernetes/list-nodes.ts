// The nodes of a cluster as its API server lists them, once: for commands that ask and end. Knows the order of requests; keeps nothing.

import { createApiClient } from './api-client.ts';
import type { ApiConfig } from './api-config.ts';
import { ApiFailure, explainFailure } from './api-failure.ts';
import { listAll } from './list.ts';
import { timeMs } from './raw-time.ts';
import { DEFAULT_LIMITS } from './resource-watcher.ts';
import { BUILT_IN_RESOURCES, groupPath } from './resources.ts';
import type { Timing } from './timing.ts';

/**
 * When each node was made, by name; ms since the Unix epoch, by the cluster's clock. Needs leave to list nodes, and no other. Throws
 * KUBERNETES_CONFIG_INVALID, KUBERNETES_FORBIDDEN or KUBERNETES_UNAVAILABLE.
 * @param load reads the configuration of the connection
 */
export async function listNodes(load: () => ApiConfig, timing: Timing): Promise<Map<string, number>> {
  const nodes = BUILT_IN_RESOURCES.find(({ becomes }) => becomes === 'nodes')!;
  const client = createApiClient(load, timing);
  const found = new Map<string, number>();
  try {
    await listAll(
      client,
      {
        path: `${groupPath(nodes)}/${nodes.plural}`,
        kind: nodes.kind,
        metadataOnly: true,
        limit: DEFAULT_LIMITS.pageObjects,
        objectBytesMax: DEFAULT_LIMITS.objectBytesMax,
        signal: new AbortController().signal,
        silenceMs: DEFAULT_LIMITS.listSilenceMs,
      },
      {
        onPage: () => undefined,
        take({ metadata }) {
          // Without a time it is taken for an old one: its agent should be there.
          if (metadata?.name) found.set(metadata.name, timeMs(metadata.creationTimestamp) ?? 0);
        },
        skip({ name }) {
          if (name) found.set(name, 0);
        },
      },
    );
    return found;
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    throw explainFailure(error, 'list', nodes, client, 'once');
  } finally {
    client.close();
  }
}
