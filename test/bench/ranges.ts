// What looking up an address in the ranges of three providers costs: the table's lookup, from text, beside a bare binary search over
// the same sorted prefixes in typed arrays, from numbers, interleaved with it; and the memory of all that is kept.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseAwsRanges } from '@flowtoll/aggregator/ranges/aws-ranges.ts';
import { parseAzureRanges } from '@flowtoll/aggregator/ranges/azure-ranges.ts';
import { parseGoogleCloudRanges, parseGoogleRanges } from '@flowtoll/aggregator/ranges/google-ranges.ts';
import { googleServices } from '@flowtoll/aggregator/ranges/google-services.ts';
import type { PrefixList } from '@flowtoll/aggregator/ranges/prefix-list.ts';
import { createRangeTable, type RangeTable } from '@flowtoll/aggregator/ranges/range-table.ts';
import { type RangeDocuments, syntheticDocuments } from './support/range-documents.ts';
import { RangesFloor } from './support/ranges-floor.ts';
import { median, medianRatio, range, textTable } from './support/statistics.ts';

const MIB = 2 ** 20;
const GOAL_RATIO = 2;
const GOAL_BYTES = 20 * MIB;
const ADDRESSES = 200_000;
const MIXED = 'all of them, mixed';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Measures and prints; exit code 1 when a goal is missed. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { directory: { type: 'string' }, rounds: { type: 'string', default: '21' } },
  });
  const documents = values.directory === undefined ? syntheticDocuments() : readDocuments(values.directory);
  const { lists, table, parseMs, buildMs, bytes } = build(documents);
  const prefixes = lists.reduce((sum, { count }) => sum + count, 0);
  const rounds = Number(values.rounds);
  const floor = new RangesFloor(lists);
  const kinds = [
    ['IPv4, in a range', floor.hits(4, ADDRESSES)],
    ['IPv4, in none', floor.misses(4, ADDRESSES)],
    ['IPv6, in a range', floor.hits(6, ADDRESSES)],
    ['IPv6, in none', floor.misses(6, ADDRESSES)],
  ] as const;
  const all = kinds.flatMap(([, addresses]) => addresses);
  const measured = [...kinds, [MIXED, floor.shuffled(all).slice(0, ADDRESSES)] as const].map(
    // Texts one after the other in memory, as those of a batch are.
    ([name, addresses]) => ({ name, ...compare(table, floor, JSON.parse(JSON.stringify(addresses)), rounds) }),
  );

  process.stdout.write(
    `${textTable([
      ['what', 'measured', 'goal'],
      [`documents ${values.directory === undefined ? 'made up' : 'as they are'}: prefixes`, String(prefixes), ''],
      ['reading the documents', `${parseMs.toFixed(0)} ms`, ''],
      ['making the table', `${buildMs.toFixed(0)} ms`, ''],
      [
        'kept: the table, and the prefixes it is made of',
        `${(bytes / MIB).toFixed(1)} MiB`,
        `< ${GOAL_BYTES / MIB} MiB`,
      ],
      ...measured.flatMap(({ name, floorNs, tableNs, ratio, span }) => [
        [`${name}: bare search; lookup, each`, `${floorNs.toFixed(0)} ns; ${tableNs.toFixed(0)} ns`, ''],
        [`${name}: lookup / bare search`, `${ratio.toFixed(2)} (${span})`, name === MIXED ? `<= ${GOAL_RATIO}` : ''],
      ]),
    ])}\n`,
  );
  if (bytes >= GOAL_BYTES || measured.some(({ name, ratio }) => name === MIXED && ratio > GOAL_RATIO))
    process.exitCode = 1;
}

/** Documents under the names that they have at their providers. */
function readDocuments(directory: string): RangeDocuments {
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  return {
    aws: read('ip-ranges.json'),
    cloud: read('cloud.json'),
    google: read('goog.json'),
    azure: read('ServiceTags_Public.json'),
  };
}

/** What stays of the documents, as the product keeps it. */
function build({ aws, cloud, google, azure }: RangeDocuments) {
  collectGarbage();
  const before = memoryBytes();
  const startMs = performance.now();
  const customers = parseGoogleCloudRanges(cloud, 'cloud.json').list;
  const lists: readonly PrefixList[] = [
    parseAwsRanges(aws, 'ip-ranges.json').list,
    parseAzureRanges(azure, 'ServiceTags_Public.json').list,
    customers,
    googleServices(parseGoogleRanges(google, 'goog.json').list, customers),
  ];
  const parsedMs = performance.now();
  const table = createRangeTable(lists);
  const builtMs = performance.now();
  collectGarbage();
  return {
    lists,
    table,
    parseMs: parsedMs - startMs,
    buildMs: builtMs - parsedMs,
    bytes: memoryBytes() - before,
  };
}

/** Interleaved, so that a slow moment of the machine slows both. */
function compare(table: RangeTable, floor: RangesFloor, addresses: readonly string[], rounds: number) {
  const [floorNs, tableNs]: [number[], number[]] = [[], []];
  const numbers = floor.numbersOf(addresses);
  for (let round = -3; round < rounds; round++) {
    const bare = eachNs(addresses.length, () => floor.searchAll(numbers));
    const looked = eachNs(addresses.length, () => lookupAll(table, addresses));
    if (round < 0) continue;
    floorNs.push(bare);
    tableNs.push(looked);
  }
  const ratios = tableNs.map((ns, i) => ns / floorNs[i]!);
  return {
    floorNs: median(floorNs),
    tableNs: median(tableNs),
    ratio: medianRatio(tableNs, floorNs),
    span: range(ratios)
      .map((ratio) => ratio.toFixed(2))
      .join(' to '),
  };
}

/** How many have a place, so that no lookup is left out. */
function lookupAll(table: RangeTable, addresses: readonly string[]): number {
  let found = 0;
  for (const address of addresses) if (table.lookup(address) !== undefined) found++;
  return found;
}

function eachNs(count: number, work: () => unknown): number {
  const startMs = performance.now();
  work();
  return ((performance.now() - startMs) * 1e6) / count;
}

function memoryBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
