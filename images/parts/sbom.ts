// The bill of materials of an image: CycloneDX 1.6 as JSON, every package with version, licence and the name by which databases of
// vulnerabilities know it. The same packages give the same bytes. Knows no folders of images.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NpmPackage } from './bundled-packages.ts';
import type { UnpackedPackage } from './image-parts.ts';
import type { Platform } from './platforms.ts';
import type { NativePart } from './programs.ts';

/** One package. */
export interface Component {
  readonly name: string;
  readonly version: string;
  /** SPDX expression, or words that say where the licences stand. */
  readonly license: { readonly expression: string } | { readonly names: readonly string[] };
  /** Package URL. */
  readonly purl: string;
  readonly cpe?: string;
  /** Of the file that it was taken from, as in a lock. */
  readonly integrity?: string;
}

/** What the bill is for. */
export interface Subject {
  readonly name: string;
  readonly version: string;
  readonly platform: Platform;
}

const HASH_NAMES: Readonly<Record<string, string>> = { sha256: 'SHA-256', sha512: 'SHA-512' };

export function npmComponent({ name, version, license, integrity }: NpmPackage): Component {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  return { name, version, license: { expression: license }, purl, ...(integrity !== undefined && { integrity }) };
}

/** What a native part contains, where it is named. */
export function containedComponents({ contains }: NativePart, packageVersion: string): Component[] {
  if (contains === undefined) return [];
  const { name, license, cpe } = contains;
  const version = contains.version(packageVersion);
  return [
    {
      ...{ name, version, license: { expression: license } },
      ...{ purl: `pkg:generic/${name}@${version}`, cpe: `cpe:2.3:a:${cpe}:${version}:*:*:*:*:*:*:*` },
    },
  ];
}

/** Node, with what is compiled into it: its licence file names all. */
export function nodeComponent({ version, integrity }: UnpackedPackage): Component {
  return {
    name: 'node',
    version,
    license: { names: ['MIT', 'others: /usr/local/share/doc/node/LICENSE'] },
    purl: `pkg:generic/node@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    integrity,
  };
}

export function extensionComponent({ name, version, integrity }: UnpackedPackage): Component {
  return { name, version, license: { expression: 'MIT' }, purl: `pkg:pypi/${name}@${version}`, integrity };
}

/**
 * The licences are those that its copyright file names, where a program can read it.
 * @param release of Debian, as VERSION_ID says: whose list of vulnerabilities holds
 */
export function debianComponent({ name, version, integrity, folder }: UnpackedPackage, release: string): Component {
  const file = join(folder, 'usr/share/doc', name, 'copyright');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const named = /^Format: .*copyright-format/m.test(text)
    ? [...text.matchAll(/^License: *(\S.*)$/gm)].map((match) => match[1]!.trim())
    : [];
  const names = named.length > 0 ? [...new Set(named)].sort() : [`/usr/share/doc/${name}/copyright`];
  const control = readFileSync(join(folder, 'DEBIAN', 'control'), 'utf8');
  const architecture = /^Architecture: (.*)$/m.exec(control)![1]!;
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=debian-${release}`;
  return { name, version, license: { names }, purl, integrity };
}

export function billOfMaterials({ name, version, platform }: Subject, components: readonly Component[]): string {
  const listed = [...new Map(components.map((component) => [component.purl, component])).values()]
    .sort((a, b) => (a.purl < b.purl ? -1 : 1))
    .map(toCycloneDx);
  const subject = {
    type: 'container',
    'bom-ref': `${name}@${version}`,
    name,
    version,
    licenses: [{ license: { id: 'Apache-2.0' } }],
    properties: [{ name: 'platform', value: `linux/${platform.architecture}` }],
  };
  const body = { metadata: { component: subject }, components: listed };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(body))}`;
  return `${JSON.stringify(
    {
      $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      serialNumber,
      version: 1,
      ...body,
    },
    undefined,
    2,
  )}\n`;
}

function toCycloneDx({ name, version, license, purl, cpe, integrity }: Component): object {
  const licenses =
    'expression' in license
      ? [{ expression: license.expression }]
      : license.names.map((each) => ({ license: { name: each } }));
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    ...(integrity !== undefined && { hashes: [hashOf(integrity)] }),
    licenses,
    ...(cpe !== undefined && { cpe }),
    purl,
  };
}

function hashOf(integrity: string): { alg: string; content: string } {
  const [algorithm, digest] = integrity.split(/-(.*)/s);
  return { alg: HASH_NAMES[algorithm!]!, content: Buffer.from(digest!, 'base64').toString('hex') };
}

/** A name that follows from the content (a UUID of version 8). */
function uuidOf(content: string): string {
  const hex = createHash('sha256').update(content).digest('hex');
  const variant = '89ab'[Number.parseInt(hex[16]!, 16) & 3];
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-');
}
