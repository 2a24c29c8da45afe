// `flowtoll maintain`: upkeep by hand, once, or as a process of its own. What serve does now and then, too.
import { setTimeout } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { type ErrorCode, FlowtollError, lineOf } from '../model/errors.ts';
import { openStore } from '../store/open-store.ts';
import type { ObjectStore } from '../store/store.ts';
import { flowTableRoot } from '../table/flow-table.ts';
import { type MaintainStep, maintain } from '../upkeep/maintain.ts';
import { keepCostsOption, keepFlowsOption } from './maintain-options.ts';
import { parseDuration } from './option-values.ts';
import { type CommandOutput, clusterOption, processOutput, storeOption } from './options.ts';

interface MaintainFlags {
  readonly store: string;
  readonly cluster: readonly string[];
  readonly keepFlows: number;
  readonly keepCosts: number;
  readonly once?: true;
  readonly dryRun?: true;
  readonly interval: number;
}

/** What waiting may mend: the store is away or busy, one of its files cannot be read, or nothing is there (any more). */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'STORE_UNAVAILABLE',
  'TABLE_CONFLICT',
  'UPKEEP_INCOMPLETE',
  'QUERY_INVALID',
]);

/** Pause after a round that failed; twice as long after each that follows, and at most as long as between rounds. */
const RETRY_MS = 60_000;

/** @param pause resolves after that many ms */
export function maintainCommand(
  createOutput: () => CommandOutput = processOutput,
  clock: () => number = Date.now,
  pause: (ms: number) => Promise<unknown> = setTimeout,
): Command {
  return new Command('maintain')
    .description('roll up, compact, drop what is old, and clean up; at once, and again and again, or --once')
    .addOption(storeOption())
    .addOption(clusterOption())
    .addOption(keepFlowsOption())
    .addOption(keepCostsOption())
    .addOption(new Option('--once', 'end after one round'))
    .addOption(new Option('--dry-run', 'say what would be done, and do nothing; implies --once'))
    .addOption(
      new Option('--interval <time>', 'between rounds, 1m to 24h')
        .env('FLOWTOLL_MAINTAIN_INTERVAL')
        .default(600_000, '10m')
        .argParser(parseDuration(60_000, 86_400_000)),
    )
    .action(async (flags: MaintainFlags) => {
      const output = createOutput();
      // A store that is not there is an error here, and not to be made.
      let store = await openStore(flags.store, { readOnly: true });
      if (flags.dryRun !== true) store = await openStore(flags.store);
      const once = flags.once === true || flags.dryRun === true;
      for (let rounds = 0, failures = 0; ; rounds++) {
        try {
          await round(store, flags, output, clock);
          failures = 0;
        } catch (error) {
          if (once || !isPassing(error, rounds > 0)) throw error;
          failures++;
          output.remark(`flowtoll: ${textOf(error)}\n`);
        }
        if (once) return;
        await pause(failures === 0 ? flags.interval : Math.min(flags.interval, RETRY_MS * 2 ** (failures - 1)));
      }
    });
}

/** That no table is there is a wrong --store at the first round, and a volume that is not mounted later. */
function isPassing(error: unknown, isLater: boolean): boolean {
  if (!(error instanceof FlowtollError)) return false;
  return PASSING.has(error.code) && (isLater || error.code !== 'QUERY_INVALID');
}

async function round(
  store: ObjectStore,
  flags: MaintainFlags,
  output: CommandOutput,
  clock: () => number,
): Promise<void> {
  const clusters = flags.cluster.length > 0 ? flags.cluster : await clustersIn(store);
  if (clusters.length === 0) {
    throw new FlowtollError(
      'QUERY_INVALID',
      `there is no table in ${store.describe()}: name the store that the aggregator writes (--store)`,
    );
  }
  const errors: unknown[] = [];
  for (const cluster of clusters) {
    await maintainCluster(store, cluster, flags, output, clock).catch((error: unknown) => errors.push(error));
  }
  // One cluster must not keep the others from their upkeep. What waiting cannot mend is the command's own error.
  const last = errors.findLast((error) => !isPassing(error, true)) ?? errors.at(-1);
  for (const error of errors) if (error !== last) output.remark(`flowtoll: ${textOf(error)}\n`);
  if (last !== undefined) throw last;
}

async function maintainCluster(
  store: ObjectStore,
  cluster: string,
  flags: MaintainFlags,
  output: CommandOutput,
  clock: () => number,
): Promise<void> {
  const dryRun = flags.dryRun === true;
  let steps = 0;
  let failures = 0;
  await maintain(store, {
    cluster,
    clock,
    keepFlowsMs: flags.keepFlows,
    keepCostsMs: flags.keepCosts,
    dryRun,
    onStep: (step) => {
      steps++;
      void output.write(`${cluster}: ${stepText(step, dryRun)}\n`);
    },
    // The first is in the error of the round.
    onFailure: ({ table, step, of, error }) => {
      if (failures++ === 0) return;
      const what = of === undefined ? step : `${step} of ${of}`;
      output.remark(`flowtoll: ${cluster}: ${table}: ${what} failed: ${textOf(error)}\n`);
    },
  });
  if (steps === 0) await output.write(`${cluster}: nothing to do\n`);
}

const textOf = (error: unknown): string =>
  error instanceof FlowtollError ? `${error.code}: ${error.message}` : lineOf(error);

const WORDS: Readonly<Record<MaintainStep['step'], readonly [done: string, wouldBe: string]>> = {
  'roll-up': ['rolled up', 'would roll up'],
  compact: ['compacted', 'would compact'],
  retention: ['dropped', 'would drop'],
  checkpoint: ['put into a checkpoint', 'would put into a checkpoint'],
  'log-clean-up': ['removed from the log', 'would remove from the log'],
  vacuum: ['deleted', 'would delete'],
};

function stepText({ table, step, count, what }: MaintainStep, dryRun: boolean): string {
  const noun = count === 1 ? what.replace(/ies$/, 'y').replace(/s$/, '') : what;
  return `${table}: ${WORDS[step][dryRun ? 1 : 0]} ${count} ${noun}`;
}

/** Folders with a table in them. */
async function clustersIn(store: ObjectStore): Promise<string[]> {
  const clusters: string[] = [];
  for (const name of await store.listFolders('')) {
    try {
      const root = flowTableRoot(name);
      for await (const _ of store.list(`${root}/_delta_log/`)) {
        clusters.push(name);
        break;
      }
    } catch (error) {
      // A folder that cannot be a cluster's is somebody else's.
      if (!(error instanceof FlowtollError && error.code === 'CONFIG_INVALID')) throw error;
    }
  }
  return clusters;
}
