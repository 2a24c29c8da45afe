import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { batchOf, enrichAll, OTHER_POD, SHARED, type TestFlow } from './testing.ts';

const POD_A = '10.244.1.2'; // on n1
const POD_B = '10.244.1.3'; // on n1
const POD_C = '10.244.2.2'; // on n2
const NODE_1 = '172.20.1.1';
const BRIDGE_1 = '10.244.1.1'; // another address of n1
const NODE_2 = '172.20.2.1';
const SERVICE = '10.96.0.10';
const OUTSIDE = '203.0.113.9';

/** local kind and address -> peer kind and address, who opened it, what the local side sent and received */
function legText(row: FlowRow): string {
  const arrow = row.initiator === 'local' ? '->' : '<-';
  return `${row.localKind} ${row.ip} ${arrow} ${row.peerKind} ${row.peerIp} tx ${row.txBytes}/${row.txPackets} rx ${row.rxBytes}/${row.rxPackets}`;
}

const SENT = 'tx 100/10 rx 2000/20';
const RECEIVED = 'tx 2000/20 rx 100/10';

interface Case {
  readonly name: string;
  readonly node?: string;
  readonly flow: TestFlow;
  readonly legs: readonly string[];
  readonly service?: string | null;
}

const cases: Case[] = [
  {
    name: 'pod to pod on another node, seen by the initiator',
    flow: { from: POD_A, to: POD_C },
    legs: [`pod ${POD_A} -> pod ${POD_C} ${SENT}`],
  },
  {
    name: 'pod to pod on another node, seen by the responder',
    node: 'n2',
    flow: { from: POD_A, to: POD_C },
    legs: [`pod ${POD_C} <- pod ${POD_A} ${RECEIVED}`],
  },
  {
    name: 'pod to pod on one node: a row for each',
    flow: { from: POD_A, to: POD_B },
    legs: [`pod ${POD_A} -> pod ${POD_B} ${SENT}`, `pod ${POD_B} <- pod ${POD_A} ${RECEIVED}`],
  },
  {
    name: 'IPv6',
    flow: { from: 'fd00:244:1::2', to: 'fd00:244:2::2' },
    legs: [`pod fd00:244:1::2 -> pod fd00:244:2::2 ${SENT}`],
  },
  {
    name: 'pod to a service on another node',
    flow: { from: POD_A, to: POD_C, asked: [SERVICE, 80] },
    legs: [`pod ${POD_A} -> pod ${POD_C} ${SENT}`],
    service: 'shop/web',
  },
  {
    name: 'pod to a service, answered on the same node',
    flow: { from: POD_A, to: POD_B, asked: [SERVICE, 80] },
    legs: [`pod ${POD_A} -> pod ${POD_B} ${SENT}`, `pod ${POD_B} <- pod ${POD_A} ${RECEIVED}`],
    service: 'shop/web',
  },
  {
    name: 'pod to itself through a service (hairpin, masqueraded)',
    flow: { from: POD_A, to: POD_A, asked: [SERVICE, 80], as: BRIDGE_1 },
    legs: [`pod ${POD_A} -> pod ${POD_A} ${SENT}`, `pod ${POD_A} <- pod ${POD_A} ${RECEIVED}`],
    service: 'shop/web',
  },
  {
    name: 'pod to a neighbour through a service with source translation',
    flow: { from: POD_A, to: POD_B, asked: [SERVICE, 80], as: BRIDGE_1 },
    legs: [`pod ${POD_A} -> pod ${POD_B} ${SENT}`, `pod ${POD_B} <- pod ${POD_A} ${RECEIVED}`],
    service: 'shop/web',
  },
  {
    name: 'a service without endpoints is the peer itself',
    flow: { from: POD_A, to: SERVICE },
    legs: [`pod ${POD_A} -> service ${SERVICE} ${SENT}`],
    service: 'shop/web',
  },
  {
    name: 'pod masqueraded to the outside: one row, the pod’s',
    flow: { from: POD_A, to: OUTSIDE, as: NODE_1 },
    legs: [`pod ${POD_A} -> internet ${OUTSIDE} ${SENT}`],
  },
  {
    name: 'pod masqueraded to another node’s pod, seen there',
    node: 'n2',
    flow: { from: NODE_1, to: POD_C },
    legs: [`pod ${POD_C} <- node ${NODE_1} ${RECEIVED}`],
  },
  {
    name: 'host process to a pod of its node',
    flow: { from: BRIDGE_1, to: POD_A },
    legs: [`node ${BRIDGE_1} -> pod ${POD_A} ${SENT}`, `pod ${POD_A} <- node ${BRIDGE_1} ${RECEIVED}`],
  },
  {
    name: 'pod to a process of its node',
    flow: { from: POD_A, to: NODE_1 },
    legs: [`pod ${POD_A} -> node ${NODE_1} ${SENT}`, `node ${NODE_1} <- pod ${POD_A} ${RECEIVED}`],
  },
  {
    name: 'host process to a service on another node',
    flow: { from: NODE_1, to: POD_C, asked: [SERVICE, 443] },
    legs: [`node ${NODE_1} -> pod ${POD_C} ${SENT}`],
    service: 'shop/web',
  },
  {
    name: 'node to node',
    flow: { from: NODE_1, to: NODE_2, port: 10250 },
    legs: [`node ${NODE_1} -> node ${NODE_2} ${SENT}`],
  },
  {
    name: 'VXLAN, seen by the sender',
    flow: { from: NODE_1, to: NODE_2, protocol: 17, port: 8472, bytes: [500, 0] },
    legs: [`node ${NODE_1} -> node ${NODE_2} tx 500/10 rx 0/20`],
  },
  {
    name: 'outside to a node port, the pod on this node',
    flow: { from: OUTSIDE, to: POD_A, asked: [NODE_1, 30080] },
    legs: [`pod ${POD_A} <- internet ${OUTSIDE} ${RECEIVED}`],
    service: 'shop/web',
  },
  {
    name: 'outside to a node port, the pod on another node: two legs of the node',
    flow: { from: OUTSIDE, to: POD_C, asked: [NODE_1, 30080], as: BRIDGE_1 },
    legs: [`node ${NODE_1} <- internet ${OUTSIDE} ${RECEIVED}`, `node ${BRIDGE_1} -> pod ${POD_C} ${SENT}`],
    service: 'shop/web',
  },
  {
    name: 'the same, seen by the node of the pod',
    node: 'n2',
    flow: { from: BRIDGE_1, to: POD_C },
    legs: [`pod ${POD_C} <- node ${BRIDGE_1} ${RECEIVED}`],
  },
  {
    name: 'node port hop asked for at a bridge address, source untouched',
    flow: { from: OUTSIDE, to: POD_C, asked: [BRIDGE_1, 30080] },
    legs: [`node ${BRIDGE_1} <- internet ${OUTSIDE} ${RECEIVED}`, `node ${NODE_1} -> pod ${POD_C} ${SENT}`],
    service: 'shop/web',
  },
  {
    name: 'a node port that no service has',
    flow: { from: OUTSIDE, to: POD_A, asked: [NODE_1, 31999] },
    legs: [`pod ${POD_A} <- internet ${OUTSIDE} ${RECEIVED}`],
    service: null,
  },
  {
    name: 'an address that services share: the port tells which',
    flow: { from: OUTSIDE, to: POD_A, asked: [SHARED, 22] },
    legs: [`pod ${POD_A} <- internet ${OUTSIDE} ${RECEIVED}`],
    service: 'shop/ssh',
  },
  {
    name: 'an address that services share, at a port that is not known: the likelier one',
    flow: { from: OUTSIDE, to: POD_A, asked: [SHARED, 443] },
    legs: [`pod ${POD_A} <- internet ${OUTSIDE} ${RECEIVED}`],
    service: 'shop/web',
  },
  {
    name: 'plain routing, IPv6: the node’s first address of the family',
    flow: { from: 'fd00:244:2::2', to: '2001:db8::9' },
    legs: [`node fd00:1::1 <- pod fd00:244:2::2 ${RECEIVED}`, `node fd00:1::1 -> internet 2001:db8::9 ${SENT}`],
  },
  {
    name: 'routing by a node without an address of the family',
    node: 'n2',
    flow: { from: 'fd00:244:1::2', to: '2001:db8::9' },
    legs: [`node null <- pod fd00:244:1::2 ${RECEIVED}`, `node null -> internet 2001:db8::9 ${SENT}`],
  },
  {
    name: 'routing from a private address that nobody knows',
    flow: { from: '192.168.7.7', to: POD_C },
    legs: [`node ${NODE_1} <- private 192.168.7.7 ${RECEIVED}`, `node ${NODE_1} -> pod ${POD_C} ${SENT}`],
  },
  {
    name: 'loopback is the node itself',
    flow: { from: '127.0.0.1', to: '127.0.0.1' },
    legs: [`node 127.0.0.1 -> node 127.0.0.1 ${SENT}`, `node 127.0.0.1 <- node 127.0.0.1 ${RECEIVED}`],
  },
  {
    name: 'a node port asked for at loopback',
    flow: { from: '127.0.0.1', to: POD_C, asked: ['127.0.0.1', 30080], as: NODE_1 },
    legs: [`node 127.0.0.1 -> pod ${POD_C} ${SENT}`],
    service: 'shop/web',
  },
  {
    name: 'multicast from a stranger: never forwarded, so received here',
    flow: { from: '192.168.7.7', to: '224.0.0.251', protocol: 17, port: 5353, bytes: [100, 0] },
    legs: ['null 224.0.0.251 <- private 192.168.7.7 tx 0/20 rx 100/10'],
  },
  {
    name: 'link-local: never forwarded',
    flow: { from: 'fe80::1', to: 'fe80::2' },
    legs: [`null fe80::1 -> private fe80::2 ${SENT}`],
  },
  {
    name: 'folded pods of this node are local',
    flow: { from: '10.244.1.0/24', to: POD_C, folded: true },
    legs: [`pod 10.244.1.0/24 -> pod ${POD_C} ${SENT}`],
  },
  {
    name: 'folded pods of both nodes: nobody can know, so once',
    flow: { from: '10.244.0.0/16', to: OUTSIDE, folded: true },
    legs: [`pod 10.244.0.0/16 -> internet ${OUTSIDE} ${SENT}`],
  },
  {
    name: 'a reporting node that is not in the topology: once',
    node: 'n9',
    flow: { from: OUTSIDE, to: '10.244.9.9' },
    legs: [`null 10.244.9.9 <- internet ${OUTSIDE} ${RECEIVED}`],
  },
  {
    name: 'an unknown node that forwards: an end that lives elsewhere lends its address only',
    node: 'n9',
    flow: { from: POD_A, to: POD_C },
    legs: [`null ${POD_A} -> pod ${POD_C} ${SENT}`],
  },
];

