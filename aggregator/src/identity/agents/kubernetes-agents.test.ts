// What is made of the API server's answers; that a real one gives them, test/kubernetes/agents.test.ts shows.
import { expect, test } from 'vitest';
import { createManualTiming } from '../../../../test/support/kubernetes/manual-timing.ts';
import { acceptedReview, playReviews } from '../reviews.testing.ts';
import { createTokenReviewer } from '../token-review.ts';
import { createKubernetesAgents } from './kubernetes-agents.ts';
import { createPodNodes } from './pod-nodes.ts';
import { serviceAccounts } from './service-accounts.ts';

const USERNAME = 'system:serviceaccount:flowtoll:agent';
const EXTRA = 'authentication.kubernetes.io/';
const ofPod = { [`${EXTRA}pod-name`]: ['agent-1'], [`${EXTRA}pod-uid`]: ['uid-1'] };

function agentsOf(user: object, pods: object = { items: [] }) {
  const timing = createManualTiming();
  const api = playReviews(() => acceptedReview(['flowtoll'], user));
  const asked: string[] = [];
  const client = {
    ...api,
    getJson: async ({ path }: { path: string }) => {
      asked.push(path);
      return pods;
    },
  };
  const agents = createKubernetesAgents(
    { audience: 'flowtoll', accounts: serviceAccounts(['flowtoll/agent']) },
    {
      tokens: createTokenReviewer({ audience: 'flowtoll' }, { client: api, timing }),
      pods: createPodNodes({ client, timing }),
    },
  );
  const nodeOf = () =>
    agents.identify({ authorization: ['Bearer abc'], certificate: undefined }).then(
      ({ node }) => node,
      (error) => error.reason ?? error.code,
    );
  return { nodeOf, asked };
}

test('the node that the server says is the node', async () => {
  const { nodeOf, asked } = agentsOf({ username: USERNAME, extra: { ...ofPod, [`${EXTRA}node-name`]: ['node-a'] } });
  expect(await nodeOf()).toBe('node-a');
  expect(asked).toEqual([]);
});

test('of an older server the node is that of the pod with this name and uid, asked for once', async () => {
  const items = [{ metadata: { uid: 'uid-1' }, spec: { nodeName: 'node-b' } }];
  const { nodeOf, asked } = agentsOf({ username: USERNAME, extra: ofPod }, { items });
  expect([await nodeOf(), await nodeOf()]).toEqual(['node-b', 'node-b']);
  expect(asked).toEqual(['/api/v1/namespaces/flowtoll/pods?fieldSelector=metadata.name%3Dagent-1']);
});

test.each([
  ['another account', { username: 'system:serviceaccount:shop:agent', extra: ofPod }, { items: [] }, 'wrong-account'],
  ['a person', { username: 'alice', extra: ofPod }, { items: [] }, 'wrong-account'],
  ['no pod', { username: USERNAME, extra: { [`${EXTRA}node-name`]: ['node-a'] } }, { items: [] }, 'no-node'],
  ['a pod that is gone', { username: USERNAME, extra: ofPod }, { items: [] }, 'no-node'],
  [
    'a pod whose name another one has now',
    { username: USERNAME, extra: ofPod },
    { items: [{ metadata: { uid: 'uid-2' }, spec: { nodeName: 'node-b' } }] },
    'no-node',
  ],
])('a token of %s is refused', async (_what, user, pods, reason) => {
  expect(await agentsOf(user, pods).nodeOf()).toBe(reason);
});

test('names that are none are refused at the start', () => {
  for (const name of ['agent', 'a/b/c', '/', 'flowtoll/', 'a/../b', 'A/b']) {
    expect(() => serviceAccounts([name])).toThrow(/each is NAMESPACE\/NAME/);
  }
  expect(() => serviceAccounts([])).toThrow(/nobody may deliver flows/);
});
