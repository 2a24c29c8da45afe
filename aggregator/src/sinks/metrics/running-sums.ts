// Counters that outlive processes: sums by sets of series, kept with the position of the sink, so that whoever goes on counts from where the
// last delivered slice ended. A slice that comes again gives the same sums at the same time.
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { SeriesSet, type SeriesSetConfig, type Sums, type SumsByKey } from '../../series/set.ts';
import type { RowColumns } from '../row-columns.ts';
import type { Slice } from '../sink.ts';
import { columnsOfSets, forEachRow } from './row-view.ts';

/** Times of what one slice says, ms since the Unix epoch. */
export interface SliceTimes {
  /** When what is new in it began: the end of the slice before, or an interval before the end. */
  readonly fromMs: number;
  /** When the slice was committed; later than any slice before. */
  readonly atMs: number;
}

/** A series with its sums. */
export interface RunningSeries {
  readonly values: readonly string[];
  /** Since it began. */
  readonly total: Readonly<Sums>;
  /** In this slice; undefined: nothing. */
  readonly slice: Readonly<Sums> | undefined;
  /** When it began, ms since the Unix epoch. */
  readonly sinceMs: number;
}

export interface RunningSet {
  readonly config: SeriesSetConfig;
  readonly series: readonly RunningSeries[];
}

interface StoredSums {
  readonly version: 1;
  readonly lastMs: number;
  /** By name: the labels, and of each series its key, when it began, and its sums. */
  readonly sets: Readonly<
    Record<string, { readonly labels: readonly string[]; readonly series: readonly StoredSeries[] }>
  >;
}
type StoredSeries = readonly [string, number, number, number, number, number, number, string | null, number];

/** The sums of one slice, on those of all before. */
export class RunningSums {
  readonly #sets: readonly SeriesSet[];
  readonly #pending: readonly SumsByKey[];
  readonly #sinceMs: readonly Map<string, number>[];
  readonly #columns: readonly string[];
  readonly #intervalMs: number;
  #lastMs: number | undefined;
  #closed: { readonly times: SliceTimes; readonly sets: readonly RunningSet[] } | undefined;

  /** @param state as `state` gave it; what it has of sets that are others now begins anew */
  constructor(configs: readonly SeriesSetConfig[], intervalMs: number, state: string | undefined) {
    this.#sets = configs.map((config) => new SeriesSet(config));
    this.#pending = configs.map(() => new Map());
    this.#sinceMs = configs.map(() => new Map());
    this.#columns = columnsOfSets(configs);
    this.#intervalMs = intervalMs;
    if (state !== undefined) this.#restore(decodeState(state));
  }

  add(rows: RowColumns): void {
    forEachRow(rows, this.#columns, (row) => {
      for (let i = 0; i < this.#sets.length; i++) this.#sets[i]!.sum(row, this.#pending[i]!);
    });
  }

  /** Keys that were met in this slice. */
  get size(): number {
    return this.#pending.reduce((size, sums) => size + sums.size, 0);
  }

  /** The slice is whole. */
  close({ committedMs }: Pick<Slice, 'committedMs'>): {
    readonly times: SliceTimes;
    readonly sets: readonly RunningSet[];
  } {
    if (this.#closed !== undefined) return this.#closed;
    // A version that is two slices has one time of commit, and two samples of a series need two.
    const atMs = Math.max(committedMs, (this.#lastMs ?? 0) + 1);
    const fromMs = Math.max(this.#lastMs ?? 0, atMs - this.#intervalMs);
    this.#lastMs = atMs;
    const sets = this.#sets.map((set, i) => {
      const changes: SumsByKey = new Map();
      set.add(this.#pending[i]!, changes);
      const since = this.#sinceMs[i]!;
      const series = Array.from(set.keys(), ([key, total]): RunningSeries => {
        if (!since.has(key)) since.set(key, fromMs);
        return { values: set.valuesOf(key), total, slice: changes.get(key), sinceMs: since.get(key)! };
      });
      return { config: set.config, series };
    });
    this.#closed = { times: { fromMs, atMs }, sets };
    return this.#closed;
  }

  /** All that the next one has to know. */
  state(slice: Pick<Slice, 'committedMs'>): string {
    this.close(slice);
    const sets: Record<string, StoredSums['sets'][string]> = {};
    for (const [i, set] of this.#sets.entries()) {
      sets[set.config.name] = {
        labels: set.config.labels.map(({ name }) => name),
        series: Array.from(
          set.keys(),
          ([key, sums]): StoredSeries => [
            ...([
              key,
              this.#sinceMs[i]!.get(key)!,
              sums.txBytes,
              sums.rxBytes,
              sums.txPackets,
              sums.rxPackets,
            ] as const),
            ...([sums.connections, sums.cost === undefined ? null : String(sums.cost), sums.unpricedBytes] as const),
          ],
        ),
      };
    }
    const stored: StoredSums = { version: 1, lastMs: this.#lastMs!, sets };
    return zstdCompressSync(JSON.stringify(stored)).toString('base64');
  }

  #restore({ lastMs, sets }: StoredSums): void {
    this.#lastMs = lastMs;
    for (const [i, set] of this.#sets.entries()) {
      const { name, labels, limit } = set.config;
      const stored = sets[name];
      const isSame =
        stored?.labels.join() === labels.map((label) => label.name).join() && stored.series.length <= limit;
      for (const [key, sinceMs, tx, rx, txPackets, rxPackets, connections, cost, unpricedBytes] of isSame
        ? stored.series
        : []) {
        this.#sinceMs[i]!.set(key, sinceMs);
        set.restore(key, {
          ...{ txBytes: tx, rxBytes: rx, txPackets, rxPackets, connections, unpricedBytes },
          cost: cost === null ? undefined : BigInt(cost),
        });
      }
    }
  }
}

function decodeState(text: string): StoredSums {
  const stored = JSON.parse(zstdDecompressSync(Buffer.from(text, 'base64')).toString()) as { version: number };
  // Of a later version that was taken back: counters begin anew, which is a reset to whoever reads them.
  return stored.version === 1 ? (stored as StoredSums) : { version: 1, lastMs: 0, sets: {} };
}