describe('legs', () => {
  it.each(cases)('$name', ({ node, flow, legs, service }) => {
    const { rows, counts } = enrichAll(batchOf(node ?? 'n1', [flow]));
    expect(rows.map(legText)).toEqual(legs);
    expect(rows.map((row) => row.service)).toEqual(legs.map(() => service ?? null));
    expect(counts).toMatchObject({ flows: 1, rows: legs.length });
  });
});

describe('addresses of the reporting node that only its agent names', () => {
  const bridge = '10.244.1.1';
  const ofNode = (flow: TestFlow, ...addresses: string[]) =>
    enrichAll({ ...batchOf('n1', [flow]), nodeAddresses: new Set(addresses) }).rows.map(legText);

  it('are the node', () => {
    expect(ofNode({ from: bridge, to: POD_A }, bridge)).toEqual([
      `node ${bridge} -> pod ${POD_A} ${SENT}`,
      `pod ${POD_A} <- node ${bridge} ${RECEIVED}`,
    ]);
    expect(ofNode({ from: bridge, to: POD_C }, bridge)).toEqual([`node ${bridge} -> pod ${POD_C} ${SENT}`]);
  });

  it('are who the topology says where it says something', () => {
    expect(ofNode({ from: POD_A, to: SERVICE }, bridge, SERVICE, POD_A)).toEqual(
      enrichAll(batchOf('n1', [{ from: POD_A, to: SERVICE }])).rows.map(legText),
    );
  });
});

