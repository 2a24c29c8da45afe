// What `--by` may name: a word of the report and the SQL behind it. Pure text.
import { FlowtollError } from '../model/errors.ts';
import { literal } from './source-table.ts';

/** A key that reports group by. */
export interface Grouping {
  /** As the user wrote it. */
  readonly name: string;
  /** Expression over the rows; text or null. */
  readonly sql: string;
  /** Only `flows` can tell: hourly sums have neither minutes nor pods, nodes and addresses. */
  readonly needsFlows: boolean;
}

/**
 * Who the peer is, in the words that a person would use. What has no name is its kind in parentheses: no name has those. Pods,
 * nodes and addresses are keys of their own, which hourly sums do not have.
 */
const PEER_SQL = `CASE
    WHEN peer_workload IS NOT NULL THEN concat_ws('/', peer_namespace, peer_workload)
    WHEN peer_name IS NOT NULL THEN peer_name
    ELSE concat_ws('/', peer_namespace, '(' || peer_kind || ')')
  END`;

/** Who the local side is. */
const WORKLOAD_SQL = `coalesce(workload, '(' || local_kind || ')')`;

const NEED_FLOWS: ReadonlySet<string> = new Set(['node', 'pod', 'ip', 'peer-node', 'peer-pod', 'peer-ip', 'minute']);

const EXPRESSIONS: Readonly<Record<string, string>> = {
  cluster: 'cluster',
  provider: 'provider',
  region: 'region',
  zone: 'zone',
  node: 'node',
  kind: 'local_kind',
  namespace: 'namespace',
  workload: WORKLOAD_SQL,
  'workload-kind': 'workload_kind',
  pod: 'pod',
  ip: 'ip',
  peer: PEER_SQL,
  'peer-kind': 'peer_kind',
  'peer-cluster': 'peer_cluster',
  'peer-provider': 'peer_provider',
  'peer-region': 'peer_region',
  'peer-zone': 'peer_zone',
  'peer-node': 'peer_node',
  'peer-namespace': 'peer_namespace',
  'peer-workload': 'peer_workload',
  'peer-pod': 'peer_pod',
  'peer-name': 'peer_name',
  'peer-ip': 'peer_ip',
  protocol: 'protocol',
  port: 'port::VARCHAR',
  service: 'service',
  initiator: 'initiator',
  resolution: 'resolution',
  class: 'traffic_class',
  path: 'path',
  direction: 'direction',
  'price-book': 'price_book',
  'price-basis': 'price_basis',
  minute: `strftime(window_start, '%Y-%m-%d %H:%M')`,
  hour: `strftime(window_start, '%Y-%m-%d %H:00')`,
  day: `strftime(window_start, '%Y-%m-%d')`,
  month: `strftime(window_start, '%Y-%m')`,
};

const LABEL = /^label:(.+)$/;

/** The words that `--by` accepts. */
export const GROUPING_NAMES: readonly string[] = [...Object.keys(EXPRESSIONS), 'label:NAME'];

/** Reads a list such as `namespace,peer,label:team`; throws CONFIG_INVALID naming what is not known. */
export function parseGroupings(text: string): Grouping[] {
  const names = text.split(',').map((name) => name.trim());
  return names.map((name, i) => {
    const label = LABEL.exec(name)?.[1];
    const sql = label === undefined ? EXPRESSIONS[name] : `labels[${literal(label)}]`;
    if (sql === undefined || !Object.hasOwn(EXPRESSIONS, label === undefined ? name : 'pod')) {
      throw new FlowtollError(
        'CONFIG_INVALID',
        `--by cannot group by ${JSON.stringify(name)}; it knows ${GROUPING_NAMES.join(', ')}`,
      );
    }
    if (names.indexOf(name) !== i) {
      throw new FlowtollError('CONFIG_INVALID', `--by names ${JSON.stringify(name)} twice`);
    }
    return { name, sql, needsFlows: NEED_FLOWS.has(name) };
  });
}
