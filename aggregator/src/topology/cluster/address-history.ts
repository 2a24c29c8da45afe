// Who held an address when: the time index. Holders come and go; what is over is kept for some time, because batches come late.
// The rules by which one holder is named for a window are at `lookup`, each with its reason. Knows neither pods nor nodes: what
// holds an address, and from when to when, is said by others. Keys are text; times are µs since the Unix epoch.
import type { AddressOwner, Certainty } from '../../model/topology.ts';
import { AddressSlots } from './address-slots.ts';
import { AgedQueue } from './aged-queue.ts';

/** Who or what holds addresses. */
export interface Holder {
  /** Until when it has been heard that those who hold something still do. */
  readonly heard: { readonly untilUs: number };
  /** Whether rows could not tell the two apart. */
  isSameAs(other: Holder): boolean;
  ownerAs(certainty: Certainty): AddressOwner;
}

/** The open holdings of a holder in one history: kept by the caller, changed by the history. */
export interface Grip {
  slots: readonly number[];
}

/** Of who holds nothing. */
export const NO_SLOTS: readonly number[] = Object.freeze([]);

export interface HistoryRules {
  /** For how long holdings that are over are kept, µs; the oldest batch that can still come. */
  readonly keepUs: number;
  /** Most holdings that are over; beyond it the oldest go early, and are counted. */
  readonly endedMax: number;
  /** Whether an address has one holder at a time. If not, all who overlap the window are candidates. */
  readonly isExclusive: boolean;
}

/**
 * How far the clocks of nodes, API server and aggregator may be apart, µs, together: windows are corrected from 2 s of offset on,
 * times of the API have a resolution of 1 s.
 */
export const SLACK_US = 5_000_000;

/** For how long after its end a holder is still named, as stale, while nobody else holds the address: peers send to it again. */
export const GRACE_US = 120_000_000;

/** For how long nothing may be heard of a watch (bookmarks come about once a minute) before what it said is stale. */
export const SILENCE_US = 120_000_000;

/** A holding lasts for as long at least, whatever clocks say, so that it can overlap something. */
const SHORTEST_US = 1_000_000;

/** A time that never comes: the end of what has not ended. */
const OPEN = Number.POSITIVE_INFINITY;
/** As `sureUntilUs`: nobody knows from when on it was over. */
export const NEVER_SURE = Number.NEGATIVE_INFINITY;

/** What every lookup reads of a holding, side by side in one line of the processor's cache. */
const FROM = 0;
const SURE = 1;
const TO = 2;
/** Slot of the holding of the same address that was heard of before this one. */
const OLDER = 3;
const STRIDE = 4;

const NONE = -1;
const SLOTS_MIN = 1024;

/** One holding of several of an address. */
interface Holding {
  readonly holder: Holder;
  readonly fromUs: number;
  /** As `fromUs` was told, before others moved it. */
  readonly toldFromUs: number;
  readonly toUs: number;
  /** Until when it most likely held the address: at most `toUs`. */
  readonly likelyToUs: number;
  /** Its end has been heard. */
  readonly isOver: boolean;
  readonly sureUntilUs: number;
  /** When it was first heard of. */
  readonly heardUs: number;
}

/** A holding as it is to be recorded. */
export interface HoldingRecord {
  readonly slot: number;
  readonly address: string;
  readonly holder: Holder;
  readonly fromUs: number;
  /** Null while it lasts. */
  readonly toUs: number | null;
  /** Null where nobody knows. */
  readonly sureUntilUs: number | null;
  readonly heardUs: number;
}

/** What shall be recorded: times in µs since the Unix epoch. */
export interface RecordRule {
  /** Now. */
  readonly atUs: number;
  /** Open holdings that were recorded before this are recorded again. */
  readonly renewBeforeUs: number;
  /** Open holdings that were heard of later are not recorded yet. */
  readonly settledUs: number;
  readonly max: number;
}

/** Not recorded since it began or ended. */
const UNRECORDED = 0;

/** Holdings that were given up early, since the start. */
export interface HistoryCounts {
  /** Those that are over and kept. */
  readonly ended: number;
  /** Those that had to go before their time, for want of room. */
  readonly droppedForRoom: number;
}

