// Root file systems as an OCI image layout in one tar: what registries and runtimes take, reproducible to the byte. Knows the OCI's
// documents and tar; knows no program.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { command } from './command.ts';
import type { FileTree } from './file-tree.ts';
import type { ImageConfig } from './image-config.ts';
import type { Architecture } from './platforms.ts';

/** One platform of an image. */
export interface PlatformImage {
  readonly architecture: Architecture;
  readonly tree: FileTree;
  readonly config: ImageConfig;
}

interface Blob {
  readonly mediaType: string;
  /** "sha256:…" */
  readonly digest: string;
  readonly size: number;
}

/** All files have the time at which Unix began: when an image was made says nothing of what is in it. */
const FILE_TIME = '@0';
const CREATED = '1970-01-01T00:00:00Z';

/** Layers from what changes least to what changes most, so that an upgrade loads the last one alone. */
const LAYERS: readonly { readonly name: string; readonly holds: (path: string) => boolean }[] = [
  { name: 'libraries of Debian', holds: (path) => !/^\/(opt|usr\/local)\//.test(path) },
  { name: 'Node', holds: (path) => /^\/usr\/local\/(bin\/node|share\/doc\/node\/.*)$/.test(path) },
  {
    name: 'Flowtoll',
    holds: (path) =>
      /^\/(opt|usr\/local)\//.test(path) && !/^\/usr\/local\/(bin\/node|share\/doc\/node\/.*)$/.test(path),
  },
];

/**
 * Writes the layout. Gives the digest of the image, "sha256:…": what registries have it under, when nobody packs its layers anew.
 * @param reference name and tag, `ghcr.io/flowtoll/agent:0.1.0`
 * @param work an empty folder
 * @param file the tar that is written
 */
export async function writeOciLayout(
  reference: string,
  images: readonly PlatformImage[],
  work: string,
  file: string,
): Promise<string> {
  const blobs = join(work, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const made = await Promise.all(images.map((image) => writeImage(image, blobs, work)));
  const list = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: made.map(descriptor),
  };
  const top =
    made.length === 1 ? { ...descriptor(made[0]!), ...made[0]!.manifest } : putJson(blobs, list.mediaType, list);
  const annotations = {
    'io.containerd.image.name': reference,
    'org.opencontainers.image.ref.name': reference.slice(reference.lastIndexOf(':') + 1),
  };
  const index = { schemaVersion: 2, mediaType: list.mediaType, manifests: [{ ...top, annotations }] };
  writeFileSync(join(work, 'index.json'), JSON.stringify(index));
  writeFileSync(join(work, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const names = ['blobs', 'index.json', 'oci-layout'];
  if (made.length === 1) {
    // What `docker load` reads that knows no OCI layouts yet; it knows one platform only.
    const { config, layers } = made[0]!;
    const path = ({ digest }: Blob): string => `blobs/${digest.replace(':', '/')}`;
    const manifest = [{ Config: path(config), RepoTags: [reference], Layers: layers.map(path) }];
    writeFileSync(join(work, 'manifest.json'), JSON.stringify(manifest));
    names.push('manifest.json');
  }
  await tar(work, names, file, ['--mode=u=rwX,go=rX']);
  return top.digest;
}

interface WrittenImage {
  readonly architecture: Architecture;
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly Blob[];
}

const descriptor = ({ manifest, architecture }: WrittenImage): object => ({
  ...manifest,
  platform: { architecture, os: 'linux' },
});

async function writeImage(
  { architecture, tree, config }: PlatformImage,
  blobs: string,
  work: string,
): Promise<WrittenImage> {
  const layers: (Blob & { readonly diffId: string; readonly name: string })[] = [];
  const paths = tree.paths();
  for (const { name, holds } of LAYERS) {
    layers.push({
      name,
      ...(await writeLayer(tree, withParents(paths.filter(holds)), blobs, join(work, architecture))),
    });
  }
  const environment = Object.entries(config.env).map(([name, value]) => `${name}=${value}`);
  const configBlob = putJson(blobs, 'application/vnd.oci.image.config.v1+json', {
    created: CREATED,
    architecture,
    os: 'linux',
    ...(architecture === 'arm64' && { variant: 'v8' }),
    config: {
      User: config.user,
      ExposedPorts: Object.fromEntries(config.exposedPorts.map((port) => [port, {}])),
      Env: environment,
      Entrypoint: config.entrypoint,
      Cmd: config.cmd,
      WorkingDir: config.workingDir,
      StopSignal: config.stopSignal,
      Labels: config.labels,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ name }) => ({ created: CREATED, created_by: name })),
  });
  const blobOf = ({ mediaType, digest, size }: Blob): Blob => ({ mediaType, digest, size });
  const manifest = putJson(blobs, 'application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: configBlob,
    layers: layers.map(blobOf),
    annotations: config.labels,
  });
  return { architecture, manifest, config: configBlob, layers: layers.map(blobOf) };
}

/** The folders that hold these paths come with them: a layer is complete by itself. */
function withParents(paths: readonly string[]): string[] {
  const all = new Set<string>();
  for (const path of paths) {
    for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1)) all.add(path.slice(0, end + 1));
    all.add(path);
  }
  return [...all].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

async function writeLayer(
  tree: FileTree,
  paths: readonly string[],
  blobs: string,
  temporary: string,
): Promise<Blob & { diffId: string }> {
  const plain = `${temporary}.tar`;
  const list = `${temporary}.list`;
  writeFileSync(list, paths.map((path) => `.${path.replace(/\/$/, '')}\0`).join(''));
  await tar(tree.folder, ['--no-recursion', '--null', `--files-from=${list}`], plain);
  const packed = `${temporary}.tar.gz`;
  const diff = createHash('sha256');
  const digest = createHash('sha256');
  const gzip = createGzip();
  const source = createReadStream(plain).on('data', (chunk) => diff.update(chunk));
  gzip.on('data', (chunk: Buffer) => digest.update(chunk));
  await pipeline(source, gzip, createWriteStream(packed));
  const hex = digest.digest('hex');
  const size = statSync(packed).size;
  renameSync(packed, join(blobs, hex));
  await command('rm', [plain, list]);
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: `sha256:${hex}`,
    size,
    diffId: `sha256:${diff.digest('hex')}`,
  };
}

/** The same files give the same bytes: sorted, of one time, of root. */
async function tar(
  folder: string,
  what: readonly string[],
  file: string,
  options: readonly string[] = [],
): Promise<void> {
  const same = ['--sort=name', `--mtime=${FILE_TIME}`, '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];
  await command('tar', ['-C', folder, ...same, ...options, '-cf', file, ...what]);
}

function putJson(blobs: string, mediaType: string, document: object): Blob {
  const bytes = Buffer.from(JSON.stringify(document));
  const hex = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(blobs, hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}
