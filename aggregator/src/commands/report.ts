// `flowtoll report`: what the traffic costs, grouped as asked; or the same priced again. Options in, text out; the
// figures come from query/ and billing/.
import { Command, InvalidArgumentError, Option } from 'commander';
import { createBill } from '../billing/bill.ts';
import { parseBillMonth } from '../billing/bill-month.ts';
import { billCsv, billJson, billRemarks, billText } from '../billing/bill-output.ts';
import { compareStoredRows } from '../billing/comparison.ts';
import { comparisonCsv, comparisonJson, comparisonLines, comparisonText } from '../billing/comparison-output.ts';
import type { Repricing } from '../billing/stored-sums.ts';
import { FlowtollError } from '../model/errors.ts';
import { defaultPricing, loadPricingFile, type PricingSetup } from '../pricing/config/read.ts';
import { loadPricesFile } from '../pricing/config/read-prices.ts';
import { createPricing } from '../pricing/pricing.ts';
import { parseRowFilter } from '../query/filter/row-filter.ts';
import { GROUPING_NAMES, parseGroupings } from '../query/grouping.ts';
import { loadGroupsFile } from '../query/groups/read.ts';
import { createReport, type ReportOptions } from '../query/report.ts';
import { missingLines, reportCsv, reportJson, reportText } from '../query/report-output.ts';
import { canUseHourlyRows, flowRows, hourlyRows, type RowNeeds, remainingRows } from '../query/report-rows.ts';
import type { QuerySession } from '../query/session.ts';
import { parseTimeBound } from '../query/time-bound.ts';
import { unwatchedNodes } from '../query/unwatched-nodes.ts';
import { COST_TABLE_COLUMNS } from '../table/schema.ts';
import { parsePath } from './option-values.ts';
import { type CommandOutput, formatOption, type OutputFormat, pricingOption, processOutput } from './options.ts';
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
  readonly bill?: string;
  readonly prices?: string;
  readonly pricing?: string;
  readonly format: OutputFormat;
}

/** A result in each format; `lines` are what its CSV cannot hold. */
interface Printed {
  readonly table: () => string;
  readonly json: () => string;
  readonly csv: () => string;
  readonly lines: () => readonly string[];
}

export function reportCommand(
  createOutput: () => CommandOutput = processOutput,
  clock: () => number = Date.now,
): Command {
  const command = new Command('report').description(
    'Show what the traffic costs, and what is missing from the total; with --prices what it would cost by others, with --bill what a month costs in sum.',
  );
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
    .addOption(
      new Option(
        '--prices <file>',
        'price the stored bytes again and show the difference: a price book, or a pricing configuration (docs/bills.md)',
      ).argParser(parsePath),
    )
    .addOption(
      new Option(
        '--bill <month>',
        "a month's bill, such as 2026-11 (UTC), tiers and free amounts settled (docs/bills.md)",
      ),
    )
    .addOption(pricingOption())
    .addOption(formatOption())
    .action(async (flags: ReportFlags, action: Command) => {
      const output = createOutput();
      if (flags.bill !== undefined) {
        refuseParts(action);
        await writeBill(flags.bill, flags, clock(), output);
        return;
      }
      if (action.getOptionValueSource('pricing') === 'cli' && flags.prices === undefined) {
        throw new FlowtollError(
          'CONFIG_INVALID',
          'a report shows costs as they are stored; --pricing goes with --bill, or with a price book for --prices',
        );
      }
      const options = reportOptions(flags, clock(), output);
      const repricing = flags.prices === undefined ? undefined : repricingBy(flags.prices, flags);
      await overRows(flags, options, output, async (session, rows, isHourly): Promise<Printed> => {
        // Hourly sums have no nodes: of what they hold nobody can tell.
        const unwatched = await unwatchedNodes(session, isHourly ? remainingRows(options) : rows);
        if (repricing !== undefined) {
          const comparison = await compareStoredRows(session, options, rows, repricing);
          return {
            table: () => comparisonText(comparison, flags.prices!, unwatched),
            json: () => comparisonJson(comparison, flags.prices!, unwatched),
            csv: () => comparisonCsv(comparison),
            lines: () => comparisonLines(comparison, unwatched),
          };
        }
        const report = await createReport(session, options, rows);
        return {
          table: () => reportText(report, unwatched),
          json: () => reportJson(report, unwatched),
          csv: () => reportCsv(report),
          lines: () => missingLines(report, unwatched),
        };
      });
    });
}

/** What would make a bill of a part of the month's rows: tiers and free amounts are of all of them. */
const PARTS_OF_ROWS = ['by', 'filter', 'groups', 'since', 'until', 'top'] as const;

function refuseParts(action: Command): void {
  const given = PARTS_OF_ROWS.filter((name) => action.getOptionValueSource(name) === 'cli').map((name) => `--${name}`);
  if (given.length === 0) return;
  throw new FlowtollError(
    'CONFIG_INVALID',
    `--bill settles tiers and free amounts over all rows of a month; leave out ${given.join(', ')} (--cluster says which clusters are on the bill)`,
  );
}

async function writeBill(text: string, flags: ReportFlags, nowMs: number, output: CommandOutput): Promise<void> {
  const month = parseBillMonth(text, '--bill');
  const repricing = flags.prices === undefined ? repricingOf(baseSetup(flags)) : repricingBy(flags.prices, flags);
  const needs = { ...month, by: [] };
  await overRows(flags, needs, output, async (session, rows) => {
    const bill = await createBill(session, month, rows, repricing, nowMs);
    // Hourly sums have no nodes: of what they hold nobody can tell.
    const unwatched = await unwatchedNodes(session, remainingRows(month));
    return {
      table: () => billText(bill, unwatched),
      json: () => billJson(bill, flags.prices, unwatched),
      csv: () => billCsv(bill),
      lines: () => billRemarks(bill, unwatched),
    };
  });
}

function reportOptions(flags: ReportFlags, nowMs: number, output: CommandOutput): ReportOptions {
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
  return options;
}

/** Opens the tables, reads what is needed of them, and prints what `work` makes of it. */
async function overRows(
  flags: ReportFlags,
  needs: RowNeeds,
  output: CommandOutput,
  work: (session: QuerySession, rows: string, isHourly: boolean) => Promise<Printed>,
): Promise<void> {
  const isHourly = canUseHourlyRows(needs);
  const rows = isHourly ? hourlyRows(needs, HOURLY_COLUMNS) : flowRows(needs);
  const tables = await openTables({ flags, remark: output.remark, withRemaining: isHourly });
  try {
    const printed = await work(tables.session, rows, isHourly);
    await output.write(printed[flags.format]());
    if (flags.format === 'csv') output.remark(`${printed.lines().join('\n')}\n`);
  } finally {
    await tables.close();
  }
}

/** What prices are made of where nothing else is said. */
function baseSetup({ pricing }: ReportFlags): PricingSetup {
  return pricing === undefined ? defaultPricing() : loadPricingFile(pricing);
}

function repricingBy(prices: string, flags: ReportFlags): Repricing {
  return repricingOf(loadPricesFile(prices, () => baseSetup(flags)));
}

function repricingOf(setup: PricingSetup): Repricing {
  return { pricing: createPricing(setup), config: setup.config };
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
