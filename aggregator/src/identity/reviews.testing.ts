// An API server that reviews, played: answers what a test says, and keeps what it was asked.
import type { ApiClient } from '../kubernetes/api-client.ts';

export interface PlayedReviews extends Pick<ApiClient, 'postJson' | 'server' | 'credentials'> {
  /** Bodies that were posted. */
  readonly asked: { readonly path: string; readonly body: { readonly kind: string; readonly spec: PlayedSpec } }[];
  /** What comes next: an answer, or an error. */
  answer: (spec: PlayedSpec) => unknown;
}

export type PlayedSpec = Readonly<Record<string, unknown>>;

export function playReviews(answer: (spec: PlayedSpec) => unknown): PlayedReviews {
  const played: PlayedReviews = {
    server: 'https://10.0.0.1:443',
    credentials: "the pod's service account",
    asked: [],
    answer,
    async postJson(request, body) {
      const posted = body as PlayedReviews['asked'][number]['body'];
      played.asked.push({ path: request.path, body: posted });
      return await played.answer(posted.spec);
    },
  };
  return played;
}

/** A TokenReview's answer for one who may come in. */
export function acceptedReview(audiences: readonly string[], user: object): object {
  return { kind: 'TokenReview', status: { authenticated: true, audiences, user } };
}
