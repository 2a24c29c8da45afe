// AWS offer files (Price List Bulk API), JSON or CSV → one row per product with its tiers. Knows no usage types.
import { z } from 'zod';
import { FlowtollError } from '../../model/errors.ts';
import { csvRows } from './csv-rows.ts';
import { exactAmount, tierBound } from './exact-decimal.ts';
import { ExactNumber, parseExactJson } from './exact-json.ts';
import type { IgnoredTally, PriceDocument, RawTier } from './reading.ts';

/** What an offer file says about itself. */
export interface OfferHead {
  /** "AWSDataTransfer"; undefined where a cut-out does not say it. */
  readonly offerCode: string | undefined;
  readonly version: string | undefined;
  /** "2026-09-16" */
  readonly day: string;
}

/** A product with its On-Demand price. */
export interface OfferRow {
  readonly sku: string;
  readonly productFamily: string;
  /** By name, lower case and without spaces: "fromlocation", whether the file says `fromLocation` or "From Location". */
  readonly attributes: ReadonlyMap<string, string>;
  readonly unit: string;
  readonly tiers: readonly RawTier[];
}

export interface Offer {
  readonly head: OfferHead;
  /** With those that could not be read. */
  readonly rowCount: number;
  readonly rows: readonly OfferRow[];
}

/** Reads either form. Throws PRICE_DOCUMENT_INVALID for what is no offer file; rows that cannot be read are counted. */
export function readOffer(document: PriceDocument, ignored: IgnoredTally): Offer {
  return document.text.trimStart().startsWith('{') ? readJsonOffer(document, ignored) : readCsvOffer(document, ignored);
}

const offerSchema = z.looseObject({
  formatVersion: z.string(),
  offerCode: z.string().optional(),
  version: z.string().optional(),
  publicationDate: z.string().optional(),
  products: z.record(z.string(), z.unknown()),
  terms: z.looseObject({ OnDemand: z.record(z.string(), z.unknown()) }),
});

const productSchema = z.looseObject({
  productFamily: z.string().optional(),
  attributes: z.record(z.string(), z.string()),
});

const range = z.union([z.string(), z.instanceof(ExactNumber).transform((number) => number.text)]).optional();

const termsSchema = z.record(
  z.string(),
  z.looseObject({
    priceDimensions: z.record(
      z.string(),
      z.looseObject({
        unit: z.string(),
        beginRange: range,
        endRange: range,
        pricePerUnit: z.record(z.string(), z.string()),
      }),
    ),
  }),
);

function readJsonOffer(document: PriceDocument, ignored: IgnoredTally): Offer {
  const parsed = offerSchema.safeParse(parseExactJson(document.text, document.name));
  if (!parsed.success || !/(^|_)v1(\.|$)/.test(parsed.data.formatVersion)) throw noOffer(document.name);
  const { products, terms, offerCode, version, publicationDate } = parsed.data;
  const rows = Object.entries(products).flatMap(([sku, raw]): OfferRow[] => {
    const product = productSchema.safeParse(raw);
    const term = termsSchema.safeParse(terms.OnDemand[sku] ?? {});
    if (!product.success || !term.success) {
      ignored.add('row does not have the shape of an offer', sku);
      return [];
    }
    const dimensions = Object.values(term.data).flatMap((one) => Object.values(one.priceDimensions));
    const attributes = new Map(
      Object.entries(product.data.attributes).map(([key, value]) => [columnName(key), value.trim()]),
    );
    const row = toRow(
      { sku, productFamily: product.data.productFamily ?? '', attributes },
      dimensions.map(({ unit, beginRange, endRange, pricePerUnit }) => ({
        unit,
        begin: beginRange ?? '0',
        end: endRange ?? 'Inf',
        price: pricePerUnit['USD'],
      })),
      ignored,
    );
    return row === undefined ? [] : [row];
  });
  const head = { offerCode, version, day: dayOf(publicationDate, document.day) };
  return { head, rowCount: Object.keys(products).length, rows };
}

