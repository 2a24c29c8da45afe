// How often what lasts is recorded in `endpoints`, and how far back readers look for it: any reader finds every holding that any writer
// keeps recording, whatever the two of them keep (`--keep-names`). Pure.

const HOUR_MS = 3_600_000;
const RENEWAL_MAX_MS = 12 * HOUR_MS;
/** Twice as long: a writer may have been away when a row was due. */
const LOOK_BACK_MIN_MS = 2 * RENEWAL_MAX_MS;

/** After this time a holding that lasts is recorded again, ms. Half of what is kept: readers that keep as long have it all the time. */
export function renewalMs(keepMs: number): number {
  return Math.min(keepMs / 2, RENEWAL_MAX_MS);
}

/** How far back rows are read, ms; what lasts and was not recorded for so long is over. */
export function lookBackMs(keepMs: number): number {
  return Math.max(keepMs, LOOK_BACK_MIN_MS);
}
