// From a pod's container to the options of a process in an image: environment and its references in arguments, user, capabilities, mounts.
// Nothing is started here.
import type { ContainerOptions } from '../image-runner.ts';
import {
  type ContainerSpec,
  type EnvironmentSource,
  fieldOf,
  type Pod,
  type PodPlace,
  type PodSources,
} from './pod-spec.ts';

/** The container's environment; `service`: variables that every container has. */
export async function environmentOf(
  pod: Pod,
  { env = [], envFrom = [] }: ContainerSpec,
  place: PodPlace,
  sources: PodSources,
  service: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const namespace = pod.metadata.namespace!;
  const values: Record<string, string> = { ...service };
  for (const { secretRef, configMapRef } of envFrom) {
    const content =
      secretRef !== undefined
        ? await sources.secret(namespace, secretRef.name)
        : await sources.configMap(namespace, configMapRef!.name);
    for (const [key, value] of content) values[key] = value.toString();
  }
  const referred = async ({ valueFrom }: EnvironmentSource): Promise<string> => {
    const { fieldRef, secretKeyRef, configMapKeyRef } = valueFrom ?? {};
    if (fieldRef !== undefined) return fieldOf(pod, place, fieldRef.fieldPath);
    if (secretKeyRef !== undefined) {
      return (await sources.secret(namespace, secretKeyRef.name)).get(secretKeyRef.key)!.toString();
    }
    if (configMapKeyRef !== undefined) {
      return (await sources.configMap(namespace, configMapKeyRef.name)).get(configMapKeyRef.key)!.toString();
    }
    return '';
  };
  for (const source of env) {
    values[source.name] = source.value === undefined ? await referred(source) : expanded(source.value, values);
  }
  return values;
}

/** `$(NAME)` is the variable, where there is one; `$$(NAME)` is not meant so. */
export function expanded(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (values[name] ?? whole),
  );
}

/** @throws where the pod forbids what it is about to do */
export function containerOptions(
  pod: Pod,
  container: ContainerSpec,
  env: Readonly<Record<string, string>>,
  folders: ReadonlyMap<string, string>,
): ContainerOptions {
  const ofPod = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const uid = own.runAsUser ?? ofPod.runAsUser;
  const gid = own.runAsGroup ?? ofPod.runAsGroup ?? 0;
  if ((own.runAsNonRoot ?? ofPod.runAsNonRoot) === true && (uid === undefined || uid === 0)) {
    throw new Error(`${container.name}: container has runAsNonRoot and image will run as root`);
  }
  const groups = [...(ofPod.supplementalGroups ?? []), ...(ofPod.fsGroup === undefined ? [] : [ofPod.fsGroup])];
  return {
    ...(container.command && { command: container.command.map((text) => expanded(text, env)) }),
    ...(container.args && { args: container.args.map((text) => expanded(text, env)) }),
    ...(container.workingDir !== undefined && { workingDir: container.workingDir }),
    ...(uid !== undefined && { user: `${uid}:${gid}` }),
    env,
    supplementalGroups: groups,
    capabilities: own.capabilities?.add ?? [],
    privileged: own.privileged ?? false,
    readOnlyRoot: own.readOnlyRootFilesystem ?? false,
    volumes: (container.volumeMounts ?? []).map(({ name, mountPath, readOnly = false }) => {
      const source = folders.get(name);
      if (source === undefined) throw new Error(`${container.name}: there is no volume ${name}`);
      return { source, target: mountPath, readOnly };
    }),
  };
}