describe('addresses of another cluster', () => {
  it('are peers with its names, never local, although a node here has the same name', () => {
    const { rows } = enrichAll(
      batchOf('n1', [
        { from: POD_A, to: OTHER_POD },
        { from: OTHER_POD, to: NODE_1 },
      ]),
    );
    expect(rows.map(legText)).toEqual([
      `pod ${POD_A} -> pod ${OTHER_POD} ${SENT}`,
      `node ${NODE_1} <- pod ${OTHER_POD} ${RECEIVED}`,
    ]);
    for (const row of rows) {
      expect(row).toMatchObject({
        ...{ peerCluster: 'eu', peerProvider: 'aws', peerRegion: 'eu-west-1', peerZone: 'eu-west-1a', peerNode: 'n1' },
        ...{ peerNamespace: 'shop', peerWorkload: 'far', peerPod: 'far-1', resolution: 'exact' },
        ...{ zoneId: 'use1-az6', peerZoneId: 'euw1-az3' },
      });
    }
  });

  it('have no node ports of ours', () => {
    const { rows } = enrichAll(batchOf('n1', [{ from: POD_A, to: POD_C, asked: ['10.8.0.1', 30080] }]));
    expect(rows).toMatchObject([{ service: null }]);
  });
});

describe('a batch whose source counts both directions in one sum', () => {
  it('has all of it in tx, whichever side is local', () => {
    const batch = batchOf('n1', [{ from: POD_A, to: POD_B, bytes: [2100, 0] }]);
    batch.responderPackets.fill(0);
    const { rows } = enrichAll({ ...batch, directionsMerged: true });
    expect(rows.map(legText)).toEqual([
      `pod ${POD_A} -> pod ${POD_B} tx 2100/10 rx 0/0`,
      `pod ${POD_B} <- pod ${POD_A} tx 2100/10 rx 0/0`,
    ]);
    expect(rows.map(({ directionBasis }) => directionBasis)).toEqual(['merged', 'merged']);
  });
});

