// A price book: the dated list prices of one provider, each with its sources. This file is the format (zod, and from it
// the JSON Schema) and the checks that a schema cannot say. docs/price-books.md explains it to people.
import { z } from 'zod';
import { FlowtollError } from '../model/errors.ts';
import type { TrafficClass } from '../model/flow-row.ts';
import { parseUsd } from './money.ts';
import { expandSelector, type RegionSelector, representatives, selectRegions } from './region-selector.ts';

/** Classes that a book can price; same-node and encapsulation are free everywhere, unknown and lost have no price. */
export const BOOK_CLASSES = [
  'same-zone',
  'cross-zone',
  'same-region',
  'same-region-public',
  'cross-region',
  'internet',
  'provider-service',
  'other-provider',
  'peered',
  'on-premises',
] as const satisfies readonly TrafficClass[];

const usd = z
  .string()
  .regex(/^(0|[1-9]\d{0,5})(\.\d{1,12})?$/)
  .describe('USD per unit, as a decimal string of at most 12 places.');
const basis = z
  .enum(['exact', 'estimated', 'disputed'])
  .describe('exact: a listed rate; estimated: something was assumed; disputed: sources disagree.');
const sourceIds = z.array(z.string()).min(1).describe('Keys of `sources`.');
const selector = z
  .array(z.string().min(1))
  .min(1)
  .describe('Regions: names, "prefix*", "@group", and "!" before any of these to leave it out.');

const sourceSchema = z.strictObject({
  address: z.string().min(1).describe('Where it was read.'),
  date: z.string().min(1).describe('When it was published or read, as far as known.'),
  kind: z.string().min(1).describe('What it is: an official page or feed, a copy, a catalogue reading, a third party.'),
  note: z.string().optional(),
});

const tierSchema = z.strictObject({
  from: z.number().nonnegative().describe('First unit of the month that has this rate.'),
  usdPerUnit: usd,
});

const rateSchema = z
  .strictObject({
    class: z.enum(BOOK_CLASSES),
    path: z.string().optional().describe('What lies between the sides; absent: nothing that is billed by itself.'),
    directions: z
      .array(z.enum(['out', 'in']))
      .min(1)
      .describe('As seen from the side that pays: out is what it sends, in is what it receives.'),
    regions: selector.optional().describe('Regions of the side that pays; absent: any, known or not.'),
    peerRegions: selector.optional().describe('Regions of the other side; absent: any, known or not.'),
    usdPerUnit: usd.optional().describe('One rate for any amount.'),
    tiers: z.array(tierSchema).min(1).optional().describe('Rates by monthly amount, ascending, the first from 0.'),
    basis,
    sources: sourceIds,
    note: z.string().optional(),
  })
  .describe('A rate. Exactly one of usdPerUnit and tiers.');

/** Format of a price book. */
export const priceBookSchema = z
  .strictObject({
    formatVersion: z.literal(1),
    provider: z.string().min(1).describe('The provider as topologies name it.'),
    date: z.iso.date().describe('Day of the prices. Provider and date name the book: "aws@2026-11-23".'),
    currency: z.literal('USD'),
    unit: z.strictObject({
      name: z.string().min(1).describe('The unit as the provider prints it.'),
      bytes: z.int().positive().describe('Bytes in one unit.'),
      basis: basis.describe('Lowers the basis of every rate that is not zero.'),
      sources: sourceIds,
      note: z.string().optional(),
    }),
    groups: z.record(z.string(), z.array(z.string()).min(1)).optional().describe('Named lists of regions.'),
    treatAs: z
      .array(
        z.strictObject({
          class: z.enum(BOOK_CLASSES),
          as: z.enum(BOOK_CLASSES),
          basis: basis.describe('At best.'),
          note: z.string().min(1).describe('What is assumed.'),
        }),
      )
      .optional()
      .describe('Classes that are priced like another one.'),
    rates: z.array(rateSchema).min(1),
    sources: z.record(z.string(), sourceSchema),
  })
  .describe('List prices of network data transfer of one provider.');

export type PriceBook = z.infer<typeof priceBookSchema>;
export type RateEntry = PriceBook['rates'][number];

/** Name of a book, as in column `price_book`. */
export function priceBookId(book: PriceBook): string {
  return `${book.provider}@${book.date}`;
}

