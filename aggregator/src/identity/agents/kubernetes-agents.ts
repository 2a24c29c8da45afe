// Agents by tokens of a Kubernetes cluster, as its API server says whose they are (TokenReview): the account must be one of the agents', the
// token bound to a pod that is still there, and the pod's node is the agent's. Knows no HTTP.
import {
  type AgentAuthority,
  type AgentIdentity,
  type AgentRefusal,
  AgentRefusedError,
} from '../../model/agent-identity.ts';
import { expiryMs, type TokenIdentity, type TokenRefusal, type TokenReviewer } from '../token-review.ts';
import { NODE_NAME } from './node-name.ts';
import type { PodNodes } from './pod-nodes.ts';
import type { ServiceAccounts } from './service-accounts.ts';
import { tokenOf } from './token-of.ts';

export interface KubernetesAgentsConfig {
  /** That tokens have to be for; said to those whose are not. */
  readonly audience: string;
  readonly accounts: ServiceAccounts;
}

export interface KubernetesAgentsParts {
  readonly tokens: TokenReviewer;
  readonly pods: PodNodes;
}

export function createKubernetesAgents(
  { audience, accounts }: KubernetesAgentsConfig,
  { tokens, pods }: KubernetesAgentsParts,
): AgentAuthority {
  const nodeOf = async (identity: TokenIdentity, namespace: string): Promise<string> => {
    const { username, podName, podUid, nodeName } = identity;
    // A token that is bound to no pod outlives whatever had it.
    if (podName === undefined || podUid === undefined) {
      throw new AgentRefusedError(
        'no-node',
        `the token of ${username} is bound to no pod: mount it as a projected volume (serviceAccountToken)`,
      );
    }
    const node = nodeName ?? (await pods.nodeOf({ namespace, name: podName, uid: podUid }));
    if (node === undefined || !NODE_NAME.test(node)) {
      throw new AgentRefusedError('no-node', `pod ${podName} of ${username} is on no node that the API server knows`);
    }
    return node;
  };

  return {
    async identify(evidence): Promise<AgentIdentity> {
      const token = tokenOf(evidence);
      const verdict = await tokens.review(token);
      if (!verdict.accepted) {
        throw new AgentRefusedError(REASONS[verdict.reason], refusalText(verdict.reason, audience));
      }
      const { identity } = verdict;
      const namespace = accounts.requireOne(identity.username);
      const node = await nodeOf(identity, namespace);
      return { node, name: `${identity.username} (pod ${identity.podName})`, untilMs: expiryMs(token) };
    },
    stop: () => undefined,
  };
}

const REASONS: Record<TokenRefusal, AgentRefusal> = {
  malformed: 'malformed',
  'not-authenticated': 'not-authenticated',
  'wrong-audience': 'wrong-audience',
};

function refusalText(reason: TokenRefusal, audience: string): string {
  switch (reason) {
    case 'malformed':
      return 'what came is no token: give the agent a projected token with --token-file';
    case 'not-authenticated':
      return "the cluster does not know the token: it expired, its pod or account is gone, or it is another cluster's";
    case 'wrong-audience':
      return `the token is for others: project one with audience ${audience}`;
  }
}
