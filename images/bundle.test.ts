// Bundles as files: the same wherever the sources lie, complete, and without what is loaded only when it is used.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyPackages } from '../test/support/copy-packages.ts';
import { type Bundle, bundle, writeBundle } from './bundle.ts';
import { PROGRAMS, type ProgramName } from './parts/programs.ts';

const ROOT = join(import.meta.dirname, '..');
const NAMES = Object.keys(PROGRAMS) as ProgramName[];

let folder: string;
const bundles = new Map<ProgramName, Bundle>();
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'flowtoll-bundle-'));
  for (const name of NAMES) bundles.set(name, await bundle(name));
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }), 60_000);

let copied: string | undefined;
/** The repository at other paths, with a folder of packages of its own. */
function copy(): string {
  if (copied !== undefined) return copied;
  copied = join(folder, 'elsewhere');
  for (const part of ['agent', 'aggregator', 'proto', 'package.json', 'package-lock.json', 'LICENSE']) {
    cpSync(join(ROOT, part), join(copied, part), { recursive: true });
  }
  copyPackages(join(ROOT, 'node_modules'), join(copied, 'node_modules'));
  return copied;
}

/** Files that one loads as soon as it is loaded. */
function staticClosure({ files }: Bundle, start: string): Set<string> {
  const seen = new Set([start]);
  for (const file of seen) {
    const text = Buffer.from(files.get(file)!).toString();
    for (const [, target] of text.matchAll(/^(?:import|export)\b[^;]*?["']\.\/([^"']+)["'];$/gm)) seen.add(target!);
  }
  return seen;
}

function text({ files }: Bundle, names: Iterable<string>): string {
  return [...names].map((name) => Buffer.from(files.get(name)!).toString()).join('\n');
}

describe.each(NAMES)('%s', (name) => {
  test('the same sources elsewhere give the same bytes', async () => {
    const again = await bundle(name, copy());
    expect([...again.files.keys()]).toEqual([...bundles.get(name)!.files.keys()]);
    for (const [file, bytes] of bundles.get(name)!.files) {
      expect(Buffer.from(again.files.get(file)!).equals(bytes), file).toBe(true);
    }
  }, 60_000);

  test('no file tells where it was made', () => {
    const all = text(bundles.get(name)!, bundles.get(name)!.files.keys());
    expect(all).not.toContain(ROOT);
  });

  test('V8 keeps its text in one byte a character', () => {
    const { files, main } = bundles.get(name)!;
    const start = [...files.keys()].find((file) => /^main-/.test(file)) ?? main;
    for (const file of staticClosure(bundles.get(name)!, start)) {
      expect(/[^\0-\xff]/.test(Buffer.from(files.get(file)!).toString()), file).toBe(false);
    }
  });

  test("nothing imports Node's own modules, which would load all that they could give", () => {
    const code = [...bundles.get(name)!.files].filter(([file]) => file.endsWith('.mjs'));
    for (const [file, bytes] of code) {
      const imported = Buffer.from(bytes)
        .toString()
        .matchAll(/^(?:import|export)\b[^;'"]*["']([^"']+)["'];$/gm);
      expect([...imported].map((match) => match[1]!).filter((target) => !target.startsWith('./'))).toEqual([]);
      expect(Buffer.from(bytes).toString(), file).not.toMatch(/\bimport\(["'](node:)?[a-z]/);
    }
  });

  test('every file that another names is there, threads too', () => {
    const { files, program } = bundles.get(name)!;
    const missing: string[] = [];
    for (const [file, bytes] of files) {
      for (const [, target] of Buffer.from(bytes)
        .toString()
        .matchAll(/(?:import\(|new URL\(|from )["']\.\/([^"']+\.mjs)["']/g)) {
        if (!files.has(target!)) missing.push(`${file} → ${target}`);
      }
    }
    expect(missing).toEqual([]);
    for (const thread of program.threads) {
      const threadFile = thread.replace(/^.*\/(.*)\.ts$/, '$1.mjs');
      expect(text(bundles.get(name)!, files.keys())).toContain(`new URL("./${threadFile}", import.meta.url)`);
      expect(files.has(threadFile)).toBe(true);
    }
  });

  test('the notices name every package that is inside, with its version', () => {
    const { files, packages } = bundles.get(name)!;
    const said = Buffer.from(files.get('THIRD-PARTY-NOTICES')!).toString();
    expect(packages.length).toBeGreaterThan(5);
    for (const { name: packageName, version, license } of packages) {
      expect(said).toContain(`\n${packageName} ${version} (${license})\n`);
    }
    // Against the code itself: esbuild marks each module with its path, and no module is of a package that is not named.
    const all = text(bundles.get(name)!, files.keys());
    const inside = new Set(
      [...all.matchAll(/^\s*\/\/ (?:\S*\/)?node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\//gm)].map((match) => match[1]!),
    );
    expect([...inside].filter((inner) => !packages.some((each) => each.name === inner))).toEqual([]);
  });

  test('it runs where there is no node_modules', () => {
    const { program, main } = bundles.get(name)!;
    const place = join(folder, name);
    writeBundle(bundles.get(name)!, place);
    for (const { packages, files } of program.natives) {
      const arch = process.arch as 'x64' | 'arm64';
      for (const [from, to] of files[arch])
        cpSync(join(ROOT, 'node_modules', packages[arch], from), join(place, 'native', to));
    }
    const manifest = JSON.parse(readFileSync(join(ROOT, name, 'package.json'), 'utf8')) as { version: string };
    const run = (...args: string[]): string =>
      execFileSync(process.execPath, [join(place, main), ...args], { cwd: '/', encoding: 'utf8' });
    expect(run('--version').trim()).toBe(manifest.version);
    expect(run('--help')).toContain(`Usage: ${program.command}`);
  }, 30_000);
});

test('what the agent leaves out is asked for by nobody but grpc-js, when it is asked for services that the agent has not', () => {
  const all = text(bundles.get('agent')!, ['flowtoll-agent.mjs']);
  expect(all).toContain('@grpc/proto-loader is not part of flowtoll-agent');
  expect(bundles.get('agent')!.packages.map((each) => each.name)).not.toContain('protobufjs');
});

test('the agent is one file and one for its thread', () => {
  const code = [...bundles.get('agent')!.files.keys()].filter((file) => file.endsWith('.mjs'));
  expect(code).toEqual(['capture-worker.mjs', 'flowtoll-agent.mjs']);
});

test('the clients of clouds and of Kubernetes are not loaded by who does not use them', () => {
  const made = bundles.get('aggregator')!;
  const main = [...made.files.keys()].find((file) => /^main-/.test(file))!;
  const atStart = text(made, staticClosure(made, main));
  const all = text(made, made.files.keys());
  for (const client of [
    '@aws-sdk/client-s3',
    '@azure/storage-blob',
    '@google-cloud/storage',
    '@kubernetes/client-node',
  ]) {
    expect(all, client).toContain(`// node_modules/${client}/`);
    expect(atStart, client).not.toContain(`// node_modules/${client}/`);
  }
});
