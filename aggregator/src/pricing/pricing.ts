// Puts class, path and costs on rows: what the cloud bills the local side. A known zero is 0, a rate that nobody gave is null: unknown
// is never zero. Decisions are made once for a pair of sides (decision.ts); here they are found again and multiplied.
import type { FlowRow, PicoUsd } from '../model/flow-row.ts';
import type { PriceBook } from './book/format.ts';
import type { PricingConfig } from './config/format.ts';
import { basisOf, type Decision, decide, decideAs, fixedDecision } from './decision.ts';
import { withMergedDirections } from './merged-directions.ts';
import { costOf } from './money.ts';
import { createSides, type NumberedSide } from './sides.ts';
import { createTariffs } from './tariffs.ts';
import { createIsTunnel, DEFAULT_TUNNELS, type Tunnels } from './tunnels.ts';

export interface PricingOptions {
  /** Several of one provider must begin on different days. */
  readonly books: readonly PriceBook[];
  /** Default: nothing is configured. */
  readonly config?: PricingConfig;
  /** Default: DEFAULT_TUNNELS. */
  readonly tunnels?: Tunnels;
  /** Whether the cluster uses an address as a private one although it looks public. Default: no. */
  readonly inClusterRanges?: (address: string) => boolean;
}

export interface Pricing {
  /**
   * Sets class, path and the five price columns from places, kinds, bytes and packets of the row. Throws PRICE_OVERFLOW where a cost
   * reaches 1,000,000 USD; the row then has null costs and basis `none`, and can be stored as it is.
   */
  price(row: FlowRow): void;
  /** What `price` would decide for the row, with the terms of each cost. */
  decision(row: FlowRow): Decision;
  /** The decision with class and path as the row has them: only rates and terms are looked up. Needs no addresses, nodes or ports. */
  decisionAs(row: FlowRow): Decision;
  /** Days on which something that rows are priced by changes, ascending, the first at 0; µs since the Unix epoch. */
  readonly changesUs: readonly number[];
}

const NO_CONFIG: PricingConfig = { version: 1 };

const ENCAPSULATION = fixedDecision(
  'encapsulation',
  true,
  'a tunnel between two nodes: what it carries has rows of its own',
);
const SAME_NODE = fixedDecision('same-node', true, 'both sides are on one node');
const LOST = fixedDecision('lost', false, 'bytes that were lost');

