// Looks now and then for nodes that no agent speaks for: Kubernetes lists them, and neither a commit of any replica nor a stream here is of
// them. All replicas read the same log, so all say the same. Where this process or the store was away, silence proves nothing: then it
// says nothing until it has looked soundly for as long as a node may be silent.
import type { Logger } from './ingest/ingest-stream.ts';
import { type Schedule, timers } from './model/schedule.ts';
import type { Pipeline } from './pipeline.ts';

/** What one look found. */
export interface NodesSeen {
  /** Nodes that exist. */
  readonly listed: number;
  /** Names of those that no agent speaks for, sorted. */
  readonly unwatched: readonly string[];
}

export interface UnwatchedWatchParts {
  readonly pipeline: Pick<Pipeline, 'nodesHeard' | 'counters'>;
  readonly index: { readonly nodesCreatedUs: ReadonlyMap<string, number> };
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly schedule?: Schedule;
}

export interface UnwatchedWatch {
  /** Undefined while nobody can know. */
  readonly seen: NodesSeen | undefined;
  stop(): void;
}

const LOOK_MAX_MS = 60_000;
/** Names in a message. */
const NAMES_MAX = 20;

/** Begins to look. A node may be silent, or be without an agent after it was made, for `silentMs`. */
export function watchUnwatched(
  { silentMs }: { readonly silentMs: number },
  { pipeline, index, log, now, schedule = timers }: UnwatchedWatchParts,
): UnwatchedWatch {
  const lookMs = Math.min(LOOK_MAX_MS, silentMs / 4);
  let seen: NodesSeen | undefined;
  let soundSinceMs = now();
  let lookedMs = soundSinceMs;
  let failuresSeen = pipeline.counters.failedCommits;
  let said = '';
  let stopped = false;
  let cancel = schedule(look, lookMs);

  async function look(): Promise<void> {
    const nowMs = now();
    try {
      const heard = await pipeline.nodesHeard();
      const { failedCommits } = pipeline.counters;
      // This process stood still, or could not commit: so could not those who would have been heard.
      if (failedCommits !== failuresSeen || nowMs - lookedMs > silentMs) soundSinceMs = nowMs;
      failuresSeen = failedCommits;
      seen = nowMs - soundSinceMs < silentMs ? undefined : judge(heard, nowMs);
      say();
    } catch (error) {
      soundSinceMs = nowMs;
      seen = undefined;
      log.warn({ err: error }, 'nodes that no agent speaks for could not be looked for; it is tried again');
    }
    lookedMs = nowMs;
    if (!stopped) cancel = schedule(look, lookMs);
  }

  function judge(heard: ReadonlyMap<string, number>, nowMs: number): NodesSeen {
    const sinceMs = nowMs - silentMs;
    const nodes = index.nodesCreatedUs;
    const unwatched = [...nodes]
      .filter(([name, createdUs]) => createdUs / 1000 <= sinceMs && (heard.get(name) ?? 0) <= sinceMs)
      .map(([name]) => name)
      .sort();
    return { listed: nodes.size, unwatched };
  }

  /** When others are unwatched than before. */
  function say(): void {
    if (seen === undefined) return;
    const { unwatched } = seen;
    const text = unwatched.join(' ');
    if (text === said) return;
    said = text;
    const fields = { count: unwatched.length, nodes: unwatched.slice(0, NAMES_MAX) };
    if (unwatched.length === 0) log.info(fields, 'an agent speaks for each node again');
    else log.warn(fields, 'no agent speaks for these nodes: what they pay for is not in the table');
  }

  return {
    get seen() {
      return seen;
    },
    stop() {
      stopped = true;
      cancel();
    },
  };
}
