// Values of the Helm chart as they are documented: each is explained, stands in the schema, and in the README as it is.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { CHART, defaultValues, exampleValues } from './support/chart/chart.ts';
import { CHART_README, chartReadme, readValuesFile } from './support/chart/chart-readme.ts';

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
}

const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Schema & {
  readonly $defs: Readonly<Record<string, Schema>>;
};
const { entries, unexplained } = readValuesFile(readFileSync(join(CHART, 'values.yaml'), 'utf8'));

describe('values of the chart', () => {
  test('are all explained', () => {
    expect(unexplained).toEqual([]);
    expect(entries.length).toBeGreaterThan(100);
    for (const { path, comment } of entries) expect({ path, comment }).toMatchObject({ comment: /^[A-Z`].*[.]$/s });
  });

  test('stand in the README as they are: npm run generate', () => {
    expect(readFileSync(CHART_README, 'utf8')).toBe(chartReadme());
  });

  test('are those of the schema, none more and none less', () => {
    const explained = new Set(entries.map(({ path }) => path));
    const paths = (at: Schema, path: string): readonly string[] => {
      const { properties } = at.$ref === undefined ? at : schema.$defs[at.$ref.split('/').at(-1)!]!;
      if (explained.has(path) || properties === undefined) return [path];
      return Object.entries(properties).flatMap(([key, below]) => paths(below, path === '' ? key : `${path}.${key}`));
    };
    // Helm gives a chart that is part of another what is global there.
    const inSchema = paths(schema, '').filter((path) => path !== 'global');
    expect([...inSchema].sort()).toEqual([...explained].sort());
  });

  test.each([['defaults', {}], ...exampleValues()])('fit the schema: %s', (_, values) => {
    const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true }).compile(
      schema,
    );
    expect([validate({ ...defaultValues(), ...values }), validate.errors]).toEqual([true, null]);
  });
});

describe('reading values.yaml', () => {
  test('comments explain what is below, and keys without one are groups', () => {
    const text = `# About the file.\n\n## Part\n\n# One.\none: 1\ngroup:\n  # Of\n  # two lines.\n  two:\n    # Not seen.\n    deep: [1]\n  three: 3\nfour: {}\n`;
    expect(readValuesFile(text)).toEqual({
      entries: [
        { path: 'one', section: 'Part', comment: 'One.', value: 1 },
        { path: 'group.two', section: 'Part', comment: 'Of two lines.', value: { deep: [1] } },
      ],
      unexplained: ['group.three', 'four'],
    });
  });
});

describe.each(['install.md', 'privileges.md'])('docs/%s', (page) => {
  const text = readFileSync(join(CHART, '..', '..', 'docs', page), 'utf8');

  test('speaks of values that there are', () => {
    const known = new Set(
      entries.flatMap(({ path }) => path.split('.').map((_, i, keys) => keys.slice(0, i + 1).join('.'))),
    );
    const groups = new Set([...known].map((path) => path.split('.')[0]!));
    // A value, perhaps with `=` or `: ` and what it is set to; what lies below an entry is the user's.
    const spoken = [...text.matchAll(/(?:`|--set )([a-z][A-Za-z]*(?:\.[A-Za-z]+)*)(?:[=:`]| )/g)]
      .map(([, path]) => path!)
      .filter((path) => groups.has(path.split('.')[0]!) && path !== 'store' && (path.includes('.') || known.has(path)));
    expect(spoken.length).toBeGreaterThan(10);
    const unknown = spoken.filter(
      (path) => !known.has(path) && !entries.some((entry) => path.startsWith(`${entry.path}.`)),
    );
    expect(unknown).toEqual([]);
  });

  test('links to what there is', () => {
    const targets = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target]) => target!);
    expect(targets.length).toBeGreaterThan(1);
    for (const target of targets)
      expect([target, existsSync(join(CHART, '..', '..', 'docs', target))]).toEqual([target, true]);
  });
});
