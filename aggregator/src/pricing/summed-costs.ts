// What sums of bytes cost that were decided alike: as `price` of a row, but exact, of any size, and not rounded. Pure.
import type { PriceBasis } from '../model/flow-row.ts';
import { basisOf, type Decision, type Priced } from './decision.ts';
import { type ByteRate, type Fraction, ZERO } from './money.ts';
import { billedBytes, type Counted } from './usage.ts';

/** Costs of some bytes, exact; 1e-12 USD. Null: there is no rate. */
export interface SummedCosts {
  readonly tx: Fraction | null;
  readonly rx: Fraction | null;
  readonly processing: Fraction | null;
  /** The worst of what carries bytes; `none` where something has no rate. */
  readonly basis: PriceBasis;
}

/** @param headerBytes what an overlay adds to each packet, as configured */
export function summedCosts(decided: Decision, counted: Counted, headerBytes = 0): SummedCosts {
  const { trafficClass, out, in: into, processing, hasOverlay } = decided;
  if (trafficClass === 'lost') return { tx: null, rx: null, processing: null, basis: 'none' };
  const { txBytes, txPackets, rxBytes, rxPackets } = counted;
  const header = hasOverlay ? headerBytes : 0;
  const isUnknown = trafficClass === 'unknown';
  const transfer = ({ rate }: Priced, bytes: bigint, packets: bigint) =>
    isUnknown ? null : bytes === 0n ? ZERO : costOf(rate, billedBytes(bytes, packets, header), 0n);
  const hasNoBytes = txBytes + rxBytes === 0n && !isUnknown;
  const costs = {
    tx: transfer(out, txBytes, txPackets),
    rx: transfer(into, rxBytes, rxPackets),
    processing: processing.rate === undefined && hasNoBytes ? ZERO : costOf(processing.rate, txBytes, rxBytes),
  };
  if (costs.tx === null || costs.rx === null || costs.processing === null) return { ...costs, basis: 'none' };
  return { ...costs, basis: basisOf(decided, txBytes > 0n, rxBytes > 0n) };
}

function costOf(rate: ByteRate | undefined, bytes: bigint, secondBytes: bigint): Fraction | null {
  if (rate === undefined) return null;
  return { numerator: bytes * rate.first + secondBytes * rate.second, denominator: rate.denominator };
}
