// The whole of Flowtoll in one test. Start here.
//
// Three nodes: n1 and n2 in two zones of us-east-1, n3 in us-west-2. Pods talk to each other, to services, to the outside.
// On each node the kernel keeps a table of connections with counters of bytes; what it said was recorded
// (agent/testdata/README.md), and nft counters in other namespaces counted the same packets. Here the recordings go the
// whole way, in this process:
//
//   datagrams ─▶ agent: account each byte once ─▶ gRPC ─▶ aggregator: name, price ─▶ Delta table ─▶ SQL, report
//
// and at the end every byte and every dollar is checked against the independent counters and a pocket calculator.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CaptureConfig, CILIUM_DEFAULTS } from '@flowtoll/agent/config.ts';
import { createExporter } from '@flowtoll/agent/exporter/exporter.ts';
import { replay } from '@flowtoll/agent/replay.ts';
import { Recording } from '@flowtoll/agent/source/conntrack/recording.ts';
import { reportCommand } from '@flowtoll/aggregator/commands/report.ts';
import { sqlCommand } from '@flowtoll/aggregator/commands/sql.ts';
import { createEnricher } from '@flowtoll/aggregator/enrich/enricher.ts';
import { createPipeline } from '@flowtoll/aggregator/pipeline.ts';
import { defaultPricing } from '@flowtoll/aggregator/pricing/config/read.ts';
import { createPricing } from '@flowtoll/aggregator/pricing/pricing.ts';
import { openDirectoryStore } from '@flowtoll/aggregator/store/directory-store.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { loadTopologyFile } from '@flowtoll/aggregator/topology/file-topology.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bytesByNodeAndClass,
  NODES,
  type NodeName,
  type RecordedClass,
  type Side,
  sidesOn,
  TESTDATA,
} from './support/recorded-traffic.ts';

/**
 * What AWS asks for a GiB, from its price list. Between zones both sides pay, between regions and to the internet only the
 * sender. A tunnel is free, because what it carries is billed; so is what never leaves its node.
 */
const USD_PER_GIB: Readonly<Record<RecordedClass, { out: number; in: number }>> = {
  'same-node': { out: 0, in: 0 },
  'cross-zone': { out: 0.01, in: 0.01 },
  'cross-region': { out: 0.02, in: 0 },
  internet: { out: 0.09, in: 0 },
  encapsulation: { out: 0, in: 0 },
};
const CLASSES = Object.keys(USD_PER_GIB).sort() as RecordedClass[];
const RATES = CLASSES.map((name) => ({ name, ...USD_PER_GIB[name] }));
const GIB = 2 ** 30;
/** A row's cost has 12 decimals, per direction: its sum may be off by half of the last one, twice a row. */
const ROUNDING_USD_PER_ROW = 1e-12;

let store: string;

beforeAll(async () => {
  store = await mkdtemp(join(tmpdir(), 'flowtoll-story-'));
  const aggregator = await startAggregator();
  await Promise.all(NODES.map((node) => runAgent(node, aggregator.port)));
  await aggregator.stop();
});
afterAll(() => rm(store, { recursive: true, force: true }));

/** What `flowtoll serve` puts together. */
async function startAggregator(): Promise<{ port: number; stop(): Promise<void> }> {
  const topology = loadTopologyFile(join(TESTDATA, 'topology.yaml'));
  const cluster = topology.cluster!;
  const pipeline = createPipeline(
    { listen: { host: '127.0.0.1', port: 0 }, commitIntervalMs: 50, batchAgeMaxMs: Number.POSITIVE_INFINITY },
    {
      // Whose address is it, and which side of the flow lives on the reporting node?
      enricher: createEnricher({ topology: topology.source, cluster }),
      // Where are the two sides to each other, and what does the cloud bill the local side for that?
      pricing: createPricing(defaultPricing()),
      // Exactly once: a batch is acknowledged after the commit that holds it.
      table: await openFlowTable(await openDirectoryStore(store), { cluster, clock: Date.now }),
      log: SILENT,
      now: Date.now,
      random: Math.random,
    },
  );
  return { port: await pipeline.start(), stop: () => pipeline.stop() };
}

/** What `flowtoll-agent run --source replay` does: account what the kernel said, hand over window by window. */
async function runAgent(node: NodeName, port: number): Promise<void> {
  const recording = Recording.open(join(TESTDATA, `${node}.ftct`));
  const exporter = createExporter(
    {
      aggregator: `127.0.0.1:${port}`,
      node: recording.origin.node,
      agentVersion: 'story',
      spoolId: `00000000-0000-0000-0000-00000000000${NODES.indexOf(node)}`,
      bootId: '11111111-1111-1111-1111-111111111111',
      queueBytes: 1 << 20,
    },
    { log: SILENT },
  );
  exporter.start();
  replay(recording, ACCOUNTING, (window) => exporter.send(window));
  // True: everything was acknowledged, so everything is in the table.
  expect(await exporter.stop(15_000)).toBe(true);
}

