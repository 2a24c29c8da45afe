// What `flowtoll status` knows of a store: figures, exact; how they look, and what of them is good or bad, is decided elsewhere.
import type { LossRows } from '../query/recent-rows.ts';
import type { NodeList, NodeStatus } from './nodes.ts';

/** Times are ms since the Unix epoch. */
export interface StoreStatus {
  readonly nowMs: number;
  /** Where the period begins that ends now. */
  readonly sinceMs: number;
  readonly clusters: readonly ClusterStatus[];
}

export interface ClusterStatus {
  readonly cluster: string;
  readonly tables: readonly TableStatus[];
  readonly rollUp: RollUpStatus;
  /** When a batch of an agent was last committed; null: never, or longer ago than the log remembers. */
  readonly newestBatchMs: number | null;
  /** For when nodes are judged: now, or, where nothing has come for long, when something last did. */
  readonly asOfMs: number;
  readonly nodes: readonly NodeStatus[];
  /** Who says which nodes exist; null: nobody. */
  readonly nodesListedBy: NodeList['source'] | null;
  readonly losses: readonly LossRows[];
}

export interface TableStatus {
  readonly table: 'flows' | 'costs_hourly' | 'endpoints';
  /** Of the newest log entry; null: there is no table. */
  readonly version: number | null;
  readonly fileCount: number;
  readonly bytes: number;
  /** When the newest entry was committed, whoever did; null: it does not say, or there is none. */
  readonly newestCommitMs: number | null;
}

/** How far `costs_hourly` has got. */
export interface RollUpStatus {
  /** The last version of `flows` in it; null: none is. */
  readonly version: number | null;
  /** Versions of `flows` that are not. */
  readonly waitingCount: number;
  /** When the first of them was committed; null: there is none, or it is not known. */
  readonly waitingSinceMs: number | null;
  /** Since when they could be rolled up: an hour is when a later one has begun. Null: not yet. */
  readonly dueSinceMs: number | null;
  /** The log entry of the first of them is gone: it can never be rolled up. */
  readonly isBroken: boolean;
}
