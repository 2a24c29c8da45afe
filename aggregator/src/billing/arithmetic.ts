// How the costs of one row come about: the bytes of each term, its exact amount, and what has no rate. The costs themselves are the
// row's, as pricing has put them there. Pure; knows no output.
import type { FlowRow, PicoUsd } from '../model/flow-row.ts';
import type { Decision, Priced } from '../pricing/decision.ts';
import { addFractions, type Fraction, fraction, multiplyFractions, PICO_USD_PER_USD, ZERO } from '../pricing/money.ts';
import type { Charge, PricedTerm } from '../pricing/terms.ts';

/** One product of the sum that a cost is. */
export interface TermArithmetic {
  readonly term: PricedTerm;
  /** Bytes of the row. */
  readonly bytes: bigint;
  /** Bytes that an overlay adds to them. */
  readonly headerBytes: bigint;
  /** USD, not rounded. */
  readonly exactUsd: Fraction;
}

/** One of the three costs of a row. Terms without bytes are left out. */
export interface CostArithmetic {
  readonly cost: 'tx' | 'rx' | 'processing';
  /** As the row has it; null: unknown. */
  readonly rounded: PicoUsd | null;
  readonly terms: readonly TermArithmetic[];
  /** What has no rate, and bytes. */
  readonly missing: readonly Charge[];
  /** USD, not rounded: the sum of the terms. */
  readonly exactUsd: Fraction;
}

/**
 * The arithmetic of a priced row.
 * @param headerBytes what an overlay adds to each packet, as configured
 */
export function arithmeticOf(row: FlowRow, decision: Decision, headerBytes: number): readonly CostArithmetic[] {
  const { out, in: into, processing } = decision;
  const header = decision.hasOverlay ? BigInt(headerBytes) : 0n;
  const tx = { bytes: BigInt(row.txBytes ?? 0), headerBytes: header * BigInt(row.txPackets ?? 0) };
  const rx = { bytes: BigInt(row.rxBytes ?? 0), headerBytes: header * BigInt(row.rxPackets ?? 0) };
  const bare = ({ bytes }: Bytes): Bytes => ({ bytes, headerBytes: 0n });
  return [
    costArithmetic('tx', row.txCost, [{ priced: out, of: tx }]),
    costArithmetic('rx', row.rxCost, [{ priced: into, of: rx }]),
    costArithmetic('processing', row.processingCost, [
      { priced: processing.out, of: bare(tx) },
      { priced: processing.in, of: bare(rx) },
    ]),
  ];
}

interface Bytes {
  readonly bytes: bigint;
  readonly headerBytes: bigint;
}

function costArithmetic(
  cost: CostArithmetic['cost'],
  rounded: PicoUsd | null,
  parts: readonly { readonly priced: Priced; readonly of: Bytes }[],
): CostArithmetic {
  const carrying = parts.filter(({ of }) => of.bytes > 0n);
  const terms = carrying.flatMap(({ priced, of }) =>
    priced.terms.map((term): TermArithmetic => ({ term, ...of, exactUsd: amountOf(term, of) })),
  );
  return {
    cost,
    rounded,
    terms,
    missing: carrying.flatMap(({ priced }) => priced.missing),
    exactUsd: terms.map((term) => term.exactUsd).reduce(addFractions, ZERO),
  };
}

function amountOf({ perByte }: PricedTerm, { bytes, headerBytes }: Bytes): Fraction {
  return multiplyFractions(perByte, fraction(bytes + headerBytes, PICO_USD_PER_USD));
}
