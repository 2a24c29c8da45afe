// Price books, their differences and imports as text for people. Decides looks only.

import { type PriceBook, type ProcessingEntry, priceBookId, type RateEntry } from '../pricing/book/format.ts';
import {
  type BookDifferences,
  OTHER_REGION,
  percentText,
  type RateDifference,
  tierDifferences,
  UNKNOWN_REGION,
  whenText,
} from '../pricing/importers/book-diff.ts';
import type { ImportSummary } from '../pricing/importers/merge.ts';
import { renderTable, type TextColumn } from '../query/text-table.ts';
import { countText } from '../query/units.ts';

/** The part of a book that is shown. */
export interface ShownBook {
  readonly book: PriceBook;
  readonly rates: readonly RateEntry[];
  readonly processing: readonly ProcessingEntry[];
}

/** What a list has beyond these is counted. */
const MOST_LISTED = 3;

const SHOW_COLUMNS: readonly TextColumn[] = [
  { title: 'CLASS', align: 'left' },
  { title: 'PATH', align: 'left' },
  { title: 'BYTES', align: 'left' },
  { title: 'IF', align: 'left' },
  { title: 'REGIONS', align: 'left' },
  { title: 'OTHER SIDE', align: 'left' },
  { title: 'FROM', align: 'right' },
  { title: 'USD', align: 'point' },
  { title: 'PER', align: 'left' },
  { title: 'BASIS', align: 'left' },
  { title: 'DATE', align: 'left' },
  { title: 'SOURCES', align: 'left' },
];

/** Rates with basis, date and sources; below them what is free, and the sources. */
export function showText({ book, rates, processing }: ShownBook): string {
  const shown = [...rates, ...processing];
  const title = `${priceBookId(book)}: ${counted(book.regions.length, 'region')}, prices in USD`;
  if (shown.length === 0) return `${title}\n\nIt has no rate for that.\n`;
  const ids = new Set(shown.flatMap(({ sources }) => sources));
  const allowances = (book.allowances ?? []).filter(({ class: of }) => rates.some((rate) => rate.class === of));
  for (const { sources } of allowances) for (const id of sources) ids.add(id);
  const lines = renderTable(
    SHOW_COLUMNS,
    shown.flatMap((entry) => entryRows(entry, book)),
  );
  const units = new Set(shown.map(({ unit }) => unit));
  return [
    title,
    '',
    ...lines,
    '',
    ...[...units].map((name) => unitLine(name, book)),
    ...allowances.map(
      ({ name, amount, unit, when, regions, counts, basis }) =>
        `Free each month: ${amount} ${unit}, ${name}${when === undefined ? '' : ` (${whenText(when)})`}${
          regions === undefined ? '' : `, from ${regionsText(regions)}`
        }; ${counts === 'before-tiers' ? 'tiers count what is beyond' : 'tiers count it, too'}; ${basis}`,
    ),
    '',
    ...renderTable(
      [
        { title: 'SOURCE', align: 'left' },
        { title: 'DATE', align: 'left' },
        { title: 'KIND', align: 'left' },
        { title: 'ADDRESS', align: 'left' },
      ],
      [...ids].toSorted().map((id) => {
        const { date = '', kind = '', address = '' } = book.sources[id] ?? {};
        return [id, date, kind, address];
      }),
    ),
    '',
  ].join('\n');
}

function unitLine(name: string, { units }: PriceBook): string {
  const { bytes, basis, switch: bySwitch } = units[name]!;
  const others = Object.entries(bySwitch?.bytes ?? {}).map(
    ([value, count]) => `${countText(BigInt(count))} if ${bySwitch!.name} is ${value}`,
  );
  return `1 ${name} is ${countText(BigInt(bytes))} bytes (${[basis, ...others].join('; ')}).`;
}

function entryRows(entry: RateEntry | ProcessingEntry, book: PriceBook): string[][] {
  const isRate = 'class' in entry;
  const tiers = entry.tiers ?? [{ from: 0, usdPerUnit: entry.usdPerUnit! }];
  return tiers.map(({ from, usdPerUnit }, index) => {
    const bound = tiers.length === 1 ? '' : countText(BigInt(Math.trunc(from)));
    if (index > 0) return ['', '', '', '', '', '', bound, usdPerUnit];
    return [
      ...[isRate ? entry.class : PASSING, shortList(entry.paths ?? []), entry.directions.join('+')],
      conditionText(entry.when, isRate ? entry.relations : undefined, isRate ? entry.services : undefined),
      ...[regionsText(entry.regions), isRate ? regionsText(entry.peerRegions) : '', bound, usdPerUnit],
      ...[entry.unit, entry.basis, newestDate(entry.sources, book), entry.sources.join(' ')],
    ];
  });
}

/** What stands for the class where it makes no difference: charges of a middlebox. */
const PASSING = '(passing it)';

function conditionText(
  when: Parameters<typeof whenText>[0] | undefined,
  relations: readonly string[] | undefined,
  services: readonly string[] | undefined,
): string {
  const parts = [services?.join('|'), relations?.join('|'), when && whenText(when)];
  return parts.filter((part) => part !== undefined).join(', ');
}

