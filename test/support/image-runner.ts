// Starts a process from the root file system of an image as a kubelet's runtime does: command, environment, volumes, user, capabilities and
// a root that cannot be written. Knows image_runner.py and the configuration of images; knows no pod. Needs Linux and root.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ImageConfig } from '../../images/parts/image-config.ts';

const RUNNER = join(import.meta.dirname, 'image_runner.py');

/** An image as a folder, and what it says of how it is started. */
export interface RunnableImage {
  readonly root: string;
  readonly config: ImageConfig;
}

/** A file or folder of this machine inside a container. */
export interface Volume {
  readonly source: string;
  /** Absolute path inside. */
  readonly target: string;
  readonly readOnly?: boolean;
}

/** What a pod says of a container. What it does not say is as Kubernetes has it, and the image. */
export interface ContainerOptions {
  /** In place of the image's entry point. */
  readonly command?: readonly string[];
  /** In place of the image's arguments. */
  readonly args?: readonly string[];
  /** Beside the image's environment; nothing comes from this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly volumes?: readonly Volume[];
  /** Empty folders in memory, for everybody to write: `/tmp`. */
  readonly emptyDirs?: readonly string[];
  /** "uid:gid" or "uid" in place of the image's user. */
  readonly user?: string;
  readonly supplementalGroups?: readonly number[];
  /** Those it keeps, as `NET_ADMIN`; none by default. Only root has any. */
  readonly capabilities?: readonly string[];
  /** All capabilities, and /proc/sys can be written. */
  readonly privileged?: boolean;
  readonly readOnlyRoot?: boolean;
  /** Name of a network namespace (`ip netns`); by default that of this process. */
  readonly networkNamespace?: string;
  readonly hostname?: string;
  /** Content of /etc/resolv.conf, and lines of /etc/hosts beside those of localhost. */
  readonly resolvConf?: string;
  readonly hosts?: string;
  readonly workingDir?: string;
}

const LOCALHOST = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n';

/**
 * Starts a container. The child is the runner: it passes signals on, ends with the exit code or the signal of the process, and that process
 * dies with it. Exit code 128: the container could not be made, and standard error says why.
 */
export function startInImage(
  image: RunnableImage,
  options: ContainerOptions = {},
  spawning: SpawnOptions = {},
): ChildProcess {
  const { config, root } = image;
  const [uid, gid = '0'] = (options.user ?? config.user).split(':');
  const hostname = options.hostname ?? 'container';
  const spec = {
    root,
    argv: [...(options.command ?? config.entrypoint), ...(options.args ?? (options.command ? [] : config.cmd))],
    env: { ...config.env, HOSTNAME: hostname, ...options.env },
    workingDir: options.workingDir ?? config.workingDir,
    uid: Number(uid),
    gid: Number(gid),
    groups: options.supplementalGroups ?? [],
    capabilities: options.capabilities ?? [],
    privileged: options.privileged ?? false,
    readOnlyRoot: options.readOnlyRoot ?? true,
    networkNamespace: options.networkNamespace ?? null,
    hostname,
    binds: (options.volumes ?? []).map((volume) => ({ ...volume, readOnly: volume.readOnly ?? false })),
    tmpfs: options.emptyDirs ?? [],
    files: {
      '/etc/hostname': `${hostname}\n`,
      '/etc/hosts': `${LOCALHOST}${options.hosts ?? ''}`,
      '/etc/resolv.conf': options.resolvConf ?? '',
    },
  };
  return spawn('python3', [RUNNER, JSON.stringify(spec)], spawning);
}
