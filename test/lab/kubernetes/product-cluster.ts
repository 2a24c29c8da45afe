// The laboratory's cluster with the product installed in it by Helm: a real control plane, an S3 server with everything that is asked of it
// written down, kubelets and a service proxy that really run and connect the product's pods. Knows the chart's values and where things are;
// nothing of the product's insides.
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { awsPolicy } from '../../infra/aws-policy.ts';
import { clusterTools, helmPrograms } from '../../support/helm.ts';
import { imageOf } from '../../support/images.ts';
import { RunningKubelets } from '../../support/kubelet/kubelets-that-run.ts';
import type { ControlPlaneAssets } from '../../support/kubernetes/assets.ts';
import { type KubeClient, pathOf } from '../../support/kubernetes/kube-client.ts';
import { environment } from '../../support/processes.ts';
import { judge, permissionsOf } from '../../support/s3-permissions.ts';
import { startS3Recorder } from '../../support/s3-recorder.ts';
import { seaweedFsProgram, startSeaweedFs } from '../../support/seaweedfs.ts';
import { run } from '../exec.ts';
import { createLab, type Lab } from '../lab.ts';
import { AGGREGATOR, type StorePlace } from '../product.ts';
import { outsideTopologyOf } from '../topology.ts';
import { systemAddress, systemHost } from '../wiring.ts';
import { relayPort } from './relay.ts';
import { ServiceProxy } from './service-proxy.ts';
import { startLabKubernetes } from './start.ts';

const NAMESPACE = 'flowtoll';
const CHART = join(import.meta.dirname, '..', '..', '..', 'charts', 'flowtoll');
const BUCKET = 'flows';
const PREFIX = 'some/where';
/** Pods of the product beside agents: replicas, those that follow them, a test. */
const SYSTEM_PODS = 6;

/** How the product is installed. */
export const PRODUCT = {
  namespace: NAMESPACE,
  release: ['flowtoll', CHART, '--namespace', NAMESPACE],
  /** Settings of an upgrade that replaces every pod. */
  restart: ['--set-string', 'agent.podAnnotations.restarted=once,aggregator.podAnnotations.restarted=once'],
} as const;

/** A row as `flowtoll watch` prints it. */
export interface WatchedRow {
  readonly namespace: string | null;
  readonly traffic_class: string;
  readonly tx_bytes: string | number;
  readonly rx_bytes: string | number;
}

export interface ProductCluster {
  readonly lab: Lab;
  /** May do everything. */
  readonly admin: KubeClient;
  /** The store, for who reads it. */
  readonly place: StorePlace;
  helm(...args: readonly string[]): Promise<string>;
  /** What the product's pods wrote last. */
  lines(count: number): readonly string[];
  /** Names of the product's pods. */
  pods(): Promise<string[]>;
  report(...options: readonly string[]): Promise<string>;
  /** A service account that may read the flows of one namespace, and what its `flowtoll watch` prints from now on. */
  watch(namespace: string): Promise<{ readonly rows: readonly WatchedRow[] }>;
  /** What the aggregators asked of S3 that infra/aws does not allow. */
  requestsDenied(): readonly string[];
  stop(): Promise<void>;
}

/** Installs it; resolves when Helm says that everything is ready. `folder` is empty. */
export async function startProductCluster(assets: ControlPlaneAssets, folder: string): Promise<ProductCluster> {
  const stops: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const end of stops.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    const lab = await createLab({ systemPods: SYSTEM_PODS, timeouts: 'long' });
    stops.push(() => lab.close());
    const [kubernetes, weed, programs] = await Promise.all([
      startLabKubernetes(lab, assets, folder, { running: NAMESPACE }).then((started) => {
        stops.push(() => started.stop());
        return started;
      }),
      seaweedFsProgram(),
      helmPrograms(),
      imageOf('agent'),
      imageOf('aggregator'),
    ]);
    if (weed === undefined || programs === undefined) throw new Error('SeaweedFS or Helm could not be installed');
    const s3 = await startSeaweedFs(weed);
    stops.push(() => s3.stop());
    await s3.createBucket(BUCKET);
    const recorder = await startS3Recorder(s3.endpoint);
    stops.push(() => recorder.stop());

    const { admin, plane } = kubernetes;
    const apiPort = new URL(plane.server).port;
    const hosts = Array.from({ length: SYSTEM_PODS }, (_, number) => systemHost(number));
    for (const port of [apiPort, new URL(recorder.endpoint).port].map(Number)) {
      for (const host of hosts) {
        const relay = await relayPort(lab, host, port);
        stops.push(() => relay.close());
      }
    }
    const proxy = new ServiceProxy(lab, admin, NAMESPACE);
    stops.push(() => proxy.stop());
    const nodes = folderOf(folder, 'disks');
    await mkdir(nodes);
    const kubelets = new RunningKubelets({
      ...{ client: admin, namespace: NAMESPACE, folder: nodes },
      nodes: new Map(
        lab.cluster.nodes.map(({ name, address }) => [
          name,
          { networkNamespace: lab.namespaceOf(name), address: address[0] },
        ]),
      ),
      networks: hosts.map((host, number) => ({ namespace: lab.namespaceOf(host), address: systemAddress(number) })),
      image: (name) => imageOf(name.includes('/agent:') ? 'agent' : 'aggregator'),
      serviceEnv: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: apiPort },
      hosts: () => proxy.hosts(),
    });
    stops.push(() => kubelets.stop());

    const tools = await clusterTools(programs, plane, folder);
    await tools.kubectl('create', 'namespace', NAMESPACE);
    const keys = Object.entries(s3.environment('writer')).filter(([name]) => /^AWS_(ACCESS|SECRET)/.test(name));
    const literals = keys.map(([name, value]) => `--from-literal=${name}=${value}`);
    await tools.kubectl('--namespace', NAMESPACE, 'create', 'secret', 'generic', 's3', ...literals);
    const values = folderOf(folder, 'values.json');
    await writeFile(values, JSON.stringify(valuesFor(lab, recorder.endpoint)));
    try {
      await tools.helm('install', ...PRODUCT.release, '--values', values, '--wait', '--timeout', '120s');
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${kubelets.lines.slice(-60).join('\n')}`);
    }

    const place: StorePlace = {
      store: `s3://${BUCKET}/${PREFIX}`,
      env: { ...environment(s3.environment('reader')), FLOWTOLL_CACHE: folderOf(folder, 'cache') },
    };
    return {
      ...{ lab, admin, place, stop },
      helm: async (...args) => {
        try {
          return await tools.helm(...args);
        } catch (error) {
          throw new Error(`${(error as Error).message}\n${kubelets.lines.slice(-60).join('\n')}`);
        }
      },
      lines: (count) => kubelets.lines.slice(-count),
      pods: async () => (await admin.list('pods', NAMESPACE)).map(({ metadata }) => metadata.name),
      report: (...options) =>
        run([process.execPath, AGGREGATOR, 'report', '--store', place.store, ...options], '', place.env),
      watch: (namespace) => watch(namespace, { lab, admin, proxy, folder, stops }),
      requestsDenied: () => {
        const requests = recorder.requests.filter(({ identity }) => identity === 'writer');
        const values = { bucket: BUCKET, prefix: `${PREFIX}/` };
        return judge(awsPolicy('aggregator', values), requests.flatMap(permissionsOf), [awsPolicy('bucket', values)])
          .refused;
      },
    };
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}

