// The modules of infra/ by programs of others: Terraform's formatter, which parses them, and checkov's rules. Plugins of providers, which
// `terraform validate` needs, are not to be had everywhere, so what names what is checked here, and infra/README.md says what is not.
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pythonEnvironment } from '../support/python-env.ts';

const run = promisify(execFile);
const INFRA = join(import.meta.dirname, '..', '..', 'infra');
const MODULES = ['aws', 'aws/catalog', 'google', 'google/tables', 'azure'];

const found = await pythonEnvironment(
  readFileSync(join(import.meta.dirname, '..', 'support', 'checkov-requirements.txt'), 'utf8')
    .trim()
    .split('\n'),
);
const terraform = spawnSync('terraform', ['version'], { encoding: 'utf8' });
const hasTerraform = terraform.error === undefined;
if (!hasTerraform) {
  const missing = 'infra/ is not formatted and parsed: terraform (1.5 or later) is not on the PATH';
  if (process.env['CI'] === 'true') throw new Error(missing);
  console.warn(missing);
}

const textOf = (module: string): string =>
  readdirSync(join(INFRA, module))
    .filter((name) => name.endsWith('.tf'))
    .map((name) => readFileSync(join(INFRA, module, name), 'utf8'))
    .join('\n');

/** Names that a pattern captures, each once, sorted. */
const namesIn = (text: string, pattern: RegExp): string[] =>
  [...new Set([...text.matchAll(pattern)].map(([, name]) => name!))].sort();