describe('columns', () => {
  it('say who, where and when', () => {
    const { rows } = enrichAll(batchOf('n1', [{ from: POD_A, to: POD_C, port: 5432 }]), ['tier', 'app', '7', 'none']);
    expect(rows).toEqual([
      {
        localKey: expect.any(Number),
        peerKey: expect.any(Number),
        zoneId: 'use1-az6',
        peerZoneId: 'use1-az2',
        windowStartUs: 60_000_000,
        windowEndUs: 120_000_000,
        cluster: 'demo',
        provider: 'aws',
        region: 'us-east-1',
        zone: 'us-east-1a',
        node: 'n1',
        localKind: 'pod',
        namespace: 'shop',
        workloadKind: 'Deployment',
        workload: 'a',
        pod: 'a-1',
        labels: '{"7":"seven","app":"a-1","tier":"x"}',
        ip: POD_A,
        peerKind: 'pod',
        peerCluster: 'demo',
        peerProvider: 'aws',
        peerRegion: 'us-east-1',
        peerZone: 'us-east-1b',
        peerNode: 'n2',
        peerNamespace: 'shop',
        peerWorkloadKind: 'Deployment',
        peerWorkload: 'c',
        peerPod: 'c-2',
        peerName: null,
        peerIp: POD_C,
        protocol: 'tcp',
        port: 5432,
        service: null,
        initiator: 'local',
        resolution: 'exact',
        txBytes: 100,
        txPackets: 10,
        rxBytes: 2000,
        rxPackets: 20,
        connections: 3,
        lossReason: null,
        lostBytesMax: null,
        trafficClass: 'unknown',
        path: null,
        txCost: null,
        rxCost: null,
        processingCost: null,
        priceBook: null,
        priceBasis: null,
        directionBasis: null,
      },
    ]);
  });

  const peers: { to: string; folded?: boolean; expected: Partial<FlowRow> }[] = [
    {
      to: OUTSIDE,
      expected: { peerKind: 'internet', resolution: 'exact', peerCluster: null, peerNode: null, peerZoneId: null },
    },
    { to: '203.0.113.0/24', expected: { peerKind: 'internet', resolution: 'exact' } },
    { to: OUTSIDE, folded: true, expected: { peerKind: 'internet', resolution: 'folded' } },
    { to: '198.51.100.0/24', expected: { peerKind: 'internet', peerName: 'partners', resolution: 'exact' } },
    {
      to: '172.21.0.9',
      expected: {
        peerKind: 'private',
        peerName: 'orders-db',
        peerZone: 'us-east-1b',
        peerZoneId: 'use1-az2',
        resolution: 'exact',
        peerCluster: null,
      },
    },
    { to: '192.168.7.7', expected: { peerKind: 'private', resolution: 'none' } },
    { to: '10.244.7.7', expected: { peerKind: 'private', resolution: 'none' } },
    { to: '10.244.7.0/24', expected: { peerKind: 'private', resolution: 'folded' } },
    { to: '9.9.9.9', expected: { peerKind: 'private', resolution: 'none' } }, // public bits, the cluster's ranges
    {
      to: '10.244.2.0/24',
      expected: { peerKind: 'pod', peerNode: 'n2', peerZoneId: 'use1-az2', resolution: 'folded' },
    },
    { to: '169.254.169.254', expected: { peerKind: 'private', resolution: 'none' } },
    { to: '224.0.0.251', expected: { peerKind: 'unknown', resolution: 'none' } },
    { to: NODE_2, expected: { peerKind: 'node', peerNode: 'n2', peerZoneId: 'use1-az2', resolution: 'exact' } },
    {
      to: SERVICE,
      expected: { peerKind: 'service', peerNamespace: 'shop', peerName: 'web', peerNode: null, peerZoneId: null },
    },
  ];
  it.each(peers)('$to is $expected.peerKind, $expected.resolution', ({ to, folded, expected }) => {
    const { rows } = enrichAll(batchOf('n1', [{ from: POD_A, to, folded: folded ?? false }]));
    expect(rows).toEqual([expect.objectContaining(expected)]);
  });

  it('of one row do not stay for the next', () => {
    const { rows } = enrichAll(
      batchOf('n1', [
        { from: POD_A, to: POD_C },
        { from: POD_A, to: OUTSIDE },
        { from: POD_A, to: '127.0.0.1' },
      ]),
    );
    expect(rows.map(({ zoneId, peerZoneId }) => [zoneId, peerZoneId])).toEqual([
      ['use1-az6', 'use1-az2'],
      ['use1-az6', null],
      // Both ends are on the node.
      ['use1-az6', 'use1-az6'],
      ['use1-az6', 'use1-az6'],
    ]);
  });

  it('of an unknown reporting node have its name and no place, and are counted', () => {
    const { rows, counts } = enrichAll(batchOf('n9', [{ from: '10.244.9.9', to: OUTSIDE }]));
    expect(rows).toEqual([
      expect.objectContaining({ node: 'n9', provider: null, zone: null, zoneId: null, resolution: 'none' }),
    ]);
    expect(counts).toMatchObject({ unknownNodeFlows: 1, guessedFlows: 1, forwardedFlows: 0 });
  });

  it('count forwarded flows', () => {
    const flow = { from: OUTSIDE, to: POD_C, asked: [NODE_1, 30080], as: BRIDGE_1 } as const;
    expect(enrichAll(batchOf('n1', [flow, { from: POD_A, to: POD_C }])).counts).toEqual({
      flows: 2,
      rows: 3,
      lossRows: 0,
      forwardedFlows: 1,
      guessedFlows: 0,
      unknownNodeFlows: 0,
    });
  });
});

