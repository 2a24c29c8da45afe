// How the cache of one resource is doing: for metrics, /readyz and logs. Numbers only ever grow, times are of the clock that was passed
// in. Knows nothing of how it comes about.
import type { FlowtollError } from '../model/errors.ts';
import type { FailureReason } from './api-failure.ts';

export interface ResourceStatus {
  /** "pods", "rollouts.argoproj.io". */
  readonly resource: string;
  readonly state: 'stopped' | 'listing' | 'watching' | 'waiting';
  /** A whole list has been taken once. Never becomes false again: what is known is kept whatever happens. */
  readonly synced: boolean;
  /** Objects that exist, as far as is known. */
  readonly objects: number;
  /** Since when every try has failed, ms since the Unix epoch; null while it works. */
  readonly failingSinceMs: number | null;
  /** When the server last said anything about this resource (page, event, bookmark, start of a watch), ms since the Unix epoch. */
  readonly heardMs: number | null;
  /** Until when all that happened to this resource has been told, ms since the Unix epoch; null before the first whole list. */
  readonly toldMs: number | null;
  /** When an object last came, changed or went. */
  readonly changedMs: number | null;
  /** Lists begun; all after the first because a watch could not go on. */
  readonly lists: number;
  /** Watches that the server agreed to. */
  readonly watches: number;
  readonly events: number;
  readonly bookmarks: number;
  /** Objects that lack uid, name or version, or could not be read: not told to anybody. */
  readonly malformedObjects: number;
  /** Objects and events that are larger than is taken: they stay as they were known, or unknown. */
  readonly largeObjects: number;
  /** Events that are older than what is known: a server that is behind told them again. */
  readonly repeatedEvents: number;
  /** Failures by reason. */
  readonly failures: ReadonlyMap<FailureReason, number>;
  /** Why it does not work now; null while it does. */
  readonly error: FlowtollError | null;
}

/** The same, for whoever makes it come about. */
export type MutableResourceStatus = { -readonly [K in keyof ResourceStatus]: ResourceStatus[K] } & {
  readonly failures: Map<FailureReason, number>;
};

export function createResourceStatus(resource: string): MutableResourceStatus {
  return {
    resource,
    state: 'stopped',
    synced: false,
    objects: 0,
    failingSinceMs: null,
    heardMs: null,
    toldMs: null,
    changedMs: null,
    lists: 0,
    watches: 0,
    events: 0,
    bookmarks: 0,
    malformedObjects: 0,
    largeObjects: 0,
    repeatedEvents: 0,
    failures: new Map(),
    error: null,
  };
}
