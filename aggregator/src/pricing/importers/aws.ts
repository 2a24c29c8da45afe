// AWS offers → rates: AWSDataTransfer for what crosses zones, regions and the edge; AmazonEC2 for NAT gateways; AmazonVPC for
// endpoints and transit gateways. The usage type says what a row is about, its locations say where.
import type { Direction, PricedClass, Relation } from '../book/words.ts';
import { type Offer, type OfferHead, type OfferRow, readOffer } from './aws-offer.ts';
import { awsRegionOfName, awsRegionOfPrefix, isAwsRegionCode } from './aws-places.ts';
import {
  IgnoredTally,
  orderedTiers,
  type PriceDocument,
  type ReadAllowance,
  type Reading,
  type ReadKey,
  type ReadRate,
} from './reading.ts';

/** The bulk API's public address. */
const BULK_API = 'https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws';

/** Rows of S3 Multi-Region Access Points: a surcharge of S3 that looks like traffic between regions. */
const ACCESS_POINT_RATE = '0.0033';

type Where = 'one-region' | 'two-regions' | 'from-internet' | 'to-internet' | 'middlebox';

interface UsageRule {
  /** The usage type without prefixes of regions. */
  readonly meter: string;
  readonly where: Where;
  readonly keys: readonly ReadKey[];
  readonly directions: readonly Direction[];
  /** The offer does not say which directions count. */
  readonly areDirectionsAssumed?: true;
}

const BOTH: readonly Direction[] = ['out', 'in'];

const transfer = (meter: string, where: Where, directions: readonly Direction[], classes: readonly PricedClass[]) =>
  ({ meter, where, directions, keys: classes.map((name) => ({ class: name })) }) satisfies UsageRule;

const peered = (meter: string, direction: Direction, relation: Relation) =>
  ({
    meter,
    where: 'one-region',
    directions: [direction],
    keys: [{ class: 'peered', relations: [relation] }],
  }) satisfies UsageRule;

const middlebox = (meter: string, path: string, directions: readonly Direction[]) =>
  ({ meter, where: 'middlebox', directions, areDirectionsAssumed: true, keys: [{ path }] }) satisfies UsageRule;

const RULES: readonly UsageRule[] = [
  // One usage type for what crosses zones and for public addresses; the operation tells them apart, the price is one.
  transfer('DataTransfer-Regional-Bytes', 'one-region', BOTH, ['cross-zone', 'same-region-public']),
  transfer('DataTransfer-xAZ-Out-Bytes', 'one-region', ['out'], ['cross-zone']),
  transfer('DataTransfer-xAZ-In-Bytes', 'one-region', ['in'], ['cross-zone']),
  transfer('DataTransfer-AZ-Out-Bytes', 'one-region', ['out'], ['same-zone']),
  transfer('DataTransfer-AZ-In-Bytes', 'one-region', ['in'], ['same-zone']),
  peered('VpcPeering-Out-Bytes', 'out', 'cross-zone'),
  peered('VpcPeering-In-Bytes', 'in', 'cross-zone'),
  transfer('AWS-Out-Bytes', 'two-regions', ['out'], ['cross-region']),
  transfer('AWS-In-Bytes', 'two-regions', ['in'], ['cross-region']),
  transfer('DataTransfer-Out-Bytes', 'to-internet', ['out'], ['internet']),
  transfer('DataTransfer-In-Bytes', 'from-internet', ['in'], ['internet']),
  middlebox('NatGateway-Bytes', 'nat-gateway', BOTH),
  middlebox('VpcEndpoint-Bytes', 'interface-endpoint', BOTH),
  middlebox('VpcEndpoint-GWLBE-Bytes', 'gateway-load-balancer-endpoint', BOTH),
  middlebox('TransitGateway-Bytes', 'transit-gateway', ['out']),
];

const RULE_BY_METER = new Map(RULES.map((rule) => [rule.meter, rule]));

/** Understands offer files; what it does not is in `ignored`. Throws PRICE_DOCUMENT_INVALID for what is no offer file. */
export function readAwsOffers(documents: readonly PriceDocument[]): Reading {
  const ignored = new IgnoredTally();
  const rates: ReadRate[] = [];
  const allowances: ReadAllowance[] = [];
  const sources: Record<string, Reading['sources'][string]> = {};
  let rowCount = 0;
  let date = '';
  for (const document of documents) {
    const offer = readOffer(document, ignored);
    const source = addSource(sources, document, offer.head);
    if (offer.head.day > date) date = offer.head.day;
    rowCount += offer.rowCount;
    readRows(offer, source, { rates, allowances, ignored });
  }
  return { provider: 'aws', date, rowCount, rates, allowances, ignored: ignored.list(), sources, switches: {} };
}

