// Losses of windows for which there was no room, until a batch takes them along. At most two per reason, whatever the
// number of windows: bytes that are known add up, those that nobody knows stay apart; the interval grows.
import type { BatchLoss } from './batch-codec.ts';

export class CarriedLosses {
  readonly #losses = new Map<string, BatchLoss>();

  add(losses: readonly BatchLoss[]): void {
    for (const loss of losses) {
      const key = `${loss.reason} ${loss.bytes === undefined ? 'unknown' : 'known'}`;
      const earlier = this.#losses.get(key);
      this.#losses.set(key, earlier === undefined ? loss : merged(earlier, loss));
    }
  }

  list(): BatchLoss[] {
    return [...this.#losses.values()];
  }

  clear(): void {
    this.#losses.clear();
  }
}

function merged(a: BatchLoss, b: BatchLoss): BatchLoss {
  return {
    reason: a.reason,
    entries: sum(a.entries, b.entries),
    bytes: sum(a.bytes, b.bytes),
    startUs: Math.min(a.startUs, b.startUs),
    endUs: Math.max(a.endUs, b.endUs),
  };
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  return Number.isSafeInteger(a + b) ? a + b : undefined;
}
