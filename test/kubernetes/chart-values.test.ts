// What the chart makes of values, by the real Helm and without a cluster: lint and schema, what is added and where it arrives, and what it
// says after an installation.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CHART,
  ChartRenderer,
  exampleValues,
  type Manifest,
  podTemplateOf,
  type Values,
} from '../support/chart/chart.ts';
import { EVERYTHING_ADDED, valuesMatrix } from '../support/chart/values-matrix.ts';
import { helmHome, helmPrograms } from '../support/helm.ts';

const STORE: Values = { store: 's3://tables/flowtoll' };

const programs = await helmPrograms();
if (programs !== undefined) {
  describe('the chart', () => {
    let folder: string;
    let chart: ChartRenderer;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'flowtoll-chart-'));
      chart = new ChartRenderer(programs, helmHome(folder));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    /** Why Helm refuses these values. */
    async function refusal(values: Values): Promise<string> {
      const { code, stderr } = await chart.run(['template', 'flowtoll', CHART, '--kube-version', '1.34.2'], values);
      expect(code).toBe(1);
      return stderr;
    }

    describe('helm lint', () => {
      test.each([['defaults', {}], ...exampleValues()])('finds nothing, however strict: %s', async (_, values) => {
        const { code, stdout, stderr } = await chart.run(['lint', '--strict', CHART], values);
        expect({ code, said: `${stdout}${stderr}` }).toMatchObject({ code: 0 });
        expect(stdout).not.toMatch(/\[(WARNING|ERROR)\]/);
      });

      test('would find something', async () => {
        const { code, stdout } = await chart.run(['lint', '--strict', CHART], { store: 17 });
        expect(code).toBe(1);
        expect(stdout).toContain('/store');
      });
    });

    describe('wrong values are refused, and what is wrong with them is said:', () => {
      test.each<[string, Values, RegExp]>([
        ['no store', {}, /store is not set: say where the tables are, for example --set store=s3:/],
        ['a store that is none', { store: 'ftp://tables' }, /at '\/store'/],
        ['a store relative to nothing', { store: 'tables' }, /at '\/store'/],
        ['a directory that DuckDB would read as a pattern', { store: '/tables/*' }, /at '\/store'/],
        ['a misspelt value', { ...STORE, agnet: {} }, /additional properties 'agnet' not allowed/],
        [
          'one below',
          { ...STORE, agent: { resource: {} } },
          /at '\/agent': additional properties 'resource' not allowed/,
        ],
        [
          'a mode that is none',
          { ...STORE, tls: { mode: 'off' } },
          /at '\/tls\/mode': value must be one of 'generated'/,
        ],
        ['a name that is none', { ...STORE, tls: { mode: 'existingSecret', existingSecret: 'A_B' } }, /existingSecret/],
        ['no Secret for existingSecret', { ...STORE, tls: { mode: 'existingSecret' } }, /at '\/tls\/existingSecret'/],
        ['no issuer for certManager', { ...STORE, tls: { mode: 'certManager' } }, /at '\/tls\/certManager\/issuerRef'/],
        ['no keys for keys', { ...STORE, agentAuth: { mode: 'keys' } }, /at '\/agentAuth\/keys\/source'/],
        [
          'no authorities for mtls',
          { ...STORE, agentAuth: { mode: 'mtls' } },
          /at '\/agentAuth\/mtls\/clientCaSecret'/,
        ],
        ['no Secret for tokens', { ...STORE, readAuth: { mode: 'tokens' } }, /at '\/readAuth\/tokens\/secret'/],
        [
          'a token shorter than Kubernetes gives',
          { ...STORE, agentAuth: { tokenSeconds: 60 } },
          /minimum: got 60, want 600/,
        ],
        [
          'a secret among plain values',
          { ...STORE, storeEnv: { AWS_SECRET_ACCESS_KEY: 'x' } },
          /AWS_SECRET_ACCESS_KEY/,
        ],
        ['a value of the chart as variable', { ...STORE, storeEnv: { FLOWTOLL_STORE: 's3://x' } }, /FLOWTOLL_STORE/],
        ['an option that the chart sets', { ...STORE, aggregator: { options: { listen: ':1' } } }, /'listen'/],
        ['an option that the agent has not', { ...STORE, agent: { options: { windoww: '1m' } } }, /windoww/],
        [
          'a schedule that is none',
          { ...STORE, maintenance: { cronJob: { schedule: 'daily' } } },
          /\/maintenance\/cronJob\/schedule/,
        ],
        [
          'a report without schedule',
          { ...STORE, reports: { jobs: [{ name: 'daily', args: [] }] } },
          /missing property 'schedule'/,
        ],
        ['replicas below zero', { ...STORE, aggregator: { replicas: -1 } }, /at '\/aggregator\/replicas'/],
        ['a size that is none', { ...STORE, aggregator: { scratchSize: '4 GB' } }, /at '\/aggregator\/scratchSize'/],
        ['a port that is none', { ...STORE, agent: { metrics: { port: 70_000 } } }, /at '\/agent\/metrics\/port'/],
        [
          'an address without port',
          { ...STORE, agent: { aggregator: 'aggregator.example' } },
          /at '\/agent\/aggregator'/,
        ],
        [
          'a digest that is none',
          { ...STORE, agent: { image: { digest: 'sha256:1' } } },
          /at '\/agent\/image\/digest'/,
        ],
        ['a directory without a volume', { store: '/tables' }, /set volume.create or volume.existingClaim/],
        [
          'a volume without a directory',
          { ...STORE, volume: { create: true } },
          /needs no volume: remove volume.create/,
        ],
        ['two claims', { store: '/tables', volume: { create: true, existingClaim: 'x' } }, /at '\/volume'/],
        [
          'several replicas on a volume of one node',
          { store: '/tables', volume: { create: true } },
          /set aggregator.replicas to 1/,
        ],
        ['no encryption by mistake', { ...STORE, tls: { mode: 'none' } }, /tls.mode is none: that needs insecure=true/],
        [
          'no proof by mistake',
          { ...STORE, agentAuth: { mode: 'none' } },
          /agentAuth.mode is none: that needs insecure=true/,
        ],
        [
          'nobody who may deliver',
          { ...STORE, agent: { enabled: false } },
          /nobody may deliver: this release has no agents/,
        ],
        [
          'no gate by mistake',
          { ...STORE, readAuth: { mode: 'none' } },
          /readAuth.mode is none: that needs insecure=true/,
        ],
        [
          'certificates of agents without encryption',
          {
            ...STORE,
            insecure: true,
            tls: { mode: 'none' },
            agentAuth: { mode: 'mtls', mtls: { clientCaSecret: 'x', agentVolume: { csi: { driver: 'x' } } } },
          },
          /agentAuth.mode is mtls, which needs certificates/,
        ],
        [
          'more replicas at least than at most',
          { ...STORE, aggregator: { autoscaling: { enabled: true, minReplicas: 9 } } },
          /minReplicas is 9, more than maxReplicas, 6/,
        ],
      ])('%s', async (_, values, message) => {
        expect(await refusal(values)).toMatch(message);
      });
    });

    describe('what is added arrives', () => {
      let objects: readonly Manifest[];
      beforeAll(async () => {
        objects = await chart.render(EVERYTHING_ADDED);
      });

      test('common labels and annotations at every object, and at every pod', () => {
        expect(objects.length).toBeGreaterThan(15);
        for (const object of objects) {
          for (const { labels, annotations } of [object.metadata, podTemplateOf(object)?.metadata ?? object.metadata]) {
            expect({ kind: object.kind, labels }).toMatchObject({ labels: { 'example.org/common': 'label' } });
            expect({ kind: object.kind, annotations }).toMatchObject({
              annotations: { 'example.org/common': 'annotation' },
            });
          }
        }
      });

      const find = (kind: string, name: string) =>
        objects.find((object) => object.kind === kind && object.metadata.name === `flowtoll-${name}`)!;

      test.each([
        ['agent', 'DaemonSet', 'agent'],
        ['aggregator', 'Deployment', 'aggregator'],
        ['aggregator', 'CronJob', 'report-daily'],
        ['aggregator', 'CronJob', 'maintenance'],
        ['aggregator', 'Pod', 'test-status'],
      ])('what is said of the %s at %s %s', (component, kind, name) => {
        const { metadata, spec } = podTemplateOf(find(kind, name))!;
        const [container] = spec.containers;
        expect(spec.imagePullSecrets).toEqual([{ name: 'pull-secret' }]);
        expect(container.image).toBe(`registry.example/${component}@sha256:${'0'.repeat(64)}`);
        expect(container.env).toContainEqual({ name: 'EXTRA', value: component });
        expect(container.envFrom).toContainEqual({ configMapRef: { name: 'extra-env', optional: true } });
        expect(container.volumeMounts).toContainEqual({ name: 'extra', mountPath: '/extra' });
        expect(spec.volumes).toContainEqual({ name: 'extra', emptyDir: {} });
        expect(spec.nodeSelector).toEqual({ 'kubernetes.io/os': 'linux', 'example.org/pool': component });
        expect(spec.tolerations).toEqual([{ key: 'example.org/taint', operator: 'Exists' }]);
        expect(metadata.labels).toMatchObject({ 'example.org/pod': component });
        if (kind === 'Pod' || kind === 'CronJob') return;
        expect(metadata.annotations).toMatchObject({ 'example.org/pod': component });
        expect(find(kind, name).metadata.annotations).toMatchObject({ 'example.org/object': component });
        expect(spec.initContainers.at(-1).name).toBe(`extra-init-${component}`);
        expect(spec.containers.map((container: { name: string }) => container.name)).toEqual([
          component,
          `extra-${component}`,
        ]);
        expect(container.args.at(-1)).toBe(`--log-level=${component === 'agent' ? 'debug' : 'warn'}`);
        expect(spec.priorityClassName).toBe('system-cluster-critical');
      });

      test.each(['agent', 'aggregator', 'report'])('annotations of the account of the %s', (account) => {
        expect(find('ServiceAccount', account).metadata.annotations).toMatchObject({ 'example.org/account': account });
      });

      test.each(['ingest', 'read'])('annotations of the service %s', (service) => {
        expect(find('Service', service).metadata.annotations).toMatchObject({ 'example.org/service': service });
      });

      test('large numbers as they are', async () => {
        const rendered = await chart.render(valuesMatrix().get('what rows say')!);
        const [container] = rendered.find(({ kind }) => kind === 'Deployment')!['spec'].template.spec.containers;
        expect(container.args).toContain('--commit-bytes=4194304');
        expect(container.args).toContain('--other-clusters=false');
        expect(container.args).toContain('--owner-kinds=argoproj.io/v1alpha1/Rollout,v1/ReplicationController');
      });
    });

    test.each(['1.28.0', '1.30.0', '1.31.0'])(
      'an older server is asked for nothing that it does not know: %s',
      async (kubeVersion) => {
        const rendered = await chart.render(STORE, { kubeVersion });
        const deployment = rendered.find(({ kind }) => kind === 'Deployment')!;
        const ingest = rendered.find(
          ({ kind, metadata }) => kind === 'Service' && metadata.name === 'flowtoll-ingest',
        )!;
        // KEP-3960 (sleep) is beta and on from 1.30, KEP-4444 (trafficDistribution) from 1.31.
        expect('lifecycle' in deployment['spec'].template.spec.containers[0]).toBe(kubeVersion >= '1.30');
        expect('trafficDistribution' in ingest['spec']).toBe(kubeVersion >= '1.31');
        expect(ingest.metadata.annotations?.['service.kubernetes.io/topology-mode']).toBe(
          kubeVersion >= '1.31' ? undefined : 'Auto',
        );
      },
    );

    test('servers before 1.28 are refused', async () => {
      const { code, stderr } = await chart.run(['template', 'x', CHART, '--kube-version', '1.27.9'], STORE);
      expect(code).toBe(1);
      expect(stderr).toContain('requires kubeVersion: >=1.28.0-0');
    });

    test('nothing of a pod changes with what is not its own: it is not restarted', async () => {
      const before = await chart.render(STORE);
      const after = await chart.render({
        ...STORE,
        ...{ networkPolicy: { enabled: false }, tests: { enabled: false } },
        aggregator: { replicas: 5, podDisruptionBudget: { enabled: false } },
      });
      const templates = (objects: readonly Manifest[]) =>
        objects.filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet').map(podTemplateOf);
      expect(templates(after)).toEqual(templates(before));
      // A new topology does: it is read at the start.
      const other = await chart.render({ ...STORE, topology: { version: 1 } });
      expect(templates(other)).not.toEqual(templates(before));
    });

    describe('what is said after an installation', () => {
      test('of one value: what to do next', async () => {
        const notes = await chart.notes(STORE);
        for (const line of [
          'agents on all nodes, 2 aggregators; tables of cluster "default" in s3://tables/flowtoll.',
          'kubectl -n flowtoll rollout status daemonset/flowtoll-agent',
          'kubectl -n flowtoll rollout status deployment/flowtoll-aggregator',
          'helm -n flowtoll test flowtoll',
          'flowtoll report --store s3://tables/flowtoll --by namespace,workload,class --since 24h',
          'kubectl -n flowtoll port-forward service/flowtoll-read 4461',
          'flowtoll watch --server localhost:4461 --tls-ca ca.crt --token-file token',
          'flowtoll/flowtoll-aggregator has no cloud identity by annotation',
          'valid for 1095 days',
        ]) {
          expect(notes).toContain(line);
        }
        expect(notes).not.toContain('INSECURE');
      });

      test.each<[string, string, readonly string[], readonly string[]]>([
        ['examples/eks-irsa.yaml', 'with an identity', ['cluster "prod-eu"'], ['no cloud identity']],
        [
          'nothing proved, nothing encrypted',
          'for trials',
          [
            'INSECURE: no encryption; anybody who reaches the port may deliver flows of any node; anybody who reaches the port may read',
          ],
          ['--tls-ca', '--token-file', 'create token', 'valid for'],
        ],
        [
          'no aggregator runs',
          'of zero replicas',
          ['No aggregator runs: agents keep their flows, each up to 1GiB'],
          [],
        ],
        ['no agents', 'without agents', ['no agents'], ['daemonset/']],
        ['autoscaling', 'of replicas that come and go', ['2 to 9 aggregators'], []],
        ['readers: tokens', 'of static tokens', ['--token-file token'], ['create token']],
        ['tls: public authority', 'of a public authority', ['--tls-ca system'], ['ca.crt', 'valid for']],
      ])('of %s: what is true %s', async (name, _, present, absent) => {
        const notes = await chart.notes(valuesMatrix().get(name)!);
        for (const text of present) expect(notes).toContain(text);
        for (const text of absent) expect(notes).not.toContain(text);
      });
    });
  });
}
