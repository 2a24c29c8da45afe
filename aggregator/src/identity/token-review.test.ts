import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createManualTiming } from '../../../test/support/kubernetes/manual-timing.ts';
import { ApiFailure } from '../kubernetes/api-failure.ts';
import { acceptedReview, type PlayedSpec, playReviews } from './reviews.testing.ts';
import { createTokenReviewer, type TokenReviewConfig } from './token-review.ts';

const AGENT = {
  username: 'system:serviceaccount:flowtoll:agent',
  uid: 'uid-of-agent',
  groups: ['system:serviceaccounts', 'system:authenticated'],
  extra: {
    'authentication.kubernetes.io/pod-name': ['agent-x7k2p'],
    'authentication.kubernetes.io/pod-uid': ['uid-of-pod'],
    'authentication.kubernetes.io/node-name': ['node-a'],
    'authentication.kubernetes.io/credential-id': ['JTI=1'],
  },
};
const REFUSED = { kind: 'TokenReview', status: { user: {}, error: 'invalid bearer token' } };
const refused = (reason: string) => ({ accepted: false, reason });

function reviewerOf(answer: (spec: PlayedSpec) => unknown, config: Partial<TokenReviewConfig> = {}) {
  const timing = createManualTiming();
  const api = playReviews(answer);
  return { timing, api, reviewer: createTokenReviewer({ audience: 'flowtoll', ...config }, { client: api, timing }) };
}

test('asks for our audience and gives who it is, with pod and node', async () => {
  const { api, reviewer } = reviewerOf(() => acceptedReview(['flowtoll'], AGENT));
  expect(await reviewer.review('a.b.c')).toEqual({
    accepted: true,
    identity: { ...AGENT, podName: 'agent-x7k2p', podUid: 'uid-of-pod', nodeName: 'node-a' },
  });
  expect(api.asked).toEqual([
    {
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: 'a.b.c', audiences: ['flowtoll'] },
      },
    },
  ]);
});

test('whoever is bound to no pod has none', async () => {
  const { reviewer } = reviewerOf(() => acceptedReview(['flowtoll'], { username: 'alice' }));
  expect(await reviewer.review('t')).toEqual({
    accepted: true,
    identity: { username: 'alice', uid: '', groups: [], extra: {} },
  });
});

test.each([
  { name: 'not authenticated', answer: REFUSED, reason: 'not-authenticated' },
  { name: 'another audience', answer: acceptedReview(['vault'], AGENT), reason: 'wrong-audience' },
  { name: 'a server that knows no audiences', answer: acceptedReview([], AGENT), reason: 'wrong-audience' },
  {
    name: 'no audiences at all',
    answer: { kind: 'TokenReview', status: { authenticated: true, user: AGENT } },
    reason: 'wrong-audience',
  },
  {
    name: 'our audience, not authenticated',
    answer: { kind: 'TokenReview', status: { authenticated: false, audiences: ['flowtoll'], user: AGENT } },
    reason: 'not-authenticated',
  },
  { name: 'nobody by name', answer: acceptedReview(['flowtoll'], {}), reason: 'not-authenticated' },
])('refuses: $name', async ({ answer, reason }) => {
  const { reviewer } = reviewerOf(() => answer);
  expect(await reviewer.review('t')).toEqual(refused(reason));
});

test.each(['', 'two words', 'new\nline', 'ä', 'a"b', 'x'.repeat(16_385)])(
  'does not ask for what is no token: %j',
  async (token) => {
    const { api, reviewer } = reviewerOf(() => acceptedReview(['flowtoll'], AGENT));
    expect(await reviewer.review(token)).toEqual(refused('malformed'));
    expect(api.asked).toEqual([]);
  },
);

test('an answer is believed for a time, a refusal for a shorter one', async () => {
  const { api, reviewer, timing } = reviewerOf(() => acceptedReview(['flowtoll'], AGENT), {
    acceptedMs: 30_000,
    refusedMs: 10_000,
  });
  await reviewer.review('t');
  timing.advance(29_999);
  await reviewer.review('t');
  expect(api.asked).toHaveLength(1);
  timing.advance(1);
  api.answer = () => REFUSED;
  expect(await reviewer.review('t')).toEqual(refused('not-authenticated'));
  api.answer = () => acceptedReview(['flowtoll'], AGENT);
  timing.advance(9_999);
  expect(await reviewer.review('t')).toEqual(refused('not-authenticated'));
  timing.advance(1);
  expect(await reviewer.review('t')).toMatchObject({ accepted: true });
  expect(reviewer.counts).toEqual({ asked: 3, remembered: 2, failed: 0, overloaded: 0 });
});

test('no answer outlives the token', async () => {
  const { api, reviewer, timing } = reviewerOf(() => acceptedReview(['flowtoll'], AGENT));
  const expiring = (ms: number) =>
    `h.${Buffer.from(JSON.stringify({ exp: (timing.now() + ms) / 1000 })).toString('base64url')}.s`;
  const token = expiring(5000);
  await reviewer.review(token);
  timing.advance(4999);
  await reviewer.review(token);
  expect(api.asked).toHaveLength(1);
  timing.advance(1);
  await reviewer.review(token);
  expect(api.asked).toHaveLength(2);
});

