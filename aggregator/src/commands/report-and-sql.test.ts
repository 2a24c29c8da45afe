// The two reading commands from the command line to the printed text, on tables written by the real writer.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { openDirectoryStore } from '../store/directory-store.ts';
import { flowRow, WINDOW_US } from '../table/flow-row.testing.ts';
import { openFlowTable } from '../table/flow-table.ts';
import { reportCommand } from './report.ts';
import { sqlCommand } from './sql.ts';

const GB = 1_000_000_000;
const DOLLAR = 10n ** 12n;
const NOW_MS = Date.UTC(2026, 1, 1, 12);

let root: string;

const web: Partial<FlowRow> = {
  ...{ provider: 'aws', region: 'eu-central-1', zone: 'a', localKind: 'pod', namespace: 'shop', workload: 'web' },
  ...{ labels: '{"team":"storefront"}', ip: '10.0.0.1', protocol: 'tcp', port: 5432, initiator: 'local' },
  ...{ peerKind: 'pod', peerNamespace: 'shop', peerWorkload: 'db', trafficClass: 'cross-zone' },
  ...{ priceBasis: 'exact', processingCost: 0n, connections: 3 },
};
const toInternet: Partial<FlowRow> = {
  ...web,
  ...{ peerKind: 'internet', peerNamespace: null, peerWorkload: null, peerIp: '2001:db8::1', trafficClass: 'internet' },
};

/** Four rows in the sums, by hand: tx 5 GB + 3 + 100 + 7, rx 1 GB + 4 + 0 + 8; cost $1.5 + $0.000002 + nothing + nothing. */
const DEMO_ROWS: readonly FlowRow[] = [
  flowRow({ ...web, txBytes: 5 * GB, rxBytes: GB, txCost: DOLLAR, rxCost: DOLLAR / 2n }),
  flowRow({
    ...toInternet,
    ...{
      txBytes: 3,
      rxBytes: 4,
      txCost: 2_000_000n,
      rxCost: 0n,
      priceBasis: 'estimated',
      windowStartUs: WINDOW_US + 60e6,
    },
  }),
  flowRow({
    ...toInternet,
    peerName: 's3.example',
    txBytes: 100,
    rxBytes: 0,
    path: 'nat-gateway',
    processingCost: null,
  }),
  flowRow({
    ...web,
    peerKind: 'unknown',
    peerWorkload: null,
    peerNamespace: null,
    peerIp: '10.9.9.9',
    trafficClass: 'unknown',
    txBytes: 7,
    rxBytes: 8,
    priceBasis: 'none',
    processingCost: null,
  }),
  flowRow({ trafficClass: 'encapsulation', txBytes: 2048, rxBytes: 1024, txCost: 0n, rxCost: 0n, processingCost: 0n }),
  flowRow({ trafficClass: 'lost', lossReason: 'events-dropped' }),
  flowRow({ trafficClass: 'lost', lossReason: 'vanished', connections: 2, txBytes: 4096 }),
  flowRow({ trafficClass: 'lost', lossReason: 'vanished', connections: 1, lostBytesMax: 1024 }),
];

async function writeTable(cluster: string, rows: readonly FlowRow[]): Promise<void> {
  const store = await openDirectoryStore(join(root, 'store'));
  const table = await openFlowTable(store, { cluster, clock: () => NOW_MS });
  for (const [i, row] of rows.entries()) {
    await table.commit([{ epoch: 'e', sequence: i + 1 }], (_, buffer) => buffer.append({ ...row, cluster }));
  }
  await table.close();
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'flowtoll-report-'));
  await writeTable('demo', DEMO_ROWS);
  await writeTable('other', [flowRow({ ...web, node: 'node-b', txBytes: 11, rxBytes: 22, txCost: 5n, rxCost: 0n })]);
  await writeTable('empty', []);
  await mkdir(join(root, 'store', 'not a cluster'));
  await mkdir(join(root, 'store', 'not-a-table'));
  await mkdir(join(root, 'nothing'));
  await writeFile(join(root, 'file'), '');
});

afterAll(() => rm(root, { recursive: true }));

