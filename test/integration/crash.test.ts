// Agents and aggregator die at any instant, again and again, while real traffic flows: the table equals the independent
// counters to the byte. No entry ends during the run, so nothing may be missing at all; the only losses are the words that
// nobody listened for a while, without bytes.
//
// FLOWTOLL_SEED=7,8 runs these seeds; FLOWTOLL_FAULTS=200 kills that often.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { since } from '../lab/counters.ts';
import { expectedFlows, lostOnTheWay } from '../lab/expected.ts';
import { expectedRows, rowDifferences } from '../lab/expected-rows.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { planTraffic } from '../lab/plan.ts';
import { type Part, startAgent, startAggregator } from '../lab/product.ts';
import { createRandom } from '../lab/random.ts';
import { losses, tableRows } from '../lab/table-rows.ts';

const CONNECTIONS = 400;
const SPREAD_MS = 12_000;
const FAULTS = Number(process.env['FLOWTOLL_FAULTS'] ?? 24);
const AGENT_OPTIONS = ['--dump-interval', '300ms', '--window', '600ms'];
const AGGREGATOR = 'aggregator';

const seeds = (process.env['FLOWTOLL_SEED'] ?? '301').split(',').map(Number);

describe('whatever dies, each byte is in the table once', () => {
  let directory: string;
  let lab: Lab | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flowtoll-crash-'));
  });
  afterEach(async () => {
    lab?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test.each(seeds)('seed %i', async (seed) => {
    const nodes = ['n1', 'n2', 'n3'];
    lab = await createLab({ timeouts: 'long', accounting: nodes });
    const random = createRandom(seed);
    const before = await lab.settledTallies();

    const start = (name: string): Promise<Part> =>
      name === AGGREGATOR
        ? startAggregator(lab!, { directory, clusterName: 'lab', commitInterval: '300ms' })
        : startAgent(lab!, name, AGENT_OPTIONS, directory);
    const parts = new Map<string, Part>();
    for (const name of [AGGREGATOR, ...nodes]) parts.set(name, await start(name));
    expect(since(await lab.tallies(), before), 'traffic before the baselines').toEqual([]);

    const traffic = lab.run(planTraffic(lab.cluster, random, { count: CONNECTIONS, spreadMs: SPREAD_MS }));
    for (let fault = 0; fault < FAULTS; fault++) {
      // What is under way at that instant is left to chance: a dump, a commit, a baseline, a start.
      await delay(random.integer(0, 700));
      const victim = random.pick([AGGREGATOR, ...nodes]);
      await parts.get(victim)!.kill();
      parts.set(victim, await start(victim));
    }
    expect((await traffic).filter(({ error }) => error !== undefined)).toEqual([]);
    const tallies = since(await lab.settledTallies(), before);
    expect(lostOnTheWay(tallies), 'packets lost on the way: no exact comparison is possible').toEqual([]);

    await Promise.all(nodes.map((node) => parts.get(node)!.stop()));
    await parts.get(AGGREGATOR)!.stop();

    const expected = expectedRows(lab.cluster, expectedFlows(lab.cluster, tallies));
    expect(expected.size, 'reduced keys compared').toBeGreaterThan(200);
    const differences = rowDifferences(expected, await tableRows(directory));
    expect(differences, `run again with FLOWTOLL_SEED=${seed} FLOWTOLL_FAULTS=${FAULTS}`).toEqual([]);
    for (const loss of await losses(directory)) expect(loss).toMatchObject({ loss_reason: 'agent-away', bytes: null });
  });
});
