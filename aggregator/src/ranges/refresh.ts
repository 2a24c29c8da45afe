// Keeps documents of address ranges up to date: fetches, reads, swaps, and keeps a copy. What fails leaves the last good copy in use, is
// counted, said once, and tried again, later each time.
import { ageText } from '../model/age-text.ts';
import { FlowtollError, lineOf } from '../model/errors.ts';
import type { Schedule } from '../model/schedule.ts';
import { type FetchParts, fetchRanges } from './fetch-ranges.ts';
import type { IpRanges, KnownRanges } from './ip-ranges.ts';
import { keepOrigins, keepRanges, type Origins, sha256Of } from './range-directory.ts';
import { RANGE_KINDS, type RangeName, type RangeSources } from './range-sources.ts';

const FIRST_RETRY_MS = 60_000;
const JITTER = 0.1;
/** Replicas that start together do not ask together. */
const START_SPREAD_MS = 10_000;

export interface RefreshConfig {
  /** Where copies are kept. */
  readonly directory: string;
  readonly sources: RangeSources;
  /** From one success to the next try. */
  readonly intervalMs: number;
}

export interface RefreshParts {
  readonly ranges: IpRanges;
  /** Of the copies that the directory has. */
  readonly origins: Origins;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly schedule: Schedule;
  /** From 0, inclusive, to 1, exclusive. */
  readonly random: () => number;
  readonly timeoutMs?: number;
}

/** What became of one try: a new edition is in use, or the one in use is still the newest. */
export type Refreshed = 'new' | 'unchanged';

export interface RangeRefresher {
  /** Tries that failed since the start of the process, of each document that has a source. */
  readonly failures: ReadonlyMap<RangeName, number>;
  /** Tries once. Throws RANGES_UNAVAILABLE or RANGES_INVALID; what is in use stays then, but where only the copy cannot be kept. */
  refresh(name: RangeName): Promise<Refreshed>;
  /** Goes on trying. */
  start(): void;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/** How refreshing one document goes. */
interface Progress {
  /** Failures in a row. */
  failed: number;
  /** What was said of them last. */
  said: string | undefined;
  cancel: () => void;
  running: Promise<void>;
}

export function createRangeRefresher(config: RefreshConfig, parts: RefreshParts): RangeRefresher {
  const { ranges, log, now, schedule, random } = parts;
  const failures = new Map<RangeName, number>([...config.sources.keys()].map((name) => [name, 0]));
  const stopping = new AbortController();
  const fetchParts: FetchParts = {
    schedule,
    signal: stopping.signal,
    ...(parts.timeoutMs !== undefined && { timeoutMs: parts.timeoutMs }),
  };
  const progress: Progress[] = [];
  let origins = parts.origins;
  /** One after the other: all write the same file of origins. */
  let turn: Promise<unknown> = Promise.resolve();

  function refresh(name: RangeName): Promise<Refreshed> {
    const result = turn.then(() => refreshNow(name));
    turn = result.catch(() => undefined);
    return result;
  }

  async function refreshNow(name: RangeName): Promise<Refreshed> {
    const source = config.sources.get(name);
    if (source === undefined) throw new FlowtollError('CONFIG_INVALID', `the document ${name} has no source`);
    const { file, link, parse } = RANGE_KINDS[name];
    const known = ranges.document(name);
    const kept = origins[file];
    const origin = kept !== undefined && kept.sha256 === known?.sha256 ? kept : undefined;
    const fetched = await fetchRanges(source, link, origin, fetchParts);
    const checkedMs = now();
    if (fetched.kind === 'unchanged') {
      ranges.confirm(name, checkedMs);
      if (origin !== undefined) await keepOrigin(file, { ...origin, checkedMs });
      return 'unchanged';
    }
    const { text, ...headers } = fetched;
    const sha256 = sha256Of(text);
    const isSame = sha256 === known?.sha256;
    if (isSame) {
      ranges.confirm(name, checkedMs);
    } else {
      const document = { ...parse(text, fetched.url), name, from: fetched.url, sha256, knownMs: checkedMs };
      refuseOlder(document, known);
      ranges.replace([document]);
    }
    if (!isSame || origin === undefined) await keepRanges(config.directory, file, text);
    await keepOrigin(file, {
      url: headers.url,
      etag: headers.etag,
      lastModified: headers.lastModified,
      checkedMs,
      sha256,
    });
    return isSame ? 'unchanged' : 'new';
  }

  async function keepOrigin(file: string, origin: Origins[string]): Promise<void> {
    origins = { ...origins, [file]: origin };
    await keepOrigins(config.directory, origins);
  }

  async function tryOnce(name: RangeName, state: Progress): Promise<void> {
    try {
      const result = await refresh(name);
      const document = ranges.document(name);
      if (state.said !== undefined) log.info({ document: name }, `address ranges: ${name} is refreshed again`);
      if (result === 'new' && document !== undefined) sayNew(document);
      state.failed = 0;
      state.said = undefined;
    } catch (error) {
      if (stopping.signal.aborted) return;
      failures.set(name, failures.get(name)! + 1);
      state.failed++;
      const reason = lineOf(error);
      if (state.said === reason) return;
      state.said = reason;
      const document = ranges.document(name);
      log.warn(
        {
          code: error instanceof FlowtollError ? error.code : undefined,
          document: name,
          ageSeconds: document && Math.round((now() - document.knownMs) / 1000),
        },
        `address ranges: ${reason}; ${remainsText(document, now())}; it is tried again`,
      );
    }
  }

  function sayNew({ name, list, skipped, firstProblem }: KnownRanges): void {
    log.info({ document: name, prefixes: list.count }, `address ranges: a new edition of ${name} is in use`);
    if (skipped > 0) log.warn({ document: name, skipped, firstProblem }, skippedText(name));
  }

  function delayMs({ failed }: Progress): number {
    const wait = failed === 0 ? config.intervalMs : Math.min(config.intervalMs, FIRST_RETRY_MS * 2 ** (failed - 1));
    return wait * (1 + JITTER * (2 * random() - 1));
  }

  function next(name: RangeName, state: Progress, afterMs: number): void {
    state.cancel = schedule(() => {
      state.running = tryOnce(name, state).then(() => {
        if (!stopping.signal.aborted) next(name, state, delayMs(state));
      });
    }, afterMs);
  }

  return {
    failures,
    refresh,
    start() {
      for (const name of config.sources.keys()) {
        const state: Progress = { failed: 0, said: undefined, cancel: () => undefined, running: Promise.resolve() };
        progress.push(state);
        next(name, state, random() * START_SPREAD_MS);
      }
    },
    async stop() {
      stopping.abort();
      for (const { cancel } of progress) cancel();
      await Promise.all(progress.map(({ running }) => running));
    },
  };
}

/** What the log says of a document with lines that cannot be read. */
export function skippedText(name: RangeName): string {
  return `address ranges: some prefixes of ${name} cannot be read and are left out: addresses in them may have no place`;
}

function remainsText(document: KnownRanges | undefined, nowMs: number): string {
  return document === undefined
    ? 'there is no copy, so its addresses have no place'
    : `the copy in use was the newest ${ageText(nowMs - document.knownMs)} ago`;
}

/** A mirror that is behind must not undo what is known. */
function refuseOlder({ edition, from }: KnownRanges, known: KnownRanges | undefined): void {
  if (edition === null || known === undefined || known.edition === null || edition >= known.edition) return;
  throw new FlowtollError(
    'RANGES_INVALID',
    `${from}: its edition ${edition} is older than ${known.edition}, which is in use; see why this source is behind`,
  );
}
