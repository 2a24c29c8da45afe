// What is in a root file system, as the file system says it. Knows no image and none of the code that makes them.
import { execFileSync, spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface TreeEntry {
  /** Absolute, as a process inside would name it. */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Permissions with setuid, setgid and sticky bits. */
  readonly mode: number;
  /** "uid:gid" */
  readonly owner: string;
  /** Of a link. */
  readonly target: string | undefined;
}

/** Everything below the root, parents first, and not the root itself. */
export function treeOf(root: string): TreeEntry[] {
  const found: TreeEntry[] = [];
  const walk = (path: string): void => {
    for (const name of readdirSync(join(root, path)).sort()) {
      const inside = `${path}/${name}`;
      const stats = lstatSync(join(root, inside));
      const is = { folder: stats.isDirectory(), link: stats.isSymbolicLink(), file: stats.isFile() };
      found.push({
        path: inside,
        kind: is.folder ? 'folder' : is.link ? 'link' : is.file ? 'file' : 'other',
        mode: stats.mode & 0o7777,
        owner: `${stats.uid}:${stats.gid}`,
        target: is.link ? readlinkSync(join(root, inside)) : undefined,
      });
      if (is.folder) walk(inside);
    }
  };
  walk('');
  return found;
}

const LIST_CAPABILITIES = `import os, sys
for folder, _, files in os.walk(sys.argv[1]):
    for path in (os.path.join(folder, name) for name in files):
        if "security.capability" in os.listxattr(path, follow_symlinks=False): print(path)`;

/** Files that give whoever runs them capabilities (`setcap`). */
export function fileCapabilities(root: string): string[] {
  const lines = execFileSync('python3', ['-c', LIST_CAPABILITIES, root], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line !== '');
}

/** What binutils' `readelf` says of an ELF file. */
export interface ElfFacts {
  readonly path: string;
  /** As "AArch64" or "Advanced Micro Devices X86-64". */
  readonly machine: string;
  /** Libraries that the loader has to find. */
  readonly needed: readonly string[];
  /** Where it looks besides, as the file says it: "$ORIGIN". */
  readonly runpath: string | undefined;
  /** Path of the loader, where it names one. */
  readonly interpreter: string | undefined;
  /** Versions of symbols that it asks of others, as "libc.so.6 GLIBC_2.28". */
  readonly asked: readonly string[];
  /** Versions of symbols that it has for others. */
  readonly given: readonly string[];
}

/** Those of these paths that are ELF files. */
export function elfFacts(root: string, paths: readonly string[]): ElfFacts[] {
  return readelf(paths.map((path) => join(root, path)))
    .split(/^File: /m)
    .slice(1)
    .filter((text) => /^ELF Header:/m.test(text))
    .map((text) => {
      const name = text.slice(0, text.indexOf('\n'));
      const [before, defined = ''] = text.split(/^Version definition section .*$/m);
      const [own, asked = ''] = (before! + defined.slice(defined.indexOf('\n\n'))).split(/^Version needs section .*$/m);
      return {
        path: name.slice(root.length),
        machine: /^ +Machine: +(.*)$/m.exec(own!)![1]!,
        needed: [...text.matchAll(/\(NEEDED\) +Shared library: \[(.*)\]/g)].map((match) => match[1]!),
        runpath: /\((?:RUNPATH|RPATH)\).*\[(.*)\]/.exec(text)?.[1],
        interpreter: /\[Requesting program interpreter: (.*)\]/.exec(text)?.[1],
        asked: asked
          .split(/ File: /)
          .slice(1)
          .flatMap((library) =>
            [...library.matchAll(/ Name: (\S+) /g)].map((match) => `${/^\S+/.exec(library)![0]} ${match[1]}`),
          ),
        given: [...defined.matchAll(/ Cnt: \d+ +Name: (\S+)/g)].map((match) => match[1]!),
      };
    });
}

function readelf(files: readonly string[]): string {
  // It says which file it speaks of where there are several. Of files that are no ELF files it says so, and ends with 1.
  const what = ['--file-header', '--program-headers', '--dynamic', '--version-info', '--wide'];
  const { stdout, error } = spawnSync('readelf', [...what, '/dev/null', ...files], {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 ** 2,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  if (error !== undefined) throw error;
  return stdout;
}