describe('what the kernel counted, as money', () => {
  test('no byte is missing and none is there twice', async () => {
    const rows = await sql<{ node: string; class: string; tx: number; rx: number }>(
      `SELECT node, traffic_class AS class, sum(tx_bytes)::DOUBLE AS tx, sum(rx_bytes)::DOUBLE AS rx
       FROM flows GROUP BY ALL ORDER BY ALL`,
    );
    expect(rows).toEqual(bytesByNodeAndClass(NODES));
  });

  test.each(RATES)('$name costs $out out and $in in, a GiB', async ({ name, out, in: into }) => {
    const [row] = await sql<{ usd: number; rows: number }>(
      `SELECT sum(tx_cost + rx_cost + processing_cost)::DOUBLE AS usd, count(*)::DOUBLE AS rows
       FROM flows WHERE traffic_class = '${name}'`,
    );
    const { tx, rx } = sum(NODES.flatMap(sidesOn).filter(inClass(name)));
    const byHand = (tx / GIB) * out + (rx / GIB) * into;
    expect(tx + rx).toBeGreaterThan(0);
    expect(Math.abs(row!.usd - byHand)).toBeLessThanOrEqual(row!.rows * ROUNDING_USD_PER_ROW);
  });

  test('a question in SQL: what does web pay for talking to its database in the other zone, and what does that pay?', async () => {
    const [web, postgres] = await sql<{ workload: string; bytes: number; usd: number; rows: number }>(
      `SELECT workload, sum(tx_bytes + rx_bytes)::DOUBLE AS bytes, sum(tx_cost + rx_cost)::DOUBLE AS usd,
         count(*)::DOUBLE AS rows
       FROM flows WHERE (pod = 'web-0' AND peer_pod = 'postgres-0') OR (pod = 'postgres-0' AND peer_pod = 'web-0')
       GROUP BY workload ORDER BY workload DESC`,
    );
    // web-0 has 10.244.1.11 and fd00:10:244:1::11; postgres-0 has 10.244.2.12 and fd00:10:244:2::12.
    const { tx, rx } = sum(
      sidesOn('n1').filter(({ local, peer }) => /1(\.|::)11$/.test(local ?? '') && /2(\.|::)12$/.test(peer)),
    );
    // Every byte between the zones costs its sender a cent a GiB, and its receiver another one.
    const cent = ((tx + rx) / GIB) * 0.01;
    expect(tx + rx).toBeGreaterThan(100_000);
    for (const side of [web!, postgres!]) {
      expect(side.bytes).toBe(tx + rx);
      expect(Math.abs(side.usd - cent)).toBeLessThanOrEqual(side.rows * ROUNDING_USD_PER_ROW);
    }
    expect([web!.workload, postgres!.workload]).toEqual(['web', 'postgres']);
  });

  test('a service is named, though its address is never on a wire between pods', async () => {
    const rows = await sql<{ service: string; pods: string[] }>(
      `SELECT service, list(DISTINCT pod ORDER BY pod) AS pods FROM flows
       WHERE service IS NOT NULL AND initiator = 'peer' AND local_kind = 'pod' GROUP BY ALL ORDER BY ALL`,
    );
    expect(rows).toEqual([
      { service: 'data/postgres', pods: ['postgres-0'] },
      { service: 'shop/cart', pods: ['cart-0'] },
      { service: 'shop/cart-edge', pods: ['cart-0'] },
      { service: 'shop/web', pods: ['web-0', 'web-1'] },
    ]);
  });

  test('the report adds it up, and says what is not in it', async () => {
    const { total, not_in_total, not_certain } = JSON.parse(await report('--by', 'class', '--format', 'json'));
    const sides = NODES.flatMap(sidesOn);
    const real = sum(sides.filter((side) => side.trafficClass !== 'encapsulation'));
    const tunnels = sum(sides.filter(inClass('encapsulation')));
    const byHand = RATES.map(({ name, out, in: into }) => {
      const { tx, rx } = sum(sides.filter(inClass(name)));
      return (tx * out + rx * into) / GIB;
    });
    expect(total).toMatchObject({ tx_bytes: real.tx, rx_bytes: real.rx, unpriced_bytes: 0 });
    expect(Number(total.cost_usd)).toBeCloseTo(
      byHand.reduce((a, b) => a + b),
      8,
    );
    expect(not_in_total).toMatchObject({
      encapsulation: { tx_bytes: tunnels.tx, rx_bytes: tunnels.rx },
      unknown_class: { hours: 0 },
      unpriced: { hours: 0 },
      lost: [],
    });
    expect(not_certain).toMatchObject({
      ...{ estimated_cost_usd: '0.000000000000', disputed_cost_usd: '0.000000000000' },
      incomplete_cost_usd: '0.000000000000',
    });
  });
});

const inClass =
  (name: RecordedClass) =>
  (side: Side): boolean =>
    side.trafficClass === name;

const sum = (sides: readonly Side[]): { tx: number; rx: number } => ({
  tx: sides.reduce((total, side) => total + side.txBytes, 0),
  rx: sides.reduce((total, side) => total + side.rxBytes, 0),
});

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** How the agent reads and reduces, with its defaults. */
const ACCOUNTING: CaptureConfig = {
  node: 'as recorded',
  dumpIntervalMs: 1000,
  windowMs: 2000,
  maxFlows: 20_000,
  clusterRanges: [],
  initiatorPrefixV4: 24,
  initiatorPrefixV6: 48,
  eventBufferBytes: 1 << 20,
  reliableEvents: false,
  reliableEventsMaxFillPercent: 80,
  setSysctls: false,
  logLevel: 'silent',
  source: 'conntrack',
  cilium: CILIUM_DEFAULTS,
};

/** `flowtoll sql` */
async function sql<Row>(statement: string): Promise<Row[]> {
  return JSON.parse(
    await printed((output) => sqlCommand(output).parseAsync(args('--format', 'json', statement), USER)),
  );
}

/** `flowtoll report` */
const report = (...flags: string[]): Promise<string> =>
  printed((output) => reportCommand(output).parseAsync(args(...flags), USER));

const USER = { from: 'user' } as const;
const args = (...flags: string[]): string[] => ['--store', store, ...flags];

async function printed(
  run: (output: () => { write(text: string): Promise<void>; remark(): void }) => Promise<unknown>,
): Promise<string> {
  let text = '';
  await run(() => ({
    write: async (part) => {
      text += part;
    },
    remark: () => {},
  }));
  return text;
}
