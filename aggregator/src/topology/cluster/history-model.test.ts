// The time index against a slow, obvious model, and against the truth of a world where nobody holds an address beside another.
// FLOWTOLL_SEED repeats a run.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PodObject } from '../../model/cluster-objects.ts';
import { GRACE_US, SILENCE_US, SLACK_US } from './address-history.ts';
import { ClusterIndex } from './cluster-index.ts';
import { named, podOf, RESOURCES, S } from './testing.ts';

const IP = '10.1.0.5';
const SLACK = SLACK_US / S;
const GRACE = GRACE_US / S;
const SILENCE = SILENCE_US / S;
const SPAN = 900;

const PARAMETERS = {
  numRuns: process.env['FLOWTOLL_SOAK'] ? 50_000 : 2000,
  ...(process.env['FLOWTOLL_SEED'] && { seed: Number(process.env['FLOWTOLL_SEED']) }),
};

/** How a pod's end becomes known. */
type End = 'none' | 'says-when' | 'heard-failed' | 'deleted' | 'missing' | 'first-heard-failed';

/** What is told of one pod; seconds. */
interface Told {
  readonly name: string;
  readonly startedS: number;
  /** First heard of, with the address. */
  readonly heardS: number;
  readonly end: End;
  /** When its containers ended, if the object says so. */
  readonly endedS: number;
  /** When the end is heard of. */
  readonly endHeardS: number;
}

interface Window {
  readonly startS: number;
  readonly endS: number;
}

const told = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    startedS: fc.integer({ min: 0, max: SPAN }),
    heardAfterS: fc.integer({ min: 0, max: 200 }),
    livedS: fc.integer({ min: 0, max: 300 }),
    endHeardAfterS: fc.integer({ min: 0, max: 60 }),
    end: fc.constantFrom<End>('none', 'says-when', 'heard-failed', 'deleted', 'missing', 'first-heard-failed'),
  })
  .map(({ name, startedS, heardAfterS, livedS, endHeardAfterS, end }): Told => {
    const heardS = startedS + heardAfterS;
    const endedS = heardS + livedS;
    return { name, startedS, heardS, end, endedS, endHeardS: endedS + endHeardAfterS };
  });

const window = fc
  .record({ startS: fc.integer({ min: 0, max: SPAN + 500 }), lengthS: fc.constantFrom(1, 10, 60, 300) })
  .map(({ startS, lengthS }): Window => ({ startS, endS: startS + lengthS }));

/** What the model knows of one pod: from, to, sure until, heard of; seconds. */
interface Known {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly isOver: boolean;
  readonly sure: number;
  readonly heard: number;
}

function knownOf({ name, startedS, heardS, end, endedS, endHeardS }: Told, heardUntilS: number): Known {
  const from = startedS;
  const over = (to: number, sure: number, heard: number): Known => {
    const atLeast = Math.max(to, from + 1);
    return { name, from, to: atLeast, isOver: true, sure: sure === to ? atLeast : sure, heard };
  };
  switch (end) {
    case 'none':
      return { name, from, to: Number.POSITIVE_INFINITY, isOver: false, sure: heardUntilS + SILENCE, heard: heardS };
    case 'says-when':
      return over(endedS + 1, endedS + 1, heardS);
    case 'deleted':
    case 'heard-failed':
    case 'missing':
      return over(endHeardS, Math.min(heardUntilS, endHeardS), heardS);
    case 'first-heard-failed':
      return over(endHeardS, Number.NEGATIVE_INFINITY, endHeardS);
  }
}

/** Which of two held the address first, by the evidence that there is. */
function cameFirst(a: Known, b: Known): boolean {
  const [aSecond, bSecond] = [a.from >= b.heard, b.from >= a.heard];
  if (bSecond && !aSecond) return true;
  if (aSecond && !bSecond) return false;
  if (a.isOver && !b.isOver) return true;
  if (b.isOver && !a.isOver) return false;
  if (a.isOver && Math.max(b.sure, b.from) - a.to > SLACK) return true;
  if (a.isOver && Math.max(a.sure, a.from) - b.to > SLACK) return false;
  return a.heard < b.heard || (a.heard === b.heard && a.from < b.from);
}

