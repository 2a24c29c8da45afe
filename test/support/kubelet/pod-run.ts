// One pod on its node: init containers one after another, then all others, started again when they end; readiness by probes; an end in
// order. Says what it sees by `onStatus`.
//
// Left out: liveness probes, back-off that grows, post-start hooks, hooks that run commands, limits of resources, seccomp.
import type { ChildProcess } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type RunnableImage, startInImage } from '../image-runner.ts';
import { containerOptions, environmentOf } from './container-options.ts';
import type { NetnsProbes } from './netns-probe.ts';
import type { ContainerSpec, HttpProbe, Pod, PodPlace, PodSources } from './pod-spec.ts';
import { PodVolumes, type VolumeFolders } from './pod-volumes.ts';

const RESTART_AFTER_MS = 500;
const PROBE_EVERY_MS = 250;
const REFRESH_EVERY_MS = 500;
const LINES_KEPT = 2000;

/** What a pod needs of its node. */
export interface PodEnvironment {
  readonly place: PodPlace;
  /** Name of its network namespace. */
  readonly networkNamespace: string;
  readonly folders: VolumeFolders;
  readonly sources: PodSources;
  readonly probes: NetnsProbes;
  readonly image: (name: string) => Promise<RunnableImage>;
  /** Variables that every container has. */
  readonly serviceEnv: Readonly<Record<string, string>>;
  /** Names beside localhost, as /etc/hosts has them. */
  readonly hosts: () => string;
}

export interface ContainerState {
  readonly name: string;
  readonly image: string;
  readonly isInit: boolean;
  readonly isRunning: boolean;
  readonly isReady: boolean;
  readonly restarts: number;
  /** Undefined while it has never ended. */
  readonly exitCode: number | undefined;
}

export interface PodState {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  readonly isReady: boolean;
  readonly containers: readonly ContainerState[];
}

interface Container {
  readonly spec: ContainerSpec;
  readonly isInit: boolean;
  child: ChildProcess | undefined;
  isReady: boolean;
  restarts: number;
  exitCode: number | undefined;
}

export class PodRun {
  readonly pod: Pod;
  readonly #environment: PodEnvironment;
  readonly #volumes: PodVolumes;
  readonly #containers: readonly Container[];
  readonly #onStatus: (state: PodState) => void;
  readonly #ending = new AbortController();
  readonly #lines: string[] = [];
  #folders: ReadonlyMap<string, string> = new Map();
  #phase: PodState['phase'] = 'Pending';
  #said = '';

