// Agents by tokens of a Kubernetes cluster, checked with the keys of its issuer and without asking it: for aggregators of other clusters,
// and those that shall do without the API. Says all that the token says, and cannot say that its pod is gone: the token's end does. Knows
// claims; reads no key.
import { errors, type JWTPayload, jwtVerify } from 'jose';
import {
  type AgentAuthority,
  type AgentIdentity,
  type AgentRefusal,
  AgentRefusedError,
} from '../../model/agent-identity.ts';
import type { KeySet } from './key-set.ts';
import { NODE_NAME } from './node-name.ts';
import type { ServiceAccounts } from './service-accounts.ts';
import { tokenOf } from './token-of.ts';

export interface KeyAgentsConfig {
  readonly issuer: string;
  readonly audience: string;
  readonly accounts: ServiceAccounts;
}

export interface KeyAgentsParts {
  readonly keys: KeySet;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** Of public keys; what is signed with a shared secret, or not at all, is not taken. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** Between the clocks of issuer and aggregator. */
const LEEWAY_SECONDS = 30;

export function createKeyAgents(config: KeyAgentsConfig, { keys, now }: KeyAgentsParts): AgentAuthority {
  const { issuer, audience, accounts } = config;

  const verify = async (token: string): Promise<JWTPayload> => {
    const { payload } = await jwtVerify(token, await keys.current(), {
      ...{ issuer, audience, algorithms: ALGORITHMS, clockTolerance: LEEWAY_SECONDS, currentDate: new Date(now()) },
      requiredClaims: ['exp', 'sub', 'aud', 'iss'],
    });
    return payload;
  };

  /** A key that is not known yet may be a new one. */
  const verifyWithNewKeys = async (token: string): Promise<JWTPayload> => {
    try {
      return await verify(token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !(await keys.renew())) throw error;
      return await verify(token);
    }
  };

  return {
    async identify(evidence): Promise<AgentIdentity> {
      const token = tokenOf(evidence);
      let payload: JWTPayload;
      try {
        payload = await verifyWithNewKeys(token);
      } catch (error) {
        if (error instanceof errors.JOSEError) throw refusalOf(error, audience);
        throw error;
      }
      const username = payload.sub!;
      accounts.requireOne(username);
      const { pod, node } = (payload['kubernetes.io'] ?? {}) as KubernetesClaims;
      if (typeof pod?.name !== 'string' || typeof node?.name !== 'string' || !NODE_NAME.test(node.name)) {
        throw new AgentRefusedError(
          'no-node',
          `the token of ${username} does not say on which node its pod is: Kubernetes writes that from 1.30 on, into tokens of projected volumes`,
        );
      }
      return { node: node.name, name: `${username} (pod ${pod.name.slice(0, 253)})`, untilMs: payload.exp! * 1000 };
    },
    stop: () => undefined,
  };
}

interface KubernetesClaims {
  readonly pod?: { readonly name?: unknown };
  readonly node?: { readonly name?: unknown };
}

/** In our words: what jose says is of its own, and may hold what the token says. */
function refusalOf(error: InstanceType<typeof errors.JOSEError>, audience: string): AgentRefusedError {
  const refused = (reason: AgentRefusal, message: string) => new AgentRefusedError(reason, message);
  if (error instanceof errors.JWTExpired)
    return refused('not-authenticated', 'the token has expired: show the new one');
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud')
      return refused('wrong-audience', `the token is for others: project one with audience ${audience}`);
    if (error.claim === 'iss') return refused('not-authenticated', 'the token is of another issuer (--agent-issuer)');
    if (error.claim === 'nbf') return refused('not-authenticated', 'the token is not valid yet: compare the clocks');
    return refused('not-authenticated', 'the token lacks a claim that it must have: exp, sub, aud, iss');
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return refused('malformed', 'what came is no signed token');
  }
  return refused('not-authenticated', 'no key of the issuer has signed the token (--agent-keys)');
}
