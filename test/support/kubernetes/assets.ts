// The programs of a real Kubernetes control plane, as users of envtest have them: KUBEBUILDER_ASSETS names a folder with kube-apiserver,
// kube-controller-manager, kube-scheduler and perhaps etcd; or with one binary of the first three, packed (kube-control-plane-*.zst),
// which is the program whose name it is started by. Knows files; starts nothing.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, chmod, link, readdir, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { installOnce } from '../install-once.ts';

const PROGRAMS = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;

/** Paths of programs. */
export interface ControlPlaneAssets {
  readonly apiServer: string;
  readonly controllerManager: string;
  readonly scheduler: string;
  readonly etcd: string;
}

/** How to get the programs, for whoever lacks them. */
export const HOW_TO_GET_ASSETS = `envtest's setup-envtest gets kube-apiserver and etcd, and prints the folder that KUBEBUILDER_ASSETS is to name:
  go run sigs.k8s.io/controller-runtime/tools/setup-envtest@latest use 1.34.x --print path
kube-controller-manager and kube-scheduler of the same version go into that folder from the Kubernetes release:
  https://dl.k8s.io/v1.34.2/bin/linux/amd64/kube-controller-manager (and …/kube-scheduler); make them executable`;

/** The programs, or a sentence on what is missing. */
export const findControlPlaneAssets = (): Promise<ControlPlaneAssets | { readonly missing: string }> =>
  findAssets(process.env['KUBEBUILDER_ASSETS']);

/** The same for tests: what is missing is an error under CI=true. */
export async function controlPlaneAssets(): Promise<ControlPlaneAssets | { readonly missing: string }> {
  const assets = await findControlPlaneAssets();
  if ('missing' in assets && process.env['CI'] === 'true') {
    throw new Error(assets.missing);
  }
  return assets;
}

async function findAssets(folder: string | undefined): Promise<ControlPlaneAssets | { readonly missing: string }> {
  if (folder === undefined || folder === '') {
    return { missing: 'KUBEBUILDER_ASSETS is not set: it names the folder of kube-apiserver and the like' };
  }
  if (!(await isThere(folder))) {
    return { missing: `KUBEBUILDER_ASSETS names ${folder}, and there is no such folder` };
  }
  const etcd = await firstThere(
    [folder, ...(process.env['PATH'] ?? '').split(delimiter)].map((dir) => join(dir, 'etcd')),
  );
  if (etcd === undefined) {
    return {
      missing: 'etcd is neither in KUBEBUILDER_ASSETS nor on the path (on Debian: apt-get install etcd-server)',
    };
  }
  const absent = await absentFrom(folder);
  const programs = absent.length === 0 ? folder : await unpacked(folder);
  if (programs === undefined) {
    return { missing: `KUBEBUILDER_ASSETS (${folder}) has no ${absent.join(', no ')}` };
  }
  const [apiServer, controllerManager, scheduler] = PROGRAMS.map((name) => join(programs, name));
  return { apiServer: apiServer!, controllerManager: controllerManager!, scheduler: scheduler!, etcd };
}

/** Folder of the unpacked programs, made once in test/.cache; undefined where there is no packed binary. */
async function unpacked(folder: string): Promise<string | undefined> {
  const packed = (await readdir(folder))
    .filter((name) => /^kube-control-plane-.*\.zst$/.test(name))
    .sort()
    .at(-1);
  if (packed === undefined) return undefined;
  const { size, mtimeMs } = await stat(join(folder, packed));
  const hash = createHash('sha256').update(`${packed} ${size} ${mtimeMs}`).digest('hex').slice(0, 16);
  return installOnce(`kube-control-plane-${hash}`, async (target) => {
    const binary = join(target, PROGRAMS[0]);
    await pipeline(createReadStream(join(folder, packed)), createZstdDecompress(), createWriteStream(binary));
    await chmod(binary, 0o755);
    for (const name of PROGRAMS.slice(1)) await link(binary, join(target, name));
  });
}

async function absentFrom(folder: string): Promise<string[]> {
  const absent: string[] = [];
  for (const name of PROGRAMS) {
    if (!(await isThere(join(folder, name)))) absent.push(name);
  }
  return absent;
}

async function firstThere(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (await isThere(path)) return path;
  }
  return undefined;
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