/** Without comments and descriptions: what Terraform looks at. */
const codeOf = (module: string): string =>
  textOf(module)
    .replaceAll(/^\s*#.*$/gm, '')
    .replaceAll(/^\s*(description|error_message)\s*=.*$/gm, '');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flowtoll-infra-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A copy with one file changed. */
function copyWith(file: string, change: (text: string) => string): string {
  const copy = join(folder, 'infra');
  cpSync(INFRA, copy, { recursive: true });
  const path = join(copy, file);
  const text = readFileSync(path, 'utf8');
  const changed = change(text);
  expect(changed).not.toBe(text);
  writeFileSync(path, changed);
  return copy;
}

test('every folder with Terraform files is looked at here', () => {
  const folders = readdirSync(INFRA, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.tf'))
    .map(dirname);
  expect([...new Set(folders)].sort()).toEqual([...MODULES].sort());
});

describe.runIf(hasTerraform)('terraform fmt', () => {
  const format = (root: string) =>
    spawnSync('terraform', ['fmt', '-check', '-recursive', root], { encoding: 'utf8', cwd: folder });

  test('finds nothing', () => {
    const { status, stdout, stderr } = format(INFRA);
    expect({ status, stdout, stderr: stderr.includes('Error') && stderr }).toEqual({
      status: 0,
      stdout: '',
      stderr: false,
    });
  });

  test('would find a format, and what is no Terraform', () => {
    const spaces = copyWith('azure/outputs.tf', (text) => text.replace('  value ', '      value '));
    expect(format(spaces)).toMatchObject({ status: 3, stdout: expect.stringContaining('outputs.tf') });
    rmSync(spaces, { recursive: true });
    const broken = copyWith('azure/outputs.tf', (text) => `${text}\noutput "x" {`);
    expect(format(broken).status).not.toBe(0);
  });
});

describe.runIf('python' in found)('checkov', () => {
  interface Check {
    readonly check_id: string;
    readonly resource: string;
    readonly check_result: { readonly result: string; readonly suppress_comment?: string };
  }
  interface Findings {
    readonly results: Readonly<Record<'passed_checks' | 'failed_checks' | 'skipped_checks', readonly Check[]>>;
    readonly summary: { readonly parsing_errors: number; readonly resource_count: number };
  }

  async function checkov(root: string): Promise<Findings> {
    const python = (found as { python: string }).python;
    const args = ['-d', root, '--framework', 'terraform', '--output', 'json', '--compact', '--skip-download'];
    // 1 when it has found something.
    const { stdout } = await run(join(dirname(python), 'checkov'), [...args, '--soft-fail'], {
      cwd: folder,
      maxBuffer: 64 << 20,
      env: { ...process.env, HOME: folder, LOG_LEVEL: 'ERROR' },
    });
    return JSON.parse(stdout) as Findings;
  }

  test('finds nothing that is not answered where it stands', async () => {
    const { results, summary } = await checkov(INFRA);
    expect(summary).toMatchObject({ parsing_errors: 0 });
    expect(summary.resource_count).toBeGreaterThan(25);
    expect(results.passed_checks.length).toBeGreaterThan(70);
    expect(results.failed_checks.map(({ check_id, resource }) => `${check_id} ${resource}`)).toEqual([]);
    const answered = new Set(results.skipped_checks.map(({ check_id }) => check_id));
    for (const { check_result } of results.skipped_checks) {
      expect(check_result.suppress_comment?.length ?? 0).toBeGreaterThan(10);
    }
    // An answer to what nobody asks any more would hide the next question.
    const answers = MODULES.flatMap((module) => namesIn(textOf(module), /#checkov:skip=(\w+):/g));
    expect([...new Set(answers)].filter((id) => !answered.has(id))).toEqual([]);
  });

  test('would find a bucket that is open', async () => {
    const open = copyWith('aws/bucket.tf', (text) =>
      text.replace('block_public_acls       = true', 'block_public_acls       = false'),
    );
    const { results } = await checkov(open);
    expect(results.failed_checks.map(({ check_id }) => check_id)).toContain('CKV_AWS_53');
  });
});

describe.each(MODULES)('module %s', (module) => {
  const code = codeOf(module);

  test('every variable is declared, described, typed and used', () => {
    const declared = namesIn(code, /^variable "(\w+)"/gm);
    expect(namesIn(code, /\bvar\.(\w+)/g)).toEqual(declared);
    for (const [, name, body] of textOf(module).matchAll(/^variable "(\w+)" \{\n(.*?)^\}/gms)) {
      expect([name, body]).toEqual([name, expect.stringMatching(/description = ".{10,}"[\s\S]*type +=/)]);
    }
    for (const [, name, body] of textOf(module).matchAll(/^output "(\w+)" \{\n(.*?)^\}/gms)) {
      expect([name, body]).toEqual([name, expect.stringMatching(/description = ".{10,}"/)]);
    }
  });

  test('every local value, resource and data source that is named is there', () => {
    const locals = [...code.matchAll(/^locals \{\n(.*?)^\}/gms)].flatMap(([, body]) =>
      namesIn(body!, /^ {2}(\w+) +?= /gm),
    );
    expect(namesIn(code, /\blocal\.(\w+)/g).filter((name) => !locals.includes(name))).toEqual([]);
    const kinds = [...code.matchAll(/^(resource|data) "(\w+)" "(\w+)"/gm)].map(([, kind, type, name]) =>
      kind === 'data' ? `data.${type}.${name}` : `${type}.${name}`,
    );
    const named = [
      ...namesIn(code, /\b(data\.\w+\.\w+)/g),
      ...namesIn(code, /(?<!["\w.])((?:aws|google|azurerm)_\w+\.\w+)/g),
    ];
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !kinds.includes(name))).toEqual([]);
  });

  test('nothing deletes objects by their age: what is live only the log of a table knows', () => {
    for (const [what, pattern] of Object.entries({
      expiration: /\bexpiration\b|noncurrent_version_expiration/,
      transition: /\btransition\s*\{/,
      'an action Delete': /type\s*=\s*"(Delete|SetStorageClass)"/,
      'a management policy': /azurerm_storage_management_policy/,
    })) {
      expect([what, pattern.test(code.replaceAll(/expiration_(period|action)/g, ''))]).toEqual([what, false]);
    }
  });
});

test('the policies are given all that they name, and each is used', () => {
  const used = MODULES.flatMap((module) => {
    const code = codeOf(module);
    const names = /^ {2}names = \{\n(.*?)^ {2}\}/ms.exec(code)?.[1] ?? '';
    return [...code.matchAll(/templatefile\("\$\{path\.module\}\/([^"]+)", (local\.names|\{(.*?)\})\)/gs)].flatMap(
      ([, path, argument, inline]) => {
        const given = namesIn(argument === 'local.names' ? names : inline!, /^\s+(\w+)\s+= /gm);
        const files = path!.includes('${each.key}')
          ? ['aggregator', 'reader'].map((key) => path!.replace('${each.key}', key))
          : [path!];
        return files.map((file) => {
          const absolute = join(INFRA, module, file);
          const wanted = namesIn(readFileSync(absolute, 'utf8'), /\$\{(\w+)\}/g);
          expect([file, wanted.filter((name) => !given.includes(name))]).toEqual([file, []]);
          return basename(absolute);
        });
      },
    );
  });
  expect([...new Set(used)].sort()).toEqual(readdirSync(join(INFRA, 'aws', 'policies')).sort());
});

test('README tells every module and its variables', () => {
  const readme = readFileSync(join(INFRA, 'README.md'), 'utf8');
  for (const module of MODULES) {
    expect(readme).toContain(`infra/${relative(INFRA, join(INFRA, module))}`);
    for (const name of namesIn(textOf(module), /^variable "(\w+)"/gm)) expect(readme).toContain(`\`${name}\``);
  }
});
