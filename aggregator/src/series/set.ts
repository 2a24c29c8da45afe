// Sums of rows by some of their columns, of a bounded number of different ones: what finds no room any more is summed up under `other`, so
// that the sums of all are those of all rows whatever the limit. Knows rows; knows nothing of their text.
import type { FlowRow, PicoUsd, TrafficClass } from '../model/flow-row.ts';
import type { Measure } from './format.ts';
import type { SeriesLabel } from './labels.ts';

/** What a set of series is. */
export interface SeriesSetConfig {
  /** Between "flowtoll_" and "_tx_bytes_total". */
  readonly name: string;
  readonly labels: readonly SeriesLabel[];
  readonly measures: readonly Measure[];
  /** Undefined: all classes that reports count. */
  readonly classes?: ReadonlySet<string> | undefined;
  /** Most keys, `other` included. */
  readonly limit: number;
}

/** Sums of rows. */
export interface Sums {
  txBytes: number;
  rxBytes: number;
  txPackets: number;
  rxPackets: number;
  connections: number;
  /** Undefined while nothing in it has a price. */
  cost: PicoUsd | undefined;
  /** Bytes of whose cost something is not known: the transfer, or what lies on the path. */
  unpricedBytes: number;
}

/** Sums of a few rows by key. */
export type SumsByKey = Map<string, Sums>;

/** Between the values of a key. No name has it: Kubernetes and DNS allow none, and prefixes and words neither. */
const SEPARATOR = '\u0000';
/** What every label of the last series says. */
export const OTHER = 'other';

/** Rows of these have no part in any sum: what is lost, and tunnels whose content is counted in its own rows. */
const NOT_COUNTED: ReadonlySet<TrafficClass> = new Set<TrafficClass>(['lost', 'encapsulation']);

export class SeriesSet {
  readonly config: SeriesSetConfig;
  readonly #sums: SumsByKey = new Map();
  readonly #other: string;
  /** Keys that found no room, counted again whenever they come. */
  overflows = 0;

  constructor(config: SeriesSetConfig) {
    this.config = config;
    this.#other = config.labels.map(() => OTHER).join(SEPARATOR);
  }

  /** Adds a row to sums that may come to nothing. */
  sum(row: FlowRow, pending: SumsByKey): void {
    const { labels, classes } = this.config;
    if (classes === undefined ? NOT_COUNTED.has(row.trafficClass) : !classes.has(row.trafficClass)) return;
    let key = '';
    for (let i = 0; i < labels.length; i++) key = i === 0 ? labels[i]!.of(row) : key + SEPARATOR + labels[i]!.of(row);
    addRow(into(pending, key), row);
  }

  /**
   * Counts such sums: their rows are in the table.
   * @param counted gets them besides, by the keys that there was room for
   */
  add(sums: SumsByKey, counted?: SumsByKey): void {
    for (const [key, some] of sums) {
      const taken = this.#keyFor(key);
      addSums(into(this.#sums, taken), some);
      if (counted !== undefined) addSums(into(counted, taken), some);
    }
  }

  /** Sums that an earlier process counted; before any others. */
  restore(key: string, sums: Sums): void {
    this.#sums.set(key, sums);
  }

  /** Each key with its sums, as `restore` takes them. */
  keys(): Iterable<readonly [string, Readonly<Sums>]> {
    return this.#sums;
  }

  /** Number of series of each metric. */
  get size(): number {
    return this.#sums.size;
  }

  /** Values of the labels, and what was summed up. */
  *entries(): Generator<readonly [readonly string[], Readonly<Sums>]> {
    for (const [key, sums] of this.#sums) yield [this.valuesOf(key), sums];
  }

  /** Values of the labels. */
  valuesOf(key: string): readonly string[] {
    return this.config.labels.length === 0 ? [] : key.split(SEPARATOR);
  }

  #keyFor(key: string): string {
    if (this.#sums.has(key)) return key;
    const hasRoom = this.#sums.size < this.config.limit - (this.#sums.has(this.#other) ? 0 : 1);
    if (!hasRoom) this.overflows++;
    return hasRoom ? key : this.#other;
  }
}

/** The sums of the key, none yet if there are none. */
function into(sums: SumsByKey, key: string): Sums {
  let some = sums.get(key);
  if (some === undefined) {
    some = noSums();
    sums.set(key, some);
  }
  return some;
}

function noSums(): Sums {
  return {
    txBytes: 0,
    rxBytes: 0,
    txPackets: 0,
    rxPackets: 0,
    connections: 0,
    cost: undefined,
    unpricedBytes: 0,
  };
}

/** As reports do: a cost that is not known adds nothing, and its bytes are said to lack it. */
function addRow(sums: Sums, row: FlowRow): void {
  const tx = row.txBytes ?? 0;
  const rx = row.rxBytes ?? 0;
  sums.txBytes += tx;
  sums.rxBytes += rx;
  sums.txPackets += row.txPackets ?? 0;
  sums.rxPackets += row.rxPackets ?? 0;
  sums.connections += row.connections ?? 0;
  const { txCost, rxCost, processingCost } = row;
  if (txCost === null || processingCost === null) sums.unpricedBytes += tx;
  if (rxCost === null || processingCost === null) sums.unpricedBytes += rx;
  // Nothing on the path costs nothing, and that alone is no price.
  if (txCost !== null || rxCost !== null || (processingCost !== null && processingCost !== 0n)) {
    sums.cost = (sums.cost ?? 0n) + (txCost ?? 0n) + (rxCost ?? 0n) + (processingCost ?? 0n);
  }
}

function addSums(sums: Sums, more: Sums): void {
  sums.txBytes += more.txBytes;
  sums.rxBytes += more.rxBytes;
  sums.txPackets += more.txPackets;
  sums.rxPackets += more.rxPackets;
  sums.connections += more.connections;
  sums.unpricedBytes += more.unpricedBytes;
  if (more.cost !== undefined) sums.cost = (sums.cost ?? 0n) + more.cost;
}
