import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FlowtollError } from '../model/errors.ts';
import { loadTopologyFile, parseTopology } from './file-topology.ts';
import { topologyJsonSchema } from './schema.ts';

const EXAMPLE = `
version: 1
cluster: demo
ranges: { pods: [10.244.0.0/16], services: [10.96.0.0/16], nodes: [172.20.0.0/16] }
nodes:
  - { name: n1, provider: aws, region: us-east-1, zone: us-east-1a, addresses: [172.20.1.1, "FD00:1:0:0::1"] }
  - { name: n2, provider: aws, region: us-east-1, zone: us-east-1b, addresses: [172.20.2.1] }
pods:
  - name: web-1
    namespace: shop
    node: n1
    workload: { kind: Deployment, name: web }
    addresses: [10.244.1.2, "fd00:244:1::2"]
    labels: { app: web }
  - { name: bare, namespace: shop, node: n1, addresses: [10.244.1.3] }
  - { name: db-0, namespace: shop, node: n2, addresses: [10.244.2.2] }
  - { name: proxy, namespace: kube-system, node: n1, addresses: [172.20.1.1], hostNetwork: true }
services:
  - { namespace: shop, name: web, addresses: [10.96.0.10], nodePorts: [30080] }
external:
  - { name: partners, addresses: [198.51.100.0/24] }
  - { name: partner-api, addresses: [198.51.100.64/26, "2001:db8:7::1"], provider: gcp, region: us-east1 }
`;

function topologyOf(text: string) {
  return parseTopology(text, 'test.yaml').source.snapshot();
}

function lookup(text: string, address: string) {
  return topologyOf(text).lookupAddress(address, 0, 60_000_000);
}

