// What the stand-in plays of the controllers and the scheduler: Deployments make ReplicaSets, these, Jobs and DaemonSets make pods, pods get nodes,
// Services get EndpointSlices, what has lost its owner goes. Simple and slow: everything is looked at after each write.
import { createHash, randomBytes } from 'node:crypto';
import { created } from './defaults.ts';
import { keyOf, type ObjectStore, type OwnerReference, type StandInObject } from './object-store.ts';
import { deletePod } from './pod-deletion.ts';
import { SERVED_RESOURCES } from './resource-table.ts';

const OWNED = ['replicasets', 'pods', 'jobs', 'endpointslices'] as const;
const OWNERS = ['deployments', 'replicasets', 'daemonsets', 'statefulsets', 'jobs', 'cronjobs', 'services'] as const;

/** One round; whether anything was written, so that another one is needed. */
export function reconcile(store: ObjectStore): boolean {
  const before = store.version;
  for (const deployment of store.all('deployments')) reconcileDeployment(store, deployment);
  for (const replicaSet of store.all('replicasets')) reconcileReplicaSet(store, replicaSet);
  for (const daemonSet of store.all('daemonsets')) reconcileDaemonSet(store, daemonSet);
  for (const job of store.all('jobs')) reconcileJob(store, job);
  collectOrphans(store);
  schedule(store);
  for (const service of store.all('services')) reconcileService(store, service);
  return store.version !== before;
}

function reconcileDeployment(store: ObjectStore, deployment: StandInObject): void {
  const { template, replicas = 1 } = deployment['spec'];
  const hash = createHash('sha256').update(JSON.stringify(template)).digest('hex').slice(0, 9);
  const name = `${deployment.metadata.name}-${hash}`;
  const labels = { ...template.metadata?.labels, 'pod-template-hash': hash };
  const owned = ownedBy(store, 'replicasets', deployment);
  for (const old of owned) {
    const wanted = old.metadata.name === name ? replicas : 0;
    if (old['spec'].replicas !== wanted) {
      store.put('replicasets', { ...old, spec: { ...old['spec'], replicas: wanted } });
    }
  }
  if (!owned.some(({ metadata }) => metadata.name === name)) {
    make(store, 'replicasets', deployment, name, labels, {
      spec: { replicas, selector: { matchLabels: labels }, template: { ...template, metadata: { labels } } },
    });
  }
}

function reconcileReplicaSet(store: ObjectStore, replicaSet: StandInObject): void {
  const live = ownedBy(store, 'pods', replicaSet).filter(isLive);
  const { replicas = 1, template } = replicaSet['spec'];
  for (let count = live.length; count < replicas; count++) makePod(store, replicaSet, template);
  for (const pod of live.slice(replicas)) deletePod(store, pod);
}

function reconcileDaemonSet(store: ObjectStore, daemonSet: StandInObject): void {
  const live = ownedBy(store, 'pods', daemonSet).filter(isLive);
  const { template } = daemonSet['spec'];
  for (const { metadata } of store.all('nodes')) {
    if (!live.some((pod) => pod['spec'].nodeName === metadata.name)) {
      makePod(store, daemonSet, { ...template, spec: { ...template.spec, nodeName: metadata.name } });
    }
  }
}

function reconcileJob(store: ObjectStore, job: StandInObject): void {
  const pods = ownedBy(store, 'pods', job);
  const succeeded = pods.filter((pod) => pod['status']?.phase === 'Succeeded').length;
  const active = pods.filter(isLive).length;
  const { completions = 1, parallelism = 1, template } = job['spec'];
  const wanted = Math.min(parallelism, completions - succeeded);
  const labels = { 'batch.kubernetes.io/job-name': job.metadata.name, ...template.metadata?.labels };
  for (let count = active; count < wanted; count++) {
    makePod(store, job, { ...template, metadata: { labels } });
  }
}

/** Pods without a node go where the fewest are. */
function schedule(store: ObjectStore): void {
  const pods = store.all('pods');
  const load = new Map(store.all('nodes').map(({ metadata }) => [metadata.name, 0]));
  for (const pod of pods) {
    const node: string = pod['spec'].nodeName ?? '';
    const count = load.get(node);
    if (count !== undefined) load.set(node, count + 1);
  }
  for (const pod of pods) {
    if (pod['spec'].nodeName || !isLive(pod)) continue;
    const [node] = [...load].sort(([, a], [, b]) => a - b)[0] ?? [];
    if (node === undefined) return;
    load.set(node, load.get(node)! + 1);
    store.put('pods', { ...pod, spec: { ...pod['spec'], nodeName: node } });
  }
}

