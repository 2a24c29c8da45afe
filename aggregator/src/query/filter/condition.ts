// A condition on rows, read: what a filter or a group says, as a tree. Knows neither its text nor its SQL.
import type { Key } from '../keys.ts';

/** What a condition compares. */
export type FilterColumn =
  | { readonly name: string; readonly key: Key; readonly label?: undefined }
  | { readonly name: string; readonly key?: undefined; readonly label: string };

/** Of two values: what has no value equals nothing, and `not` of that is true. */
export type Condition =
  /** The column has one of these values. */
  | { readonly kind: 'oneOf'; readonly column: FilterColumn; readonly values: readonly string[] }
  /** The column has a value that the glob describes. */
  | { readonly kind: 'glob'; readonly column: FilterColumn; readonly glob: string }
  /** The column has no value. */
  | { readonly kind: 'missing'; readonly column: FilterColumn }
  | { readonly kind: 'not'; readonly of: Condition }
  /** True without parts. */
  | { readonly kind: 'all'; readonly of: readonly Condition[] }
  /** False without parts. */
  | { readonly kind: 'any'; readonly of: readonly Condition[] };

/** The columns that a condition looks at, each once. */
export function columnsOf(conditions: readonly Condition[]): FilterColumn[] {
  const found = new Map<string, FilterColumn>();
  const visit = (condition: Condition): void => {
    switch (condition.kind) {
      case 'not':
        visit(condition.of);
        break;
      case 'all':
      case 'any':
        condition.of.forEach(visit);
        break;
      default:
        found.set(condition.column.name, condition.column);
    }
  };
  conditions.forEach(visit);
  return [...found.values()];
}
