// The libraries that programs and native parts need, and those that these need: what the loader will look for, no more. Knows ELF files and
// where Debian's packages keep libraries; knows no program.
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { readElf } from './elf.ts';
import type { FileTree } from './file-tree.ts';
import type { UnpackedPackage } from './image-parts.ts';
import type { Platform } from './platforms.ts';

/** Where libraries lie in an image; the loader looks there by itself. */
export function libraryFolder({ multiarch }: Platform): string {
  return `/usr/lib/${multiarch}`;
}

/**
 * Puts every library into the tree that a file in it needs and that is not there; the names of the packages that gave one.
 * Throws when no package has it, or when a file is for another machine.
 */
export function addNeededLibraries(
  tree: FileTree,
  packages: readonly UnpackedPackage[],
  platform: Platform,
): ReadonlySet<string> {
  const givers = new Set<string>();
  const waiting = tree.files();
  const there = new Set(waiting.map((path) => basename(path)));
  for (const path of waiting) {
    const elf = readElf(tree.at(path));
    if (elf === undefined) continue;
    if (elf.machine !== platform.elfMachine) {
      throw new Error(`${path} is for machine ${elf.machine}, and not for ${platform.architecture}`);
    }
    for (const name of elf.needed) {
      if (there.has(name)) continue;
      there.add(name);
      const { file, giver } = find(name, packages, platform, path);
      const place = join(libraryFolder(platform), name);
      tree.copy(file, place, 0o755);
      givers.add(giver);
      waiting.push(place);
    }
    if (elf.interpreter !== undefined) addLoader(tree, elf.interpreter, platform);
  }
  return givers;
}

function find(
  name: string,
  packages: readonly UnpackedPackage[],
  { multiarch }: Platform,
  by: string,
): { file: string; giver: string } {
  for (const { name: giver, folder } of packages) {
    for (const place of [`usr/lib/${multiarch}`, `lib/${multiarch}`]) {
      const file = join(folder, place, name);
      if (existsSync(file)) return { file: realpathSync(file), giver };
    }
  }
  const asked = packages.map(({ name: each }) => each).join(', ');
  throw new Error(`${by} needs ${name}, which none of ${asked} has: add its package in images/lock.ts`);
}

/** The kernel starts a program by the path of its loader, which links to where the libraries are. */
function addLoader(tree: FileTree, interpreter: string, platform: Platform): void {
  const place = `/usr${interpreter}`;
  if (existsSync(tree.at(place))) return;
  tree.link(place, relative(dirname(place), join(libraryFolder(platform), basename(interpreter))));
}
