// One watcher: from a place in the table, all rows that follow, each once, in the order of the log, for ever. Decides what is
// a message (rows, removals, a log set back), what is silent (compaction), and what cannot be told any more. Pulled: nothing
// is read before it is asked for. Knows the log and files; knows no gRPC.
import { FlowtollError } from '../model/errors.ts';
import type { Schedule } from '../model/schedule.ts';
import type { ObjectStore } from '../store/store.ts';
import type { LogEntry, LogTail } from '../table/log-tail.ts';
import { dataFileKey, firstReadableVersion } from '../table/readable-versions.ts';
import { type RowRemoval, rowChanges } from '../table/row-changes.ts';
import type { DataFileSource } from './data-file-source.ts';
import { type ExpiredReason, type MissedRows, ResumeExpiredError } from './resume-expired.ts';
import { END, formatToken, type Position, parseToken } from './resume-token.ts';
import type { RowQuery } from './row-query.ts';
import type { RowReader } from './row-reader.ts';

/** Where a watcher begins. */
export type WatchStart =
  | { readonly at: 'now' }
  | { readonly at: 'oldest' }
  | { readonly at: 'token'; readonly token: string }
  | { readonly at: 'version'; readonly version: number }
  /** ms since the Unix epoch. */
  | { readonly at: 'time'; readonly timeMs: number };

export type WatchEvent =
  /** `bytes`: an encoded WatchResponse, token included. */
  | { readonly kind: 'rows'; readonly token: string; readonly bytes: Uint8Array; readonly rowCount: number }
  | {
      readonly kind: 'progress';
      readonly token: string;
      readonly version: number;
      readonly timeMs: number | undefined;
      readonly newestVersion: number;
      readonly caughtUp: boolean;
    }
  | {
      readonly kind: 'removal';
      readonly token: string;
      readonly version: number;
      readonly timeMs: number | undefined;
      readonly removal: RowRemoval;
    }
  | { readonly kind: 'rewind'; readonly token: string; readonly lastCommonVersion: number | undefined };

