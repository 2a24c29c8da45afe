// The protocol, played: agents, replicas, network and store of many seeds, with the product's own exporter, spool, streams, commit
// loop and table; only clock, network, store and kernel are the simulation's. FLOWTOLL_SEED=7 plays one seed and prints its
// trace when it fails; FLOWTOLL_SEEDS=1000 plays more.

import type { planCommit } from '@flowtoll/aggregator/table/commit-plan.ts';
import { describe, expect, test } from 'vitest';
import { type Parts, PRODUCT } from './simulation/parts.ts';
import { play } from './simulation/world.ts';

const SEED = process.env['FLOWTOLL_SEED'];
const SEEDS = Number(process.env['FLOWTOLL_SEEDS'] ?? 100);
/** Within so many seeds a mutant has to be caught. */
const MUTANT_SEEDS = 60;
const TRACE_LINES = 200;

const seeds = SEED === undefined ? Array.from({ length: SEEDS }, (_, seed) => seed) : [Number(SEED)];

describe('whatever befalls agents, replicas, links and the store, each byte is in the table once', () => {
  test(`${seeds.length} seeds`, { timeout: 60_000 + 1000 * seeds.length }, async () => {
    for (const seed of seeds) {
      const { problems, trace } = await play(seed);
      const shown = SEED === undefined ? '' : `\n${trace.render().slice(-TRACE_LINES).join('\n')}`;
      expect(problems, `run again with FLOWTOLL_SEED=${seed}${shown}`).toEqual([]);
    }
  });

  test('the same seed is the same story', async () => {
    const [one, two] = [await play(5), await play(5)];
    expect(one.trace.render()).toEqual(two.trace.render());
    expect(one.faults.length).toBeGreaterThan(3);
  });
});

/** A fence that asks nothing but `may`, of a batch's number and the highest one that is in, or comes in, before it. */
function planOf(may: (sequence: number, last: number) => boolean): typeof planCommit {
  return (batches, committed) => {
    const highest = new Map(batches.map(({ epoch }) => [epoch, committed(epoch)]));
    const accepted = batches
      .toSorted((a, b) => a.sequence - b.sequence)
      .filter(({ epoch, sequence }) => {
        const last = highest.get(epoch)!;
        if (!may(sequence, last)) return false;
        highest.set(epoch, Math.max(sequence, last));
        return true;
      });
    return { accepted, duplicates: [], refused: [], highest };
  };
}

describe('a mistake shows', () => {
  /** `from`: the first seed that is tried; most need a rare meeting of faults. */
  const mutants: { name: string; from?: number; parts: Partial<Parts> }[] = [
    {
      name: 'what is in the table may commit again',
      parts: { plan: planOf(() => true) },
    },
    {
      name: 'a batch may commit though the one before it is missing',
      parts: { plan: planOf((sequence, last) => sequence > last) },
    },
    {
      name: 'a reboot goes on in the epoch before',
      parts: { nextBootId: (previous) => previous, goesOnFrom: () => true },
    },
    { name: 'a disk that was set back goes on under its old numbers', parts: { goesOnFrom: () => true } },
    {
      name: 'an agent takes its newest baseline, whatever the spool says',
      parts: { chooseBaseline: (_, there) => there.toSorted((a, b) => a - b).at(-1) },
    },
  ];
  for (const { name, from = 0, parts } of mutants) {
    test(name, { timeout: 120_000 }, async () => {
      const caught: number[] = [];
      for (let seed = from; seed < from + MUTANT_SEEDS && caught.length === 0; seed++) {
        const { problems } = await play(seed, { ...PRODUCT, ...parts });
        if (problems.length > 0) caught.push(seed);
      }
      expect(caught, `none of ${MUTANT_SEEDS} seeds noticed`).toHaveLength(1);
    });
  }
});
