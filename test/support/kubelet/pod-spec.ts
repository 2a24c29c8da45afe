// What of a pod a node needs to know, as the API has it. Types alone.
import type { KubeObject } from '../kubernetes/kube-client.ts';

export interface EnvironmentSource {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string };
    readonly secretKeyRef?: { readonly name: string; readonly key: string };
    readonly configMapKeyRef?: { readonly name: string; readonly key: string };
  };
}

export interface HttpProbe {
  readonly httpGet: { readonly path: string; readonly port: string | number; readonly host?: string };
  readonly timeoutSeconds?: number;
}

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env?: readonly EnvironmentSource[];
  readonly envFrom?: readonly {
    readonly secretRef?: { readonly name: string };
    readonly configMapRef?: { readonly name: string };
  }[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly startupProbe?: HttpProbe;
  readonly readinessProbe?: HttpProbe;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly subPath?: string;
    readonly readOnly?: boolean;
  }[];
  readonly securityContext?: {
    readonly runAsUser?: number;
    readonly runAsGroup?: number;
    readonly runAsNonRoot?: boolean;
    readonly privileged?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly add?: readonly string[] };
  };
}

interface KeysAsFiles {
  readonly items?: readonly { readonly key: string; readonly path: string; readonly mode?: number }[];
  readonly optional?: boolean;
}

export interface ProjectedSource {
  readonly secret?: KeysAsFiles & { readonly name: string };
  readonly configMap?: KeysAsFiles & { readonly name: string };
  readonly downwardAPI?: {
    readonly items: readonly { readonly path: string; readonly fieldRef: { readonly fieldPath: string } }[];
  };
  readonly serviceAccountToken?: {
    readonly audience?: string;
    readonly expirationSeconds?: number;
    readonly path: string;
  };
}

export interface VolumeSpec {
  readonly name: string;
  readonly emptyDir?: object;
  readonly hostPath?: { readonly path: string };
  readonly persistentVolumeClaim?: { readonly claimName: string };
  readonly secret?: KeysAsFiles & { readonly secretName: string; readonly defaultMode?: number };
  readonly configMap?: KeysAsFiles & { readonly name: string; readonly defaultMode?: number };
  readonly projected?: { readonly sources: readonly ProjectedSource[]; readonly defaultMode?: number };
}

export interface PodSpec {
  readonly nodeName: string;
  readonly hostNetwork?: boolean;
  readonly serviceAccountName?: string;
  readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never';
  readonly terminationGracePeriodSeconds?: number;
  readonly initContainers?: readonly ContainerSpec[];
  readonly containers: readonly ContainerSpec[];
  readonly volumes?: readonly VolumeSpec[];
  readonly securityContext?: {
    readonly runAsUser?: number;
    readonly runAsGroup?: number;
    readonly runAsNonRoot?: boolean;
    readonly fsGroup?: number;
    readonly supplementalGroups?: readonly number[];
  };
}

/** A pod that has a node. */
export interface Pod extends KubeObject {
  readonly spec: PodSpec;
}

/** Contents of Secrets and ConfigMaps, and tokens: what a kubelet asks the API server for. */
export interface PodSources {
  /** Values by key. @throws where there is none of that name */
  secret(namespace: string, name: string): Promise<ReadonlyMap<string, Buffer>>;
  configMap(namespace: string, name: string): Promise<ReadonlyMap<string, Buffer>>;
  /** A token of the pod's service account that is bound to the pod. */
  token(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string>;
}

/** Where the pod is. */
export interface PodPlace {
  readonly podIp: string;
  readonly hostIp: string;
}

/** What a field reference says. */
export function fieldOf({ metadata, spec }: Pod, { podIp, hostIp }: PodPlace, path: string): string {
  const fields: Readonly<Record<string, string | undefined>> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
    'spec.nodeName': spec.nodeName,
    'spec.serviceAccountName': spec.serviceAccountName,
    'status.podIP': podIp,
    'status.hostIP': hostIp,
  };
  const value = fields[path];
  if (value === undefined) throw new Error(`this kubelet knows no field ${path}`);
  return value;
}
