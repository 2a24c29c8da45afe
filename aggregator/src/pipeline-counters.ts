// What the pipeline counts.
import type { FlowRow, TrafficClass } from './model/flow-row.ts';

/** Counts since the start of the process. */
export interface PipelineCounters {
  commits: number;
  failedCommits: number;
  rows: number;
  /** Rows by class, and those of them that have bytes and no price. */
  readonly rowsByClass: Map<TrafficClass, number>;
  readonly unpricedRowsByClass: Map<TrafficClass, number>;
  /** Rows whose cost does not fit its column: stored with their bytes and no cost. */
  priceOverflows: number;
  /** Batches that became a loss, because their rows could not be made. */
  lostBatches: number;
  /** Batches that were in the table already when their commit came. */
  duplicates: number;
  /** Batches that follow one which the table does not hold; their agents send them again. */
  refused: number;
  /** Epochs that this process recorded as vanished. */
  vanishedEpochs: number;
  /** Adds what one batch became, once it is in the table. */
  addRows(counts: RowCounts | undefined): void;
}

/** What one batch became. */
export class RowCounts {
  readonly byClass = new Map<TrafficClass, number>();
  readonly unpricedByClass = new Map<TrafficClass, number>();
  rows = 0;
  priceOverflows = 0;
  /** What its rows add to the series, once it is in the table. */
  series: { commit(): void } | undefined;

  add({ trafficClass, lossReason, priceBasis }: FlowRow): void {
    this.rows++;
    increase(this.byClass, trafficClass, 1);
    if (lossReason === null && (priceBasis === null || priceBasis === 'none')) {
      increase(this.unpricedByClass, trafficClass, 1);
    }
  }
}

/** All zero. */
export function createPipelineCounters(): PipelineCounters {
  return {
    commits: 0,
    failedCommits: 0,
    rows: 0,
    rowsByClass: new Map(),
    unpricedRowsByClass: new Map(),
    priceOverflows: 0,
    lostBatches: 0,
    duplicates: 0,
    refused: 0,
    vanishedEpochs: 0,
    addRows(counts) {
      if (counts === undefined) return;
      this.rows += counts.rows;
      this.priceOverflows += counts.priceOverflows;
      for (const [name, count] of counts.byClass) increase(this.rowsByClass, name, count);
      for (const [name, count] of counts.unpricedByClass) increase(this.unpricedRowsByClass, name, count);
    },
  };
}

function increase(counts: Map<TrafficClass, number>, name: TrafficClass, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