describe('a good file', () => {
  it('names pods by address, with their node, workload and labels', () => {
    const owner = lookup(EXAMPLE, 'fd00:244:1::2');
    expect(owner).toEqual({
      certainty: 'exact',
      identity: {
        kind: 'pod',
        namespace: 'shop',
        name: 'web-1',
        workloadKind: 'Deployment',
        workload: 'web',
        labels: { app: 'web' },
        node: {
          kind: 'node',
          name: 'n1',
          provider: 'aws',
          region: 'us-east-1',
          zone: 'us-east-1a',
          zoneId: null,
          addresses: ['172.20.1.1', 'fd00:1::1'],
        },
      },
    });
    expect(lookup(EXAMPLE, '10.244.1.2')?.identity).toEqual(owner?.identity);
  });

  it('takes a pod without an owner for its own workload', () => {
    expect(lookup(EXAMPLE, '10.244.1.3')?.identity).toMatchObject({ workloadKind: 'Pod', workload: 'bare' });
  });

  const kinds: [address: string, kind: string | undefined, name: string | undefined][] = [
    ['172.20.1.1', 'node', 'n1'], // the host-network pod is its node
    ['fd00:1::1', 'node', 'n1'],
    ['10.96.0.10', 'service', 'web'],
    ['198.51.100.7', 'external', 'partners'],
    ['198.51.100.65', 'external', 'partner-api'], // the longer prefix
    ['198.51.100.0/25', 'external', 'partners'], // a prefix inside a named one
    ['198.51.0.0/16', undefined, undefined], // a prefix around it
    ['2001:db8:7::1', 'external', 'partner-api'],
    ['2001:db8:7::2', undefined, undefined],
    ['10.244.9.9', undefined, undefined],
  ];
  it.each(kinds)('%s is %s %s', (address, kind, name) => {
    const identity = lookup(EXAMPLE, address)?.identity;
    expect([identity?.kind, identity?.name]).toEqual([kind, name]);
  });

  it('knows node ports and ranges', () => {
    const topology = topologyOf(EXAMPLE);
    expect(topology.lookupNodePort(30080, 6, '172.20.1.1', 0, 1)).toMatchObject({ namespace: 'shop', name: 'web' });
    expect(topology.lookupNodePort(30081, 6, '172.20.1.1', 0, 1)).toBeUndefined();
    const inside = ['10.244.9.9', '10.244.1.0/24', '10.0.0.0/8', '8.8.8.8', 'fd00:1::1', 'nonsense'];
    expect(inside.map((address) => topology.inClusterRanges(address))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it('may list no nodes where somebody else says which there are', () => {
    const text = 'version: 1\nexternal: [{ name: db, addresses: [172.21.0.0/24] }]';
    expect(() => parseTopology(text, 'test.yaml')).toThrow(/nodes: is missing; list/);
    const topology = parseTopology(text, 'test.yaml', { needsNodes: false }).source.snapshot();
    expect(topology.lookupAddress('172.21.0.9', 0, 1)?.identity).toMatchObject({ name: 'db' });
    expect(() => parseTopology('version: 1\nnodes: 5', 'test.yaml', { needsNodes: false })).toThrow(/nodes: /);
  });

  it('summarises the pods and nodes in a prefix', () => {
    const topology = topologyOf(EXAMPLE);
    expect(topology.lookupPrefix('10.244.1.0/24', 0, 1)).toEqual({
      nodes: new Set(['n1']),
      kind: 'pod',
      provider: 'aws',
      region: 'us-east-1',
      zone: 'us-east-1a',
      zoneId: null,
    });
    expect(topology.lookupPrefix('10.0.0.0/8', 0, 1)).toMatchObject({
      nodes: new Set(['n1', 'n2']),
      kind: 'pod',
      zone: null,
    });
    expect(topology.lookupPrefix('0.0.0.0/0', 0, 1)).toMatchObject({ kind: null, region: 'us-east-1' });
    expect(topology.lookupPrefix('10.244.7.0/24', 0, 1)).toBeUndefined();
  });

  it('summarises from the first to the last address of a prefix, of one family', () => {
    const addresses = ['9.255.255.255', '10.0.0.0', '10.0.0.255', '10.0.1.0', 'a00::', 'a00:0:0:1::'];
    const nodes = addresses.map((address, i) => ({ name: `n${i}`, addresses: [address] }));
    const topology = topologyOf(JSON.stringify({ version: 1, nodes }));
    const nodesIn = (prefix: string) => [...(topology.lookupPrefix(prefix, 0, 1)?.nodes ?? [])].sort();
    expect(nodesIn('10.0.0.0/24')).toEqual(['n1', 'n2']);
    expect(nodesIn('10.0.0.0/23')).toEqual(['n1', 'n2', 'n3']);
    expect(nodesIn('8.0.0.0/7')).toEqual(['n0']);
    expect(nodesIn('a00::/64')).toEqual(['n4']);
    expect(nodesIn('::/0')).toEqual(['n4', 'n5']);
  });

  const ZONES = `
version: 1
nodes:
  - { name: both, provider: aws, region: us-east-1, zone: us-east-1a, zoneId: use1-az6, addresses: [10.0.0.1] }
  - { name: name, provider: aws, region: us-east-1, zone: us-east-1a, addresses: [10.0.0.2] }
  - { name: id, provider: aws, region: us-east-1, zoneId: use1-az6, addresses: [10.0.0.3] }
  - { name: id-as-name, provider: aws, region: us-east-1, zone: use1-az2, addresses: [10.0.0.4] }
  - { name: not-aws, provider: lab, region: r1, zone: r1-az1, addresses: [10.0.0.5] }
  - { name: own-ids, provider: azure, region: westeurope, zone: westeurope-1, zoneId: az3, addresses: [10.0.0.6] }
external:
  - { name: here, addresses: [10.1.0.1], provider: aws, region: us-east-1, zone: us-east-1a }
  - { name: elsewhere, addresses: [10.1.0.2], provider: aws, region: us-east-1, zone: us-east-1a, zoneId: use1-az4 }
  - { name: by-id, addresses: [10.1.0.3], provider: aws, region: us-east-1, zone: use1-az6 }
  - { name: new, addresses: [10.1.0.4], provider: aws, region: us-east-1, zoneId: use1-az5 }
`;
  const zoneOf = (identity: object | undefined) =>
    identity !== undefined && 'zone' in identity && 'zoneId' in identity ? [identity.zone, identity.zoneId] : undefined;

  it('has ids of zones beside their names, and each from the other where a node says both', () => {
    const topology = topologyOf(ZONES);
    const zones = ['both', 'name', 'id', 'id-as-name', 'not-aws', 'own-ids'].map((name) => [
      name,
      ...(zoneOf(topology.lookupNode(name)) ?? []),
    ]);
    expect(zones).toEqual([
      ['both', 'us-east-1a', 'use1-az6'],
      ['name', 'us-east-1a', 'use1-az6'],
      ['id', 'us-east-1a', 'use1-az6'],
      // An id beside names would look like another zone.
      ['id-as-name', null, 'use1-az2'],
      ['not-aws', 'r1-az1', null],
      ['own-ids', 'westeurope-1', 'az3'],
    ]);
    expect([1, 2, 3, 4].map((i) => zoneOf(lookup(ZONES, `10.1.0.${i}`)?.identity))).toEqual([
      ['us-east-1a', 'use1-az6'],
      ['us-east-1a', 'use1-az4'],
      ['us-east-1a', 'use1-az6'],
      [null, 'use1-az5'],
    ]);
    expect(topology.lookupPrefix('10.0.0.0/30', 0, 1)).toMatchObject({ zone: 'us-east-1a', zoneId: 'use1-az6' });
    expect(topology.lookupPrefix('10.0.0.0/29', 0, 1)).toMatchObject({ zone: null, zoneId: null });
  });

  it('has ids for names where no node says a name, unless the nodes are in Kubernetes', () => {
    const external = 'external: [{ name: e, addresses: [10.1.0.1], provider: aws, region: r, zone: use1-az1 }]';
    const nodes = 'nodes: [{ name: n, provider: aws, region: r, zone: use1-az1, addresses: [10.0.0.1] }]';
    const alone = topologyOf(`version: 1\n${nodes}\n${external}`);
    expect(zoneOf(alone.lookupNode('n'))).toEqual(['use1-az1', 'use1-az1']);
    expect(zoneOf(alone.lookupAddress('10.1.0.1', 0, 1)?.identity)).toEqual(['use1-az1', 'use1-az1']);
    const beside = parseTopology(`version: 1\n${external}`, 'test.yaml', { needsNodes: false }).source.snapshot();
    expect(zoneOf(beside.lookupAddress('10.1.0.1', 0, 1)?.identity)).toEqual([null, 'use1-az1']);
  });

  it('may be JSON', () => {
    const text = JSON.stringify(
      { version: 1, cluster: 'c', nodes: [{ name: 'n', addresses: ['10.0.0.1'] }] },
      null,
      '\t',
    );
    expect(parseTopology(text, 'test.json').cluster).toBe('c');
    expect(lookup(text, '10.0.0.1')?.identity).toMatchObject({ name: 'n', provider: null, region: null, zone: null });
  });

  it('gives the same snapshot as long as nothing changed', () => {
    const { source } = parseTopology(EXAMPLE, 'test.yaml');
    expect(source.snapshot()).toBe(source.snapshot());
  });

  it('notes a provider that nobody prices', () => {
    const text = 'version: 1\nnodes: [{ name: n, provider: metal, addresses: [10.0.0.1] }]';
    expect(parseTopology(text, 'f').notes).toEqual([expect.stringMatching(/"metal".*counted but not priced/)]);
    expect(parseTopology(EXAMPLE, 'f').notes).toEqual([]);
  });
});

/** Nodes n1 and n2, with more lines after them. */
const NODES = `
version: 1
nodes:
  - { name: n1, provider: aws, region: us-east-1, zone: us-east-1a, addresses: [172.20.1.1] }
  - { name: n2, provider: aws, region: us-east-1, zone: us-east-1b, addresses: [172.20.2.1] }
`;

const wrong: { name: string; text: string; problems: RegExp[] }[] = [
  { name: 'an empty file', text: '', problems: [/\(file\): holds no mapping/] },
  { name: 'a list', text: '[1]', problems: [/\(file\): holds no mapping/] },
  { name: 'broken YAML', text: 'version: 1\nnodes: [', problems: [/\(file\): not readable as YAML or JSON: .*line 2/] },
  { name: 'a key given twice', text: 'version: 1\nversion: 1\nnodes: []', problems: [/Map keys must be unique/] },
  { name: 'no version and no nodes', text: 'cluster: x', problems: [/version: /, /nodes: /] },
  { name: 'another version', text: NODES.replace('version: 1', 'version: 2'), problems: [/version: /] },
  { name: 'no node at all', text: 'version: 1\nnodes: []', problems: [/nodes: is empty/] },
  { name: 'a misspelt key', text: `${NODES}pod: []`, problems: [/\(file\): unknown key pod;/] },
  {
    name: 'a misspelt key in an entry',
    text: `${NODES}pods: [{ name: p, namespace: s, node: n1, adresses: [] }]`,
    problems: [/pods\[0\]\.addresses: /, /pods\[0\]: unknown key adresses;/],
  },
  {
    name: 'an unknown node',
    text: `${NODES}pods: [{ name: p, namespace: s, node: n3, addresses: [10.0.0.1] }]`,
    problems: [/pods\[0\]\.node: node n3 is not in nodes/],
  },
  {
    name: 'two pods with one address, however it is written',
    text: `${NODES}pods:
  - { name: a, namespace: s, node: n1, addresses: ["fd00::1"] }
  - { name: b, namespace: s, node: n2, addresses: [10.0.0.9, "FD00:0::0001"] }`,
    problems: [/pods\[1\]\.addresses\[1\]: fd00::1 is also the address of pod s\/a \(pods\[0\]\.addresses\[0\]\)/],
  },
  {
    name: 'a pod with the address of a node',
    text: `${NODES}pods: [{ name: a, namespace: s, node: n1, addresses: [172.20.1.1] }]`,
    problems: [/pods\[0\]\.addresses\[0\]: .* node n1 .* hostNetwork: true/],
  },
  {
    name: 'a host-network pod with an address that is not of its node',
    text: `${NODES}pods: [{ name: a, namespace: s, node: n1, addresses: [172.20.2.1], hostNetwork: true }]`,
    problems: [/pods\[0\]\.addresses\[0\]: 172\.20\.2\.1 is not an address of node n1/],
  },
  {
    name: 'two nodes, pods, services and externals of one name',
    text: `version: 1
nodes: [{ name: n, addresses: [10.0.0.1] }, { name: n, addresses: [10.0.0.2] }]
pods: [{ name: p, namespace: s, node: n, addresses: [] }, { name: p, namespace: s, node: n, addresses: [] }]
services: [{ name: v, namespace: s }, { name: v, namespace: s }]
external: [{ name: e, addresses: [192.0.2.1] }, { name: e, addresses: [192.0.2.2] }]`,
    problems: [/nodes\[1\]\.name: /, /pods\[1\]\.name: /, /services\[1\]\.name: /, /external\[1\]\.name: /],
  },
  {
    name: 'a zone in two regions',
    text: `version: 1
nodes:
  - { name: a, provider: aws, region: us-east-1, zone: z, addresses: [10.0.0.1] }
  - { name: b, provider: aws, region: us-east-2, zone: z, addresses: [10.0.0.2] }
  - { name: c, provider: gcp, region: us-east1, zone: z, addresses: [10.0.0.3] }`,
    problems: [/nodes\[1\]\.zone: z has region us-east-2 here and us-east-1 at nodes\[0\]; a zone has one region/],
  },
  {
    name: 'a zone with two ids, an id with two names, an id in two regions',
    text: `version: 1
nodes:
  - { name: a, provider: aws, region: us-east-1, zone: us-east-1a, zoneId: use1-az6, addresses: [10.0.0.1] }
  - { name: b, provider: aws, region: us-east-1, zone: us-east-1a, zoneId: use1-az4, addresses: [10.0.0.2] }
  - { name: c, provider: aws, region: us-east-1, zone: us-east-1b, zoneId: use1-az6, addresses: [10.0.0.3] }
  - { name: d, provider: aws, region: us-east-2, zoneId: use1-az6, addresses: [10.0.0.4] }
  - { name: e, provider: aws, region: us-east-2, zone: use1-az6, addresses: [10.0.0.5] }`,
    problems: [
      /nodes\[1\]\.zone: us-east-1a has id use1-az4 here and use1-az6 at nodes\[0\]; a zone has one id/,
      /nodes\[2\]\.zone: use1-az6 has name us-east-1b here and us-east-1a at nodes\[0\]; a zone has one name/,
      /nodes\[3\]\.zoneId: use1-az6 has region us-east-2 here and us-east-1 at nodes\[0\]/,
      /nodes\[4\]\.zone: use1-az6 has region us-east-2 here/,
    ],
  },
  {
    name: 'ids of zones that are none, or contradict',
    text: `version: 1
nodes:
  - { name: a, provider: aws, region: us-east-1, zoneId: us-east-1a, addresses: [10.0.0.1] }
  - { name: b, provider: aws, region: us-east-1, zone: use1-az1, zoneId: use1-az2, addresses: [10.0.0.2] }
external:
  - { name: e, addresses: [192.0.2.1], provider: aws, zoneId: use1-az1 }
  - { name: f, addresses: [192.0.2.2], provider: aws, region: us-east-1, zoneId: a }`,
    problems: [
      /nodes\[0\]\.zoneId: us-east-1a is not an id of a zone of AWS, such as use1-az1/,
      /nodes\[1\]\.zoneId: use1-az2 is another id than the one under zone, use1-az1/,
      /external\[0\]\.region: is missing, but zone use1-az1 is given/,
      /external\[1\]\.zoneId: a is not an id/,
    ],
  },
  {
    name: 'a zone without a region',
    text: 'version: 1\nnodes: [{ name: n, zone: z, addresses: [10.0.0.1] }]',
    problems: [/nodes\[0\]\.region: is missing/],
  },
  {
    name: 'bad addresses of every kind',
    text: `version: 1
nodes: [{ name: n, addresses: [10.0.0.256, 10.1, 0x7f.1, host, 10.0.0.0/24, 127.0.0.1, "::", "fe80::1%eth0", "1.2.3.4.5"] }]`,
    problems: [0, 1, 2, 3, 4, 5, 6, 7, 8].map((index) => new RegExp(`nodes\\[0\\]\\.addresses\\[${index}\\]: `)),
  },
  {
    name: 'bad prefixes',
    text: `${NODES}ranges: { pods: [10.244.1.0/16, 10.0.0.0/33, 10.0.0.0] }
external: [{ name: e, addresses: [198.51.100.7/24, x] }]`,
    problems: [
      /ranges\.pods\[0\]: .*did you mean 10\.244\.0\.0\/16\?/,
      /ranges\.pods\[1\]: .*outside 0 to 32/,
      /ranges\.pods\[2\]: .*no prefix length/,
      /external\[0\]\.addresses\[0\]: .*did you mean 198\.51\.100\.0\/24\?/,
      /external\[0\]\.addresses\[1\]: "x" is not a prefix/,
    ],
  },
  {
    name: 'services that share an address or a node port',
    text: `${NODES}services:
  - { namespace: s, name: a, addresses: [10.96.0.1], nodePorts: [30001, 70000] }
  - { namespace: s, name: b, addresses: [10.96.0.2], nodePorts: [30002] }
  - { namespace: s, name: c, addresses: [10.96.0.2, 172.20.1.1], nodePorts: [30002] }`,
    problems: [
      /services\[0\]\.nodePorts\[1\]: /,
      /services\[2\]\.addresses\[0\]: .*service s\/b/,
      /services\[2\]\.addresses\[1\]: .*node n1/,
      /services\[2\]\.nodePorts\[0\]: 30002 is also a node port of service s\/b/,
    ],
  },
  {
    name: 'a broken node does not make its pods wrong, too',
    text: `version: 1
nodes: [{ name: n1, addresses: [] }]
pods: [{ name: p, namespace: s, node: n1, addresses: [10.0.0.1] }]`,
    problems: [/nodes\[0\]\.addresses: /],
  },
  {
    name: 'clusters of one name, or with ranges that overlap',
    text: `${NODES}clusters:
  - { name: eu, ranges: [10.8.0.0/14] }
  - { name: eu, ranges: [] }
  - { name: us, ranges: [10.12.0.0/16, 10.9.0.0/16] }
  - { name: ap }`,
    problems: [
      /clusters\[3\]\.ranges: /,
      /clusters\[1\]\.name: cluster eu is also clusters\[0\]/,
      /clusters\[2\]\.ranges\[1\]: 10\.9\.0\.0\/16 overlaps a range of cluster eu \(clusters\[0\]\.ranges\[0\]\)/,
    ],
  },
  { name: 'too many aliases', text: billionLaughs(), problems: [/\(file\): not readable as YAML: /] },
];

describe('a bad file', () => {
  it.each(wrong)('$name', ({ text, problems }) => {
    const lines = problemsOf(text);
    expect(lines).toHaveLength(problems.length);
    problems.forEach((problem, index) => {
      expect(lines[index]).toMatch(problem);
    });
  });

  it('says how many problems there are, and in which file', () => {
    expect(() => parseTopology('version: 1\nnodes: []', 'my.yaml')).toThrow(/^topology file my\.yaml has 1 problem:\n/);
    expect(() => parseTopology('cluster: x', 'my.yaml')).toThrow(/^topology file my\.yaml has 2 problems:\n/);
  });
});

describe('loadTopologyFile', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'flowtoll-topology-'));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  it('reads a file', () => {
    const path = join(directory, 'topology.yaml');
    writeFileSync(path, EXAMPLE);
    expect(loadTopologyFile(path).cluster).toBe('demo');
  });

  it('says which file it cannot read', () => {
    const path = join(directory, 'absent.yaml');
    expect(() => loadTopologyFile(path)).toThrow(
      expect.objectContaining({ code: 'TOPOLOGY_INVALID', message: expect.stringContaining(`${path} cannot be read`) }),
    );
  });
});

describe('docs', () => {
  it('docs/topology.schema.json is current; if not, run `npm run generate`', () => {
    const committed = readFileSync(new URL('../../../docs/topology.schema.json', import.meta.url), 'utf8');
    expect(JSON.parse(committed)).toEqual(topologyJsonSchema());
  });

  it('the example of docs/topology.md is a good file', () => {
    const page = readFileSync(new URL('../../../docs/topology.md', import.meta.url), 'utf8');
    const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    expect(parseTopology(example, 'docs/topology.md')).toMatchObject({ cluster: 'demo', notes: [] });
  });
});

function problemsOf(text: string): string[] {
  try {
    parseTopology(text, 'test.yaml');
  } catch (error) {
    if (error instanceof FlowtollError && error.code === 'TOPOLOGY_INVALID') {
      return error.message.split('\n  ').slice(1);
    }
    throw error;
  }
  return [];
}

function billionLaughs(): string {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(', ')}]`);
  return ['l0: &l0 [x]', ...levels].join('\n');
}
