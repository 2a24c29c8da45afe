// A real Kubernetes control plane that knows the laboratory's cluster: its nodes, workloads and services, whose pods run and
// have the laboratory's addresses. The aggregator reaches it as it would anywhere, by a kubeconfig.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rbacRules } from '@flowtoll/aggregator/kubernetes/rbac.ts';
import type { ControlPlaneAssets } from '../../support/kubernetes/assets.ts';
import { startControlPlane } from '../../support/kubernetes/control-plane.ts';
import { KubeClient, type KubeObject } from '../../support/kubernetes/kube-client.ts';
import { createNode, Kubelets } from '../../support/kubernetes/kubelets.ts';
import { kubeconfigText, type TestCluster } from '../../support/kubernetes/test-cluster.ts';
import { until } from '../../support/until.ts';
import type { Lab } from '../lab.ts';
import { labAddresses, manifests, nodePlans } from './objects.ts';
import { relayPort } from './relay.ts';

/** How long controllers, scheduler and kubelets may take until all pods run. */
const PATIENCE_MS = 60_000;

export interface LabKubernetes {
  /** Path of a kubeconfig for the management host, of an account that may do what the documentation lists, and nothing else. */
  readonly kubeconfig: string;
  /** May do everything; works outside of the laboratory. */
  readonly admin: KubeClient;
  readonly plane: Pick<TestCluster, 'server' | 'tls' | 'adminToken'>;
  /** Ends it, and removes the kubeconfig. */
  stop(): Promise<void>;
}

/**
 * Starts it; resolves once all pods run. The kubeconfig is written to `directory`. `running`: a namespace whose pods somebody else runs,
 * with the tokens that pods have.
 */
export async function startLabKubernetes(
  lab: Lab,
  assets: ControlPlaneAssets,
  directory: string,
  { running }: { readonly running?: string } = {},
): Promise<LabKubernetes> {
  const { cluster } = lab;
  const stops: (() => void | Promise<void>)[] = [];
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
    const plane = await startControlPlane(assets, { mountTokens: running !== undefined });
    stops.push(() => plane.stop());
    const { server, tls, adminToken } = plane;
    const admin = new KubeClient({ server, token: adminToken, ca: tls?.ca });
    const nodes = nodePlans(cluster);
    for (const node of nodes) await createNode(admin, node);
    const kubelets = new Kubelets(admin, nodes, {
      ...{ addressesOf: labAddresses(cluster), jobsEnd: false },
      ...(running !== undefined && { except: running }),
    });
    stops.push(() => kubelets.stop());
    for (const { resource, namespace, body } of manifests(cluster)) await admin.create(resource, namespace, body);
    await admin.whenUsable();
    const token = await admin.accountWith('flowtoll', rbacRules());
    const relay = await relayPort(lab, 'management', Number(new URL(server).port));
    stops.push(() => relay.close());
    const kubeconfig = join(directory, 'kubeconfig');
    stops.push(() => rm(kubeconfig, { force: true }));
    await writeFile(kubeconfig, kubeconfigText({ server, ca: tls?.ca, user: { token } }), { mode: 0o600 });
    let pods: readonly KubeObject[] = [];
    await until(
      'all pods of the laboratory run',
      async () => {
        pods = await admin.list('pods');
        return pods.filter((pod) => pod['status'].phase === 'Running').length === cluster.pods.length;
      },
      {
        patienceMs: PATIENCE_MS,
        describe: () =>
          pods.map((pod) => `${pod.metadata.name} on ${pod['spec'].nodeName}: ${pod['status'].phase}`).join(', '),
      },
    );
    return { kubeconfig, admin, plane, stop };
  } catch (error) {
    // Kubelets that gave up say why; otherwise this error does.
    await stop();
    throw error;
  }
}
