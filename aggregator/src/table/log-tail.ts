// The end of a table's log, shared by all who follow it: which version is the newest, what each entry says, and whether the
// log was set back meanwhile. One look at the store serves everybody, and nobody looks while nobody waits. Knows entries;
// knows neither rows nor watchers.
import { type Schedule, timers } from '../model/schedule.ts';
import type { ObjectStore } from '../store/store.ts';
import { type AddAction, type Commit, decodeCommit, type RemoveAction } from './delta-actions.ts';
import { entryFingerprint } from './entry-fingerprint.ts';
import { entryKey } from './log-keys.ts';
import { listLogFrom } from './log-listing.ts';
import { requireReadableProtocol } from './protocol.ts';

/** One entry of the log, without what only writers need. */
export interface LogEntry {
  readonly version: number;
  /** Names the content: two entries with one version and one fingerprint are the same. 16 hexadecimal digits. */
  readonly fingerprint: string;
  /** When it was committed, ms since the Unix epoch, by its writer's clock; undefined where it does not say. */
  readonly timeMs: number | undefined;
  readonly adds: readonly AddAction[];
  readonly removes: readonly RemoveAction[];
}

export interface LogTailOptions {
  /** How often the store is asked for the next entry while somebody waits, in ms. */
  readonly pollMs: number;
  /** How often it is asked whether the newest entry is still the same, in ms; at least `pollMs`. */
  readonly verifyMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly schedule?: Schedule;
  /** A version that exists, if one is known, so that finding the newest need not list them all; -1 if none is. */
  readonly hint?: () => number;
}

/** Where the log's end was, as somebody saw it. */
export interface TailPosition {
  readonly newest: number;
  /** How often the log has been set back. */
  readonly rewinds: number;
}

/** Where to begin for an instant. */
export interface VersionAtTime {
  /** The first version committed at the instant or later; one above the newest if none is. */
  readonly version: number;
  /** Whether it is certain that no version before it was: false when the log does not reach back that far. */
  readonly isFirst: boolean;
}

/** Entries kept in memory: those that watchers who follow read, each once. */
const CACHED_ENTRIES = 256;
/** Fingerprints kept, to find how far back a log was set. 30 bytes each. */
const KNOWN_FINGERPRINTS = 10_000;
/** Clocks of aggregators agree at least this well; beyond it `versionAt` may begin too late. */
const CLOCK_SKEW_MS = 600_000;

interface Waiter {
  readonly seen: TailPosition;
  resolve(): void;
  reject(error: unknown): void;
}

export class LogTail {
  readonly #store: ObjectStore;
  readonly #options: LogTailOptions;
  readonly #schedule: Schedule;
  /** Key of the table's root, without a slash at the end. */
  readonly root: string;
  #newest = -1;
  /** The newest version that was as before, for each time that the log was set back; -1: none. */
  readonly #commons: number[] = [];
  /** By version: of every entry that anybody here has read, as long as there is room. */
  readonly #fingerprints = new Map<number, string>();
  readonly #entries = new Map<number, Promise<LogEntry | undefined>>();
  readonly #waiters = new Set<Waiter>();
  #refreshing: Promise<void> | undefined;
  #verifiedAt = Number.NEGATIVE_INFINITY;
  /** When the store was last looked at, or this began. */
  #lookedAt: number;
  #cancelTimer: (() => void) | undefined;

  constructor(store: ObjectStore, root: string, options: LogTailOptions) {
    this.#store = store;
    this.root = root;
    this.#options = options;
    this.#schedule = options.schedule ?? timers;
    this.#lookedAt = options.now();
  }

