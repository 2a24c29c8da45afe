import { describe, expect, test } from 'vitest';
import { createManualTiming } from '../../../../test/support/kubernetes/manual-timing.ts';
import { acceptedReview, type PlayedSpec, playReviews } from '../reviews.testing.ts';
import { createSubjectAccessReviewer } from '../subject-access-review.ts';
import { createTokenReviewer } from '../token-review.ts';
import { createKubernetesReaders } from './kubernetes-readers.ts';

const AUDIENCE = 'flowtoll-read';
const USERS: Readonly<Record<string, object>> = {
  'of-admin': { username: 'admin' },
  'of-alice': { username: 'alice', groups: ['team-a'] },
};
/** Who may see which namespaces; "" stands for all. */
const MAY: Readonly<Record<string, readonly string[]>> = { admin: [''], alice: ['shop', 'cart'] };

function readersOf(may: () => Readonly<Record<string, readonly string[]>> = () => MAY) {
  const timing = createManualTiming();
  const gone = new Set<string>();
  const api = playReviews((spec: PlayedSpec) => {
    const { token, user, resourceAttributes } = spec as {
      token?: string;
      user?: string;
      resourceAttributes?: { verb: string; group: string; resource: string; namespace?: string };
    };
    if (token !== undefined) {
      const known = gone.has(token) ? undefined : USERS[token];
      if (token === 'of-vault') return acceptedReview(['vault'], { username: 'vault' });
      return known ? acceptedReview([AUDIENCE], known) : { kind: 'TokenReview', status: {} };
    }
    expect(resourceAttributes).toMatchObject({ verb: 'get', group: 'flowtoll.io', resource: 'flows' });
    const allowed = (may()[user!] ?? []).includes(resourceAttributes!.namespace ?? '');
    return { kind: 'SubjectAccessReview', status: { allowed } };
  });
  const readers = createKubernetesReaders(AUDIENCE, {
    tokens: createTokenReviewer({ audience: AUDIENCE }, { client: api, timing }),
    access: createSubjectAccessReviewer({}, { client: api, timing }),
  });
  return { readers, api, timing, gone };
}

test('whoever may see all namespaces sees all, whatever they name', async () => {
  const admin = await readersOf().readers.identify('of-admin');
  expect(admin.name).toBe('admin');
  expect(await admin.allowed(undefined)).toBe('all');
  expect(await admin.allowed(['shop'])).toBe('all');
});

test('others see the namespaces that they name and may see', async () => {
  const alice = await readersOf().readers.identify('of-alice');
  expect(await alice.allowed(['shop'])).toEqual(new Set(['shop']));
  expect(await alice.allowed(['shop', 'cart'])).toEqual(new Set(['shop', 'cart']));
});

describe('are refused', () => {
  test('when they name none', async () => {
    const alice = await readersOf().readers.identify('of-alice');
    await expect(alice.allowed(undefined)).rejects.toMatchObject({
      code: 'READER_FORBIDDEN',
      message: expect.stringMatching(/^alice may not see the flows of all namespaces: name those that you want/),
    });
    await expect(alice.allowed([])).rejects.toMatchObject({ code: 'READER_FORBIDDEN' });
  });

  test.each(['pay', 'Shop', '*', '', 'shop/', '../shop', 'shop,cart', "shop' OR true", 'a'.repeat(64)])(
    'when one of those that they name is not theirs: %j',
    async (other) => {
      const { readers, api } = readersOf();
      const alice = await readers.identify('of-alice');
      await expect(alice.allowed(['shop', other])).rejects.toMatchObject({
        code: 'READER_FORBIDDEN',
        message: expect.stringContaining(`alice may not see the flows of namespace ${JSON.stringify(other)}: `),
      });
      // "" would be all namespaces, and "*" whatever a webhook makes of it.
      const asked = api.asked.flatMap(({ body }) => (body.spec['resourceAttributes'] as object[] | undefined) ?? []);
      expect(JSON.stringify(asked)).not.toMatch(/"namespace":"(\*|)"/);
    },
  );

  test('when they name more than may be asked for', async () => {
    const { readers, api } = readersOf();
    const alice = await readers.identify('of-alice');
    const before = api.asked.length;
    await expect(alice.allowed(Array.from({ length: 101 }, (_, i) => `n${i}`))).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    });
    expect(api.asked).toHaveLength(before + 1);
  });

  test.each([
    ['nonsense', /^the cluster does not know the token/],
    ['of-vault', /^the token is for others: ask for one with kubectl create token ACCOUNT --audience flowtoll-read/],
    ['two words', /^what came is no token/],
  ])('when nobody knows their token: %s', async (token, says) => {
    await expect(readersOf().readers.identify(token)).rejects.toMatchObject({
      code: 'READER_UNKNOWN',
      message: expect.stringMatching(says),
    });
  });

  test('later, when the token or the right is gone', async () => {
    let may = MAY;
    const { readers, gone, timing } = readersOf(() => may);
    const alice = await readers.identify('of-alice');
    expect(await alice.allowed(['shop', 'cart'])).toEqual(new Set(['shop', 'cart']));
    may = { alice: ['shop'] };
    timing.advance(30_000);
    await expect(alice.allowed(['shop', 'cart'])).rejects.toMatchObject({ code: 'READER_FORBIDDEN' });
    gone.add('of-alice');
    timing.advance(30_000);
    await expect(alice.allowed(['shop'])).rejects.toMatchObject({ code: 'READER_UNKNOWN' });
  });
});
