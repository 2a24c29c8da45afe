import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { rbacRules, ruleLine } from './rbac.ts';
import { BUILT_IN_RESOURCES, parseOwnerKind, resourceName } from './resources.ts';

test('the rules are list and watch of what is read', () => {
  const verbs = ['list', 'watch'];
  expect(rbacRules()).toEqual([
    { apiGroups: [''], resources: ['namespaces', 'nodes', 'pods', 'services'], verbs },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs },
    { apiGroups: ['apps'], resources: ['replicasets'], verbs },
    { apiGroups: ['batch'], resources: ['jobs'], verbs },
  ]);
  expect(ruleLine(BUILT_IN_RESOURCES[6]!)).toBe(
    '{apiGroups: ["batch"], resources: ["jobs"], verbs: ["list", "watch"]}',
  );
});

test('owner kinds are written as manifests write them', () => {
  expect(parseOwnerKind('argoproj.io/v1alpha1/Rollout')).toMatchObject({
    ...{ group: 'argoproj.io', version: 'v1alpha1', kind: 'Rollout', plural: undefined, becomes: 'owners' },
  });
  expect(parseOwnerKind('v1/ReplicationController')).toMatchObject({ group: '', version: 'v1' });
  expect(resourceName(parseOwnerKind('argoproj.io/v1alpha1/Rollout'))).toBe('Rollout.argoproj.io');
  for (const text of [
    'Rollout',
    'rollouts.argoproj.io',
    'argoproj.io/Rollout',
    'a/b/v1/C',
    'argoproj.io/v1/rollout',
    '',
  ]) {
    expect(() => parseOwnerKind(text)).toThrow(/is no kind of the Kubernetes API; write apiVersion\/Kind/);
  }
  expect(() => parseOwnerKind('apps/v1/ReplicaSet')).toThrow('apps/v1/ReplicaSet is read anyway');
});

test('docs/kubernetes.md lists exactly these rules', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'kubernetes.md'), 'utf8');
  const [, yaml = ''] = /```yaml\n(apiVersion[\s\S]*?)```/.exec(page) ?? [];
  expect((parse(yaml) as { rules: unknown }).rules).toEqual(rbacRules());
});
