// Everything that prices say about traffic between two sides: class, path, and the terms of each cost. Made once for a pair of sides
// and then only multiplied with bytes.
import type { TrafficClass } from '../model/flow-row.ts';
import { type Basis, type Direction, type PricedClass, RELATIONS, type Relation, worseBasis } from './book/words.ts';
import type { PathRule, PricingConfig } from './config/format.ts';
import { addFractions, type ByteRate, byteRate, ZERO } from './money.ts';
import type { RateKey, Rates } from './rates.ts';
import { compareZones, relationOf } from './relation.ts';
import type { Side } from './side.ts';
import { resolveSwitches, type Switches } from './switches.ts';
import { type Charge, keyOf, type PricedTerm, type Terms } from './terms.ts';
import { decideClass } from './traffic-class.ts';

/** A cost: its terms, or which rate is missing. */
export interface Priced {
  readonly terms: readonly PricedTerm[];
  /** What has no rate; the cost is then unknown. */
  readonly missing: readonly Charge[];
  /** The sum of the terms; undefined when a rate is missing. */
  readonly rate: ByteRate | undefined;
  readonly basis: Basis;
}

/** What middleboxes charge: a rate for what is sent and one for what is received, rounded together. */
export interface PricedProcessing {
  readonly out: Priced;
  readonly in: Priced;
  readonly rate: ByteRate | undefined;
}

export interface Decision {
  readonly trafficClass: TrafficClass;
  readonly relation: Relation;
  readonly path: string | null;
  /** The rule that says the path; undefined where there is none, or the network says it. */
  readonly rule: PathRule | undefined;
  readonly reasons: readonly string[];
  /** Id of the price book; null where the provider has none. */
  readonly book: string | null;
  readonly out: Priced;
  readonly in: Priced;
  readonly processing: PricedProcessing;
  /** Whether an overlay's headers are on the wire beside the bytes. */
  readonly hasOverlay: boolean;
}

/** What is in force for one provider at one time. */
export interface Tariff {
  readonly bookId: string | null;
  /** Undefined for a provider without a book. */
  readonly rates: Rates | undefined;
  readonly terms: Terms;
}

/** What lies between the two, once their class is known. */
export type FindRule = (trafficClass: TrafficClass) => PathRule | undefined;

const NOTHING: Priced = { terms: [], missing: [], rate: byteRate(ZERO), basis: 'exact' };

/** How sure the cost is of what carries bytes: the worst of it. */
export function basisOf({ out, in: into, processing }: Decision, hasTx: boolean, hasRx: boolean): Basis {
  const ofTx = hasTx ? worseBasis(out.basis, processing.out.basis) : 'exact';
  const ofRx = hasRx ? worseBasis(into.basis, processing.in.basis) : 'exact';
  return worseBasis(ofTx, ofRx);
}

/** A class that is free everywhere, or has no price. */
export function fixedDecision(trafficClass: TrafficClass, isFree: boolean, reason: string): Decision {
  const missing: Charge[] = [];
  const priced: Priced = isFree ? NOTHING : { terms: [], missing, rate: undefined, basis: 'exact' };
  return {
    trafficClass,
    relation: 'unknown',
    path: null,
    rule: undefined,
    reasons: [reason],
    book: null,
    out: priced,
    in: priced,
    processing: { out: priced, in: priced, rate: priced.rate },
    hasOverlay: false,
  };
}

/** Decides for two sides that are not on one node. */
export function decide(local: Side, peer: Side, tariff: Tariff, config: PricingConfig, findRule: FindRule): Decision {
  const { rates } = tariff;
  const { trafficClass, relation, reasons } = decideClass(local, peer, {
    ipv6BetweenNetworksIsPublic: rates?.book.ipv6BetweenNetworksIsPublic ?? false,
    zonesAreAlike: hasRateForAnyZone(local, rates, switchesOf(local, peer, tariff, config, undefined)),
  });
  const rule = findRule(trafficClass);
  const path = rule?.path ?? peer.network?.via ?? (trafficClass === 'peered' ? 'vpc-peering' : null);
  return priceBetween(local, peer, tariff, config, {
    ...{ trafficClass, relation, path, rule },
    reasons: [...reasons, ...pathReason(rule, path, peer)],
    hasOverlay: isOverlaid(local, peer),
  });
}

/** A row's class and path as it was stored. */
export interface StoredDecision {
  readonly trafficClass: TrafficClass;
  readonly path: string | null;
  /** Rules that may have said the path. Where they differ in what they say beside, the first one counts, as an estimate. */
  readonly rules: readonly PathRule[];
}

