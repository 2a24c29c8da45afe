// Google Cloud Billing Catalog (v1 pages of SKUs) → rates. What an SKU is about stands in its description alone: the catalogue has
// no fields for source and destination.
import { z } from 'zod';
import { FlowtollError } from '../../model/errors.ts';
import type { Direction } from '../book/words.ts';
import { amountOfNanos, tierBound } from './exact-decimal.ts';
import { ExactNumber, parseExactJson } from './exact-json.ts';
import { type GcpPlace, gcpPlace } from './gcp-places.ts';
import {
  IgnoredTally,
  orderedTiers,
  type PriceDocument,
  type RawTier,
  type ReadAllowance,
  type Reading,
  type ReadKey,
  type ReadRate,
  withoutFreeTier,
} from './reading.ts';

const CATALOG = 'https://cloudbilling.googleapis.com/v1';

/** Bytes of `GiBy`, which every SKU states. */
const GIB_FACTOR = String(2 ** 30);

const SWITCHES: Reading['switches'] = {
  'network-tier': {
    values: ['premium', 'standard'],
    default: 'premium',
    note: 'Network service tier of external addresses.',
  },
  destination: {
    values: ['worldwide', 'middle-east', 'africa', 'korea', 'indonesia', 'south-america', 'australia', 'china'],
    default: 'worldwide',
    note: 'Where on the internet the other side is. Google’s destination Americas stands for worldwide.',
  },
};

/** Destinations of the internet by their names in descriptions; what a book has no value for is not taken. */
const DESTINATIONS: readonly (readonly [pattern: RegExp, value: string])[] = [
  [/^(worldwide|americas)\b/i, 'worldwide'],
  [/^middle east\b/i, 'middle-east'],
  [/^africa\b/i, 'africa'],
  [/^(south )?korea\b/i, 'korea'],
  [/^indonesia\b/i, 'indonesia'],
  [/^(south|latin) america\b/i, 'south-america'],
  [/^australia\b/i, 'australia'],
  [/^china\b/i, 'china'],
];

/** The end of a description that names places. */
const PLACES = / (from|in) .+$/;

/** What is told apart only to say why it is not taken. */
const LEFT_TO_BASE: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /^Network (Inter Region|Internet|Inter Zone) (Data Transfer In|Ingress)\b/,
    'what comes in is left to the base book',
  ],
  [/\b(Vpn|Interconnect|Peering|CDN)\b/i, 'VPN, interconnect and peering are left to the base book'],
];

const pageSchema = z.looseObject({ skus: z.array(z.unknown()), nextPageToken: z.string().nullish() });

const number = z.instanceof(ExactNumber).transform(({ text }) => text);

const skuSchema = z.looseObject({
  skuId: z.string(),
  description: z.string(),
  category: z.looseObject({ resourceFamily: z.string(), usageType: z.string() }),
  serviceRegions: z.array(z.string()).optional(),
  geoTaxonomy: z.looseObject({ type: z.string().optional() }).optional(),
  pricingInfo: z
    .array(
      z.looseObject({
        effectiveTime: z.string().optional(),
        pricingExpression: z.looseObject({
          usageUnit: z.string(),
          baseUnitConversionFactor: number.optional(),
          tieredRates: z.array(
            z.looseObject({
              startUsageAmount: number.optional(),
              unitPrice: z.looseObject({
                currencyCode: z.string(),
                units: z.string().optional(),
                nanos: number.optional(),
              }),
            }),
          ),
        }),
      }),
    )
    .min(1),
});

type Sku = z.infer<typeof skuSchema>;

/** The token of the page after this one; undefined after the last. Throws PRICE_DOCUMENT_INVALID if it is no page. */
export function nextGcpPage(document: PriceDocument): string | undefined {
  return parsePage(document).nextPageToken || undefined;
}

interface Meaning {
  readonly key: ReadKey;
  readonly directions: readonly Direction[];
  readonly areDirectionsAssumed?: true;
  /** null: every region. */
  readonly from: readonly string[] | null;
  readonly to?: readonly string[];
  /** How many of its sides are parts of the world: an SKU of a city counts more. */
  readonly vagueness: number;
  readonly isInternet?: true;
}

type Match = RegExpExecArray;

