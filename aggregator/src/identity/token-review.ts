// Who has a bearer token, as the Kubernetes API says it (TokenReview): signature, expiry, audience, and that the account and the pod it
// is bound to are still there. Answers are remembered for a short time by the token's SHA-256; tokens themselves are kept nowhere and
// said to nobody but the API. Knows the protocol; decides nothing about who may do what.
import { createHash } from 'node:crypto';
import type { ApiClient } from '../kubernetes/api-client.ts';
import type { Timing } from '../kubernetes/timing.ts';
import { FlowtollError } from '../model/errors.ts';
import { createReviewCache, type Kept, REVIEW_CACHE_DEFAULTS, type ReviewCounts } from './review-cache.ts';
import { postReview } from './review-request.ts';

/** Somebody, as the API server knows them. */
export interface TokenIdentity {
  /** "system:serviceaccount:NAMESPACE:NAME" for service accounts. */
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
  /** The pod that the token is bound to. */
  readonly podName?: string;
  readonly podUid?: string;
  /** The node of that pod; Kubernetes says it from 1.30 on. */
  readonly nodeName?: string;
}

export type TokenRefusal =
  | 'malformed' // no server would take it: it was not asked
  | 'not-authenticated' // forged, expired, or of an account or pod that is gone
  | 'wrong-audience'; // somebody's token, but not for us

export type TokenVerdict =
  | { readonly accepted: true; readonly identity: TokenIdentity }
  | { readonly accepted: false; readonly reason: TokenRefusal };

export interface TokenReviewConfig {
  /** The audience that tokens must have. */
  readonly audience: string;
  /** For how long an identity is believed without asking again, ms. Default 30 s; never beyond what the token itself says. */
  readonly acceptedMs?: number;
  /** The same for a refusal. Default 10 s. */
  readonly refusedMs?: number;
  /** Answers of each kind that are remembered. Default 10,000. */
  readonly entriesMax?: number;
}

export interface TokenReviewer {
  readonly counts: Readonly<ReviewCounts>;
  /** Rejects with IDENTITY_UNAVAILABLE when the API does not answer: nobody is refused then, nor accepted. */
  review(token: string): Promise<TokenVerdict>;
}

interface RawTokenReview {
  readonly kind?: string;
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: {
      readonly username?: string;
      readonly uid?: string;
      readonly groups?: readonly string[];
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
  };
}

const TOKEN_REVIEW = { kind: 'TokenReview', group: 'authentication.k8s.io', plural: 'tokenreviews' };
const EXTRA = 'authentication.kubernetes.io/';
const ACCEPTED_MS = 30_000;
const REFUSED_MS = 10_000;
/** RFC 6750's characters of a bearer token; a service account's token is some 1,200 of them. */
const BEARER = /^[\w.~+/=-]{1,16384}$/;

export function createTokenReviewer(
  config: TokenReviewConfig,
  {
    client,
    timing,
  }: { readonly client: Pick<ApiClient, 'postJson' | 'server' | 'credentials'>; readonly timing: Timing },
): TokenReviewer {
  const { audience, acceptedMs = ACCEPTED_MS, refusedMs = REFUSED_MS } = config;
  const cache = createReviewCache<TokenVerdict>(
    { ...REVIEW_CACHE_DEFAULTS, ...(config.entriesMax === undefined ? {} : { entriesMax: config.entriesMax }) },
    timing.now,
  );

  const ask = async (token: string): Promise<Kept<TokenVerdict>> => {
    const answer = await postReview(client, timing, TOKEN_REVIEW, { token, audiences: [audience] }, token);
    const value = verdictOf(answer as RawTokenReview | null, audience);
    const untilMs = timing.now() + (value.accepted ? acceptedMs : refusedMs);
    return { value, isGood: value.accepted, untilMs: value.accepted ? Math.min(untilMs, expiryMs(token)) : untilMs };
  };

  return {
    counts: cache.counts,
    async review(token) {
      if (!BEARER.test(token)) return { accepted: false, reason: 'malformed' };
      return cache.get(createHash('sha256').update(token).digest('hex'), () => ask(token));
    },
  };
}

function verdictOf(review: RawTokenReview | null, audience: string): TokenVerdict {
  const status = review?.status;
  if (review?.kind !== TOKEN_REVIEW.kind || status === undefined) {
    throw new FlowtollError('IDENTITY_UNAVAILABLE', 'the Kubernetes API answered a TokenReview with something else');
  }
  if (status.authenticated !== true) return { accepted: false, reason: 'not-authenticated' };
  // No audiences at all: the server does not know of them, and vouches for its own alone.
  if (!status.audiences?.includes(audience)) return { accepted: false, reason: 'wrong-audience' };
  const { username, uid, groups, extra } = status.user ?? {};
  if (!username) return { accepted: false, reason: 'not-authenticated' };
  const first = (name: string) => extra?.[`${EXTRA}${name}`]?.[0];
  const [podName, podUid, nodeName] = [first('pod-name'), first('pod-uid'), first('node-name')];
  return {
    accepted: true,
    identity: {
      username,
      uid: uid ?? '',
      groups: groups ?? [],
      extra: extra ?? {},
      ...(podName && { podName }),
      ...(podUid && { podUid }),
      ...(nodeName && { nodeName }),
    },
  };
}

/**
 * When a token says that it expires, ms since the Unix epoch; infinity where it says nothing. Not checked: the server has done so, and
 * it shortens for how long the server is believed, never more.
 */
export function expiryMs(token: string): number {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      exp?: unknown;
    } | null;
    return typeof claims?.exp === 'number' ? claims.exp * 1000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
