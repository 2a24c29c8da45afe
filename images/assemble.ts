// `node images/assemble.ts [agent|aggregator]…`: makes images without a container daemon, from the bundles, npm's packages of Node and of
// native parts, and files of Debian's packages, all as locked. Gives for each program a root file system and a bill of materials for
// each platform, and one OCI image layout for all of them. The same sources and locks give the same bytes.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';
import { imageConfig } from './parts/image-config.ts';
import { imageParts } from './parts/image-parts.ts';
import { type ImageLock, readLock } from './parts/lock.ts';
import { type PlatformImage, writeOciLayout } from './parts/oci-layout.ts';
import { ARCHITECTURES, type Architecture, PLATFORMS } from './parts/platforms.ts';
import { PROGRAMS, type ProgramName } from './parts/programs.ts';
import { makeRootFileSystem } from './parts/root-file-system.ts';

/** Where images are published. */
const REGISTRY = 'ghcr.io/flowtoll';

export interface AssembleOptions {
  readonly program: ProgramName;
  readonly architectures: readonly Architecture[];
  /** Gets `agent-amd64/`, `agent-amd64.cdx.json`, `agent.oci.tar`. */
  readonly out: string;
  /** Keeps what was fetched, by checksum. */
  readonly cache: string;
  readonly lock: ImageLock;
  /** Leave the OCI layout out. */
  readonly rootOnly?: boolean;
}

/** Version of the software, and tag of its images. */
export function softwareVersion(): string {
  const manifest = readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/**
 * What is there of the same names is replaced. Gives the image's name with its digest, as the chart and `docker pull` take it; undefined
 * when only root file systems were asked for.
 */
export async function assemble(options: AssembleOptions): Promise<string | undefined> {
  const { program, architectures, out, cache, lock, rootOnly } = options;
  const version = softwareVersion();
  mkdirSync(out, { recursive: true });
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(out, '.work-'));
  try {
    const made = await bundle(program);
    const images: PlatformImage[] = await Promise.all(
      architectures.map(async (architecture) => {
        const platform = PLATFORMS[architecture];
        const unpacked = join(work, `${architecture}-parts`);
        const parts = await imageParts(PROGRAMS[program], platform, lock, cache, unpacked);
        const name = join(out, `${program}-${architecture}`);
        rmSync(name, { recursive: true, force: true });
        const { tree, sbom } = makeRootFileSystem(name, made, parts, platform, version);
        writeFileSync(`${name}.cdx.json`, sbom);
        rmSync(unpacked, { recursive: true });
        return { architecture, tree, config: imageConfig(program, version) };
      }),
    );
    if (rootOnly) return undefined;
    const layout = join(work, 'layout');
    const reference = `${REGISTRY}/${program}:${version}`;
    return `${reference}@${await writeOciLayout(reference, images, layout, join(out, `${program}.oci.tar`))}`;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const USAGE = `usage: node images/assemble.ts [agent|aggregator]… [options]
  --platform linux/amd64,linux/arm64   for which machines (default: both)
  --out FOLDER                         where to (default: images/out)
  --cache FOLDER                       keeps what was fetched (default: images/.cache)
  --root-only                          root file systems alone, no OCI layout
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      platform: { type: 'string', default: ARCHITECTURES.map((each) => `linux/${each}`).join(',') },
      out: { type: 'string', default: join(import.meta.dirname, 'out') },
      cache: { type: 'string', default: join(import.meta.dirname, '.cache') },
      'root-only': { type: 'boolean', default: false },
    },
  });
  const programs = (positionals.length > 0 ? positionals : Object.keys(PROGRAMS)) as ProgramName[];
  const architectures = values.platform.split(',').map((each) => each.replace(/^linux\//, '')) as Architecture[];
  if (programs.some((each) => !(each in PROGRAMS)) || architectures.some((each) => !(each in PLATFORMS))) {
    process.stderr.write(USAGE);
    process.exit(2);
  }
  const lock = readLock();
  for (const program of programs) {
    const [out, cache] = [resolve(values.out), resolve(values.cache)];
    const image = await assemble({ program, architectures, out, cache, lock, rootOnly: values['root-only'] });
    process.stdout.write(`${program}: ${architectures.join(', ')} in ${out}${image ? `: ${image}` : ''}\n`);
  }
}

if (import.meta.main) await main();