/** A CSV offer begins with lines of a name and a value each; the line that has SKU names the columns. */
function readCsvOffer(document: PriceDocument, ignored: IgnoredTally): Offer {
  const head = new Map<string, string>();
  let columns: string[] | undefined;
  let strayCount = 0;
  const bySku = new Map<string, { cells: Map<string, string>; prices: RawPrice[] }>();
  for (const row of csvRows(document.text)) {
    if (columns === undefined) {
      if (columnName(row[0]!) === 'sku') columns = row.map(columnName);
      else head.set(columnName(row[0]!), row[1] ?? '');
      continue;
    }
    const cells = new Map(columns.map((column, index) => [column, (row[index] ?? '').trim()]));
    const sku = cells.get('sku') ?? '';
    if (row.length !== columns.length || sku === '') {
      ignored.add('row does not have the shape of an offer', row.slice(0, 3).join(','));
      strayCount++;
      continue;
    }
    if ((cells.get('termtype') || 'OnDemand') !== 'OnDemand') {
      ignored.add('price is not On-Demand', nameOf(cells, sku));
      strayCount++;
      continue;
    }
    const entry = bySku.get(sku) ?? { cells, prices: [] };
    bySku.set(sku, entry);
    entry.prices.push({
      unit: cells.get('unit') ?? '',
      begin: cells.get('startingrange') || '0',
      end: cells.get('endingrange') || 'Inf',
      price: cells.get('currency') === 'USD' ? cells.get('priceperunit') : undefined,
    });
  }
  if (columns === undefined || !columns.includes('priceperunit')) throw noOffer(document.name);
  const rows = [...bySku].flatMap(([sku, { cells, prices }]): OfferRow[] => {
    const row = toRow({ sku, productFamily: cells.get('productfamily') ?? '', attributes: cells }, prices, ignored);
    return row === undefined ? [] : [row];
  });
  return {
    head: {
      offerCode: head.get('offercode'),
      version: head.get('version'),
      day: dayOf(head.get('publicationdate'), document.day),
    },
    rowCount: bySku.size + strayCount,
    rows,
  };
}

interface RawPrice {
  readonly unit: string;
  readonly begin: string;
  readonly end: string;
  /** In USD; undefined: it has none. */
  readonly price: string | undefined;
}

function toRow(
  product: Pick<OfferRow, 'sku' | 'productFamily' | 'attributes'>,
  prices: readonly RawPrice[],
  ignored: IgnoredTally,
): OfferRow | undefined {
  const name = nameOf(product.attributes, product.sku);
  const refuse = (reason: string) => ignored.add(reason, name);
  if (prices.length === 0) return void refuse('no On-Demand price');
  const tiers: RawTier[] = [];
  for (const { begin, end, price } of prices) {
    if (price === undefined) return void refuse('price is not in USD');
    const amount = exactAmount(price);
    if ('refused' in amount) return void refuse(amount.refused);
    const from = tierBound(begin);
    const to = end === 'Inf' ? Number.POSITIVE_INFINITY : tierBound(end);
    if (from === undefined || to === undefined) return void refuse('bound of a tier is no number');
    tiers.push({ from, to, usdPerUnit: amount.usd });
  }
  const units = new Set(prices.map(({ unit }) => unit));
  if (units.size > 1) return void refuse('two units for one product');
  return { ...product, unit: prices[0]!.unit, tiers };
}

function nameOf(attributes: ReadonlyMap<string, string>, sku: string): string {
  return attributes.get('usagetype') || sku;
}

function columnName(text: string): string {
  return text.replaceAll(/[\s_]/g, '').toLowerCase();
}

function dayOf(publicationDate: string | undefined, otherwise: string): string {
  return /^\d{4}-\d{2}-\d{2}/.exec(publicationDate ?? '')?.[0] ?? otherwise;
}

function noOffer(name: string): FlowtollError {
  return new FlowtollError(
    'PRICE_DOCUMENT_INVALID',
    `${name} is no offer file of the AWS Price List Bulk API (index.json or index.csv with products and OnDemand terms); see docs/importing-prices.md for the addresses`,
  );
}
