// The Helm chart on a real control plane, by the real Helm: it is installed, upgraded, rolled back and uninstalled; the server takes every
// object that any set of values makes; pods are made, where they belong, and pass the admission they should; RBAC and tokens are enforced
// by the server. Nothing runs in the pods: kubelets are played.
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKubernetesReaders } from '@flowtoll/aggregator/identity/readers/kubernetes-readers.ts';
import { createSubjectAccessReviewer } from '@flowtoll/aggregator/identity/subject-access-review.ts';
import { createTokenReviewer } from '@flowtoll/aggregator/identity/token-review.ts';
import { createApiClient } from '@flowtoll/aggregator/kubernetes/api-client.ts';
import { loadApiConfig } from '@flowtoll/aggregator/kubernetes/api-config.ts';
import { SYSTEM_TIMING } from '@flowtoll/aggregator/kubernetes/timing.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CHART,
  ChartRenderer,
  type Manifest,
  parseManifests,
  podTemplateOf,
  type Values,
} from '../support/chart/chart.ts';
import { FOREIGN_KINDS } from '../support/chart/foreign-kinds.ts';
import { valuesMatrix } from '../support/chart/values-matrix.ts';
import { type ClusterTools, clusterTools, helmHome, helmPrograms } from '../support/helm.ts';
import { AnyObject, type PresentObject } from '../support/kubernetes/any-object.ts';
import { controlPlaneAssets } from '../support/kubernetes/assets.ts';
import { startControlPlane } from '../support/kubernetes/control-plane.ts';
import { KubeClient, type KubeObject } from '../support/kubernetes/kube-client.ts';
import { createNode, Kubelets, type NodePlan } from '../support/kubernetes/kubelets.ts';
import { kubeconfigText, type TestCluster } from '../support/kubernetes/test-cluster.ts';
import { until } from '../support/until.ts';
import { cachesOn } from './rig.ts';

const place = { region: 'eu-west-1', zone: 'eu-west-1a' };
const NODES: readonly NodePlan[] = [
  { name: 'worker-1', address: '10.0.0.1', podPrefix: '10.244.1', ...place },
  { name: 'worker-2', address: '10.0.0.2', podPrefix: '10.244.2', ...place },
  { name: 'tainted', address: '10.0.0.3', podPrefix: '10.244.3', ...place },
  { name: 'fargate', address: '10.0.0.4', podPrefix: '10.244.4', ...place },
];
const STORE: Values = { store: 's3://tables/flowtoll' };
/** What a provisioner would make for examples/k3s.yaml. */
const volume = {
  ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'local' } },
  spec: {
    ...{ storageClassName: 'local-path', accessModes: ['ReadWriteOnce'], capacity: { storage: '50Gi' } },
    hostPath: { path: '/none' },
  },
};
const PATIENCE = { patienceMs: 20_000 };

