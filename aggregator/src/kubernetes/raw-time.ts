// Times of Kubernetes' objects → milliseconds.
import type { RawTime } from './raw-objects.ts';

/** Since the Unix epoch; null where there is no time. */
export function timeMs(time: RawTime | undefined): number | null {
  if (time === undefined) return null;
  const ms = typeof time === 'number' ? time : Date.parse(time);
  // Kubernetes writes year 1 for "not known".
  return Number.isNaN(ms) || ms <= 0 ? null : ms;
}
