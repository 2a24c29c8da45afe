// The whole product as it is installed: the real Helm installs the chart on a real control plane; its controllers make the pods, and what
// stands in for kubelets, DNS and service proxy starts their processes from the images, in the laboratory's network. Real traffic is
// counted, named, priced and stored in an S3 server, streamed to a reader who may see one namespace, and none of it is lost while Helm
// upgrades everything. Everything between the parts goes over TLS. The oracle of bytes are nft counters. Needs the programs of a control
// plane (KUBEBUILDER_ASSETS).
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { since } from '../lab/counters.ts';
import { expectedFlows, lostOnTheWay } from '../lab/expected.ts';
import { expectedRows, type RowSums, rowDifferences } from '../lab/expected-rows.ts';
import { nameDifferences, namedRows, readApiNames } from '../lab/kubernetes/names.ts';
import { PRODUCT, type ProductCluster, startProductCluster } from '../lab/kubernetes/product-cluster.ts';
import { planTraffic } from '../lab/plan.ts';
import { sql } from '../lab/product.ts';
import { createRandom } from '../lab/random.ts';
import { losses, tableRows } from '../lab/table-rows.ts';
import { removeDisks } from '../support/kubelet/kubelets-that-run.ts';
import { type ControlPlaneAssets, controlPlaneAssets } from '../support/kubernetes/assets.ts';
import { until } from '../support/until.ts';

const SEED = Number(process.env['FLOWTOLL_SEED'] ?? 23);
const CONNECTIONS = 500;

const assets = await controlPlaneAssets();
if ('missing' in assets) console.warn(`the installed product is not tested: ${assets.missing}`);

/** Without what nodes do by themselves: probes of agents on loopback, and what an agent sends before its service has an endpoint. */
function planned(rows: ReadonlyMap<string, RowSums>): Map<string, RowSums> {
  return new Map([...rows].filter(([id]) => !/ 127\.0\.0\.1 | 10\.96\.\d+\.\d+ tcp\/4460 /.test(id)));
}

describe.skipIf('missing' in assets)('installed by Helm', () => {
  let folder: string;
  let product: ProductCluster | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flowtoll-cluster-'));
  });
  afterEach(async () => {
    try {
      await product?.stop();
    } finally {
      product = undefined;
      removeDisks(folder);
    }
  });

  test('traffic becomes dollars by workload, through an upgrade, and its reader sees it all', async () => {
    product = await startProductCluster(assets as ControlPlaneAssets, folder);
    const { lab, helm, place } = product;
    const random = createRandom(SEED);
    const before = await lab.settledTallies();

    const reader = await product.watch('shop');
    const first = planTraffic(lab.cluster, random, { count: CONNECTIONS, spreadMs: 3000 });
    const firstResults = await lab.run(first);
    let nodes: unknown[] = [];
    await until(
      'rows of all nodes',
      async () => {
        nodes = await sql(place, `SELECT DISTINCT node FROM flows WHERE traffic_class <> 'lost'`);
        return nodes.length === lab.cluster.nodes.length;
      },
      { patienceMs: 40_000, describe: () => [JSON.stringify(nodes), ...product!.lines(60)].join('\n') },
    );
    expect(await helm('test', PRODUCT.release[0], '--namespace', PRODUCT.namespace)).toMatch(/Phase:\s+Succeeded/);
    // Each pod is replaced, agents and aggregators, while connections begin and end.
    const revision = await product.pods();
    const second = planTraffic(lab.cluster, random, { count: CONNECTIONS, spreadMs: 12_000 });
    const running = lab.run(second);
    running.catch(() => undefined);
    await helm('upgrade', ...PRODUCT.release, '--reuse-values', '--wait', '--timeout', '120s', ...PRODUCT.restart);
    await until(
      'no pod from before the upgrade is left',
      async () => !(await product!.pods()).some((name) => revision.includes(name)),
      { patienceMs: 30_000 },
    );
    const results = [...firstResults, ...(await running)];
    expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
    const tallies = since(await lab.settledTallies(), before);
    expect(lostOnTheWay(tallies), 'packets lost on the way: no exact comparison is possible').toEqual([]);

    const expected = expectedRows(lab.cluster, expectedFlows(lab.cluster, tallies));
    expect(expected.size, 'reduced keys compared').toBeGreaterThan(200);
    let differences: string[] = [];
    await until(
      'all bytes are in the table',
      async () => {
        differences = rowDifferences(expected, planned(await tableRows(place)));
        return differences.length === 0;
      },
      { patienceMs: 40_000, describe: () => `${differences.join('\n')}\nrun again with FLOWTOLL_SEED=${SEED}` },
    );
    // An agent that was replaced says that nobody listened for a moment: what began and ended in it nobody can know. Here nothing did.
    const away = { loss_reason: 'agent-away', bytes: null };
    expect(await losses(place)).toEqual(lab.cluster.nodes.map(({ name }) => ({ node: name, ...away })));
    const rows = (await namedRows(place)).filter(({ ip, port }) => ip !== '127.0.0.1' && port !== 4460);
    expect(nameDifferences(lab.cluster, await readApiNames(product.admin), rows)).toEqual([]);

    // AWS bills a byte between zones 0.01 USD a GiB at each end; each row's two costs are rounded to 1e-12 USD.
    const [crossZone] = await sql<{ rows: string; bytes: string; usd: string }>(
      place,
      `SELECT count(*) AS rows, CAST(sum(tx_bytes + rx_bytes) AS VARCHAR) AS bytes,
         CAST(sum(tx_cost + rx_cost) AS VARCHAR) AS usd
       FROM flows WHERE traffic_class = 'cross-zone' AND peer_kind IN ('pod', 'node')`,
    );
    expect(Number(crossZone!.bytes)).toBeGreaterThan(0);
    const usd = (Number(crossZone!.bytes) * 0.01) / 2 ** 30;
    expect(Math.abs(Number(crossZone!.usd) - usd)).toBeLessThan(Number(crossZone!.rows) * 1e-12);
    expect(await product.report('--by', 'namespace,class')).toMatch(/shop .*cross-zone/);

    // What a reader of one namespace got is what the table has of it, each row once, and nothing else.
    const flows = () => reader.rows.filter(({ traffic_class: trafficClass }) => trafficClass !== 'lost');
    const seen = () => ({
      rows: flows().length,
      bytes: String(flows().reduce((sum, row) => sum + BigInt(row.tx_bytes) + BigInt(row.rx_bytes), 0n)),
    });
    await until(
      'the reader has seen the rows of its namespace, each once',
      async () => {
        const statement = `SELECT count(*) AS rows, CAST(sum(tx_bytes + rx_bytes) AS VARCHAR) AS bytes FROM flows
          WHERE namespace = 'shop'`;
        const [stored] = await sql<{ rows: string; bytes: string }>(place, statement);
        return Number(stored!.rows) === seen().rows && stored!.bytes === seen().bytes;
      },
      { patienceMs: 30_000, describe: () => JSON.stringify(seen()) },
    );
    expect(new Set(flows().map(({ namespace }) => namespace))).toEqual(new Set(['shop']));

    expect(product.requestsDenied()).toEqual([]);
  });
});
