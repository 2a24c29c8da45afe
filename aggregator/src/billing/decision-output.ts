// Why a row has its class and its costs, as text for people and as cells of a JSON document. Used by whatever explains a price. Decides
// looks only.
import type { FlowRow, PicoUsd } from '../model/flow-row.ts';
import type { PriceBook, RateEntry } from '../pricing/book/format.ts';
import type { Decision } from '../pricing/decision.ts';
import type { Fraction } from '../pricing/money.ts';
import type { Charge, PricedTerm } from '../pricing/terms.ts';
import type { Cell } from '../query/cell.ts';
import { printable } from '../query/text-table.ts';
import { countText, usdExact } from '../query/units.ts';
import type { CostArithmetic, TermArithmetic } from './arithmetic.ts';
import { chargeText } from './charge-text.ts';
import { exactDecimal, usdShort } from './decimal-text.ts';
import type { ExplainedRow } from './explained-row.ts';

/** Places of exact amounts that people read; what follows is cut off, with "…". */
const SHOWN_PLACES = 18;

const LABEL_WIDTH = 17;

/** Shown where a cost is unknown: unknown is not zero. */
const NO_PRICE = '?';

/** Lines without indent: class, reasons, path, costs with their terms, basis, doubts. */
export function decisionLines(explained: ExplainedRow, { withSources }: { readonly withSources: boolean }): string[] {
  const { row, decision, costs } = explained;
  return [
    ...labelled('from', [sideText(row.localKind, row.provider, row.region, row.zone, row.zoneId, row.ip)]),
    ...labelled('to', [peerText(row)]),
    ...labelled('class', [decision.trafficClass, ...decision.reasons.map((reason) => `because ${reason}`)]),
    ...labelled('path', [pathText(decision)]),
    ...costs.flatMap((cost) => labelled(`${cost.cost}_cost`, costLines(cost, row))),
    ...labelled('basis', [basisText(row)]),
    ...labelled('doubts', doubtsOf(explained)),
    ...(withSources ? labelled('sources', sourceLines(explained)) : []),
  ];
}

/** What `decisionLines` says, exactly. */
export function decisionCells(explained: ExplainedRow): { readonly [key: string]: Cell } {
  const { row, decision, costs } = explained;
  return {
    class: decision.trafficClass,
    relation: decision.relation,
    path: decision.path,
    rule: decision.rule?.name ?? null,
    reasons: [...decision.reasons],
    tx_bytes: row.txBytes,
    rx_bytes: row.rxBytes,
    tx_packets: row.txPackets,
    rx_packets: row.rxPackets,
    tx_cost_usd: usdOrNull(row.txCost),
    rx_cost_usd: usdOrNull(row.rxCost),
    processing_cost_usd: usdOrNull(row.processingCost),
    price_book: row.priceBook,
    price_basis: row.priceBasis,
    doubts: doubtsOf(explained),
    arithmetic: Object.fromEntries(costs.map((cost) => [cost.cost, costCells(cost, explained.books)])),
  };
}

function usdOrNull(pico: PicoUsd | null): string | null {
  return pico === null ? null : usdExact(pico);
}

/** The label stands before the first line; no line, no label. */
function labelled(label: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => `${(i === 0 ? label : '').padEnd(LABEL_WIDTH)}${printable(line)}`);
}

function sideText(kind: string | null, ...parts: readonly (string | null)[]): string {
  return [kind ?? 'unknown', ...parts.filter((part) => part !== null)].join(' ');
}

function peerText(row: FlowRow): string {
  return sideText(
    row.peerKind,
    row.peerName,
    row.peerProvider,
    row.peerRegion,
    row.peerZone,
    row.peerZoneId,
    row.peerIp,
  );
}

function pathText({ path, rule }: Decision): string {
  if (path === null) return 'nothing that is billed by itself lies between';
  return rule?.zone === undefined ? path : `${path} in zone ${rule.zone}`;
}

function basisText({ priceBasis, priceBook }: FlowRow): string {
  return `${priceBasis ?? 'none'}, ${priceBook === null ? 'without a price book' : `price book ${priceBook}`}`;
}

function costLines(cost: CostArithmetic, row: FlowRow): string[] {
  const amount = cost.rounded === null ? NO_PRICE : `${usdShort(cost.rounded)} USD`;
  const bytes = { tx: row.txBytes, rx: row.rxBytes, processing: null }[cost.cost];
  const what = { tx: 'sent', rx: 'received', processing: '' }[cost.cost];
  const head = bytes === null ? amount : `${amount} for ${countText(BigInt(bytes))} B ${what}`;
  return [
    head,
    ...cost.terms.map((term) => `  ${termText(term)}`),
    ...(cost.terms.length > 1 && cost.missing.length === 0 ? [`  in sum ${usdText(cost.exactUsd)}`] : []),
    ...cost.missing.map((charge) => `  no rate: ${chargeText(charge)}`),
    ...(isRounded(cost) ? ['  rounded once, half-even, at the 12th place'] : []),
  ];
}

function isRounded({ rounded, exactUsd, missing }: CostArithmetic): boolean {
  return rounded !== null && missing.length === 0 && rounded * exactUsd.denominator !== exactUsd.numerator * 10n ** 12n;
}

