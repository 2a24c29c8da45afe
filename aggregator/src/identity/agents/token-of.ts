// The token of a stream: the one header "authorization: Bearer TOKEN". Knows headers; keeps nothing.
import { type AgentEvidence, AgentRefusedError } from '../../model/agent-identity.ts';

const ADVICE = 'give the agent a token with --token-file (docs/security.md)';

/** Throws AgentRefusedError; what came instead does not stand in the message. */
export function tokenOf({ authorization }: AgentEvidence): string {
  if (authorization.length === 0) throw new AgentRefusedError('no-proof', `no token came: ${ADVICE}`);
  const token = /^bearer +([\w.~+/=-]{1,16384})$/i.exec(authorization[0]!)?.[1];
  if (authorization.length > 1 || token === undefined) {
    throw new AgentRefusedError('malformed', `what came is not one bearer token: ${ADVICE}`);
  }
  return token;
}
