// The permissions that the caches need, as RBAC rules: list and watch, nothing else. Made of the list of resources, so that what is
// read and what is asked for cannot differ.
import { type ApiResource, BUILT_IN_RESOURCES } from './resources.ts';

/** A rule of a ClusterRole. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export const VERBS = ['list', 'watch'] as const;

/**
 * One rule for each API group, in the order of the resources. Owner kinds besides need a rule each, and discovery, which the
 * ClusterRole system:discovery allows to everybody.
 */
export function rbacRules(resources: readonly ApiResource[] = BUILT_IN_RESOURCES): readonly PolicyRule[] {
  const byGroup = Map.groupBy(resources, ({ group }) => group);
  return [...byGroup].map(([group, members]) => ({
    apiGroups: [group],
    resources: members.map(({ plural, kind }) => plural ?? kind),
    verbs: VERBS,
  }));
}

/** The rule that allows this resource, as one line of YAML. */
export function ruleLine({ group, plural, kind }: ApiResource): string {
  return `{apiGroups: ["${group}"], resources: ["${plural ?? kind}"], verbs: ["list", "watch"]}`;
}