/** A port by name would be that of the pod's container, which nobody asks for here. */
function slicePort({ name, protocol, port, targetPort }: Readonly<Record<string, string | number>>): object {
  return { ...(name !== undefined && { name }), protocol, port: typeof targetPort === 'number' ? targetPort : port };
}

function reconcileService(store: ObjectStore, service: StandInObject): void {
  const { selector, ports } = service['spec'];
  if (selector === undefined) return;
  const zones = new Map(
    store.all('nodes').map(({ metadata }) => [metadata.name, metadata.labels?.['topology.kubernetes.io/zone']]),
  );
  const endpoints = store
    .all('pods')
    .filter((pod) => pod.metadata.namespace === service.metadata.namespace && matches(pod, selector))
    .filter((pod) => pod['status']?.podIP !== undefined && !['Succeeded', 'Failed'].includes(pod['status'].phase))
    .map((pod) => {
      const ready = isLive(pod) && hasCondition(pod, 'Ready');
      return {
        addresses: [pod['status'].podIP],
        conditions: { ready, serving: hasCondition(pod, 'Ready'), terminating: !isLive(pod) },
        nodeName: pod['spec'].nodeName,
        targetRef: { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
        zone: zones.get(pod['spec'].nodeName),
      };
    })
    .sort((a, b) => (a.targetRef.name < b.targetRef.name ? -1 : 1));
  const [slice] = ownedBy(store, 'endpointslices', service);
  if (slice === undefined) {
    make(
      store,
      'endpointslices',
      service,
      `${service.metadata.name}-${suffix()}`,
      { 'kubernetes.io/service-name': service.metadata.name },
      { addressType: 'IPv4', endpoints, ports: (ports ?? []).map(slicePort) },
    );
  } else if (JSON.stringify(slice['endpoints']) !== JSON.stringify(endpoints)) {
    store.put('endpointslices', { ...slice, endpoints });
  }
}

/** Background deletion. */
function collectOrphans(store: ObjectStore): void {
  const uids = new Set(OWNERS.flatMap((resource) => store.all(resource).map(({ metadata }) => metadata.uid)));
  for (const resource of OWNED) {
    for (const object of store.all(resource)) {
      const owner = object.metadata.ownerReferences?.[0];
      if (owner === undefined || uids.has(owner.uid) || !OWNERS_BY_KIND.has(owner.kind)) continue;
      if (resource === 'pods') deletePod(store, object);
      else store.remove(resource, keyOf(object.metadata));
    }
  }
}

const OWNERS_BY_KIND = new Set(
  SERVED_RESOURCES.filter(({ plural }) => (OWNERS as readonly string[]).includes(plural)).map(({ kind }) => kind),
);

function makePod(
  store: ObjectStore,
  owner: StandInObject,
  template: { readonly metadata?: { readonly labels?: Record<string, string> }; readonly spec: object },
): void {
  make(store, 'pods', owner, `${owner.metadata.name}-${suffix()}`, template.metadata?.labels ?? {}, {
    spec: template.spec,
  });
}

function make(
  store: ObjectStore,
  plural: string,
  owner: StandInObject,
  name: string,
  labels: Record<string, string>,
  rest: object,
): void {
  const { apiVersion, kind, metadata } = owner;
  const reference: OwnerReference = {
    ...{ apiVersion, kind, name: metadata.name, uid: metadata.uid },
    ...{ controller: true, blockOwnerDeletion: true },
  };
  const resource = SERVED_RESOURCES.find((served) => served.plural === plural)!;
  const partial = { name, labels, ownerReferences: [reference] } as unknown as StandInObject['metadata'];
  store.put(
    plural,
    created(resource, metadata.namespace, { ...rest, metadata: partial }, () => ''),
  );
}

function ownedBy(store: ObjectStore, plural: string, { metadata }: StandInObject): StandInObject[] {
  return store
    .all(plural)
    .filter((object) => object.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) === true);
}

function isLive(pod: StandInObject): boolean {
  return pod.metadata.deletionTimestamp === undefined && !['Succeeded', 'Failed'].includes(pod['status']?.phase);
}

function hasCondition(pod: StandInObject, wanted: string): boolean {
  const conditions: { readonly type: string; readonly status: string }[] = pod['status']?.conditions ?? [];
  return conditions.some(({ type, status }) => type === wanted && status === 'True');
}

function matches(pod: StandInObject, selector: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => pod.metadata.labels?.[key] === value);
}

function suffix(): string {
  return randomBytes(4).toString('hex').slice(0, 5);
}
