// Files of groups: what is read of them, and every problem with its place. What groups mean is filter.test.ts's.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FlowtollError } from '../../model/errors.ts';
import { loadGroupsFile, parseGroups } from './read.ts';
import { groupsJsonSchema } from './schema.ts';

test('YAML and JSON', () => {
  const yaml = `version: 1
rest: nobody
groups:
  - name: payments
    where: >
      namespace in (billing, checkout)
      or label:team = payments
  - { name: "db's", where: pod ~ db-* }
`;
  const fromYaml = parseGroups(yaml, 'groups.yaml');
  expect(fromYaml.names).toEqual(['payments', "db's", 'nobody']);
  expect(fromYaml.onlyInFlows).toEqual(['pod']);
  const groups = [
    { name: 'payments', where: 'namespace in (billing, checkout) or label:team = payments' },
    { name: "db's", where: 'pod ~ db-*' },
  ];
  expect(parseGroups(JSON.stringify({ version: 1, rest: 'nobody', groups }), 'g').key).toEqual(fromYaml.key);
  expect(parseGroups('{version: 1, groups: [{name: a, where: zone=a}]}', 'g').names).toEqual(['a', '(other)']);
});

describe('problems, all at once, each with its place', () => {
  test.each([
    ['', ['(file): holds no mapping; it must begin with "version: 1"']],
    ['[1]', ['(file): holds no mapping; it must begin with "version: 1"']],
    ['{version: 2, groups: []}', ['version: ', 'groups: ']],
    ['{version: 1}', ['groups: is missing']],
    [
      '{version: 1, extra: 1, groups: [{name: a, where: zone=a, when: x}]}',
      ['groups[0]: unknown key when', '(file): unknown key extra'],
    ],
    ['{version: 1, groups: [{name: 7, where: zone=a}]}', ['groups[0].name: ']],
    ['{version: 1, groups: [{name: "a\\nb", where: zone=a}]}', ['groups[0].name: A name is one line']],
    [
      'version: 1\ngroups:\n- {name: a, where: zone=}\n- {name: b, where: zone=b}\n- {name: b, where: zoo=b}\n- {name: (other), where: group=a}\n',
      [
        'groups[0].where: at character 6: expected a value, found the end',
        'groups[2].name: "b" is the name of groups[1], too; join both by or',
        'groups[2].where: at character 1: there is no column "zoo"; there are cluster,',
        'groups[3].name: "(other)" is what no group has; give another name, here or as "rest"',
        'groups[3].where: at character 1: the condition of a group cannot name groups',
      ],
    ],
    ['version: 1\ngroups: [', ['(file): not readable as YAML or JSON: ']],
  ])('%j', (text, problems) => {
    const error = errorOf(() => parseGroups(text, 'groups.yaml'));
    expect(error.code).toBe('GROUPS_INVALID');
    const [first, ...lines] = error.message.split('\n  ');
    expect(first).toBe(
      `groups file groups.yaml has ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}:`,
    );
    for (const [i, problem] of problems.entries()) expect(lines[i]).toContain(problem);
  });

  test('a file that is not there', () => {
    const error = errorOf(() => loadGroupsFile('/nowhere/groups.yaml'));
    expect(error.code).toBe('GROUPS_INVALID');
    expect(error.message).toContain('groups file /nowhere/groups.yaml cannot be read: ENOENT');
  });
});

test('docs/groups.schema.json is current; if not, run `npm run generate`', () => {
  const committed = readFileSync(new URL('../../../../docs/groups.schema.json', import.meta.url), 'utf8');
  expect(JSON.parse(committed)).toEqual(groupsJsonSchema());
});

function errorOf(action: () => unknown): FlowtollError {
  try {
    action();
  } catch (error) {
    if (error instanceof FlowtollError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