function addSource(sources: Record<string, Reading['sources'][string]>, document: PriceDocument, head: OfferHead) {
  const offerCode = head.offerCode ?? 'offer';
  let id = `${offerCode}-${head.version ?? head.day}`;
  for (let count = 2; Object.hasOwn(sources, id); count++) id = `${offerCode}-${head.version ?? head.day}-${count}`;
  const isKnown = head.offerCode !== undefined && head.version !== undefined;
  sources[id] = {
    address: document.isAddress || !isKnown ? document.name : `${BULK_API}/${head.offerCode}/${head.version}/`,
    date: head.day,
    kind: 'official API',
    note: `AWS Price List Bulk API, ${offerCode}${head.version === undefined ? '' : `, version ${head.version}`}${
      document.isAddress ? '' : `, read from the saved file ${document.name}`
    }.`,
  };
  return id;
}

interface Findings {
  readonly rates: ReadRate[];
  readonly allowances: ReadAllowance[];
  readonly ignored: IgnoredTally;
}

function readRows({ rows }: Offer, source: string, { rates, allowances, ignored }: Findings): void {
  const candidates: Candidate[] = [];
  for (const row of rows) {
    const usageType = row.attributes.get('usagetype') ?? '';
    const name = usageType === '' ? row.sku : usageType;
    const result =
      row.attributes.get('fromlocation') === 'Global' ? readGlobalRow(row, source) : readRow(row, usageType, source);
    if (typeof result === 'string') ignored.add(result, name);
    else if ('counts' in result) allowances.push(result);
    else candidates.push({ name, isGeneral: !row.attributes.get('operation'), rates: result.rates });
  }
  rates.push(...generalRates(candidates, ignored));
}

/** What one row says. */
interface Candidate {
  readonly name: string;
  /** It names no operation. */
  readonly isGeneral: boolean;
  readonly rates: readonly ReadRate[];
}

/**
 * Several rows may be for the same traffic. One without an operation counts more than those of single operations, and a free one
 * beside a priced one is what is free each month, which the global row says.
 */
function generalRates(candidates: readonly Candidate[], ignored: IgnoredTally): ReadRate[] {
  const placeOf = ({ rates: [rate] }: Candidate) => JSON.stringify([rate!.meter, rate!.region, rate!.peerRegion]);
  const isFree = ({ rates: [rate] }: Candidate) => rate!.tiers.every((tier) => tier.usdPerUnit === '0');
  const general = new Set(candidates.filter(({ isGeneral }) => isGeneral).map(placeOf));
  const priced = new Set(candidates.filter((candidate) => !isFree(candidate)).map(placeOf));
  return candidates.flatMap((candidate) => {
    const place = placeOf(candidate);
    if (!candidate.isGeneral && general.has(place)) {
      ignored.add('row is of a single operation, and there is a general one', candidate.name);
    } else if (isFree(candidate) && priced.has(place)) {
      ignored.add('row is free, and there is a priced one', candidate.name);
    } else return candidate.rates;
    return [];
  });
}

/** The free amount of the whole account stands where a region would. */
function readGlobalRow(row: OfferRow, source: string): ReadAllowance | string {
  const free = row.tiers.find((tier) => tier.from === 0);
  if (row.attributes.get('usagetype') !== 'Global-DataTransfer-Out-Bytes') return 'usage type is unknown';
  if (row.unit !== 'GB') return 'unit is not GB';
  if (free === undefined || free.usdPerUnit !== '0') return 'first tier of the global row is not free';
  if (free.to === undefined || !Number.isFinite(free.to)) return 'free amount of the global row has no end';
  return {
    ...{ name: `internet-${free.to}-gb`, amount: free.to, unit: 'GB', class: 'internet' },
    ...{ counts: 'before-tiers', source },
  };
}

