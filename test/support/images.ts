// Images as folders, made when something in them has changed, in test/.cache. Knows what they are made
// of; starts nothing.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { assemble, softwareVersion } from '../../images/assemble.ts';
import { lockDebian } from '../../images/lock.ts';
import { PackageGoneError } from '../../images/parts/debian-archive.ts';
import { imageConfig } from '../../images/parts/image-config.ts';
import { type ImageLock, readLock } from '../../images/parts/lock.ts';
import { ARCHITECTURES, type Architecture, PLATFORMS } from '../../images/parts/platforms.ts';
import type { ProgramName } from '../../images/parts/programs.ts';
import type { RunnableImage } from './image-runner.ts';
import { installOnce } from './install-once.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CACHE = join(import.meta.dirname, '..', '.cache');
/** What was fetched for images, by checksum. */
export const FETCHED = join(CACHE, 'image-files');

/** The architecture whose images run here. */
export const ARCHITECTURE: Architecture = ARCHITECTURES.find((each) => PLATFORMS[each].node === process.arch)!;

/** Sources that a program's image is made of. */
function inputs(program: ProgramName): string[] {
  const folders = ['images', join(program, 'src'), join(program, 'bin'), 'proto/src', 'proto/gen'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/\.(test|testing)\.ts$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter(
        (file) => !file.startsWith(join(ROOT, 'images', '.cache')) && !file.startsWith(join(ROOT, 'images', 'out')),
      ),
  );
  return [...folders, join(ROOT, 'package-lock.json'), join(ROOT, program, 'package.json')].sort();
}

/** An image of this machine's architecture, ready to be run, or of another, to be looked at. */
export async function imageOf(program: ProgramName, architecture = ARCHITECTURE): Promise<RunnableImage> {
  const hash = createHash('sha256');
  for (const file of inputs(program)) hash.update(`${file.slice(ROOT.length)}\0`).update(readFileSync(file));
  const kind = `image-${program}-${architecture}-`;
  const name = `${kind}${hash.digest('hex').slice(0, 16)}`;
  const out = await installOnce(name, async (folder) => {
    // An image has hundreds of megabytes: those of older sources go.
    for (const other of readdirSync(CACHE)) {
      if (other.startsWith(kind) && !other.startsWith(name)) rmSync(join(CACHE, other), { recursive: true });
    }
    const architectures = [architecture];
    await withLock((lock) => assemble({ program, architectures, out: folder, cache: FETCHED, lock, rootOnly: true }));
  });
  return { root: join(out, `${program}-${architecture}`), config: imageConfig(program, softwareVersion()) };
}

/**
 * Debian keeps no versions that it has mended. What is tested is then made of the versions of now, and that is said: the lock is to be
 * renewed before a release, which is no fault of what is tested.
 */
export async function withLock<T>(make: (lock: ImageLock) => Promise<T>): Promise<T> {
  const lock = readLock();
  try {
    return await make(lock);
  } catch (error) {
    if (!(error instanceof PackageGoneError)) throw error;
    console.warn(`images: ${error.message}`);
    return make({ ...lock, debian: { ...lock.debian, packages: await lockDebian(FETCHED) } });
  }
}
