// Proves the laboratory and the method before they judge the product: what its independent counters say (nft counters in
// the pods, the outside host and the router) equals, byte by byte, what each node's own conntrack says. No product code.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SECOND_CONNTRACK_ZONE } from '../lab/cluster.ts';
import type { EntrySum } from '../lab/conntrack-list.ts';
import { type ExpectedFlow, expectedFlows, lostOnTheWay } from '../lab/expected.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { PATH_NAMES, type PlannedConnection, planTraffic } from '../lab/plan.ts';
import { createRandom } from '../lab/random.ts';

const SEED = 20_251;

describe(`independent counters and conntrack, seed ${SEED}`, () => {
  let lab: Lab;
  let plan: readonly PlannedConnection[];
  let flows: readonly ExpectedFlow[];

  beforeAll(async () => {
    lab = await createLab({ accounting: ['n1', 'n2', 'n3'], timeouts: 'long' });
    plan = planTraffic(lab.cluster, createRandom(SEED), { count: 600, spreadMs: 2000 });
    const failed = (await lab.run(plan)).filter((result) => result.error !== undefined);
    expect(failed).toEqual([]);
    const tallies = await lab.settledTallies();
    expect(lostOnTheWay(tallies)).toEqual([]);
    flows = expectedFlows(lab.cluster, tallies);
  });
  afterAll(() => lab?.close());

  test('the plan takes every path', () => {
    expect(new Set(plan.map((connection) => connection.path))).toEqual(new Set(PATH_NAMES));
  });

  test.each(['n1', 'n2', 'n3'])('agree on %s to the byte', async (node) => {
    expect(await lab.invalidPackets(node)).toBe(0);
    const counted = flows.filter((flow) => flow.node === node);
    const tracked = await lab.conntrack(node);
    // Both ways: nothing is in one view only. A connection in two zones is in the listing twice, each time in full.
    expect(new Set(tracked.map(keyOf))).toEqual(new Set(counted.map(keyOf)));
    const byKey = new Map(counted.map((flow) => [keyOf(flow), measuresOf(flow)]));
    for (const entry of tracked) {
      expect(measuresOf(entry), `${node} ${keyOf(entry)} in zone ${entry.conntrackZone}`).toEqual(
        byKey.get(keyOf(entry)),
      );
    }
  });

  test('one connection is in two conntrack zones, with its bytes in both', async () => {
    const tracked = await lab.conntrack('n3');
    const second = tracked.filter((entry) => entry.conntrackZone === SECOND_CONNTRACK_ZONE);
    expect(second.length).toBeGreaterThan(5);
    for (const entry of second) {
      const first = tracked.filter((other) => other.conntrackZone === 0 && keyOf(other) === keyOf(entry));
      expect(first.map(measuresOf)).toEqual([measuresOf(entry)]);
      expect(entry.initiatorBytes).toBeGreaterThan(0);
    }
  });

  test('the tunnel shows both as itself and as what it carries', () => {
    const outer = flows.filter((flow) => flow.protocol === 'udp' && flow.port === 8472);
    expect(new Set(outer.map((flow) => flow.node))).toEqual(new Set(['n1', 'n2']));
  });
});

const keyOf = (flow: ExpectedFlow | EntrySum): string =>
  [flow.initiator, flow.responder, flow.protocol, flow.port].join(' ');

const measuresOf = (flow: ExpectedFlow | EntrySum): number[] => [
  flow.initiatorBytes,
  flow.initiatorPackets,
  flow.responderBytes,
  flow.responderPackets,
];
