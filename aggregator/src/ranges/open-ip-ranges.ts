// Address ranges for a process that runs on: what the directory has, and where asked for what keeps it up to date.

import { ageText } from '../model/age-text.ts';
import { FlowtollError } from '../model/errors.ts';
import { IpRanges } from './ip-ranges.ts';
import { readRangeDirectory } from './range-directory.ts';
import { RANGE_KINDS, RANGE_NAMES, type RangeName, type RangeSources } from './range-sources.ts';
import { createRangeRefresher, type RefreshParts, skippedText } from './refresh.ts';

export interface IpRangesConfig {
  readonly directory: string;
  /** From one refresh to the next, ms; false: never, and nothing is asked of any source. */
  readonly refreshMs: number | false;
  readonly sources: RangeSources;
}

/** What metrics tell. */
export interface IpRangesCounts {
  readonly documents: readonly { readonly name: RangeName; readonly knownMs: number; readonly skipped: number }[];
  /** By provider. */
  readonly prefixes: ReadonlyMap<string, number>;
  /** Undefined where nothing is refreshed. */
  readonly failures: ReadonlyMap<RangeName, number> | undefined;
}

export interface OpenIpRanges {
  readonly places: IpRanges;
  /** Live. */
  readonly counts: IpRangesCounts;
  /** Begins to refresh, where that is asked for. */
  start(): void;
  stop(): Promise<void>;
}

/**
 * Reads the directory. Without refresh throws RANGES_INVALID of a document that cannot be read, and CONFIG_INVALID where there is none:
 * nothing would mend it. With refresh only says so.
 */
export async function openIpRanges(
  { directory, refreshMs, sources }: IpRangesConfig,
  parts: Omit<RefreshParts, 'ranges' | 'origins'>,
): Promise<OpenIpRanges> {
  const { log, now } = parts;
  const { documents, origins, problems } = await readRangeDirectory(directory);
  for (const problem of problems) {
    if (refreshMs === false) throw problem;
    log.warn({ code: problem.code }, `address ranges: ${problem.message}; it is not used, and fetched again`);
  }
  if (documents.length === 0 && refreshMs === false) throw nothingIn(directory);
  const places = new IpRanges();
  places.replace(documents);
  for (const { name, list, knownMs, skipped, firstProblem } of places.documents) {
    const age = ageText(now() - knownMs);
    log.info({ document: name, prefixes: list.count, age }, `address ranges: ${name} is known, as of ${age} ago`);
    if (skipped > 0) log.warn({ document: name, skipped, firstProblem }, skippedText(name));
  }
  if (places.lacksGoogleCloud) {
    log.warn(
      { directory },
      'address ranges: goog.json is not used without cloud.json, which says what in it is not Google’s own',
    );
  }
  const refresher =
    refreshMs === false
      ? undefined
      : createRangeRefresher({ directory, sources, intervalMs: refreshMs }, { ...parts, ranges: places, origins });
  return {
    places,
    counts: {
      get documents() {
        return places.documents;
      },
      get prefixes() {
        return places.prefixes;
      },
      failures: refresher?.failures,
    },
    start: () => refresher?.start(),
    stop: async () => refresher?.stop(),
  };
}

/** CONFIG_INVALID: a directory without any document. */
export function nothingIn(directory: string): FlowtollError {
  const files = RANGE_NAMES.map((name) => RANGE_KINDS[name].file).join(', ');
  return new FlowtollError(
    'CONFIG_INVALID',
    `${directory} has none of ${files}: save them there, or let "flowtoll ip-ranges fetch" do it (docs/ip-ranges.md)`,
  );
}
