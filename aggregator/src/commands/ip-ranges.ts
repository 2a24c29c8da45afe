// `flowtoll ip-ranges`: fetch documents of providers' address ranges, show what a directory has, look addresses up. Options in, text
// out; the documents are ranges/'s.
import { Command, Option } from 'commander';
import { ageText } from '../model/age-text.ts';
import { FlowtollError, lineOf } from '../model/errors.ts';
import { timers } from '../model/schedule.ts';
import { renderTable } from '../query/text-table.ts';
import { NO_ADDRESS, readAddress } from '../ranges/address-words.ts';
import { IpRanges } from '../ranges/ip-ranges.ts';
import { nothingIn } from '../ranges/open-ip-ranges.ts';
import { type RangeFiles, readRangeDirectory } from '../ranges/range-directory.ts';
import { type RangeName, rangeSources } from '../ranges/range-sources.ts';
import { createRangeRefresher, skippedText } from '../ranges/refresh.ts';
import { type CommandOutput, processOutput } from './options.ts';
import { ipRangesOption, ipRangesSourcesOption } from './ranges-options.ts';

const EXIT_FAILED = 1;
const LACKS_GOOGLE_CLOUD =
  'flowtoll: goog.json is not used without cloud.json, which says what in it is not Google’s own\n';

interface DirectoryFlags {
  readonly ipRanges: string;
}

interface FetchFlags extends DirectoryFlags {
  readonly ipRangesSources: readonly string[];
}

interface PrintFlags extends DirectoryFlags {
  readonly format: 'table' | 'json';
}

/** @param exitWith hears the exit code where it is not 0 */
export function ipRangesCommand(
  exitWith: (code: number) => void,
  createOutput: () => CommandOutput = processOutput,
  clock: () => number = Date.now,
): Command {
  const command = new Command('ip-ranges').description(
    'Address ranges that providers publish: which cloud, region and service an address outside is (docs/ip-ranges.md).',
  );
  command
    .command('fetch')
    .description(
      'Fetch the documents into the directory, those that have changed. AWS and Google have fixed addresses. Azure’s changes each week: its ' +
        'download page is read for the link, which Microsoft promises nobody; where that fails, save the document by hand, or give its address ' +
        '(--ip-ranges-sources azure=URL). Ends with 1 when a document cannot be had; the others are kept.',
    )
    .addOption(ipRangesOption().makeOptionMandatory())
    .addOption(ipRangesSourcesOption())
    .action(async (flags: FetchFlags) => {
      if (!(await fetchAll(flags, createOutput(), clock))) exitWith(EXIT_FAILED);
    });
  command
    .command('show')
    .description('Show the documents that the directory has: how many prefixes, and how old.')
    .addOption(ipRangesOption().makeOptionMandatory())
    .addOption(formatOption())
    .action(async ({ ipRanges, format }: PrintFlags) => {
      const output = createOutput();
      const { files, ranges } = await load(ipRanges, output);
      await output.write(format === 'json' ? showJson(ranges, clock()) : showText(ranges, clock()));
      if (files.problems.length > 0) exitWith(EXIT_FAILED);
    });
  command
    .command('lookup')
    .description('Say whose an address is, or a prefix where all of it is the same.')
    .argument('<address...>', 'IPv4 or IPv6 addresses or prefixes')
    .addOption(ipRangesOption().makeOptionMandatory())
    .addOption(formatOption())
    .action(async (addresses: readonly string[], { ipRanges, format }: PrintFlags) => {
      const words = new Uint32Array(4);
      for (const address of addresses) {
        if (readAddress(address, words) !== NO_ADDRESS) continue;
        throw new FlowtollError('CONFIG_INVALID', `${JSON.stringify(address)} is no IPv4 or IPv6 address or prefix`);
      }
      const output = createOutput();
      const { ranges } = await load(ipRanges, output);
      const found = addresses.map((address) => ({ address, place: ranges.lookup(address) ?? null }));
      await output.write(format === 'json' ? jsonText(found) : lookupText(found));
    });
  return command;
}

function formatOption(): Option {
  return new Option('--format <format>', 'how to print: for people, or for programs')
    .choices(['table', 'json'])
    .default('table');
}

