// Who may do what at the stand-in: bearer tokens, and RBAC by ClusterRoles and ClusterRoleBindings of service accounts.
import { randomUUID } from 'node:crypto';
import type { ObjectStore } from './object-store.ts';
import type { ServedResource } from './resource-table.ts';

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
}

interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

const ADMIN = 'admin';

export class Access {
  readonly #store: ObjectStore;
  readonly #users = new Map<string, string>();
  readonly adminToken = randomUUID();

  constructor(store: ObjectStore) {
    this.#store = store;
    this.#users.set(this.adminToken, ADMIN);
  }

  /** A token of this service account. */
  issue(namespace: string, account: string): string {
    const token = randomUUID();
    this.#users.set(token, `system:serviceaccount:${namespace}:${account}`);
    return token;
  }

  /** From now on nobody gets in with it. */
  revoke(token: string): void {
    this.#users.delete(token);
  }

  /** Name of the user; undefined: Unauthorized. */
  userOf(authorization: string | undefined): string | undefined {
    return this.#users.get(authorization?.replace(/^Bearer /, '') ?? '');
  }

  mayDo(user: string, verb: string, { group, plural }: ServedResource): boolean {
    if (user === ADMIN) return true;
    const names = new Set(
      this.#store
        .all('clusterrolebindings')
        .filter((binding) =>
          (binding['subjects'] as Subject[] | undefined)?.some(
            ({ kind, name, namespace }) =>
              kind === 'ServiceAccount' && `system:serviceaccount:${namespace}:${name}` === user,
          ),
        )
        .map((binding) => String(binding['roleRef'].name)),
    );
    return this.#store
      .all('clusterroles')
      .filter(({ metadata }) => names.has(metadata.name))
      .some((role) =>
        (role['rules'] as Rule[] | undefined)?.some(
          ({ apiGroups = [], resources = [], verbs }) =>
            has(apiGroups, group) && has(resources, plural) && has(verbs, verb),
        ),
      );
  }
}

function has(allowed: readonly string[], wanted: string): boolean {
  return allowed.includes('*') || allowed.includes(wanted);
}
