// A file of allocation groups → groups. Every problem is named at once, with its place.
import { readFileSync } from 'node:fs';
import { parseText } from '../../document/parse-text.ts';
import { type DocumentKind, Problems } from '../../document/problems.ts';
import { FlowtollError } from '../../model/errors.ts';
import { parseCondition } from '../filter/parse.ts';
import { type AllocationGroup, AllocationGroups } from './groups.ts';
import { type GroupsFile, groupsSchema } from './schema.ts';

const GROUPS_FILE: DocumentKind = { name: 'groups file', code: 'GROUPS_INVALID', page: 'docs/groups.md' };

const DEFAULT_REST = '(other)';

/** Reads a file of groups. Throws GROUPS_INVALID, listing every problem. */
export function loadGroupsFile(path: string): AllocationGroups {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice = 'check the path and its permissions';
    throw new FlowtollError('GROUPS_INVALID', `groups file ${path} cannot be read: ${reason}; ${advice}`, { cause });
  }
  return parseGroups(text, path);
}

/** Parses the text of such a file, YAML or JSON; `file` names it in errors. */
export function parseGroups(text: string, file: string): AllocationGroups {
  const problems = new Problems(GROUPS_FILE);
  const raw = parseText(text, problems);
  const checked = raw && groupsSchema.safeParse(raw);
  if (checked?.success === false) problems.addIssues([], checked.error);
  const groups = checked?.success ? readGroups(checked.data, problems) : [];
  problems.throwIfAny(file);
  return new AllocationGroups(groups, checked?.data?.rest ?? DEFAULT_REST);
}

function readGroups({ groups, rest = DEFAULT_REST }: GroupsFile, problems: Problems): AllocationGroup[] {
  const indexes = new Map<string, number>();
  return groups.flatMap(({ name, where }, index) => {
    const earlier = indexes.get(name);
    if (earlier !== undefined) {
      problems.add(
        ['groups', index, 'name'],
        `${JSON.stringify(name)} is the name of groups[${earlier}], too; join both by or`,
      );
    }
    indexes.set(name, earlier ?? index);
    if (name === rest) {
      problems.add(
        ['groups', index, 'name'],
        `${JSON.stringify(name)} is what no group has; give another name, here or as "rest"`,
      );
    }
    const parsed = parseCondition(where, {
      groups: undefined,
      withoutGroups: 'the condition of a group cannot name groups; repeat the condition of the other group',
    });
    if ('condition' in parsed) return [{ name, condition: parsed.condition }];
    problems.add(['groups', index, 'where'], parsed.problem);
    return [];
  });
}
