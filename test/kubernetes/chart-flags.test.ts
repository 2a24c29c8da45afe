// What the chart tells the programs is what the programs understand: each flag and variable of each container is in the help of its
// command, and each option of the help can be set by a value, or is said here why not.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHART, ChartRenderer, podTemplateOf } from '../support/chart/chart.ts';
import { valuesMatrix } from '../support/chart/values-matrix.ts';
import { helmHome, helmPrograms } from '../support/helm.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAMS = {
  agent: join(ROOT, 'agent', 'bin', 'flowtoll-agent.js'),
  aggregator: join(ROOT, 'aggregator', 'bin', 'flowtoll.js'),
} as const;
type Program = keyof typeof PROGRAMS;

/** Options that no value sets, and why. */
const NOT_FOR_VALUES: Readonly<Record<Program, Readonly<Record<string, string>>>> = {
  agent: {
    node: 'the variable FLOWTOLL_NODE: the node that the pod is on',
    source: 'auto is right on every node; replay is for files',
    'replay-file': 'as above',
    'cilium-maps': 'pinned where Cilium pins them; mounted there',
    help: 'no setting',
  },
  aggregator: {
    store: 'the variable FLOWTOLL_STORE',
    cluster: 'the variable FLOWTOLL_CLUSTER',
    'kube-context': 'the pod is in its cluster',
    help: 'no setting',
  },
};

interface Help {
  /** Names of long options. */
  readonly options: ReadonlySet<string>;
  readonly variables: ReadonlySet<string>;
}

const helps = new Map<string, Promise<Help>>();

/** What a command says about itself. */
function helpOf(program: Program, command: string): Promise<Help> {
  const key = `${program} ${command}`;
  const known = helps.get(key);
  if (known !== undefined) return known;
  const asked = promisify(execFile)(process.execPath, [PROGRAMS[program], command, '--help'], {
    timeout: 30_000,
    env: { ...process.env, COLUMNS: '10000' },
  }).then(({ stdout }) => ({
    options: new Set([...stdout.matchAll(/^ +(?:-\w, )?--([a-z0-9-]+)/gm)].map(([, name]) => name!)),
    variables: new Set([...stdout.matchAll(/env:\s+(FLOWTOLL_[A-Z0-9_]+)/g)].map(([, name]) => name!)),
  }));
  helps.set(key, asked);
  return asked;
}

interface Told {
  readonly program: Program;
  readonly command: string;
  readonly flags: readonly string[];
  readonly variables: readonly string[];
}

const programs = await helmPrograms();
if (programs !== undefined) {
  describe('what the chart tells the programs', () => {
    let folder: string;
    /** Of every container of ours, with every set of values. */
    const told: Told[] = [];

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'flowtoll-chart-'));
      const chart = new ChartRenderer(programs, helmHome(folder));
      for (const values of valuesMatrix().values()) {
        for (const manifest of await chart.render(values)) {
          const { spec } = podTemplateOf(manifest) ?? {};
          for (const { image, args, env = [] } of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]) {
            const program = (['agent', 'aggregator'] as const).find((name) => image.includes(`/${name}`));
            if (program === undefined) continue;
            told.push({
              ...{ program, command: args[0] },
              flags: args
                .filter((arg: string) => arg.startsWith('--'))
                .map((arg: string) => arg.slice(2).split('=')[0]!),
              variables: env
                .map(({ name }: { name: string }) => name)
                .filter((name: string) => name.startsWith('FLOWTOLL_')),
            });
          }
        }
      }
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    test('each command is one, and knows its flags', async () => {
      expect(new Set(told.map(({ program, command }) => `${program} ${command}`))).toEqual(
        new Set([
          'agent sysctls',
          'agent run',
          'aggregator serve',
          'aggregator report',
          'aggregator maintain',
          'aggregator status',
        ]),
      );
      const unknown = new Set<string>();
      for (const { program, command, flags } of told) {
        const { options } = await helpOf(program, command);
        for (const flag of flags) if (!options.has(flag)) unknown.add(`${program} ${command} --${flag}`);
      }
      expect([...unknown]).toEqual([]);
    });

    test('each variable is one that some command of the program reads', async () => {
      const unknown = new Set<string>();
      for (const { program, variables } of told) {
        const commands = new Set(told.filter((one) => one.program === program).map(({ command }) => command));
        const known = await Promise.all([...commands].map((command) => helpOf(program, command)));
        for (const variable of variables) {
          if (!known.some((help) => help.variables.has(variable))) unknown.add(`${program} ${variable}`);
        }
      }
      expect([...unknown]).toEqual([]);
    });

    test.each([
      ['agent', 'run'],
      ['aggregator', 'serve'],
    ] as const)(
      'each option of %s %s is set by a value of its own, or by `options`, or by nobody for a reason',
      async (program, command) => {
        const schema = JSON.parse(await readFile(join(CHART, 'values.schema.json'), 'utf8')) as {
          properties: Record<Program, { properties: { options: { propertyNames: { enum: string[] } } } }>;
        };
        const byOptions = schema.properties[program].properties.options.propertyNames.enum;
        const byTemplate = new Set(
          told.filter((one) => one.program === program && one.command === command).flatMap(({ flags }) => flags),
        );
        // What the sets of values give by `options` is no template's.
        for (const name of byOptions) byTemplate.delete(name);
        const { options } = await helpOf(program, command);
        expect([...byOptions, ...byTemplate, ...Object.keys(NOT_FOR_VALUES[program])].sort()).toEqual(
          [...options].sort(),
        );
      },
    );
  });
}
