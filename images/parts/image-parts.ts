// Fetches and unpacks what an image is made of beside the bundle: Debian's packages, Node, native parts, DuckDB's extensions. All by the
// locks. Knows who is asked for what; puts nothing into an image.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.ts';
import { DebianArchive } from './debian-archive.ts';
import { lockedFile } from './fetched-files.ts';
import { type ImageLock, type LockedPackage, npmLocked } from './lock.ts';
import type { Platform } from './platforms.ts';
import type { Program } from './programs.ts';
import { fetchNpm, fetchWheel } from './registries.ts';

/** A package and the folder that holds its files. */
export interface UnpackedPackage extends LockedPackage {
  readonly folder: string;
}

export interface ImageParts {
  readonly debian: readonly UnpackedPackage[];
  readonly node: UnpackedPackage;
  /** In the order of `Program.natives`. */
  readonly natives: readonly UnpackedPackage[];
  readonly extensions: readonly UnpackedPackage[];
}

/**
 * @param cache holds what was fetched, by checksum
 * @param work an empty folder for what is unpacked
 */
export async function imageParts(
  program: Program,
  platform: Platform,
  lock: ImageLock,
  cache: string,
  work: string,
): Promise<ImageParts> {
  const { architecture } = platform;
  const npm = async (locked: LockedPackage): Promise<UnpackedPackage> => {
    const file = await lockedFile(cache, locked, (folder) => fetchNpm(folder, locked.name, locked.version));
    return unpack(locked, work, (folder) => command('tar', ['-xzf', file, '-C', folder, '--strip-components=1']));
  };
  const wheel = async (locked: LockedPackage): Promise<UnpackedPackage> => {
    const { name, version } = locked;
    const file = await lockedFile(cache, locked, (folder) => fetchWheel(folder, name, version, platform.wheel));
    return unpack(locked, work, (folder) => command('python3', ['-m', 'zipfile', '-e', file, folder]));
  };
  const [debian, [node], natives, extensions] = await Promise.all([
    debianPackages(platform, lock, cache, work),
    Promise.all(lock.node[architecture].map(npm)),
    Promise.all(program.natives.map(({ packages }) => npm(npmLocked(packages[platform.node])))),
    program.name === 'aggregator' ? Promise.all(lock.extensions[architecture].map(wheel)) : [],
  ]);
  if (node === undefined) throw new Error(`images.lock.json names no Node for ${architecture}`);
  return { debian, node, natives, extensions };
}

async function debianPackages(
  { architecture }: Platform,
  { debian: { suite, packages } }: ImageLock,
  cache: string,
  work: string,
): Promise<UnpackedPackage[]> {
  // The lists are read only when something has to be fetched.
  let opened: Promise<DebianArchive> | undefined;
  const archive = (): Promise<DebianArchive> => {
    opened ??= DebianArchive.open(cache, suite, architecture);
    return opened;
  };
  try {
    return await Promise.all(
      packages[architecture].map(async (locked) => {
        const file = await lockedFile(cache, locked, async (folder) => (await archive()).fetchInto(folder, locked));
        return unpack(locked, work, async (folder) => {
          await command('dpkg-deb', ['--extract', file, folder]);
          await command('dpkg-deb', ['--control', file, join(folder, 'DEBIAN')]);
        });
      }),
    );
  } finally {
    (await opened?.catch(() => undefined))?.close();
  }
}

async function unpack(
  locked: LockedPackage,
  work: string,
  into: (folder: string) => Promise<unknown>,
): Promise<UnpackedPackage> {
  const folder = join(work, locked.name.replaceAll('/', '+'));
  mkdirSync(folder, { recursive: true });
  await into(folder);
  return { ...locked, folder };
}
