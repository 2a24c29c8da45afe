// From real traffic to names that a real API server knows: pods, workloads, nodes, zones and services in the table are those of
// the objects that the test made, for IPv4 and IPv6, direct, through cluster addresses and through node ports. No topology file
// names anything of the cluster. Needs the programs of a control plane (KUBEBUILDER_ASSETS).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ApiNames, nameDifferences, namedRows, readApiNames } from '../lab/kubernetes/names.ts';
import { type LabKubernetes, startLabKubernetes } from '../lab/kubernetes/start.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { PATH_NAMES, planTraffic } from '../lab/plan.ts';
import { startAgent, startAggregator } from '../lab/product.ts';
import { createRandom } from '../lab/random.ts';
import { type ControlPlaneAssets, controlPlaneAssets } from '../support/kubernetes/assets.ts';

const SEED = Number(process.env['FLOWTOLL_SEED'] ?? 11);
const CONNECTIONS = 800;
const SPREAD_MS = 3000;

const assets = await controlPlaneAssets();
if ('missing' in assets) console.warn(`names from a real API server are not tested: ${assets.missing}`);

describe.skipIf('missing' in assets)('with a real control plane', () => {
  let directory: string;
  let lab: Lab | undefined;
  let kubernetes: LabKubernetes | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flowtoll-kubernetes-names-'));
  });
  afterEach(async () => {
    try {
      await kubernetes?.stop();
    } finally {
      lab?.close();
      await rm(directory, { recursive: true, force: true });
    }
  });

  test('rows have the names of the API server', async () => {
    lab = await createLab();
    kubernetes = await startLabKubernetes(lab, assets as ControlPlaneAssets, directory);
    const { kubeconfig, admin } = kubernetes;
    const aggregator = await startAggregator(lab, { directory, clusterName: 'lab', commitInterval: '1s', kubeconfig });
    const nodes = lab.cluster.nodes.map((node) => node.name);
    const options = ['--dump-interval', '500ms', '--window', '2s'];
    const agents = await Promise.all(nodes.map((node) => startAgent(lab!, node, options, directory)));
    const plan = planTraffic(lab.cluster, createRandom(SEED), { count: CONNECTIONS, spreadMs: SPREAD_MS });
    expect(new Set(plan.map(({ path }) => path))).toEqual(new Set(PATH_NAMES));
    const results = await lab.run(plan);
    expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
    const names = await readApiNames(admin);
    await Promise.all(agents.map((agent) => agent.stop()));
    await aggregator.stop();

    const rows = await namedRows(directory);
    const differences = nameDifferences(lab.cluster, names, rows);
    expect(differences, `run again with FLOWTOLL_SEED=${SEED}`).toEqual([]);
    // Nothing was left out: each pod by both of its addresses, from both sides; each service in both families.
    const podAddresses = [...names.sides].filter(([, { kind }]) => kind === 'pod').map(([address]) => address);
    expect(podAddresses).toHaveLength(2 * lab.cluster.pods.length);
    expect(podAddresses.filter((address) => !rows.some(({ ip }) => ip === address))).toEqual([]);
    expect(podAddresses.filter((address) => !rows.some(({ peerIp }) => peerIp === address))).toEqual([]);
    expect(workloadsOf(names)).toEqual([
      'Deployment shop/cart',
      'Deployment shop/web',
      'Job batch/etl',
      'StatefulSet data/postgres',
    ]);
    const throughServices = rows.filter(({ service }) => service !== null);
    const reached = throughServices.map(({ service, ip }) => `${service} ${ip.includes(':') ? 'IPv6' : 'IPv4'}`);
    expect([...new Set(reached)].sort()).toEqual(
      lab.cluster.services
        .flatMap(({ namespace, name }) => [`${namespace}/${name} IPv4`, `${namespace}/${name} IPv6`])
        .sort(),
    );
  });
});

const workloadsOf = ({ sides }: ApiNames): string[] =>
  [
    ...new Set(
      [...sides.values()]
        .filter(({ kind }) => kind === 'pod')
        .map(({ workloadKind, namespace, workload }) => `${workloadKind} ${namespace}/${workload}`),
    ),
  ].sort();
