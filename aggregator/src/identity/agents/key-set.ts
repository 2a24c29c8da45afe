// The keys of whoever signs tokens (JWKS): read from a file or fetched, kept, and read again when they are old, or when a token names one
// that is not among them; not more often than every few seconds, whatever tokens say. What cannot be read leaves the last good ones. Knows
// no token.
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { FlowtollError } from '../../model/errors.ts';

export type Keys = ReturnType<typeof createLocalJWKSet>;

export interface KeySet {
  /** Rejects with IDENTITY_UNAVAILABLE while there were none yet, or none that are young enough. */
  current(): Promise<Keys>;
  /** Reads them anew, unless that was a moment ago; whether it did. */
  renew(): Promise<boolean>;
}

export interface KeySetParts {
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly log: { warn(fields: object, message: string): void };
}

/** From now on keys that the issuer took back are known no more. */
const RENEW_AFTER_MS = 300_000;
/** Keys that could not be renewed for so long are not believed any more. */
const BELIEVED_MS = 24 * 3_600_000;
const RENEW_EVERY_MS = 10_000;
const FETCH_MS = 10_000;
const BYTES_MAX = 1024 ** 2;
/** Kubernetes signs with RSA or EC; a secret shared by all is not a key that tells who signed. */
const KEY_TYPES: ReadonlySet<unknown> = new Set(['RSA', 'EC', 'OKP']);

/** @param load gives what stands in the file, or at the address, parsed */
export function createKeySet(source: string, load: () => Promise<unknown>, { now, log }: KeySetParts): KeySet {
  let keys: Keys | undefined;
  let readMs = Number.NEGATIVE_INFINITY;
  let triedMs = Number.NEGATIVE_INFINITY;
  let problem: string | undefined;
  let underWay: Promise<void> | undefined;

  const read = async (): Promise<void> => {
    triedMs = now();
    try {
      keys = keysOf(await load());
      readMs = now();
      problem = undefined;
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      if (said !== problem) log.warn({ keys: source }, `the keys of agents' tokens cannot be read: ${said}`);
      problem = said;
    }
  };
  const renew = async (): Promise<boolean> => {
    if (underWay === undefined) {
      if (now() - triedMs < RENEW_EVERY_MS) return false;
      underWay = read().finally(() => {
        underWay = undefined;
      });
    }
    await underWay;
    return problem === undefined;
  };
  return {
    async current() {
      if (now() - readMs > RENEW_AFTER_MS) await renew();
      if (keys === undefined || now() - readMs > BELIEVED_MS) {
        throw new FlowtollError(
          'IDENTITY_UNAVAILABLE',
          `there are no keys to check tokens with: ${source} cannot be read (${problem ?? 'just now'})`,
        );
      }
      return keys;
    },
    renew,
  };
}

function keysOf(document: unknown): Keys {
  const { keys } = (document ?? {}) as Partial<JSONWebKeySet>;
  if (!Array.isArray(keys)) throw new Error('it is no JWKS: a JSON object with "keys"');
  const usable = keys.filter((key) => KEY_TYPES.has(key?.kty));
  if (usable.length === 0) throw new Error('it has no key of type RSA, EC or OKP');
  return createLocalJWKSet({ keys: usable });
}

/** What a file holds. */
export function keysFromFile(path: string): () => Promise<unknown> {
  return async () => JSON.parse(await readFile(path, 'utf8'));
}

/** What stands at an address, by the authorities that this machine trusts. */
export function keysFromUrl(url: string): () => Promise<unknown> {
  return async () => {
    const answer = await fetch(url, {
      signal: AbortSignal.timeout(FETCH_MS),
      redirect: 'error',
      headers: { accept: 'application/jwk-set+json, application/json' },
    });
    if (answer.status !== 200) throw new Error(`HTTP ${answer.status}`);
    const text = await textOf(answer);
    return JSON.parse(text);
  };
}

async function textOf(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.length;
    if (bytes > BYTES_MAX) throw new Error(`it has more than ${BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