export class AddressHistory {
  readonly #rules: HistoryRules;
  readonly #onBegin: (address: string) => void;
  readonly #onGone: (address: string) => void;
  /** Slot of the newest holding of each address. */
  readonly #newest = new AddressSlots();
  readonly #ended = new AgedQueue<number>();
  #columns = new Float64Array(SLOTS_MIN * STRIDE);
  #heardUs = new Float64Array(SLOTS_MIN);
  #recordedUs = new Float64Array(SLOTS_MIN);
  readonly #holders: (Holder | undefined)[] = [];
  readonly #addresses: string[] = [];
  /** Slots that are free again, by way of OLDER. */
  #free = NONE;
  #droppedForRoom = 0;

  /**
   * @param onBegin hears of each address that somebody begins to hold
   * @param onGone hears of each address of which nothing is known any more
   */
  constructor(
    rules: HistoryRules,
    onBegin: (address: string) => void = () => undefined,
    onGone: (address: string) => void = () => undefined,
  ) {
    this.#rules = rules;
    this.#onBegin = onBegin;
    this.#onGone = onGone;
  }

  /** Number of addresses of which something is known. */
  get size(): number {
    return this.#newest.size;
  }

  get counts(): HistoryCounts {
    return { ended: this.#ended.size, droppedForRoom: this.#droppedForRoom };
  }

  /** Whether anything is known of the address, at any time. */
  has(address: string): boolean {
    return this.#newest.get(address) !== NONE;
  }

  /** Whether somebody of whom that is true holds the address, or is remembered to have held it. */
  someHolder(address: string, isSuch: (holder: Holder) => boolean): boolean {
    for (let slot = this.#newest.get(address); slot !== NONE; slot = this.#columns[slot * STRIDE + OLDER]!) {
      if (isSuch(this.#holders[slot]!)) return true;
    }
    return false;
  }

  /**
   * From now on `holder` holds these addresses and no others.
   * @param grip what it holds until now
   * @param fromUs from when on it holds those that are new; may be earlier than truth, never later
   * @param atUs when this was heard; what it no longer holds ended between what was heard before that and then
   */
  hold(holder: Holder, grip: Grip, addresses: readonly string[], fromUs: number, atUs: number): void {
    const before = grip.slots;
    if (before.length === addresses.length && before.every((slot) => addresses.includes(this.#addresses[slot]!)))
      return;
    for (const slot of before) {
      if (!addresses.includes(this.#addresses[slot]!)) this.#end(slot, atUs, lastHeardUs(holder, atUs), atUs);
    }
    grip.slots = addresses.map(
      (address) =>
        before.find((slot) => this.#addresses[slot] === address) ?? this.#begin(address, holder, fromUs, atUs),
    );
  }

  /**
   * `holder` holds none of the addresses of this grip any more.
   * @param atUs when this was heard
   * @param toUs the end, or the latest that it can have been
   * @param sureUntilUs until when it held them for certain: `toUs` where the end is known
   */
  release(holder: Holder, grip: Grip, atUs: number, toUs = atUs, sureUntilUs = lastHeardUs(holder, atUs)): void {
    for (const slot of grip.slots) this.#end(slot, toUs, sureUntilUs, atUs);
    grip.slots = NO_SLOTS;
  }

  /**
   * Takes in a holding that is over and that others have heard of, at `heardUs`. The other times as in `hold` and `release`.
   * @param recordedUs when it was recorded as it is; undefined if it has to be
   */
  restore(
    holder: Holder,
    address: string,
    times: { readonly fromUs: number; readonly toUs: number; readonly sureUntilUs: number; readonly heardUs: number },
    atUs: number,
    recordedUs: number = UNRECORDED,
  ): void {
    const slot = this.#begin(address, holder, times.fromUs, times.heardUs);
    this.#end(slot, times.toUs, times.sureUntilUs, atUs);
    this.#recordedUs[slot] = recordedUs;
  }

  /** Holdings of which a begin, an end or nothing for long has been recorded; from now on they count as recorded. */
  takeUnrecorded({ atUs, renewBeforeUs, settledUs, max }: RecordRule): HoldingRecord[] {
    const records: HoldingRecord[] = [];
    for (let slot = 0; slot < this.#holders.length && records.length < max; slot++) {
      const holder = this.#holders[slot];
      if (holder === undefined) continue;
      const toUs = this.#columns[slot * STRIDE + TO]!;
      const isDue =
        toUs === OPEN
          ? this.#recordedUs[slot]! < renewBeforeUs && this.#heardUs[slot]! <= settledUs
          : this.#recordedUs[slot] === UNRECORDED;
      if (!isDue) continue;
      this.#recordedUs[slot] = atUs;
      const sureUntilUs = toUs === OPEN ? lastHeardUs(holder, atUs) : this.#columns[slot * STRIDE + SURE]!;
      records.push({
        ...{ slot, holder, address: this.#addresses[slot]!, heardUs: this.#heardUs[slot]! },
        fromUs: this.#columns[slot * STRIDE + FROM]!,
        toUs: toUs === OPEN ? null : toUs,
        sureUntilUs: Number.isFinite(sureUntilUs) ? sureUntilUs : null,
      });
    }
    return records;
  }

  /** Those taken at `atUs` could not be recorded: they are due again, unless they have changed since, and so are anyway. */
  giveBack(slot: number, atUs: number): void {
    if (this.#recordedUs[slot] === atUs) this.#recordedUs[slot] = UNRECORDED;
  }

  /** Forgets what ended too long ago, or is too much; false when there is more of it than `max`. */
  expire(nowUs: number, max = Number.POSITIVE_INFINITY): boolean {
    for (let count = 0; count < max; count++) {
      let slot = this.#ended.takeBefore(nowUs - this.#rules.keepUs);
      if (slot === undefined && this.#ended.size > this.#rules.endedMax) {
        slot = this.#ended.take();
        this.#droppedForRoom++;
      }
      if (slot === undefined) return true;
      this.#drop(slot);
    }
    return false;
  }

  /**
   * Who held the address in the window from `startUs`, inclusive, to `endUs`, exclusive.
   *
   * 1. Candidates are those whose holding overlaps the window when both its ends are moved outwards by the slack: clocks differ.
   * 2. One candidate is named; `exact`, unless all that is known is that it held the address before (its end was not heard, or
   *    the watch has been silent since): `stale`.
   * 3. Of several the one with the greatest overlap with the window itself is named, because bytes whose time within the window
   *    is not known are most likely its own; of equals the one heard of later. It is `ambiguous`: some bytes may be another's.
   * 4. Without candidates the last holder is named for a while after its end, as `stale`.
   *
   * Of an exclusive address more is known, because nobody can hold it while another does: a holding ends at the latest when the
   * next one is heard of, and begins at the earliest when the one before is over for certain. Begins need that: a pod's start is
   * earlier than its address, by as long as its volumes take. Which of two came first is said at `isBefore`. Where the end fell into a
   * time in which nothing was heard (the API server was away), the holding most likely ended when the next began: rule 3 measures
   * it until then, and it stays a candidate for as long as it may have lasted.
   */
  lookup(address: string, startUs: number, endUs: number): AddressOwner | undefined {
    const slot = this.#newest.get(address);
    if (slot === NONE) return undefined;
    return this.#columns[slot * STRIDE + OLDER] === NONE
      ? this.#alone(slot, startUs, endUs)
      : this.#among(slot, startUs, endUs);
  }

  #alone(slot: number, startUs: number, endUs: number): AddressOwner | undefined {
    const at = slot * STRIDE;
    const holder = this.#holders[slot]!;
    const toUs = this.#columns[at + TO]!;
    if (this.#columns[at + FROM]! < endUs + SLACK_US && toUs > startUs - SLACK_US) {
      return holder.ownerAs(this.#sureUntilUs(slot) > startUs - SLACK_US ? 'exact' : 'stale');
    }
    return toUs <= startUs && toUs > startUs - GRACE_US ? holder.ownerAs('stale') : undefined;
  }

  #among(newest: number, startUs: number, endUs: number): AddressOwner | undefined {
    const all = this.#holdingsOf(newest);
    const near = all
      .filter(({ fromUs, toUs }) => fromUs < endUs + SLACK_US && toUs > startUs - GRACE_US)
      .map((holding) => (this.#rules.isExclusive ? keptApart(holding, all) : holding));
    const candidates = near.filter(({ fromUs, toUs }) => fromUs < endUs + SLACK_US && toUs > startUs - SLACK_US);
    if (candidates.length === 0) return lastBefore(near, startUs)?.holder.ownerAs('stale');
    const best = greatest(candidates, (holding) => overlapUs(holding, startUs, endUs));
    const { holder } = best;
    if (candidates.some((other) => !other.holder.isSameAs(holder))) return holder.ownerAs('ambiguous');
    const isSure = candidates.some(({ sureUntilUs }) => sureUntilUs > startUs - SLACK_US);
    return holder.ownerAs(isSure ? 'exact' : 'stale');
  }

  /** All holdings of an address, the one that was heard of first first. */
  #holdingsOf(newest: number): Holding[] {
    const holdings: Holding[] = [];
    for (let slot = newest; slot !== NONE; slot = this.#columns[slot * STRIDE + OLDER]!) {
      const at = slot * STRIDE;
      holdings.push({
        holder: this.#holders[slot]!,
        fromUs: this.#columns[at + FROM]!,
        toldFromUs: this.#columns[at + FROM]!,
        toUs: this.#columns[at + TO]!,
        likelyToUs: this.#columns[at + TO]!,
        isOver: this.#columns[at + TO] !== OPEN,
        sureUntilUs: this.#sureUntilUs(slot),
        heardUs: this.#heardUs[slot]!,
      });
    }
    return holdings.reverse();
  }

  #sureUntilUs(slot: number): number {
    const sureUntilUs = this.#columns[slot * STRIDE + SURE]!;
    return sureUntilUs === OPEN ? this.#holders[slot]!.heard.untilUs + SILENCE_US : sureUntilUs;
  }

  #begin(address: string, holder: Holder, fromUs: number, atUs: number): number {
    const slot = this.#takeSlot();
    const at = slot * STRIDE;
    this.#columns[at + FROM] = fromUs;
    this.#columns[at + SURE] = OPEN;
    this.#columns[at + TO] = OPEN;
    this.#columns[at + OLDER] = this.#newest.get(address);
    this.#heardUs[slot] = atUs;
    this.#recordedUs[slot] = UNRECORDED;
    this.#holders[slot] = holder;
    this.#addresses[slot] = address;
    this.#newest.set(address, slot);
    this.#onBegin(address);
    return slot;
  }

  #end(slot: number, toUs: number, sureUntilUs: number, atUs: number): void {
    const at = slot * STRIDE;
    const endUs = Math.max(toUs, this.#columns[at + FROM]! + SHORTEST_US);
    this.#columns[at + TO] = endUs;
    this.#columns[at + SURE] = sureUntilUs >= toUs ? endUs : sureUntilUs;
    this.#recordedUs[slot] = UNRECORDED;
    this.#ended.push(slot, atUs);
  }

  #drop(slot: number): void {
    const address = this.#addresses[slot]!;
    const older = this.#columns[slot * STRIDE + OLDER]!;
    let newer = this.#newest.get(address);
    if (newer !== slot) {
      while (this.#columns[newer * STRIDE + OLDER] !== slot) newer = this.#columns[newer * STRIDE + OLDER]!;
      this.#columns[newer * STRIDE + OLDER] = older;
    } else if (older !== NONE) {
      this.#newest.set(address, older);
    } else {
      this.#newest.delete(address);
      this.#onGone(address);
    }
    this.#holders[slot] = undefined;
    this.#addresses[slot] = '';
    this.#columns[slot * STRIDE + OLDER] = this.#free;
    this.#free = slot;
  }

  #takeSlot(): number {
    const slot = this.#free;
    if (slot !== NONE) {
      this.#free = this.#columns[slot * STRIDE + OLDER]!;
      return slot;
    }
    const added = this.#holders.length;
    if (added === this.#heardUs.length) {
      this.#columns = grown(this.#columns);
      this.#heardUs = grown(this.#heardUs);
      this.#recordedUs = grown(this.#recordedUs);
    }
    return added;
  }
}

/** Until when `holder` was as it was told before `atUs`: what is heard now may have happened at any time since. */
export function lastHeardUs({ heard }: Holder, atUs: number): number {
  return Math.min(heard.untilUs, atUs);
}

/** Twice as long. */
function grown(column: Float64Array): Float64Array<ArrayBuffer> {
  const longer = new Float64Array(2 * column.length);
  longer.set(column);
  return longer;
}

/**
 * Which of two holdings of an exclusive address came first. One that began after the other had been heard of was second. Else (both
 * were in one list, or one waited) what is over was before what is not; of two that are over the one that was over for certain before
 * the other can have been; else the one that was heard of first.
 */
function isBefore(a: Holding, b: Holding): boolean {
  const bFollows = b.fromUs >= a.heardUs;
  const aFollows = a.fromUs >= b.heardUs;
  if (aFollows !== bFollows) return bFollows;
  if (a.isOver !== b.isOver) return a.isOver;
  if (a.isOver) {
    if (a.toUs + SLACK_US < earliestEndUs(b)) return true;
    if (b.toUs + SLACK_US < earliestEndUs(a)) return false;
  }
  return a.heardUs !== b.heardUs ? a.heardUs < b.heardUs : a.fromUs < b.fromUs;
}

/** The earliest that it can have ended. */
function earliestEndUs({ sureUntilUs, fromUs }: Holding): number {
  return Math.max(sureUntilUs, fromUs);
}

/**
 * A holding with its begin and its end moved to where they must have been beside the others. As short as it may become, it stays:
 * it was told, and clocks may contradict each other.
 */
function keptApart(holding: Holding, all: readonly Holding[]): Holding {
  let { fromUs, toUs } = holding;
  for (const other of all) {
    if (other === holding) continue;
    if (isBefore(holding, other)) toUs = Math.min(toUs, other.heardUs);
    // What has not ended, as far as is known, proves nothing about when the next began.
    else if (other.isOver) fromUs = Math.max(fromUs, Math.min(other.sureUntilUs, holding.heardUs));
  }
  fromUs = Math.min(fromUs, holding.toUs - SHORTEST_US);
  toUs = Math.max(toUs, fromUs + SHORTEST_US);
  return { ...holding, fromUs, toUs, likelyToUs: Math.max(fromUs, likelyEndUs(holding, toUs, all)) };
}

/** When an end that fell into a silence most likely was: when the next began. `toUs`: the latest that it can have been. */
function likelyEndUs(holding: Holding, toUs: number, all: readonly Holding[]): number {
  const { sureUntilUs } = holding;
  if (toUs - sureUntilUs <= SILENCE_US) return toUs;
  const next = all.filter((other) => other !== holding && isBefore(holding, other));
  return next.reduce((likelyUs, { fromUs }) => Math.min(likelyUs, Math.max(sureUntilUs, fromUs)), toUs);
}

/** The one that ended last, at most the grace before the window. */
function lastBefore(holdings: readonly Holding[], startUs: number): Holding | undefined {
  const recent = holdings.filter(({ toUs }) => toUs <= startUs && toUs > startUs - GRACE_US);
  return recent.length === 0 ? undefined : greatest(recent, ({ toUs }) => toUs);
}

/** The one of which `measure` is greatest; of equals the one heard of later, then the one that began later. */
function greatest(holdings: readonly Holding[], measure: (holding: Holding) => number): Holding {
  return holdings.reduce((best, holding) => {
    const difference = measure(holding) - measure(best);
    if (difference !== 0) return difference > 0 ? holding : best;
    if (holding.heardUs !== best.heardUs) return holding.heardUs > best.heardUs ? holding : best;
    return holding.toldFromUs >= best.toldFromUs ? holding : best;
  });
}

function overlapUs({ fromUs, likelyToUs }: Holding, startUs: number, endUs: number): number {
  return Math.max(0, Math.min(likelyToUs, endUs) - Math.max(fromUs, startUs));
}