/** JSON Schema of a price book, as committed in docs/price-book.schema.json. */
export function priceBookJsonSchema(): Record<string, unknown> {
  return { title: 'Flowtoll price book', ...z.toJSONSchema(priceBookSchema) };
}

/** Checks a parsed JSON document; `name` names it in errors. Throws PRICE_BOOK_INVALID, listing every problem. */
export function parsePriceBook(document: unknown, name: string): PriceBook {
  const parsed = priceBookSchema.safeParse(document);
  const problems = parsed.success
    ? checkBook(parsed.data)
    : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  if (problems.length > 0 || !parsed.success) {
    const list = problems.map((problem) => `\n  ${problem}`).join('');
    throw new FlowtollError('PRICE_BOOK_INVALID', `price book ${name} is not valid; see docs/price-books.md:${list}`);
  }
  return parsed.data;
}

function checkBook(book: PriceBook): string[] {
  const problems = checkSources(book);
  book.rates.forEach((rate, index) => {
    problems.push(...checkRate(book, rate).map((problem) => `rates.${index}: ${problem}`));
  });
  return problems.length > 0 ? problems : checkOverlaps(book);
}

function checkSources(book: PriceBook): string[] {
  const used = [
    ...book.unit.sources.map((id) => ({ id, where: 'unit' })),
    ...book.rates.flatMap((rate, index) => rate.sources.map((id) => ({ id, where: `rates.${index}` }))),
  ];
  return used
    .filter(({ id }) => !Object.hasOwn(book.sources, id))
    .map(({ id, where }) => `${where}: source ${id} is not in sources; add its address and date`);
}

function checkRate(book: PriceBook, rate: RateEntry): string[] {
  const problems: string[] = [];
  if ((rate.usdPerUnit === undefined) === (rate.tiers === undefined)) {
    problems.push('give either usdPerUnit or tiers');
  }
  const bounds = (rate.tiers ?? []).map((tier) => tier.from);
  if (bounds.some((bound, index) => (index === 0 ? bound !== 0 : bound <= bounds[index - 1]!))) {
    problems.push('tiers must ascend, the first from 0');
  }
  for (const term of [...(rate.regions ?? []), ...(rate.peerRegions ?? [])]) {
    const group = term.replace(/^!/, '');
    if (group.startsWith('@') && !Object.hasOwn(book.groups ?? {}, group.slice(1))) {
      problems.push(`group ${group} is not in groups`);
    }
  }
  return problems;
}

/** Two rates for the same traffic would make the price depend on their order. */
function checkOverlaps(book: PriceBook): string[] {
  const groups = book.groups ?? {};
  const selectors = book.rates.flatMap((rate) => [rate.regions, rate.peerRegions]).filter((list) => list !== undefined);
  const names = representatives(selectors.flatMap((list) => expandSelector(list, groups)));
  const select = (list: RegionSelector | undefined) => selectRegions(names, list, groups);
  const expanded = book.rates.map((rate) => ({
    rate,
    regions: select(rate.regions),
    peers: select(rate.peerRegions),
  }));
  return expanded.flatMap((a, index) =>
    expanded.slice(index + 1).flatMap((b, offset) => {
      const isSameKey =
        a.rate.class === b.rate.class &&
        a.rate.path === b.rate.path &&
        a.rate.directions.some((direction) => b.rate.directions.includes(direction));
      if (!isSameKey || isDisjoint(a.regions, b.regions) || isDisjoint(a.peers, b.peers)) {
        return [];
      }
      return [`rates.${index} and rates.${index + 1 + offset} both price some ${a.rate.class} traffic; leave one`];
    }),
  );
}

function isDisjoint(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const item of a) {
    if (b.has(item)) {
      return false;
    }
  }
  return true;
}

/** The rate at which the next unit is charged once any free first tier is used up: the first that is not zero. */
export function marginalUsdPerUnit(rate: RateEntry): bigint {
  const rates = rate.tiers?.map((tier) => parseUsd(tier.usdPerUnit)) ?? [parseUsd(rate.usdPerUnit ?? '0')];
  return rates.find((usdPerUnit) => usdPerUnit > 0n) ?? 0n;
}