export interface WatchDependencies {
  readonly store: ObjectStore;
  readonly tail: LogTail;
  readonly files: DataFileSource;
  readonly reader: RowReader;
  readonly schedule: Schedule;
  /** After how long without a message one says where the stream is, in ms. */
  readonly heartbeatMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/**
 * The events, until `signal` aborts. Throws ResumeExpiredError, REQUEST_INVALID, STORE_UNAVAILABLE, TABLE_INVALID; what was
 * yielded before is sound.
 */
export function watch(
  start: WatchStart,
  query: RowQuery,
  dependencies: WatchDependencies,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, undefined> {
  return new Watcher(query, dependencies, signal).run(start);
}

class Watcher {
  readonly #query: RowQuery;
  readonly #dependencies: WatchDependencies;
  readonly #tail: LogTail;
  readonly #signal: AbortSignal;
  /** What comes next. */
  #position!: Position;
  /** When the last message was, and whether it said that there is no more. */
  #toldAt = 0;
  #toldCaughtUp = false;
  #rewindsSeen = 0;

  constructor(query: RowQuery, dependencies: WatchDependencies, signal: AbortSignal) {
    this.#query = query;
    this.#dependencies = dependencies;
    this.#tail = dependencies.tail;
    this.#signal = signal;
  }

  async *run(start: WatchStart): AsyncGenerator<WatchEvent, void, undefined> {
    yield await this.#start(start);
    while (!this.#signal.aborted) {
      const rewind = await this.#rewindIfSetBack();
      if (rewind !== undefined) yield rewind;
      yield* this.#restOfVersion();
      if (this.#signal.aborted) return;
      if (await this.#advance()) {
        if (this.#isSilentTooLong()) yield this.#progress();
      } else if (!this.#isSetBack()) {
        if (!this.#toldCaughtUp) yield this.#progress();
        if (!(await this.#waitForNews()) && !this.#signal.aborted) yield this.#progress();
      }
    }
  }

  /** Finds the place; the first message. */
  async #start(start: WatchStart): Promise<WatchEvent> {
    await this.#tail.verify();
    this.#rewindsSeen = this.#tail.position.rewinds;
    if (this.#tail.position.newest < 0) {
      throw new FlowtollError('TABLE_INVALID', `the table ${this.#tail.root} has no log: it was removed`);
    }
    const position = await this.#placeOf(start);
    if (position === undefined) return this.#rewindTo(-1);
    this.#position = position;
    return this.#progress();
  }

  /** What is left of the version that the position is in; then the position is behind it. */
  async *#restOfVersion(): AsyncGenerator<WatchEvent, void, undefined> {
    if (this.#position.step === END) return;
    const entry = await this.#tail.entry(this.#position.version);
    if (entry === undefined) {
      await this.#tail.verify();
      if (this.#isSetBack()) return;
      throw await this.#expired('log-cleaned', this.#position);
    }
    const { files, removal } = rowChanges(entry);
    for (let step = this.#position.step; step < files.length; step++) {
      const behind: Position = { ...this.#position, step: step + 1 < files.length ? step + 1 : END, row: 0 };
      yield* this.#rowsOf(files[step]!.path, behind);
      if (this.#signal.aborted) return;
      this.#position = behind;
    }
    this.#position = { ...this.#position, step: END, row: 0 };
    if (removal !== undefined) {
      const { version, timeMs } = entry;
      yield this.#tell({ kind: 'removal', token: formatToken(this.#position), version, timeMs, removal });
    }
  }

  /** To the next version, if it is there. */
  async #advance(): Promise<boolean> {
    const version = this.#position.version + 1;
    if (version > this.#tail.position.newest) return false;
    const entry = await this.#tail.entry(version);
    if (entry === undefined) {
      await this.#tail.verify();
      if (this.#isSetBack()) return false;
      throw await this.#expired('log-cleaned', { version, timeMs: this.#position.timeMs });
    }
    this.#position = placeIn(entry, 0);
    return true;
  }

  /** Undefined: the place is in another history, and the whole of this one is to be told. */
  async #placeOf(start: WatchStart): Promise<Position | undefined> {
    const { newest } = this.#tail.position;
    switch (start.at) {
      case 'now':
        return this.#endOf(newest);
      case 'oldest':
        return this.#startOf(await firstReadableVersion(this.#dependencies.store, this.#tail, 0));
      case 'token':
        return this.#resume(parseToken(start.token));
      case 'version':
        if (start.version > newest + 1) {
          throw new FlowtollError(
            'REQUEST_INVALID',
            `version ${start.version} is not there yet: the newest is ${newest}, and ${newest + 1} may be waited for`,
          );
        }
        return this.#startOf(start.version);
      case 'time': {
        const { version, isFirst } = await this.#tail.versionAt(start.timeMs);
        if (isFirst) return this.#startOf(version);
        throw await this.#expired('log-cleaned', { version: 0, timeMs: start.timeMs });
      }
    }
  }

  async #resume(position: Position): Promise<Position | undefined> {
    const { newest } = this.#tail.position;
    const entry = await this.#tail.entry(position.version);
    if (entry?.fingerprint === position.fingerprint) return position;
    if (entry === undefined && position.version < newest) {
      // Who had all of the last version that was cleaned up misses nothing; whether it was this one's, nobody can say.
      if (position.step === END && (await this.#tail.entry(position.version + 1)) !== undefined) return position;
      throw await this.#expired('log-cleaned', position);
    }
    if ((await this.#tail.oldest()) === 0) return undefined;
    throw await this.#expired('rewound', { version: 0, timeMs: undefined });
  }

  /** The first row of the version, or the end of the one before where it is not there yet. */
  async #startOf(version: number): Promise<Position> {
    if (version > this.#tail.position.newest) return this.#endOf(this.#tail.position.newest);
    const entry = await this.#tail.entry(version);
    if (entry !== undefined) return placeIn(entry, 0);
    throw await this.#expired('log-cleaned', { version, timeMs: undefined });
  }

  async #endOf(version: number): Promise<Position> {
    const entry = await this.#tail.entry(version);
    if (entry === undefined)
      throw new FlowtollError('STORE_UNAVAILABLE', 'the log changes while it is read: try again');
    return placeIn(entry, END);
  }

  #isSetBack(): boolean {
    return this.#tail.position.rewinds !== this.#rewindsSeen;
  }

  /** When the log was set back behind the position: goes to where it is as it was. */
  async #rewindIfSetBack(): Promise<WatchEvent | undefined> {
    if (!this.#isSetBack()) return undefined;
    const common = this.#tail.lastCommonSince(this.#rewindsSeen);
    this.#rewindsSeen = this.#tail.position.rewinds;
    return common >= this.#position.version ? undefined : this.#rewindTo(common);
  }

  /** @param common the last version that is as it was; -1: the table is another one, and all of it comes */
  async #rewindTo(common: number): Promise<WatchEvent> {
    if (common < 0) {
      const entry = await this.#tail.entry(0);
      if (entry === undefined) throw await this.#expired('rewound', { version: 0, timeMs: undefined });
      this.#position = placeIn(entry, 0);
    } else {
      this.#position = await this.#endOf(common);
    }
    const token = formatToken(this.#position);
    return this.#tell({ kind: 'rewind', token, lastCommonVersion: common < 0 ? undefined : common });
  }

  async *#rowsOf(path: string, behind: Position): AsyncGenerator<WatchEvent, void, undefined> {
    const { files, reader } = this.#dependencies;
    const key = dataFileKey(this.#tail.root, path);
    const file = await files.open(key);
    if (file === undefined) throw await this.#expired('files-vacuumed', this.#position);
    try {
      const request = { path: file.path, query: this.#query, from: this.#position, behind };
      for await (const { bytes, rowCount, next } of reader.read(request)) {
        this.#position = next;
        yield this.#tell({ kind: 'rows', token: formatToken(next), bytes, rowCount });
        if (this.#signal.aborted) return;
      }
    } catch (error) {
      if (error instanceof FlowtollError) throw error;
      if (!(await files.exists(key))) throw await this.#expired('files-vacuumed', this.#position);
      throw unreadable(key, error);
    } finally {
      await file.release();
    }
  }

  /** Says what is missed from the place on, and where to go on. */
  async #expired(reason: ExpiredReason, place: Pick<Position, 'version' | 'timeMs'>): Promise<ResumeExpiredError> {
    await this.#tail.verify();
    const { newest } = this.#tail.position;
    const first = await firstReadableVersion(this.#dependencies.store, this.#tail, place.version);
    const goOn = await this.#startOf(Math.max(first, Math.min(place.version + 1, newest + 1)));
    const missed: MissedRows = {
      reason,
      fromVersion: place.version,
      toVersion: goOn.step === END ? goOn.version : goOn.version - 1,
      fromTimeMs: place.timeMs,
      toTimeMs: goOn.timeMs,
      resumeToken: formatToken(goOn),
    };
    return new ResumeExpiredError(missed);
  }

  #progress(): WatchEvent {
    const newestVersion = this.#tail.position.newest;
    const { version, timeMs, step } = this.#position;
    const caughtUp = step === END && version === newestVersion;
    return this.#tell({
      kind: 'progress',
      token: formatToken(this.#position),
      version,
      timeMs,
      newestVersion,
      caughtUp,
    });
  }

  #tell(event: WatchEvent): WatchEvent {
    this.#toldCaughtUp = event.kind === 'progress' && event.caughtUp;
    this.#toldAt = this.#dependencies.now();
    return event;
  }

  #isSilentTooLong(): boolean {
    return this.#dependencies.now() - this.#toldAt >= this.#dependencies.heartbeatMs;
  }

  /** True: the log has changed. False: it is time to say something, or to end. */
  async #waitForNews(): Promise<boolean> {
    const waiting = new AbortController();
    const abort = () => waiting.abort();
    const cancel = this.#dependencies.schedule(abort, this.#dependencies.heartbeatMs);
    this.#signal.addEventListener('abort', abort);
    try {
      await this.#tail.changed({ newest: this.#position.version, rewinds: this.#rewindsSeen }, waiting.signal);
    } finally {
      cancel();
      this.#signal.removeEventListener('abort', abort);
    }
    return !waiting.signal.aborted;
  }
}

function placeIn({ version, timeMs, fingerprint }: LogEntry, step: number): Position {
  return { version, step, row: 0, timeMs, fingerprint };
}

function unreadable(key: string, error: unknown): FlowtollError {
  const [what] = (error instanceof Error ? error.message : String(error)).split('\n');
  return new FlowtollError('TABLE_INVALID', `${key} cannot be read: restore it from a backup (${what})`, {
    cause: error,
  });
}
