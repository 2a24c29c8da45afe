// The root file system of an image: the bundle, Node, and of Debian what these need. No shell, no package manager, nothing that could
// change itself. Knows where everything lies in an image; fetches nothing.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bundle } from '../bundle.ts';
import { readPackage } from './bundled-packages.ts';
import { FileTree } from './file-tree.ts';
import type { ImageParts, UnpackedPackage } from './image-parts.ts';
import { EXTENSIONS_FOLDER, NODE, PROGRAM_FOLDER, USERS } from './layout.ts';
import { addNeededLibraries } from './needed-libraries.ts';
import type { Platform } from './platforms.ts';
import {
  billOfMaterials,
  type Component,
  containedComponents,
  debianComponent,
  extensionComponent,
  nodeComponent,
  npmComponent,
} from './sbom.ts';

/** A root file system in a folder. */
export interface RootFileSystem {
  readonly tree: FileTree;
  /** CycloneDX, as JSON. */
  readonly sbom: string;
}

/** @param folder an empty folder, or none */
export function makeRootFileSystem(
  folder: string,
  bundle: Bundle,
  parts: ImageParts,
  platform: Platform,
  version: string,
): RootFileSystem {
  const tree = new FileTree(folder);
  const { program } = bundle;
  makeSkeleton(tree, program.name === 'aggregator');
  addProgram(tree, bundle, parts, platform);
  tree.copy(join(parts.node.folder, 'bin', 'node'), NODE, 0o755);
  tree.copy(join(parts.node.folder, 'LICENSE'), '/usr/local/share/doc/node/LICENSE');
  const extensions = parts.extensions.map((each) => addExtension(tree, each, platform));
  const libraries = addNeededLibraries(tree, parts.debian, platform);
  const debian = addDebianFiles(tree, parts.debian, libraries);
  const release = /^VERSION_ID="(.*)"$/m.exec(readFileSync(tree.at('/usr/lib/os-release'), 'utf8'))![1]!;
  const natives = parts.natives.map(({ folder: place, integrity }) => readPackage(place, integrity));
  const components = [
    ...debian.map((each) => debianComponent(each, release)),
    nodeComponent(parts.node),
    ...[...bundle.packages, ...natives].map(npmComponent),
    ...program.natives.flatMap((part, index) => containedComponents(part, natives[index]!.version)),
    ...extensions.map(extensionComponent),
  ] satisfies Component[];
  const sbom = billOfMaterials({ name: `flowtoll-${program.name}`, version, platform }, components);
  tree.write(`/usr/local/share/sbom/flowtoll-${program.name}.cdx.json`, sbom);
  return { tree, sbom };
}

/** What a kernel, a container runtime and libc expect to be there. */
function makeSkeleton(tree: FileTree, isAggregator: boolean): void {
  for (const path of ['/dev', '/etc', '/proc', '/run', '/sys', '/usr/lib', '/usr/lib64', '/var/lib/flowtoll']) {
    tree.directory(path);
  }
  tree.directory('/tmp', 0o1777);
  tree.link('/lib', 'usr/lib');
  tree.link('/lib64', 'usr/lib64');
  const users = isAggregator ? [USERS.root, USERS.flowtoll] : [USERS.root];
  tree.write('/etc/passwd', users.map(({ name, id }) => `${name}:x:${id}:${id}::/tmp:/sbin/nologin\n`).join(''));
  tree.write('/etc/group', users.map(({ name, id }) => `${name}:x:${id}:\n`).join(''));
  tree.write('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n');
}

function addProgram(tree: FileTree, { program, main, files }: Bundle, parts: ImageParts, platform: Platform): void {
  for (const [file, bytes] of files) tree.write(join(PROGRAM_FOLDER, file), bytes, file === main ? 0o755 : 0o644);
  tree.link(`/usr/local/bin/${program.command}`, join(PROGRAM_FOLDER, main));
  program.natives.forEach((native, index) => {
    const { folder } = parts.natives[index]!;
    for (const [from, to] of native.files[platform.node]) {
      tree.copy(join(folder, from), join(PROGRAM_FOLDER, 'native', to), 0o755);
    }
  });
}

/** Into the folder that DuckDB would look in, below one of ours. */
function addExtension(tree: FileTree, extension: UnpackedPackage, { duckdb }: Platform): UnpackedPackage {
  const root = join(extension.folder, extension.name.replaceAll('-', '_'), 'extensions');
  const [duckdbVersion] = readdirSync(root);
  const files = duckdbVersion === undefined ? [] : readdirSync(join(root, duckdbVersion));
  if (files.length !== 1) throw new Error(`${extension.name} has not one extension, but ${files.join(', ')}`);
  tree.copy(join(root, duckdbVersion!, files[0]!), join(EXTENSIONS_FOLDER, duckdbVersion!, duckdb, files[0]!));
  return extension;
}

/**
 * Authorities, the name of the distribution, and for every package that gave a file its licence and its record, where scanners of
 * images look for it. Gives those packages.
 */
function addDebianFiles(
  tree: FileTree,
  packages: readonly UnpackedPackage[],
  libraries: ReadonlySet<string>,
): UnpackedPackage[] {
  const byName = (name: string): UnpackedPackage => {
    const found = packages.find((each) => each.name === name);
    if (found === undefined) throw new Error(`images.lock.json has no Debian package ${name}`);
    return found;
  };
  tree.copy(join(byName('base-files').folder, 'usr/lib/os-release'), '/usr/lib/os-release');
  tree.link('/etc/os-release', '../usr/lib/os-release');
  tree.write('/etc/ssl/certs/ca-certificates.crt', authorities(byName('ca-certificates').folder));
  const givers = packages.filter(
    ({ name }) => libraries.has(name) || /^(base-files|ca-certificates|gcc-.*-base)$/.test(name),
  );
  for (const { name, folder } of givers) {
    tree.write(`/var/lib/dpkg/status.d/${name}`, readFileSync(join(folder, 'DEBIAN', 'control')));
    const copyright = join(folder, 'usr/share/doc', name, 'copyright');
    // The libraries of GCC link to the folder of the package that has the text for all of them.
    if (existsSync(copyright)) tree.copy(copyright, `/usr/share/doc/${name}/copyright`);
    else tree.link(`/usr/share/doc/${name}`, givers.find((each) => /^gcc-.*-base$/.test(each.name))!.name);
  }
  return givers;
}

/** All authorities in one file, as update-ca-certificates makes it. */
function authorities(folder: string): string {
  const place = join(folder, 'usr/share/ca-certificates/mozilla');
  const files = readdirSync(place).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return files.map((file) => `${readFileSync(join(place, file), 'utf8').trimEnd()}\n`).join('');
}
