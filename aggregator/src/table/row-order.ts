// The order of rows in a file: a permutation, found with counting sorts over dictionary ranks, so that no row moves and no
// text is compared per row. Row groups sorted this way prune on namespace and compress better.
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
  }
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

function numberRanks(vector: NumberVector, count: number): Ranks {
  const rankOf = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    rankOf.set(vector.values[i]!, 0);
  }
  const values = Float64Array.from(rankOf.keys()).sort();
  values.forEach((value, i) => {
    rankOf.set(value, i);
  });
  const ranks = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    ranks[i] = rankOf.get(vector.values[i]!)!;
  }
  return { ranks, rankCount: values.length };
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
