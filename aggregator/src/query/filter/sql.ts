// A condition as SQL over rows of the tables. Values are literals, escaped; names of columns are ours alone.
import { labelSql } from '../keys.ts';
import { literal } from '../source-table.ts';
import type { Condition, FilterColumn } from './condition.ts';
import { LIKE_ESCAPE, likePattern } from './glob.ts';

/** The value of a column as an expression; text or null. */
export type ColumnSql = (column: FilterColumn) => string;

/** Over rows as they are in the tables. */
const OF_ROWS: ColumnSql = ({ key, label }) => (key === undefined ? labelSql(label) : key.sql);

/** An expression that is true for rows that meet the condition, and false or null for others. */
export function conditionSql(condition: Condition, columnSql: ColumnSql = OF_ROWS): string {
  switch (condition.kind) {
    case 'oneOf':
    case 'glob':
      return matchSql(condition, columnSql);
    case 'missing':
      return `(${columnSql(condition.column)}) IS NULL`;
    case 'not':
      return `(${conditionSql(condition.of, columnSql)}) IS NOT TRUE`;
    default:
      return joined(
        condition.kind,
        condition.of.map((part) => conditionSql(part, columnSql)),
      );
  }
}

/**
 * An expression that is false for rows of lost traffic that the condition rules out, whatever was lost. Such a row is no traffic of
 * nobody: where it has no value, nobody knows it, and its class says only that it is lost. So this is logic of three values.
 */
export function lossConditionSql(condition: Condition): string {
  switch (condition.kind) {
    case 'oneOf':
    case 'glob': {
      const matches = matchSql(condition, OF_ROWS);
      return condition.column.name === 'class' ? `nullif(${matches}, false)` : matches;
    }
    case 'missing':
      return `nullif((${OF_ROWS(condition.column)}) IS NULL, true)`;
    case 'not':
      return `NOT (${lossConditionSql(condition.of)})`;
    default:
      return joined(condition.kind, condition.of.map(lossConditionSql));
  }
}

function matchSql(condition: Extract<Condition, { kind: 'oneOf' | 'glob' }>, columnSql: ColumnSql): string {
  const value = `(${columnSql(condition.column)})`;
  return condition.kind === 'oneOf'
    ? `${value} IN (${condition.values.map(literal).join(', ')})`
    : `${value} LIKE ${literal(likePattern(condition.glob))} ESCAPE ${literal(LIKE_ESCAPE)}`;
}

function joined(kind: 'all' | 'any', parts: readonly string[]): string {
  if (parts.length === 0) return String(kind === 'all');
  return parts.map((part) => `(${part})`).join(kind === 'all' ? ' AND ' : ' OR ');
}
