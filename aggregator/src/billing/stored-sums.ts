// Rows of a table summed by whatever prices go by, so that each kind of traffic is decided once and only its sums are priced: a month of
// a hundred million rows has some hundred kinds. Class and path count as they are stored. Knows columns and SQL, no output.
import type { DuckDBValue } from '@duckdb/node-api';
import { blankRow } from '../model/blank-row.ts';
import type { FlowRow } from '../model/flow-row.ts';
import type { PricingConfig } from '../pricing/config/format.ts';
import type { Decision } from '../pricing/decision.ts';
import type { Pricing } from '../pricing/pricing.ts';
import type { Counted } from '../pricing/usage.ts';
import { integer, integerOrNull, listItems, pico } from '../query/exact-values.ts';
import type { RowFilter } from '../query/filter/row-filter.ts';
import type { Grouping } from '../query/grouping.ts';
import type { QuerySession } from '../query/session.ts';
import { identifier, literal } from '../query/source-table.ts';

export interface SumChoice {
  /** Keys that sums are made by; all but `direction`, which a row does not have. */
  readonly by: readonly Grouping[];
  /** Undefined: all rows. */
  readonly filter?: Pick<RowFilter, 'sql'> | undefined;
}

/** What rows are priced with again. */
export interface Repricing {
  readonly pricing: Pricing;
  /** What `pricing` was made of. */
  readonly config: PricingConfig;
}

/** Rows of one kind that have the same keys, and the same of their costs known. */
export interface StoredSum {
  readonly keys: readonly (string | null)[];
  readonly provider: string | null;
  /** As the prices are now, class and path as stored. */
  readonly decision: Decision;
  readonly counted: Counted;
  /** As stored, 1e-12 USD; null where it has no price. */
  readonly txCost: bigint | null;
  readonly rxCost: bigint | null;
  readonly processingCost: bigint | null;
}

/** Sums of all rows that stand for traffic of their own: nothing lost, no tunnels. */
export interface StoredSums {
  readonly clusters: readonly string[];
  /** µs since the Unix epoch, of the rows that were read; null if there are none. */
  readonly firstWindowStartUs: bigint | null;
  readonly lastWindowEndUs: bigint | null;
  /** By keys, then kinds: always in the same order. */
  readonly sums: readonly StoredSum[];
}

/** Tables of the session. */
const PARTS = 'price_parts';
const KINDS = 'price_kinds';

/** @param rows a statement that gives the rows, with all columns but those that only `flows` has */
export async function sumStoredRows(
  session: QuerySession,
  choice: SumChoice,
  rows: string,
  { pricing, config }: Repricing,
): Promise<StoredSums> {
  const kindColumns = kindColumnsOf(pricing, config);
  const names = Object.keys(kindColumns);
  await session.keep(PARTS, partsStatement(choice, rows, kindColumns));
  await session.keep(
    KINDS,
    `SELECT row_number() OVER (ORDER BY ${names.join(', ')}) - 1 AS kind, *
      FROM (SELECT DISTINCT ${names.join(', ')} FROM ${PARTS})`,
  );
  const kinds = (await session.queryAll(`SELECT ${names.join(', ')} FROM ${KINDS} ORDER BY kind`)).map((values) => {
    const row = kindRow(names, values, pricing);
    return { provider: row.provider, decision: pricing.decisionAs(row) };
  });
  const sums = await session.queryAll(sumsStatement(choice, names));
  const [span] = await session.queryAll(
    `SELECT list(DISTINCT kind_cluster ORDER BY kind_cluster), epoch_us(min(first_start)), epoch_us(max(last_end)) FROM ${PARTS}`,
  );
  const keyCount = choice.by.length;
  return {
    clusters: listItems(span![0]!),
    firstWindowStartUs: integerOrNull(span![1]!),
    lastWindowEndUs: integerOrNull(span![2]!),
    sums: sums.map((values) => {
      const [txBytes, txPackets, rxBytes, rxPackets] = values.slice(keyCount + 1, keyCount + 5).map(integer);
      return {
        ...kinds[Number(values[keyCount])]!,
        keys: values.slice(0, keyCount).map((key) => (key === null ? null : String(key))),
        counted: { txBytes: txBytes!, txPackets: txPackets!, rxBytes: rxBytes!, rxPackets: rxPackets! },
        txCost: pico(values[keyCount + 5]!),
        rxCost: pico(values[keyCount + 6]!),
        processingCost: pico(values[keyCount + 7]!),
      };
    }),
  };
}

