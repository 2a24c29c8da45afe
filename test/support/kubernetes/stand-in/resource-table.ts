// The resources that the stand-in serves.

export interface ServedResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const of = (group: string, version: string, namespaced: boolean, kinds: Readonly<Record<string, string>>) =>
  Object.entries(kinds).map(([plural, kind]) => ({ group, version, plural, kind, namespaced }));

export const SERVED_RESOURCES: readonly ServedResource[] = [
  ...of('', 'v1', false, { namespaces: 'Namespace', nodes: 'Node' }),
  ...of('', 'v1', true, { pods: 'Pod', serviceaccounts: 'ServiceAccount', services: 'Service' }),
  ...of('apps', 'v1', true, {
    daemonsets: 'DaemonSet',
    deployments: 'Deployment',
    replicasets: 'ReplicaSet',
    statefulsets: 'StatefulSet',
  }),
  ...of('batch', 'v1', true, { cronjobs: 'CronJob', jobs: 'Job' }),
  ...of('discovery.k8s.io', 'v1', true, { endpointslices: 'EndpointSlice' }),
  ...of('rbac.authorization.k8s.io', 'v1', false, {
    clusterrolebindings: 'ClusterRoleBinding',
    clusterroles: 'ClusterRole',
  }),
];

export function apiVersionOf({ group, version }: Pick<ServedResource, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** "pods", "replicasets.apps": as error messages of the API say it. */
export function qualifiedName({ group, plural }: ServedResource): string {
  return group === '' ? plural : `${plural}.${group}`;
}