async function run(create: (output: { text: string; remarks: string }) => Command, args: readonly string[]) {
  const output = { text: '', remarks: '' };
  const command = create(output)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  await command.parseAsync(['--store', join(root, 'store'), ...args], { from: 'user' });
  return output;
}

const sinkOf = (output: { text: string; remarks: string }) => () => ({
  write: async (text: string) => {
    output.text += text;
  },
  remark: (text: string) => {
    output.remarks += text;
  },
});
const report = (...args: string[]) => run((output) => reportCommand(sinkOf(output), () => NOW_MS), args);
const sql = (...args: string[]) => run((output) => sqlCommand(sinkOf(output)), args);
const demo = ['--cluster', 'demo'];

describe('report for people', () => {
  test('groups, total, and last what the total does not have', async () => {
    const { text } = await report(...demo);
    const ruler = (widths: number[]) => widths.map((width) => '─'.repeat(width)).join('  ');
    const rule = ruler([9, 8, 10, 10, 8, 8, 11, 8, 10, 11]);
    expect(text.split('\n')).toEqual(
      [
        'Cluster demo, 2026-01-31 23:59 to 2026-02-01 00:00 UTC',
        '',
        'NAMESPACE  WORKLOAD  PEER        CLASS           SENT  RECEIVED  CONNECTIONS  UNPRICED  COST (USD)  NOT CERTAIN',
        rule,
        'shop       web       shop/db     cross-zone  4.66 GiB   954 MiB            3            $1.50      ',
        'shop       web       (internet)  internet         3 B       4 B            3            $0.0000020         100%',
        'shop       web       s3.example  internet       100 B       0 B            3     100 B   ?',
        'shop       web       (unknown)   unknown          7 B       8 B            3      15 B   ?',
        rule,
        'Total                                        4.66 GiB   954 MiB           12     115 B  $1.50             <0.1%',
        '',
        'Bytes in the total whose cost is not:',
        '  unknown class  7 B sent, 8 B received (<0.1%)',
        '  no rate        100 B sent, 0 B received (<0.1%)',
        'Not in the total at all:',
        '  lost: events-dropped  an unknown amount in 1 hour',
        '  lost: vanished        4.00 KiB (<0.1%) and an unknown amount (at most 1.00 KiB) in 1 hour; 3 connections',
        '  encapsulation         2.00 KiB sent, 1.00 KiB received in tunnels between nodes; what they carry is counted above',
        'In the total cost, but not certain:',
        '  estimated  $0.0000020 (<0.1%)',
        '',
      ].map((line) => line.trimEnd()),
    );
  });

  test('--top folds the rest into a row, and the columns still add up', async () => {
    const { text } = await report(...demo, '--by', 'class', '--top', '1');
    expect(text).toMatch(/^cross-zone +4\.66 GiB +954 MiB +3 +\$1\.50$/m);
    expect(text).toMatch(/^… 2 more +110 B +12 B +9 +115 B +\$0\.0000020 +100%$/m);
    expect(text).toMatch(/^Total +4\.66 GiB +954 MiB +12 +115 B +\$1\.50 +<0\.1%$/m);
  });

  test('says so when nothing is missing, and when there is nothing', async () => {
    expect((await report('--cluster', 'other')).text).toMatch(/\n\nNothing is missing: [^\n]*\n$/);
    expect((await report('--cluster', 'empty')).text).toBe('There are no flows in the store yet.\n');
    expect((await report('--since', '1h')).text).toBe('There are no flows in this period.\n');
  });

  test('all clusters of the store by default', async () => {
    expect((await report('--by', 'cluster,node')).text).toMatch(/^Cluster demo, other, /);
  });
});

