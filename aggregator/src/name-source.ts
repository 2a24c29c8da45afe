// Where names come from, put together: a topology file, a Kubernetes API, or both. Joins topology, kubernetes and enrich's view of
// addresses, which do not know one another. No decisions about flows here.

import { addressScope } from './enrich/address-scope.ts';
import type { ResourceStatus } from './kubernetes/resource-status.ts';
import { FlowtollError } from './model/errors.ts';
import type { Schedule } from './model/schedule.ts';
import type { TopologySource } from './model/topology.ts';
import type { AwaitedNames } from './pipeline.ts';
import { ClusterIndex } from './topology/cluster/cluster-index.ts';
import { createLateNames } from './topology/cluster/late-names.ts';
import { loadTopologyFile, type TopologyFile } from './topology/file-topology.ts';
import { splitLabelKeys } from './topology/label-keys.ts';
import { mergeTopologies } from './topology/merged-topology.ts';
import { OtherClusters, type Overlap } from './topology/others/other-clusters.ts';
import { withOtherClusters } from './topology/others/with-other-clusters.ts';

export interface NameSourceConfig {
  /** Path of a topology file. */
  readonly topology?: string | undefined;
  /** "in-cluster", "kubeconfig", or the path of a kubeconfig; undefined: no Kubernetes. */
  readonly kubernetes?: string | undefined;
  /** Context of the kubeconfig; default: its current one. */
  readonly kubeContext?: string | undefined;
  /** Kinds of owners beside ReplicaSet and Job, as apiVersion/Kind. */
  readonly ownerKinds: readonly string[];
  /** Labels that rows carry: KEY of the pod, namespace:KEY of its namespace. */
  readonly labelKeys: readonly string[];
  /** For how long who held which address is remembered, ms. */
  readonly keepMs: number;
}

export interface NameSourceParts {
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly schedule: Schedule;
  /** Hears once of each kind of another cluster that cannot be named. */
  readonly onOverlap: (overlap: Overlap) => void;
}

export interface NameSource {
  readonly topology: TopologySource;
  /** What is known of other clusters; nothing, until somebody says it. */
  readonly others: OtherClusters;
  /** Name of the cluster, if a file gives one. */
  readonly cluster: string | undefined;
  /** Undefined where all names are known at the start. */
  readonly live: LiveNames | undefined;
}

/** Names that come from Kubernetes. */
export interface LiveNames {
  readonly index: Pick<
    ClusterIndex,
    'counts' | 'nodesCreatedUs' | 'heardUntilUs' | 'takeHoldings' | 'giveBack' | 'restore'
  >;
  readonly awaited: AwaitedNames & { readonly counts: ReturnType<typeof createLateNames>['counts'] };
  /** How reading each resource goes. Live: they change. */
  readonly resources: readonly ResourceStatus[];
  /** Begins to list and watch. */
  start(): void;
  /** Resolves when all that names need has been heard of in full. */
  readonly whenSynced: Promise<void>;
  /** Why names are not known yet; undefined when they are. Stays so when the API server goes away: what is known is kept. */
  notReadyBecause(): string | undefined;
  stop(): Promise<void>;
}

/** Reads the file and the configuration; nothing is asked of the API before start(). Throws what is wrong with either. */
export async function openNameSource(config: NameSourceConfig, parts: NameSourceParts): Promise<NameSource> {
  const file = readFile(config, parts);
  const withOthers = (own: TopologySource) => {
    const others = new OtherClusters(
      { ranges: file?.otherClusters ?? [], keepMs: config.keepMs },
      own,
      parts.onOverlap,
    );
    return { topology: withOtherClusters(own, others), others };
  };
  if (config.kubernetes === undefined) {
    if (file === undefined) {
      throw new FlowtollError(
        'CONFIG_INVALID',
        'nobody says whose addresses are: give --kubernetes, or a topology file with --topology',
      );
    }
    return { ...withOthers(file.source), cluster: file.cluster, live: undefined };
  }
  const index = new ClusterIndex({ keepMs: config.keepMs });
  const { topology, others } = withOthers(file === undefined ? index : mergeTopologies(index, file.source));
  const live = await liveNames(config.kubernetes, config, parts, index, topology);
  return { topology, others, cluster: file?.cluster, live };
}

function readFile({ topology, kubernetes }: NameSourceConfig, { log }: NameSourceParts): TopologyFile | undefined {
  if (topology === undefined) return undefined;
  const file = loadTopologyFile(topology, { needsNodes: kubernetes === undefined });
  for (const note of file.notes) log.warn({ topology }, note);
  return file;
}

async function liveNames(
  source: string,
  config: NameSourceConfig,
  { log, now, schedule }: NameSourceParts,
  index: ClusterIndex,
  topology: TopologySource,
): Promise<LiveNames> {
  // The client costs memory and time that a topology file alone need not pay.
  const [{ loadApiConfig }, { createKubernetesCaches }, { parseOwnerKind }, { SYSTEM_TIMING }] = await Promise.all([
    import('./kubernetes/api-config.ts'),
    import('./kubernetes/kubernetes-caches.ts'),
    import('./kubernetes/resources.ts'),
    import('./kubernetes/timing.ts'),
  ]);
  const labels = splitLabelKeys(config.labelKeys);
  const caches = createKubernetesCaches(
    {
      ownerKinds: config.ownerKinds.map(parseOwnerKind),
      podLabels: labels.pod,
      namespaceLabels: labels.namespace,
      nodeLabels: [],
    },
    {
      loadApiConfig: () => loadApiConfig({ source, context: config.kubeContext }),
      sink: index,
      timing: SYSTEM_TIMING,
      log,
    },
  );
  const awaited = createLateNames(
    {},
    {
      index,
      topology: {
        lookupAddress: (address, startUs, endUs) => topology.snapshot().lookupAddress(address, startUs, endUs),
        inClusterRanges: (address) => topology.snapshot().inClusterRanges(address),
      },
      isPrivate: (address) => addressScope(address) === 'private',
      now,
      schedule,
    },
  );
  return {
    index,
    awaited,
    resources: caches.resources,
    start: () => caches.start(),
    whenSynced: caches.whenSynced,
    notReadyBecause() {
      const missing = caches.resources.filter(({ synced }) => !synced);
      if (missing.length === 0) return undefined;
      const error = missing.find(({ error }) => error !== null)?.error;
      const names = missing.map(({ resource }) => resource).join(', ');
      return `not heard of in full yet: ${names}${error ? ` (${error.message})` : ''}`;
    },
    stop: () => caches.stop(),
  };
}
