// Which faults there are in one round, from a seed: lives of agents and of aggregators and how each ends, and for each link
// a series of faults. Pure.
import type { Random } from '../lab/random.ts';
import type { LinkFault } from './links.ts';
import type { Instant } from './parts.ts';
import {
  AGENT_POINTS,
  AGGREGATOR_POINTS,
  type AgentPoint,
  type AggregatorPoint,
  isDraining,
  POINTS,
  type Point,
  type UpkeepPoint,
} from './points.ts';

/** One life of a process, from its start. Times are ms. */
export interface PlannedLife {
  /** Stopped at a point, or that long after its start; continued so much later. */
  readonly pause?: ({ readonly at: Instant } | { readonly afterMs: number }) & { readonly forMs: number };
  /**
   * Dies at a point (with draining, told to stop that long after it had something to do), or is killed that long after its
   * start, or after it was stopped at a point and continued.
   */
  readonly end: (Instant & { readonly stopAfterMs?: number }) | { readonly killAfterMs: number };
  /** Dies at one of these points if it comes first. */
  readonly besides?: readonly Instant[];
}

/** A fault of a link, that long after the one before. */
export interface PlannedLinkFault {
  readonly afterMs: number;
  readonly fault: LinkFault;
}

export interface FaultPlan {
  /** Lives of agents; whichever is free takes the next. */
  readonly agents: readonly PlannedLife[];
  readonly aggregators: readonly PlannedLife[];
  /** Faults of each agent's link. */
  readonly links: readonly (readonly PlannedLinkFault[])[];
}

/** Of all faults, the part at points; processes stopped; links. The rest kills at any instant. */
const POINTS_PART = 0.45;
const PAUSES_PART = 0.1;
const LINKS_PART = 0.3;

/** Late hits let a process live for a while; most come within two seconds. */
const LATEST_HIT: Readonly<Record<AgentPoint | AggregatorPoint, number>> = {
  'spool-written': 5,
  'baseline-written': 5,
  'journal-opened': 6,
  'dump-running': 10,
  'batch-sending': 5,
  'acknowledgement-read': 3,
  'agent-draining': 5,
  'parquet-written': 2,
  'log-entry-written': 2,
  acknowledging: 2,
  'aggregator-draining': 2,
};

/** Upkeep does its whole work at once, so that late hits need no time. */
const LATEST_UPKEEP_HIT: Readonly<Record<UpkeepPoint, number>> = {
  'roll-up-file-written': 3,
  'roll-up-entry-written': 3,
  'compaction-file-written': 2,
  'compaction-entry-written': 2,
  'checkpoint-written': 1,
  'checkpoint-hint-written': 1,
  'log-object-deleted': 4,
  'data-file-deleted': 4,
};
const AGENT_STOPS = AGENT_POINTS.filter((point) => !isDraining(point));
/** Between its file and its log entry a commit can lose the race against one with the very same batches. */
const AGGREGATOR_STOPS: readonly Point[] = ['parquet-written', 'parquet-written', 'log-entry-written', 'acknowledging'];

/** Plans about `faults` faults, each point as often as every other. */
export function planFaults(random: Random, sizes: { readonly faults: number; readonly links: number }): FaultPlan {
  const { faults } = sizes;
  const agents: PlannedLife[] = [];
  const aggregators: PlannedLife[] = [];
  const eachPoint = Math.max(1, Math.round((faults * POINTS_PART) / POINTS.length));
  for (let i = 0; i < eachPoint; i++) {
    for (const point of AGENT_POINTS) {
      const stop = point === 'agent-draining' && { stopAfterMs: random.integer(0, 1500) };
      agents.push({ end: { ...instant(random, point), ...stop } });
    }
    for (const point of AGGREGATOR_POINTS) aggregators.push({ end: instant(random, point) });
  }
  // There are more points for agents than for aggregators: kills make up for it.
  const kills = Math.round(faults * (1 - POINTS_PART - PAUSES_PART - LINKS_PART));
  for (let i = 0; i < kills; i++) {
    const kind = i % 9 === 0 || agents.length < aggregators.length ? agents : aggregators;
    // Each third one is stopped at a point before.
    const pause = i % 3 === 0 && stopAtPoint(random, kind === agents ? AGENT_STOPS : AGGREGATOR_STOPS);
    kind.push({ end: { killAfterMs: random.integer(50, 2500) }, ...(pause && { pause }) });
  }
  const pausesPart = (faults * PAUSES_PART) / (agents.length + aggregators.length);
  const links: PlannedLinkFault[][] = Array.from({ length: sizes.links }, () => []);
  for (let i = 0; i < Math.round(faults * LINKS_PART); i++) links[i % links.length]!.push(linkFault(random));
  return {
    agents: shuffled(random, agents).map((life) => withPause(random, life, pausesPart)),
    aggregators: shuffled(random, aggregators).map((life) => withPause(random, life, pausesPart)),
    links,
  };
}

function withPause(random: Random, life: PlannedLife, probability: number): PlannedLife {
  if (life.pause !== undefined || !random.chance(probability)) return life;
  return { ...life, pause: { afterMs: random.integer(200, 1200), forMs: random.logarithmic(500, 5000) } };
}

/** Long enough for the others to notice, and to go on without it. */
function stopAtPoint(random: Random, points: readonly Point[]): PlannedLife['pause'] {
  return { at: { point: random.pick(points), hit: random.integer(1, 2) }, forMs: random.integer(3000, 6000) };
}

/** An instant at a point of upkeep. */
export function upkeepInstant(random: Random, point: UpkeepPoint): Instant {
  return { point, hit: random.integer(1, LATEST_UPKEEP_HIT[point]) };
}

function instant(random: Random, point: AgentPoint | AggregatorPoint): Instant {
  return { point, hit: random.integer(1, LATEST_HIT[point]) };
}

/** One fault of a link. */
export function linkFault(random: Random): PlannedLinkFault {
  const afterMs = random.integer(50, 800);
  const kind = random.pick(['cut', 'cut', 'half-open', 'delay'] as const);
  switch (kind) {
    case 'cut':
      return { afterMs, fault: { kind, orderly: random.chance(0.5) } };
    case 'half-open': {
      const direction = random.pick(['up', 'down', 'both'] as const);
      return { afterMs, fault: { kind, direction, forMs: random.integer(500, 4000) } };
    }
    case 'delay':
      return { afterMs, fault: { kind, delayMs: random.integer(100, 1500), forMs: random.integer(500, 3000) } };
  }
}

function shuffled<T>(random: Random, values: readonly T[]): T[] {
  const copy = [...values];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random.integer(0, i);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
