// The laboratory's cluster as objects of the Kubernetes API, and which of its addresses a kubelet gives to a pod. Pure.
import type { KubeObject, KubeResource } from '../../support/kubernetes/kube-client.ts';
import type { NodePlan } from '../../support/kubernetes/kubelets.ts';
import { type LabCluster, type LabPod, podOf } from '../cluster.ts';

/** An object to be created. */
export interface Manifest {
  readonly resource: KubeResource;
  /** Undefined: the resource has none. */
  readonly namespace: string | undefined;
  readonly body: object;
}

/** The nodes, dual stack. */
export function nodePlans(cluster: LabCluster): NodePlan[] {
  return cluster.nodes.map(({ name, region, zone, address, podRange }) => ({
    ...{ name, region, zone, address: address[0], podPrefix: podRange[0].replace(/\.0\/24$/, '') },
    ipv6: { address: address[1], podPrefix: podRange[1].replace(/::\/64$/, '') },
  }));
}

/** Namespaces, workloads and services, in the order in which they are to be made. */
export function manifests(cluster: LabCluster): Manifest[] {
  const namespaces = new Set([...cluster.pods, ...cluster.services].map(({ namespace }) => namespace));
  const workloads = Map.groupBy(cluster.pods, ({ namespace, workload }) => `${namespace}/${workload}`);
  return [
    ...[...namespaces].map((name) => ({
      ...{ resource: 'namespaces' as const, namespace: undefined },
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
    })),
    ...[...workloads.values()].map(workload),
    ...cluster.services.map((service) => ({
      ...{ resource: 'services' as const, namespace: service.namespace },
      body: {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: service.name } },
        spec: {
          selector: { app: podOf(cluster, service.backends[0]!).workload },
          ...{ ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] },
          ...{ clusterIP: service.address[0], clusterIPs: service.address },
          ports: PROTOCOLS.map((protocol) => ({
            ...{ name: protocol.toLowerCase(), protocol, port: service.port, targetPort: service.targetPort },
            ...(service.nodePort === undefined ? {} : { nodePort: service.nodePort }),
          })),
          ...(service.nodePort === undefined
            ? {}
            : { type: 'NodePort', externalTrafficPolicy: service.trafficPolicy === 'local' ? 'Local' : 'Cluster' }),
        },
      },
    })),
  ];
}

/** What the laboratory translates. */
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;

const RESOURCES: Readonly<Record<string, { readonly resource: KubeResource; readonly apiVersion: string }>> = {
  Deployment: { resource: 'deployments', apiVersion: 'apps/v1' },
  StatefulSet: { resource: 'statefulsets', apiVersion: 'apps/v1' },
  Job: { resource: 'jobs', apiVersion: 'batch/v1' },
};

/** The workload of these pods, spread over just their nodes. */
function workload(pods: readonly LabPod[]): Manifest {
  const { namespace, workloadKind: kind, workload: app } = pods[0]!;
  const { resource, apiVersion } = RESOURCES[kind]!;
  const selector = { matchLabels: { app } };
  const key = 'kubernetes.io/hostname';
  const onNodes = [{ key, operator: 'In', values: [...new Set(pods.map(({ node }) => node))] }];
  const podSpec = {
    containers: [{ name: 'main', image: 'registry.example/app:1' }],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: onNodes }] },
      },
    },
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: key, whenUnsatisfiable: 'DoNotSchedule', labelSelector: selector },
    ],
    ...(kind === 'Job' ? { restartPolicy: 'Never' } : {}),
  };
  const spec = {
    ...(kind === 'Job'
      ? { completions: pods.length, parallelism: pods.length }
      : { replicas: pods.length, selector, ...(kind === 'StatefulSet' ? { serviceName: app } : {}) }),
    template: { metadata: { labels: { app } }, spec: podSpec },
  };
  return { resource, namespace, body: { apiVersion, kind, metadata: { name: app }, spec } };
}

/** Gives each pod of a workload an address that the laboratory has for that workload on that node, and keeps it for it. */
export function labAddresses(cluster: LabCluster): (pod: KubeObject) => readonly string[] {
  const holders = new Map<LabPod, string>();
  return ({ metadata, spec }) => {
    const free = cluster.pods.find(
      (pod) =>
        pod.namespace === metadata.namespace &&
        pod.workload === metadata.labels?.['app'] &&
        pod.node === spec.nodeName &&
        (holders.get(pod) ?? metadata.uid) === metadata.uid,
    );
    if (free === undefined) {
      throw new Error(
        `the laboratory has no address left for ${metadata.namespace}/${metadata.name} on ${spec.nodeName}`,
      );
    }
    holders.set(free, metadata.uid);
    return free.address;
  };
}
