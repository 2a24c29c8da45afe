// Waits for what a test can see and nobody announces. Knows nothing of what it is.
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 5;

/** Resolves once `holds` returns something true, with it; rejects with what `describe` says when that takes too long. */
export async function until<T>(
  what: string,
  holds: () => T | false | undefined | null | Promise<T | false | undefined | null>,
  { patienceMs = 10_000, describe = () => '' }: { readonly patienceMs?: number; readonly describe?: () => string } = {},
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs} ms: ${what} ${describe()}`);
    await delay(LOOK_EVERY_MS);
  }
}
