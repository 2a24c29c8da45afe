// The order of rows in a file: a permutation, found with counting sorts over dictionary ranks, so that no row moves and no
// text is compared per row. Row groups sorted this way prune on namespace and compress better.
import { freeBytes } from '@flowtoll/proto';
import { compareUtf8 } from '../model/utf8-order.ts';
import { NumberVector, TextVector } from './column-vectors.ts';
import { SORT_COLUMNS } from './columns.ts';
import type { RowPartition } from './row-buffer.ts';

/** Indices of the partition's rows, sorted by SORT_COLUMNS, nulls first; rows that compare equal keep their order. */
export function sortedRowOrder(partition: RowPartition): Uint32Array {
  const count = partition.rowCount;
  let order = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    order[i] = i;
  }
  let spare = new Uint32Array(count);
  // Least significant key first; each pass is stable.
  for (const name of SORT_COLUMNS.toReversed()) {
    const vector = partition.vectors.find((candidate) => candidate.column.name === name);
    if (!(vector instanceof TextVector || vector instanceof NumberVector)) {
      throw new TypeError(`sort column ${name} must hold text or numbers`);
    }
    const { ranks, rankCount } = vector instanceof TextVector ? textRanks(vector, count) : numberRanks(vector, count);
    if (rankCount > 1) {
      countingSort(order, spare, ranks, rankCount);
      [order, spare] = [spare, order];
    }
    freeBytes(ranks);
  }
  freeBytes(spare);
  return order;
}

interface Ranks {
  /** Rank of each row, from 0. */
  readonly ranks: Uint32Array;
  readonly rankCount: number;
}

function textRanks(vector: TextVector, count: number): Ranks {
  const rankOfCode = ranksOfCodes(vector.values);
  const ranks = new Uint32Array(count);
  const { codes, entries } = vector;
  for (let i = 0; i < count; i++) {
    ranks[i] = rankOfCode[codes[entries === undefined ? i : entries.ofRow[i]!]!]!;
  }
  return { ranks, rankCount: rankOfCode.length };
}

/** Ranks of the codes of dictionaries; a dictionary only grows, and mostly it has not. */
const knownRanks = new WeakMap<readonly string[], Uint32Array>();

function ranksOfCodes(values: readonly string[]): Uint32Array {
  const known = knownRanks.get(values);
  if (known?.length === values.length) {
    return known;
  }
  const codes = Array.from(values.keys()).slice(1);
  codes.sort((a, b) => compareUtf8(values[a]!, values[b]!));
  const rankOfCode = new Uint32Array(values.length);
  codes.forEach((code, i) => {
    rankOfCode[code] = i + 1;
  });
  knownRanks.set(values, rankOfCode);
  return rankOfCode;
}

/** Of few numbers: windows. Rows that came together have the same one. */
function numberRanks({ values }: NumberVector, count: number): Ranks {
  const rankOf = new Map<number, number>();
  forRuns(values, count, (value) => rankOf.set(value, 0));
  const sorted = Float64Array.from(rankOf.keys()).sort();
  sorted.forEach((value, rank) => {
    rankOf.set(value, rank);
  });
  const ranks = new Uint32Array(count);
  forRuns(values, count, (value, from, to) => ranks.fill(rankOf.get(value)!, from, to));
  return { ranks, rankCount: sorted.length };
}

/** Calls `take` with each run of the same value. */
function forRuns(values: Float64Array, count: number, take: (value: number, from: number, to: number) => void): void {
  for (let from = 0; from < count; ) {
    const value = values[from]!;
    let to = from + 1;
    while (to < count && values[to] === value) to++;
    take(value, from, to);
    from = to;
  }
}

/** By index: five times a commit is not often enough for the compiler to see that an iterator needs no objects. */
function countingSort(from: Uint32Array, to: Uint32Array, ranks: Uint32Array, rankCount: number): void {
  const next = new Uint32Array(rankCount + 1);
  for (let i = 0; i < from.length; i++) {
    next[ranks[from[i]!]! + 1]!++;
  }
  for (let rank = 1; rank <= rankCount; rank++) {
    next[rank]! += next[rank - 1]!;
  }
  for (let i = 0; i < from.length; i++) {
    const row = from[i]!;
    to[next[ranks[row]!]!++] = row;
  }
}
