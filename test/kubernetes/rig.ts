// The product's caches on a cluster, behind a proxy with faults, under a service account.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadApiConfig } from '@flowtoll/aggregator/kubernetes/api-config.ts';
import {
  createKubernetesCaches,
  type KubernetesCaches,
  type KubernetesCachesConfig,
} from '@flowtoll/aggregator/kubernetes/kubernetes-caches.ts';
import type { ResourceStatus } from '@flowtoll/aggregator/kubernetes/resource-status.ts';
import type { WatcherLimits } from '@flowtoll/aggregator/kubernetes/resource-watcher.ts';
import { SYSTEM_TIMING, type Timing } from '@flowtoll/aggregator/kubernetes/timing.ts';
import type { ClusterSink } from '@flowtoll/aggregator/model/cluster-objects.ts';
import { RecordingSink } from '../support/kubernetes/recording-sink.ts';
import { kubeconfigText, type TestCluster } from '../support/kubernetes/test-cluster.ts';

/** So that seconds of a test hold what hours of a cluster do. */
export const IMPATIENT: Partial<WatcherLimits> = {
  pageObjects: 5,
  listSilenceMs: 1000,
  watchSilenceMs: 1000,
  retryMinMs: 20,
  retryMaxMs: 200,
  slowRetryMs: 500,
};

export interface CachesUnderTest {
  readonly caches: KubernetesCaches;
  readonly sink: RecordingSink;
  readonly warnings: readonly string[];
  status(resource: string): ResourceStatus;
  /** From now on the kubeconfig has this user. */
  writeUser(user: Readonly<Record<string, unknown>>): void;
  stop(): Promise<void>;
}

export interface CachesOptions {
  readonly timing?: Timing;
  /** Hears what the recording sink hears. */
  readonly listener?: ClusterSink;
}

export function cachesOn(
  cluster: Pick<TestCluster, 'server' | 'tls'>,
  user: Readonly<Record<string, unknown>>,
  { timing = SYSTEM_TIMING, listener, ...config }: Partial<KubernetesCachesConfig> & CachesOptions = {},
): CachesUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'flowtoll-kubeconfig-'));
  const kubeconfig = join(folder, 'config');
  const writeUser = (next: Readonly<Record<string, unknown>>): void =>
    writeFileSync(kubeconfig, kubeconfigText({ server: cluster.server, ca: cluster.tls?.ca, user: next }));
  writeUser(user);
  const sink = new RecordingSink();
  const warnings: string[] = [];
  const caches = createKubernetesCaches(
    { ownerKinds: [], podLabels: ['app'], namespaceLabels: [], nodeLabels: [], limits: IMPATIENT, ...config },
    {
      loadApiConfig: () => loadApiConfig({ source: kubeconfig }),
      sink: listener === undefined ? sink : toBoth(sink, listener),
      timing,
      log: { info: () => undefined, warn: (_, message) => warnings.push(message) },
    },
  );
  return {
    ...{ caches, sink, warnings, writeUser },
    status: (resource) => caches.resources.find((status) => status.resource === resource)!,
    stop: async () => {
      await caches.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function toBoth(a: ClusterSink, b: ClusterSink): ClusterSink {
  return {
    put: (resource, object, atUs) => {
      for (const sink of [a, b]) sink.put(resource, object, atUs);
    },
    remove: (resource, uid, last, atUs) => {
      for (const sink of [a, b]) sink.remove(resource, uid, last, atUs);
    },
    heard: (resource, atUs) => {
      for (const sink of [a, b]) sink.heard(resource, atUs);
    },
  };
}
