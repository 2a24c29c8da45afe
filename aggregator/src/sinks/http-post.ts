// One HTTP request of a sink, and what its answer means: delivered, later, or never. Everything that speaks HTTP sends with it, so
// that time-outs, Retry-After and secrets are treated alike. Knows no payload.
import { STATUS_CODES } from 'node:http';
import { PayloadRefused, RetryLater } from './sink.ts';

export interface HttpTarget {
  readonly url: string;
  readonly method: 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Milliseconds since the Unix epoch, for a Retry-After that is a date. */
  readonly now: () => number;
}

/** Of an answer that is an error, so much is read: for the log, where it says what is wrong. */
const ANSWER_BYTES_MAX = 512;
/** A receiver that wants to be left alone for longer is asked after this. */
const RETRY_AFTER_MAX_MS = 600_000;

/** Shorter values of headers are no secrets: they would blot out words. */
const SECRET_LENGTH_MIN = 8;

/** Statuses beside 5xx after which the same request may succeed. */
const LATER: ReadonlySet<number> = new Set([408, 425, 429]);
/** Statuses that are about the endpoint or the credentials, not the payload: all payloads would become dead letters. */
const MISCONFIGURED: ReadonlySet<number> = new Set([401, 403, 404, 405, 407]);

export interface HttpAnswer {
  readonly status: number;
  /** Of an answer that is no error; at most `answerBytesMax`. */
  readonly body: Uint8Array;
}

/** Resolves to a 2xx answer. Throws RetryLater and PayloadRefused. */
export async function httpPost(
  target: HttpTarget,
  body: Uint8Array,
  signal: AbortSignal,
  answerBytesMax = ANSWER_BYTES_MAX,
): Promise<HttpAnswer> {
  const timeout = AbortSignal.timeout(target.timeoutMs);
  let response: Response;
  let answer: Uint8Array;
  try {
    response = await fetch(target.url, {
      method: target.method,
      headers: target.headers,
      body: body as Uint8Array<ArrayBuffer>,
      // An answer elsewhere is none: it would take secrets along, and make a GET of a POST.
      redirect: 'manual',
      signal: AbortSignal.any([timeout, signal]),
    });
    answer = await beginningOf(response, answerBytesMax);
  } catch (error) {
    if (timeout.aborted) {
      throw new RetryLater('timeout', `no answer in ${target.timeoutMs / 1000} s`, undefined, { cause: error });
    }
    throw new RetryLater('unreachable', reasonOf(error), undefined, { cause: error });
  }
  if (response.ok) return { status: response.status, body: answer };
  throw errorOf(response, withoutSecrets(new TextDecoder().decode(answer), target), target.now());
}

/** What a receiver says may repeat what it was sent. */
function withoutSecrets(text: string, { headers }: HttpTarget): string {
  const values = Object.values(headers).filter((value) => value.length >= SECRET_LENGTH_MIN);
  return values.reduce((cleaned, value) => cleaned.replaceAll(value, '***'), text);
}

function errorOf(response: Response, answer: string, nowMs: number): RetryLater | PayloadRefused {
  const { status } = response;
  const said = answer.replaceAll(/\s+/g, ' ').trim();
  const message = `the answer was ${status} ${STATUS_CODES[status] ?? ''}${said === '' ? '' : `: ${said}`}`;
  const reason = `status-${status}`;
  if (status >= 500 || LATER.has(status)) {
    return new RetryLater(reason, message, retryAfterMs(response.headers.get('retry-after'), nowMs));
  }
  if (status < 400 || MISCONFIGURED.has(status)) {
    return new RetryLater(reason, `${message}; correct the url and headers of the sink`);
  }
  return new PayloadRefused(reason, message);
}

/** Seconds or a date (RFC 9110, 10.2.3); undefined for text that is neither. */
export function retryAfterMs(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS);
}

/** Reads at most so much; the rest is not waited for. */
async function beginningOf(response: Response, bytesMax: number): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk.subarray(0, bytesMax - size));
    size += chunk.length;
    if (size >= bytesMax) break;
  }
  return Buffer.concat(chunks);
}

/** What fetch says says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? `${String(cause.code)} ` : '';
  return `the request failed: ${code}${cause instanceof Error ? cause.message : String(cause)}`;
}