/** Second by second: who may have held the address. Of equals the one heard of later. */
function modelAnswer(all: readonly Known[], { startS, endS }: Window): string | undefined {
  // However short, each keeps a second.
  const begins = new Map(all.map((one) => [one, beginOf(one)]));
  const mayHold = (one: Known, second: number): boolean => {
    const begin = begins.get(one)!;
    if (second < begin || second >= one.to) return false;
    return second === begin || !all.some((other) => other !== one && cameFirst(one, other) && other.heard <= second);
  };
  function beginOf(one: Known): number {
    const isTaken = (second: number): boolean =>
      all.some(
        (other) => other !== one && !cameFirst(one, other) && other.isOver && second < Math.min(other.sure, one.heard),
      );
    let begin = one.from;
    while (begin < one.to - 1 && isTaken(begin)) begin++;
    return begin;
  }
  const seconds = (fromS: number, toS: number, one: Known, holds = mayHold): number => {
    let count = 0;
    for (let second = fromS; second < toS; second++) if (holds(one, second)) count++;
    return count;
  };
  /** Where nothing was heard for long, whoever was told to begin was there, and no longer the one before. */
  const likelyHolds = (one: Known, second: number): boolean => {
    if (!mayHold(one, second)) return false;
    const after = all.filter((other) => other !== one && cameFirst(one, other));
    const latest = Math.max(Math.min(one.to, ...after.map(({ heard }) => heard)), begins.get(one)! + 1);
    if (latest - one.sure <= SILENCE || second < one.sure) return true;
    return !after.some(({ from }) => from <= second);
  };
  const latest = (some: readonly Known[]): Known =>
    some.toSorted((a, b) => a.heard - b.heard || a.from - b.from).at(-1)!;
  const candidates = all.filter((one) => seconds(startS - SLACK, endS + SLACK, one) > 0);
  if (candidates.length === 0) {
    for (let second = startS - 1; second >= startS - GRACE; second--) {
      const last = all.filter((one) => mayHold(one, second));
      if (last.length > 0) return `shop/${latest(last).name} stale`;
    }
    return undefined;
  }
  const likely = (one: Known): number => seconds(startS, endS, one, likelyHolds);
  const most = Math.max(...candidates.map(likely));
  const { name } = latest(candidates.filter((one) => likely(one) === most));
  if (candidates.some((one) => one.name !== name)) return `shop/${name} ambiguous`;
  const isSure = candidates.some(({ sure }) => sure > startS - SLACK);
  return `shop/${name} ${isSure ? 'exact' : 'stale'}`;
}

/** Tells an index everything, in the order in which it is heard. */
function tell(pods: readonly Told[], heardUntilS: number): ClusterIndex {
  const index = new ClusterIndex();
  const events = pods.flatMap((pod, i) => {
    const { name, startedS, heardS, end, endedS, endHeardS } = pod;
    const object = (more: Partial<PodObject> = {}) =>
      podOf(name, { uid: `${i}`, createdUs: startedS * S, startedUs: startedS * S, ...more });
    const first = { atS: heardS, happen: () => index.put('pods', object(), heardS * S) };
    const failed = { phase: 'Failed', endedUs: end === 'says-when' ? endedS * S : null } as const;
    const ends: Record<End, () => void> = {
      none: () => undefined,
      'says-when': () => index.put('pods', object(failed), endHeardS * S),
      'heard-failed': () => index.put('pods', object(failed), endHeardS * S),
      deleted: () => index.remove('pods', `${i}`, object(), endHeardS * S),
      missing: () => index.remove('pods', `${i}`, undefined, endHeardS * S),
      'first-heard-failed': () => index.put('pods', object(failed), endHeardS * S),
    };
    const last = { atS: endHeardS, happen: ends[end] };
    return end === 'first-heard-failed' ? [last] : [first, last];
  });
  for (const resource of RESOURCES) index.heard(resource, heardUntilS * S);
  for (const { happen } of events.toSorted((a, b) => a.atS - b.atS)) happen();
  return index;
}

test('answers as the model does, whatever is told', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.array(told, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 0, max: SPAN }),
      fc.array(window, { minLength: 5, maxLength: 5 }),
      (pods, heardUntilS, windows) => {
        // Two that begin in the same second and are heard of in the same second have no order.
        fc.pre(new Set(pods.map(({ startedS }) => startedS)).size === pods.length);
        const index = tell(pods, heardUntilS);
        const known = pods.map((pod) => knownOf(pod, heardUntilS));
        for (const one of windows) {
          const answer = named(index, IP, one.startS, one.endS);
          const kind = answer?.split(' ')[1] ?? 'nobody';
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
          expect({ window: one, answer }).toEqual({ window: one, answer: modelAnswer(known, one) });
        }
      },
    ),
    PARAMETERS,
  );
  for (const kind of ['exact', 'ambiguous', 'stale', 'nobody']) expect(seen.get(kind), kind).toBeGreaterThan(100);
}, 600_000);

/** One pod of a world where the address is given to one after another. Seconds. */
interface TrueLife {
  readonly gapS: number;
  /** From when the kubelet saw it to its address. */
  readonly waitedS: number;
  readonly livedS: number;
  readonly end: 'says-when' | 'heard-failed' | 'deleted';
  /** For how long its object stays after its end; only where it is not deleted at its end. */
  readonly staysS: number;
  /** Until what happened is told. */
  readonly lagS: number;
}

interface World {
  readonly lives: readonly TrueLife[];
  /** The watch hears nothing from here for so long, and lists then. */
  readonly outageS: number;
  readonly outageLengthS: number;
  /** How far the API's clock and the agent's are from ours. */
  readonly apiSkewS: number;
  readonly agentSkewS: number;
}

const trueLife = fc.record({
  gapS: fc.integer({ min: 0, max: 60 }),
  waitedS: fc.integer({ min: 0, max: 200 }),
  livedS: fc.integer({ min: 1, max: 200 }),
  end: fc.constantFrom<TrueLife['end']>('says-when', 'heard-failed', 'deleted'),
  staysS: fc.integer({ min: 1, max: 300 }),
  lagS: fc.integer({ min: 0, max: 2 }),
});

