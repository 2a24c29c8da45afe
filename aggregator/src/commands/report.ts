// `flowtoll report`: what the traffic costs, grouped as asked. Options in, text out; the figures come from query/.
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseRowFilter } from '../query/filter/row-filter.ts';
import { GROUPING_NAMES, parseGroupings } from '../query/grouping.ts';
import { loadGroupsFile } from '../query/groups/read.ts';
import { createReport } from '../query/report.ts';
import { missingLines, reportCsv, reportJson, reportText } from '../query/report-output.ts';
import { canUseHourlyRows, flowRows, hourlyRows, remainingRows } from '../query/report-rows.ts';
import { parseTimeBound } from '../query/time-bound.ts';
import { unwatchedNodes } from '../query/unwatched-nodes.ts';
import { COST_TABLE_COLUMNS } from '../table/schema.ts';
import { parsePath } from './option-values.ts';
import { type CommandOutput, formatOption, type OutputFormat, processOutput } from './options.ts';
import { addSourceOptions, type SourceFlags } from './source-options.ts';
import { openTables } from './tables-source.ts';

const DEFAULT_BY = 'namespace,workload,peer,class';

const HOURLY_COLUMNS = COST_TABLE_COLUMNS.map(({ name }) => name);

/** Groups that a table shows unless asked for more; a screen. JSON and CSV have all. */
const DEFAULT_TABLE_TOP = 25;

interface ReportFlags extends SourceFlags {
  readonly by: string;
  readonly filter?: string;
  readonly groups?: string;
  readonly since?: string;
  readonly until?: string;
  readonly top?: number;
  readonly format: OutputFormat;
}

export function reportCommand(
  createOutput: () => CommandOutput = processOutput,
  clock: () => number = Date.now,
): Command {
  const command = new Command('report').description('Show what the traffic costs, and what is missing from the total.');
  return addSourceOptions(command)
    .addOption(new Option('--by <key,…>', `group by: ${GROUPING_NAMES.join(', ')}`).default(DEFAULT_BY))
    .addOption(
      new Option(
        '--filter <condition>',
        'only these rows, such as "namespace=shop and label:team!=web" (docs/groups.md)',
      ),
    )
    .addOption(
      new Option('--groups <file>', 'allocation groups, for the key "group" in --by and --filter (docs/groups.md)')
        .env('FLOWTOLL_GROUPS')
        .argParser(parsePath),
    )
    .addOption(new Option('--since <time>', 'from this instant on: 2026-01-31, 2026-01-31T12:00Z, or 24h, 7d ago'))
    .addOption(new Option('--until <time>', 'before this instant; written as for --since'))
    .addOption(
      new Option('--top <count>', `show the costliest groups only (table: ${DEFAULT_TABLE_TOP} by default)`).argParser(
        parseTop,
      ),
    )
    .addOption(formatOption())
    .action(async (flags: ReportFlags) => {
      const output = createOutput();
      const nowMs = clock();
      const groups = flags.groups === undefined ? undefined : loadGroupsFile(flags.groups);
      const options = {
        by: parseGroupings(flags.by, groups),
        filter: flags.filter === undefined ? undefined : parseRowFilter(flags.filter, groups),
        sinceMs: flags.since === undefined ? undefined : parseTimeBound(flags.since, '--since', nowMs),
        untilMs: flags.until === undefined ? undefined : parseTimeBound(flags.until, '--until', nowMs),
        top: flags.top ?? (flags.format === 'table' ? DEFAULT_TABLE_TOP : undefined),
      };
      remarkOnFlows(
        output,
        options.filter?.onlyInFlows ?? [],
        options.by.some(({ name }) => name === 'group') ? (groups?.onlyInFlows ?? []) : [],
      );
      const isHourly = canUseHourlyRows(options);
      const rows = isHourly ? hourlyRows(options, HOURLY_COLUMNS) : flowRows(options);
      const tables = await openTables({ flags, remark: output.remark, withRemaining: isHourly });
      try {
        const report = await createReport(tables.session, options, rows);
        // Hourly sums have no nodes: of what they hold nobody can tell.
        const detailed = isHourly ? remainingRows(options) : rows;
        const unwatched = await unwatchedNodes(tables.session, detailed);
        switch (flags.format) {
          case 'table':
            await output.write(reportText(report, unwatched));
            break;
          case 'json':
            await output.write(reportJson(report, unwatched));
            break;
          case 'csv':
            await output.write(reportCsv(report));
            output.remark(`${missingLines(report, unwatched).join('\n')}\n`);
            break;
        }
      } finally {
        await tables.close();
      }
    });
}

/** Whoever filters does not see from the groups that a column has sent the report to the table with fewer days. */
function remarkOnFlows(output: CommandOutput, ...columns: readonly (readonly string[])[]): void {
  const names = [...new Set(columns.flat())].join(', ');
  if (names !== '') {
    output.remark(`flowtoll: only flows has ${names}: costs_hourly is not read, nor what only that still has\n`);
  }
}

function parseTop(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 1_000_000) {
    throw new InvalidArgumentError('give a whole number from 1 to 1000000.');
  }
  return count;
}
