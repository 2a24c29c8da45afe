// What class and price of a row cost, beside the floor: encoding the same rows as Parquet.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeBatchFile } from './support/batch-file.ts';
import { createClusterModel, topologyText } from './support/cluster-model.ts';
import { ClusterTraffic } from './support/cluster-traffic.ts';
import type { FloorCost } from './support/ingest-floor.ts';
import { LineProcess } from './support/line-process.ts';
import type { PricingCost } from './support/pricing-cost.ts';
import { median, medianRatio, range, textTable } from './support/statistics.ts';
import { TemporaryDirectory } from './support/temporary-directory.ts';

const CLUSTER = { nodes: 5000, pods: 150_000, workloads: 10_000, namespaces: 300 };
const TRAFFIC = { outsideAddresses: 50_000, flowsPerNode: 2000 };
const AGENTS = 100;
/** Flows whose rows are priced and encoded; as in a commit. */
const FLOWS = 40_000;
const WARM_UP_ROUNDS = 10;

/** Pricing may cost so much of encoding. */
const GOAL_RATIO = 0.25;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { seed: { type: 'string', default: '20260131' }, rounds: { type: 'string', default: '40' } },
  });
  const rounds = Number(values.rounds);
  await using directory = await TemporaryDirectory.create();
  const model = createClusterModel({ ...CLUSTER, seed: Number(values.seed) });
  const topology = join(directory.path, 'topology.json');
  const batches = join(directory.path, 'batches');
  await writeFile(topology, topologyText(model, 'bench'));
  await writeBatchFile(batches, model, new ClusterTraffic(model, { ...TRAFFIC, nodes: AGENTS }), {
    nodes: AGENTS,
    windows: 2,
  });
  const script = (name: string) => join(import.meta.dirname, 'support', name);
  const options = ['--topology', topology, '--batches', batches, '--flows', String(FLOWS)];
  await using pricing = new LineProcess([process.execPath, script('pricing-cost.ts'), ...options]);
  await using floor = new LineProcess([
    process.execPath,
    script('ingest-floor.ts'),
    ...options,
    '--scratch',
    directory.path,
  ]);
  const listed: number[] = [];
  const configured: number[] = [];
  const floors: number[] = [];
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    const costs = [await pricing.ask<PricingCost>('listed'), await pricing.ask<PricingCost>('configured')];
    const encoded = await floor.ask<FloorCost>('encode');
    if (round < 0) continue;
    listed.push(costs[0]!.cpuUs / costs[0]!.rows);
    configured.push(costs[1]!.cpuUs / costs[1]!.rows);
    floors.push(encoded.cpuUs / encoded.rows);
  }
  const line = (name: string, perRow: readonly number[]) => [
    name,
    median(perRow).toFixed(3),
    range(perRow)
      .map((value) => value.toFixed(2))
      .join(' to '),
    medianRatio(perRow, floors).toFixed(3),
  ];
  process.stdout.write(
    `CPU seconds for a million rows, ${rounds} passes over the rows of ${FLOWS} flows\n${textTable([
      ['work', 'median', 'range', '÷ floor'],
      line('class and price, list prices', listed),
      line('class and price, with rules, networks, a discount', configured),
      line('floor: the rows as Parquet, by DuckDB', floors),
    ])}\n`,
  );
  const worst = Math.max(medianRatio(listed, floors), medianRatio(configured, floors));
  const isMet = worst <= GOAL_RATIO;
  process.stdout.write(
    `${isMet ? 'met   ' : 'MISSED'}  ${worst.toFixed(3)} of the floor, goal at most ${GOAL_RATIO}\n`,
  );
  process.exitCode = isMet ? 0 : 1;
}
