// `flowtoll status`: is it working? Read from the store alone; no aggregator need run. Options in, text and an exit code out.
import { Command, Option } from 'commander';
import { FlowtollError } from '../model/errors.ts';
import { parseTimeBound } from '../query/time-bound.ts';
import { findingsOf } from '../status/findings.ts';
import { isRecentFile, readStatus } from '../status/read-status.ts';
import { statusJson, statusText } from '../status/status-output.ts';
import { parseDuration, parsePath } from './option-values.ts';
import { type CommandOutput, kubeContextOption, processOutput } from './options.ts';
import { addSourceOptions, type SourceFlags } from './source-options.ts';
import { openTables } from './tables-source.ts';

/** The exit code when something needs attention; another than that of what went wrong, and of a wrong command line. */
export const EXIT_ATTENTION = 3;

const SHORTEST_MS = 1000;
const LONGEST_MS = 30 * 86_400_000;

interface StatusFlags extends SourceFlags {
  readonly since: string;
  readonly stalledAfter: number;
  readonly unwatchedAfter: number;
  readonly behindAfter: number;
  readonly kubernetes?: string;
  readonly kubeContext?: string;
  readonly format: 'table' | 'json';
}

/** @param exitWith hears the exit code where it is not 0 */
export function statusCommand(
  exitWith: (code: number) => void,
  createOutput: () => CommandOutput = processOutput,
  clock: () => number = Date.now,
): Command {
  const command = new Command('status').description(
    'Say whether flows come, from which nodes, and what is missing, from what the store has. Ends with ' +
      `${EXIT_ATTENTION} when something needs attention; the last lines then say what, and what to do.`,
  );
  return addSourceOptions(command)
    .addOption(
      new Option('--since <time>', 'nodes and losses from this instant on: 1h, 7d ago, or 2026-01-31T12:00Z').default(
        '1h',
      ),
    )
    .addOption(
      new Option(
        '--stalled-after <time>',
        'how old the newest flows may be, 1s to 30d; longer than windows and commits take',
      )
        .env('FLOWTOLL_STALLED_AFTER')
        .default(300_000, '5m')
        .argParser(parseDuration(SHORTEST_MS, LONGEST_MS)),
    )
    .addOption(
      new Option(
        '--unwatched-after <time>',
        'how long a node may be silent, behind, or new and without an agent, 1s to 1d',
      )
        .env('FLOWTOLL_UNWATCHED_AFTER')
        .default(600_000, '10m')
        .argParser(parseDuration(SHORTEST_MS, 86_400_000)),
    )
    .addOption(
      new Option('--behind-after <time>', 'how long an hour that is over may be missing in costs_hourly, 1s to 30d')
        .env('FLOWTOLL_BEHIND_AFTER')
        .default(7_200_000, '2h')
        .argParser(parseDuration(SHORTEST_MS, LONGEST_MS)),
    )
    .addOption(
      new Option(
        '--kubernetes <source>',
        'ask Kubernetes which nodes there are: in-cluster, kubeconfig, or a kubeconfig file (default: what aggregators recorded)',
      )
        .env('FLOWTOLL_KUBERNETES')
        .argParser(parsePath),
    )
    .addOption(kubeContextOption())
    .addOption(
      new Option('--format <format>', 'how to print: for people, or exact for programs')
        .choices(['table', 'json'])
        .default('table'),
    )
    .action(async (flags: StatusFlags) => {
      const output = createOutput();
      const nowMs = clock();
      const rules = {
        nowMs,
        sinceMs: parseTimeBound(flags.since, '--since', nowMs),
        stalledMs: flags.stalledAfter,
        silentMs: flags.unwatchedAfter,
      };
      if (rules.sinceMs > nowMs) {
        throw new FlowtollError('CONFIG_INVALID', `--since is ${JSON.stringify(flags.since)}, which is yet to come`);
      }
      const tables = await openTables({
        flags,
        remark: output.remark,
        isWanted: (cluster, table, file) => isRecentFile(cluster, table, file, rules),
      });
      try {
        const names = tables.clusters.map(({ cluster }) => cluster);
        const kubernetesNodes =
          flags.kubernetes === undefined ? undefined : await nodesNow(flags.kubernetes, flags, names);
        const status = await readStatus({ ...tables, kubernetesNodes }, rules);
        const findings = new Map(
          status.clusters.map((cluster) => [
            cluster.cluster,
            findingsOf(cluster, nowMs, { stalledMs: flags.stalledAfter, behindMs: flags.behindAfter }),
          ]),
        );
        await output.write(flags.format === 'json' ? statusJson(status, findings) : statusText(status, findings));
        if ([...findings.values()].some((some) => some.length > 0)) exitWith(EXIT_ATTENTION);
      } finally {
        await tables.close();
      }
    });
}

/** When each node was made that the API has now. */
async function nodesNow(
  source: string,
  { kubeContext: context }: StatusFlags,
  clusters: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (clusters.length > 1) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      `--kubernetes is one cluster, and the store has ${clusters.join(', ')}: say which of them it is (--cluster)`,
    );
  }
  // The client costs time that others need not pay.
  const [{ loadApiConfig }, { listNodes }, { SYSTEM_TIMING }] = await Promise.all([
    import('../kubernetes/api-config.ts'),
    import('../kubernetes/list-nodes.ts'),
    import('../kubernetes/timing.ts'),
  ]);
  return listNodes(() => loadApiConfig({ source, context }), SYSTEM_TIMING);
}
