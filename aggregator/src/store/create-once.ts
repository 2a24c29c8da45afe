// The conditional write of the stores of clouds, tried once or as often as is safe: a second try whose first was a success with
// a lost answer would report its own object as another's. Knows no cloud.
import { setTimeout as delay } from 'node:timers/promises';
import type { PutIfAbsentResult } from './store.ts';

/** Tries of a write that the server says it has not done. */
const ATTEMPTS = 5;
const DELAY_MS = 100;

/** What errors of a client tell. */
export interface WriteErrors {
  /** The condition did not hold: there is such an object. */
  isAlreadyThere(error: unknown): boolean;
  /** The request has certainly not been carried out, and may be later. */
  isNotWritten(error: unknown): boolean;
}

/** `write` is one request that the client must not repeat. Throws its last error when nobody knows, or after too many tries. */
export async function createOnce(write: () => Promise<unknown>, errors: WriteErrors): Promise<PutIfAbsentResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      await write();
      return 'created';
    } catch (error) {
      if (errors.isAlreadyThere(error)) {
        return 'exists';
      }
      if (!errors.isNotWritten(error) || attempt >= ATTEMPTS) {
        throw error;
      }
      await delay(DELAY_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
    }
  }
}

/** The server could not be reached: it has done nothing. By the code of the system's error, or of what caused it. */
export function isNotReached(error: unknown): boolean {
  if (!(error instanceof Error)) {
    return false;
  }
  const code = 'code' in error ? String(error.code) : '';
  return NOT_REACHED.has(code) || isNotReached(error.cause);
}

const NOT_REACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
