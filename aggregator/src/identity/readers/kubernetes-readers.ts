// Readers by tokens of a Kubernetes cluster: the API says whose a token is (TokenReview), and what they may see (SubjectAccessReview of a
// verb on a resource that need not exist). Who may see all namespaces does; others name the namespaces that they want, because the API
// answers only for one at a time. Both answers are remembered for some seconds where they are asked. Knows no HTTP.
import { FlowtollError } from '../../model/errors.ts';
import type { AllowedNamespaces } from '../../model/reader.ts';
import type { SubjectAccessReviewer } from '../subject-access-review.ts';
import type { TokenIdentity, TokenRefusal, TokenReviewer } from '../token-review.ts';
import { forbidden, type ReaderAuthority } from './reader-authority.ts';
import { NAMESPACE } from './token-file-format.ts';

/** What RBAC allows to those who may read flows. */
export const READ_FLOWS = { verb: 'get', group: 'flowtoll.io', resource: 'flows' } as const;

/** Each is a question to the API. */
const NAMESPACES_MAX = 100;

const RULE = '{apiGroups: ["flowtoll.io"], resources: ["flows"], verbs: ["get"]} (docs/security.md)';

export interface KubernetesReadersParts {
  readonly tokens: TokenReviewer;
  readonly access: SubjectAccessReviewer;
}

/** @param audience that tokens have to be for; said to those whose are not */
export function createKubernetesReaders(audience: string, { tokens, access }: KubernetesReadersParts): ReaderAuthority {
  const identityOf = async (token: string): Promise<TokenIdentity> => {
    const verdict = await tokens.review(token);
    if (verdict.accepted) return verdict.identity;
    throw new FlowtollError('READER_UNKNOWN', refusalText(verdict.reason, audience));
  };

  const allowedTo = async (identity: TokenIdentity, asked: readonly string[] = []): Promise<AllowedNamespaces> => {
    if (await access.isAllowed(identity, READ_FLOWS)) return 'all';
    const { username } = identity;
    if (asked.length === 0) {
      throw new FlowtollError(
        'READER_FORBIDDEN',
        `${username} may not see the flows of all namespaces: name those that you want (flowtoll watch --namespace …), ` +
          `or bind a ClusterRole with the rule ${RULE} to it`,
      );
    }
    if (asked.length > NAMESPACES_MAX) {
      throw new FlowtollError(
        'REQUEST_INVALID',
        `the request names ${asked.length} namespaces; at most ${NAMESPACES_MAX} for a reader who may not see all`,
      );
    }
    const answers = await Promise.all(
      asked.map(async (namespace) =>
        // What is no name of a namespace may mean anything to whoever decides.
        NAMESPACE.test(namespace) ? access.isAllowed(identity, { ...READ_FLOWS, namespace }) : false,
      ),
    );
    const others = asked.filter((_, i) => !answers[i]);
    if (others.length > 0) throw forbidden(username, others, `bind a Role with the rule ${RULE} to it there`);
    return new Set(asked);
  };

  return {
    async identify(token) {
      const { username } = await identityOf(token);
      return { name: username, allowed: async (asked) => allowedTo(await identityOf(token), asked) };
    },
    stop: () => undefined,
  };
}

function refusalText(reason: TokenRefusal, audience: string): string {
  const ask = `kubectl create token ACCOUNT --audience ${audience}`;
  switch (reason) {
    case 'malformed':
      return `what came is no token: ask for one with ${ask}`;
    case 'not-authenticated':
      return `the cluster does not know the token: it expired, its account or pod is gone, or it is another cluster's; ask for one with ${ask}`;
    case 'wrong-audience':
      return `the token is for others: ask for one with ${ask}`;
  }
}
