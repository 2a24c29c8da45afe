// Which resources of the Kubernetes API are read, where they are, and the permission that each needs. One list: the caches, the
// error messages, the RBAC rules and the documentation are made of it. Knows no connection.
import type { ClusterResource } from '../model/cluster-objects.ts';
import { FlowtollError } from '../model/errors.ts';
import type { OwnerKind } from './projection.ts';

/** A resource that a cache watches. */
export interface ApiResource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, as in paths and RBAC rules; undefined until discovery has said it (owner kinds of the configuration). */
  readonly plural: string | undefined;
  readonly kind: string;
  /** What its objects are in the model. */
  readonly becomes: ClusterResource;
  /** Only metadata is asked for: spec and status say nothing that is needed. */
  readonly metadataOnly: boolean;
  /** The configuration asks for it: a server that does not have it has no such objects either. */
  readonly optional?: true;
}

const core = { group: '', version: 'v1' };

/** What every installation reads. */
export const BUILT_IN_RESOURCES: readonly (ApiResource & { readonly plural: string })[] = [
  { ...core, plural: 'namespaces', kind: 'Namespace', becomes: 'namespaces', metadataOnly: true },
  { ...core, plural: 'nodes', kind: 'Node', becomes: 'nodes', metadataOnly: false },
  { ...core, plural: 'pods', kind: 'Pod', becomes: 'pods', metadataOnly: false },
  { ...core, plural: 'services', kind: 'Service', becomes: 'services', metadataOnly: false },
  {
    group: 'discovery.k8s.io',
    version: 'v1',
    plural: 'endpointslices',
    kind: 'EndpointSlice',
    becomes: 'endpointslices',
    metadataOnly: false,
  },
  { group: 'apps', version: 'v1', plural: 'replicasets', kind: 'ReplicaSet', becomes: 'owners', metadataOnly: true },
  { group: 'batch', version: 'v1', plural: 'jobs', kind: 'Job', becomes: 'owners', metadataOnly: true },
];

/** "v1", "apps/v1": as objects and owner references say it. */
export function apiVersionOf({ group, version }: Pick<ApiResource, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Path of all that is served under a group and version. */
export function groupPath(resource: Pick<ApiResource, 'group' | 'version'>): string {
  return resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
}

/** For people: "pods", "rollouts.argoproj.io"; the kind where the plural is not known yet. */
export function resourceName({ group, plural, kind }: ApiResource): string {
  return group === '' ? (plural ?? kind) : `${plural ?? kind}.${group}`;
}

export function ownerKindOf(resource: ApiResource): OwnerKind {
  return { apiVersion: apiVersionOf(resource), kind: resource.kind };
}

/**
 * One kind of `--owner-kinds`: "argoproj.io/v1alpha1/Rollout", the apiVersion and kind of its manifests.
 * Throws CONFIG_INVALID.
 */
export function parseOwnerKind(text: string): ApiResource {
  const example = 'write apiVersion/Kind as in its manifests, such as argoproj.io/v1alpha1/Rollout';
  const match = /^(?:([a-z0-9]([-a-z0-9.]*[a-z0-9])?)\/)?(v\d+(?:(?:alpha|beta)\d+)?)\/([A-Z][A-Za-z0-9]*)$/.exec(text);
  if (match === null) {
    throw new FlowtollError('CONFIG_INVALID', `"${text}" is no kind of the Kubernetes API; ${example}`);
  }
  const [, group = '', , version = '', kind = ''] = match;
  const known = BUILT_IN_RESOURCES.find(
    (resource) => resource.group === group && resource.version === version && resource.kind === kind,
  );
  if (known !== undefined) {
    throw new FlowtollError('CONFIG_INVALID', `${text} is read anyway; remove it from the owner kinds`);
  }
  return { group, version, plural: undefined, kind, becomes: 'owners', metadataOnly: true, optional: true };
}
