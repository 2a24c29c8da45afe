// One review by the Kubernetes API: a question that is posted, and an answer that makes no object there, so it may be asked twice. What
// keeps the API from answering is said as IDENTITY_UNAVAILABLE, which is no refusal of anybody. Knows HTTP's failures; knows no review.
import type { ApiClient } from '../kubernetes/api-client.ts';
import { ApiFailure } from '../kubernetes/api-failure.ts';
import type { Timing } from '../kubernetes/timing.ts';
import { FlowtollError } from '../model/errors.ts';

export interface ReviewKind {
  /** As in the API: "TokenReview". */
  readonly kind: string;
  readonly group: string;
  readonly plural: string;
}

/** Longest time without a byte, and longest time of a review with its second try, ms. */
const SILENCE_MS = 5000;
const REVIEW_MS = 12_000;
/** A user in a thousand groups is some ten thousand bytes. */
const ANSWER_BYTES_MAX = 1024 ** 2;

/**
 * The answer as it came. Rejects with IDENTITY_UNAVAILABLE.
 * @param secret does not stand in any message, whatever the server says
 */
export async function postReview(
  client: Pick<ApiClient, 'postJson' | 'server' | 'credentials'>,
  timing: Timing,
  { kind, group, plural }: ReviewKind,
  spec: object,
  secret?: string,
): Promise<unknown> {
  const apiVersion = `${group}/v1`;
  const late = new AbortController();
  const cancel = timing.schedule(() => late.abort(), REVIEW_MS);
  const post = () =>
    client.postJson(
      {
        path: `/apis/${apiVersion}/${plural}`,
        accept: 'application/json',
        signal: late.signal,
        silenceMs: SILENCE_MS,
      },
      { apiVersion, kind, spec },
      ANSWER_BYTES_MAX,
    );
  try {
    try {
      return await post();
    } catch (error) {
      // A connection that was kept open may have been closed by the other side; credentials may have been renewed.
      if (!isWorthAnotherTry(error)) throw error;
      return await post();
    }
  } catch (error) {
    throw unavailable(error, kind, { group, plural }, client, secret);
  } finally {
    cancel();
  }
}

function isWorthAnotherTry(error: unknown): boolean {
  return error instanceof ApiFailure && ['unreachable', 'cut', 'unauthorized'].includes(error.reason);
}

function unavailable(
  error: unknown,
  kind: string,
  { group, plural }: Pick<ReviewKind, 'group' | 'plural'>,
  { server, credentials }: Pick<ApiClient, 'server' | 'credentials'>,
  secret: string | undefined,
): FlowtollError {
  const said = error instanceof Error ? error.message : String(error);
  const what = secret ? said.replaceAll(secret, '…') : said;
  const advice =
    error instanceof ApiFailure && error.reason === 'forbidden'
      ? `bind the ClusterRole system:auth-delegator to the account of ${credentials}, or allow it to create ${plural}.${group} (docs/security.md)`
      : `check the API server and ${credentials}; nobody was refused, and it may be asked again`;
  // The failure itself may hold what the server said of the secret.
  return new FlowtollError('IDENTITY_UNAVAILABLE', `${server} made no ${kind} (${what}): ${advice}`);
}
