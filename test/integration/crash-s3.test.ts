// Whatever dies, each byte is in the table once, also where the store is S3 on which answers get lost, while upkeep runs and dies:
// a bounded run of the crash test (test/crash) with two and then five aggregators. What is compared stands in round.ts and
// table-checks.ts. `npm run test:crash -- --store s3` is the long one.
//
// FLOWTOLL_SEED=7,8 runs these seeds; FLOWTOLL_FAULTS=200 has about so many faults of processes and links in each.
import { expect, test } from 'vitest';
import { pointsHitLess, repeatOf, runCrashTest, summary } from '../crash/run.ts';
import { deltaRsPython } from '../support/delta-rows.ts';
import { duckdbExtensions } from '../support/duckdb-extensions.ts';
import { seaweedFsProgram } from '../support/seaweedfs.ts';

const FAULTS = Number(process.env['FLOWTOLL_FAULTS'] ?? 24);
/** A machine that has other things to do takes long to come to each point. */
const TIMEOUT_MS = 1_500_000;
const seeds = (process.env['FLOWTOLL_SEED'] ?? '301').split(',').map(Number);

const parts = [await seaweedFsProgram(), await deltaRsPython(), await duckdbExtensions()];

test.skipIf(parts.includes(undefined)).each(seeds)(
  'on S3 in trouble, with upkeep, each byte is in the table once: seed %i',
  async (seed) => {
    const rounds = await runCrashTest({ store: 's3', seed, faults: FAULTS });
    const failed = rounds.at(-1)!;
    expect(failed.problems, `run it again with: ${repeatOf(failed.seed, failed.planned, 's3')}`).toEqual([]);
    console.log(summary(rounds));
    expect(pointsHitLess(rounds, 's3', 1), 'points at which nothing died').toEqual([]);
    expect(Math.min(...rounds.map(({ keys }) => keys)), 'reduced keys compared').toBeGreaterThan(100);
    const faults = rounds.flatMap(({ storeFaults }) => [...storeFaults.values()]);
    expect(Math.max(0, ...faults), 'faults of the store of one kind').toBeGreaterThan(5);
  },
  TIMEOUT_MS,
);
