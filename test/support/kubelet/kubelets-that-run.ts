// Plays the kubelets of all nodes for pods that really run: processes from images, in the network namespaces of nodes and pods. Watches by
// looking again and again. Knows the API, and how a node runs a pod (pod-run.ts); what the nodes are is told.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunnableImage } from '../image-runner.ts';
import { type KubeClient, type KubeObject, pathOf } from '../kubernetes/kube-client.ts';
import { NetnsProbes } from './netns-probe.ts';
import { PodRun, type PodState } from './pod-run.ts';
import type { Pod, PodPlace, PodSources } from './pod-spec.ts';

const LOOK_EVERY_MS = 100;

/** Network of a pod that has its own. */
export interface PodNetwork {
  readonly namespace: string;
  readonly address: string;
}

export interface RunningKubeletsOptions {
  readonly client: KubeClient;
  /** Pods of this namespace are run. */
  readonly namespace: string;
  readonly nodes: ReadonlyMap<string, { readonly networkNamespace: string; readonly address: string }>;
  /** Given to pods, one at a time. */
  readonly networks: readonly PodNetwork[];
  readonly image: (name: string) => Promise<RunnableImage>;
  readonly serviceEnv: Readonly<Record<string, string>>;
  readonly hosts: () => string;
  /** An empty folder: disks of nodes, claims, volumes of pods. */
  readonly folder: string;
}

export class RunningKubelets {
  readonly #options: RunningKubeletsOptions;
  readonly #runs = new Map<string, PodRun>();
  readonly #ending = new Set<string>();
  readonly #networks = new Map<string, PodNetwork>();
  readonly #probes = new NetnsProbes();
  readonly #stopped = new AbortController();
  readonly #lines: string[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #running: Promise<void>;
  readonly #sources: PodSources;
  #failure: unknown;

  constructor(options: RunningKubeletsOptions) {
    this.#options = options;
    this.#sources = sourcesOf(options.client);
    this.#running = this.#run();
    this.#running.catch(() => undefined);
  }

