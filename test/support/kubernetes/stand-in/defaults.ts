// What an API server adds to objects that are created, as far as the tests and the controllers see it.
import { randomUUID } from 'node:crypto';
import type { StandInObject } from './object-store.ts';
import { apiVersionOf, type ServedResource } from './resource-table.ts';

/** The object as it is stored at first; `address` makes ClusterIPs. */
export function created(
  resource: ServedResource,
  namespace: string | undefined,
  body: Partial<StandInObject>,
  clusterIp: () => string,
): StandInObject {
  const metadata = { ...body.metadata } as StandInObject['metadata'];
  const object: StandInObject = {
    ...body,
    kind: resource.kind,
    apiVersion: apiVersionOf(resource),
    metadata: {
      ...metadata,
      ...(resource.namespaced ? { namespace: namespace ?? 'default' } : {}),
      uid: randomUUID(),
      resourceVersion: '',
      generation: 1,
      creationTimestamp: timeText(Date.now()),
    },
  };
  switch (resource.plural) {
    case 'namespaces':
      object.metadata.labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
      object['spec'] = { finalizers: ['kubernetes'] };
      object['status'] = { phase: 'Active' };
      break;
    case 'pods':
      object['spec'] = { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, ...object['spec'] };
      object['status'] = { phase: 'Pending' };
      break;
    case 'services': {
      const spec = { type: 'ClusterIP', ...object['spec'] };
      if (spec.type !== 'ExternalName') {
        spec.clusterIP ??= clusterIp();
        spec.clusterIPs ??= [spec.clusterIP];
        spec.ipFamilies ??= ['IPv4'];
      }
      spec.ports = spec.ports?.map((port: object) => ({ protocol: 'TCP', ...port }));
      object['spec'] = spec;
      object['status'] = { loadBalancer: {} };
      break;
    }
  }
  return object;
}

/** RFC 3339, whole seconds. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
