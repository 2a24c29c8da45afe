// Which npm packages a bundle is made of, with their versions and licences. Knows package folders and what esbuild says that it
// read; knows no image.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A package of npm. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** As its package.json says, an SPDX expression. */
  readonly license: string;
  /** The text of its licence, and of its notices; undefined when it comes without. */
  readonly licenseText: string | undefined;
  /** Of the archive that it came in, as package-lock.json says. */
  readonly integrity: string | undefined;
}

const LICENSE_FILE = /^(licen[cs]e|copying|notice|third[-_]?party[-_]?(notices?|licenses?))([.-].*)?$/i;

/**
 * The packages that these files come from, by name and version. A package may be there in several versions.
 * @param files paths relative to `root`, as in esbuild's metafile
 */
export function packagesOf(root: string, files: Iterable<string>): NpmPackage[] {
  const folders = new Set<string>();
  for (const file of files) {
    const end = file.lastIndexOf('node_modules/');
    if (end < 0 || file.startsWith('native:') || file.startsWith('other-system:')) continue;
    const [first, second] = file.slice(end + 'node_modules/'.length).split('/');
    folders.add(file.slice(0, end) + join('node_modules', first!.startsWith('@') ? `${first}/${second}` : first!));
  }
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { integrity?: string }>>;
  };
  return sorted([...folders].map((folder) => readPackage(join(root, folder), packages[folder]?.integrity)));
}

/** One package, from its folder. */
export function readPackage(folder: string, integrity: string | undefined): NpmPackage {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  if (typeof name !== 'string' || typeof version !== 'string') throw new Error(`${folder}/package.json names nothing`);
  // The old form is an object.
  const expression = typeof license === 'string' ? license : (license as { type?: string } | undefined)?.type;
  if (expression === undefined) throw new Error(`${folder}/package.json says nothing of its licence`);
  const texts = readdirSync(folder)
    .filter((file) => LICENSE_FILE.test(file))
    .sort()
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return {
    name,
    version,
    license: expression,
    licenseText: texts.length > 0 ? texts.join('\n\n') : undefined,
    integrity,
  };
}

/** By name, then version, whatever the language of this machine. */
export function sorted(packages: readonly NpmPackage[]): NpmPackage[] {
  const key = ({ name, version }: NpmPackage): string => `${name}@${version}`;
  return packages.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** The text that goes with a bundle: each package, its licence, and the licence's words. Equal texts stand once. */
export function notices(packages: readonly NpmPackage[]): string {
  const holders = new Map<string, NpmPackage[]>();
  for (const each of sorted(packages)) {
    const text = each.licenseText ?? `(the package comes without the text of its licence, ${each.license})`;
    holders.set(text, [...(holders.get(text) ?? []), each]);
  }
  const parts = [...holders].map(([text, those]) => {
    const names = those.map(({ name, version, license }) => `${name} ${version} (${license})`);
    return `${names.join('\n')}\n\n${text.replaceAll('\r\n', '\n')}\n`;
  });
  const line = `\n${'-'.repeat(80)}\n\n`;
  return `Software of others in this program, with the licences under which it is distributed.\n${line}${parts.join(line)}`;
}
