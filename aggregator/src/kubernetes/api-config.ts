// Where the API server is and who we are there, by @kubernetes/client-node: a kubeconfig (certificates, tokens, token files, exec
// plugins, proxies) or the pod's own service account. Knows files; sends nothing. The package is large, so whoever does not need
// it must not import this file before.
import { readFileSync } from 'node:fs';
import { type Agent, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { delimiter, dirname, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { FlowtollError } from '../model/errors.ts';
import { ApiFailure } from './api-failure.ts';

export interface ApiLocation {
  /** "in-cluster", "kubeconfig" (what KUBECONFIG names, else ~/.kube/config), or the path of a kubeconfig. */
  readonly source: string;
  /** A context of the kubeconfig; its current one if undefined. */
  readonly context?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Before the paths of the service account. For tests. */
  readonly rootDirectory?: string;
}

/** An API server and our credentials there, as they were read. */
export interface ApiConfig {
  /** https://host:port, perhaps with a path; no "/" at the end. */
  readonly server: string;
  /** In words, for messages: "the kubeconfig /home/…, context "prod"". */
  readonly credentials: string;
  /** Everything that a request needs beside its path: agent, certificates, headers. Rejects with an ApiFailure "credentials". */
  requestOptions(): Promise<RequestOptions>;
  /** Ends connections as soon as they are idle; what is under way on one goes on. */
  close(): void;
}

export const IN_CLUSTER = 'in-cluster';
const DEFAULT_KUBECONFIG = 'kubeconfig';

/** Reads the configuration. Throws KUBERNETES_CONFIG_INVALID. */
export function loadApiConfig(location: ApiLocation): ApiConfig {
  const { config, credentials } = location.source === IN_CLUSTER ? inCluster(location) : kubeconfig(location);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw invalid(`${credentials} has no cluster`, 'correct the context, or choose another with --kube-context');
  }
  if (config.getCurrentUser() === null) {
    // Without a user client-node would not even take the certificate authority.
    config.addUser({ name: 'anonymous' });
    const current = config.getCurrentContext();
    config.contexts = config.getContexts().map((c) => (c.name === current ? { ...c, user: 'anonymous' } : c));
  }
  const { server, skipTLSVerify, proxyUrl } = cluster;
  if (!URL.canParse(server) || !/^https?:\/\//.test(server)) {
    throw invalid(`${credentials} has the server "${server}"`, 'give it as https://host:port');
  }
  if (server.startsWith('http:') && !skipTLSVerify) {
    throw invalid(
      `${credentials} has the server ${server} without TLS`,
      'use https, or allow it by "insecure-skip-tls-verify: true"',
    );
  }
  // client-node's agents open a connection for each request.
  const agent: Agent | undefined = proxyUrl
    ? undefined
    : server.startsWith('https:')
      ? new HttpsAgent({ keepAlive: true })
      : new HttpAgent({ keepAlive: true });
  return {
    server,
    credentials,
    requestOptions: async () => {
      const options: RequestOptions = { headers: {} };
      try {
        await config.applyToHTTPSOptions(options);
      } catch (error) {
        throw new ApiFailure('credentials', reasonOf(error), { cause: error });
      }
      return { ...options, headers: trimmed(options.headers), ...(agent === undefined ? {} : { agent }) };
    },
    close: () => agent && endIdle(agent),
  };
}

interface Loaded {
  readonly config: KubeConfig;
  readonly credentials: string;
}

function inCluster({ env = process.env, rootDirectory = '' }: ApiLocation): Loaded {
  const credentials = "the pod's service account";
  if (!env['KUBERNETES_SERVICE_HOST'] || !env['KUBERNETES_SERVICE_PORT']) {
    throw invalid(
      'this process does not run in a pod (KUBERNETES_SERVICE_HOST is not set)',
      'give a kubeconfig with --kubernetes',
    );
  }
  const config = new KubeConfig();
  config.loadFromCluster(rootDirectory);
  return { config, credentials };
}

function kubeconfig({ source, context, env = process.env }: ApiLocation): Loaded {
  const files =
    source === DEFAULT_KUBECONFIG
      ? (env['KUBECONFIG']?.split(delimiter).filter((file) => file !== '') ?? [`${env['HOME'] ?? ''}/.kube/config`])
      : [source];
  const [first, ...rest] = files.map(readKubeconfig);
  if (first === undefined) {
    throw invalid('KUBECONFIG names no file', 'give the path of a kubeconfig with --kubernetes');
  }
  for (const config of rest) first.mergeConfig(config, true);
  const path = files.join(delimiter);
  const chosen = context ?? first.getCurrentContext();
  const contexts = first.getContexts().map(({ name }) => name);
  if (!contexts.includes(chosen)) {
    throw invalid(
      chosen ? `the kubeconfig ${path} has no context "${chosen}"` : `the kubeconfig ${path} has no current context`,
      `choose one with --kube-context: ${contexts.join(', ') || 'it has none'}`,
    );
  }
  first.setCurrentContext(chosen);
  return { config: first, credentials: `the kubeconfig ${path}, context "${chosen}"` };
}

interface KubeconfigUser {
  readonly name?: string;
  readonly user?: { readonly tokenFile?: string };
}

function readKubeconfig(path: string): KubeConfig {
  try {
    const config = new KubeConfig();
    config.loadFromFile(path);
    // client-node knows token files of pods, and not those of kubeconfigs.
    const { users } = parse(readFileSync(path, 'utf8')) as { readonly users?: readonly KubeconfigUser[] };
    const tokenFiles = new Map(users?.map(({ name, user }) => [name, user?.tokenFile]));
    config.users = config.getUsers().map((user) => {
      const tokenFile = tokenFiles.get(user.name);
      return tokenFile === undefined || user.authProvider
        ? user
        : {
            ...user,
            authProvider: { name: 'tokenFile', config: { tokenFile: resolve(dirname(path), tokenFile) } },
          };
    });
    return config;
  } catch (error) {
    throw invalid(
      `cannot read the kubeconfig ${path} (${reasonOf(error)})`,
      'check that it is there, that the user of this process may read it, and that kubectl takes it',
      error,
    );
  }
}

/** A token file may end with a new line, which no header may hold. */
function trimmed(headers: RequestOptions['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).trim()]));
}

/** One line: what follows in errors of YAML is a piece of the file, which holds secrets. */
function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).trim().split('\n');
  return line;
}

function invalid(what: string, advice: string, cause?: unknown): FlowtollError {
  return new FlowtollError('KUBERNETES_CONFIG_INVALID', `${what}: ${advice}`, { cause });
}

function endIdle(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  agent.on('free', (socket) => socket.destroy());
}
