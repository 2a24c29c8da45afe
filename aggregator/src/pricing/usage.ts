// What a row adds to the month's statement: the bytes of each term of its costs. Pure.
import type { FlowRow } from '../model/flow-row.ts';
import type { Decision } from './decision.ts';
import type { Usage } from './settle.ts';
import type { PricedTerm } from './terms.ts';

/** Counts of a row, or sums over many rows that were decided alike. */
export interface Counted {
  readonly txBytes: bigint;
  readonly txPackets: bigint;
  readonly rxBytes: bigint;
  readonly rxPackets: bigint;
}

/** The counts of one row; what is not known counts as nothing. */
export function countedOf(row: FlowRow): Counted {
  return {
    txBytes: BigInt(row.txBytes ?? 0),
    txPackets: BigInt(row.txPackets ?? 0),
    rxBytes: BigInt(row.rxBytes ?? 0),
    rxPackets: BigInt(row.rxPackets ?? 0),
  };
}

/**
 * Usage for `settle`: nothing for what has no rate, or no provider.
 * @param headerBytes what an overlay adds to each packet, as configured; counts where the decision says so, and for transfer only
 */
export function usageOf(provider: string | null, decision: Decision, counted: Counted, headerBytes = 0): Usage[] {
  if (provider === null) return [];
  const { out, in: into, processing, book, hasOverlay } = decision;
  const header = hasOverlay ? headerBytes : 0;
  const { txBytes, rxBytes } = counted;
  const of = (terms: readonly PricedTerm[], bytes: bigint) =>
    terms.map((term): Usage => ({ term, provider, bookId: book, bytes }));
  return [
    ...of(out.terms, billedBytes(txBytes, counted.txPackets, header)),
    ...of(into.terms, billedBytes(rxBytes, counted.rxPackets, header)),
    ...of(processing.out.terms, txBytes),
    ...of(processing.in.terms, rxBytes),
  ];
}

/** Bytes with an overlay's headers. No bytes, no cost: packets without any are not billed by themselves. */
export function billedBytes(bytes: bigint, packets: bigint, headerBytes: number): bigint {
  return bytes === 0n ? 0n : bytes + packets * BigInt(headerBytes);
}
