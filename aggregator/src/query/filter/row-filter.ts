// What `--filter` says: text in, a condition on the rows of a report out.
import { FlowtollError } from '../../model/errors.ts';
import { columnsOf } from './condition.ts';
import { type GroupChoice, parseCondition } from './parse.ts';
import { conditionSql, lossConditionSql } from './sql.ts';

/** Which rows a report is about. */
export interface RowFilter {
  /** As the user wrote it. */
  readonly text: string;
  /** Condition on rows of either table. */
  readonly sql: string;
  /** The columns in it that only `flows` has. */
  readonly onlyInFlows: readonly string[];
}

/** Throws CONFIG_INVALID, saying where the text is wrong. */
export function parseRowFilter(text: string, groups: GroupChoice | undefined): RowFilter {
  const withoutGroups = 'group needs a file that says which groups there are (--groups)';
  const parsed = parseCondition(text, { groups, withoutGroups });
  if ('problem' in parsed) throw new FlowtollError('CONFIG_INVALID', `--filter, ${parsed.problem}`);
  const { condition } = parsed;
  return {
    text: text.trim(),
    sql: `(traffic_class <> 'lost' AND (${conditionSql(condition)}))
      OR (traffic_class = 'lost' AND (${lossConditionSql(condition)}) IS NOT FALSE)`,
    onlyInFlows: columnsOf([condition]).flatMap(({ name, key }) => (key?.needsFlows === true ? [name] : [])),
  };
}