const folderOf = (folder: string, name: string): string => join(folder, name);

function valuesFor(lab: Lab, s3: string): object {
  return {
    store: `s3://${BUCKET}/${PREFIX}`,
    cluster: 'lab',
    storeEnv: { AWS_ENDPOINT_URL: s3, AWS_REGION: 'us-east-1' },
    storeCredentials: { envSecret: 's3' },
    topology: outsideTopologyOf(lab.cluster, 'lab'),
    agent: { options: { 'dump-interval': '500ms', window: '2s' } },
    aggregator: { options: { 'commit-interval': '1s' } },
  };
}

interface WatchStage {
  readonly lab: Lab;
  readonly admin: KubeClient;
  readonly proxy: ServiceProxy;
  readonly folder: string;
  readonly stops: (() => unknown)[];
}

async function watch(namespace: string, { lab, admin, proxy, folder, stops }: WatchStage) {
  const account = `reads-${namespace}`;
  const create = async (path: string, body: object): Promise<{ readonly [field: string]: unknown }> => {
    const { status, text } = await admin.ask(path, { method: 'POST', body });
    if (status > 299) throw new Error(`POST ${path}: HTTP ${status}: ${text}`);
    return JSON.parse(text) as { readonly [field: string]: unknown };
  };
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name: account } };
  const roles = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  await create(pathOf('serviceaccounts', namespace), {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: account },
  });
  const rules = [{ apiGroups: ['flowtoll.io'], resources: ['flows'], verbs: ['get'] }];
  await create(`${roles}/roles`, { ...rbac, kind: 'Role', rules });
  await create(`${roles}/rolebindings`, {
    ...{ ...rbac, kind: 'RoleBinding' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: account },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
  });
  const { status } = await create(`${pathOf('serviceaccounts', namespace, account)}/token`, {
    ...{ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' },
    spec: { audiences: ['flowtoll-read'], expirationSeconds: 600 },
  });
  const token = join(folder, `${account}.token`);
  await writeFile(token, (status as { readonly token: string }).token, { mode: 0o600 });
  const authority = await admin.ask(`/api/v1/namespaces/${NAMESPACE}/configmaps/flowtoll-ca`);
  const ca = join(folder, 'ca.crt');
  await writeFile(ca, (JSON.parse(authority.text) as { data: Record<string, string> }).data['ca.crt']!);
  const name = `flowtoll-read.${NAMESPACE}.svc`;
  const address = proxy
    .hosts()
    .split('\n')
    .find((line) => line.includes(`${name} `))!
    .split('\t')[0];
  const child = spawn(
    'ip',
    [
      ...['netns', 'exec', lab.namespaceOf('management'), process.execPath, AGGREGATOR, 'watch', '--format', 'json'],
      ...['--server', `${address}:4461`, '--tls-ca', ca, '--tls-server-name', name, '--token-file', token],
      ...['--namespace', namespace, '--from', 'oldest', '--resume-file', join(folder, `${account}.resume`)],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: environment() },
  );
  stops.push(() => child.kill('SIGKILL'));
  const rows: WatchedRow[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const row = JSON.parse(line) as Partial<WatchedRow>;
    if (row.namespace !== undefined) rows.push(row as WatchedRow);
  });
  const complaints: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => complaints.push(line));
  return { rows, complaints };
}