  get position(): TailPosition {
    return { newest: this.#newest, rewinds: this.#commons.length };
  }

  /** The newest version that is as it was before the log was set back the n-th time (from 0) and ever since; -1: none. */
  lastCommonSince(rewinds: number): number {
    return Math.min(...this.#commons.slice(rewinds));
  }

  /** Looks at the store now. Calls at the same time share one look. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** Looks at the store, and whether the log is still the same. */
  async verify(): Promise<void> {
    await this.#refreshing?.catch(() => undefined);
    this.#verifiedAt = Number.NEGATIVE_INFINITY;
    await this.refresh();
  }

  /** The log has grown: whoever waits is told at once. */
  poke(): void {
    if (this.#waiters.size === 0) return;
    // A look that has begun may have been too early.
    if (this.#refreshing === undefined) void this.#poll();
    else void this.#refreshing.catch(() => undefined).then(() => this.#poll());
  }

  /** Resolves when the tail is no longer as seen, or when `signal` aborts; rejects when the store cannot be read. */
  changed(seen: TailPosition, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#isNews(seen)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', waiter.resolve);
        if (this.#waiters.size === 0) this.#stopTimer();
        settle();
      };
      const waiter: Waiter = {
        seen,
        resolve: () => done(resolve),
        reject: (error) => done(() => reject(error)),
      };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', waiter.resolve);
      this.#startTimer();
    });
  }

  /** The entry; undefined if there is none: not yet, or no longer. */
  entry(version: number): Promise<LogEntry | undefined> {
    const cached = this.#entries.get(version);
    if (cached !== undefined) {
      // The most recently used are the last.
      this.#entries.delete(version);
      this.#entries.set(version, cached);
      return cached;
    }
    const loading = this.#load(version).then(
      (entry) => {
        if (entry === undefined) this.#forget(version, loading);
        else this.#remember(entry);
        return entry;
      },
      (error: unknown) => {
        this.#forget(version, loading);
        throw error;
      },
    );
    this.#entries.set(version, loading);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= CACHED_ENTRIES) break;
      this.#entries.delete(oldest);
    }
    return loading;
  }

