// The words that rows are known by in reports, for `--by` and `--filter` alike, and the SQL behind each. Pure text.
import { literal } from './source-table.ts';

/** What a word says of a row. */
export interface Key {
  /** Expression over the columns below; text or null. */
  readonly sql: string;
  /**
   * What it takes of each row: expressions by name. Rows are summed by these before `sql` is worked out, because texts that are
   * made for every row cost more than the sums.
   */
  readonly columns: Readonly<Record<string, string>>;
  /** Only `flows` can tell: hourly sums have neither minutes nor pods, nodes and addresses. */
  readonly needsFlows: boolean;
}

/** A column as it is. */
const column = (name: string): Key => ({ sql: name, columns: { [name]: name }, needsFlows: false });
const onlyInFlows = (name: string): Key => ({ ...column(name), needsFlows: true });

const KEYS: Readonly<Record<string, Key>> = {
  cluster: column('cluster'),
  provider: column('provider'),
  region: column('region'),
  zone: column('zone'),
  node: onlyInFlows('node'),
  kind: column('local_kind'),
  namespace: column('namespace'),
  // What has no name is its kind in parentheses: no name has those. Pods, nodes and addresses are keys of their own.
  workload: {
    sql: `coalesce(workload, '(' || local_kind || ')')`,
    columns: { workload: 'workload', local_kind: 'local_kind' },
    needsFlows: false,
  },
  'workload-kind': column('workload_kind'),
  pod: onlyInFlows('pod'),
  ip: onlyInFlows('ip'),
  peer: {
    sql: `CASE
      WHEN peer_workload IS NOT NULL THEN concat_ws('/', peer_namespace, peer_workload)
      WHEN peer_name IS NOT NULL THEN peer_name
      WHEN peer_kind IS NOT NULL THEN concat_ws('/', peer_namespace, '(' || peer_kind || ')')
    END`,
    columns: {
      peer_namespace: 'peer_namespace',
      peer_workload: 'peer_workload',
      peer_name: 'peer_name',
      peer_kind: 'peer_kind',
    },
    needsFlows: false,
  },
  'peer-kind': column('peer_kind'),
  'peer-cluster': column('peer_cluster'),
  'peer-provider': column('peer_provider'),
  'peer-region': column('peer_region'),
  'peer-zone': column('peer_zone'),
  'peer-node': onlyInFlows('peer_node'),
  'peer-namespace': column('peer_namespace'),
  'peer-workload-kind': column('peer_workload_kind'),
  'peer-workload': column('peer_workload'),
  'peer-pod': onlyInFlows('peer_pod'),
  'peer-name': column('peer_name'),
  'peer-ip': onlyInFlows('peer_ip'),
  protocol: column('protocol'),
  port: { sql: 'port::VARCHAR', columns: { port: 'port' }, needsFlows: false },
  service: column('service'),
  initiator: column('initiator'),
  resolution: column('resolution'),
  class: column('traffic_class'),
  path: column('path'),
  direction: { sql: 'direction', columns: { initiator: 'initiator' }, needsFlows: false },
  'price-book': column('price_book'),
  'price-basis': column('price_basis'),
  minute: {
    sql: `strftime(minute_start, '%Y-%m-%d %H:%M')`,
    columns: { minute_start: "date_trunc('minute', window_start)" },
    needsFlows: true,
  },
  hour: {
    sql: `strftime(hour_start, '%Y-%m-%d %H:00')`,
    columns: { hour_start: "date_trunc('hour', window_start)" },
    needsFlows: false,
  },
  day: { sql: `strftime(date, '%Y-%m-%d')`, columns: { date: 'date' }, needsFlows: false },
  month: { sql: `strftime(date, '%Y-%m')`, columns: { date: 'date' }, needsFlows: false },
};

const LABEL = /^label:(.+)$/s;

/** All words but `label:NAME`. */
export const KEY_NAMES: readonly string[] = Object.keys(KEYS);

/** Undefined for a word that there is not, and for labels. */
export function keyOf(name: string): Key | undefined {
  return Object.hasOwn(KEYS, name) ? KEYS[name] : undefined;
}

/** The label that `label:NAME` names; undefined for other words. */
export function labelOf(name: string): string | undefined {
  return LABEL.exec(name)?.[1];
}

/** Value of a label of a row; null where it has none. */
export function labelSql(label: string): string {
  return `labels[${literal(label)}]`;
}