const FORMS: readonly (readonly [pattern: RegExp, meaning: (match: Match, sku: Sku) => Meaning | string])[] = [
  [
    /^Network Inter Zone (?:Data Transfer Out|Egress)$/,
    () => ({ key: { class: 'cross-zone' }, directions: ['out'], from: null, vagueness: 0 }),
  ],
  [
    /^Network Inter Region (?:Data Transfer Out|Egress) from (.+?) to (.+)$/,
    ([, from = '', to = ''], sku) => {
      const [source, target] = [sourceOf(from, sku), gcpPlace(to)];
      if (source === undefined || target === undefined) return 'name of a city is unknown';
      const vagueness = Number(!source.isCity) + Number(!target.isCity);
      return {
        ...{ key: { class: 'cross-region' }, directions: ['out'], vagueness },
        ...{ from: source.regions, to: target.regions },
      };
    },
  ],
  [
    /^Network Internet (?:Data Transfer Out|Egress) from (.+?) to (.+)$/,
    ([, from = '', to = ''], sku) => {
      const destination = DESTINATIONS.find(([pattern]) => pattern.test(to))?.[1];
      if (destination === undefined) return 'destination on the internet is not told apart';
      return internetFrom(from, sku, { 'network-tier': 'premium', destination });
    },
  ],
  [
    /^Network (?:Internet )?Standard (?:Tier )?(?:Data Transfer Out|Egress) to Internet from (.+)$/,
    ([, from = ''], sku) => internetFrom(from, sku, { 'network-tier': 'standard' }),
  ],
  [
    /^Network Internet Standard Tier Egress from (.+)$/,
    ([, from = ''], sku) => internetFrom(from, sku, { 'network-tier': 'standard' }),
  ],
  [
    /^Networking Cloud NAT Data Processing(?: in (.+))?$/i,
    ([, place]) => {
      const where = place === undefined ? undefined : gcpPlace(place);
      if (place !== undefined && where === undefined) return 'name of a city is unknown';
      return {
        ...{ key: { path: 'nat-gateway' }, directions: ['out', 'in'], areDirectionsAssumed: true },
        ...{ from: where?.regions ?? null, vagueness: where?.isCity ? 0 : 1 },
      };
    },
  ],
];

function internetFrom(name: string, sku: Sku, when: Readonly<Record<string, string>>): Meaning | string {
  const source = sourceOf(name, sku);
  if (source === undefined) return 'name of a city is unknown';
  const vagueness = Number(!source.isCity);
  return { key: { class: 'internet', when }, directions: ['out'], from: source.regions, vagueness, isInternet: true };
}

/** An SKU for a part of the world lists its regions, unless it is global: then the list is only representative. */
function sourceOf(name: string, sku: Sku): GcpPlace | undefined {
  const place = gcpPlace(name);
  const listed = (sku.serviceRegions ?? []).filter((region) => region !== 'global');
  if (place === undefined || place.isCity || sku.geoTaxonomy?.type === 'GLOBAL' || listed.length === 0) return place;
  return { isCity: false, regions: listed };
}

/** Understands pages of SKUs; what it does not is in `ignored`. */
export function readGcpCatalog(documents: readonly PriceDocument[]): Reading {
  const ignored = new IgnoredTally();
  const date = documents
    .map(({ day }) => day)
    .toSorted()
    .at(-1)!;
  const source = `billing-catalog-${date}`;
  const rates = new Map<string, { vagueness: number; rates: ReadRate[] }>();
  const allowances = new Map<string, ReadAllowance & { regions: string[] }>();
  let rowCount = 0;
  for (const raw of documents.flatMap((document) => parsePage(document).skus)) {
    rowCount++;
    const sku = skuSchema.safeParse(raw);
    if (!sku.success) {
      ignored.add('row does not have the shape of an SKU', shown(raw));
      continue;
    }
    const found = understand(sku.data);
    if (typeof found === 'string') {
      ignored.add(found, sku.data.description);
      continue;
    }
    const { meaning, tiers: all } = found;
    const { tiers, freeUnits } = meaning.isInternet ? withoutFreeTier(all) : { tiers: all, freeUnits: 0 };
    // The names of places are in the lists of the book; a description of each would keep every pair apart.
    const meter = sku.data.description.replace(PLACES, '');
    // Amounts are counted by SKU.
    const pool = meaning.isInternet ? { pool: sku.data.description } : {};
    for (const rate of ratesOf(meaning, { tiers, meter, source, ...pool })) {
      keepLeastVague(rates, rate, meaning.vagueness);
    }
    if (freeUnits > 0) addAllowance(allowances, meaning, freeUnits, source);
  }
  return {
    ...{ provider: 'gcp', date, rowCount, rates: [...rates.values()].flatMap((entry) => entry.rates) },
    ...{ allowances: [...allowances.values()], ignored: ignored.list(), switches: SWITCHES },
    sources: { [source]: sourceEntry(documents, date) },
  };
}

