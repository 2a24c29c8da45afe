// Whether somebody may do something, as the Kubernetes API decides it (SubjectAccessReview): RBAC, or whatever the cluster has besides. The
// resource need not exist. Answers are remembered for a short time. Knows the protocol; does not know what is asked for.
import { createHash } from 'node:crypto';
import type { ApiClient } from '../kubernetes/api-client.ts';
import type { Timing } from '../kubernetes/timing.ts';
import { FlowtollError } from '../model/errors.ts';
import { createReviewCache, REVIEW_CACHE_DEFAULTS, type ReviewCounts } from './review-cache.ts';
import { postReview } from './review-request.ts';
import type { TokenIdentity } from './token-review.ts';

/** What shall be done. */
export interface ResourceAccess {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  /** Undefined: in all namespaces. */
  readonly namespace?: string;
}

export interface SubjectAccessReviewConfig {
  /** For how long leave is believed without asking again, ms. Default 30 s. */
  readonly allowedMs?: number;
  /** The same for a refusal. Default 10 s. */
  readonly refusedMs?: number;
  /** Answers of each kind that are remembered. Default 10,000. */
  readonly entriesMax?: number;
}

export interface SubjectAccessReviewer {
  readonly counts: Readonly<ReviewCounts>;
  /** Rejects with IDENTITY_UNAVAILABLE when the API does not answer. */
  isAllowed(identity: TokenIdentity, access: ResourceAccess): Promise<boolean>;
}

interface RawAccessReview {
  readonly kind?: string;
  readonly status?: { readonly allowed?: boolean; readonly denied?: boolean };
}

const ACCESS_REVIEW = { kind: 'SubjectAccessReview', group: 'authorization.k8s.io', plural: 'subjectaccessreviews' };
const ALLOWED_MS = 30_000;
const REFUSED_MS = 10_000;

export function createSubjectAccessReviewer(
  config: SubjectAccessReviewConfig,
  {
    client,
    timing,
  }: { readonly client: Pick<ApiClient, 'postJson' | 'server' | 'credentials'>; readonly timing: Timing },
): SubjectAccessReviewer {
  const { allowedMs = ALLOWED_MS, refusedMs = REFUSED_MS } = config;
  const cache = createReviewCache<boolean>(
    { ...REVIEW_CACHE_DEFAULTS, ...(config.entriesMax === undefined ? {} : { entriesMax: config.entriesMax }) },
    timing.now,
  );
  return {
    counts: cache.counts,
    isAllowed({ username, uid, groups, extra }, { verb, group, resource, namespace }) {
      const spec = {
        ...{ user: username, uid, groups, extra },
        resourceAttributes: { verb, group, resource, ...(namespace === undefined ? {} : { namespace }) },
      };
      return cache.get(createHash('sha256').update(JSON.stringify(spec)).digest('hex'), async () => {
        const answer = (await postReview(client, timing, ACCESS_REVIEW, spec)) as RawAccessReview | null;
        if (answer?.kind !== ACCESS_REVIEW.kind || answer.status === undefined) {
          throw new FlowtollError(
            'IDENTITY_UNAVAILABLE',
            'the Kubernetes API answered a SubjectAccessReview with something else',
          );
        }
        const isAllowed = answer.status.allowed === true && answer.status.denied !== true;
        return { value: isAllowed, isGood: isAllowed, untilMs: timing.now() + (isAllowed ? allowedMs : refusedMs) };
      });
    },
  };
}
