// `flowtoll explain`: why one flow of the table has its class and its price. Options in, text out; what counts is in billing/.
import { Command, Option } from 'commander';
import { explainRow } from '../billing/explained-row.ts';
import { explanationJson, explanationText, rowListText } from '../billing/explanation-output.ts';
import { countStoredRows, findStoredRow, findStoredRows } from '../billing/stored-rows.ts';
import { defaultPricing, loadPricingFile } from '../pricing/config/read.ts';
import { createPricing } from '../pricing/pricing.ts';
import { parseRowFilter } from '../query/filter/row-filter.ts';
import { loadGroupsFile } from '../query/groups/read.ts';
import { parseTimeBound } from '../query/time-bound.ts';
import { parseCount, parsePath } from './option-values.ts';
import { type CommandOutput, pricingOption, processOutput } from './options.ts';
import { addSourceOptions, type SourceFlags } from './source-options.ts';
import { openTables } from './tables-source.ts';

/** Rows that --list shows unless asked for more; a screen. */
const DEFAULT_LIST = 25;
const MOST_LISTED = 10_000;
const MOST_ROW = 1_000_000_000;

interface ExplainFlags extends SourceFlags {
  readonly filter?: string;
  readonly groups?: string;
  readonly since?: string;
  readonly until?: string;
  readonly row: number;
  /** `true`: as many as by default. */
  readonly list?: number | true;
  readonly pricing?: string;
  readonly format: 'table' | 'json';
}

export function explainCommand(
  createOutput: () => CommandOutput = processOutput,
  clock: () => number = Date.now,
): Command {
  const command = new Command('explain').description(
    'Say why one flow of the table has its class and its price: the costliest that fits, or another of them.',
  );
  return addSourceOptions(command)
    .addOption(
      new Option('--filter <condition>', 'only these rows, such as "workload=web and class=internet" (docs/groups.md)'),
    )
    .addOption(
      new Option('--groups <file>', 'allocation groups, for the key "group" in --filter (docs/groups.md)')
        .env('FLOWTOLL_GROUPS')
        .argParser(parsePath),
    )
    .addOption(new Option('--since <time>', 'from this instant on: 2026-01-31, 2026-01-31T12:00Z, or 24h, 7d ago'))
    .addOption(new Option('--until <time>', 'before this instant; written as for --since'))
    .addOption(
      new Option('--row <number>', 'which of the rows that fit, the costliest first')
        .default(1)
        .argParser(parseCount(1, MOST_ROW)),
    )
    .addOption(
      new Option('--list [count]', `show the rows that fit instead, ${DEFAULT_LIST} by default`).argParser(
        parseCount(1, MOST_LISTED),
      ),
    )
    .addOption(pricingOption())
    .addOption(
      new Option('--format <format>', 'how to print: for people, or exact for programs')
        .choices(['table', 'json'])
        .default('table'),
    )
    .action(async (flags: ExplainFlags) => {
      const output = createOutput();
      const nowMs = clock();
      const groups = flags.groups === undefined ? undefined : loadGroupsFile(flags.groups);
      const choice = {
        filter: flags.filter === undefined ? undefined : parseRowFilter(flags.filter, groups),
        sinceMs: flags.since === undefined ? undefined : parseTimeBound(flags.since, '--since', nowMs),
        untilMs: flags.until === undefined ? undefined : parseTimeBound(flags.until, '--until', nowMs),
      };
      const setup = flags.pricing === undefined ? defaultPricing() : loadPricingFile(flags.pricing);
      const tables = await openTables({ flags, remark: output.remark });
      try {
        const fittingCount = await countStoredRows(tables.session, choice);
        if (flags.list !== undefined) {
          const count = flags.list === true ? DEFAULT_LIST : flags.list;
          await output.write(rowListText(await findStoredRows(tables.session, choice, 1, count), fittingCount));
          return;
        }
        const stored = await findStoredRow(tables.session, choice, flags.row, fittingCount);
        const explained = explainRow({ ...stored }, createPricing(setup), setup);
        const explanation = { stored, explained, number: flags.row, fittingCount };
        await output.write(flags.format === 'json' ? explanationJson(explanation) : explanationText(explanation));
      } finally {
        await tables.close();
      }
    });
}
