// What readers of some namespaces get of arbitrary rows, with arbitrary filters: judged by plain JavaScript that looks at each row, and
// never by SQL.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FlowRow, LocalKind, PeerKind } from '../model/flow-row.ts';
import { flowRow } from '../table/flow-row.testing.ts';
import { createRowQuery, type RowFilter } from './row-query.ts';
import { cells, Follower, WatchedTable } from './watched-table.testing.ts';

let table: WatchedTable;

beforeEach(async () => {
  table = await WatchedTable.open();
});

afterEach(() => table.close());

const NAMESPACES = ['shop', 'Shop', 'shop2', 'pay', 'kube-system', '*', "shop' OR true --"];
const COLUMNS = [
  ...['window_start', 'cluster', 'provider', 'region', 'zone', 'node', 'local_kind', 'namespace', 'workload_kind'],
  ...['workload', 'pod', 'labels', 'ip', 'peer_kind', 'peer_cluster', 'peer_provider', 'peer_region', 'peer_zone'],
  ...['peer_node', 'peer_namespace', 'peer_workload_kind', 'peer_workload', 'peer_pod', 'peer_name', 'peer_ip'],
  ...['protocol', 'port', 'service', 'initiator', 'tx_bytes', 'connections', 'loss_reason', 'lost_bytes_max'],
  ...['traffic_class', 'path', 'tx_cost', 'price_book'],
];
const namespace = fc.constantFrom(...NAMESPACES, null);
const word = fc.option(fc.constantFrom('web', 'db', 'shop', 'n1', '10.0.0.7'));

const traffic: fc.Arbitrary<FlowRow> = fc
  .record({
    ...{ node: fc.constantFrom('n1', 'n2'), zone: word, region: word, provider: word, pod: word, ip: word },
    localKind: fc.constantFrom<LocalKind>('pod', 'node'),
    ...{ namespace, workload: word, workloadKind: word, labels: fc.option(fc.constantFrom('{"team":"a"}')) },
    peerKind: fc.constantFrom<PeerKind | null>('pod', 'node', 'service', 'internet', 'private', 'unknown', null),
    peerCluster: fc.constantFrom('demo', 'other', null),
    ...{ peerProvider: word, peerRegion: word, peerZone: word, peerNode: word, peerNamespace: namespace },
    ...{ peerWorkloadKind: word, peerWorkload: word, peerPod: word, peerName: word, peerIp: word },
    service: fc.option(fc.constantFrom(...NAMESPACES).map((name) => `${name}/web`)),
    ...{
      port: fc.constantFrom(80, 443),
      txBytes: fc.nat(1000),
      trafficClass: fc.constantFrom('same-zone', 'internet'),
    },
  })
  .map((values) => flowRow(values as Partial<FlowRow>));
const loss: fc.Arbitrary<FlowRow> = fc
  .record({
    namespace,
    node: fc.constantFrom('n1', 'n2'),
    zone: word,
    txBytes: fc.nat(1000),
    lostBytesMax: fc.nat(1000),
  })
  .map((values) => flowRow({ ...values, trafficClass: 'lost', lossReason: 'vanished' } as Partial<FlowRow>));
const filter: fc.Arbitrary<RowFilter> = fc.record({
  column: fc.constantFrom(
    ...[
      'namespace',
      'peer',
      'peer_namespace',
      'peer_workload',
      'peer_cluster',
      'peer_ip',
      'service',
      'node',
      'cluster',
    ],
    ...['traffic_class', 'label:team', 'port', 'workload'],
  ),
  values: fc.array(
    fc.constantFrom('', ...NAMESPACES, 'shop/web', 'pay/db', 'web', 'db', 'n1', '10.0.0.7', 'demo', 'a', '80'),
    {
      ...{ minLength: 1, maxLength: 4 },
    },
  ),
  exclude: fc.boolean(),
});

type Seen = Record<string, string | null>;

