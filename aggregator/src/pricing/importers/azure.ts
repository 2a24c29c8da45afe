// Azure Retail Prices pages → rates. A meter has one row per tier; product and meter names say what it is. A region whose meter has
// its billing home elsewhere may have no row marked as primary: such rows count where there is no other.
import { z } from 'zod';
import { FlowtollError } from '../../model/errors.ts';
import type { Direction } from '../book/words.ts';
import { exactAmount, tierBound } from './exact-decimal.ts';
import { ExactNumber, parseExactJson } from './exact-json.ts';
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

const RETAIL_PRICES = 'https://prices.azure.com/api/retail/prices';

/** Switches of rates that no packet tells apart. */
const SWITCHES: Reading['switches'] = {
  'routing-preference': {
    values: ['microsoft', 'internet'],
    default: 'microsoft',
    note: 'Routing preference of public addresses: over Microsoft’s network, or over the internet.',
  },
  'inter-zone': {
    values: ['free', 'billed'],
    default: 'free',
    note: 'Documentation says that traffic between zones is free; the price list has a meter for it.',
  },
};

interface MeterRule {
  readonly product: string;
  readonly meter: string;
  readonly key: ReadKey;
  readonly directions: readonly Direction[];
  readonly areDirectionsAssumed?: true;
  /** Its tiers count the whole account's units, and begin with free ones. */
  readonly isInternet?: true;
  /** Sold under no region's name, for all of them. */
  readonly mayBeGlobal?: true;
}

const MICROSOFT = { 'routing-preference': 'microsoft' };
const INTERNET = { 'routing-preference': 'internet' };
const BILLED = { 'inter-zone': 'billed' };
const BOTH: readonly Direction[] = ['out', 'in'];
const MICROSOFT_PRODUCT = 'Rtn Preference: MGN';
const INTERNET_PRODUCT = 'Bandwidth - Routing Preference: Internet';
const INTER_ZONE_METER = 'Standard Inter-Availability Zone Data Transfer';
const INTER_ZONE_PRODUCTS = ['Bandwidth', MICROSOFT_PRODUCT];

const RULES: readonly MeterRule[] = [
  internetOut(MICROSOFT_PRODUCT, MICROSOFT),
  internetOut(INTERNET_PRODUCT, INTERNET),
  internetIn(MICROSOFT_PRODUCT, MICROSOFT),
  internetIn(INTERNET_PRODUCT, INTERNET),
  ...INTER_ZONE_PRODUCTS.flatMap((product) => [
    {
      product,
      meter: `${INTER_ZONE_METER} Out`,
      key: { class: 'cross-zone', when: BILLED },
      directions: ['out'],
    } as const,
    {
      product,
      meter: `${INTER_ZONE_METER} In`,
      key: { class: 'cross-zone', when: BILLED },
      directions: ['in'],
    } as const,
  ]),
  middlebox('NAT Gateway', 'Standard Data Processed', 'nat-gateway', BOTH),
  middlebox('Load Balancer', 'Standard Data Processed', 'load-balancer', BOTH),
  privateLink('Standard Data Processed - Egress', 'out'),
  privateLink('Standard Data Processed - Ingress', 'in'),
];

function internetOut(product: string, when: ReadKey['when'] & {}): MeterRule {
  const key: ReadKey = { class: 'internet', when };
  return { product, meter: 'Standard Data Transfer Out', key, directions: ['out'], isInternet: true };
}

function internetIn(product: string, when: ReadKey['when'] & {}): MeterRule {
  return { product, meter: 'Standard Data Transfer In', key: { class: 'internet', when }, directions: ['in'] };
}

function middlebox(product: string, meter: string, path: string, directions: readonly Direction[]): MeterRule {
  return { product, meter, key: { path }, directions, areDirectionsAssumed: true, mayBeGlobal: true };
}

