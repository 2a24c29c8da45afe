// The format of a price book, once: validation, types and the published JSON Schema all come from here. What a schema cannot
// say (overlapping rates, a missing pair, a region that is not listed) is check.ts's. docs/price-books.md explains it to people.
import { z } from 'zod';
import { BASES, DIRECTIONS, PRICED_CLASSES, RELATIONS } from './words.ts';

const name = z.string().min(1);
/** Words that are stored or written by operators: lower case, with hyphens. */
export const word = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'Lower-case letters, digits and hyphens');
export const usd = z
  .string()
  .regex(
    /^(0|[1-9]\d{0,5})(\.\d{1,12})?$/,
    'An amount is text, such as "0.0105": not negative, below 1000000, at most 12 places',
  )
  .describe('USD per unit, as a decimal string of at most 12 places.');
const basis = z
  .enum(BASES)
  .describe('exact: a listed rate; estimated: something was assumed; disputed: sources disagree.');
const sourceIds = z.array(name).min(1).describe('Keys of `sources`.');
export const selector = z
  .array(name)
  .min(1)
  .describe(
    'Regions: names, "prefix*", "@group", "?" for a region that is not known, and "!" before any of these to leave it out.',
  );
const directions = z.array(z.enum(DIRECTIONS)).min(1);

const sourceSchema = z.strictObject({
  address: name.describe('Where it was read.'),
  date: name.describe('When it was published or read, as far as known.'),
  kind: name.describe('What it is: an official page or feed, a copy, a catalogue reading, a third party.'),
  note: z.string().optional(),
});

const unitSchema = z
  .strictObject({
    bytes: z
      .int()
      .positive()
      .describe('Bytes in one unit. KB, MB, GB, TB, PB: powers of 1000 or of 1024; KiB to PiB: powers of 1024.'),
    switch: z
      .strictObject({ name: word, bytes: z.record(word, z.int().positive()) })
      .optional()
      .describe(
        'Bytes by the value of a switch of the book. Once it is set, the basis of the unit no longer counts: whoever sets it is believed.',
      ),
    basis: basis.describe('Lowers the basis of every rate of this unit that is not zero.'),
    sources: sourceIds,
    note: z.string().optional(),
  })
  .describe('A unit as the provider prints it.');

const switchSchema = z
  .strictObject({
    values: z.array(word).min(2),
    default: word.describe('Taken where the configuration says nothing.'),
    defaultBasis: basis
      .optional()
      .describe(
        'What a rate that names the switch is at best, while the configuration says nothing about it. Default: estimated.',
      ),
    note: z.string().min(1).describe('What it is about.'),
  })
  .describe('Something that rates depend on and that no packet shows. Set in the pricing configuration.');

const when = z
  .record(word, z.union([word, z.array(word).min(1)]))
  .optional()
  .describe('Values of switches for which it holds; absent: whatever their values.');

const tierSchema = z.strictObject({
  from: z.number().nonnegative().describe('First unit of the month that has this rate.'),
  usdPerUnit: usd,
});

const amount = {
  unit: name.describe('Key of `units`.'),
  usdPerUnit: usd.optional().describe('One rate for any amount.'),
  tiers: z.array(tierSchema).min(1).optional().describe('Rates by monthly amount, ascending, the first from 0.'),
  pool: z
    .string()
    .min(1)
    .optional()
    .describe(
      'What the monthly amount of the tiers is counted over: "region" (what this entry prices, each region of the side that pays by itself; the default), or a name: everything with that name together.',
    ),
  meter: z.string().min(1).optional().describe('What the line of the bill is called.'),
  basis,
  sources: sourceIds,
  note: z.string().optional(),
};

const rateSchema = z
  .strictObject({
    class: z.enum(PRICED_CLASSES),
    relations: z
      .array(z.enum(RELATIONS))
      .min(1)
      .optional()
      .describe(
        'Where the sides of a peered, provider-service or on-premises class are to each other; absent: anywhere.',
      ),
    services: z
      .array(name)
      .min(1)
      .optional()
      .describe('Services of the provider (class provider-service), as address ranges name them; absent: any.'),
    paths: z
      .array(word)
      .min(1)
      .optional()
      .describe('What lies between the sides; absent: anything that no other rate of the class names.'),
    when,
    directions: directions.describe('As seen from the side that pays: out is what it sends, in is what it receives.'),
    regions: selector.optional().describe('Regions of the side that pays; absent: any, known or not.'),
    peerRegions: selector.optional().describe('Regions of the other side; absent: any, known or not.'),
    ...amount,
  })
  .describe('What moving bytes costs. Exactly one of usdPerUnit and tiers.');