describe('report for programs', () => {
  const zero = '0.000000000000';
  const certain = { estimated_cost_usd: zero, disputed_cost_usd: zero, incomplete_cost_usd: zero };
  const estimated = { ...certain, estimated_cost_usd: '0.000002000000' };

  test('JSON is exact and complete', async () => {
    const json = JSON.parse((await report(...demo, '--by', 'class,label:team', '--format', 'json')).text);
    expect(json).toEqual({
      clusters: ['demo'],
      filter: null,
      since: null,
      until: null,
      first_window_start: '2026-01-31T23:59:00.000Z',
      last_window_end: '2026-02-01T00:00:00.000Z',
      group_count: 3,
      groups: [
        {
          ...{ class: 'cross-zone', 'label:team': 'storefront', tx_bytes: 5 * GB, rx_bytes: GB, connections: 3 },
          ...{ unpriced_bytes: 0, cost_usd: '1.500000000000', ...certain },
        },
        {
          ...{ class: 'internet', 'label:team': 'storefront', tx_bytes: 103, rx_bytes: 4, connections: 6 },
          ...{ unpriced_bytes: 100, cost_usd: '0.000002000000', ...estimated },
        },
        {
          ...{ class: 'unknown', 'label:team': 'storefront', tx_bytes: 7, rx_bytes: 8, connections: 3 },
          ...{ unpriced_bytes: 15, cost_usd: null, ...certain },
        },
      ],
      total: {
        tx_bytes: 5 * GB + 110,
        rx_bytes: GB + 12,
        connections: 12,
        unpriced_bytes: 115,
        cost_usd: '1.500002000000',
        ...estimated,
      },
      not_in_total: {
        // 15 and 100 of 6,000,000,122 bytes are 0.00000025 and 0.0000017 percent.
        unknown_class: { hours: 1, tx_bytes: 7, rx_bytes: 8, percent: 0 },
        unpriced: { hours: 1, tx_bytes: 100, rx_bytes: 0, percent: 0 },
        undirected: { hours: 0, tx_bytes: 0, rx_bytes: 0, percent: 0 },
        unpriced_processing: { hours: 0, tx_bytes: 0, rx_bytes: 0, percent: 0 },
        encapsulation: { hours: 1, tx_bytes: 2048, rx_bytes: 1024 },
        unwatched_nodes: [],
        lost: [
          {
            reason: 'events-dropped',
            hours: 1,
            connections: 0,
            known_bytes: 0,
            percent: 0,
            unknown_hours: 1,
            unknown_bytes_max: null,
          },
          {
            reason: 'vanished',
            hours: 1,
            connections: 3,
            known_bytes: 4096,
            percent: 0.0001, // 4096 of 6,000,004,218
            unknown_hours: 1,
            unknown_bytes_max: 1024,
          },
        ],
      },
      // $0.000002 of $1.500002 is 0.000133 percent.
      not_certain: { ...estimated, estimated_percent: 0.0001, disputed_percent: 0, incomplete_percent: 0 },
    });
  });

  test('CSV has the groups; what is missing goes to standard error', async () => {
    const { text, remarks } = await report(...demo, '--by', 'peer,peer-kind', '--format', 'csv');
    expect(text.split('\n')).toEqual([
      'peer,peer_kind,tx_bytes,rx_bytes,connections,unpriced_bytes,cost_usd,estimated_cost_usd,disputed_cost_usd,incomplete_cost_usd',
      'shop/db,pod,5000000000,1000000000,3,0,1.500000000000,0.000000000000,0.000000000000,0.000000000000',
      '(internet),internet,3,4,3,0,0.000002000000,0.000002000000,0.000000000000,0.000000000000',
      's3.example,internet,100,0,3,100,,0.000000000000,0.000000000000,0.000000000000',
      '(unknown),unknown,7,8,3,15,,0.000000000000,0.000000000000,0.000000000000',
      '',
    ]);
    expect(remarks).toContain('lost: vanished');
  });

  test('directions add up to the whole', async () => {
    const json = JSON.parse((await report(...demo, '--by', 'direction', '--format', 'json')).text);
    expect(json.groups).toMatchObject([
      { direction: 'tx', tx_bytes: 5 * GB + 110, rx_bytes: 0, connections: 12, cost_usd: '1.000002000000' },
      { direction: 'rx', tx_bytes: 0, rx_bytes: GB + 12, connections: 0, cost_usd: '0.500000000000' },
    ]);
  });

  test('--since is inclusive, --until exclusive', async () => {
    const total = async (...args: string[]) =>
      JSON.parse((await report(...demo, '--format', 'json', ...args)).text).total.tx_bytes;
    expect(await total('--since', '2026-02-01')).toBe(3);
    expect(await total('--since', '12h')).toBe(3);
    expect(await total('--until', '2026-02-01')).toBe(5 * GB + 107);
    expect(await total('--since', '2026-01-31T23:59', '--until', '2026-01-31T23:59:00.001')).toBe(5 * GB + 107);
  });

  test('every key of --by runs', async () => {
    const help = reportCommand().helpInformation().replaceAll(/\s+/g, ' ');
    const names = /group by: (.*?), label:NAME/.exec(help)?.[1]?.split(', ') ?? [];
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) {
      const json = JSON.parse((await report(...demo, '--by', name, '--format', 'json')).text);
      const sum = json.groups.reduce((bytes: number, group: { tx_bytes: number }) => bytes + group.tx_bytes, 0);
      expect([name, sum]).toEqual([name, 5 * GB + 110]);
    }
  });
});

