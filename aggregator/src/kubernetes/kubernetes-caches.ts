// All caches of one cluster: a watcher for each resource, over one connection's configuration, into one sink. Knows which resources
// there are and when all of them have been heard of; nothing of addresses.
import type { ClusterSink } from '../model/cluster-objects.ts';
import { createApiClient } from './api-client.ts';
import type { ApiConfig } from './api-config.ts';
import { createProjections, type ProjectionConfig } from './projection.ts';
import type { ResourceStatus } from './resource-status.ts';
import { DEFAULT_LIMITS, ResourceWatcher, type WatcherLimits } from './resource-watcher.ts';
import { type ApiResource, BUILT_IN_RESOURCES } from './resources.ts';
import type { Timing } from './timing.ts';
import { createTroubleLog, type Logger } from './trouble-log.ts';

export interface KubernetesCachesConfig extends ProjectionConfig {
  /** Kinds beside ReplicaSet and Job that stand between pods and workloads: `parseOwnerKind`. */
  readonly ownerKinds: readonly ApiResource[];
  readonly limits?: Partial<WatcherLimits>;
}

export interface KubernetesCachesParts {
  /** Reads the configuration of the connection, now and whenever the server no longer takes its credentials. */
  readonly loadApiConfig: () => ApiConfig;
  /** Must not throw. */
  readonly sink: ClusterSink;
  readonly timing: Timing;
  readonly log: Logger;
}

export interface KubernetesCaches {
  /** Begins to list and watch. */
  start(): void;
  /** Ends all requests. Nothing is told to the sink afterwards. */
  stop(): Promise<void>;
  /** Every resource has been listed once. Stays so, whatever happens to the server. */
  readonly synced: boolean;
  /** Resolves when `synced` becomes true. */
  readonly whenSynced: Promise<void>;
  /** One for each resource, in a fixed order. Live: they change. */
  readonly resources: readonly ResourceStatus[];
}

/** Throws KUBERNETES_CONFIG_INVALID as `loadApiConfig` does; what goes wrong later is in the status of the resources. */
export function createKubernetesCaches(config: KubernetesCachesConfig, parts: KubernetesCachesParts): KubernetesCaches {
  const { sink, timing, log } = parts;
  const client = createApiClient(parts.loadApiConfig, timing);
  const projections = createProjections(config);
  const troubles = createTroubleLog(log, timing.now);
  const limits = { ...DEFAULT_LIMITS, ...config.limits };
  const { promise: whenSynced, resolve } = Promise.withResolvers<void>();
  const allSynced = (): boolean => watchers.every(({ status }) => status.synced);
  const watchers: readonly ResourceWatcher[] = [...BUILT_IN_RESOURCES, ...config.ownerKinds].map(
    (resource) =>
      new ResourceWatcher(resource, {
        ...{ client, sink, projections, timing, limits, troubles },
        onSynced: () => {
          if (allSynced()) resolve();
        },
      }),
  );
  return {
    start() {
      for (const watcher of watchers) watcher.start();
    },
    async stop() {
      await Promise.all(watchers.map((watcher) => watcher.stop()));
      client.close();
    },
    get synced() {
      return allSynced();
    },
    whenSynced,
    resources: watchers.map(({ status }) => status),
  };
}
