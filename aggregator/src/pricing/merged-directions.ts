// Prices of rows whose two directions are one sum (FlowRow.directionBasis). What is billed alike both ways has a price whatever the
// shares are; anything else has none: unknown, not a guess.
import { worseBasis } from './book/words.ts';
import type { Decision, Priced, PricedProcessing } from './decision.ts';
import { type ByteRate, byteRate } from './money.ts';
import type { PricedTerm } from './terms.ts';

const known = new WeakMap<Decision, Decision>();

/** The decision for a sum of both directions, which stands where bytes sent do. Made once for each decision. */
export function withMergedDirections(decision: Decision): Decision {
  let merged = known.get(decision);
  if (merged === undefined) {
    merged = merge(decision);
    known.set(decision, merged);
  }
  return merged;
}

function merge(decision: Decision): Decision {
  const transfer = eitherWay(decision.out, decision.in);
  return {
    ...decision,
    reasons: [...decision.reasons, 'both directions were counted in one sum'],
    out: transfer,
    in: transfer,
    processing: processingEitherWay(decision.processing),
  };
}

function processingEitherWay({ out, in: into }: PricedProcessing): PricedProcessing {
  const priced = eitherWay(out, into);
  const rate = priced.rate && byteRate(perByteOf(priced.rate), perByteOf(priced.rate));
  return { out: priced, in: priced, rate };
}

function eitherWay(out: Priced, into: Priced): Priced {
  const base = { basis: worseBasis(out.basis, into.basis) };
  if (out.rate === undefined || into.rate === undefined) {
    return { ...base, terms: [], missing: [...out.missing, ...into.missing], rate: undefined };
  }
  const terms = [...out.terms, ...into.terms];
  if (isEqual(out.rate, into.rate) && !terms.some(dependsOnAmount)) return { ...out, ...base };
  const missing = terms.map(({ charge }) => ({ ...charge, lacksDirection: true as const }));
  return { ...base, terms: [], missing, rate: undefined };
}

/** The month's bytes of one direction decide what a byte costs. */
function dependsOnAmount({ tierFrom, allowances }: PricedTerm): boolean {
  return tierFrom !== undefined || allowances.length > 0;
}

function isEqual(a: ByteRate, b: ByteRate): boolean {
  return a.first * b.denominator === b.first * a.denominator;
}

function perByteOf({ first, denominator }: ByteRate) {
  return { numerator: first, denominator };
}