/** The row as a reader of these namespaces may see it, or undefined. */
function seenBy(allowed: ReadonlySet<string>, whole: Seen): Seen | undefined {
  const { namespace: local } = whole;
  if (whole['loss_reason'] !== null) {
    // Our own losses have no namespace; those of whoever else writes tables may.
    if (local != null && !allowed.has(local)) return undefined;
    const left = ['window_start', 'cluster', 'namespace', 'loss_reason', 'traffic_class'];
    return Object.fromEntries(COLUMNS.map((name) => [name, left.includes(name) ? whole[name]! : null]));
  }
  if (local == null || !allowed.has(local)) return undefined;
  const seen = { ...whole };
  const peerNamespace = whole['peer_namespace'] ?? null;
  const isAllowedPeer = peerNamespace !== null && allowed.has(peerNamespace) && whole['peer_cluster'] === 'demo';
  const isNobodys =
    peerNamespace === null &&
    whole['peer_cluster'] !== 'other' &&
    !['pod', 'service'].includes(whole['peer_kind'] ?? '');
  if (!isAllowedPeer && !isNobodys) {
    for (const name of COLUMNS) {
      if (/^peer_(cluster|node|namespace|workload_kind|workload|pod|name|ip)$/.test(name)) seen[name] = null;
    }
  }
  if (seen['service'] != null && !allowed.has(seen['service'].split('/')[0]!)) seen['service'] = null;
  return seen;
}

/** Whether the filter lets the row through, as the .proto says it. */
function passes({ column, values, exclude }: RowFilter, row: Seen): boolean {
  const label = row['labels'] == null ? null : (JSON.parse(row['labels']) as { team?: string }).team;
  const joined = (name: string) =>
    row['peer_namespace'] && row[name] ? `${row['peer_namespace']}/${row[name]}` : null;
  const words =
    column === 'peer'
      ? [
          ...['peer_workload', 'peer_pod', 'peer_name', 'peer_node', 'peer_ip'].map((name) => row[name]),
          ...[joined('peer_workload'), joined('peer_pod')],
        ]
      : [column === 'label:team' ? label : row[column]];
  const isNull = words.every((text) => text == null);
  const matches =
    words.some((text) => text != null && text !== '' && values.includes(text)) || (isNull && values.includes(''));
  if (exclude) return !matches;
  return matches || (row['loss_reason'] !== null && (isNull || column === 'traffic_class'));
}

async function read(query: ReturnType<typeof createRowQuery>, version: number): Promise<Seen[]> {
  const follower = new Follower(table, { at: 'version', version }, query);
  try {
    return (await follower.until(version)).flatMap(cells);
  } finally {
    await follower.stop();
  }
}

const sorted = (rows: readonly Seen[]) => rows.map((row) => JSON.stringify(row)).sort();

test('a reader of namespaces sees their rows, no name of others, and nothing more by any filter', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 5, arbitrary: traffic }, loss), { minLength: 1, maxLength: 40 }),
      fc.array(filter, { maxLength: 3 }),
      fc.uniqueArray(fc.constantFrom(...NAMESPACES), { maxLength: 3 }),
      fc.boolean(),
      async (rows, filters, namespaces, withoutLosses) => {
        const version = await table.commitRows(rows);
        const whole = await read(createRowQuery(COLUMNS, [], false), version);
        const allowed = new Set(namespaces);
        const wanted = whole
          .map((row) => seenBy(allowed, row))
          .filter((row) => row !== undefined)
          .filter((row) => filters.every((one) => passes(one, row)))
          .filter((row) => !withoutLosses || row['loss_reason'] === null);
        expect(sorted(await read(createRowQuery(COLUMNS, filters, withoutLosses, allowed), version))).toEqual(
          sorted(wanted),
        );
      },
    ),
    { numRuns: 120 },
  );
}, 120_000);

test('no text of another tenant is in the bytes of any message', async () => {
  const secret = {
    peerKind: 'pod',
    peerCluster: 'demo',
    peerNamespace: 'hush-namespace',
    peerWorkload: 'hush-workload',
  };
  const version = await table.commitRows([
    flowRow({
      namespace: 'shop',
      pod: 'web-1',
      service: 'hush-namespace/hush-service',
      ...secret,
      peerPod: 'hush-pod',
    } as Partial<FlowRow>),
    flowRow({ namespace: 'hush-namespace', pod: 'hush-other', labels: '{"hush":"hush"}' }),
    flowRow({ node: 'hush-node', lossReason: 'vanished', trafficClass: 'lost', txBytes: 1 }),
  ]);
  const follower = new Follower(table, { at: 'version', version }, createRowQuery([], [], false, new Set(['shop'])));
  const messages = await follower.until(version);
  await follower.stop();
  const texts = messages.flatMap(cells);
  expect(texts).toHaveLength(2);
  expect(JSON.stringify(messages, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
    'hush',
  );
});