function termText({ term, bytes, headerBytes, exactUsd }: TermArithmetic): string {
  const sum =
    headerBytes === 0n ? byteText(bytes) : `(${byteText(bytes)} + ${byteText(headerBytes)} of overlay headers)`;
  const unit = term.entry === undefined ? 'unit' : term.unit;
  const off = term.percentOff === '0' ? '' : ` × (100 − ${term.percentOff}) %`;
  const product = `${sum} ÷ ${byteText(BigInt(term.unitBytes))} per ${unit} × ${term.usdPerUnit} USD${off}`;
  return `${chargeText(term.charge)}${rateText(term)}: ${product} = ${usdText(exactUsd)}`;
}

/** Which rate it is, where the charge does not say it all. */
function rateText({ entry, tierFrom, unit, charge }: PricedTerm): string {
  const notes = [
    ...(entry === undefined ? ['negotiated'] : []),
    ...(pricedAs(entry, charge) === null ? [] : [`priced as ${pricedAs(entry, charge)}`]),
    ...(tierFrom === undefined ? [] : [`tier from ${tierFrom.toLocaleString('en-US')} ${unit}`]),
  ];
  return notes.length === 0 ? '' : ` (${notes.join(', ')})`;
}

/** The class that a rate is listed for, if it is another than the row's. */
function pricedAs(entry: PricedTerm['entry'], { kind, key }: Charge): string | null {
  const listed = kind === 'transfer' ? (entry as RateEntry | undefined)?.class : undefined;
  return listed === undefined || listed === key.trafficClass ? null : listed;
}

function byteText(bytes: bigint): string {
  return `${countText(bytes)} B`;
}

function usdText(usd: Fraction): string {
  const text = exactDecimal(usd);
  const [whole = '', places = ''] = text.split('.');
  return places.length > SHOWN_PLACES ? `${whole}.${places.slice(0, SHOWN_PLACES)}…` : text;
}

/** Of terms that carry bytes, each once. */
function doubtsOf({ costs }: ExplainedRow): string[] {
  return [...new Set(costs.flatMap(({ terms }) => terms.flatMap(doubtsOfTerm)))];
}

function doubtsOfTerm({ term }: TermArithmetic): string[] {
  const own = term.entry !== undefined && term.entry.basis !== 'exact' ? [entryDoubt(term)] : [];
  return [...own, ...term.doubts];
}

function entryDoubt({ entry, charge }: PricedTerm): string {
  return `the rate of ${chargeText(charge)} is ${entry!.basis}${entry!.note === undefined ? '' : `: ${entry!.note}`}`;
}

function sourceLines({ costs, books }: ExplainedRow): string[] {
  const lines = costs.flatMap(({ terms }) =>
    terms.flatMap(({ term }) => [
      ...sourcesOf(term, books).map(({ id, address, date, kind }) => `${id}, ${date}, ${kind}: ${address}`),
      ...(term.entry?.note === undefined ? [] : [`${chargeText(term.charge)}: ${term.entry.note}`]),
    ]),
  );
  return [...new Set(lines)];
}

/** The sources that the rate names; entries belong to one book each. */
function sourcesOf({ entry }: PricedTerm, books: readonly PriceBook[]) {
  const book = books.find(({ rates, processing = [] }) => [...rates, ...processing].some((known) => known === entry));
  return (entry?.sources ?? []).flatMap((id) => {
    const source = book?.sources[id];
    return source === undefined ? [] : [{ id, ...source }];
  });
}

function costCells(cost: CostArithmetic, books: readonly PriceBook[]): Cell {
  return {
    rounded_usd: usdOrNull(cost.rounded),
    exact_usd: cost.missing.length > 0 || cost.rounded === null ? null : exactDecimal(cost.exactUsd),
    terms: cost.terms.map((term) => termCells(term, books)),
    missing: cost.missing.map(chargeCells),
  };
}

function termCells({ term, bytes, headerBytes, exactUsd }: TermArithmetic, books: readonly PriceBook[]): Cell {
  return {
    ...chargeCells(term.charge),
    priced_as: pricedAs(term.entry, term.charge),
    is_negotiated: term.entry === undefined,
    bytes,
    overlay_bytes: headerBytes,
    unit: term.unit,
    unit_bytes: term.unitBytes,
    usd_per_unit: term.usdPerUnit,
    percent_off: term.percentOff,
    tier_from: term.tierFrom ?? null,
    exact_usd: exactDecimal(exactUsd),
    basis: term.basis,
    doubts: doubtsOfTerm({ term, bytes, headerBytes, exactUsd }),
    meter: term.entry?.meter ?? null,
    note: term.entry?.note ?? null,
    sources: sourcesOf(term, books).map(({ id, address, date, kind }) => ({ id, address, date, kind })),
  };
}

function chargeCells({ kind, direction, key }: Charge): { readonly [key: string]: Cell } {
  return {
    kind,
    direction,
    class: kind === 'transfer' ? key.trafficClass : null,
    relation: key.relation,
    path: key.path,
    service: key.service,
    region: key.region,
    peer_region: key.peerRegion,
  };
}
