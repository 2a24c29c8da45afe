// Who talks to whom for how much, over the newest minutes of a stream: sums by pair and class that move with the data's own
// time. Bounded: the smallest pairs of a minute are folded into one line. Pure; knows no terminal.

/** What a row adds. */
export interface Talk {
  /** µs since the Unix epoch. */
  readonly windowEndUs: bigint;
  readonly local: string;
  readonly peer: string;
  readonly trafficClass: string;
  readonly txBytes: bigint;
  readonly rxBytes: bigint;
  /** 1e-12 USD; null where there is no price. */
  readonly cost: bigint | null;
}

export interface Talker {
  readonly local: string;
  readonly peer: string;
  readonly trafficClass: string;
  txBytes: bigint;
  rxBytes: bigint;
  /** Null when nothing of it has a price. */
  cost: bigint | null;
}

/** Pairs of one minute that are kept apart. */
const PAIRS_MAX = 20_000;
const OTHERS = '(others)';
const MINUTE_US = 60_000_000n;

export class TopTalkers {
  readonly #spanUs: bigint;
  /** By minute of the window's end, then by pair. */
  readonly #minutes = new Map<bigint, Map<string, Talker>>();
  #newestUs = 0n;

  /** @param spanMs how much of the newest data counts */
  constructor(spanMs: number) {
    this.#spanUs = BigInt(spanMs) * 1000n;
  }

  add(talk: Talk): void {
    if (talk.windowEndUs > this.#newestUs) {
      this.#newestUs = talk.windowEndUs;
      this.#forgetOld();
    }
    if (talk.windowEndUs <= this.#newestUs - this.#spanUs) return;
    const minute = talk.windowEndUs / MINUTE_US;
    let pairs = this.#minutes.get(minute);
    if (pairs === undefined) {
      pairs = new Map();
      this.#minutes.set(minute, pairs);
    }
    const key = JSON.stringify([talk.local, talk.peer, talk.trafficClass]);
    const isNew = !pairs.has(key);
    if (isNew && pairs.size >= PAIRS_MAX) {
      addTo(pairs, OTHERS, { ...talk, local: OTHERS, peer: OTHERS, trafficClass: OTHERS });
    } else {
      addTo(pairs, key, talk);
    }
  }

  /** µs since the Unix epoch of the newest window's end; undefined while there is none. */
  get newestUs(): bigint | undefined {
    return this.#newestUs === 0n ? undefined : this.#newestUs;
  }

  /** The costliest first, then the largest. */
  top(count: number): { readonly talkers: Talker[]; readonly pairs: number; readonly total: Talker } {
    const sums = new Map<string, Talker>();
    const totals = new Map<string, Talker>();
    for (const pairs of this.#minutes.values()) {
      for (const [key, talker] of pairs) {
        addTo(sums, key, talker);
        addTo(totals, '', { ...talker, local: '', peer: '', trafficClass: '' });
      }
    }
    const talkers = [...sums.values()].sort(costliestFirst);
    const total = totals.get('') ?? { local: '', peer: '', trafficClass: '', txBytes: 0n, rxBytes: 0n, cost: null };
    return { talkers: talkers.slice(0, count), pairs: talkers.length, total };
  }

  #forgetOld(): void {
    for (const minute of this.#minutes.keys()) {
      if ((minute + 1n) * MINUTE_US <= this.#newestUs - this.#spanUs) this.#minutes.delete(minute);
    }
  }
}

function addTo(sums: Map<string, Talker>, key: string, add: Omit<Talk, 'windowEndUs'>): void {
  const sum = sums.get(key);
  if (sum === undefined) {
    const { local, peer, trafficClass, txBytes, rxBytes, cost } = add;
    sums.set(key, { local, peer, trafficClass, txBytes, rxBytes, cost });
    return;
  }
  sum.txBytes += add.txBytes;
  sum.rxBytes += add.rxBytes;
  if (add.cost !== null) sum.cost = (sum.cost ?? 0n) + add.cost;
}

function costliestFirst(a: Talker, b: Talker): number {
  const byCost = compare(b.cost ?? -1n, a.cost ?? -1n);
  return byCost !== 0 ? byCost : compare(b.txBytes + b.rxBytes, a.txBytes + a.rxBytes);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