const processingSchema = z
  .strictObject({
    paths: z.array(word).min(1),
    when,
    directions: directions.describe('Which bytes are charged, as seen from the row: out is what it sends.'),
    regions: selector.optional().describe('Regions of the side that pays; absent: any, known or not.'),
    ...amount,
  })
  .describe('What a middlebox charges for the bytes that pass it. 0 is a price, too.');

const allowanceSchema = z
  .strictObject({
    name,
    amount: z.number().positive().describe('Units that are free in a calendar month (UTC), for the whole account.'),
    unit: name.describe('Key of `units`.'),
    class: z.enum(PRICED_CLASSES),
    when,
    regions: selector.optional().describe('Regions whose bytes it is for; absent: all.'),
    counts: z
      .enum(['before-tiers', 'inside-tiers'])
      .describe(
        'before-tiers: taken off first, tiers count the rest; inside-tiers: tiers count it, too, but it is free.',
      ),
    basis,
    sources: sourceIds,
    note: z.string().optional(),
  })
  .describe('What is free each month of what is sent.');

const treatAsSchema = z
  .strictObject({
    class: z.enum(PRICED_CLASSES),
    relations: z.array(z.enum(RELATIONS)).min(1).optional(),
    services: z.array(name).min(1).optional(),
    paths: z.array(word).min(1).optional(),
    as: z.enum(PRICED_CLASSES),
    basis: basis.describe('At best.'),
    note: z.string().min(1).describe('Why, or what is assumed.'),
  })
  .describe('What is priced like another class where no rate names it. The first one that fits counts.');

/** Format of a price book. */
export const priceBookSchema = z
  .strictObject({
    formatVersion: z.literal(2),
    provider: name.describe('The provider as nodes and topologies name it.'),
    date: z.iso.date().describe('Day of the prices. Provider and date name the book: "aws@2026-11-23".'),
    effectiveFrom: z.iso
      .date()
      .optional()
      .describe('First day (UTC) on which it holds, where a provider has several books; absent: since ever.'),
    currency: z.literal('USD'),
    units: z.record(name, unitSchema),
    regions: z.array(name).min(1).describe('Every region that the book was made for.'),
    groups: z
      .record(word.or(z.string().regex(/^[a-z0-9_-]+$/)), z.array(name).min(1))
      .optional()
      .describe('Named lists of regions: names, or "prefix*".'),
    switches: z.record(word, switchSchema).optional(),
    ipv6BetweenNetworksIsPublic: z
      .boolean()
      .optional()
      .describe('Whether IPv6 between two networks of one region is billed like public addresses. Default: no.'),
    treatAs: z.array(treatAsSchema).optional(),
    rates: z.array(rateSchema).min(1),
    processing: z.array(processingSchema).optional(),
    allowances: z.array(allowanceSchema).optional(),
    missing: z
      .array(z.strictObject({ regions: selector, peerRegions: selector, note: z.string().min(1) }))
      .optional()
      .describe('Pairs of regions without a cross-region rate, and why; any other pair must have one.'),
    sources: z.record(name, sourceSchema),
  })
  .describe('List prices of network data transfer of one provider.');

export type PriceBook = z.infer<typeof priceBookSchema>;
export type RateEntry = PriceBook['rates'][number];
export type ProcessingEntry = NonNullable<PriceBook['processing']>[number];
export type AllowanceEntry = NonNullable<PriceBook['allowances']>[number];
export type TreatAsEntry = NonNullable<PriceBook['treatAs']>[number];
/** What rates of both kinds share. */
export type AmountEntry = Pick<
  RateEntry,
  'unit' | 'usdPerUnit' | 'tiers' | 'pool' | 'meter' | 'basis' | 'sources' | 'note'
>;

/** Name of a book, as in column `price_book`. */
export function priceBookId(book: Pick<PriceBook, 'provider' | 'date'>): string {
  return `${book.provider}@${book.date}`;
}

/** JSON Schema of a price book, as committed in docs/price-book.schema.json. */
export function priceBookJsonSchema(): Record<string, unknown> {
  return { title: 'Flowtoll price book', ...z.toJSONSchema(priceBookSchema) };
}