test('who asks for the same at one moment shares one question, and its failure', async () => {
  const answers: PromiseWithResolvers<unknown>[] = [];
  const { api, reviewer } = reviewerOf(() => {
    answers.push(Promise.withResolvers());
    return answers.at(-1)!.promise;
  });
  const many = Array.from({ length: 100 }, () => reviewer.review('t').catch((error: { code: string }) => error.code));
  await turn();
  expect(api.asked).toHaveLength(1);
  answers[0]!.reject(new ApiFailure('server-error', 'HTTP 500'));
  expect(new Set(await Promise.all(many))).toEqual(new Set(['IDENTITY_UNAVAILABLE']));
  const again = reviewer.review('t');
  await turn();
  answers[1]!.resolve(acceptedReview(['flowtoll'], AGENT));
  expect(await again).toMatchObject({ accepted: true });
});

test('a flood of wrong tokens neither drives out good ones nor is remembered without bound', async () => {
  const { api, reviewer } = reviewerOf(
    ({ token }) => (token === 'good' ? acceptedReview(['flowtoll'], AGENT) : REFUSED),
    {
      entriesMax: 10,
    },
  );
  await reviewer.review('good');
  for (let i = 0; i < 1000; i++) await reviewer.review(`wrong-${i}`);
  const before = api.asked.length;
  await reviewer.review('good');
  for (let i = 990; i < 1000; i++) await reviewer.review(`wrong-${i}`);
  expect(api.asked).toHaveLength(before);
  await reviewer.review('wrong-989');
  expect(api.asked).toHaveLength(before + 1);
});

test('few are under way, a bounded number waits, more are told at once', async () => {
  const answers: (() => void)[] = [];
  const { api, reviewer } = reviewerOf(
    () => new Promise((resolve) => answers.push(() => resolve(acceptedReview(['flowtoll'], AGENT)))),
  );
  const all = Array.from({ length: 10_000 }, (_, i) =>
    reviewer.review(`t${i}`).then(
      ({ accepted }) => accepted,
      ({ code }: { code: string }) => code,
    ),
  );
  await turn();
  expect(api.asked).toHaveLength(16);
  let widest = 0;
  for (let i = 0; i < 16 + 4096; i++) {
    widest = Math.max(widest, answers.length - i);
    answers[i]!();
    await turn();
  }
  const said = await Promise.all(all);
  expect(widest).toBe(16);
  expect(said.filter((text) => text === true)).toHaveLength(16 + 4096);
  expect(said.filter((text) => text === 'IDENTITY_UNAVAILABLE')).toHaveLength(10_000 - 16 - 4096);
  expect(reviewer.counts.overloaded).toBe(10_000 - 16 - 4096);
});

test.each([
  { failure: new ApiFailure('unreachable', 'ECONNRESET'), tries: 2 },
  { failure: new ApiFailure('cut', 'aborted'), tries: 2 },
  { failure: new ApiFailure('unauthorized', 'HTTP 401'), tries: 2 },
  { failure: new ApiFailure('server-error', 'HTTP 500'), tries: 1 },
  { failure: new ApiFailure('forbidden', 'HTTP 403'), tries: 1 },
])('what fails is no refusal ($failure.reason, tried $tries times)', async ({ failure, tries }) => {
  const { api, reviewer } = reviewerOf(() => {
    throw failure;
  });
  await expect(reviewer.review('t')).rejects.toMatchObject({ code: 'IDENTITY_UNAVAILABLE' });
  expect(api.asked).toHaveLength(tries);
});

test('says which leave is missing', async () => {
  const { reviewer } = reviewerOf(() => {
    throw new ApiFailure('forbidden', 'HTTP 403: no');
  });
  await expect(reviewer.review('t')).rejects.toThrow(
    "https://10.0.0.1:443 made no TokenReview (HTTP 403: no): bind the ClusterRole system:auth-delegator to the account of the pod's " +
      'service account, or allow it to create tokenreviews.authentication.k8s.io (docs/security.md)',
  );
});

test.each([null, 'text', {}, { kind: 'Status' }, { kind: 'TokenReview' }])('%j is no answer', async (answer) => {
  const { reviewer } = reviewerOf(() => answer);
  await expect(reviewer.review('t')).rejects.toMatchObject({ code: 'IDENTITY_UNAVAILABLE' });
});

test('the token stands in no error, whatever the server says of it', async () => {
  const { reviewer } = reviewerOf(({ token }) => {
    throw new ApiFailure('refused', `HTTP 400: cannot read {"token":"${String(token)}"}`);
  });
  const error = await reviewer.review('s3cr3t').catch((caught: Error) => caught);
  const told: unknown[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) told.push(at.message, at.stack);
  expect(told.join()).toContain('HTTP 400');
  expect(told.join()).not.toContain('s3cr3t');
});
