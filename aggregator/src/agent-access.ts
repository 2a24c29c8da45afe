// Who may deliver flows, put together from the configuration: the Kubernetes API, keys of its tokens, certificates, or nobody asked. Joins
// identity and kubernetes with what the ingest knows of agents. What is not used is not loaded.
import { isLoopback } from '@flowtoll/proto/tls';
import { serviceAccounts } from './identity/agents/service-accounts.ts';
import type { ApiClient } from './kubernetes/api-client.ts';
import type { AgentAuthority } from './model/agent-identity.ts';
import { FlowtollError } from './model/errors.ts';

export type AgentAuth = 'none' | 'kubernetes' | 'keys' | 'mtls';

export interface AgentAccessConfig {
  readonly agentAuth: AgentAuth;
  /** Audience of agents' tokens. */
  readonly agentAudience: string;
  /** "namespace/name" each. */
  readonly agentServiceAccounts?: readonly string[];
  /** URL or path of a JWKS. */
  readonly agentKeys?: string;
  readonly agentIssuer?: string;
  readonly tlsClientCa?: string;
  /** As in NameSourceConfig. */
  readonly kubernetes?: string;
  readonly kubeContext?: string;
}

export interface AgentAccessParts {
  readonly log: { warn(fields: object, message: string): void };
}

/** Undefined where agents are who they say. Throws CONFIG_INVALID and KUBERNETES_CONFIG_INVALID. */
export async function openAgentAccess(
  config: AgentAccessConfig,
  parts: AgentAccessParts,
): Promise<AgentAuthority | undefined> {
  const { agentAuth, agentKeys, agentIssuer, agentServiceAccounts, tlsClientCa } = config;
  requireUsed('--agent-keys', agentKeys, agentAuth === 'keys', agentAuth);
  requireUsed('--agent-issuer', agentIssuer, agentAuth === 'keys', agentAuth);
  requireUsed('--agent-service-accounts', agentServiceAccounts, ['kubernetes', 'keys'].includes(agentAuth), agentAuth);
  requireUsed('--tls-client-ca', tlsClientCa, agentAuth === 'mtls', agentAuth);
  switch (agentAuth) {
    case 'none':
      return undefined;
    case 'kubernetes':
      return byKubernetes(config);
    case 'keys':
      return byKeys(config, parts);
    case 'mtls':
      return byCertificates(config);
  }
}

/** What is given and has no effect is a mistake: somebody believes that it guards something. */
function requireUsed(flag: string, value: unknown, isUsed: boolean, agentAuth: AgentAuth): void {
  if (value === undefined || isUsed) return;
  throw new FlowtollError(
    'CONFIG_INVALID',
    `${flag} has no effect with --agent-auth ${agentAuth}: leave it out, or change the mode`,
  );
}

async function byKubernetes(config: AgentAccessConfig): Promise<AgentAuthority> {
  const accounts = serviceAccounts(config.agentServiceAccounts ?? []);
  const [{ createKubernetesAgents }, { createPodNodes }, { createTokenReviewer }, { SYSTEM_TIMING: timing }] =
    await Promise.all([
      import('./identity/agents/kubernetes-agents.ts'),
      import('./identity/agents/pod-nodes.ts'),
      import('./identity/token-review.ts'),
      import('./kubernetes/timing.ts'),
    ]);
  const client = await apiClient(config, '--agent-auth kubernetes asks the Kubernetes API: give --kubernetes');
  const audience = config.agentAudience;
  const agents = createKubernetesAgents(
    { audience, accounts },
    { tokens: createTokenReviewer({ audience }, { client, timing }), pods: createPodNodes({ client, timing }) },
  );
  return { ...agents, stop: () => client.close() };
}

async function byKeys(config: AgentAccessConfig, { log }: AgentAccessParts): Promise<AgentAuthority> {
  const { agentKeys, agentIssuer, agentAudience: audience } = config;
  if (agentKeys === undefined || agentIssuer === undefined) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      '--agent-auth keys needs the issuer’s keys and its name: give --agent-keys URL|FILE and --agent-issuer ISSUER ' +
        '(kubectl get --raw /.well-known/openid-configuration says both)',
    );
  }
  const accounts = serviceAccounts(config.agentServiceAccounts ?? []);
  const [{ createKeyAgents }, { createKeySet }] = await Promise.all([
    import('./identity/agents/key-agents.ts'),
    import('./identity/agents/key-set.ts'),
  ]);
  const { load, close } = await keySource(agentKeys, config);
  const keys = createKeySet(agentKeys, load, { now: Date.now, log });
  await keys.renew();
  return { ...createKeyAgents({ issuer: agentIssuer, audience, accounts }, { keys, now: Date.now }), stop: close };
}

/** Hosts under which pods know their own API server. */
const API_SERVER = /^kubernetes\.default(?:\.svc(?:\.[a-z0-9.-]+)?)?$/;

/** The API server's own keys are asked for with our credentials there: its certificate is of an authority that no machine trusts. */
async function keySource(
  source: string,
  config: AgentAccessConfig,
): Promise<{ readonly load: () => Promise<unknown>; readonly close: () => void }> {
  const { keysFromFile, keysFromUrl } = await import('./identity/agents/key-set.ts');
  if (!/^https?:\/\//.test(source)) return { load: keysFromFile(source), close: () => undefined };
  if (!URL.canParse(source)) {
    throw new FlowtollError('CONFIG_INVALID', `--agent-keys is no URL: ${JSON.stringify(source)}`);
  }
  const { protocol, hostname, pathname } = new URL(source);
  if (API_SERVER.test(hostname) && config.kubernetes !== undefined) {
    const client = await apiClient(config, '');
    const load = () =>
      client.getJson(
        { path: pathname, accept: 'application/jwk-set+json', signal: AbortSignal.timeout(10_000), silenceMs: 5000 },
        1024 ** 2,
      );
    return { load, close: () => client.close() };
  }
  if (protocol === 'http:' && !isLoopback(hostname)) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      '--agent-keys by http: whoever is between could give keys of their own; use https',
    );
  }
  return { load: keysFromUrl(source), close: () => undefined };
}

async function byCertificates({ tlsClientCa }: AgentAccessConfig): Promise<AgentAuthority> {
  if (tlsClientCa === undefined) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      '--agent-auth mtls needs the authorities of agents’ certificates: give --tls-client-ca FILE (and --tls-cert, --tls-key)',
    );
  }
  const { createCertificateAgents } = await import('./identity/agents/certificate-agents.ts');
  return createCertificateAgents(Date.now);
}

async function apiClient({ kubernetes, kubeContext }: AgentAccessConfig, missing: string): Promise<ApiClient> {
  if (kubernetes === undefined) throw new FlowtollError('CONFIG_INVALID', missing);
  const [{ loadApiConfig }, { createApiClient }, { SYSTEM_TIMING }] = await Promise.all([
    import('./kubernetes/api-config.ts'),
    import('./kubernetes/api-client.ts'),
    import('./kubernetes/timing.ts'),
  ]);
  return createApiClient(() => loadApiConfig({ source: kubernetes, context: kubeContext }), SYSTEM_TIMING);
}