/** False when a document could not be had. */
async function fetchAll(
  { ipRanges: directory, ipRangesSources }: FetchFlags,
  output: CommandOutput,
  clock: () => number,
): Promise<boolean> {
  const sources = rangeSources(ipRangesSources);
  const { documents, origins, problems } = await readRangeDirectory(directory);
  for (const { message } of problems) output.remark(`flowtoll: ${message}; it is fetched anew\n`);
  const ranges = new IpRanges();
  ranges.replace(documents);
  const refresher = createRangeRefresher(
    { directory, sources, intervalMs: 0 },
    {
      ranges,
      origins,
      log: { info: () => undefined, warn: () => undefined },
      now: clock,
      schedule: timers,
      random: Math.random,
    },
  );
  let all = true;
  for (const name of sources.keys()) {
    try {
      const result = await refresher.refresh(name);
      await output.write(`${name}: ${result === 'new' ? 'a new edition' : 'unchanged'}, ${countText(ranges, name)}\n`);
    } catch (error) {
      if (!(error instanceof FlowtollError)) throw error;
      all = false;
      const kept = ranges.document(name);
      const remains =
        kept === undefined ? 'there is no copy' : `the copy of ${ageText(clock() - kept.knownMs)} ago stays`;
      output.remark(`flowtoll: ${error.code}: ${lineOf(error)}; ${remains}\n`);
    }
  }
  if (ranges.lacksGoogleCloud) output.remark(LACKS_GOOGLE_CLOUD);
  return all;
}

function countText(ranges: IpRanges, name: RangeName): string {
  const document = ranges.document(name)!;
  const skipped = document.skipped > 0 ? ` (${document.skipped} cannot be read)` : '';
  return `${document.list.count} prefixes${skipped}`;
}

async function load(directory: string, { remark }: CommandOutput): Promise<{ files: RangeFiles; ranges: IpRanges }> {
  const files = await readRangeDirectory(directory);
  for (const { message } of files.problems) remark(`flowtoll: ${message}\n`);
  if (files.documents.length === 0) throw files.problems[0] ?? nothingIn(directory);
  const ranges = new IpRanges();
  ranges.replace(files.documents);
  for (const { name, skipped, firstProblem } of ranges.documents) {
    if (skipped > 0) remark(`flowtoll: ${skippedText(name)} (${skipped}); the first: ${firstProblem}\n`);
  }
  if (ranges.lacksGoogleCloud) remark(LACKS_GOOGLE_CLOUD);
  return { files, ranges };
}

function showText({ documents }: IpRanges, nowMs: number): string {
  const lines = renderTable(
    [
      { title: 'document', align: 'left' },
      { title: 'prefixes', align: 'right' },
      { title: 'published', align: 'left' },
      { title: 'newest until', align: 'left' },
      { title: 'age', align: 'right' },
      { title: 'file', align: 'left' },
    ],
    documents.map(({ name, list, publishedMs, knownMs, from }) => [
      name,
      String(list.count),
      publishedMs === null ? '' : dateText(publishedMs),
      dateText(knownMs),
      ageText(nowMs - knownMs),
      from,
    ]),
  );
  return `${lines.join('\n')}\n`;
}

function showJson({ documents, prefixes }: IpRanges, nowMs: number): string {
  return jsonText({
    documents: documents.map(({ name, from, list, skipped, publishedMs, edition, knownMs }) => ({
      document: name,
      file: from,
      prefixes: list.count,
      skipped_prefixes: skipped,
      published: publishedMs === null ? null : dateText(publishedMs),
      edition,
      newest_until: dateText(knownMs),
      age_seconds: Math.max(0, Math.round((nowMs - knownMs) / 1000)),
    })),
    prefixes: Object.fromEntries(prefixes),
  });
}

function lookupText(
  found: readonly { readonly address: string; readonly place: ReturnType<IpRanges['lookup']> | null }[],
) {
  const lines = renderTable(
    [
      { title: 'address', align: 'left' },
      { title: 'provider', align: 'left' },
      { title: 'region', align: 'left' },
      { title: 'service', align: 'left' },
    ],
    found.map(({ address, place }) => [address, place?.provider ?? '-', place?.region ?? '-', place?.service ?? '-']),
  );
  return `${lines.join('\n')}\n`;
}

function dateText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
