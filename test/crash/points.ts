// The named instants at which a process of the product can be made to die or to stop, and how a test says which. Plain data:
// what a test and the module that it loads into the product (crash-points.ts) agree on.

/** Instants in an agent. */
export const AGENT_POINTS = [
  'spool-written', // a batch has its name in the spool; its folder is not synced yet
  'baseline-written', // a baseline has its name; its window is not in the spool yet
  'journal-opened', // events go to the next journal; the window is not in the spool yet
  'dump-running', // entries of a dump are read, its end is not
  'batch-sending', // a batch is about to go to the aggregator
  'acknowledgement-read', // it is acknowledged, and still in the spool
  'agent-draining', // any of these after SIGTERM
] as const;

/** Instants in an aggregator. */
export const AGGREGATOR_POINTS = [
  'parquet-written', // a data file is in the store, and nothing names it
  'log-entry-written', // a commit is in the log, and nobody knows
  'acknowledging', // the commit is done, its first acknowledgement is about to be written
  'aggregator-draining', // any of these after SIGTERM
] as const;

/** Instants in upkeep, which aggregators do now and then, and `flowtoll maintain`. */
export const UPKEEP_POINTS = [
  'roll-up-file-written', // sums of a day are in the store, and nothing names them
  'roll-up-entry-written', // the step is in the log of costs_hourly, and nobody knows
  'compaction-file-written', // a merged file is in the store, and nothing names it
  'compaction-entry-written', // it has taken the place of others in the log, and nobody knows
  'checkpoint-written', // a checkpoint is there, and nothing hints at it
  'checkpoint-hint-written', // the hint is there; its writer has not heard
  'log-object-deleted', // an entry or a checkpoint is gone that readers need no more; others may wait
  'data-file-deleted', // a file is gone that the table had let go; others may wait
] as const;

export type AgentPoint = (typeof AGENT_POINTS)[number];
export type AggregatorPoint = (typeof AGGREGATOR_POINTS)[number];
export type UpkeepPoint = (typeof UPKEEP_POINTS)[number];
export type Point = AgentPoint | AggregatorPoint | UpkeepPoint;

/** Those of ingest. */
export const POINTS: readonly Point[] = [...AGENT_POINTS, ...AGGREGATOR_POINTS];

/** Points that need SIGTERM first. */
export const isDraining = (point: Point): boolean => point.endsWith('-draining');

/** What happens to a process at a point: SIGKILL, or SIGSTOP until somebody continues it. */
export type Action = 'die' | 'stop';

/** "ACTION:POINT:HIT", several with commas: when the point is passed for the HIT-th time (from 1). */
export const ARMED_VARIABLE = 'FLOWTOLL_TEST_CRASH';
/** File to which each death and stop, and what else is worth counting, is appended as one line of JSON. */
export const NOTES_VARIABLE = 'FLOWTOLL_TEST_CRASH_NOTES';

/** Part of the pauses between rounds of upkeep that is left of them: "0.05". */
export const UPKEEP_PAUSES_VARIABLE = 'FLOWTOLL_TEST_UPKEEP_PAUSES';

/** A line of that file. */
export interface Note {
  readonly pid: number;
  /** An action, about to happen. `lost-race`: a log entry was there already. */
  readonly what: Action | 'lost-race';
  /** The point that was armed. */
  readonly point?: Point;
  /** The point that was passed: with draining, which one. */
  readonly at?: Point;
}
