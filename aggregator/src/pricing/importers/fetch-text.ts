// One document over HTTP: time and size are bounded, what may pass is tried again with growing pauses. The fetch function, the
// clock and the dice are passed in. Knows no provider.
import { FlowtollError } from '../../model/errors.ts';

/** What the outside world does for us. */
export interface FetchWorld {
  readonly fetch: typeof globalThis.fetch;
  readonly sleep: (ms: number) => Promise<void>;
  readonly nowMs: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** How far we go. */
export interface FetchLimits {
  readonly attempts: number;
  /** The longest silence of a server, before and within its answer. */
  readonly silenceMs: number;
  /** The most that a document may have, unpacked. */
  readonly maxBytes: number;
  /** The first pause; each following one may be twice as long. */
  readonly firstPauseMs: number;
  /** The longest pause, also if the server asks for more: then it is given up. */
  readonly longestPauseMs: number;
}

export const FETCH_LIMITS: FetchLimits = {
  attempts: 6,
  silenceMs: 30_000,
  maxBytes: 128 * 2 ** 20,
  firstPauseMs: 500,
  longestPauseMs: 120_000,
};

/** An answer or failure that another attempt may mend. */
class Passing extends Error {
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * The text at `url`. Throws PRICE_DOCUMENT_UNAVAILABLE when it cannot be had. With `headers` (a key), no redirect is followed: it
 * could carry them elsewhere.
 */
export async function fetchText(
  url: URL,
  world: FetchWorld,
  limits: FetchLimits = FETCH_LIMITS,
  headers?: Readonly<Record<string, string>>,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchOnce(url, world, limits, headers);
    } catch (error) {
      if (!(error instanceof Passing)) throw error;
      if (attempt === limits.attempts) {
        throw unavailable(url, `${error.message}, ${attempt} times in a row; try again later`, error);
      }
      const most = Math.min(limits.firstPauseMs * 2 ** (attempt - 1), limits.longestPauseMs);
      const pauseMs = error.retryAfterMs ?? most * (0.5 + world.random() / 2);
      if (pauseMs > limits.longestPauseMs) {
        const seconds = Math.ceil(pauseMs / 1000);
        throw unavailable(url, `${error.message} and asks to wait ${seconds} s; try again then`, error);
      }
      await world.sleep(pauseMs);
    }
  }
}

async function fetchOnce(
  url: URL,
  world: FetchWorld,
  limits: FetchLimits,
  headers: Readonly<Record<string, string>> | undefined,
): Promise<string> {
  const abort = new AbortController();
  const silence = `was silent for ${limits.silenceMs / 1000} s`;
  const timer = setTimeout(() => abort.abort(new Passing(silence)), limits.silenceMs);
  try {
    const response = await world.fetch(url, {
      ...{ signal: abort.signal, redirect: headers === undefined ? 'follow' : 'manual' },
      headers: { accept: 'application/json, text/csv;q=0.9', ...headers },
    });
    timer.refresh();
    if (!response.ok) {
      await response.body?.cancel();
      throw refusalOf(url, response, world.nowMs());
    }
    return await bodyText(url, response, limits, () => timer.refresh());
  } catch (error) {
    if (error instanceof FlowtollError || error instanceof Passing) throw error;
    if (abort.signal.aborted) throw new Passing(silence, undefined, { cause: error });
    throw new Passing(`failed (${reasonOf(error)})`, undefined, { cause: error });
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

async function bodyText(url: URL, response: Response, limits: FetchLimits, heard: () => void): Promise<string> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of response.body ?? []) {
    heard();
    byteCount += chunk.byteLength;
    if (byteCount > limits.maxBytes) throw tooLarge(addressOf(url), limits.maxBytes);
    chunks.push(chunk);
  }
  return decodeText(Buffer.concat(chunks), addressOf(url));
}

/** UTF-8 → text, without a byte order mark. Throws PRICE_DOCUMENT_INVALID for anything else. */
export function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FlowtollError('PRICE_DOCUMENT_INVALID', `${name} is no UTF-8 text; unpack it first if it is packed`, {
      cause,
    });
  }
}

/** The error for a document above the limit. */
export function tooLarge(name: string, maxBytes: number): FlowtollError {
  return new FlowtollError(
    'PRICE_DOCUMENT_INVALID',
    `${name} has more than ${maxBytes} bytes; save the part that is needed (docs/importing-prices.md shows how) and give the file`,
  );
}

function refusalOf(url: URL, response: Response, nowMs: number): Error {
  const text = `answered ${response.status}${response.statusText === '' ? '' : ` ${response.statusText}`}`;
  const mayPass = response.status === 408 || response.status === 429 || response.status >= 500;
  if (mayPass) return new Passing(text, retryAfterMs(response.headers.get('retry-after'), nowMs));
  const advice =
    response.status === 401 || response.status === 403 || response.status === 400
      ? 'check the address and the key'
      : 'check the address';
  return unavailable(url, `${text}; ${advice}`);
}

/** Seconds or a date, as RFC 9110 has it. */
function retryAfterMs(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]!;
}

function unavailable(url: URL, what: string, cause?: unknown): FlowtollError {
  return new FlowtollError('PRICE_DOCUMENT_UNAVAILABLE', `${addressOf(url)} ${what}`, { cause });
}

/** An address that may be shown: without user, password and key. */
export function addressOf(url: URL): string {
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  // Deleting what is not there would write the rest anew, as "%24filter".
  if (shown.searchParams.has('key')) shown.searchParams.delete('key');
  return shown.href;
}