/** Columns that prices take of a row as they are. */
const PLAIN = [
  ...['cluster', 'provider', 'region', 'zone', 'local_kind'],
  ...['peer_kind', 'peer_cluster', 'peer_provider', 'peer_region', 'peer_zone', 'traffic_class', 'path'],
  'direction_basis',
] as const;

/**
 * What prices go by, as expressions by name. Names of peers count for services of providers and for configured networks only: they are
 * as many as there are peers. That there are bytes at all decides how sure a cost is.
 */
function kindColumnsOf({ changesUs }: Pricing, { networks = [] }: PricingConfig): Readonly<Record<string, string>> {
  const isService = `peer_kind = 'provider-service'`;
  const isNetwork =
    networks.length === 0 ? 'false' : `peer_name IN (${networks.map(({ name }) => literal(name)).join(', ')})`;
  const periods = changesUs
    .map((startUs, i) => `WHEN window_start >= make_timestamptz(${startUs}) THEN ${i}`)
    .toReversed()
    .join(' ');
  return {
    ...Object.fromEntries(PLAIN.map((name) => [`kind_${name}`, name])),
    kind_peer_name: `CASE WHEN ${isService} OR ${isNetwork} THEN peer_name END`,
    kind_peer_workload_kind: `CASE WHEN ${isService} THEN peer_workload_kind END`,
    kind_period: `CASE ${periods} ELSE 0 END`,
    kind_sends: 'coalesce(tx_bytes, 0) > 0',
    kind_receives: 'coalesce(rx_bytes, 0) > 0',
  };
}

const COUNTS = ['tx_bytes', 'tx_packets', 'rx_bytes', 'rx_packets'] as const;
const COSTS = ['tx_cost', 'rx_cost', 'processing_cost'] as const;

/** A cost that is null stays apart, so that a sum is null when what it sums is. */
function partsStatement(
  { by, filter }: SumChoice,
  rows: string,
  kindColumns: Readonly<Record<string, string>>,
): string {
  const keys = Object.entries({ ...kindColumns, ...Object.assign({}, ...by.map(({ columns }) => columns)) });
  return `SELECT ${keys.map(([name, sql]) => `${sql} AS ${identifier(name)}`).join(', ')},
      ${COUNTS.map((name) => `coalesce(sum(${name}), 0) AS ${name}`).join(', ')},
      ${COSTS.map((name) => `sum(${name}) AS ${name}`).join(', ')},
      min(window_start) AS first_start, max(window_end) AS last_end
    FROM (${rows})
    WHERE (${filter?.sql ?? 'true'}) AND traffic_class NOT IN ('lost', 'encapsulation')
    GROUP BY ${[...keys.map(([, sql]) => sql), ...COSTS.map((name) => `${name} IS NULL`)].join(', ')}`;
}

function sumsStatement({ by }: SumChoice, kindNames: readonly string[]): string {
  const keys = [...by.map(({ sql }, i) => `${sql} AS key_${i}`), 'kind'];
  const places = keys.map((_, i) => i + 1).join(', ');
  const same = kindNames.map((name) => `${PARTS}.${name} IS NOT DISTINCT FROM ${KINDS}.${name}`);
  return `SELECT ${keys.join(', ')}, ${[...COUNTS, ...COSTS].map((name) => `sum(${name})`).join(', ')}
    FROM ${PARTS} JOIN ${KINDS} ON ${same.join(' AND ')}
    GROUP BY ${places}, ${COSTS.map((name) => `${name} IS NULL`).join(', ')} ORDER BY ALL`;
}

/** A row that stands for all of a kind. */
function kindRow(names: readonly string[], values: readonly DuckDBValue[], { changesUs }: Pricing): FlowRow {
  const of = (name: string) => values[names.indexOf(`kind_${name}`)] ?? null;
  const text = (name: string) => of(name) as string | null;
  const row: FlowRow = {
    ...blankRow(text('cluster') ?? ''),
    ...{ provider: text('provider'), region: text('region'), zone: text('zone') },
    localKind: text('local_kind') as FlowRow['localKind'],
    peerKind: text('peer_kind') as FlowRow['peerKind'],
    ...{ peerCluster: text('peer_cluster'), peerProvider: text('peer_provider'), peerRegion: text('peer_region') },
    ...{ peerZone: text('peer_zone'), peerName: text('peer_name'), peerWorkloadKind: text('peer_workload_kind') },
    trafficClass: text('traffic_class') as FlowRow['trafficClass'],
    path: text('path'),
    directionBasis: text('direction_basis') as FlowRow['directionBasis'],
  };
  row.windowStartUs = changesUs[Number(of('period'))]!;
  return row;
}