function understand(sku: Sku): { meaning: Meaning; tiers: readonly RawTier[] } | string {
  if (sku.category.resourceFamily !== 'Network') return 'SKU is not about the network';
  const description = sku.description.trim();
  const form = FORMS.map(([pattern, meaning]) => [pattern.exec(description), meaning] as const).find(
    ([match]) => match !== null,
  );
  if (form === undefined) {
    return LEFT_TO_BASE.find(([pattern]) => pattern.test(description))?.[1] ?? 'description is unknown';
  }
  if (sku.category.usageType !== 'OnDemand') return 'price is not On-Demand';
  const meaning = form[1](form[0]!, sku);
  if (typeof meaning === 'string') return meaning;
  const tiers = tiersOf(sku);
  return typeof tiers === 'string' ? tiers : { meaning, tiers };
}

function tiersOf(sku: Sku): readonly RawTier[] | string {
  // Several entries are the same price at several times; the last counts.
  const { usageUnit, baseUnitConversionFactor, tieredRates } = sku.pricingInfo
    .toSorted((a, b) => ((a.effectiveTime ?? '') < (b.effectiveTime ?? '') ? -1 : 1))
    .at(-1)!.pricingExpression;
  if (usageUnit !== 'GiBy' || (baseUnitConversionFactor ?? GIB_FACTOR) !== GIB_FACTOR) return 'unit is not GiB';
  const tiers: RawTier[] = [];
  for (const { startUsageAmount = '0', unitPrice } of tieredRates) {
    if (unitPrice.currencyCode !== 'USD') return 'price is not in USD';
    const amount = amountOfNanos(unitPrice.units ?? '0', unitPrice.nanos ?? '0');
    if ('refused' in amount) return amount.refused;
    const from = tierBound(startUsageAmount);
    if (from === undefined) return 'bound of a tier is no number';
    tiers.push({ from, usdPerUnit: amount.usd });
  }
  return orderedTiers(tiers);
}

function* ratesOf(
  meaning: Meaning,
  amount: Pick<ReadRate, 'tiers' | 'meter' | 'pool' | 'source'>,
): Generator<ReadRate> {
  const { key, directions, areDirectionsAssumed } = meaning;
  const common = {
    ...key,
    directions,
    unit: 'GiB',
    ...amount,
    ...(areDirectionsAssumed ? { areDirectionsAssumed } : {}),
  };
  for (const region of meaning.from ?? [null]) {
    if (meaning.to === undefined) yield { ...common, region };
    for (const peerRegion of meaning.to ?? []) {
      if (peerRegion !== region) yield { ...common, region, peerRegion };
    }
  }
}

function keepLeastVague(
  rates: Map<string, { vagueness: number; rates: ReadRate[] }>,
  rate: ReadRate,
  vagueness: number,
): void {
  const key = JSON.stringify([rate.class, rate.path, rate.when, rate.region, rate.peerRegion]);
  const other = rates.get(key);
  if (other === undefined || vagueness < other.vagueness) rates.set(key, { vagueness, rates: [rate] });
  else if (vagueness === other.vagueness) other.rates.push(rate);
}

function addAllowance(
  allowances: Map<string, ReadAllowance & { regions: string[] }>,
  { key, from }: Meaning,
  amount: number,
  source: string,
): void {
  const id = JSON.stringify([key.when, amount]);
  const known = allowances.get(id);
  const when = key.when!;
  const regions = [...new Set([...(known?.regions ?? []), ...(from ?? [])])].toSorted();
  allowances.set(id, {
    ...{ name: `internet-${Object.values(when).join('-')}-${amount}-gib`, amount, unit: 'GiB' },
    ...{ class: 'internet', when, regions, counts: 'inside-tiers', source },
  });
}

function shown(raw: unknown): string {
  return JSON.stringify(raw, (_, value: unknown) => (value instanceof ExactNumber ? value.text : value)).slice(0, 80);
}

function parsePage(document: PriceDocument): z.infer<typeof pageSchema> {
  const page = pageSchema.safeParse(parseExactJson(document.text, document.name));
  if (page.success) return page.data;
  throw new FlowtollError(
    'PRICE_DOCUMENT_INVALID',
    `${document.name} is no page of the Google Cloud Billing Catalog: it has no list skus; see docs/importing-prices.md for the address`,
  );
}

function sourceEntry(documents: readonly PriceDocument[], date: string): Reading['sources'][string] {
  const pages = documents.length === 1 ? '1 page' : `${documents.length} pages`;
  const first = documents[0]!;
  const address = first.isAddress ? first.name : `${CATALOG}/services/-/skus`;
  const saved = first.isAddress ? '' : `, read from saved files, the first ${first.name}`;
  return { address, date, kind: 'official API', note: `Cloud Billing Catalog, ${pages}${saved}.` };
}
