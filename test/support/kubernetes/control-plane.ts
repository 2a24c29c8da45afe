// A real Kubernetes control plane without nodes: etcd, kube-apiserver, kube-controller-manager and kube-scheduler in temporary folders, on
// free ports of the loopback interface. Nothing runs in its pods: tests play kubelet. Knows command lines.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { freePorts } from '../free-ports.ts';
import { type ServerProcess, startServer } from '../server-process.ts';
import type { ControlPlaneAssets } from './assets.ts';
import { kubeconfigText, type TestCluster } from './test-cluster.ts';

export interface ControlPlaneOptions {
  /** Without controllers and scheduler: an API server alone is up in half the time. */
  readonly apiOnly?: boolean;
  /** Pods get a token of their service account and the server's certificate mounted, as on any cluster. Default: not, nothing runs in them. */
  readonly mountTokens?: boolean;
}

export interface ControlPlane extends TestCluster {
  /** What tokens of service accounts are signed with, PEM. */
  readonly tokenKey: string;
  /** etcd forgets what was before, as it does every few minutes: a list that is being read in pages cannot go on. */
  compact(): Promise<void>;
}

export async function startControlPlane(
  assets: ControlPlaneAssets,
  { apiOnly = false, mountTokens = false }: ControlPlaneOptions = {},
): Promise<ControlPlane> {
  const started: ServerProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const server of started.splice(0).reverse()) await server.stop();
  };
  try {
    const etcd = await startServer((folder) => etcdPlan(assets.etcd, folder));
    started.push(etcd.server);
    const api = await startServer((folder) => apiServerPlan(assets.apiServer, folder, etcd.plan.url, mountTokens));
    started.push(api.server);
    const { url, adminToken, folder } = api.plan;
    // It makes a certificate of its own, and puts the one that signed it behind.
    const certificate = await readFile(join(folder, 'certs', 'apiserver.crt'), 'utf8');
    const key = await readFile(join(folder, 'certs', 'apiserver.key'), 'utf8');
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(kubeconfig, kubeconfigText({ server: url, ca: certificate, user: { token: adminToken } }));
    if (!apiOnly) {
      const others = [
        controllerManagerPlan(assets.controllerManager, kubeconfig, folder),
        schedulerPlan(assets.scheduler, kubeconfig),
      ];
      for (const plan of others) started.push((await startServer(async () => plan)).server);
    }
    return {
      name: 'a real Kubernetes control plane',
      server: url,
      tls: { ca: certificate, certificate, key },
      adminToken,
      tokenKey: await readFile(join(folder, 'sa.key'), 'utf8'),
      compact: () => compactEtcd(etcd.plan.url),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function etcdPlan(program: string, folder: string) {
  const [client, peer] = await freePorts(2);
  const url = `http://127.0.0.1:${client}`;
  return {
    program,
    args: [
      ...['--data-dir', join(folder, 'data'), '--unsafe-no-fsync', '--log-level', 'error'],
      ...['--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', `http://127.0.0.1:${peer}`],
    ],
    ask: async () => {
      const { health } = (await (await fetch(`${url}/health`)).json()) as { health: string };
      if (health !== 'true') throw new Error('etcd is not healthy');
    },
    url,
  };
}

/** Up to the present revision, which any request tells. */
async function compactEtcd(url: string): Promise<void> {
  const post = async (path: string, body: object): Promise<{ readonly header: { readonly revision: string } }> => {
    const answer = await fetch(`${url}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`etcd: ${await answer.text()}`);
    return (await answer.json()) as { readonly header: { readonly revision: string } };
  };
  const { header } = await post('range', { key: Buffer.from('none').toString('base64') });
  await post('compaction', { revision: header.revision });
}

async function apiServerPlan(program: string, folder: string, etcdUrl: string, mountTokens: boolean) {
  const [port] = await freePorts(1);
  const url = `https://127.0.0.1:${port}`;
  const adminToken = randomUUID();
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(join(folder, 'sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(join(folder, 'sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
  await writeFile(join(folder, 'tokens.csv'), `${adminToken},admin,1,"system:masters"\n`);
  return {
    program,
    args: [
      ...[
        `--etcd-servers=${etcdUrl}`,
        `--secure-port=${port}`,
        '--bind-address=127.0.0.1',
        `--cert-dir=${folder}/certs`,
      ],
      ...[`--service-account-key-file=${folder}/sa.pub`, `--service-account-signing-key-file=${folder}/sa.key`],
      ...['--service-account-issuer=https://kubernetes.default.svc', `--token-auth-file=${folder}/tokens.csv`],
      '--authorization-mode=Node,RBAC',
      ...(mountTokens ? [] : ['--disable-admission-plugins=ServiceAccount']),
      // As every cluster that is set up by kubeadm or a cloud has it; whether a pod may is for admission to say.
      '--allow-privileged=true',
      // Of both families; services have one of IPv4 alone unless they ask for more.
      '--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112',
    ],
    ask: () => askReady(url, adminToken),
    url,
    adminToken,
    folder,
  };
}

function controllerManagerPlan(program: string, kubeconfig: string, folder: string) {
  return {
    program,
    args: [
      ...[`--kubeconfig=${kubeconfig}`, `--service-account-private-key-file=${folder}/sa.key`, '--leader-elect=false'],
      // What it gives to pods to know the API server by.
      `--root-ca-file=${folder}/certs/apiserver.crt`,
      ...['--controllers=*,-nodelifecycle', '--secure-port=0', '--concurrent-gc-syncs=2'],
      // 15 s otherwise, for which tests would wait.
      '--horizontal-pod-autoscaler-sync-period=1s',
    ],
    ask: async () => undefined,
  };
}

function schedulerPlan(program: string, kubeconfig: string) {
  return {
    program,
    args: [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0'],
    ask: async () => undefined,
  };
}

/** The server's certificate is its own and known to nobody yet: what it says is not trusted, only that it is up. */
function askReady(url: string, token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request(
      `${url}/readyz`,
      { rejectUnauthorized: false, headers: { authorization: `Bearer ${token}` }, agent: false },
      (answer) => {
        answer.resume();
        if (answer.statusCode === 200) resolve();
        else reject(new Error(`readyz says ${answer.statusCode}`));
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}
