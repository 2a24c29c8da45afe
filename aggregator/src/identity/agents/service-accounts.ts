// The service accounts that may deliver flows: agents', and nobody's besides. A pod of another account can have a token of the same
// audience, for whoever starts a pod chooses the audiences of its tokens.
import { AgentRefusedError } from '../../model/agent-identity.ts';
import { FlowtollError } from '../../model/errors.ts';

const PREFIX = 'system:serviceaccount:';
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

export interface ServiceAccounts {
  /** Its namespace. Throws AgentRefusedError. @param username as Kubernetes has it */
  requireOne(username: string): string;
}

/** @param names "namespace/name" each. Throws CONFIG_INVALID. */
export function serviceAccounts(names: readonly string[]): ServiceAccounts {
  if (names.length === 0) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      'nobody may deliver flows: name the service accounts of agents with --agent-service-accounts NAMESPACE/NAME',
    );
  }
  const namespaces = new Map<string, string>();
  for (const text of names) {
    const [namespace = '', name = '', ...rest] = text.split('/');
    if (!NAME.test(namespace) || !NAME.test(name) || rest.length > 0) {
      throw new FlowtollError(
        'CONFIG_INVALID',
        `--agent-service-accounts names ${JSON.stringify(text.slice(0, 300))}; each is NAMESPACE/NAME`,
      );
    }
    namespaces.set(`${PREFIX}${namespace}:${name}`, namespace);
  }
  return {
    requireOne(username) {
      const namespace = namespaces.get(username);
      if (namespace !== undefined) return namespace;
      throw new AgentRefusedError(
        'wrong-account',
        `${username.slice(0, 300)} is not among the accounts that may deliver flows (--agent-service-accounts)`,
      );
    },
  };
}
