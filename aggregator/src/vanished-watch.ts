// Looks now and then for nodes that never came back. Careful with its own blindness: where this process, or the store, was
// away itself, silence proves nothing, and agents get the time of one look to come back.
import type { Logger } from './ingest/ingest-stream.ts';
import type { Pipeline } from './pipeline.ts';

export interface VanishedWatchConfig {
  /** Silence after which a node has vanished, in ms. */
  readonly silentMs: number;
}

const LOOK_MAX_MS = 3_600_000;

/** Begins to look; returns how to stop. `every` calls back again and again, and returns how to cancel. */
export function watchVanished(
  { silentMs }: VanishedWatchConfig,
  parts: {
    readonly pipeline: Pick<Pipeline, 'recordVanished' | 'counters'>;
    readonly log: Logger;
    readonly every?: (callback: () => Promise<void>, intervalMs: number) => () => void;
  },
): () => void {
  const { pipeline, log, every = timers } = parts;
  let failuresSeen = 0;
  return every(
    async () => {
      const { failedCommits } = pipeline.counters;
      const sound = failedCommits === failuresSeen;
      failuresSeen = failedCommits;
      if (!sound) return;
      try {
        await pipeline.recordVanished(silentMs);
      } catch (error) {
        failuresSeen = -1;
        log.warn({ err: error }, 'nodes that never came back could not be looked for; it is tried again');
      }
    },
    Math.min(LOOK_MAX_MS, silentMs),
  );
}

function timers(callback: () => Promise<void>, intervalMs: number): () => void {
  const timer = setInterval(() => void callback(), intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