const [assets, programs] = [await controlPlaneAssets(), await helmPrograms()];
if ('missing' in assets) console.warn(`the chart is not installed: ${assets.missing}`);
else if (programs !== undefined) {
  describe('the chart on a real control plane', () => {
    let cluster: TestCluster;
    let admin: KubeClient;
    let objects: AnyObject;
    let tools: ClusterTools;
    let renderer: ChartRenderer;
    let kubelets: Kubelets;
    let folder: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'flowtoll-chart-'));
      cluster = await startControlPlane(assets);
      admin = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
      await admin.whenUsable();
      for (const node of NODES) await createNode(admin, node);
      await admin.patch('nodes', undefined, 'tainted', {
        spec: { taints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] },
      });
      await admin.patch('nodes', undefined, 'fargate', {
        metadata: { labels: { 'eks.amazonaws.com/compute-type': 'fargate' } },
        spec: { taints: [{ key: 'eks.amazonaws.com/compute-type', value: 'fargate', effect: 'NoSchedule' }] },
      });
      objects = new AnyObject(admin);
      tools = await clusterTools(programs, cluster, folder);
      renderer = new ChartRenderer(programs, helmHome(folder));
      kubelets = new Kubelets(admin, NODES);
      await apply({ apiVersion: 'v1', kind: 'List', items: FOREIGN_KINDS });
      for (const path of [
        'monitoring.coreos.com/v1/podmonitors',
        'monitoring.coreos.com/v1/servicemonitors',
        'cert-manager.io/v1/certificates',
      ]) {
        await until(path, async () => (await admin.ask(`/apis/${path}`)).status === 200);
      }
      for (const level of ['restricted', 'baseline', 'privileged']) await namespace(level, level);
    });
    afterAll(async () => {
      try {
        await kubelets?.stop();
      } finally {
        await cluster?.stop();
        await rm(folder, { recursive: true, force: true });
      }
    });

    async function apply(manifest: object): Promise<void> {
      const { code, stderr } = await tools.tryKubectl(['apply', '-f', '-'], JSON.stringify(manifest));
      if (code !== 0) throw new Error(`kubectl apply ended with ${code}: ${stderr}`);
    }

    /** Where admission lets only pods of this level in. */
    async function namespace(name: string, level: string): Promise<void> {
      const labels = { 'pod-security.kubernetes.io/enforce': level };
      await admin.create('namespaces', undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    }

    /** Helm with values; rejects with what it said when it fails. */
    async function helm(args: readonly string[], values: Values): Promise<string> {
      const { code, stdout, stderr } = await tryHelm(args, values);
      if (code !== 0) throw new Error(`helm ${args.join(' ')} ended with ${code}: ${stderr}`);
      return stdout;
    }

    function tryHelm(args: readonly string[], values: Values) {
      return new ChartRenderer(programs!, {
        ...helmHome(folder),
        KUBECONFIG: join(folder, 'kubeconfig'),
      }).run(args, values);
    }

    async function objectOf(path: string): Promise<PresentObject> {
      const { status, text } = await admin.ask(path);
      if (status !== 200) throw new Error(`GET ${path}: HTTP ${status}: ${text}`);
      return JSON.parse(text) as PresentObject;
    }

    /** A token as a pod gets it. */
    async function tokenOf(namespace: string, account: string, audiences?: readonly string[]): Promise<string> {
      const { status, text } = await admin.ask(`/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, {
        method: 'POST',
        body: { spec: { expirationSeconds: 600, ...(audiences && { audiences }) } },
      });
      if (status !== 201) throw new Error(`token of ${account}: HTTP ${status}: ${text}`);
      return (JSON.parse(text) as { status: { token: string } }).status.token;
    }

    const clientOf = (token: string) => new KubeClient({ server: cluster.server, token, ca: cluster.tls?.ca });

    describe('its objects', () => {
      test.each([...valuesMatrix()])('are taken by the server as they are: %s', async (_, values) => {
        const manifests = await renderer.render(values, { namespace: 'privileged' });
        for (const manifest of manifests) {
          const { status, text } = await objects.tryToCreate(manifest);
          expect({ kind: manifest.kind, name: manifest.metadata.name, status, text }).toMatchObject({ status: 201 });
        }
        expect(new Set(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).size).toBe(manifests.length);
      });

      test('are taken with a mistake in none: the server would say so', async () => {
        const [first] = await renderer.render(STORE, { namespace: 'privileged' });
        const { status, text } = await objects.tryToCreate({ ...first!, mistake: 1 } as Manifest);
        expect(status).toBe(400);
        expect(text).toContain('unknown field \\"mistake\\"');
      });
    });

    describe('Pod Security', () => {
      /** The strictest level whose admission lets the pod in. */
      async function levelOf(pod: object): Promise<string> {
        for (const level of ['restricted', 'baseline', 'privileged']) {
          const { status, text } = await objects.tryToCreate(
            { apiVersion: 'v1', kind: 'Pod', ...pod } as Manifest,
            level,
          );
          if (status === 201) return level;
          if (status !== 403 || !text.includes('violates PodSecurity')) throw new Error(`HTTP ${status}: ${text}`);
        }
        throw new Error('not even privileged');
      }

      test('all but agents are restricted, whatever the values; agents are on the node, hence privileged', async () => {
        const levels = new Map<string, Set<string>>();
        for (const [name, values] of valuesMatrix()) {
          // What somebody adds is theirs.
          if (name === 'everything added') continue;
          for (const manifest of await renderer.render(values)) {
            const template = podTemplateOf(manifest);
            if (template === undefined) continue;
            const level = await levelOf({
              metadata: { name: 'pod', labels: template.metadata.labels },
              spec: template.spec,
            });
            const component = template.metadata.labels?.['app.kubernetes.io/component'] ?? manifest.metadata.name;
            levels.set(component, (levels.get(component) ?? new Set()).add(level));
          }
        }
        expect(Object.fromEntries([...levels].map(([component, seen]) => [component, [...seen]]))).toEqual({
          agent: ['privileged'],
          aggregator: ['restricted'],
          report: ['restricted'],
          maintenance: ['restricted'],
          test: ['restricted'],
        });
      });

      test('aggregators run in a namespace that is restricted', async () => {
        await helm(['install', 'central', CHART, '-n', 'restricted'], {
          ...STORE,
          agent: { enabled: false },
          agentAuth: { extraServiceAccounts: ['elsewhere/flowtoll-agent'] },
          rbac: { readerRole: { create: false } },
        });
        await runningPods('restricted', 'aggregator', 2);
        await tools.helm('uninstall', 'central', '-n', 'restricted');
      });
    });

    /** Resolves once so many pods of the component are ready, and none is another. */
    async function runningPods(namespace: string, component: string, count: number): Promise<readonly KubeObject[]> {
      let seen: readonly KubeObject[] = [];
      return until(
        `${count} pods of ${component}`,
        async () => {
          seen = (await admin.list('pods', namespace)).filter(
            ({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === component,
          );
          return seen.length === count && seen.every((pod) => pod['status'].phase === 'Running') && seen;
        },
        {
          ...PATIENCE,
          describe: () => seen.map((pod) => `${pod.metadata.name} ${JSON.stringify(pod['status'])}`).join('\n'),
        },
      );
    }

    describe('a release', () => {
      let before: ReadonlyMap<string, PresentObject>;
      const namespace = 'flowtoll';
      const flags = ['-n', namespace];
      const upgrade = (values: Values) => helm(['upgrade', 'flowtoll', CHART, ...flags, '--history-max=0'], values);
      const object = (path: string) => objectOf(path.replace('NS', `namespaces/${namespace}`));
      const deployment = () => object('/apis/apps/v1/NS/deployments/flowtoll-aggregator');

      beforeAll(async () => {
        await tools.kubectl('create', 'namespace', namespace);
        await until('its account', async () => (await admin.list('serviceaccounts', namespace)).length === 1);
        await until(
          'its authority',
          async () => (await admin.ask(`/api/v1/namespaces/${namespace}/configmaps/kube-root-ca.crt`)).status === 200,
        );
        await apply(volume);
        before = await objects.all();
        await helm(['install', 'flowtoll', CHART, ...flags], STORE);
      });

      test('needs one value: agents come to every node that has a kernel, aggregators to those that take pods', async () => {
        const agents = await runningPods(namespace, 'agent', 3);
        expect(agents.map((pod) => pod['spec'].nodeName).sort()).toEqual(['tainted', 'worker-1', 'worker-2']);
        const aggregators = await runningPods(namespace, 'aggregator', 2);
        // Both workers have one: they are spread.
        expect(aggregators.map((pod) => pod['spec'].nodeName).sort()).toEqual(['worker-1', 'worker-2']);
        const slices = await until('their addresses in the service', async () => {
          const all = (await admin.list('endpointslices', namespace)).filter(
            ({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'flowtoll-ingest',
          );
          return all.flatMap((slice) => slice['endpoints'] ?? []).length === 2 && all;
        });
        expect(slices.find((slice) => slice['endpoints']?.length > 0)!['ports']).toMatchObject([
          { name: 'ingest', port: 4460 },
        ]);
      });

      describe('RBAC', () => {
        /** Everything that an account may, by the server's word: `verb resource.group`. */
        async function mayDo(token: string): Promise<ReadonlySet<string>> {
          const { text } = await clientOf(token).ask('/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
            method: 'POST',
            body: { kind: 'SelfSubjectRulesReview', apiVersion: 'authorization.k8s.io/v1', spec: { namespace } },
          });
          const { status } = JSON.parse(text) as {
            status: {
              incomplete: boolean;
              resourceRules: { verbs: string[]; apiGroups: string[]; resources: string[] }[];
            };
          };
          return new Set(
            status.resourceRules.flatMap(({ verbs, apiGroups, resources }) =>
              apiGroups.flatMap((group) =>
                resources.flatMap((resource) =>
                  verbs.map((verb) => `${verb} ${group === '' ? resource : `${resource}.${group}`}`),
                ),
              ),
            ),
          );
        }

        /** What every account may. */
        const nobody = () => tokenOf(namespace, 'default').then(mayDo);
        const more = async (account: string) => {
          const usual = await nobody();
          return [...(await mayDo(await tokenOf(namespace, account)))].filter((what) => !usual.has(what)).sort();
        };

        test('the aggregator may do this, and nothing else', async () => {
          expect(await more('flowtoll-aggregator')).toEqual(
            [
              ...['namespaces', 'nodes', 'pods', 'services'],
              ...['endpointslices.discovery.k8s.io', 'replicasets.apps', 'jobs.batch'],
            ]
              .flatMap((resource) => [`list ${resource}`, `watch ${resource}`])
              .concat(['create tokenreviews.authentication.k8s.io', 'create subjectaccessreviews.authorization.k8s.io'])
              .sort(),
          );
        });

        test.each(['flowtoll-agent'])('%s may do what everybody may', async (account) => {
          expect(await more(account)).toEqual([]);
        });

        test('the account of reports may do what everybody may', async () => {
          await upgrade({ ...STORE, reports: { jobs: [{ name: 'daily', schedule: '@daily', args: [] }] } });
          expect(await more('flowtoll-report')).toEqual([]);
          await upgrade(STORE);
        });

        test('the server enforces it: each request of whoever has a token of theirs', async () => {
          const [aggregator, agent] = await Promise.all(
            ['flowtoll-aggregator', 'flowtoll-agent'].map(async (account) =>
              clientOf(await tokenOf(namespace, account)),
            ),
          );
          const lists = [
            ...['namespaces', 'nodes', 'pods', 'services'].map((name) => `/api/v1/${name}`),
            ...['/apis/discovery.k8s.io/v1/endpointslices', '/apis/apps/v1/replicasets', '/apis/batch/v1/jobs'],
          ];
          const said = async (client: KubeClient, path: string, request = {}) =>
            (await client.ask(path, request)).status;
          const watched = lists.map((path) => said(aggregator!, `${path}?watch=true&timeoutSeconds=1`));
          expect(await Promise.all(watched)).toEqual(lists.map(() => 200));
          // Keys of the issuer, for `agentAuth.mode: keys`: every service account may see them.
          expect(await said(aggregator!, '/openid/v1/jwks')).toBe(200);
          for (const path of lists) {
            expect([path, await said(aggregator!, path)]).toEqual([path, 200]);
            expect([path, await said(agent!, path)]).toEqual([path, 403]);
            // One of them is not theirs to get, and none to make, change or delete.
            for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
              const one = `${path.replace(/\/([a-z]+)$/, /namespaces$|nodes$/.test(path) ? '/$1' : `/namespaces/${namespace}/$1`)}/any`;
              expect([method, one, await said(aggregator!, one, { method, body: {} })]).toEqual([method, one, 403]);
            }
            expect([path, await said(aggregator!, path, { method: 'DELETE' })]).toEqual([path, 403]);
          }
          // All that others have.
          for (const { group, resource, verbs } of await objects.resources()) {
            if (!verbs.includes('list')) continue;
            const path = group === '' ? `/api/v1/${resource}` : undefined;
            if (path === undefined || lists.includes(path)) continue;
            expect([path, await said(aggregator!, path)]).toEqual([path, 403]);
            expect([path, await said(agent!, path)]).toEqual([path, 403]);
          }
          for (const path of [
            `/api/v1/namespaces/${namespace}/secrets/flowtoll-tls`,
            `/api/v1/namespaces/${namespace}/pods/any/exec?command=sh`,
            `/api/v1/namespaces/${namespace}/pods/any/log`,
            `/api/v1/nodes/worker-1/proxy/metrics`,
            `/api/v1/namespaces/${namespace}/serviceaccounts/flowtoll-aggregator/token`,
          ]) {
            for (const method of ['GET', 'POST']) {
              expect([method, path, await said(aggregator!, path, { method, body: {} })]).toEqual([method, path, 403]);
            }
          }
        });

        test('it is enough: the caches of the product hear of everything with the aggregator’s token', async () => {
          const under = cachesOn(cluster, { token: await tokenOf(namespace, 'flowtoll-aggregator') });
          try {
            under.caches.start();
            await until('all lists', () => under.caches.resources.every(({ synced }) => synced), {
              describe: () => under.warnings.join('\n'),
            });
            expect(under.warnings).toEqual([]);
            expect(under.status('nodes').objects).toBe(NODES.length);
          } finally {
            await under.stop();
          }
        });

        test('it is enough: the product reviews tokens and asks what readers may, who have the reader’s role', async () => {
          for (const reader of ['reader', 'stranger'])
            await tools.kubectl('create', 'serviceaccount', reader, ...flags);
          await tools.kubectl(
            'create',
            'rolebinding',
            'reader',
            ...flags,
            '--clusterrole=flowtoll-reader',
            `--serviceaccount=${namespace}:reader`,
          );
          const kubeconfig = join(folder, 'aggregator.kubeconfig');
          const token = await tokenOf(namespace, 'flowtoll-aggregator');
          await writeFile(kubeconfig, kubeconfigText({ server: cluster.server, ca: cluster.tls?.ca, user: { token } }));
          const client = createApiClient(() => loadApiConfig({ source: kubeconfig }), SYSTEM_TIMING);
          try {
            const parts = { client, timing: SYSTEM_TIMING };
            const readers = createKubernetesReaders('flowtoll-read', {
              tokens: createTokenReviewer({ audience: 'flowtoll-read' }, parts),
              access: createSubjectAccessReviewer({}, parts),
            });
            const reader = await readers.identify(await tokenOf(namespace, 'reader', ['flowtoll-read']));
            expect(await reader.allowed([namespace])).toEqual(new Set([namespace]));
            await expect(reader.allowed(['default'])).rejects.toMatchObject({ code: 'READER_FORBIDDEN' });
            const stranger = await readers.identify(await tokenOf(namespace, 'stranger', ['flowtoll-read']));
            await expect(stranger.allowed([namespace])).rejects.toMatchObject({ code: 'READER_FORBIDDEN' });
            // What a pod has for the API is no token for this.
            await expect(readers.identify(await tokenOf(namespace, 'reader'))).rejects.toMatchObject({
              code: 'READER_UNKNOWN',
            });
          } finally {
            client.close();
            await tools.kubectl(
              'delete',
              'rolebinding/reader',
              'serviceaccount/reader',
              'serviceaccount/stranger',
              ...flags,
            );
          }
        });
      });

      /** Objects of the release, by `kind namespace/name`, that are in the cluster; without what controllers make of them. */
      async function present(): Promise<readonly string[]> {
        const made = new Set(['EndpointSlice', 'Endpoints', 'Job', 'Pod', 'ReplicaSet', 'ControllerRevision']);
        return [...(await objects.all())]
          .filter(([, { kind, metadata }]) => {
            const labels = metadata.labels ?? {};
            return labels['app.kubernetes.io/instance'] === 'flowtoll' && !made.has(kind);
          })
          .map(([name]) => name)
          .sort();
      }

      /** The same, by what Helm has recorded; without its tests. */
      async function recorded(...revision: readonly string[]): Promise<readonly string[]> {
        return parseManifests(await tools.helm('get', 'manifest', 'flowtoll', ...flags, ...revision))
          .map(
            ({ kind, metadata: { name, namespace } }) =>
              `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`,
          )
          .sort();
      }

      test('is what Helm has recorded', async () => {
        expect(await present()).toEqual(await recorded());
        expect(await present()).toContain('Deployment flowtoll/flowtoll-aggregator');
      });

      describe('certificates of its own', () => {
        const secret = (name: string) => object(`/api/v1/NS/secrets/${name}`);
        const pem = (data: string) => Buffer.from(data, 'base64').toString();
        const all = async () => ({
          authority: pem((await secret('flowtoll-authority'))['data']['tls.crt']),
          certificate: pem((await secret('flowtoll-tls'))['data']['tls.crt']),
          key: pem((await secret('flowtoll-tls'))['data']['tls.key']),
          trusted: (await object('/api/v1/NS/configmaps/flowtoll-ca'))['data']['ca.crt'] as string,
        });
        const parts = (bundle: string) =>
          [...bundle.matchAll(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs)].map(
            ([text]) => new X509Certificate(text),
          );

        /** As if it had been made so long ago that it is due: the one who wrote it writes another date. */
        async function makeDue(name: string): Promise<void> {
          const manifests = parseManifests(await tools.helm('get', 'manifest', 'flowtoll', ...flags));
          const manifest = manifests.find(({ kind, metadata }) => kind === 'Secret' && metadata.name === name)!;
          const annotations = { ...manifest.metadata.annotations, 'flowtoll.io/renew-after': '1700000000' };
          const { status, text } = await admin.ask(
            `/api/v1/namespaces/${namespace}/secrets/${name}?fieldManager=helm&force=true`,
            {
              method: 'PATCH',
              body: { ...manifest, metadata: { ...manifest.metadata, annotations } },
              headers: { 'content-type': 'application/apply-patch+yaml' },
            },
          );
          if (status !== 200) throw new Error(text);
        }

        test('have the names of the services, are of the authority that agents get, and stay over upgrades', async () => {
          const first = await all();
          const [certificate, authority] = [
            new X509Certificate(first.certificate),
            new X509Certificate(first.authority),
          ];
          expect(certificate.checkIssued(authority) && certificate.verify(authority.publicKey)).toBe(true);
          expect(certificate.ca).toBe(false);
          for (const name of ['ingest', 'read'].map((service) => `flowtoll-${service}.flowtoll.svc`)) {
            expect(certificate.checkHost(name)).toBe(name);
            expect(certificate.checkHost(`${name}.cluster.local`)).toBe(`${name}.cluster.local`);
          }
          expect(certificate.checkHost('localhost')).toBe('localhost');
          const days = (certificate.validToDate.getTime() - Date.now()) / 86_400_000;
          expect(days).toBeGreaterThan(1094);
          expect(days).toBeLessThan(1096);
          expect(parts(first.trusted).map(({ fingerprint256 }) => fingerprint256)).toEqual([authority.fingerprint256]);
          await upgrade(STORE);
          expect(await all()).toEqual(first);
        });

        test('are made anew when they are due, by the same authority', async () => {
          const first = await all();
          await makeDue('flowtoll-tls');
          await upgrade(STORE);
          const second = await all();
          expect({ ...second, certificate: '', key: '' }).toEqual({ ...first, certificate: '', key: '' });
          expect(second.certificate).not.toBe(first.certificate);
          expect(new X509Certificate(second.certificate).verify(parts(first.authority)[0]!.publicKey)).toBe(true);
          await upgrade(STORE);
          expect(await all()).toEqual(second);
        });

        test('are made anew when their names are others', async () => {
          const first = await all();
          await upgrade({ ...STORE, tls: { extraDnsNames: ['flows.example.org'] } });
          const second = await all();
          expect(second.authority).toBe(first.authority);
          expect(new X509Certificate(second.certificate).checkHost('flows.example.org')).toBe('flows.example.org');
          await upgrade(STORE);
        });

        test('have a new authority when it is due, beside the one before, which agents go on to trust', async () => {
          const first = await all();
          await makeDue('flowtoll-authority');
          await upgrade(STORE);
          const second = await all();
          const [fresh, former, ...none] = parts(second.trusted);
          expect(none).toEqual([]);
          expect(former!.fingerprint256).toBe(new X509Certificate(first.authority).fingerprint256);
          expect(fresh!.fingerprint256).toBe(new X509Certificate(second.authority).fingerprint256);
          expect(fresh!.fingerprint256).not.toBe(former!.fingerprint256);
          expect(new X509Certificate(second.certificate).verify(fresh!.publicKey)).toBe(true);
          // A replica that has not seen the new certificate yet.
          expect(new X509Certificate(first.certificate).verify(former!.publicKey)).toBe(true);
          await upgrade(STORE);
          expect(await all()).toEqual(second);
        });
      });

      test('is tested by Helm: by a pod whose end decides', async () => {
        for (const { phase, code } of [
          { phase: 'Failed', code: 1 },
          { phase: 'Succeeded', code: 0 },
        ]) {
          const tested = tools.tryHelm('test', 'flowtoll', ...flags, '--timeout', '20s');
          await until('its pod', async () => {
            const path = `/api/v1/namespaces/${namespace}/pods/flowtoll-test-status`;
            const { status, text } = await admin.ask(path);
            if (status !== 200 || (JSON.parse(text) as KubeObject)['status'].phase !== 'Running') return false;
            await admin.patch('pods', namespace, 'flowtoll-test-status', { status: { phase } }, 'status');
            return true;
          });
          expect(await tested).toMatchObject({ code });
        }
      });

      test('is scaled to zero by its value; what is scaled by hand the next upgrade undoes', async () => {
        await tools.kubectl('scale', 'deployment/flowtoll-aggregator', '--replicas=0', ...flags);
        await runningPods(namespace, 'aggregator', 0);
        await upgrade(STORE);
        expect((await deployment())['spec'].replicas).toBe(2);
        await upgrade({ ...STORE, aggregator: { replicas: 0 } });
        await runningPods(namespace, 'aggregator', 0);
        await upgrade(STORE);
        await runningPods(namespace, 'aggregator', 2);
      });

      test('autoscaling takes over, and gives back', async () => {
        await upgrade({ ...STORE, aggregator: { autoscaling: { enabled: true, minReplicas: 3 } } });
        await until('its fewest replicas', async () => (await deployment())['spec'].replicas === 3, PATIENCE);
        await upgrade(STORE);
        expect((await deployment())['spec'].replicas).toBe(2);
      });

      /** Sets that one release can have one after another. */
      const path = [
        ...['tls: existing Secret', 'agents: keys of the issuer', 'agents: certificates', 'tls: cert-manager'],
        ...['nothing proved, nothing encrypted', 'readers: tokens', 'no agents', 'sysctls without privileges'],
        ...['everything added', 'reports, groups, upkeep in a job', 'what rows say', 'monitoring', 'IPv6'],
        ...[
          'accounts and roles of somebody else',
          'as little as can be',
          'examples/k3s.yaml',
          'examples/eks-irsa.yaml',
        ],
      ];
      test.each(path)('is upgraded: %s', async (name) => {
        const values = valuesMatrix().get(name)!;
        await upgrade(values);
        if (name === 'examples/k3s.yaml') await runningPods(namespace, 'aggregator', 1);
        // Its claim stays.
        const claims = name === 'examples/eks-irsa.yaml' ? ['PersistentVolumeClaim flowtoll/flowtoll-tables'] : [];
        expect(await present()).toEqual([...(await recorded()), ...claims].sort());
      });

      test('is rolled back to its first revision', async () => {
        await tools.helm('rollback', 'flowtoll', '1', ...flags, '--history-max=0');
        expect(await recorded()).toEqual(await recorded('--revision', '1'));
        expect(await present()).toEqual(
          [...(await recorded()), 'PersistentVolumeClaim flowtoll/flowtoll-tables'].sort(),
        );
        const first = parseManifests(await tools.helm('get', 'manifest', 'flowtoll', ...flags, '--revision', '1'));
        for (const [kind, resource] of [
          ['Deployment', 'deployments/flowtoll-aggregator'],
          ['DaemonSet', 'daemonsets/flowtoll-agent'],
        ] as const) {
          const { spec } = (await object(`/apis/apps/v1/NS/${resource}`)) as PresentObject;
          const wanted = first.find((manifest) => manifest.kind === kind)!;
          // The server has put defaults beside; what it had of other revisions would be seen in lists.
          expect(spec).toMatchObject(wanted['spec']);
          expect(Object.keys(spec.template.metadata.annotations ?? {})).toEqual([]);
        }
        await runningPods(namespace, 'agent', 3);
        await runningPods(namespace, 'aggregator', 2);
      });

      test('a second one leaves the reader’s role to the first, or is told so', async () => {
        const second = ['second', CHART, '-n', 'privileged'];
        const { code, stderr } = await tryHelm(['install', ...second], STORE);
        expect(code).toBe(1);
        expect(stderr).toContain('flowtoll-reader');
        await tools.tryHelm('uninstall', 'second', '-n', 'privileged');
        await helm(['install', ...second], { ...STORE, rbac: { readerRole: { create: false } } });
        await tools.helm('uninstall', 'second', '-n', 'privileged');
      });

      test('leaves nothing behind when it is uninstalled but the claim, which a new one takes over', async () => {
        await tools.helm('uninstall', 'flowtoll', ...flags);
        let left: readonly string[] = [];
        const isLeft = async () => {
          left = [...(await objects.all()).keys()].filter((name) => !before.has(name)).sort();
          return left.length === 1;
        };
        await until('everything else to be gone', isLeft, { ...PATIENCE, describe: () => left.join('\n') });
        expect(left).toEqual(['PersistentVolumeClaim flowtoll/flowtoll-tables']);
        await helm(['install', 'flowtoll', CHART, ...flags], valuesMatrix().get('examples/k3s.yaml')!);
        await runningPods(namespace, 'aggregator', 1);
        await tools.helm('uninstall', 'flowtoll', ...flags);
      });
    });
  });
}
