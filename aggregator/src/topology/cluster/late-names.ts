// Flows of a new pod may come before the watch has told of the pod. This waits a few seconds for such addresses, for a whole commit at
// once, and remembers those that nobody came to hold: each is waited for once, then not again for some time. Knows neither rows
// nor commits.
import type { Schedule } from '../../model/schedule.ts';
import type { AddressOwner, Topology } from '../../model/topology.ts';

/** What is waited for: the addresses of a batch in its window. */
export interface NamedFlows {
  readonly addressNumbers: Uint32Array;
  /** By number. */
  readonly addressTexts: readonly string[];
  readonly windowStartUs: number;
  readonly windowEndUs: number;
}

export interface LateNamesConfig {
  /** How long after the end of a window names may come, ms. Default 5 s: kubelet, API server and watch take one or two. */
  readonly patienceMs?: number;
  /** For how long an address that nobody came to hold is not waited for again, ms. Default: ten minutes. */
  readonly givenUpMs?: number;
  /** Most addresses that are remembered as such. Default: 100,000. */
  readonly givenUpMax?: number;
}

export interface LateNamesParts {
  readonly index: {
    /** Whether names may come at all: nobody tells any while the API server is away. */
    isTold(nowUs: number): boolean;
    isUnheld(address: string, startUs: number, endUs: number): boolean;
    onHeld(listener: (address: string) => void): () => void;
  };
  /** All that names addresses. */
  readonly topology: Pick<Topology, 'lookupAddress' | 'inClusterRanges'>;
  /** Whether an address can be one of the cluster by its bits alone. */
  readonly isPrivate: (address: string) => boolean;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly schedule: Schedule;
}

/** Counts since the start. */
export interface LateNamesCounts {
  /** Commits that waited, and how long, ms, all together. */
  waits: number;
  waitedMs: number;
  /** Addresses that were waited for: those that somebody came to hold in time, and those that were given up. */
  heard: number;
  givenUp: number;
}

export interface LateNames {
  readonly counts: Readonly<LateNamesCounts>;
  /**
   * Resolves when every address of these flows is held by somebody, or is not worth waiting for: it is nobody's in the cluster, its
   * window ended too long ago, it was waited for before, or the API server tells of nobody. Takes no longer than the patience, and never rejects.
   */
  settled(flows: readonly NamedFlows[]): Promise<void>;
  /** Nobody waits any longer, now and later. */
  stop(): void;
}

const PATIENCE_MS = 5000;
const GIVEN_UP_MS = 600_000;
const GIVEN_UP_MAX = 100_000;

type Window = readonly [startUs: number, endUs: number];

/** Nobody here hears of what holds it. */
function isOfAnotherCluster({ identity }: AddressOwner): boolean {
  const node = identity.kind === 'pod' ? identity.node : identity;
  return node.kind === 'node' && node.cluster !== undefined;
}

export function createLateNames(config: LateNamesConfig, parts: LateNamesParts): LateNames {
  const { patienceMs = PATIENCE_MS, givenUpMs = GIVEN_UP_MS, givenUpMax = GIVEN_UP_MAX } = config;
  const { index, topology, isPrivate, now, schedule } = parts;
  const counts: LateNamesCounts = { waits: 0, waitedMs: 0, heard: 0, givenUp: 0 };
  /** Until when each is not waited for again, ms. */
  const givenUp = new Map<string, number>();
  const stopped = Promise.withResolvers<void>();
  let isStopped = false;

  /** Whether somebody may yet be heard of who held it. */
  function isAwaited(address: string, startUs: number, endUs: number, nowMs: number): boolean {
    if (!index.isUnheld(address, startUs, endUs) || address.includes('/')) return false;
    if ((givenUp.get(address) ?? 0) > nowMs) return false;
    const owner = topology.lookupAddress(address, startUs, endUs);
    if (owner !== undefined && isOfAnotherCluster(owner)) return false;
    return owner === undefined ? isPrivate(address) || topology.inClusterRanges(address) : owner.certainty !== 'exact';
  }

  /** The addresses to wait for, and until when, ms. */
  function awaitedOf(flows: readonly NamedFlows[], nowMs: number) {
    const awaited = new Map<string, Window>();
    let untilMs = nowMs;
    for (const { addressNumbers, addressTexts, windowStartUs, windowEndUs } of flows) {
      const lastMs = Math.min(windowEndUs / 1000, nowMs) + patienceMs;
      if (lastMs <= nowMs) continue;
      for (const number of addressNumbers) {
        const address = addressTexts[number]!;
        if (!isAwaited(address, windowStartUs, windowEndUs, nowMs)) continue;
        awaited.set(address, [windowStartUs, windowEndUs]);
        untilMs = Math.max(untilMs, lastMs);
      }
    }
    return { awaited, untilMs };
  }

  function giveUp(addresses: Iterable<string>, nowMs: number): void {
    for (const address of addresses) {
      if (givenUp.size >= givenUpMax) givenUp.clear();
      givenUp.set(address, nowMs + givenUpMs);
      counts.givenUp++;
    }
  }

  return {
    counts,
    async settled(flows) {
      const beginMs = now();
      if (isStopped || !index.isTold(beginMs * 1000)) return;
      const { awaited, untilMs } = awaitedOf(flows, beginMs);
      if (awaited.size === 0) return;
      counts.waits++;
      const done = Promise.withResolvers<void>();
      const forget = index.onHeld((address) => {
        givenUp.delete(address);
        const window = awaited.get(address);
        // Told while the index is changed: whether it is held in the window is asked once it is.
        if (window === undefined) return;
        queueMicrotask(() => {
          if (index.isUnheld(address, ...window) || !awaited.delete(address)) return;
          counts.heard++;
          if (awaited.size === 0) done.resolve();
        });
      });
      const cancel = schedule(done.resolve, untilMs - beginMs);
      await Promise.race([done.promise, stopped.promise]);
      cancel();
      forget();
      if (!isStopped) giveUp(awaited.keys(), now());
      counts.waitedMs += now() - beginMs;
    },
    stop() {
      isStopped = true;
      stopped.resolve();
    },
  };
}