const world = fc.record({
  lives: fc.array(trueLife, { minLength: 1, maxLength: 6 }),
  outageS: fc.integer({ min: 200, max: 800 }),
  outageLengthS: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 400 })),
  apiSkewS: fc.integer({ min: -1, max: 1 }),
  agentSkewS: fc.integer({ min: -1, max: 1 }),
});

interface Truth {
  readonly name: string;
  readonly fromS: number;
  readonly toS: number;
}

/** Plays a world: what happens is told with its lag, or by the list after the outage. */
function play({ lives, outageS, outageLengthS, apiSkewS }: World): { index: ClusterIndex; truth: Truth[] } {
  const index = new ClusterIndex();
  const truth: Truth[] = [];
  const listS = outageS + outageLengthS;
  /** What the API has of each pod, from when on; undefined: gone. */
  const states: { atS: number; lagS: number; uid: string; pod: PodObject | undefined; last?: PodObject }[] = [];
  let nowS = 300;
  for (const [i, { gapS, waitedS, livedS, end, staysS, lagS }] of lives.entries()) {
    const fromS = nowS + gapS;
    const toS = fromS + livedS;
    nowS = toS;
    const name = `p${i}`;
    truth.push({ name, fromS, toS });
    // A pod that lived and died unheard of while another waited for the address cannot be known of.
    const startedUs = (fromS - (outageLengthS > 0 ? 0 : waitedS) + apiSkewS) * S;
    const running = podOf(name, { createdUs: startedUs, startedUs });
    const failed: PodObject = {
      ...running,
      phase: 'Failed',
      // A second's end, rounded down.
      endedUs: end === 'says-when' ? (toS - 1 + apiSkewS) * S : null,
    };
    states.push({ atS: fromS, lagS, uid: running.uid, pod: running });
    if (end !== 'deleted') states.push({ atS: toS, lagS, uid: running.uid, pod: failed });
    const goneS = end === 'deleted' ? toS : toS + staysS;
    states.push({ atS: goneS, lagS, uid: running.uid, pod: undefined, last: end === 'deleted' ? running : failed });
  }
  const endS = Math.max(nowS + 1000, listS + 10);
  const isSilent = (atS: number): boolean => atS >= outageS && atS < listS;
  const known = new Set<string>();
  const everKnown = new Set<string>();
  for (let second = 0; second <= endS; second++) {
    if (second === listS && outageLengthS > 0) {
      const present = new Map<string, PodObject | undefined>();
      for (const { atS, uid, pod } of states) if (atS <= second) present.set(uid, pod);
      for (const [uid, pod] of present) {
        if (pod !== undefined) {
          index.put('pods', pod, second * S);
          known.add(uid);
          everKnown.add(uid);
        } else if (known.delete(uid)) {
          index.remove('pods', uid, undefined, second * S);
        }
      }
    }
    for (const { atS, lagS, uid, pod, last } of states) {
      if (atS + lagS !== second || isSilent(second) || (outageLengthS > 0 && second >= listS && atS <= listS)) continue;
      if (pod !== undefined) {
        index.put('pods', pod, second * S);
        known.add(uid);
        everKnown.add(uid);
      } else if (known.delete(uid)) {
        index.remove('pods', uid, last, second * S);
      }
    }
    if (!isSilent(second) && second % 10 === 0) for (const resource of RESOURCES) index.heard(resource, second * S);
  }
  for (const resource of RESOURCES) index.heard(resource, endS * S);
  // Who came and went while nothing was heard cannot be known of.
  return { index, truth: truth.filter(({ name }) => everKnown.has(`uid-${name}`)) };
}

test('what it calls exact is true, and who held an address all the time is named', () => {
  let exactCount = 0;
  let heldCount = 0;
  fc.assert(
    fc.property(world, fc.array(window, { minLength: 20, maxLength: 20 }), (one, windows) => {
      const { index, truth } = play(one);
      for (const { startS, endS } of windows) {
        const answer = named(index, IP, startS + one.agentSkewS, endS + one.agentSkewS);
        const holders = truth.filter(({ fromS, toS }) => fromS < endS && toS > startS);
        if (answer?.endsWith(' exact')) {
          exactCount++;
          const others = holders.filter(({ name }) => answer !== `shop/${name} exact`);
          expect(others, `${answer} in ${startS}..${endS} of ${JSON.stringify(truth)}`).toEqual([]);
        }
        const [holder] = truth.filter(({ fromS, toS }) => fromS <= startS - 10 && toS >= endS + 20);
        // An end that the object does not tell may have been when pods were heard of last: up to ten seconds earlier.
        const isHeard = endS + 20 < one.outageS || holder === undefined || one.outageLengthS === 0;
        if (holder !== undefined && isHeard) {
          heldCount++;
          expect(answer).toBe(`shop/${holder.name} exact`);
        }
      }
    }),
    PARAMETERS,
  );
  expect(exactCount).toBeGreaterThan(1000);
  expect(heldCount).toBeGreaterThan(1000);
}, 600_000);
