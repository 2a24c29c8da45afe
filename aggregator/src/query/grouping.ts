// What `--by` may name: keys of rows, labels, and allocation groups. Pure text.
import { FlowtollError } from '../model/errors.ts';
import type { AllocationGroups } from './groups/groups.ts';
import { KEY_NAMES, type Key, keyOf, labelOf, labelSql } from './keys.ts';

/** A key that reports group by. */
export interface Grouping extends Key {
  /** As the user wrote it. */
  readonly name: string;
}

/** The words that `--by` accepts. */
export const GROUPING_NAMES: readonly string[] = [...KEY_NAMES, 'label:NAME', 'group'];

/**
 * Reads a list such as `namespace,peer,label:team`; throws CONFIG_INVALID naming what is not known.
 * @param groups what `group` stands for; undefined where no groups were given
 */
export function parseGroupings(text: string, groups?: AllocationGroups): Grouping[] {
  const names = text.split(',').map((name) => name.trim());
  return names.map((name, i) => {
    const key = groupingOf(name, i, groups);
    if (key === undefined) {
      throw new FlowtollError(
        'CONFIG_INVALID',
        `--by cannot group by ${JSON.stringify(name)}; it knows ${GROUPING_NAMES.join(', ')}`,
      );
    }
    if (names.indexOf(name) !== i) {
      throw new FlowtollError('CONFIG_INVALID', `--by names ${JSON.stringify(name)} twice`);
    }
    const { sql, columns, needsFlows } = key;
    return { name, sql, columns, needsFlows };
  });
}

function groupingOf(name: string, position: number, groups: AllocationGroups | undefined): Key | undefined {
  if (name === 'group') {
    if (groups !== undefined) return groups.key;
    throw new FlowtollError('CONFIG_INVALID', '--by group needs a file that says which groups there are (--groups)');
  }
  const label = labelOf(name);
  if (label === undefined) return keyOf(name);
  const alias = `label_${position}`;
  return { sql: alias, columns: { [alias]: labelSql(label) }, needsFlows: false };
}