describe('sql', () => {
  test('JSON: integers with all digits, decimals as text, UTC instants, maps as objects', async () => {
    const { text } = await sql(
      `SELECT max(tx_bytes) AS bytes, max(tx_bytes)::HUGEINT * 10000000000 AS huge, sum(tx_cost) AS cost,
              min(window_start) AS start, any_value(labels) AS labels, any_value(loss_reason) AS none, max(date) AS day
       FROM flows WHERE namespace = 'shop'`,
      ...[...demo, '--format', 'json'],
    );
    expect(text).toBe(
      '[\n{"bytes":5000000000,"huge":50000000000000000000,"cost":"1.000002000000",' +
        '"start":"2026-01-31T23:59:00.000000Z","labels":{"team":"storefront"},"none":null,"day":"2026-02-01"}\n]\n',
    );
    expect((await sql('SELECT 1 WHERE false', '--format', 'json')).text).toBe('[]\n');
    expect((await sql('SELECT 1 AS a, 2 AS a', '--format', 'json')).text).toBe('[\n{"a":1,"a_2":2}\n]\n');
  });

  test('CSV and table', async () => {
    const statement = "SELECT 'a,b' AS name, NULL AS none, 1.50 AS amount UNION ALL SELECT 'c', 'x', 10.25 ORDER BY 1";
    expect((await sql(statement, '--format', 'csv')).text).toBe('name,none,amount\n"a,b",,1.50\nc,x,10.25\n');
    expect((await sql(statement)).text).toBe(
      'name  none  amount\n────  ────  ──────\na,b   NULL    1.50\nc     x      10.25\n',
    );
  });

  test('more rows than one chunk come whole and in order', async () => {
    const lines = (await sql('SELECT range AS n FROM range(5000)', '--format', 'csv')).text.trimEnd().split('\n');
    expect(lines.slice(1)).toEqual(Array.from({ length: 5000 }, (_, i) => String(i)));
    const json = JSON.parse((await sql('SELECT range AS n FROM range(5000)', '--format', 'json')).text);
    expect(json).toEqual(Array.from({ length: 5000 }, (_, n) => ({ n })));
  });

  test('an empty table has all columns', async () => {
    const { text } = await sql('SELECT * FROM flows', '--cluster', 'empty', '--format', 'csv');
    expect(text.trimEnd().split(',')).toHaveLength(47);
    expect((await sql('SELECT count(*) AS n FROM flows', '--format', 'csv')).text).toBe('n\n9\n');
  });

  test('hours are UTC', async () => {
    const { text } = await sql(
      "SELECT DISTINCT date_trunc('day', window_start)::VARCHAR AS d FROM flows ORDER BY 1",
      '--format',
      'csv',
    );
    expect(text).toBe('d\n2026-01-31 00:00:00+00\n2026-02-01 00:00:00+00\n');
  });

  for (const { name, statement, message } of [
    { name: 'nonsense', statement: 'SELEC 1', message: /syntax error at or near "SELEC"/ },
    { name: 'an unknown column', statement: 'SELECT colour FROM flows', message: /"colour" not found/ },
    { name: 'an error while running', statement: "SELECT error('boom') FROM flows", message: /boom/ },
    { name: 'nothing', statement: '  ', message: /empty/ },
    { name: 'two statements', statement: 'SELECT 1; SELECT 2', message: /there are 2/ },
    { name: 'parameters', statement: 'SELECT $1', message: /parameters/ },
    { name: 'CREATE', statement: 'CREATE TABLE x AS SELECT 1', message: /CREATE is not allowed/ },
    { name: 'COPY', statement: "COPY flows TO '$STORE/x.csv'", message: /COPY is not allowed/ },
    { name: 'EXPLAIN ANALYZE', statement: "EXPLAIN ANALYZE COPY flows TO '$STORE/x.csv'", message: /EXPLAIN is not/ },
    { name: 'ATTACH', statement: "ATTACH '$STORE/x.db'", message: /ATTACH is not allowed/ },
    { name: 'SET', statement: 'SET threads = 1', message: /SET is not allowed/ },
    {
      name: 'a file outside',
      statement: "SELECT * FROM read_text('/etc/hostname')",
      message: /disabled by configuration/,
    },
  ]) {
    test(`${name} is refused with DuckDB's or our reason, and writes nothing`, async () => {
      const before = await readdir(join(root, 'store'), { recursive: true });
      const error = await sql(statement.replace('$STORE', join(root, 'store'))).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'QUERY_INVALID', message: expect.stringMatching(message) });
      expect(await readdir(join(root, 'store'), { recursive: true })).toEqual(before);
    });
  }
});

