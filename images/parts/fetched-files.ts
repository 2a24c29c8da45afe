// Files of package registries in a folder: each is fetched once, by whoever knows how, and is what the lock says or is not used.
// Knows checksums and names; fetches nothing itself.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { LockedPackage } from './lock.ts';

/** Puts the one file of a package into an empty folder. */
export type FetchInto = (folder: string) => Promise<unknown>;

/** The file of a locked package, under its checksum in `cache`. Throws when what comes is something else. */
export async function lockedFile(cache: string, locked: LockedPackage, fetchInto: FetchInto): Promise<string> {
  const { name, version, integrity } = locked;
  const path = join(cache, Buffer.from(integrity).toString('base64url').slice(0, 64));
  if (existsSync(path)) return path;
  const file = await fetchOne(cache, fetchInto);
  const found = integrityOf(file.path, integrity.split('-')[0]!);
  if (found !== integrity) {
    rmSync(file.folder, { recursive: true });
    throw new Error(`${name} ${version} is ${found}, and not ${integrity} as the lock says: what came is not used`);
  }
  // Under its name at once, whole: others may look for it.
  renameSync(file.path, path);
  rmSync(file.folder, { recursive: true });
  return path;
}

/** Fetches a package that is not locked yet; its file's name and integrity. */
export async function integrityOfFetched(
  cache: string,
  algorithm: string,
  fetchInto: FetchInto,
): Promise<{ readonly file: string; readonly integrity: string }> {
  const { path, folder } = await fetchOne(cache, fetchInto);
  const integrity = integrityOf(path, algorithm);
  rmSync(folder, { recursive: true });
  return { file: basename(path), integrity };
}

async function fetchOne(cache: string, fetchInto: FetchInto): Promise<{ path: string; folder: string }> {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'fetch-'));
  try {
    await fetchInto(folder);
    const [file, ...more] = readdirSync(folder);
    if (file === undefined || more.length > 0) throw new Error(`${folder} has not one file, but ${more.length + 1}`);
    return { path: join(folder, file), folder };
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

function integrityOf(path: string, algorithm: string): string {
  return `${algorithm}-${createHash(algorithm).update(readFileSync(path)).digest('base64')}`;
}