  /** The lowest version that has an entry; undefined if the log is empty. */
  async oldest(): Promise<number | undefined> {
    for await (const version of this.#list(-1)) return version;
    return undefined;
  }

  /** Where to begin for an instant, ms since the Unix epoch. As of the last refresh. */
  async versionAt(timeMs: number): Promise<VersionAtTime> {
    const oldest = (await this.oldest()) ?? 0;
    let low = oldest;
    let high = this.#newest + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((await this.#timeFrom(middle)) < timeMs - CLOCK_SKEW_MS) low = middle + 1;
      else high = middle;
    }
    // Within the skew times may go down, too: the first that is late enough counts.
    while (low <= this.#newest && ((await this.entry(low))?.timeMs ?? Number.NEGATIVE_INFINITY) < timeMs) low++;
    return { version: low, isFirst: oldest === 0 || low > oldest };
  }

  /** Nobody is told anything any more. */
  close(): void {
    this.#stopTimer();
    for (const waiter of this.#waiters) waiter.resolve();
  }

  #isNews(seen: TailPosition): boolean {
    return seen.newest !== this.#newest || seen.rewinds !== this.#commons.length;
  }

  /** Whoever waits again and again, each time for less than `pollMs`, is told, too. */
  #startTimer(): void {
    if (this.#cancelTimer !== undefined) return;
    const { pollMs, now } = this.#options;
    const waitMs = this.#lookedAt + pollMs - now();
    if (waitMs <= 0) {
      void this.#poll();
      return;
    }
    this.#cancelTimer = this.#schedule(() => {
      this.#cancelTimer = undefined;
      void this.#poll();
    }, waitMs);
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  async #poll(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      for (const waiter of this.#waiters) waiter.reject(error);
      return;
    }
    for (const waiter of this.#waiters) {
      if (this.#isNews(waiter.seen)) waiter.resolve();
    }
    if (this.#waiters.size > 0) this.#startTimer();
  }

  async #refresh(): Promise<void> {
    this.#lookedAt = this.#options.now();
    if (this.#newest < 0) {
      await this.#goToEnd(Math.max(-1, (this.#options.hint?.() ?? -1) - 1));
      if (this.#newest < 0) await this.#goToEnd(-1);
      return;
    }
    // By listing from time to time: whoever slept while the log was cleaned up finds nothing under the next number.
    const isDue = this.#options.now() - this.#verifiedAt >= this.#options.verifyMs;
    const found = isDue ? await this.#last(this.#newest) : await this.#following();
    if (!isDue && found.length === 0) return;
    // Looked at after what follows it: where the log was set back and has grown again, it has been written anew by then.
    const known = await this.#load(this.#newest);
    // An entry that is gone while later ones are there was cleaned up.
    const isCleaned = known === undefined && found.length > 0;
    if (!isCleaned && known?.fingerprint !== this.#fingerprints.get(this.#newest)) {
      await this.#setBack();
      return;
    }
    for (const entry of found) this.#append(entry);
    this.#verifiedAt = this.#options.now();
  }

  /** The entries that follow the newest known. */
  async #following(): Promise<LogEntry[]> {
    const found: LogEntry[] = [];
    for (;;) {
      const next = await this.#load(this.#newest + 1 + found.length);
      if (next === undefined) return found;
      found.push(next);
    }
  }

  /** The newest entry, if it is above `after`. */
  async #last(after: number): Promise<LogEntry[]> {
    let newest: number | undefined;
    for await (const version of this.#list(after)) newest = version;
    const entry = newest === undefined ? undefined : await this.#load(newest);
    return entry === undefined ? [] : [entry];
  }

  async #goToEnd(after: number): Promise<void> {
    for (const entry of await this.#last(after)) this.#append(entry);
    this.#verifiedAt = this.#options.now();
  }

  #append(entry: LogEntry): void {
    this.#newest = entry.version;
    this.#entries.set(entry.version, Promise.resolve(entry));
    this.#remember(entry);
  }

  /** What was seen first counts: another content under the same version means that the log was set back. */
  #remember({ version, fingerprint }: LogEntry): void {
    const known = this.#fingerprints.get(version);
    if (known !== undefined) {
      if (known !== fingerprint) this.#verifiedAt = Number.NEGATIVE_INFINITY;
      return;
    }
    this.#fingerprints.set(version, fingerprint);
    for (const oldest of this.#fingerprints.keys()) {
      if (this.#fingerprints.size <= KNOWN_FINGERPRINTS) break;
      if (oldest !== this.#newest) this.#fingerprints.delete(oldest);
    }
  }

  async #isSame(version: number): Promise<boolean> {
    return (await this.#load(version))?.fingerprint === this.#fingerprints.get(version);
  }

  /** Another history follows some version that both have: finds it, and goes to the end of the new one. */
  async #setBack(): Promise<void> {
    const oldest = (await this.oldest()) ?? Number.POSITIVE_INFINITY;
    const known = [...this.#fingerprints.keys()].filter((version) => version >= oldest).sort((a, b) => a - b);
    let low = 0;
    let high = known.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (await this.#isSame(known[middle]!)) low = middle + 1;
      else high = middle;
    }
    const common = known[low - 1] ?? -1;
    const last = await this.#last(common);
    // A log that is gone altogether is being put back: it says nothing before it is there.
    if (common < 0 && last.length === 0) return;
    for (const version of this.#fingerprints.keys()) {
      if (version > common) this.#fingerprints.delete(version);
    }
    this.#entries.clear();
    this.#newest = common;
    this.#commons.push(common);
    for (const entry of last) this.#append(entry);
    this.#verifiedAt = this.#options.now();
  }

  /** The time of the version, or of the first after it that has one. */
  async #timeFrom(version: number): Promise<number> {
    for (let next = version; next <= this.#newest; next++) {
      const timeMs = (await this.entry(next))?.timeMs;
      if (timeMs !== undefined) return timeMs;
    }
    return Number.POSITIVE_INFINITY;
  }

  #forget(version: number, loading: Promise<LogEntry | undefined>): void {
    if (this.#entries.get(version) === loading) this.#entries.delete(version);
  }

  async #load(version: number): Promise<LogEntry | undefined> {
    const key = entryKey(this.root, version);
    const bytes = await this.#store.get(key);
    if (bytes === undefined) return undefined;
    const commit = decodeCommit(bytes, key);
    if (commit.protocol !== undefined) {
      requireReadableProtocol(commit.protocol, `the table ${this.root} in ${this.#store.describe()}`);
    }
    return {
      version,
      fingerprint: entryFingerprint(bytes),
      timeMs: timeOf(commit),
      adds: commit.adds,
      removes: commit.removes,
    };
  }

  /** Versions above `after` that have an entry, in ascending order. */
  async *#list(after: number): AsyncIterable<number> {
    for await (const { kind, version } of listLogFrom(this.#store, this.root, after)) {
      if (kind === 'entry' && version > after) yield version;
    }
  }
}

function timeOf(commit: Commit): number | undefined {
  const timestamp = commit.commitInfo?.['timestamp'];
  if (typeof timestamp === 'number' && Number.isSafeInteger(timestamp)) return timestamp;
  return commit.adds.length === 0 ? undefined : Math.max(...commit.adds.map((add) => add.modificationTime));
}
