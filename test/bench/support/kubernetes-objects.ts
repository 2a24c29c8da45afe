// A large cluster's objects, as JSON of the size that they have in clusters: a pod of two containers with managedFields is 8 KB. Pure.
import type { StandInObject } from '../../support/kubernetes/stand-in/object-store.ts';

export interface ClusterSize {
  readonly pods: number;
  readonly nodes: number;
  readonly namespaces: number;
  /** Pods of a ReplicaSet, and endpoints of a Service. */
  readonly podsPerWorkload: number;
}

const CREATED = '2026-03-01T00:00:00Z';

/** Filler as long as what the caches never look at. */
const MANAGED_FIELDS = [
  {
    ...{
      manager: 'kube-controller-manager',
      operation: 'Update',
      apiVersion: 'v1',
      time: CREATED,
      fieldsType: 'FieldsV1',
    },
    fieldsV1: Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [`f:field${index}`, { '.': {}, 'f:name': {}, 'f:value': {} }]),
    ),
  },
];

const CONTAINERS = ['main', 'sidecar'].map((name) => ({
  name,
  image: `registry.example/team/${name}:1.2.3`,
  env: Array.from({ length: 12 }, (_, index) => ({ name: `SETTING_${index}`, value: `value-of-setting-${index}` })),
  resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '100m', memory: '128Mi' } },
  volumeMounts: [{ name: 'token', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  imagePullPolicy: 'IfNotPresent',
}));

/** What every pod gets that talks to the API. */
const VOLUMES = [
  {
    name: 'token',
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 420,
    },
  },
];

/** Fields are in the order of the real server. `change` makes another state of the same pod. */
export function podObject(
  index: number,
  { nodes, namespaces, podsPerWorkload }: ClusterSize,
  change = 0,
): StandInObject {
  const workload = Math.floor(index / podsPerWorkload);
  const ip = podAddress(index);
  const name = `workload-${workload}-6d4cf56db6-${index.toString(36).padStart(5, '0')}`;
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      ...meta(name, `pod-${index}`, `namespace-${workload % namespaces}`),
      labels: { app: `workload-${workload}`, 'pod-template-hash': '6d4cf56db6', change: String(change) },
      ownerReferences: [
        { ...owner('apps/v1', 'ReplicaSet', `workload-${workload}-6d4cf56db6`, `rs-${workload}`), controller: true },
      ],
      managedFields: MANAGED_FIELDS,
    } as StandInObject['metadata'],
    spec: {
      volumes: VOLUMES,
      containers: CONTAINERS,
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      serviceAccount: 'default',
      nodeName: `node-${index % nodes}`,
      securityContext: {},
      schedulerName: 'default-scheduler',
      tolerations: ['not-ready', 'unreachable'].map((what) => ({
        ...{ key: `node.kubernetes.io/${what}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      })),
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
    },
    status: {
      phase: 'Running',
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        ...{ type, status: 'True', lastProbeTime: null, lastTransitionTime: CREATED },
      })),
      hostIP: '10.0.0.1',
      podIP: ip,
      podIPs: [{ ip }],
      startTime: CREATED,
      containerStatuses: CONTAINERS.map(({ name: container, image }) => ({
        ...{ name: container, image, imageID: `registry.example/team/${container}@sha256:${'0'.repeat(64)}` },
        ...{ containerID: `containerd://${'0'.repeat(64)}`, ready: true, restartCount: 0, started: true },
        state: { running: { startedAt: CREATED } },
      })),
    },
  };
}

export function nodeObject(index: number): StandInObject {
  const zone = `eu-west-1${'abc'[index % 3]}`;
  return {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: {
      ...meta(`node-${index}`, `node-${index}`),
      labels: { 'topology.kubernetes.io/region': 'eu-west-1', 'topology.kubernetes.io/zone': zone },
      managedFields: MANAGED_FIELDS,
    } as StandInObject['metadata'],
    spec: { providerID: `aws:///${zone}/i-${index}`, podCIDRs: [`10.${index >> 8}.${index & 255}.0/24`] },
    status: {
      addresses: [{ type: 'InternalIP', address: `172.16.${index >> 8}.${index & 255}` }],
      images: Array.from({ length: 50 }, (_, image) => ({
        names: [`registry.example/image-${image}`],
        sizeBytes: 12345,
      })),
    },
  };
}

/** The ReplicaSet of a workload, its Service, and the slice of that. */
export function workloadObjects(workload: number, size: ClusterSize): Record<string, StandInObject> {
  const namespace = `namespace-${workload % size.namespaces}`;
  const name = `workload-${workload}`;
  const first = workload * size.podsPerWorkload;
  const pods = Array.from({ length: Math.min(size.podsPerWorkload, size.pods - first) }, (_, index) => first + index);
  return {
    replicasets: {
      ...{ kind: 'ReplicaSet', apiVersion: 'apps/v1' },
      metadata: {
        ...meta(`${name}-6d4cf56db6`, `rs-${workload}`, namespace),
        ownerReferences: [{ ...owner('apps/v1', 'Deployment', name, `deployment-${workload}`), controller: true }],
      },
    },
    services: {
      ...{ kind: 'Service', apiVersion: 'v1', metadata: meta(name, `service-${workload}`, namespace) },
      spec: {
        ...{ type: 'ClusterIP', clusterIPs: [`10.96.${workload >> 8}.${workload & 255}`], selector: { app: name } },
        ports: [{ protocol: 'TCP', port: 80, targetPort: 8080 }],
      },
    },
    endpointslices: {
      ...{ kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1' },
      metadata: {
        ...meta(`${name}-abcde`, `slice-${workload}`, namespace),
        labels: { 'kubernetes.io/service-name': name },
      },
      addressType: 'IPv4',
      endpoints: pods.map((index) => ({
        addresses: [podAddress(index)],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${index % size.nodes}`,
        targetRef: { kind: 'Pod', namespace, name: `pod-${index}`, uid: `pod-${index}` },
        zone: 'eu-west-1a',
      })),
    },
  };
}

export function podAddress(index: number): string {
  return `100.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

function meta(name: string, id: string, namespace?: string): StandInObject['metadata'] {
  // As long as a uid.
  const uid = id.padStart(36, '0');
  return {
    name,
    uid,
    resourceVersion: '',
    creationTimestamp: CREATED,
    ...(namespace === undefined ? {} : { namespace }),
  };
}

function owner(apiVersion: string, kind: string, name: string, id: string) {
  return { apiVersion, kind, name, uid: id.padStart(36, '0') };
}
