// Objects of whatever kind a cluster has, by its own discovery: created for nothing but the server's word on them, and all that there are.
// Knows paths and discovery; knows no kind.
import type { KubeAnswer, KubeClient } from './kube-client.ts';

interface ResourceType {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

/** An object that can be sent. */
export interface SentObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name?: string; readonly namespace?: string };
}

/** An object that is there. */
export interface PresentObject extends SentObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: differs by kind
  readonly [field: string]: any;
}

export class AnyObject {
  readonly #client: KubeClient;
  readonly #types = new Map<string, readonly ResourceType[]>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /**
   * What the server says to its creation, strict about fields, with admission and all; it is not created.
   * @param namespace in place of its own
   */
  async tryToCreate(object: SentObject, namespace = object.metadata.namespace): Promise<KubeAnswer> {
    const { apiVersion, kind, metadata } = object;
    const type = (await this.#typesOf(apiVersion)).find((type) => type.kind === kind && !type.name.includes('/'));
    if (type === undefined) throw new Error(`the cluster has no ${apiVersion} ${kind}`);
    const path = collectionPath(apiVersion, type.name, type.namespaced ? namespace : undefined);
    const { namespace: _, ...rest } = metadata;
    const body = type.namespaced ? { ...object, metadata: { ...rest, namespace } } : object;
    return this.#client.ask(`${path}?dryRun=All&fieldValidation=Strict`, { method: 'POST', body });
  }

  /** All objects of the cluster, by `kind namespace/name`; without what comes and goes by itself. */
  async all(): Promise<ReadonlyMap<string, PresentObject>> {
    const found = new Map<string, PresentObject>();
    const lists = (await this.#listable()).map(async ({ apiVersion, name, kind }) => {
      const { status, text } = await this.#client.ask(collectionPath(apiVersion, name));
      if (status !== 200) throw new Error(`${apiVersion} ${name}: HTTP ${status}: ${text}`);
      for (const item of (JSON.parse(text) as { readonly items: readonly PresentObject[] }).items) {
        const { namespace, name: itsName } = item.metadata;
        found.set(`${kind} ${namespace === undefined ? '' : `${namespace}/`}${itsName}`, { ...item, apiVersion, kind });
      }
    });
    await Promise.all(lists);
    return found;
  }

  async #listable(): Promise<readonly (ResourceType & { readonly apiVersion: string })[]> {
    const types = (await this.#versions()).map(async (apiVersion) =>
      (await this.#typesOf(apiVersion)).map((type) => ({ ...type, apiVersion })),
    );
    return (await Promise.all(types))
      .flat()
      .filter(({ verbs, kind }) => verbs.includes('list') && kind !== 'Event' && kind !== 'Lease');
  }

  /** Every resource and what can be done with it: `{ group, resource, verbs }`. */
  async resources(): Promise<readonly { group: string; resource: string; verbs: readonly string[] }[]> {
    const resources = [];
    for (const apiVersion of await this.#versions()) {
      const group = apiVersion.includes('/') ? apiVersion.split('/')[0]! : '';
      for (const { name, verbs } of await this.#typesOf(apiVersion)) resources.push({ group, resource: name, verbs });
    }
    return resources;
  }

  /** The preferred one of each group. */
  async #versions(): Promise<readonly string[]> {
    const { text } = await this.#client.ask('/apis');
    const { groups } = JSON.parse(text) as {
      readonly groups: readonly { readonly preferredVersion: { readonly groupVersion: string } }[];
    };
    return ['v1', ...groups.map(({ preferredVersion }) => preferredVersion.groupVersion)];
  }

  async #typesOf(apiVersion: string): Promise<readonly ResourceType[]> {
    const known = this.#types.get(apiVersion);
    if (known !== undefined) return known;
    const { status, text } = await this.#client.ask(apiPath(apiVersion));
    if (status !== 200) throw new Error(`discovery of ${apiVersion}: HTTP ${status}: ${text}`);
    const { resources } = JSON.parse(text) as { readonly resources: readonly ResourceType[] };
    this.#types.set(apiVersion, resources);
    return resources;
  }
}

function apiPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function collectionPath(apiVersion: string, plural: string, namespace?: string): string {
  return `${apiPath(apiVersion)}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}`;
}
