// The words that price books and pricing configurations share. Knows no book.
import type { TrafficClass } from '../../model/flow-row.ts';

/** Classes that a book can price; same-node and encapsulation are free everywhere, unknown and lost have no price. */
export const PRICED_CLASSES = [
  'same-zone',
  'cross-zone',
  'same-region',
  'same-region-public',
  'cross-region',
  'internet',
  'provider-service',
  'other-provider',
  'peered',
  'on-premises',
] as const satisfies readonly TrafficClass[];

export type PricedClass = (typeof PRICED_CLASSES)[number];

/**
 * Where the two sides are to each other, whatever lies between: what the class is for most traffic, and what a class that says
 * something else (peered, provider-service, on-premises) leaves open. `same-region`: a zone is not known, or zones cannot be
 * compared. `unknown`: a region is not known.
 */
export const RELATIONS = ['same-zone', 'cross-zone', 'same-region', 'cross-region', 'unknown'] as const;

export type Relation = (typeof RELATIONS)[number];

/** As seen from the side that pays: what it sends, what it receives. */
export const DIRECTIONS = ['out', 'in'] as const;

export type Direction = (typeof DIRECTIONS)[number];

/** The pool of tiers that is no name: what one entry prices, each region by itself. */
export const POOL_BY_REGION = 'region';

/** How sure a rate is. `exact`: listed; `estimated`: something was assumed; `disputed`: sources disagree. */
export const BASES = ['exact', 'estimated', 'disputed'] as const;

export type Basis = (typeof BASES)[number];

const DOUBT: Readonly<Record<Basis, number>> = { exact: 0, estimated: 1, disputed: 2 };

/** The less certain of two. */
export function worseBasis(a: Basis, b: Basis): Basis {
  return DOUBT[a] >= DOUBT[b] ? a : b;
}