/** The terms of traffic whose class and path are known already. Nothing is asked of addresses. */
export function decideAs(
  { trafficClass, path, rules }: StoredDecision,
  local: Side,
  peer: Side,
  tariff: Tariff,
  config: PricingConfig,
): Decision {
  const isRelation = (RELATIONS as readonly string[]).includes(trafficClass) && trafficClass !== 'unknown';
  const rule = rules[0];
  const decided = priceBetween(local, peer, tariff, config, {
    ...{ trafficClass, path, rule },
    relation: isRelation ? (trafficClass as Relation) : relationOf(local, peer).value,
    reasons: ['class and path are those of the stored row', ...pathReason(rule, path, peer)],
    // Pods have private addresses, unless the class says that one was seen by a public one.
    hasOverlay: local.kind === 'pod' && peer.kind === 'pod' && trafficClass !== 'same-region-public',
  });
  const says = ({ zone, switches }: PathRule) => JSON.stringify([zone, switches]);
  if (rules.every((other) => says(other) === says(rule!))) return decided;
  const why = `several rules may have said the path, and they differ: "${rule!.name}" is taken`;
  return {
    ...decided,
    out: estimated(decided.out, why),
    in: estimated(decided.in, why),
    processing: {
      ...decided.processing,
      out: estimated(decided.processing.out, why),
      in: estimated(decided.processing.in, why),
    },
  };
}

function estimated(priced: Priced, why: string): Priced {
  return {
    ...priced,
    basis: worseBasis(priced.basis, 'estimated'),
    terms: priced.terms.map((term) => ({
      ...term,
      basis: worseBasis(term.basis, 'estimated'),
      doubts: [...term.doubts, why],
    })),
  };
}

/** The switches of a book that hold between two sides. */
function switchesOf(
  local: Side,
  { network }: Side,
  { rates }: Tariff,
  config: PricingConfig,
  rule: PathRule | undefined,
): Switches | undefined {
  const ofNetwork = network?.destination === undefined ? undefined : { destination: network.destination };
  return rates && resolveSwitches(rates.book, rule?.switches, ofNetwork, config.switches?.[local.provider ?? '']);
}

type Placed = Pick<Decision, 'trafficClass' | 'relation' | 'path' | 'rule' | 'reasons' | 'hasOverlay'>;

/** Looks up the terms of what has been placed. */
function priceBetween(local: Side, peer: Side, tariff: Tariff, config: PricingConfig, placed: Placed): Decision {
  const { trafficClass, relation, path, rule } = placed;
  const switches = switchesOf(local, peer, tariff, config, rule);
  const base = { ...placed, book: tariff.bookId };
  if (trafficClass === 'unknown' || trafficClass === 'lost') {
    return { ...base, ...unpriced(path, local, tariff, switches) };
  }
  const key: RateKey = {
    trafficClass: trafficClass as PricedClass,
    relation,
    path,
    service: peer.service,
    region: local.region,
    peerRegion: peer.region,
  };
  const pricing = new Charges(tariff, switches);
  const toGateway = rule?.zone === undefined ? 'same-zone' : zoneRelation(rule.zone, local);
  const isHop = toGateway !== 'same-zone';
  // By its path: what is free between zones through an endpoint is free on the way to the endpoint.
  const hop = keyOf('cross-zone', { relation: 'cross-zone', path, region: local.region, peerRegion: local.region });
  const reads = readsKey(key, local, peer, config);
  const hopCharge = (direction: Direction) => assumedIf(toGateway === 'same-region', pricing.transfer(hop, direction));
  const out = [pricing.transfer(key, 'out'), ...(isHop ? [hopCharge('out')] : [])];
  const into = [
    pricing.transfer(key, 'in'),
    ...(isHop ? [hopCharge('in')] : []),
    ...(reads ? [pricing.transfer(reads, 'out')] : []),
  ];
  const chargesGateway = isHop && config.charge?.gatewaySide === true;
  const processingOut = [pricing.processing(key, 'out'), ...(chargesGateway ? [hopCharge('in')] : [])];
  const processingIn = [pricing.processing(key, 'in'), ...(chargesGateway ? [hopCharge('out')] : [])];
  return {
    ...base,
    reasons: [...base.reasons, ...(isHop ? [`the ${path} is in zone ${rule!.zone}, not in the node's`] : [])],
    out: sumOf(out),
    in: sumOf(into),
    processing: processingOf(sumOf(processingOut), sumOf(processingIn)),
  };
}

/** A class that is not known has no transfer rate; what lies between may be known all the same. */
function unpriced(
  path: string | null,
  local: Side,
  tariff: Tariff,
  switches: Switches | undefined,
): Pick<Decision, 'out' | 'in' | 'processing'> {
  const unknown: Priced = { terms: [], missing: [], rate: undefined, basis: 'exact' };
  if (path === null) return { out: unknown, in: unknown, processing: processingOf(unknown, unknown) };
  const pricing = new Charges(tariff, switches);
  const key = keyOf('internet', { path, region: local.region });
  return {
    out: unknown,
    in: unknown,
    processing: processingOf(sumOf([pricing.processing(key, 'out')]), sumOf([pricing.processing(key, 'in')])),
  };
}

type ChargeResult = PricedTerm | 'free' | Charge;

