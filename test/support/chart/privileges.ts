// What objects of the chart ask of a cluster beyond what any pod has, one sentence for each privilege. docs/privileges.md has the same
// sentences. Says too much rather than too little: whatever is not known to be harmless is named.
import { type Manifest, podTemplateOf } from './chart.ts';

/** Volumes that hold nothing of anybody. */
const HARMLESS_VOLUMES = new Set(['emptyDir', 'configMap']);

const STORE_PODS = ['aggregator', 'report', 'maintenance', 'test'];
const STORE_VOLUMES = ['tables', 'google-key'];

interface Container {
  readonly name: string;
  readonly securityContext?: {
    readonly privileged?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly runAsUser?: number;
    readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly readOnly?: boolean }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly envFrom?: readonly { readonly secretRef?: { readonly name: string } }[];
}

/** @param ownerKinds resources of `kubernetes.ownerKinds`, which users choose */
export function privilegesOf(manifests: readonly Manifest[], ownerKinds: readonly string[] = []): ReadonlySet<string> {
  return new Set(manifests.flatMap((manifest) => [...ofPods(manifest), ...ofRules(manifest, ownerKinds)]));
}

function ofPods(manifest: Manifest): readonly string[] {
  const template = podTemplateOf(manifest);
  if (template === undefined) return [];
  const { spec } = template;
  const component = componentOf(template);
  const of = (what: string) => `${component}: ${what}`;
  // How the tables are reached is the same for all that reach them.
  const ofStore = (what: string) => `${STORE_PODS.includes(component) ? 'pods of the store' : component}: ${what}`;
  const containers: readonly Container[] = [...(spec.initContainers ?? []), ...spec.containers];
  return [
    ...['hostNetwork', 'hostPID', 'hostIPC'].filter((flag) => spec[flag] === true).map(of),
    ...(spec.automountServiceAccountToken === false ? [] : [of('token of the API')]),
    ...(spec.priorityClassName?.startsWith('system-') ? [of(`priority class ${spec.priorityClassName}`)] : []),
    ...(spec.securityContext?.seccompProfile?.type === 'RuntimeDefault' ? [] : [of('no seccomp profile')]),
    ...(spec.tolerations?.some(({ key }: { key?: string }) => key === undefined) ? [of('every node')] : []),
    ...(spec.volumes ?? []).flatMap((volume: Volume) =>
      ofVolume(volume, containers).map(STORE_VOLUMES.includes(volume.name) ? ofStore : of),
    ),
    ...containers.flatMap((container) => ofContainer(container, spec)).map(of),
    ...containers.flatMap(({ envFrom = [] }) =>
      envFrom.filter(({ secretRef }) => secretRef !== undefined).map(() => ofStore('Secret of environment variables')),
    ),
  ];
}

interface Volume {
  readonly name: string;
  readonly hostPath?: { readonly path: string };
  readonly secret?: { readonly items?: readonly { readonly path: string }[] };
  readonly projected?: {
    readonly sources: readonly { readonly serviceAccountToken?: { readonly audience?: string } }[];
  };
}

function ofVolume(volume: Volume, containers: readonly Container[]): readonly string[] {
  const { name, hostPath, secret, projected } = volume;
  if (hostPath !== undefined) {
    return containers.flatMap((container) =>
      (container.volumeMounts ?? [])
        .filter((mount) => mount.name === name)
        .map(({ readOnly }) => `${container.name} ${readOnly ? 'reads' : 'writes'} the node's ${hostPath.path}`),
    );
  }
  // An authority alone is no secret.
  if (secret?.items?.every(({ path }) => path === 'ca.crt')) return [];
  if (secret !== undefined) return [`Secret of volume ${name}`];
  if (projected !== undefined) {
    return projected.sources.map(
      ({ serviceAccountToken }) => `token for audience ${serviceAccountToken?.audience ?? 'of the API'}`,
    );
  }
  const kind = Object.keys(volume).find((key) => key !== 'name')!;
  return HARMLESS_VOLUMES.has(kind) ? [] : [`volume ${name}`];
}

function ofContainer(
  { name, securityContext = {}, ports = [] }: Container,
  spec: { readonly hostNetwork?: boolean; readonly securityContext?: { readonly runAsUser?: number } },
): readonly string[] {
  const { privileged, allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = securityContext;
  const user = securityContext.runAsUser ?? spec.securityContext?.runAsUser;
  return [
    ...(privileged ? ['privileged'] : []),
    // Both come with it.
    ...(privileged || allowPrivilegeEscalation === false ? [] : ['privileges that grow']),
    ...(privileged || capabilities?.drop?.includes('ALL') ? [] : ["the runtime's capabilities"]),
    ...(capabilities?.add ?? []).map((capability) => `CAP_${capability}`),
    ...(readOnlyRootFilesystem ? [] : ['a root file system that it can write']),
    ...(user === undefined || user === 0 ? ['user 0'] : []),
    ...(spec.hostNetwork ? ports.map((port) => `port of ${port.name} on the node`) : []),
  ].map((what) => `${name} has ${what}`);
}

function componentOf({
  metadata,
}: {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
}): string {
  return metadata.labels?.['app.kubernetes.io/component'] ?? 'unknown';
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

function ofRules(manifest: Manifest, ownerKinds: readonly string[]): readonly string[] {
  if (!/^(Cluster)?Role$/.test(manifest.kind)) return [];
  const component = componentOf(manifest);
  return (manifest['rules'] as readonly Rule[]).flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.map((resource) => {
        const name = ownerKinds.includes(resource) ? 'kinds of kubernetes.ownerKinds' : resource;
        return `${component} may ${verbs.join(', ')} ${name}${group === '' || name !== resource ? '' : `.${group}`}`;
      }),
    ),
  );
}