/** The newest day, month or year that a source names. */
function newestDate(ids: readonly string[], { sources }: PriceBook): string {
  const dates = ids.flatMap((id) => /^\d{4}(-\d{2}){0,2}/.exec(sources[id]?.date ?? '')?.[0] ?? []);
  return dates.toSorted().at(-1) ?? 'undated';
}

function regionsText(regions: readonly string[] | undefined): string {
  return regions === undefined ? 'any' : shortList(regions);
}

function shortList(list: readonly string[]): string {
  const some = list.slice(0, list.length <= MOST_LISTED + 1 ? list.length : MOST_LISTED);
  const more = list.length - some.length;
  return [...some, ...(more === 0 ? [] : [`and ${more} more`])].join(' ');
}

const DIFF_COLUMNS: readonly TextColumn[] = [
  { title: 'CLASS', align: 'left' },
  { title: 'PATH', align: 'left' },
  { title: 'BYTES', align: 'left' },
  { title: 'IF', align: 'left' },
  { title: 'REGIONS', align: 'left' },
  { title: 'OTHER SIDE', align: 'left' },
  { title: 'FROM', align: 'right' },
  { title: 'OLD', align: 'point' },
  { title: 'NEW', align: 'point' },
  { title: 'CHANGE', align: 'right' },
  { title: 'BESIDES', align: 'left' },
];

/** Differences of two books; one line if there are none. */
export function diffText(differences: BookDifferences, old: PriceBook, next: PriceBook): string {
  const title = `${priceBookId(old)} → ${priceBookId(next)}`;
  if (!differs(differences)) return `${title}: every rate is the same.\n`;
  const rows = differences.rates.flatMap(differenceRows);
  return [
    `${title}, prices in USD`,
    '',
    ...(rows.length === 0 ? ['Every rate is the same.'] : renderTable(DIFF_COLUMNS, rows)),
    ...(differences.others.length === 0 ? [] : ['', ...differences.others]),
    '',
  ].join('\n');
}

export function differs({ rates, others }: BookDifferences): boolean {
  return rates.length + others.length > 0;
}

function differenceRows(difference: RateDifference): string[][] {
  const { kind, old, new: next } = difference;
  const tiers = tierDifferences(old, next);
  const isComparable = old?.unit === next?.unit;
  return tiers.map((tier, index) => {
    const bound = tiers.length === 1 ? '' : countText(BigInt(Math.trunc(tier.from)));
    const change = tier.old === tier.new || !isComparable ? '' : (percentText(tier.old, tier.new) ?? '');
    const prices = [bound, tier.old ?? '', tier.new ?? '', change];
    if (index > 0) return ['', '', '', '', '', '', ...prices, ''];
    return [
      ...[difference.class ?? PASSING, shortList(difference.paths ?? []), difference.directions.join('+')],
      conditionText(difference.when, difference.relations, difference.services),
      ...[placesText(difference.regions), placesText(difference.peerRegions), ...prices],
      [...(kind === 'added' || kind === 'removed' ? [kind] : []), ...besides(difference)].join(', '),
    ];
  });
}

/** What else differs than the price. */
function besides({ old, new: next }: RateDifference): string[] {
  if (old === undefined || next === undefined) return [];
  const pairs = [
    ['unit', old.unit, next.unit],
    ['pool', old.pool ?? 'region', next.pool ?? 'region'],
    ['basis', old.basis, next.basis],
  ] as const;
  return pairs.flatMap(([name, a, b]) => (a === b ? [] : [`${name} ${a} → ${b}`]));
}

function placesText(regions: readonly string[] | undefined): string {
  if (regions === undefined) return 'any';
  const has = (one: string, words: string) => (regions.includes(one) ? [words] : []);
  const named = regions.filter((region) => region !== UNKNOWN_REGION && region !== OTHER_REGION);
  // Whoever reads "and 5 more" shall not think of regions alone.
  return [shortList(named), ...has(OTHER_REGION, '(others)'), ...has(UNKNOWN_REGION, '(unknown)')].join(' ').trim();
}

/** What was read, what became of the base, and what was not taken. */
export function importText(summary: ImportSummary, documentCount: number, base: PriceBook): string {
  const { replaced, cut, kept } = summary.base;
  const ignored = summary.ignored.map(({ reason, count, examples }) => [
    countText(BigInt(count)),
    reason,
    examples.slice(0, MOST_LISTED).join('; '),
  ]);
  return [
    `Read ${counted(documentCount, 'document')}: ${counted(summary.rowCount, 'row')}, ${counted(summary.readCount, 'rate')} ` +
      `(${countText(BigInt(summary.newCount))} for traffic that the base has no rate for), ` +
      `${counted(summary.allowanceCount, 'free amount')}.`,
    `${counted(replaced + cut + kept, 'entry', 'entries')} of ${priceBookId(base)}: ${replaced} replaced, ${cut} in part, ${kept} as they were.`,
    ...(summary.newRegions.length === 0 ? [] : [`New regions: ${summary.newRegions.join(', ')}.`]),
    '',
    ...(ignored.length === 0
      ? ['Every row was taken.']
      : renderTable(
          [
            { title: 'NOT TAKEN', align: 'right' },
            { title: 'REASON', align: 'left' },
            { title: 'FOR EXAMPLE', align: 'left' },
          ],
          ignored,
        )),
    '',
    '',
  ].join('\n');
}

function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${countText(BigInt(count))} ${count === 1 ? noun : plural}`;
}