function readRow(row: OfferRow, usageType: string, source: string): { rates: ReadRate[] } | string {
  const { prefixes, meter } = splitUsageType(usageType);
  const rule = RULE_BY_METER.get(meter);
  if (rule === undefined) return 'usage type is unknown';
  if (row.unit !== 'GB') return 'unit is not GB';
  const type = row.attributes.get('transfertype') ?? '';
  const places = placesOf(row, rule.where, prefixes);
  if (typeof places === 'string') {
    const isAccessPoint = type === 'InterRegion Outbound' && row.attributes.get('tolocation') === 'External';
    return isAccessPoint && row.tiers.every((tier) => tier.usdPerUnit === ACCESS_POINT_RATE)
      ? 'S3 Multi-Region Access Point: a charge of S3, not of transfer between regions'
      : places;
  }
  const tiers = orderedTiers(row.tiers);
  if (typeof tiers === 'string') return tiers;
  return {
    rates: rule.keys.map((key) => ({
      ...key,
      ...places,
      ...{ directions: rule.directions, unit: 'GB', tiers, meter, source },
      ...(rule.areDirectionsAssumed ? { areDirectionsAssumed: true } : {}),
    })),
  };
}

/** "USE1-EUC1-AWS-Out-Bytes" → USE1, EUC1, AWS-Out-Bytes. Prefixes are upper case and digits; us-east-1 may have none. */
function splitUsageType(usageType: string): { prefixes: string[]; meter: string } {
  const parts = usageType.split('-');
  let count = 0;
  while (count < 2 && /^[A-Z]{2,4}\d{0,2}$/.test(parts[count] ?? '') && parts[count] !== 'AWS') count++;
  return { prefixes: parts.slice(0, count), meter: parts.slice(count).join('-') };
}

type Places = { readonly region: string; readonly peerRegion?: string };

/** Regions of a row, as the side that pays sees them; or why they cannot be told. */
function placesOf(row: OfferRow, where: Where, prefixes: readonly string[]): Places | string {
  const [from, to] = [placeOf(row, 'from'), placeOf(row, 'to')];
  if (where === 'middlebox') {
    const location = row.attributes.get('location') || undefined;
    // The oldest region has no prefix.
    const otherwise = () =>
      location === undefined ? awsRegionOfPrefix(prefixes[0] ?? 'USE1') : awsRegionOfName(location);
    const region = row.attributes.get('regioncode') || otherwise();
    if (region === undefined) return 'location is unknown';
    return isAwsRegionCode(region) ? { region } : 'place is no region';
  }
  if (where === 'to-internet' || where === 'from-internet') {
    const [inside, outside, type] =
      where === 'to-internet' ? [from, to, 'AWS Outbound'] : ([to, from, 'AWS Inbound'] as const);
    if (row.attributes.get('transfertype') !== type) return 'transfer type does not fit the usage type';
    if (outside !== 'External') return 'far side is not the internet';
    return inside === 'External' ? 'location is unknown' : regionOr(inside, (region) => ({ region }));
  }
  if (from === 'External' || to === 'External') return 'far side is not a region';
  return regionOr(from, (source) =>
    regionOr(to, (target): Places | string => {
      const isOne = source === target;
      if (where === 'one-region') return isOne ? { region: source } : 'locations do not fit the usage type';
      if (isOne) return 'locations do not fit the usage type';
      // The usage type names first the side that pays; an inbound row's bytes come to it.
      return row.attributes.get('transfertype') === 'InterRegion Inbound'
        ? { region: target, peerRegion: source }
        : { region: source, peerRegion: target };
    }),
  );
}

type Place = 'External' | { readonly region: string } | { readonly problem: string };

function placeOf(row: OfferRow, side: 'from' | 'to'): Place {
  const location = row.attributes.get(`${side}location`) ?? '';
  if (location === 'External') return 'External';
  const code = row.attributes.get(`${side}regioncode`);
  const type = row.attributes.get(`${side}locationtype`);
  if (type !== undefined && type !== '' && type !== 'AWS Region') return { problem: 'place is no region' };
  const region = code || awsRegionOfName(location);
  if (region === undefined) return { problem: 'location is unknown' };
  return isAwsRegionCode(region) ? { region } : { problem: 'place is no region' };
}

function regionOr<T>(place: Place, use: (region: string) => T): T | string {
  if (place === 'External') return 'far side is not a region';
  return 'problem' in place ? place.problem : use(place.region);
}
