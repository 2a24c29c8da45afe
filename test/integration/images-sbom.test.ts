// Bills of materials: valid by CycloneDX's own schema, and a list of what is in the root file system, no more and no less. The oracle is the
// root itself: its files against the members of the archives that the bill names, the modules that the bundle's own comments name against
// package-lock.json, and what programs say of themselves.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { beforeAll, describe, expect, test } from 'vitest';
import { ARCHITECTURES } from '../../images/parts/platforms.ts';
import type { ProgramName } from '../../images/parts/programs.ts';
import { treeOf } from '../support/image-tree.ts';
import { FETCHED, imageOf } from '../support/images.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SCHEMAS = join(ROOT, 'node_modules/@cyclonedx/cyclonedx-library/res/schema');
const PROGRAMS: readonly ProgramName[] = ['agent', 'aggregator'];

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly cpe?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses: readonly object[];
}

interface Bill {
  readonly serialNumber: string;
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly Component[];
}

interface ImageWithBill {
  readonly title: string;
  readonly program: ProgramName;
  readonly root: string;
  readonly text: string;
  readonly bill: Bill;
}

const sum = (algorithm: string, path: string): string => createHash(algorithm).update(readFileSync(path)).digest('hex');

const wanted = PROGRAMS.flatMap((program) => ARCHITECTURES.map((architecture) => ({ program, architecture })));
const images: ImageWithBill[] = [];
/** Archives that were fetched, by the checksum that a bill names. */
const archives = new Map<string, string>();
/** Path of an archive → SHA-256 of a file → names. */
let members: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

beforeAll(async () => {
  for (const { program, architecture } of wanted) {
    const { root } = await imageOf(program, architecture);
    const text = readFileSync(`${root}.cdx.json`, 'utf8');
    images.push({ title: `${program} ${architecture}`, program, root, text, bill: JSON.parse(text) as Bill });
  }
  for (const name of readdirSync(FETCHED)) {
    const path = join(FETCHED, name);
    if (name.includes('-')) continue;
    for (const algorithm of ['sha256', 'sha512']) archives.set(sum(algorithm, path), path);
  }
  const named = images.flatMap(({ bill }) => bill.components.flatMap(({ hashes = [] }) => hashes));
  const paths = new Set(named.map(({ content }) => archives.get(content)).filter((path) => path !== undefined));
  const helper = join(import.meta.dirname, '..', 'support', 'archive_members.py');
  const options = { encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 } as const;
  members = JSON.parse(execFileSync('python3', [helper, ...paths], options)) as typeof members;
});

/** The image's files, by kind of where they come from. */
function filesOf({ root }: ImageWithBill): { readonly packaged: string[]; readonly bundled: string[] } {
  const files = treeOf(root).filter(({ kind }) => kind === 'file');
  const packaged: string[] = [];
  const bundled: string[] = [];
  for (const { path } of files) {
    if (MADE_HERE.test(path)) continue;
    if (/^\/opt\/flowtoll\/[^/]+$/.test(path)) bundled.push(path);
    else packaged.push(path);
  }
  return { packaged, bundled };
}

/** What the assembler writes itself: no package has it. The authorities are those of ca-certificates, in one file. */
const MADE_HERE =
  /^\/(etc\/(passwd|group|nsswitch\.conf|ssl\/certs\/ca-certificates\.crt)|usr\/local\/share\/sbom\/flowtoll-\w+\.cdx\.json)$/;

/** Packages of npm whose modules the bundle's comments name: "// node_modules/NAME/…", with the version of package-lock.json. */
function bundledPackages(image: ImageWithBill): Map<string, { name: string; version: string; integrity: string }> {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { version: string; integrity: string }>>;
  };
  const found = new Map<string, { name: string; version: string; integrity: string }>();
  for (const file of filesOf(image).bundled.filter((path) => path.endsWith('.mjs'))) {
    const modules = readFileSync(join(image.root, file), 'utf8').matchAll(
      /^\s*\/\/ ((?:\S*\/)?node_modules\/((?:@[^/\s]+\/)?[^/\s]+))\//gm,
    );
    for (const [, folder, name] of modules) {
      const { version, integrity } = packages[folder!]!;
      found.set(`${name}@${version}`, { name: name!, version, integrity });
    }
  }
  return found;
}