  /** What all containers wrote, of pods that run and of those that have ended. */
  get lines(): readonly string[] {
    return [...this.#lines, ...[...this.#runs.values()].flatMap(({ lines }) => lines)];
  }

  /** The disk of a node. */
  diskOf(node: string): string {
    return join(this.#options.folder, 'nodes', node);
  }

  /** Kills what runs. Rejects if it had to give up before. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    for (const run of this.#runs.values()) run.kill();
    await this.#running;
    await Promise.all(this.#tasks);
    this.#probes.close();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    const { client, namespace } = this.#options;
    while (!signal.aborted) {
      const pods = (await client.list('pods', namespace)) as readonly Pod[];
      for (const pod of pods) this.#tend(pod);
      const uids = new Set(pods.map(({ metadata }) => metadata.uid));
      for (const [uid, run] of this.#runs) if (!uids.has(uid) && !this.#ending.has(uid)) this.#end(run.pod, 0);
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #tend(pod: Pod): void {
    const { uid, deletionTimestamp } = pod.metadata;
    if (!this.#options.nodes.has(pod.spec.nodeName)) return;
    if (deletionTimestamp !== undefined) {
      if (!this.#ending.has(uid))
        this.#end(pod, (pod.metadata as { deletionGracePeriodSeconds?: number }).deletionGracePeriodSeconds ?? 30);
    } else if (!this.#runs.has(uid) && pod['status'].phase === 'Pending') {
      this.#begin(pod);
    }
  }

  #begin(pod: Pod): void {
    const { nodes, folder, image, serviceEnv, hosts } = this.#options;
    const node = nodes.get(pod.spec.nodeName)!;
    const network = pod.spec.hostNetwork
      ? { namespace: node.networkNamespace, address: node.address }
      : this.#options.networks.find((each) => ![...this.#networks.values()].includes(each));
    // It waits until one is free.
    if (network === undefined) return;
    const { uid } = pod.metadata;
    if (!pod.spec.hostNetwork) this.#networks.set(uid, network);
    const place: PodPlace = { podIp: network.address, hostIp: node.address };
    const folders = {
      pod: join(folder, 'pods', uid),
      node: this.diskOf(pod.spec.nodeName),
      claims: join(folder, 'claims'),
    };
    const { namespace: networkNamespace } = network;
    const environment = {
      place,
      networkNamespace,
      folders,
      sources: this.#sources,
      probes: this.#probes,
      image,
      serviceEnv,
      hosts,
    };
    const startTime = new Date().toISOString();
    let saying = Promise.resolve();
    const run = new PodRun(pod, environment, (state) => {
      saying = saying.then(() => this.#say(pod, podStatus(state, place, startTime)));
      this.#task(saying);
    });
    this.#runs.set(uid, run);
    this.#task(run.run());
  }

  #end(pod: Pod, graceSeconds: number): void {
    const { uid, name, namespace } = pod.metadata;
    this.#ending.add(uid);
    const end = async (): Promise<void> => {
      const run = this.#runs.get(uid);
      await run?.end(graceSeconds);
      this.#lines.push(...(run?.lines ?? []));
      this.#runs.delete(uid);
      this.#networks.delete(uid);
      await this.#options.client.delete('pods', namespace, name, { gracePeriodSeconds: 0 });
    };
    this.#task(end());
  }

  #task(task: Promise<void>): void {
    const noted = task.catch((error: unknown) => {
      if (!this.#stopped.signal.aborted) this.#failure ??= error;
    });
    this.#tasks.add(noted);
    noted.finally(() => this.#tasks.delete(noted));
  }

  /** Somebody may have deleted it a moment ago. */
  async #say({ metadata }: KubeObject, status: object): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    await this.#options.client
      .patch('pods', metadata.namespace, metadata.name, { status }, 'status')
      .catch((error: Error) => (error.message.includes('404') ? undefined : Promise.reject(error)));
  }
}

/** Removes a folder that nodes had, whoever owns what is in it. */
export function removeDisks(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

function podStatus({ phase, isReady, containers }: PodState, { podIp, hostIp }: PodPlace, startTime: string): object {
  const now = new Date().toISOString();
  const condition = (type: string, isTrue: boolean) => ({
    type,
    status: isTrue ? 'True' : 'False',
    lastTransitionTime: now,
  });
  const statuses = (isInit: boolean) =>
    containers
      .filter((container) => container.isInit === isInit)
      .map(({ name, image, isRunning, isReady: ready, restarts, exitCode }) => ({
        ...{
          name,
          image,
          imageID: image,
          ready: isInit ? exitCode === 0 : ready,
          started: isRunning,
          restartCount: restarts,
        },
        state: isRunning
          ? { running: { startedAt: now } }
          : exitCode === undefined
            ? { waiting: { reason: 'PodInitializing' } }
            : {
                terminated: {
                  exitCode,
                  reason: exitCode === 0 ? 'Completed' : 'Error',
                  startedAt: startTime,
                  finishedAt: now,
                },
              },
      }));
  return {
    ...{ phase, podIP: podIp, podIPs: [{ ip: podIp }], hostIP: hostIp, hostIPs: [{ ip: hostIp }], startTime },
    conditions: [
      condition('PodScheduled', true),
      condition('Initialized', phase !== 'Pending'),
      condition('ContainersReady', isReady),
      condition('Ready', isReady),
    ],
    initContainerStatuses: statuses(true),
    containerStatuses: statuses(false),
  };
}

function sourcesOf(client: KubeClient): PodSources {
  const read = async (path: string): Promise<KubeObject> => {
    const { status, text } = await client.ask(path);
    if (status !== 200) throw new Error(`GET ${path}: HTTP ${status}: ${text}`);
    return JSON.parse(text) as KubeObject;
  };
  return {
    secret: async (namespace, name) => {
      const { data = {} } = await read(`/api/v1/namespaces/${namespace}/secrets/${name}`);
      return new Map(
        Object.entries(data as Record<string, string>).map(([key, value]) => [key, Buffer.from(value, 'base64')]),
      );
    },
    configMap: async (namespace, name) => {
      const { data = {} } = await read(`/api/v1/namespaces/${namespace}/configmaps/${name}`);
      return new Map(Object.entries(data as Record<string, string>).map(([key, value]) => [key, Buffer.from(value)]));
    },
    token: async ({ metadata, spec }, audience, expirationSeconds) => {
      const path = `${pathOf('serviceaccounts', metadata.namespace, spec.serviceAccountName ?? 'default')}/token`;
      const { status, text } = await client.ask(path, {
        method: 'POST',
        body: {
          ...{ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' },
          spec: {
            ...(audience !== undefined && { audiences: [audience] }),
            expirationSeconds,
            boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: metadata.name, uid: metadata.uid },
          },
        },
      });
      if (status > 299) throw new Error(`a token for ${metadata.name}: HTTP ${status}: ${text}`);
      return (JSON.parse(text) as { readonly status: { readonly token: string } }).status.token;
    },
  };
}
