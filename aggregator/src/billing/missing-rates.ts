// Bytes whose cost nobody knows, by what is missing: each byte once, sent or received. Pure.
import type { Decision } from '../pricing/decision.ts';
import type { SummedCosts } from '../pricing/summed-costs.ts';
import type { Charge } from '../pricing/terms.ts';
import { chargeText } from './charge-text.ts';
import type { StoredSum } from './stored-sums.ts';

/** Bytes for which one rate, or several that are wanted together, is missing. */
export interface MissingRate {
  /** "unknown class", or what there is no rate for: "aws: cross-region out, us-east-1 → me-west-1". */
  readonly what: string;
  readonly txBytes: bigint;
  readonly rxBytes: bigint;
}

export interface MissingRates {
  add(sum: Pick<StoredSum, 'provider' | 'decision' | 'counted'>, costs: SummedCosts): void;
  /** Those of most bytes first. */
  list(): readonly MissingRate[];
}

export function createMissingRates(): MissingRates {
  const rates = new Map<string, { txBytes: bigint; rxBytes: bigint }>();

  function count(what: string, txBytes: bigint, rxBytes: bigint): void {
    if (txBytes + rxBytes === 0n) return;
    const known = rates.get(what) ?? { txBytes: 0n, rxBytes: 0n };
    rates.set(what, { txBytes: known.txBytes + txBytes, rxBytes: known.rxBytes + rxBytes });
  }

  return {
    add({ provider, decision, counted }, costs) {
      const { txBytes, rxBytes } = counted;
      const lacksProcessing = costs.processing === null;
      if (costs.tx === null || lacksProcessing)
        count(reason(provider, decision, costs.tx === null && decision.out.missing), txBytes, 0n);
      if (costs.rx === null || lacksProcessing)
        count(reason(provider, decision, costs.rx === null && decision.in.missing), 0n, rxBytes);
    },
    list: () =>
      [...rates]
        .map(([what, bytes]) => ({ what, ...bytes }))
        .toSorted((a, b) => Number(b.txBytes + b.rxBytes - a.txBytes - a.rxBytes) || (a.what < b.what ? -1 : 1)),
  };
}

/** @param transfer rates that are missing for the transfer itself; false: it has a price, and what lies on the path has not */
function reason(provider: string | null, decision: Decision, transfer: readonly Charge[] | false): string {
  if (decision.trafficClass === 'unknown') return 'unknown class';
  const { out, in: into } = decision.processing;
  const charges = transfer === false ? [...out.missing, ...into.missing] : transfer;
  return `${provider ?? 'no provider'}: ${[...new Set(charges.map(chargeText))].join(' + ')}`;
}
