// The lock: which package of whom, in which version, with which checksum, an image is made of beside what package-lock.json
// names. `node images/lock.ts` writes it. Knows the file; fetches nothing.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ARCHITECTURES, type Architecture } from './platforms.ts';

/** A package by version, and what its file must be. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** "sha256-…" or "sha512-…", base64, as npm writes it. */
  readonly integrity: string;
}

export interface ImageLock {
  readonly debian: { readonly suite: string; readonly packages: ByArchitecture };
  /** The package of Node itself. */
  readonly node: ByArchitecture;
  /** DuckDB's extensions, as wheels. */
  readonly extensions: ByArchitecture;
}

export type ByArchitecture = Readonly<Record<Architecture, readonly LockedPackage[]>>;

const FILE = join(import.meta.dirname, '..', 'images.lock.json');
const PACKAGE_LOCK = join(import.meta.dirname, '..', '..', 'package-lock.json');

export function readLock(): ImageLock {
  return JSON.parse(readFileSync(FILE, 'utf8')) as ImageLock;
}

/** Name of the file. */
export const LOCK_FILE = FILE;

/** What package-lock.json says of a package: npm locks those of other machines, too. */
export function npmLocked(name: string): LockedPackage {
  const { packages } = JSON.parse(readFileSync(PACKAGE_LOCK, 'utf8')) as {
    packages: Readonly<Record<string, { version: string; integrity: string }>>;
  };
  const found = packages[`node_modules/${name}`];
  if (found === undefined) throw new Error(`package-lock.json does not lock ${name}: run npm install`);
  return { name, version: found.version, integrity: found.integrity };
}

/** One value for each architecture. */
export async function forEachArchitecture<T>(
  make: (architecture: Architecture) => Promise<T>,
): Promise<Record<Architecture, T>> {
  const made = await Promise.all(ARCHITECTURES.map(async (each) => [each, await make(each)] as const));
  return Object.fromEntries(made) as Record<Architecture, T>;
}
