// Containers of a chart that was rendered and not installed, with the options that a node would start them with: everything but the API's
// own part. Secrets and ConfigMaps are those of the same rendering; there are no tokens. Knows manifests; starts nothing.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerOptions } from '../image-runner.ts';
import { containerOptions, environmentOf } from '../kubelet/container-options.ts';
import type { ContainerSpec, Pod, PodSources, PodSpec } from '../kubelet/pod-spec.ts';
import { PodVolumes } from '../kubelet/pod-volumes.ts';
import { type Manifest, podTemplateOf } from './chart.ts';

const PLACE = { podIp: '10.1.0.3', hostIp: '10.1.0.3' };

export class RenderedPods {
  readonly #manifests: readonly Manifest[];
  readonly #folder: string;
  readonly #volumes = new Map<string, ReadonlyMap<string, string>>();

  /** @param folder an empty one: the node's disk, claims, volumes of pods */
  constructor(manifests: readonly Manifest[], folder: string) {
    this.#manifests = manifests;
    this.#folder = folder;
  }

  /** Folder of this machine that is a directory of the node. */
  onNode(path: string): string {
    return join(this.#folder, 'node', path);
  }

  /** @param component as the chart's labels say: `agent`, `aggregator`, `report` */
  async container(component: string, name: string, node: string): Promise<ContainerOptions & { args: string[] }> {
    const template = this.#manifests
      .map(podTemplateOf)
      .find((each) => each?.metadata.labels?.['app.kubernetes.io/component'] === component);
    if (template === undefined) throw new Error(`the chart has no pods of ${component}`);
    const spec = { ...template.spec, nodeName: node } as PodSpec;
    const metadata = { name: `${component}-0`, namespace: 'flowtoll', uid: `${component}-0` };
    const pod = { ...{ apiVersion: 'v1', kind: 'Pod', metadata }, spec } as unknown as Pod;
    const container = [...(spec.initContainers ?? []), ...spec.containers].find((each) => each.name === name);
    if (container === undefined) throw new Error(`${component} has no container ${name}`);
    const env = await environmentOf(pod, container as ContainerSpec, PLACE, this.#sources, {});
    const options = containerOptions(pod, container, env, await this.#foldersOf(component, pod));
    return { ...options, args: [...(options.args ?? [])], hostname: node };
  }

  async #foldersOf(component: string, pod: Pod): Promise<ReadonlyMap<string, string>> {
    let folders = this.#volumes.get(component);
    if (folders === undefined) {
      const own = join(this.#folder, component);
      await mkdir(own, { recursive: true });
      const places = { pod: own, node: this.onNode('/'), claims: join(this.#folder, 'claims') };
      folders = await new PodVolumes(pod, PLACE, places, this.#sources).make();
      this.#volumes.set(component, folders);
    }
    return folders;
  }

  readonly #sources: PodSources = {
    secret: async (_, name) => this.#content('Secret', name, 'base64'),
    configMap: async (_, name) => this.#content('ConfigMap', name, 'utf8'),
    token: async () => {
      throw new Error('nobody is here who makes tokens');
    },
  };

  #content(kind: string, name: string, encoding: BufferEncoding): ReadonlyMap<string, Buffer> {
    const found = this.#manifests.find((each) => each.kind === kind && each.metadata.name === name);
    if (found === undefined) throw new Error(`the chart makes no ${kind} ${name}`);
    const data = Object.entries(found['data'] as Readonly<Record<string, string>>);
    return new Map(data.map(([key, value]) => [key, Buffer.from(value, encoding)]));
  }
}