const ofKind = ({ bill }: ImageWithBill, kind: string): readonly Component[] =>
  bill.components.filter(({ purl }) => purl.startsWith(`pkg:${kind}/`));

const archiveOf = ({ hashes }: Component): string | undefined => hashes && archives.get(hashes[0]!.content);

describe.each(wanted.map((each, index) => ({ ...each, index })))(
  '$program for $architecture',
  ({ index, architecture }) => {
    let image: ImageWithBill;
    beforeAll(() => {
      image = images[index]!;
    });

    test("the bill is valid by CycloneDX's schema, and the image has it", () => {
      const ajv = new Ajv({ strict: false, validateFormats: true });
      addFormats.default(ajv);
      // The two that ajv-formats does not know: they stand at addresses and at mail addresses of whoever is named.
      ajv.addFormat('iri-reference', /^\S*$/);
      ajv.addFormat('idn-email', /^\S+@\S+$/);
      const schema = (name: string): object =>
        JSON.parse(readFileSync(join(SCHEMAS, `${name}.SNAPSHOT.schema.json`), 'utf8')) as object;
      for (const part of ['spdx', 'jsf-0.82', 'cryptography-defs']) {
        ajv.addSchema(schema(part), `http://cyclonedx.org/schema/${part}.SNAPSHOT.schema.json`);
      }
      const validate = ajv.compile(schema('bom-1.6'));
      validate(image.bill);
      expect(validate.errors).toBeNull();
      const inside = join(image.root, `usr/local/share/sbom/flowtoll-${image.program}.cdx.json`);
      expect(readFileSync(inside, 'utf8')).toBe(image.text);
      // It does not take everything.
      expect(validate({ ...image.bill, components: [{ type: 'software' }] })).toBe(false);
    });

    test('every file is of the program, or of a package that the bill names, byte for byte', () => {
      const known = image.bill.components.map(archiveOf).filter((path) => path !== undefined);
      expect(filesOf(image).packaged.length).toBeGreaterThan(15);
      const strangers = filesOf(image).packaged.filter((path) => {
        const digest = sum('sha256', join(image.root, path));
        return !known.some((archive) => members[archive]![digest] !== undefined);
      });
      expect(strangers).toEqual([]);
      const names = filesOf(image).bundled.map((path) => path.slice('/opt/flowtoll/'.length));
      expect(names.filter((name) => !/^(LICENSE|THIRD-PARTY-NOTICES|[\w.-]+\.mjs)$/.test(name))).toEqual([]);
    });

    test('every package that is an archive gave a file, and nothing is named twice', () => {
      const digests = new Set(filesOf(image).packaged.map((path) => sum('sha256', join(image.root, path))));
      const bundled = bundledPackages(image);
      const archived = image.bill.components.filter(
        ({ name, version }) => !bundled.has(`${name}@${version}`) && name !== 'duckdb',
      );
      for (const component of archived) {
        const sums = members[archiveOf(component) ?? component.name] ?? {};
        const files = Object.entries(sums).filter(([digest]) => digests.has(digest));
        const names = files.flatMap(([, each]) => each).filter((name) => name !== './control');
        expect(names.length, component.purl).toBeGreaterThan(0);
      }
      const purls = image.bill.components.map(({ purl }) => purl);
      expect([...new Set(purls)]).toEqual(purls);
      expect(image.bill.components.filter(({ licenses }) => licenses.length === 0)).toEqual([]);
    });

    test("Debian's packages are those whose records the image has", () => {
      const place = join(image.root, 'var/lib/dpkg/status.d');
      const records = readdirSync(place).map((file) => readFileSync(join(place, file), 'utf8'));
      const field = (record: string, name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(record)![1]!;
      const expected = records.map((record) => {
        const version = encodeURIComponent(field(record, 'Version'));
        const qualifiers = `arch=${field(record, 'Architecture')}&distro=debian-13`;
        return `pkg:deb/debian/${encodeURIComponent(field(record, 'Package'))}@${version}?${qualifiers}`;
      });
      expect(
        ofKind(image, 'deb')
          .map(({ purl }) => purl)
          .sort(),
      ).toEqual(expected.sort());
      expect(expected.length).toBe(6);
      const machines = records.map((record) => field(record, 'Architecture'));
      expect([...new Set(machines)].sort()).toEqual(['all', architecture].sort());
    });

    test("npm's packages are those of the bundle's modules and of the native parts, with the checksums of package-lock.json", () => {
      const bundled = bundledPackages(image);
      const node = architecture === 'amd64' ? 'x64' : 'arm64';
      const natives =
        image.program === 'agent' ? [`@koromix/koffi-linux-${node}`] : [`@duckdb/node-bindings-linux-${node}`];
      const named = ofKind(image, 'npm').map(({ name, version }) => `${name}@${version}`);
      const isNative = (name: string) => natives.includes(name.replace(/@[^@]*$/, ''));
      expect(named.filter((name) => !isNative(name)).sort()).toEqual([...bundled.keys()].sort());
      expect(named.filter(isNative).length).toBe(natives.length);
      for (const { name, version, hashes } of ofKind(image, 'npm')) {
        const expected = bundled.get(`${name}@${version}`)?.integrity;
        if (expected === undefined) continue;
        const content = Buffer.from(expected.replace('sha512-', ''), 'base64').toString('hex');
        expect(hashes, name).toEqual([{ alg: 'SHA-512', content }]);
      }
    });

    test('Node and DuckDB have the versions that their machine code says', () => {
      const says = (file: string, text: string): boolean => readFileSync(join(image.root, file)).includes(text);
      const generic = ofKind(image, 'generic');
      const node = generic.find(({ name }) => name === 'node')!;
      expect(says('usr/local/bin/node', `https://nodejs.org/download/release/v${node.version}/`)).toBe(true);
      expect(node.cpe).toBe(`cpe:2.3:a:nodejs:node.js:${node.version}:*:*:*:*:*:*:*`);
      const duckdb = generic.find(({ name }) => name === 'duckdb');
      expect(duckdb !== undefined).toBe(image.program === 'aggregator');
      if (duckdb === undefined) return;
      expect(says('opt/flowtoll/native/libduckdb.so', `v${duckdb.version}\0`)).toBe(true);
      const folder = join(image.root, 'opt/flowtoll/duckdb-extensions');
      expect(readdirSync(folder)).toEqual([`v${duckdb.version}`]);
      const extensions = readdirSync(join(folder, `v${duckdb.version}`, `linux_${architecture}`));
      const named = extensions.map(
        (file) => `duckdb-extension-${file.replace('.duckdb_extension', '')}@${duckdb.version}`,
      );
      expect(ofKind(image, 'pypi').map(({ name, version }) => `${name}@${version}`)).toEqual(named);
    });

    test('the authorities are those of ca-certificates, all of them', () => {
      const bundle = readFileSync(join(image.root, 'etc/ssl/certs/ca-certificates.crt'), 'utf8');
      const certificates = bundle.split(/(?<=-----END CERTIFICATE-----\n)/).filter((text) => text.trim() !== '');
      const archive = archiveOf(ofKind(image, 'deb').find(({ name }) => name === 'ca-certificates')!)!;
      const known = new Map(
        Object.entries(members[archive]!).filter(([, each]) => each.some((name) => /mozilla.*\.crt$/.test(name))),
      );
      // A file may end without the end of its line.
      const names = certificates.map((text) => {
        const digest = (each: string): string => createHash('sha256').update(each).digest('hex');
        return (known.get(digest(text)) ?? known.get(digest(text.trimEnd())))?.[0];
      });
      expect(names.sort()).toEqual([...known.values()].map(([name]) => name).sort());
    });
  },
);