function privateLink(meter: string, direction: Direction): MeterRule {
  const key: ReadKey = { path: 'private-endpoint' };
  return { product: 'Virtual Network Private Link', meter, key, directions: [direction], mayBeGlobal: true };
}

const RULE_BY_NAME = new Map(RULES.map((rule) => [nameOf(rule.product, rule.meter), rule]));

/** Meters that are understood but say too little for a rate. */
const TOO_LITTLE: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/Inter-?Region|Intra Continent|Inter Continent/, 'meter between regions does not say where to'],
  [/Peering/, 'meter of peered networks does not say between which regions'],
];

const pageSchema = z.looseObject({
  Items: z.array(z.unknown()),
  NextPageLink: z.string().nullish(),
});

const number = z.instanceof(ExactNumber).transform(({ text }) => text);

const itemSchema = z.looseObject({
  currencyCode: z.string(),
  tierMinimumUnits: number,
  retailPrice: number,
  armRegionName: z.string().nullish(),
  meterId: z.string(),
  meterName: z.string(),
  productName: z.string(),
  unitOfMeasure: z.string(),
  type: z.string(),
  isPrimaryMeterRegion: z.boolean().optional(),
});

type Item = z.infer<typeof itemSchema>;

/** The address of the page after this one; undefined after the last. Throws PRICE_DOCUMENT_INVALID if it is no page. */
export function nextAzurePage(document: PriceDocument): string | undefined {
  return parsePage(document).NextPageLink || undefined;
}

/** Understands pages; what it does not is in `ignored`. */
export function readAzurePrices(documents: readonly PriceDocument[]): Reading {
  const ignored = new IgnoredTally();
  const date = documents
    .map(({ day }) => day)
    .toSorted()
    .at(-1)!;
  const source = `retail-prices-${date}`;
  let rowCount = 0;
  const meters = new Map<string, { rule: MeterRule; item: Item; tiers: RawTier[]; isRefused: boolean }>();
  for (const document of documents) {
    for (const raw of parsePage(document).Items) {
      rowCount++;
      const item = itemSchema.safeParse(raw);
      if (!item.success) {
        ignored.add('row does not have the shape of a price', shown(raw));
        continue;
      }
      const found = tierOf(item.data);
      if ('ignored' in found) ignored.add(found.ignored, meterText(item.data));
      if (!('rule' in found)) continue;
      const isPrimary = item.data.isPrimaryMeterRegion !== false;
      const key = JSON.stringify([placeOf(found.rule, item.data), item.data.meterId, isPrimary]);
      const meter = meters.get(key) ?? { rule: found.rule, item: item.data, tiers: [], isRefused: false };
      meters.set(key, meter);
      if ('ignored' in found) meter.isRefused = true;
      else if (meter.tiers.some((tier) => tier.from === found.tier.from && tier.usdPerUnit === found.tier.usdPerUnit)) {
        ignored.add('row repeats another', meterText(item.data));
      } else meter.tiers.push(found.tier);
    }
  }
  const rates: ReadRate[] = [];
  const allowances = new Map<string, ReadAllowance>();
  const primary = new Set(
    [...meters.values()]
      .filter(({ item }) => item.isPrimaryMeterRegion !== false)
      .map(({ rule, item }) => placeOf(rule, item)),
  );
  for (const { rule, item, tiers: raw, isRefused } of meters.values()) {
    // A meter without one of its tiers would have another tier's price for that amount.
    if (isRefused) {
      if (raw.length > 0) ignored.add('another row of the same meter was refused', meterText(item), raw.length);
      continue;
    }
    if (item.isPrimaryMeterRegion === false && primary.has(placeOf(rule, item))) {
      ignored.add(
        'row is of another billing region (not primary), and there is a primary one',
        meterText(item),
        raw.length,
      );
      continue;
    }
    const all = orderedTiers(raw);
    if (typeof all === 'string') {
      ignored.add(all, meterText(item), raw.length);
      continue;
    }
    const { tiers, freeUnits } = rule.isInternet ? withoutFreeTier(all) : { tiers: all, freeUnits: 0 };
    rates.push({
      ...rule.key,
      ...{ directions: rule.directions, region: isGlobal(item) ? null : item.armRegionName!, unit: 'GB', tiers },
      ...{ meter: item.meterName, source },
      ...(rule.areDirectionsAssumed ? { areDirectionsAssumed: true } : {}),
      ...(rule.isInternet ? { pool: `meter ${item.meterId}` } : {}),
    });
    if (freeUnits > 0) {
      const when = rule.key.when!;
      allowances.set(JSON.stringify([when, freeUnits]), {
        ...{
          name: `internet-${when['routing-preference']}-${freeUnits}-gb`,
          amount: freeUnits,
          unit: 'GB',
          class: 'internet',
        },
        ...{ when, counts: 'inside-tiers', source },
      });
    }
  }
  return {
    ...{ provider: 'azure', date, rowCount, rates, allowances: [...allowances.values()] },
    ...{ ignored: ignored.list(), switches: SWITCHES, sources: { [source]: sourceOf(documents, date) } },
  };
}

