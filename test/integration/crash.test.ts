// Whatever dies, each byte is in the table once: a bounded run of the crash test (test/crash), over real kernel traffic,
// with several aggregators on one store. `npm run test:crash` is the long one.
//
// FLOWTOLL_SEED=7,8 runs these seeds; FLOWTOLL_FAULTS=200 has about so many faults in each.
import { expect, test } from 'vitest';
import { POINTS } from '../crash/points.ts';
import { deathsAt, repeatOf, runCrashTest, summary } from '../crash/run.ts';

const FAULTS = Number(process.env['FLOWTOLL_FAULTS'] ?? 150);
/** Three rounds of a busy machine. */
const TIMEOUT_MS = 1_500_000;
const seeds = (process.env['FLOWTOLL_SEED'] ?? '301').split(',').map(Number);

test.each(seeds)(
  'whatever dies, each byte is in the table once: seed %i',
  async (seed) => {
    // A machine that has other things to do may come to a point too late for one round: then there are more.
    const rounds = await runCrashTest({ seed, faults: FAULTS, hitsMin: 1, roundsMax: 3 });
    const failed = rounds.at(-1)!;
    expect(failed.problems, `run it again with: ${repeatOf(failed.seed, failed.planned)}`).toEqual([]);
    console.log(summary(rounds));
    expect(
      POINTS.filter((point) => deathsAt(rounds, point) === 0),
      'points at which nothing died',
    ).toEqual([]);
    expect(Math.min(...rounds.map(({ keys }) => keys)), 'reduced keys compared').toBeGreaterThan(200);
  },
  TIMEOUT_MS,
);