export function createPricing(options: PricingOptions): Pricing {
  const config = options.config ?? NO_CONFIG;
  const isTunnel = createIsTunnel(options.tunnels ?? DEFAULT_TUNNELS);
  const sides = createSides(config, options.inClusterRanges ?? (() => false));
  const tariffs = createTariffs(options.books, config);
  /** The terms of a day are those of the last change that is not after it. */
  const changes = tariffs.changesUs;
  /** By period, then by the two sides. */
  const decisions: Decision[][][] = changes.map(() => []);
  const byService = new Map<string, Decision>();
  const stored = new Map<string, Decision>();

  function decision(row: FlowRow): Decision {
    return forDirections(row, decisionEachWay(row));
  }

  function decisionEachWay(row: FlowRow): Decision {
    if (row.lossReason !== null) return LOST;
    if (row.localKind === 'node' && row.peerKind === 'node' && isTunnel(row)) return ENCAPSULATION;
    if (row.peerNode !== null && row.peerNode === row.node && row.peerCluster === row.cluster) return SAME_NODE;
    return between(row, sides.local(row), sides.peer(row));
  }

  function between(row: FlowRow, local: NumberedSide, peer: NumberedSide): Decision {
    const period = periodOf(changes, row.windowStartUs);
    if (row.service !== null && sides.rules.asksForServices) {
      const key = `${period} ${local.id} ${peer.id} ${row.service}`;
      let known = byService.get(key);
      if (known === undefined) {
        known = make(row, local, peer);
        if (byService.size >= DECISIONS_MAX) byService.clear();
        byService.set(key, known);
      }
      return known;
    }
    const ofPeriod = decisions[period]!;
    let ofLocal = ofPeriod[local.id];
    if (ofLocal === undefined) {
      ofLocal = [];
      ofPeriod[local.id] = ofLocal;
    }
    let known = ofLocal[peer.id];
    if (known === undefined) {
      known = make(row, local, peer);
      ofLocal[peer.id] = known;
    }
    return known;
  }

  function make(row: FlowRow, local: NumberedSide, peer: NumberedSide): Decision {
    return decide(local.side, peer.side, tariffs.at(local.side.provider, row.windowStartUs), config, (trafficClass) =>
      sides.rules.find(local.rules, peer.rules, peer.side, trafficClass, row.service),
    );
  }

  function decisionAs(row: FlowRow): Decision {
    return forDirections(row, decisionEachWayAs(row));
  }

  function decisionEachWayAs(row: FlowRow): Decision {
    const { trafficClass, path } = row;
    if (row.lossReason !== null || trafficClass === 'lost') return LOST;
    if (trafficClass === 'encapsulation') return ENCAPSULATION;
    if (trafficClass === 'same-node') return SAME_NODE;
    const local = sides.local(row);
    const peer = sides.peer(row);
    const key = `${periodOf(changes, row.windowStartUs)} ${local.id} ${peer.id} ${trafficClass} ${path}`;
    let known = stored.get(key);
    if (known === undefined) {
      const tariff = tariffs.at(local.side.provider, row.windowStartUs);
      const rules = path === null ? [] : sides.rules.mayHaveSaid(path, local.side, peer.side, trafficClass);
      known = decideAs({ trafficClass, path, rules }, local.side, peer.side, tariff, config);
      if (stored.size >= DECISIONS_MAX) stored.clear();
      stored.set(key, known);
    }
    return known;
  }

  return {
    decision,
    decisionAs,
    changesUs: changes,
    price(row) {
      const decided = decision(row);
      row.trafficClass = decided.trafficClass;
      row.path = decided.path;
      row.priceBook = decided.book;
      applyCosts(row, decided, config.overlayHeaderBytes ?? 0);
    },
  };
}

function forDirections(row: FlowRow, decided: Decision): Decision {
  return row.directionBasis === 'merged' ? withMergedDirections(decided) : decided;
}

/** Decisions kept of flows through services; more than clusters have zones, services and networks. */
const DECISIONS_MAX = 100_000;

function applyCosts(row: FlowRow, decided: Decision, headerBytes: number): void {
  const txBytes = row.txBytes ?? 0;
  const rxBytes = row.rxBytes ?? 0;
  const header = decided.hasOverlay ? headerBytes : 0;
  row.txCost = null;
  row.rxCost = null;
  row.processingCost = null;
  row.priceBasis = 'none';
  if (decided.trafficClass === 'lost') return;
  const tx = costOrNull(decided.out.rate, txBytes, txBytes + header * (row.txPackets ?? 0));
  const rx = costOrNull(decided.in.rate, rxBytes, rxBytes + header * (row.rxPackets ?? 0));
  const { rate } = decided.processing;
  const isUnknown = decided.trafficClass === 'unknown';
  const processing =
    rate !== undefined ? costOf(rate, txBytes, rxBytes) : txBytes + rxBytes === 0 && !isUnknown ? 0n : null;
  row.txCost = isUnknown ? null : tx;
  row.rxCost = isUnknown ? null : rx;
  row.processingCost = processing;
  if (row.txCost !== null && row.rxCost !== null && processing !== null) {
    row.priceBasis = basisOf(decided, txBytes > 0, rxBytes > 0);
  }
}

function costOrNull(
  rate: Parameters<typeof costOf>[0] | undefined,
  bytes: number,
  billedBytes: number,
): PicoUsd | null {
  if (bytes === 0) return 0n;
  return rate === undefined ? null : costOf(rate, billedBytes);
}

/** The last change that is not after the window; before the first one, the first. */
function periodOf(changesUs: readonly number[], startUs: number): number {
  let period = changesUs.length - 1;
  while (period > 0 && changesUs[period]! > startUs) period--;
  return period;
}