function tierOf(
  item: Item,
): { rule: MeterRule; tier: RawTier } | { rule: MeterRule; ignored: string } | { ignored: string } {
  const rule = RULE_BY_NAME.get(nameOf(item.productName, item.meterName));
  if (rule === undefined) {
    const known = TOO_LITTLE.find(([pattern]) => pattern.test(`${item.productName} ${item.meterName}`));
    return { ignored: known?.[1] ?? 'meter is unknown' };
  }
  if (item.type !== 'Consumption') return { ignored: 'price is not for consumption' };
  if (item.currencyCode !== 'USD') return { ignored: 'price is not in USD' };
  if (item.unitOfMeasure !== '1 GB') return { ignored: 'unit is not 1 GB' };
  if (isGlobal(item) ? !rule.mayBeGlobal : !/^[a-z][a-z0-9]+$/.test(item.armRegionName!)) {
    return { ignored: 'row names no region' };
  }
  const from = tierBound(item.tierMinimumUnits);
  if (from === undefined) return { rule, ignored: 'bound of a tier is no number' };
  const amount = exactAmount(item.retailPrice);
  return 'refused' in amount ? { rule, ignored: amount.refused } : { rule, tier: { from, usdPerUnit: amount.usd } };
}

function isGlobal({ armRegionName }: Item): boolean {
  return armRegionName === undefined || armRegionName === null || /^(|global)$/i.test(armRegionName);
}

function nameOf(product: string, meter: string): string {
  return `${product}: ${meter}`;
}

function meterText(item: Item): string {
  return `${nameOf(item.productName, item.meterName)}, ${item.armRegionName || 'no region'}`;
}

/** What a rate of it would be for. */
function placeOf(rule: MeterRule, item: Item): string {
  return JSON.stringify([rule.product, rule.meter, item.armRegionName]);
}

function shown(raw: unknown): string {
  return JSON.stringify(raw, (_, value: unknown) => (value instanceof ExactNumber ? value.text : value)).slice(0, 80);
}

function parsePage(document: PriceDocument): z.infer<typeof pageSchema> {
  const page = pageSchema.safeParse(parseExactJson(document.text, document.name));
  if (page.success) return page.data;
  throw new FlowtollError(
    'PRICE_DOCUMENT_INVALID',
    `${document.name} is no page of the Azure Retail Prices API: it has no list Items; see docs/importing-prices.md for the address`,
  );
}

function sourceOf(documents: readonly PriceDocument[], date: string): Reading['sources'][string] {
  const pages = documents.length === 1 ? '1 page' : `${documents.length} pages`;
  const first = documents[0]!;
  return {
    ...{ address: first.isAddress ? first.name : RETAIL_PRICES, date, kind: 'official API' },
    note: `Azure Retail Prices API, ${pages}${first.isAddress ? '' : `, read from saved files, the first ${first.name}`}.`,
  };
}
