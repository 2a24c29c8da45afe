// The repository's own rules, as tests: what a reviewer would otherwise have to look for.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { TEST_SECONDS } from './support/longest-first.ts';
import { METRICS_PAGE, metricsPage } from './support/metrics-page.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

function run(command: string, ...args: string[]): string {
  try {
    return execFileSync(join(ROOT, 'node_modules', '.bin', command), args, {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`);
  }
}

function sources(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/node_modules|\.cache/.test(file))
    .map((file) => join(directory, file));
}

/** Files that a file imports, relative to the root; packages as they are named. */
function imports(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^(?:import|export)\b[^;]*?from '([^']+)';|^import '([^']+)';/gms)].map((match) => {
    const target = match[1] ?? match[2]!;
    return target.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), target)) : target;
  });
}

describe('tools', () => {
  test('formatting and lint', () => {
    run('biome', 'ci', '--colors=off', '.');
  });

  test('types', () => {
    run('tsc', '-p', 'tsconfig.json');
  }, 360_000);
});

describe('docs', () => {
  test('the page of metrics is up to date: npm run generate', () => {
    expect(readFileSync(METRICS_PAGE, 'utf8')).toBe(metricsPage());
  });
});

describe('docs of streaming', () => {
  test.each(['watch.py', 'watch.ts'])('show %s as it is', (name) => {
    const example = readFileSync(join(ROOT, 'docs', 'examples', name), 'utf8');
    expect(readFileSync(join(ROOT, 'docs', 'streaming.md'), 'utf8')).toContain(example);
  });
});

describe('boundaries', () => {
  /** Which folders the files of a folder may import from. Tests are free. */
  const rules: { from: string; may: RegExp }[] = [
    { from: 'proto/src', may: /^proto\/|^@bufbuild\/|^@grpc\/|^node:/ },
    { from: 'agent/src/system', may: /^agent\/src\/(system|errors)|^koffi$|^node:/ },
    { from: 'agent/src/netlink', may: /^agent\/src\/(netlink|errors)|^node:/ },
    { from: 'agent/src/source', may: /^agent\/src\/(source|netlink|system|errors)|^node:/ },
    { from: 'agent/src/baseline', may: /^agent\/src\/(baseline|flow|source|system|errors)|^node:/ },
    { from: 'agent/src/flow', may: /^agent\/src\/(flow|source|errors)|^node:/ },
    {
      from: 'agent/src/exporter',
      may: /^agent\/src\/(exporter|flow|system|errors)|^@flowtoll\/proto|^@bufbuild\/|^@grpc\/|^node:/,
    },
    { from: 'aggregator/src/model', may: /^aggregator\/src\/model/ },
    ...[
      'ingest',
      'enrich',
      'pricing',
      'ranges',
      'table',
      'store',
      'query',
      'upkeep',
      'api',
      'topology',
      'kubernetes',
      'identity',
      'status',
      'billing',
      'transport',
      'sinks',
      'series',
    ].map((part) => ({
      from: `aggregator/src/${part}`,
      may: new RegExp(
        `^aggregator/src/(${part}|model${
          {
            table: '|store',
            topology: '|document',
            ranges: '|document',
            pricing: '|document',
            query: '|store|table|document',
            upkeep: '|store|table',
            api: '|store|table|transport',
            identity: '|kubernetes|document',
            status: '|store|table|query|upkeep',
            billing: '|pricing|query|table|document',
            ingest: '|transport',
            sinks: '|store|table|api|document|series',
            series: '|table|document',
          }[part] ?? ''
        })/|^@flowtoll/proto|^node:|^(?!agent/|aggregator/)[@a-z]`,
      ),
    })),
  ];
  for (const { from, may } of rules) {
    test(`${from} imports only what lies below it`, () => {
      const wrong = sources(from)
        .filter((file) => !/\.(test|testing)\.ts$/.test(file))
        .flatMap((file) => imports(file).map((target) => `${file} → ${target}`))
        .filter((edge) => {
          const target = edge.split(' → ')[1]!;
          return !may.test(target) && !target.startsWith(`${from}/`);
        })
        .filter((edge) => !/→ (agent|aggregator)\/src/.test(edge) || !may.test(edge.split(' → ')[1]!));
      expect(wrong).toEqual([]);
    });
  }

  test('only system/libc.ts imports koffi', () => {
    expect(sources('agent/src').filter((file) => imports(file).includes('koffi'))).toEqual([
      'agent/src/system/libc.ts',
    ]);
  });

  test('the clients of clouds are loaded by the store that needs them, and that store only when it is used', () => {
    const cloud = /^@(aws-sdk|azure|google-cloud)\/|store\/(s3|azure|gcs)-(store|errors)\.ts$/;
    const wrong = sources('aggregator/src')
      .filter((file) => !/\/store\/(s3|azure|gcs)-(store|errors)\.ts$|\.test\.ts$/.test(file))
      .filter((file) => imports(file).some((target) => cloud.test(target)));
    expect(wrong).toEqual([]);
  });

  test('the client of Kubernetes is loaded by what reads its configuration alone', () => {
    const wrong = sources('aggregator/src')
      .filter((file) => !file.endsWith('kubernetes/api-config.ts'))
      .filter((file) => imports(file).includes('@kubernetes/client-node'));
    expect(wrong).toEqual([]);
  });

  test('agent and aggregator do not know each other', () => {
    const wrong = [...sources('agent/src'), ...sources('aggregator/src')].filter((file) => {
      const other = file.startsWith('agent') ? /aggregator/ : /^(@flowtoll\/agent|agent\/)/;
      return imports(file).some((target) => other.test(target));
    });
    expect(wrong).toEqual([]);
  });
});

describe('sources', () => {
  const files = ['agent/src', 'aggregator/src', 'proto/src', 'images', 'test'].flatMap(sources);

  test('each file opens with what it is for', () => {
    const silent = files.filter(
      (file) => !/\.(test)\.ts$/.test(file) && !/^(\/\/|#!)/.test(readFileSync(join(ROOT, file), 'utf8')),
    );
    expect(silent).toEqual([]);
  });

  test('no test is skipped, none is singled out', () => {
    const marked = files.filter((file) =>
      /\b(test|it|describe)\.(skip|todo|only)\b/.test(readFileSync(join(ROOT, file), 'utf8')),
    );
    expect(marked.filter((file) => file !== 'test/repository.test.ts')).toEqual([]);
  });

  test('files that are known to take long are there', () => {
    expect(Object.keys(TEST_SECONDS).filter((file) => !files.includes(file))).toEqual([]);
  });

  test('every dependency is pinned', () => {
    for (const workspace of ['.', 'proto', 'agent', 'aggregator', 'test']) {
      const { dependencies = {}, devDependencies = {} } = JSON.parse(
        readFileSync(join(ROOT, workspace, 'package.json'), 'utf8'),
      ) as Record<string, Record<string, string>>;
      for (const version of Object.values({ ...dependencies, ...devDependencies })) {
        expect(version).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
      }
    }
  });
});
