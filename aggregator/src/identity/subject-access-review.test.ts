import { expect, test } from 'vitest';
import { createManualTiming } from '../../../test/support/kubernetes/manual-timing.ts';
import { ApiFailure } from '../kubernetes/api-failure.ts';
import { type PlayedSpec, playReviews } from './reviews.testing.ts';
import { createSubjectAccessReviewer } from './subject-access-review.ts';

const ALICE = { username: 'alice', uid: 'u1', groups: ['team-a'], extra: { scopes: ['read'] } };
const READ = { verb: 'get', group: 'flowtoll.io', resource: 'flows' };

function reviewerOf(answer: (spec: PlayedSpec) => unknown) {
  const timing = createManualTiming();
  const api = playReviews(answer);
  return { timing, api, reviewer: createSubjectAccessReviewer({}, { client: api, timing }) };
}

const said = (status: object) => ({ kind: 'SubjectAccessReview', status });

test('asks with all that the server said of somebody; in one namespace, or in all', async () => {
  const { api, reviewer } = reviewerOf(() => said({ allowed: true }));
  expect(await reviewer.isAllowed(ALICE, READ)).toBe(true);
  expect(await reviewer.isAllowed(ALICE, { ...READ, namespace: 'shop' })).toBe(true);
  const spec = { user: 'alice', uid: 'u1', groups: ['team-a'], extra: { scopes: ['read'] } };
  expect(api.asked.map(({ path, body }) => ({ path, spec: body.spec }))).toEqual([
    { path: '/apis/authorization.k8s.io/v1/subjectaccessreviews', spec: { ...spec, resourceAttributes: READ } },
    {
      path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      spec: { ...spec, resourceAttributes: { ...READ, namespace: 'shop' } },
    },
  ]);
});

test.each([
  [{ allowed: true }, true],
  [{ allowed: false }, false],
  [{}, false],
  [{ allowed: true, denied: true }, false],
  [{ allowed: 'true' }, false],
])('%j means %s', async (status, expected) => {
  const { reviewer } = reviewerOf(() => said(status));
  expect(await reviewer.isAllowed(ALICE, READ)).toBe(expected);
});

test('an answer is for one person, verb and namespace, and for a time', async () => {
  const { api, reviewer, timing } = reviewerOf(({ resourceAttributes }) =>
    said({ allowed: (resourceAttributes as { namespace?: string }).namespace === 'shop' }),
  );
  const shop = { ...READ, namespace: 'shop' };
  expect(await reviewer.isAllowed(ALICE, shop)).toBe(true);
  expect(await reviewer.isAllowed(ALICE, { ...READ, namespace: 'pay' })).toBe(false);
  expect(await reviewer.isAllowed(ALICE, READ)).toBe(false);
  expect(await reviewer.isAllowed(ALICE, shop)).toBe(true);
  expect(api.asked).toHaveLength(3);
  api.answer = () => said({ allowed: false });
  expect(await reviewer.isAllowed({ ...ALICE, groups: [] }, shop)).toBe(false);
  expect(await reviewer.isAllowed(ALICE, shop)).toBe(true);
  timing.advance(30_000);
  expect(await reviewer.isAllowed(ALICE, shop)).toBe(false);
});

test('what fails is no refusal', async () => {
  const { api, reviewer } = reviewerOf(() => {
    throw new ApiFailure('server-error', 'HTTP 500');
  });
  await expect(reviewer.isAllowed(ALICE, READ)).rejects.toMatchObject({ code: 'IDENTITY_UNAVAILABLE' });
  api.answer = () => ({ kind: 'Status' });
  await expect(reviewer.isAllowed(ALICE, READ)).rejects.toMatchObject({ code: 'IDENTITY_UNAVAILABLE' });
});
