// A whole crash test: rounds until enough faults have happened, each with a seed of its own, and the figures of all.
import { isDraining, POINTS, type Point, UPKEEP_POINTS } from './points.ts';
import { type RoundOptions, type RoundResult, runRound } from './round.ts';
import type { StoreKind } from './round-store.ts';

/**
 * So many faults of processes and links at most in one round: connections must not end before it does, and on S3 the
 * aggregators' clock must not get too far.
 */
const FAULTS_PER_ROUND: Readonly<Record<StoreKind, number>> = { directory: 300, s3: 150 };
/** A point that is not hit often enough by then is none that can be reached. */
const ROUNDS_MAX = 60;

export interface CrashOptions {
  readonly store?: StoreKind;
  /** Of the first round; the next one has the next. */
  readonly seed: number;
  /** About how many, in all rounds together. */
  readonly faults: number;
  /** There are more rounds until every point was hit so often. */
  readonly hitsMin?: number;
  /** But no more than that. */
  readonly roundsMax?: number;
  /** Leave everything on disk of a round in which something is wrong. */
  readonly keep?: boolean;
  /** Hears of each round when it is over. */
  readonly onRound?: (round: RoundResult) => void;
}

/** Runs as many rounds as it takes; ends with the first in which something is wrong. */
export async function runCrashTest(options: CrashOptions): Promise<RoundResult[]> {
  const { store = 'directory', seed, faults, hitsMin = 0, roundsMax = ROUNDS_MAX, keep = false, onRound } = options;
  const rounds: RoundResult[] = [];
  const count = Math.ceil(faults / FAULTS_PER_ROUND[store]);
  const isEnough = () => pointsHitLess(rounds, store, hitsMin).length === 0;
  for (let i = 0; i < count || (!isEnough() && i < roundsMax); i++) {
    const round = await inRound({ store, seed: seed + i, faults: Math.ceil(faults / count), keep });
    rounds.push(round);
    onRound?.(round);
    if (round.problems.length > 0) break;
  }
  return rounds;
}

/** How to run one round again. */
export const repeatOf = (seed: number, faults: number, store: StoreKind = 'directory'): string =>
  `FLOWTOLL_SEED=${seed} FLOWTOLL_FAULTS=${faults} npm run test:crash -- --store ${store}`;

/** The points that a run on such a store has. */
export const pointsOn = (store: StoreKind): readonly Point[] =>
  store === 's3' ? [...POINTS, ...UPKEEP_POINTS] : POINTS;

/** Those at which fewer processes died than that. */
export const pointsHitLess = (rounds: readonly RoundResult[], store: StoreKind, hits: number): Point[] =>
  pointsOn(store).filter((point) => deathsAt(rounds, point) < hits);

async function inRound(options: RoundOptions): Promise<RoundResult> {
  const { seed, faults, store } = options;
  try {
    return await runRound(options);
  } catch (error) {
    throw new Error(`in the round of seed ${seed}; run it again with: ${repeatOf(seed, faults, store)}`, {
      cause: error,
    });
  }
}

/** Faults that really happened. */
export function faultsOf({ died, kills, stopped, pauses, links }: RoundResult): number {
  return sum(died.values()) + kills + sum(stopped.values()) + pauses + sum(links.values());
}

/** Deaths at a point, in all rounds. */
export const deathsAt = (rounds: readonly RoundResult[], point: Point): number =>
  sum(rounds.map(({ died }) => died.get(point) ?? 0));

/** The figures, as text. */
export function summary(rounds: readonly RoundResult[]): string {
  const total = (pick: (round: RoundResult) => number): number => sum(rounds.map(pick));
  const most = (pick: (round: RoundResult) => number): number => Math.max(...rounds.map(pick));
  const merged = (pick: (round: RoundResult) => ReadonlyMap<string, number>): [string, number][] => {
    const all = new Map<string, number>();
    for (const [name, count] of rounds.flatMap((round) => [...pick(round)]))
      all.set(name, (all.get(name) ?? 0) + count);
    return [...all];
  };
  const seconds = total((round) => round.seconds);
  const faults = total(faultsOf);
  const points = [...POINTS, ...UPKEEP_POINTS].filter((point) => deathsAt(rounds, point) > 0 || POINTS.includes(point));
  const storeFaults = merged((round) => round.storeFaults);
  const befallen = sum(storeFaults.map(([, count]) => count));
  const onS3: [string, number][] = [
    ['days by the clock of the aggregators', Math.round(total(({ days }) => days))],
    ['requests to the store', total(({ requests }) => requests)],
    ['  of these in trouble', befallen],
  ];
  const lines: [string, string | number][] = [
    ['seeds', `${rounds[0]?.seed} to ${rounds.at(-1)?.seed}`],
    ['faults', `${faults} in ${Math.round(seconds)} s (${(faults / seconds).toFixed(1)} a second)`],
    ...points.map((point): [string, number] => [`  died at ${point}`, deathsAt(rounds, point)]),
    ['  killed at any instant', total(({ kills }) => kills)],
    ...POINTS.filter((point) => !isDraining(point)).map((point): [string, number] => [
      `  stopped at ${point}, and continued`,
      total(({ stopped }) => stopped.get(point) ?? 0),
    ]),
    ['  stopped at any instant, and continued', total(({ pauses }) => pauses)],
    ...merged(({ links }) => links).map(([kind, count]): [string, number] => [`  link: ${kind}`, count]),
    ...(befallen > 0 ? onS3 : []),
    ...storeFaults.map(([fault, count]): [string, number] => [`  store: ${fault}`, count]),
    ...merged(({ upkeep }) => upkeep).map(([step, count]): [string, number] => [
      `upkeep in aggregators, ${step}`,
      count,
    ]),
    ['ended by the store in trouble', total(({ refusals }) => refusals)],
    ['ended orderly besides', total(({ orderlyEnds }) => orderlyEnds)],
    ['most lives of one agent', most(({ agentStartsMax }) => agentStartsMax)],
    ['most lives of one aggregator', most(({ aggregatorStartsMax }) => aggregatorStartsMax)],
    ['moves of agents between aggregators', total(({ moves }) => moves)],
    ['batches in the tables', total(({ batches }) => batches)],
    ['commits', total(({ commits }) => commits)],
    ['commits that lost a race', total(({ lostRaces }) => lostRaces)],
    ['bytes compared', total(({ bytes }) => bytes)],
    ['reduced keys compared', total(({ keys }) => keys)],
    ['differences', total(({ problems }) => problems.length)],
    ...merged(({ losses }) => losses).map(([reason, count]): [string, number] => [
      `nodes with loss rows: ${reason}`,
      count,
    ]),
    ...merged(({ errors }) => errors).map(([message, count]): [string, number] => [`logged: ${message}`, count]),
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
