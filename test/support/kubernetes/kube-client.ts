// A plain client of the Kubernetes API for tests: one request, one answer, JSON. The tests' own, so that it can say whether the product's
// caches are right. Knows HTTP and paths.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { until } from '../until.ts';

/** An object of the API, as far as tests look. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string; readonly uid: string }[];
  };
  // biome-ignore lint/suspicious/noExplicitAny: what tests look at differs by kind, and a wrong path fails the test
  readonly [field: string]: any;
}

export interface KubeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface KubeRequest {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Paths of what tests use. */
const PATHS = {
  namespaces: '/api/v1/namespaces',
  nodes: '/api/v1/nodes',
  pods: '/api/v1/pods',
  services: '/api/v1/services',
  serviceaccounts: '/api/v1/serviceaccounts',
  endpointslices: '/apis/discovery.k8s.io/v1/endpointslices',
  deployments: '/apis/apps/v1/deployments',
  replicasets: '/apis/apps/v1/replicasets',
  daemonsets: '/apis/apps/v1/daemonsets',
  statefulsets: '/apis/apps/v1/statefulsets',
  jobs: '/apis/batch/v1/jobs',
  cronjobs: '/apis/batch/v1/cronjobs',
  clusterroles: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  clusterrolebindings: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
} as const;

export type KubeResource = keyof typeof PATHS;

/** Path of a resource's objects: all, of a namespace, or one. */
export function pathOf(resource: KubeResource, namespace?: string, name?: string): string {
  const all = PATHS[resource];
  const collection =
    namespace === undefined
      ? all
      : all.replace(/\/([a-z]+)$/, (_, plural: string) => `/namespaces/${namespace}/${plural}`);
  return name === undefined ? collection : `${collection}/${name}`;
}

export class KubeClient {
  readonly #server: string;
  readonly #token: string;
  readonly #ca: string | undefined;

  constructor(cluster: { readonly server: string; readonly token: string; readonly ca: string | undefined }) {
    this.#server = cluster.server;
    this.#token = cluster.token;
    this.#ca = cluster.ca;
  }

  /** Resolves when a new cluster can be used: its namespace `default` is there a moment after the server answers. */
  async whenUsable(): Promise<void> {
    const path = pathOf('namespaces', undefined, 'default');
    await until('namespace default', async () => (await this.ask(path)).status === 200);
  }

  /** Whatever the server answers. */
  ask(path: string, { method = 'GET', body, headers = {} }: KubeRequest = {}): Promise<KubeAnswer> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sent = (this.#ca === undefined ? httpRequest : httpsRequest)(
        `${this.#server}${path}`,
        {
          method,
          ...(this.#ca === undefined ? {} : { ca: this.#ca }),
          headers: {
            authorization: `Bearer ${this.#token}`,
            // Node says no length for the body of a DELETE.
            ...(payload === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
            ...headers,
          },
        },
        (answer) => {
          text(answer).then(
            (said) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: said }),
            reject,
          );
        },
      );
      sent.on('error', reject);
      sent.end(payload);
    });
  }

  async #object(path: string, request: KubeRequest = {}): Promise<KubeObject> {
    const { status, text: said } = await this.ask(path, request);
    if (status < 200 || status > 299) throw new Error(`${request.method ?? 'GET'} ${path}: HTTP ${status}: ${said}`);
    return JSON.parse(said) as KubeObject;
  }

  get(resource: KubeResource, namespace: string | undefined, name: string): Promise<KubeObject> {
    return this.#object(pathOf(resource, namespace, name));
  }

  async list(resource: KubeResource, namespace?: string): Promise<readonly KubeObject[]> {
    const list = await this.#object(pathOf(resource, namespace));
    return list['items'] as KubeObject[];
  }

  create(resource: KubeResource, namespace: string | undefined, body: object): Promise<KubeObject> {
    return this.#object(pathOf(resource, namespace), { method: 'POST', body });
  }

  /** A merge patch; `subresource` such as "status". */
  patch(
    resource: KubeResource,
    namespace: string | undefined,
    name: string,
    body: object,
    subresource?: string,
  ): Promise<KubeObject> {
    const path = pathOf(resource, namespace, name);
    return this.#object(subresource === undefined ? path : `${path}/${subresource}`, {
      method: 'PATCH',
      body,
      headers: { 'content-type': 'application/merge-patch+json' },
    });
  }

  /** Deletes; harmless where there is nothing. */
  async delete(
    resource: KubeResource,
    namespace: string | undefined,
    name: string,
    options: { readonly gracePeriodSeconds?: number } = {},
  ): Promise<void> {
    const path = pathOf(resource, namespace, name);
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', ...options };
    const { status, text: said } = await this.ask(path, { method: 'DELETE', body });
    if (status > 299 && status !== 404) throw new Error(`DELETE ${path}: HTTP ${status}: ${said}`);
  }

  /** A service account in namespace "default" that has exactly these rules, and a token of it. */
  async accountWith(name: string, rules: readonly object[]): Promise<string> {
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name } };
    await this.create('serviceaccounts', 'default', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } });
    await this.create('clusterroles', undefined, { ...role, kind: 'ClusterRole', rules });
    await this.create('clusterrolebindings', undefined, {
      ...role,
      kind: 'ClusterRoleBinding',
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: 'default' }],
    });
    return this.tokenOf(name);
  }

  async tokenOf(account: string): Promise<string> {
    const { status } = (await this.#object(`${pathOf('serviceaccounts', 'default', account)}/token`, {
      method: 'POST',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } },
    })) as { readonly status?: { readonly token: string } };
    return status!.token;
  }
}