describe('a wrong store or cluster', () => {
  for (const { name, args, code, message } of [
    {
      name: 'no directory',
      args: ['--store', '$ROOT/absent'],
      code: 'STORE_UNAVAILABLE',
      message: /no such directory/,
    },
    { name: 'a file', args: ['--store', '$ROOT/file'], code: 'STORE_UNAVAILABLE', message: /not a directory/ },
    { name: 'no tables', args: ['--store', '$ROOT/nothing'], code: 'QUERY_INVALID', message: /no table in/ },
    {
      name: 'no such cluster',
      args: ['--cluster', 'prod'],
      code: 'QUERY_INVALID',
      message: /"prod"; it has demo, empty,/,
    },
    { name: 'no cluster name', args: ['--cluster', '../x'], code: 'CONFIG_INVALID', message: /cannot be a folder/ },
  ]) {
    test(name, async () => {
      const error = await report(...args.map((arg) => arg.replace('$ROOT', root))).catch((e: unknown) => e);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    });
  }
});

describe('filters and groups', () => {
  const json = async (...args: string[]) => {
    const { text, remarks } = await report(...demo, '--format', 'json', ...args);
    return { ...JSON.parse(text), remarks };
  };

  beforeAll(async () => {
    const groups = [
      { name: 'unclear', where: 'class=unknown' },
      { name: 'storefront', where: 'namespace=shop and label:team=storefront' },
    ];
    await writeFile(join(root, 'groups.json'), JSON.stringify({ version: 1, groups }));
    await writeFile(join(root, 'addresses.yaml'), 'version: 1\ngroups: [{ name: ten, where: ip ~ 10.* }]\n');
    await writeFile(join(root, 'wrong.yaml'), 'version: 1\ngroups: [{ name: a, where: zone }]\n');
  });

  test('only the rows that meet it, and of what was lost whatever may have been among them', async () => {
    const filtered = await json('--filter', "peer='(internet)' and label:team=storefront", '--by', 'peer');
    expect(filtered.filter).toBe("peer='(internet)' and label:team=storefront");
    expect(filtered.groups).toMatchObject([{ peer: '(internet)', tx_bytes: 3, rx_bytes: 4 }]);
    expect(filtered.total).toMatchObject({ tx_bytes: 3, rx_bytes: 4 });
    expect(filtered.not_in_total.lost.map(({ reason }: { reason: string }) => reason)).toEqual([
      'events-dropped',
      'vanished',
    ]);
    expect((await json('--filter', 'class=lost or node!=node-a', '--by', 'class')).total.tx_bytes).toBe(0);
    expect((await json('--filter', 'node!=node-a', '--by', 'class')).not_in_total.lost).toEqual([]);
    expect(filtered.remarks).toBe('');
  });

  test('for people: the filter stands below the first line, or in its place', async () => {
    const { text } = await report(...demo, '--filter', 'class=internet');
    expect(text.split('\n')[1]).toBe('Only class=internet');
    expect((await report(...demo, '--filter', 'cluster=x')).text).toBe('There are no flows that meet cluster=x\n');
    expect((await report(...demo, '--filter', 'cluster=x', '--since', '2026-01-01')).text).toBe(
      'There are no flows in this period that meet cluster=x\n',
    );
  });

  test('groups, in both options; their sums are the total', async () => {
    const groups = ['--groups', join(root, 'groups.json')];
    const all = await json(...groups, '--by', 'group');
    expect(all.groups).toMatchObject([
      { group: 'storefront', tx_bytes: 5 * GB + 103, connections: 9 },
      { group: 'unclear', tx_bytes: 7, connections: 3 },
    ]);
    expect(all.total).toMatchObject({ tx_bytes: 5 * GB + 110, connections: 12 });
    const one = await json(...groups, '--by', 'group,class', '--filter', 'group=storefront and class!=internet');
    expect(one.groups).toMatchObject([{ group: 'storefront', class: 'cross-zone', tx_bytes: 5 * GB }]);
    expect((await json(...groups, '--by', 'class', '--filter', 'group="(other)"')).groups).toEqual([]);
  });

  test('a column that only flows has is said', async () => {
    const said = (names: string) =>
      `flowtoll: only flows has ${names}: costs_hourly is not read, nor what only that still has\n`;
    expect((await json('--filter', 'ip ~ 10.* or pod=a', '--by', 'class')).remarks).toBe(said('ip, pod'));
    const groups = ['--groups', join(root, 'addresses.yaml')];
    expect((await json(...groups, '--by', 'group')).remarks).toBe(said('ip'));
    expect((await json(...groups, '--by', 'class', '--filter', 'group=ten')).remarks).toBe(said('ip'));
    expect((await json(...groups, '--by', 'class')).remarks).toBe('');
  });

  test.each([
    { args: ['--by', 'group'], code: 'CONFIG_INVALID', message: /--by group needs a file .*--groups/ },
    {
      args: ['--filter', 'zoo=a'],
      code: 'CONFIG_INVALID',
      message: /--filter, at character 1: there is no column "zoo"/,
    },
    {
      args: ['--groups', 'wrong.yaml'],
      code: 'GROUPS_INVALID',
      message: /groups\[0\]\.where: at character 5: expected =/,
    },
  ])('$args', async ({ args, code, message }) => {
    const located = args.map((arg) => (arg.endsWith('.yaml') ? join(root, arg) : arg));
    await expect(report(...demo, ...located)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('nodes without an agent', () => {
  const at = (minute: number) => ({
    windowStartUs: WINDOW_US + minute * 60e6,
    windowEndUs: WINDOW_US + (minute + 1) * 60e6,
  });
  const toNode = (peerNode: string, minute: number, row: Partial<FlowRow> = {}) =>
    flowRow({ ...web, node: 'n1', peerCluster: 'nodes', peerNode, ...at(minute), ...row });

  beforeAll(() =>
    writeTable('nodes', [
      toNode('silent', 0),
      toNode('n2', 0),
      toNode('n1', 3, { node: 'n2' }),
      // It vanished: that is what the aggregator says.
      toNode('gone', 0),
      flowRow({ node: 'gone', trafficClass: 'lost', lossReason: 'node-vanished', ...at(2) }),
      // Its agent says that it lost something.
      toNode('lossy', 0),
      flowRow({ node: 'lossy', trafficClass: 'lost', lossReason: 'events-dropped', ...at(2) }),
      toNode('abroad', 0, { peerCluster: 'elsewhere' }),
      toNode('too-new', 8),
      toNode('n2', 12),
    ]),
  );

  test.each([[[]], [['--by', 'node']]])('are named from rows, hourly sums or not: %j', async (by) => {
    const args = ['--cluster', 'nodes', ...by];
    expect((await report(...args)).text).toContain(
      '  no agent              what these nodes pay for: nodes/gone, nodes/silent\n',
    );
    const json = JSON.parse((await report(...args, '--format', 'json')).text);
    expect(json.not_in_total.unwatched_nodes).toEqual([
      { cluster: 'nodes', node: 'gone' },
      { cluster: 'nodes', node: 'silent' },
    ]);
    expect((await report(...args, '--format', 'csv')).remarks).toContain('nodes/silent');
  });
});