  constructor(pod: Pod, environment: PodEnvironment, onStatus: (state: PodState) => void) {
    this.pod = pod;
    this.#environment = environment;
    this.#onStatus = onStatus;
    this.#volumes = new PodVolumes(pod, environment.place, environment.folders, environment.sources);
    const container = (isInit: boolean) => (spec: ContainerSpec) =>
      ({ spec, isInit, child: undefined, isReady: false, restarts: 0, exitCode: undefined }) as Container;
    this.#containers = [
      ...(pod.spec.initContainers ?? []).map(container(true)),
      ...pod.spec.containers.map(container(false)),
    ];
  }

  /** What its containers wrote last. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Runs until it has ended by itself or was ended; rejects where it cannot be made. */
  async run(): Promise<void> {
    const { signal } = this.#ending;
    try {
      await mkdir(this.#environment.folders.pod, { recursive: true });
      this.#folders = await this.#volumes.make();
      for (const container of this.#containers.filter(({ isInit }) => isInit)) {
        while (!signal.aborted && (await this.#once(container)) !== 0) await this.#pause(RESTART_AFTER_MS);
      }
      if (signal.aborted) return;
      this.#phase = 'Running';
      const main = this.#containers.filter(({ isInit }) => !isInit);
      await Promise.all([
        ...main.map((each) => this.#keep(each)),
        this.#refresh(),
        ...main.map((each) => this.#probe(each)),
      ]);
      if (!signal.aborted) this.#phase = main.every(({ exitCode }) => exitCode === 0) ? 'Succeeded' : 'Failed';
    } catch (error) {
      this.#lines.push(`kubelet: ${error instanceof Error ? error.stack : error}`);
      throw error;
    } finally {
      this.#tell();
    }
  }

  /** Ends it as the API's deletion does: hook, SIGTERM, and SIGKILL when the time is over. Resolves when nothing of it runs. */
  async end(graceSeconds: number): Promise<void> {
    const running = this.#containers.filter(({ child }) => child !== undefined);
    const killAt = setTimeout(() => this.kill(), graceSeconds * 1000);
    await Promise.all(
      running.map(async ({ spec, child }) => {
        const ended = new Promise((resolve) => child!.once('close', resolve));
        await delay((spec.lifecycle?.preStop?.sleep?.seconds ?? 0) * 1000);
        this.#ending.abort();
        if (child!.exitCode === null && child!.signalCode === null) {
          child!.kill('SIGTERM');
          await ended;
        }
      }),
    );
    this.#ending.abort();
    clearTimeout(killAt);
    await rm(this.#environment.folders.pod, { recursive: true, force: true });
  }

  /** At once. */
  kill(): void {
    this.#ending.abort();
    for (const { child } of this.#containers) child?.kill('SIGKILL');
  }

  async #keep(container: Container): Promise<void> {
    const { restartPolicy = 'Always' } = this.pod.spec;
    while (!this.#ending.signal.aborted) {
      const code = await this.#once(container);
      if (this.#ending.signal.aborted) return;
      if (restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && code === 0)) return;
      container.restarts++;
      await this.#pause(RESTART_AFTER_MS);
    }
  }

  /** Resolves to its exit code. */
  async #once(container: Container): Promise<number> {
    const { spec } = container;
    const { place, sources, serviceEnv, image, networkNamespace, hosts } = this.#environment;
    const env = await environmentOf(this.pod, spec, place, sources, serviceEnv);
    const options = containerOptions(this.pod, spec, env, this.#folders);
    const { name, namespace } = this.pod.metadata;
    const child = startInImage(
      await image(spec.image),
      {
        ...options,
        networkNamespace,
        hostname: this.pod.spec.hostNetwork ? this.pod.spec.nodeName : name,
        hosts: hosts(),
      },
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    container.child = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(`${namespace}/${name} ${spec.name}: ${line}`);
        if (this.#lines.length > LINES_KEPT) this.#lines.shift();
      });
    }
    this.#tell();
    const code = await new Promise<number>((resolve) =>
      child.once('close', (exit, signal) => resolve(exit ?? (signal ? 137 : 1))),
    );
    Object.assign(container, { child: undefined, isReady: false, exitCode: code });
    this.#tell();
    return code;
  }

  /** Ready when it answers; without a probe, when it runs. */
  async #probe(container: Container): Promise<void> {
    const { startupProbe, readinessProbe } = container.spec;
    let isStarted = startupProbe === undefined;
    while (!this.#ending.signal.aborted && this.#phase === 'Running') {
      if (container.child === undefined) {
        isStarted = startupProbe === undefined;
        if (container.exitCode !== undefined && this.pod.spec.restartPolicy === 'Never') return;
      } else {
        isStarted ||= await this.#answers(container, startupProbe!);
        const isReady = isStarted && (readinessProbe === undefined || (await this.#answers(container, readinessProbe)));
        if (isReady !== container.isReady) {
          container.isReady = isReady && container.child !== undefined;
          this.#tell();
        }
      }
      await this.#pause(PROBE_EVERY_MS);
    }
  }

  async #answers(
    { spec }: Container,
    { httpGet: { path, port, host }, timeoutSeconds = 1 }: HttpProbe,
  ): Promise<boolean> {
    const number = typeof port === 'number' ? port : spec.ports!.find(({ name }) => name === port)!.containerPort;
    const { probes, networkNamespace, place } = this.#environment;
    const status = await probes.get(networkNamespace, `http://${host ?? place.podIp}:${number}${path}`, timeoutSeconds);
    return status !== undefined && status >= 200 && status < 400;
  }

  async #refresh(): Promise<void> {
    const isOver = () =>
      this.#containers.every(
        ({ isInit, child, exitCode }) => isInit || (child === undefined && exitCode !== undefined),
      );
    while (!this.#ending.signal.aborted && !(this.pod.spec.restartPolicy === 'Never' && isOver())) {
      await this.#volumes.refresh();
      await this.#pause(REFRESH_EVERY_MS);
    }
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#ending.signal }).catch(() => undefined);
  }

  #tell(): void {
    const containers = this.#containers.map(({ spec, isInit, child, isReady, restarts, exitCode }) => ({
      ...{ name: spec.name, image: spec.image, isInit, isRunning: child !== undefined, isReady, restarts, exitCode },
    }));
    const isReady = this.#phase === 'Running' && containers.every((each) => each.isInit || each.isReady);
    const state = { phase: this.#phase, isReady, containers };
    const text = JSON.stringify(state);
    if (text === this.#said) return;
    this.#said = text;
    this.#onStatus(state);
  }
}
