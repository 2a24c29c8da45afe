// A place in the table as text: what a watcher keeps to go on from. Version and row, and what is needed to notice that the
// log is no longer the same. Pure.
import { FlowtollError } from '../model/errors.ts';

/** The next row of a version, or the end of it. */
export interface Position {
  readonly version: number;
  /** Index of the file among those whose rows are new in the version; END: all of the version is behind. */
  readonly step: number;
  /** Index of the row in that file. Filters do not matter. */
  readonly row: number;
  /** When the version was committed, ms since the Unix epoch; undefined where its entry does not say. */
  readonly timeMs: number | undefined;
  /** Of the version's entry in the log. */
  readonly fingerprint: string;
}

/** The step of a position that is behind all of its version. */
export const END = -1;

// Format, version, step, row, time, fingerprint.
const TOKEN = /^1-(\d{1,15})-(\d{1,9}|e)-(\d{1,15})-(\d{1,15}|u)-([0-9a-f]{16})$/;

export function formatToken({ version, step, row, timeMs, fingerprint }: Position): string {
  return `1-${version}-${step === END ? 'e' : step}-${row}-${timeMs ?? 'u'}-${fingerprint}`;
}

/** Throws REQUEST_INVALID for text that is no token. */
export function parseToken(text: string): Position {
  const match = TOKEN.exec(text);
  if (match === null) {
    throw new FlowtollError(
      'REQUEST_INVALID',
      `${JSON.stringify(text.slice(0, 100))} is no resume token of this version of Flowtoll: use the text of the last message as it is`,
    );
  }
  const [, version, step, row, timeMs, fingerprint] = match;
  return {
    version: Number(version),
    step: step === 'e' ? END : Number(step),
    row: Number(row),
    timeMs: timeMs === 'u' ? undefined : Number(timeMs),
    fingerprint: fingerprint!,
  };
}
