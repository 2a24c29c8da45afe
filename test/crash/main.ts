// `npm run test:crash`: the long crash test. FLOWTOLL_SEED is the first round's, FLOWTOLL_FAULTS about how many faults
// there shall be, FLOWTOLL_KEEP=1 leaves everything on disk of a round in which something is wrong. `-- --store s3` has the store
// in S3, with faults of its own, and upkeep.
import { parseArgs } from 'node:util';
import type { RoundResult } from './round.ts';
import type { StoreKind } from './round-store.ts';
import { faultsOf, pointsHitLess, repeatOf, runCrashTest, summary } from './run.ts';

const DEFAULT_FAULTS = 600;
/** With as many faults as by default or more, each point must have been hit this often. */
const HITS_MIN = 20;

const { values } = parseArgs({ options: { store: { type: 'string', default: 'directory' } } });
if (values.store !== 'directory' && values.store !== 's3') throw new Error('--store is "directory" or "s3"');
const store: StoreKind = values.store;
const seed = Number(process.env['FLOWTOLL_SEED'] ?? Math.floor(Date.now() / 1000) % 1_000_000);
const faults = Number(process.env['FLOWTOLL_FAULTS'] ?? DEFAULT_FAULTS);

function report(round: RoundResult): void {
  const what = round.problems.length === 0 ? 'no difference' : round.problems.join('\n');
  console.log(`seed ${round.seed}: ${faultsOf(round)} faults, ${Math.round(round.seconds)} s, ${what}`);
  if (round.problems.length > 0) console.log(`run it again with: ${repeatOf(round.seed, round.planned, store)}`);
  if (round.kept !== undefined) console.log(`everything lies in ${round.kept}`);
}

const keep = process.env['FLOWTOLL_KEEP'] === '1';
console.log(`crash test on ${store} with FLOWTOLL_SEED=${seed} FLOWTOLL_FAULTS=${faults}`);
const hitsMin = faults < DEFAULT_FAULTS ? 0 : HITS_MIN;
const rounds = await runCrashTest({ store, seed, faults, hitsMin, keep, onRound: report });
console.log(summary(rounds));
const missed = pointsHitLess(rounds, store, hitsMin);
if (missed.length > 0) console.log(`hit less than ${HITS_MIN} times: ${missed.join(', ')}`);
if (missed.length > 0 || rounds.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
