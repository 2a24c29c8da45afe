// A row, priced, with everything that its price was made of. Pure; knows no output.
import { FlowtollError } from '../model/errors.ts';
import type { FlowRow } from '../model/flow-row.ts';
import type { PriceBook } from '../pricing/book/format.ts';
import type { PricingSetup } from '../pricing/config/read.ts';
import type { Decision } from '../pricing/decision.ts';
import type { Pricing } from '../pricing/pricing.ts';
import { arithmeticOf, type CostArithmetic } from './arithmetic.ts';

export interface ExplainedRow {
  /** With the class and costs that the decision gives it. */
  readonly row: FlowRow;
  readonly decision: Decision;
  readonly costs: readonly CostArithmetic[];
  /** In which the sources of rates are found. */
  readonly books: readonly PriceBook[];
  /** Why a cost cannot be stored; the row then has none. */
  readonly error: FlowtollError | null;
}

/** Prices the row as it is, in place. `setup`: what `pricing` was made of. */
export function explainRow(row: FlowRow, pricing: Pricing, { config, books }: PricingSetup): ExplainedRow {
  let error: FlowtollError | null = null;
  try {
    pricing.price(row);
  } catch (thrown) {
    if (!(thrown instanceof FlowtollError)) throw thrown;
    error = thrown;
  }
  const decision = pricing.decision(row);
  return { row, decision, costs: arithmeticOf(row, decision, config.overlayHeaderBytes ?? 0), books, error };
}
