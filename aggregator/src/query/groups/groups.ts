// Allocation groups: conditions that are tried in order. Each row is in exactly one group, the first whose condition it meets, or
// the rest; so the sums of groups add up to the total. Knows no file.
import { type Condition, columnsOf, type FilterColumn } from '../filter/condition.ts';
import type { GroupChoice } from '../filter/parse.ts';
import { conditionSql } from '../filter/sql.ts';
import { type Key, labelSql } from '../keys.ts';
import { literal } from '../source-table.ts';

export interface AllocationGroup {
  readonly name: string;
  readonly condition: Condition;
}

export class AllocationGroups implements GroupChoice {
  readonly names: readonly string[];
  /** The group of a row, as a key of reports. */
  readonly key: Key;
  /** The columns in conditions that only `flows` has. */
  readonly onlyInFlows: readonly string[];
  readonly #groups: readonly AllocationGroup[];
  readonly #rest: string;

  /** @param rest name of what no group has */
  constructor(groups: readonly AllocationGroup[], rest: string) {
    this.#groups = groups;
    this.#rest = rest;
    this.names = [...groups.map(({ name }) => name), rest];
    const columns = columnsOf(groups.map(({ condition }) => condition));
    this.onlyInFlows = columns.flatMap(({ name, key }) => (key?.needsFlows === true ? [name] : []));
    this.key = this.#keyOver(columns);
  }

  /**
   * From the last group to the first: a row that meets the group's condition is wanted if the group is, and else whatever the
   * groups after it say. Grows with the number of groups, not with its square.
   */
  conditionOf(isWanted: (name: string) => boolean): Condition {
    return this.#groups.reduceRight<Condition>(
      (later, { name, condition }) =>
        isWanted(name)
          ? { kind: 'any', of: [condition, later] }
          : { kind: 'all', of: [{ kind: 'not', of: condition }, later] },
      isWanted(this.#rest) ? { kind: 'all', of: [] } : { kind: 'any', of: [] },
    );
  }

  #keyOver(columns: readonly FilterColumn[]): Key {
    const taken: Record<string, string> = {};
    const labels = new Map<string, string>();
    for (const { key, label } of columns) {
      if (key === undefined) {
        const alias = `group_label_${labels.size}`;
        labels.set(label, alias);
        taken[alias] = labelSql(label);
      } else {
        Object.assign(taken, key.columns);
      }
    }
    const columnSql = ({ key, label }: FilterColumn): string => (key === undefined ? labels.get(label)! : key.sql);
    const cases = this.#groups.map(
      ({ name, condition }) => `WHEN ${conditionSql(condition, columnSql)} THEN ${literal(name)}`,
    );
    return {
      sql: `CASE ${cases.join(' ')} ELSE ${literal(this.#rest)} END`,
      columns: taken,
      needsFlows: this.onlyInFlows.length > 0,
    };
  }
}
