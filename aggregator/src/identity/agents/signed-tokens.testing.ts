// Tokens as Kubernetes signs them, made with node:crypto alone: what checks them is not what made them.
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export const ISSUER = 'https://kubernetes.default.svc';
export const AUDIENCE = 'flowtoll';
export const ACCOUNT = 'flowtoll/agent';

/** Somebody who signs, with an RSA key. */
export class TestIssuer {
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly kid: string;

  constructor(kid = 'key-1') {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.#privateKey = privateKey;
    this.#publicKey = publicKey;
    this.kid = kid;
  }

  /** What stands at /openid/v1/jwks. */
  get jwks(): { readonly keys: object[] } {
    return { keys: [{ ...this.#publicKey.export({ format: 'jwk' }), kid: this.kid, alg: 'RS256', use: 'sig' }] };
  }

  /** A token of the agent's pod on a node, with other claims where they are given; undefined takes a claim away. */
  token(node: string, claims: Readonly<Record<string, unknown>> = {}, header: object = {}): string {
    const signed = this.#text({ alg: 'RS256', kid: this.kid, ...header }, { ...agentClaims(node), ...claims });
    return `${signed}.${sign('sha256', Buffer.from(signed), this.#privateKey).toString('base64url')}`;
  }

  /** The public key as text is the secret of an HMAC: who takes any algorithm takes it for signed. */
  confusedToken(node: string): string {
    const signed = this.#text({ alg: 'HS256', kid: this.kid }, agentClaims(node));
    const secret = this.#publicKey.export({ type: 'spki', format: 'pem' });
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }

  unsignedToken(node: string): string {
    return `${this.#text({ alg: 'none' }, agentClaims(node))}.`;
  }

  #text(header: object, claims: object): string {
    return [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  }
}

function agentClaims(node: string): Record<string, unknown> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  return {
    iss: ISSUER,
    aud: [AUDIENCE],
    sub: 'system:serviceaccount:flowtoll:agent',
    iat: nowSeconds,
    nbf: nowSeconds,
    exp: nowSeconds + 3600,
    'kubernetes.io': {
      namespace: 'flowtoll',
      serviceaccount: { name: 'agent', uid: '1' },
      pod: { name: `agent-${node}`, uid: `pod-${node}` },
      node: { name: node, uid: `uid-${node}` },
    },
  };
}