describe('losses', () => {
  it('become rows of class lost; known bytes are tx bytes, unknown ones null', () => {
    const window = { startUs: 1, endUs: 2 };
    const { rows, counts } = enrichAll(
      batchOf(
        'n1',
        [{ from: POD_A, to: POD_C }],
        [
          { reason: 'events-dropped', entries: undefined, bytes: undefined, bytesMax: 5000, ...window },
          { reason: 'undecodable', entries: 4, bytes: 777, bytesMax: undefined, ...window },
        ],
      ),
    );
    const common = {
      trafficClass: 'lost',
      node: 'n1',
      zone: 'us-east-1a',
      zoneId: 'use1-az6',
      windowStartUs: 1,
      windowEndUs: 2,
      localKind: null,
      peerKind: null,
      protocol: null,
      rxBytes: null,
      txPackets: null,
    };
    expect(rows.slice(1)).toEqual([
      expect.objectContaining({
        ...common,
        lossReason: 'events-dropped',
        txBytes: null,
        lostBytesMax: 5000,
        connections: null,
      }),
      expect.objectContaining({
        ...common,
        lossReason: 'undecodable',
        txBytes: 777,
        lostBytesMax: null,
        connections: 4,
      }),
    ]);
    expect(counts).toMatchObject({ flows: 1, rows: 3, lossRows: 2 });
  });
});

