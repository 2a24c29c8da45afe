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

export type AgentPoint = (typeof AGENT_POINTS)[number];
export type AggregatorPoint = (typeof AGGREGATOR_POINTS)[number];
export type Point = AgentPoint | AggregatorPoint;

/** All of them. */
export const POINTS: readonly Point[] = [...AGENT_POINTS, ...AGGREGATOR_POINTS];

/** Points that need SIGTERM first. */
export const isDraining = (point: Point): boolean => point.endsWith('-draining');

/** What happens to a process at a point: SIGKILL, or SIGSTOP until somebody continues it. */
export type Action = 'die' | 'stop';

/** "ACTION:POINT:HIT", several with commas: when the point is passed for the HIT-th time (from 1). */
export const ARMED_VARIABLE = 'FLOWTOLL_TEST_CRASH';
/** File to which each death and stop, and what else is worth counting, is appended as one line of JSON. */
export const NOTES_VARIABLE = 'FLOWTOLL_TEST_CRASH_NOTES';

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
