// docs/privileges.md has every privilege that the chart asks for, with any values, and none besides.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { READ_FLOWS } from '@flowtoll/aggregator/identity/readers/kubernetes-readers.ts';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ChartRenderer, type Manifest, type Values } from '../support/chart/chart.ts';
import { privilegesOf } from '../support/chart/privileges.ts';
import { valuesMatrix } from '../support/chart/values-matrix.ts';
import { helmHome, helmPrograms } from '../support/helm.ts';

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'privileges.md');

describe('privileges of objects', () => {
  const pod = (spec: object): Manifest => ({
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: { name: 'x', labels: { 'app.kubernetes.io/component': 'x' } },
    spec,
  });
  const restricted = {
    automountServiceAccountToken: false,
    securityContext: { runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
  };
  const container = {
    name: 'c',
    securityContext: {
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      capabilities: { drop: ['ALL'] },
    },
  };

  test('a pod that is restricted has none', () => {
    expect([...privilegesOf([pod({ ...restricted, containers: [container] })])]).toEqual([]);
  });

  test('a pod that says nothing has what Kubernetes gives it', () => {
    expect([...privilegesOf([pod({ containers: [{ name: 'c' }] })])]).toEqual([
      'x: token of the API',
      'x: no seccomp profile',
      'x: c has privileges that grow',
      "x: c has the runtime's capabilities",
      'x: c has a root file system that it can write',
      'x: c has user 0',
    ]);
  });

  test.each<[string, object, readonly string[]]>([
    ['namespaces of the node', { hostNetwork: true, hostPID: true }, ['x: hostNetwork', 'x: hostPID']],
    ['a volume that nobody knows', { volumes: [{ name: 'v', nfs: {} }] }, ['x: volume v']],
    ['a Secret', { volumes: [{ name: 'v', secret: { secretName: 's' } }] }, ['x: Secret of volume v']],
  ])('%s', (_, spec, expected) => {
    expect([...privilegesOf([pod({ ...restricted, containers: [container], ...spec })])]).toEqual(expected);
  });

  test('directories of the node, as each container has them', () => {
    const volumes = [{ name: 'v', hostPath: { path: '/p' } }];
    const mounted = { ...container, volumeMounts: [{ name: 'v', mountPath: '/q' }] };
    const reading = { ...container, name: 'd', volumeMounts: [{ name: 'v', mountPath: '/q', readOnly: true }] };
    expect([...privilegesOf([pod({ ...restricted, volumes, containers: [mounted, reading] })])]).toEqual([
      "x: c writes the node's /p",
      "x: d reads the node's /p",
    ]);
  });
});

const programs = await helmPrograms();
if (programs !== undefined) {
  describe('docs/privileges.md', () => {
    let folder: string;
    const rendered = new Map<string, readonly Manifest[]>();

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'flowtoll-chart-'));
      const chart = new ChartRenderer(programs, helmHome(folder));
      for (const [name, values] of valuesMatrix()) rendered.set(name, await chart.render(values));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    const privilegesWith = (name: string, values: Values) =>
      privilegesOf(
        rendered.get(name)!,
        (values as { kubernetes?: { ownerKinds?: { resource: string }[] } }).kubernetes?.ownerKinds?.map(
          ({ resource }) => resource,
        ),
      );

    test('has each privilege that the chart asks for, and no other', async () => {
      const wanted = new Set<string>();
      for (const [name, values] of valuesMatrix()) {
        // What somebody adds is theirs.
        if (name === 'everything added') continue;
        for (const privilege of privilegesWith(name, values)) wanted.add(privilege);
      }
      const page = await readFile(PAGE, 'utf8');
      const rows = [...page.matchAll(/^\| `([^`]+)` \|(.*)\|$/gm)];
      expect(rows.map(([, privilege]) => privilege).sort()).toEqual([...wanted].sort());
      for (const [, privilege, rest] of rows) {
        const cells = rest!.split(' | ').map((cell) => cell.trim());
        expect({ privilege, cells: cells.length, empty: cells.filter((cell) => cell === '') }).toEqual({
          privilege,
          cells: 3,
          empty: [],
        });
      }
    });

    test('as little as is said to be possible: agents without any container that is privileged', () => {
      for (const name of ['sysctls without privileges', 'sysctls by somebody else']) {
        const privileges = [...privilegesWith(name, {})];
        expect(privileges.filter((privilege) => privilege.includes('privileged'))).toEqual([]);
        expect(privileges.filter((privilege) => privilege.includes('CAP_'))).toEqual([
          'agent: agent has CAP_NET_ADMIN',
        ]);
      }
    });

    test('the role of the aggregator is what the product asks for', () => {
      const rules = rendered
        .get('one value')!
        .filter(({ kind }) => kind === 'ClusterRole')
        .map((role) => role['rules'] as object[]);
      expect(rules[0]!.slice(0, rbacRules().length)).toEqual(
        rbacRules().map((rule) => ({ ...rule, resources: [...rule.resources].sort() })),
      );
      expect(rules[1]).toEqual([
        { apiGroups: [READ_FLOWS.group], resources: [READ_FLOWS.resource], verbs: [READ_FLOWS.verb] },
      ]);
    });
  });
}
