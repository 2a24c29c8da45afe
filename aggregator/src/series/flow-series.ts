// All series of the rows that this process committed. What a commit may hold is summed up beside it and counted when the commit has
// succeeded: rows of batches that were duplicates, or that lost the race, were never there. Only grows, and begins at zero: the sum over
// replicas and their lives is the truth.
import type { FlowRow } from '../model/flow-row.ts';
import type { SeriesSetConfig, SumsByKey } from './set.ts';
import { SeriesSet } from './set.ts';

export interface FlowSeries {
  readonly sets: readonly SeriesSet[];
  /** Rows of one batch that may come to be in the table; `commit` when they are. */
  begin(): { add(row: FlowRow): void; commit(): void };
}

export function createFlowSeries(configs: readonly SeriesSetConfig[]): FlowSeries {
  const sets = configs.map((config) => new SeriesSet(config));
  return {
    sets,
    begin() {
      const pending: SumsByKey[] = sets.map(() => new Map());
      return {
        add(row) {
          for (let i = 0; i < sets.length; i++) sets[i]!.sum(row, pending[i]!);
        },
        commit() {
          for (let i = 0; i < sets.length; i++) {
            sets[i]!.add(pending[i]!);
            pending[i]!.clear();
          }
        },
      };
    },
  };
}
