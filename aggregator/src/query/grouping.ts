// What `--by` may name: a word of the report and the SQL behind it. Pure text.
import { FlowtollError } from '../model/errors.ts';
import { literal } from './source-table.ts';

/** A key that reports group by. */
export interface Grouping {
  /** As the user wrote it. */
  readonly name: string;
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

type Definition = Pick<Grouping, 'sql' | 'columns'> & { readonly needsFlows?: true };

/** A column as it is. */
const column = (name: string): Definition => ({ sql: name, columns: { [name]: name } });
const onlyInFlows = (name: string): Definition => ({ ...column(name), needsFlows: true });

const DEFINITIONS: Readonly<Record<string, Definition>> = {
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
  },
  'workload-kind': column('workload_kind'),
  pod: onlyInFlows('pod'),
  ip: onlyInFlows('ip'),
  peer: {
    sql: `CASE
      WHEN peer_workload IS NOT NULL THEN concat_ws('/', peer_namespace, peer_workload)
      WHEN peer_name IS NOT NULL THEN peer_name
      ELSE concat_ws('/', peer_namespace, '(' || peer_kind || ')')
    END`,
    columns: {
      peer_namespace: 'peer_namespace',
      peer_workload: 'peer_workload',
      peer_name: 'peer_name',
      peer_kind: 'peer_kind',
    },
  },
  'peer-kind': column('peer_kind'),
  'peer-cluster': column('peer_cluster'),
  'peer-provider': column('peer_provider'),
  'peer-region': column('peer_region'),
  'peer-zone': column('peer_zone'),
  'peer-node': onlyInFlows('peer_node'),
  'peer-namespace': column('peer_namespace'),
  'peer-workload': column('peer_workload'),
  'peer-pod': onlyInFlows('peer_pod'),
  'peer-name': column('peer_name'),
  'peer-ip': onlyInFlows('peer_ip'),
  protocol: column('protocol'),
  port: { sql: 'port::VARCHAR', columns: { port: 'port' } },
  service: column('service'),
  initiator: column('initiator'),
  resolution: column('resolution'),
  class: column('traffic_class'),
  path: column('path'),
  direction: { sql: 'direction', columns: { initiator: 'initiator' } },
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
  },
  day: { sql: `strftime(date, '%Y-%m-%d')`, columns: { date: 'date' } },
  month: { sql: `strftime(date, '%Y-%m')`, columns: { date: 'date' } },
};

const LABEL = /^label:(.+)$/;

/** The words that `--by` accepts. */
export const GROUPING_NAMES: readonly string[] = [...Object.keys(DEFINITIONS), 'label:NAME'];

/** Reads a list such as `namespace,peer,label:team`; throws CONFIG_INVALID naming what is not known. */
export function parseGroupings(text: string): Grouping[] {
  const names = text.split(',').map((name) => name.trim());
  return names.map((name, i) => {
    const label = LABEL.exec(name)?.[1];
    const definition = label === undefined ? definitionOf(name) : labelDefinition(label, i);
    if (definition === undefined) {
      throw new FlowtollError(
        'CONFIG_INVALID',
        `--by cannot group by ${JSON.stringify(name)}; it knows ${GROUPING_NAMES.join(', ')}`,
      );
    }
    if (names.indexOf(name) !== i) {
      throw new FlowtollError('CONFIG_INVALID', `--by names ${JSON.stringify(name)} twice`);
    }
    const { sql, columns, needsFlows = false } = definition;
    return { name, sql, columns, needsFlows };
  });
}

function definitionOf(name: string): Definition | undefined {
  return Object.hasOwn(DEFINITIONS, name) ? DEFINITIONS[name] : undefined;
}

function labelDefinition(label: string, position: number): Definition {
  const name = `label_${position}`;
  return { sql: name, columns: { [name]: `labels[${literal(label)}]` } };
}