describe('conservation', () => {
  const known = [POD_A, POD_B, POD_C, NODE_1, BRIDGE_1, NODE_2, SERVICE, 'fd00:244:1::2', 'fd00:244:2::2', '127.0.0.1'];
  const strangers = [
    OUTSIDE,
    '192.168.7.7',
    '10.244.7.7',
    'fe80::1',
    'ff02::fb',
    '0.0.0.0',
    '0.0.0.0/0',
    '10.244.0.0/16',
    '10.244.1.0/24',
  ];
  const address = fc.constantFrom(...known, ...strangers);
  const flow: fc.Arbitrary<TestFlow> = fc.record(
    {
      from: address,
      to: address,
      asked: fc.tuple(address, fc.constantFrom(80, 30080)),
      as: address,
      folded: fc.boolean(),
      bytes: fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()),
    },
    { requiredKeys: ['from', 'to', 'bytes'] },
  );

  it('every byte of a flow is in one row per local side, and in two legs when the node forwards', () => {
    fc.assert(
      fc.property(flow, fc.constantFrom('n1', 'n2', 'n9'), (given, node) => {
        const { rows, counts } = enrichAll(batchOf(node, [given]));
        expect(rows.length).toBeGreaterThanOrEqual(1);
        expect(rows.length).toBeLessThanOrEqual(2);
        expect(counts.rows).toBe(rows.length);
        for (const row of rows) {
          const fromInitiator = row.initiator === 'local' ? row.txBytes : row.rxBytes;
          const fromResponder = row.initiator === 'local' ? row.rxBytes : row.txBytes;
          expect([fromInitiator, fromResponder]).toEqual([...given.bytes!]);
          expect(row.node).toBe(node);
        }
        // The two rows of a flow are its two sides, never one side twice.
        expect(new Set(rows.map((row) => row.initiator)).size).toBe(rows.length);
        expect(counts.guessedFlows === 0 || rows.length === 1).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('two agents see one connection between their pods as two sides of the same bytes', () => {
    const [one] = enrichAll(batchOf('n1', [{ from: POD_A, to: POD_C }])).rows;
    const [two] = enrichAll(batchOf('n2', [{ from: POD_A, to: POD_C }])).rows;
    expect([one?.txBytes, one?.rxBytes]).toEqual([two?.rxBytes, two?.txBytes]);
  });
});
