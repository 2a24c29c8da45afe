// `node images/lock.ts`: writes images.lock.json anew, with the versions of now. Debian's packages move when Debian mends them;
// Node's version is that of the npm package `node` in package.json, DuckDB's extensions are those of the DuckDB in aggregator/package.json.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DebianArchive } from './parts/debian-archive.ts';
import { integrityOfFetched } from './parts/fetched-files.ts';
import {
  type ByArchitecture,
  forEachArchitecture,
  type ImageLock,
  LOCK_FILE,
  type LockedPackage,
} from './parts/lock.ts';
import { PLATFORMS } from './parts/platforms.ts';
import { fetchWheel, npmIntegrity } from './parts/registries.ts';

const ROOT = join(import.meta.dirname, '..');

export const DEBIAN_SUITE = 'trixie';

/**
 * Libraries for Node, DuckDB and koffi, authorities for TLS, and the file that says which Debian this is. Which files of them an image
 * gets is decided by what its programs need (parts/root-file-system.ts). `gcc-14-base` has the licences of the two libraries of GCC.
 */
const DEBIAN_PACKAGES = ['base-files', 'ca-certificates', 'gcc-14-base', 'libc6', 'libgcc-s1', 'libstdc++6'];

/** DuckDB's extensions in the aggregator's image: those that the program loads. It reads the table's log itself, so `delta` (82 MB) is none. */
const EXTENSIONS = ['duckdb-extension-httpfs'];

function manifest(file: string): Record<'dependencies' | 'devDependencies', Record<string, string>> {
  return JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
}

/** Debian's packages as they are now. */
export function lockDebian(cache: string): Promise<ByArchitecture> {
  return forEachArchitecture(async (architecture) => {
    const archive = await DebianArchive.open(cache, DEBIAN_SUITE, architecture);
    try {
      return await Promise.all(DEBIAN_PACKAGES.map((name) => archive.newest(name)));
    } finally {
      archive.close();
    }
  });
}

async function lockExtension(cache: string, name: string, version: string, wheel: string): Promise<LockedPackage> {
  const fetched = await integrityOfFetched(cache, 'sha256', (folder) => fetchWheel(folder, name, version, wheel));
  return { name, version, integrity: fetched.integrity };
}

async function lockAll(cache: string): Promise<ImageLock> {
  const nodeVersion = manifest('package.json').devDependencies['node']!;
  // "1.5.5-r.5": the fifth release of the bindings to DuckDB 1.5.5.
  const duckdbVersion = manifest('aggregator/package.json').dependencies['@duckdb/node-bindings']!.split('-')[0]!;
  return {
    debian: { suite: DEBIAN_SUITE, packages: await lockDebian(cache) },
    node: await forEachArchitecture(async (architecture) => {
      const name = `node-linux-${PLATFORMS[architecture].node}`;
      return [{ name, version: nodeVersion, integrity: await npmIntegrity(name, nodeVersion) }];
    }),
    extensions: await forEachArchitecture(async (architecture) =>
      Promise.all(EXTENSIONS.map((name) => lockExtension(cache, name, duckdbVersion, PLATFORMS[architecture].wheel))),
    ),
  };
}

if (import.meta.main) {
  const lock = await lockAll(join(import.meta.dirname, '.cache'));
  writeFileSync(LOCK_FILE, `${JSON.stringify(lock, undefined, 2)}\n`);
  process.stdout.write(`${LOCK_FILE}\n`);
}
