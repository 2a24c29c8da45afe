// A stream outlives the answer that let its reader in: while it is open, it is asked again and again whether they may still see what they
// see. Knows readers; knows no stream and nothing of how readers are known.
import { FlowtollError } from '../model/errors.ts';
import type { AllowedNamespaces, Reader } from '../model/reader.ts';
import type { Schedule } from '../model/schedule.ts';

export interface Sight {
  /** Name of the reader. */
  readonly reader: string;
  /** Namespaces that the request names. */
  readonly asked: readonly string[] | undefined;
  /** What the stream shows. */
  readonly seen: AllowedNamespaces;
  /** How often it is asked, ms. */
  readonly everyMs: number;
}

export interface AskingParts {
  readonly allowed: Reader['allowed'];
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly schedule: Schedule;
  /** The reader may no longer see it, or nobody has been able to say for too long. Once. */
  readonly onEnd: (why: FlowtollError) => void;
}

/** Whoever knows readers may be away for so long; longer, and a reader who was shut out meanwhile would read on. */
const UNSURE_MS = 300_000;

/** Begins; returns how to end it. */
export function keepAsking({ reader, asked, seen, everyMs }: Sight, parts: AskingParts): () => void {
  let sureAt = parts.now();
  let stopped = false;
  let cancel = () => {};

  const end = (why: FlowtollError): void => {
    if (stopped) return;
    stopped = true;
    parts.onEnd(why);
  };

  const ask = async (): Promise<void> => {
    try {
      const lost = lostOf(seen, await parts.allowed(asked));
      sureAt = parts.now();
      if (lost !== undefined) {
        end(new FlowtollError('READER_FORBIDDEN', `${reader} may no longer see ${lost}: ask for what is left`));
      }
    } catch (error) {
      const isUnsure = error instanceof FlowtollError && error.code === 'IDENTITY_UNAVAILABLE';
      if (!isUnsure || parts.now() - sureAt >= UNSURE_MS) {
        end(
          error instanceof FlowtollError
            ? error
            : new FlowtollError('IDENTITY_UNAVAILABLE', `it is not known whether ${reader} may read: see the log`, {
                cause: error,
              }),
        );
      }
    }
    if (!stopped) later();
  };
  const later = (): void => {
    cancel = parts.schedule(() => void ask(), everyMs);
  };
  later();
  return () => {
    stopped = true;
    cancel();
  };
}

/** What was seen and is no longer allowed, in words. */
function lostOf(seen: AllowedNamespaces, allowed: AllowedNamespaces): string | undefined {
  if (allowed === 'all') return undefined;
  if (seen === 'all') return 'all namespaces';
  const lost = [...seen].filter((namespace) => !allowed.has(namespace));
  return lost.length === 0 ? undefined : `namespace ${lost.join(', ')}`;
}