/** Looks up terms: negotiated first, then the book's. */
class Charges {
  readonly #tariff: Tariff;
  readonly #switches: Switches | undefined;

  constructor(tariff: Tariff, switches: Switches | undefined) {
    this.#tariff = tariff;
    this.#switches = switches;
  }

  transfer(key: RateKey, direction: Direction): ChargeResult {
    const charge: Charge = { kind: 'transfer', direction, key };
    const { rates, terms } = this.#tariff;
    const negotiated = terms.negotiated(charge);
    if (negotiated !== undefined) return negotiated;
    if (this.#switches === undefined || rates === undefined) return charge;
    const found = rates.transfer(key, direction, this.#switches);
    if (found === undefined) return charge;
    // What is free is free of what the entry prices, whatever class is treated like it; a path with a rate of its own is another product.
    const hasAllowances = direction === 'out' && found.entry.paths === undefined;
    const allowances = hasAllowances ? rates.allowances(found.entry.class, key.region, this.#switches) : [];
    return terms.listed(charge, found, allowances);
  }

  /** Nothing on the path that is billed by itself costs nothing; a path that the book does not know is not free for that. */
  processing(key: RateKey, direction: Direction): ChargeResult {
    const { path, region } = key;
    if (path === null) return 'free';
    const charge: Charge = { kind: 'processing', direction, key };
    const { rates, terms } = this.#tariff;
    const negotiated = terms.negotiated(charge);
    if (negotiated !== undefined) return negotiated;
    if (this.#switches === undefined || rates === undefined) return charge;
    const found = rates.processing(path, region, direction, this.#switches);
    if (found !== undefined) return terms.listed(charge, found, []);
    const other = rates.processing(path, region, direction === 'out' ? 'in' : 'out', this.#switches);
    return other === undefined ? charge : 'free';
  }
}

function sumOf(results: readonly ChargeResult[]): Priced {
  const terms = results.filter((result): result is PricedTerm => result !== 'free' && 'perByte' in result);
  const missing = results.filter((result): result is Charge => result !== 'free' && !('perByte' in result));
  return {
    terms,
    missing,
    rate: missing.length > 0 ? undefined : byteRate(terms.map((term) => term.perByte).reduce(addFractions, ZERO)),
    basis: terms.map((term) => term.basis).reduce(worseBasis, 'exact'),
  };
}

function processingOf(out: Priced, into: Priced): PricedProcessing {
  const perByte = (priced: Priced) => priced.terms.map((term) => term.perByte).reduce(addFractions, ZERO);
  const isKnown = out.rate !== undefined && into.rate !== undefined;
  return { out, in: into, rate: isKnown ? byteRate(perByte(out), perByte(into)) : undefined };
}

function hasRateForAnyZone({ region }: Side, rates: Rates | undefined, switches: Switches | undefined): boolean {
  const key = keyOf('same-region', { relation: 'same-region', region, peerRegion: region });
  return switches !== undefined && rates?.transfer(key, 'out', switches) !== undefined;
}

/** The rate that another region charges for what is read from it, where that is one's own bill. */
function readsKey(key: RateKey, local: Side, peer: Side, config: PricingConfig): RateKey | undefined {
  const isOwn = peer.service !== null && (config.charge?.readsFrom ?? []).includes(peer.service);
  if (!isOwn || key.trafficClass !== 'provider-service' || key.relation !== 'cross-region') return undefined;
  return keyOf('cross-region', { relation: 'cross-region', region: peer.region, peerRegion: local.region });
}

/** Where the zone of a gateway is to a node's; `same-region` where nobody can tell. */
function zoneRelation(zone: string, local: Side): Relation {
  if (zone === local.zone) return 'same-zone';
  const place = { region: local.region, account: local.account };
  const isId = /-az\d+$/.test(zone);
  return compareZones(local, { ...place, zone: isId ? null : zone, zoneId: isId ? zone : null }).value;
}

function assumedIf(isAssumed: boolean, result: ChargeResult): ChargeResult {
  if (!isAssumed || result === 'free' || !('perByte' in result)) return result;
  const doubts = [...result.doubts, "the node's zone is not known: it is taken for another than the gateway's"];
  return { ...result, basis: worseBasis(result.basis, 'estimated'), doubts };
}

/** Overlays carry what pods of different nodes say to one another by private addresses. */
function isOverlaid(local: Side, peer: Side): boolean {
  return local.kind === 'pod' && peer.kind === 'pod' && isPrivate(local) && isPrivate(peer);
}

function isPrivate({ address }: Side): boolean {
  return address === 'private-ipv4' || address === 'private-ipv6';
}

function pathReason(rule: PathRule | undefined, path: string | null, peer: Side): string[] {
  if (rule !== undefined) return [`rule "${rule.name}" says that a ${path} lies between`];
  return path === null || peer.network === null ? [] : [`network ${peer.network.name} is connected by ${path}`];
}
