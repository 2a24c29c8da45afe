// A pod's volumes as folders of this machine: made when it starts, kept up to date while it runs as a kubelet does (a change of a Secret or
// ConfigMap appears at once in all its files). Knows the API's volumes and the file system.
//
// Left out: subPath, downward API beyond fieldOf, volumes of drivers, size limits; tokens are not renewed before they end.
import { chmod, chown, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  fieldOf,
  type Pod,
  type PodPlace,
  type PodSources,
  type ProjectedSource,
  type VolumeSpec,
} from './pod-spec.ts';

interface FileContent {
  readonly content: Buffer;
  readonly mode: number;
}
type Files = Map<string, FileContent>;

export interface VolumeFolders {
  /** Of this pod alone; goes with it. */
  readonly pod: string;
  /** The root of the node's disk. */
  readonly node: string;
  /** Where claims are, by name. */
  readonly claims: string;
}

const DEFAULT_MODE = 0o644;

export class PodVolumes {
  readonly #pod: Pod;
  readonly #place: PodPlace;
  readonly #folders: VolumeFolders;
  readonly #sources: PodSources;
  readonly #tokens = new Map<string, string>();
  /** What is in the files of a volume now, as text, by its name. */
  readonly #written = new Map<string, string>();

  constructor(pod: Pod, place: PodPlace, folders: VolumeFolders, sources: PodSources) {
    this.#pod = pod;
    this.#place = place;
    this.#folders = folders;
    this.#sources = sources;
  }

  /** Makes all of them; folders by the volume's name. */
  async make(): Promise<ReadonlyMap<string, string>> {
    const folders = new Map<string, string>();
    for (const volume of this.#pod.spec.volumes ?? []) folders.set(volume.name, await this.#folder(volume));
    await this.refresh();
    return folders;
  }

  /** Brings files up to date. */
  async refresh(): Promise<void> {
    for (const volume of this.#pod.spec.volumes ?? []) {
      const files = await this.#files(volume);
      if (files === undefined) continue;
      const now = JSON.stringify(
        [...files].map(([path, { content, mode }]) => [path, content.toString('base64'), mode]),
      );
      if (this.#written.get(volume.name) === now) continue;
      await this.#write(this.#own(volume), files);
      this.#written.set(volume.name, now);
    }
  }

  #own({ name }: VolumeSpec): string {
    return join(this.#folders.pod, 'volumes', name);
  }

  async #folder(volume: VolumeSpec): Promise<string> {
    const { hostPath, persistentVolumeClaim: claim } = volume;
    let folder = this.#own(volume);
    if (hostPath !== undefined) folder = join(this.#folders.node, hostPath.path);
    if (claim !== undefined) folder = join(this.#folders.claims, claim.claimName);
    await mkdir(folder, { recursive: true });
    if (hostPath === undefined) await chmod(folder, 0o777);
    return folder;
  }

  async #files(volume: VolumeSpec): Promise<Files | undefined> {
    const { secret, configMap, projected } = volume;
    if (secret !== undefined) {
      return this.#projected([{ secret: { ...secret, name: secret.secretName } }], secret.defaultMode);
    }
    if (configMap !== undefined) return this.#projected([{ configMap }], configMap.defaultMode);
    if (projected !== undefined) return this.#projected(projected.sources, projected.defaultMode);
    return undefined;
  }

  async #projected(sources: readonly ProjectedSource[], defaultMode = DEFAULT_MODE): Promise<Files> {
    const namespace = this.#pod.metadata.namespace!;
    const files: Files = new Map();
    for (const { secret, configMap, downwardAPI, serviceAccountToken } of sources) {
      if (secret !== undefined) addKeys(files, await this.#sources.secret(namespace, secret.name), secret, defaultMode);
      if (configMap !== undefined) {
        addKeys(files, await this.#sources.configMap(namespace, configMap.name), configMap, defaultMode);
      }
      for (const { path, fieldRef } of downwardAPI?.items ?? []) {
        files.set(path, {
          content: Buffer.from(fieldOf(this.#pod, this.#place, fieldRef.fieldPath)),
          mode: defaultMode,
        });
      }
      if (serviceAccountToken !== undefined) {
        const { audience, expirationSeconds = 3600, path } = serviceAccountToken;
        files.set(path, { content: Buffer.from(await this.#token(audience, expirationSeconds)), mode: 0o600 });
      }
    }
    return files;
  }

  async #token(audience: string | undefined, expirationSeconds: number): Promise<string> {
    const key = audience ?? '';
    const token = this.#tokens.get(key) ?? (await this.#sources.token(this.#pod, audience, expirationSeconds));
    this.#tokens.set(key, token);
    return token;
  }

  /** All files at once, by a link that is replaced. Whoever has the pod's fsGroup may read them. */
  async #write(folder: string, files: Files): Promise<void> {
    const group = this.#pod.spec.securityContext?.fsGroup;
    const version = await mkdtemp(`${folder}/..`);
    await chmod(version, 0o755);
    for (const [path, { content, mode }] of files) {
      const file = join(version, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
      await chmod(file, group === undefined ? mode : mode | 0o440);
      if (group !== undefined) await chown(file, 0, group);
    }
    const link = join(folder, '..data');
    await symlink(version.slice(folder.length + 1), `${link}_tmp`);
    await rename(`${link}_tmp`, link);
    for (const top of new Set([...files.keys()].map((path) => path.split('/')[0]!))) {
      await rm(join(folder, top), { force: true });
      await symlink(join('..data', top), join(folder, top));
    }
  }
}

function addKeys(
  files: Files,
  values: ReadonlyMap<string, Buffer>,
  { items }: { readonly items?: readonly { readonly key: string; readonly path: string; readonly mode?: number }[] },
  defaultMode: number,
): void {
  for (const { key, path, mode } of items ?? [...values.keys()].map((key) => ({ key, path: key, mode: undefined }))) {
    const content = values.get(key);
    if (content === undefined) throw new Error(`there is no key ${key}`);
    files.set(path, { content, mode: mode ?? defaultMode });
  }
}
