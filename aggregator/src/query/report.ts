// The cost report: groups, their total, and what is missing from it. Figures only, exact; how they look is decided elsewhere.
import type { DuckDBValue } from '@duckdb/node-api';
import { integer, integerOrNull, listItems, pico } from './exact-values.ts';
import type { RowFilter } from './filter/row-filter.ts';
import type { Grouping } from './grouping.ts';
import type { Period } from './report-rows.ts';
import type { QuerySession } from './session.ts';

export interface ReportOptions extends Period {
  readonly by: readonly Grouping[];
  /** Rows that it is about; undefined: all. Of lost traffic whatever may be among them. */
  readonly filter?: RowFilter | undefined;
  /** Most expensive groups to return; undefined: all. */
  readonly top: number | undefined;
}

/** Sums over rows. */
export interface Measures {
  /** Sent by the local sides. */
  readonly txBytes: bigint;
  /** Received by the local sides. Of traffic between two metered nodes, one side's tx is the other's rx: never add them. */
  readonly rxBytes: bigint;
  readonly connections: bigint;
  /** 1e-12 USD; null when nothing in it has a price. */
  readonly cost: bigint | null;
  /** Bytes sent or received of whose cost something is not known: the transfer, or what lies on the path. */
  readonly unpricedBytes: bigint;
  /** Parts of the cost that are not certain; 1e-12 USD. Something was assumed. */
  readonly estimatedCost: bigint;
  /** Sources disagree. */
  readonly disputedCost: bigint;
  /** What is known of the cost of rows that lack a rate. */
  readonly incompleteCost: bigint;
}

export interface ReportGroup extends Measures {
  /** Value of each grouping; null where rows have none. */
  readonly keys: readonly (string | null)[];
}

/** Bytes of rows, by direction. */
export interface ByteCounts {
  /** Hours of the clock in which there was any of it; the same whichever table was read. */
  readonly hours: bigint;
  readonly txBytes: bigint;
  readonly rxBytes: bigint;
}

/** Loss rows of one reason. */
export interface LossSummary {
  readonly reason: string;
  /** Hours of the clock in which there were any. */
  readonly hours: bigint;
  /** Entries concerned, as far as known. */
  readonly entries: bigint;
  /** Bytes lost, of the rows that know; null if none does. */
  readonly knownBytes: bigint | null;
  /** Hours of the clock with rows of which nobody knows the bytes. */
  readonly unknownHours: bigint;
  /** Upper bound of the bytes of those rows; null if at least one has none. */
  readonly unknownBytesMax: bigint | null;
}

export interface Report {
  readonly options: ReportOptions;
  readonly clusters: readonly string[];
  /** µs since the Unix epoch, of the rows that were read, which may be those of whole hours; null if there are none. */
  readonly firstWindowStartUs: bigint | null;
  readonly lastWindowEndUs: bigint | null;
  /** The most expensive first. */
  readonly groups: readonly ReportGroup[];
  readonly groupCount: bigint;
  /** Of all groups, shown or not. */
  readonly total: Measures;
  /** Bytes are in the total; their cost is not, because the class is unknown. */
  readonly unknownClass: ByteCounts;
  /** Bytes are in the total; their cost is not, because there is no rate for the transfer. Without those of unknown class. */
  readonly unpriced: ByteCounts;
  /** The same of sums of both directions: there may be a rate for each, and nobody knows the shares. They count as sent. */
  readonly undirected: ByteCounts;
  /**
   * Bytes whose transfer has a price, and what lies on their path has not. Together with the three above, each byte in one of them, these
   * are the `unpricedBytes` of the total.
   */
  readonly unpricedProcessing: ByteCounts;
  /** In no figure of the total: what these carry is counted in rows of its own. */
  readonly encapsulation: ByteCounts;
  /** In no figure of the total. */
  readonly losses: readonly LossSummary[];
}

/** That no bytes cost nothing is no price, unless there are none at all. */
const isPrice = (bytes: string): string => `${bytes} > 0 OR coalesce(tx_bytes, 0) + coalesce(rx_bytes, 0) = 0`;

/** The rows, summed: a table of the session that all figures come from, so that the rows are read once. */
const PARTS = 'report_parts';

/** Rows that stand for traffic of their own: neither lost, nor a tunnel whose content is counted in its own rows. */
const COUNTED = `traffic_class NOT IN ('lost', 'encapsulation')`;

/** The sums of `Measures`, in its order, over the rows that meet `condition`. */
function measuresOf(condition: string): string {
  const sum = (column: string, also = 'true') => `sum(${column}) FILTER ((${condition}) AND (${also}))`;
  const processing = `coalesce(${sum('processing_cost')}, 0)`;
  const costOf = (basis: string) =>
    ['tx_cost', 'rx_cost', 'processing_cost'].map((cost) => `coalesce(${sum(cost, basis)}, 0)`).join(' + ');
  return `coalesce(${sum('tx_bytes')}, 0), coalesce(${sum('rx_bytes')}, 0), coalesce(${sum('connections')}, 0),
    CASE WHEN ${sum('tx_cost', isPrice('tx_bytes'))} IS NULL AND ${sum('rx_cost', isPrice('rx_bytes'))} IS NULL
      AND ${processing} = 0 THEN NULL
      ELSE coalesce(${sum('tx_cost')}, 0) + coalesce(${sum('rx_cost')}, 0) + ${processing} END,
    coalesce(${sum('tx_bytes', 'tx_cost IS NULL OR lacks_processing')}, 0)
      + coalesce(${sum('rx_bytes', 'rx_cost IS NULL OR lacks_processing')}, 0),
    ${costOf(`price_basis = 'estimated'`)}, ${costOf(`price_basis = 'disputed'`)},
    ${costOf(`coalesce(price_basis, 'none') = 'none'`)}`;
}

/** Each row as what it sent, what it received, and what lies on its path costs, so that the parts add up to the row. */
const BY_DIRECTION = `SELECT * REPLACE (
    CASE direction WHEN 'tx' THEN tx_bytes END AS tx_bytes,
    CASE direction WHEN 'rx' THEN rx_bytes END AS rx_bytes,
    CASE direction WHEN 'tx' THEN tx_cost END AS tx_cost,
    CASE direction WHEN 'rx' THEN rx_cost END AS rx_cost,
    CASE direction WHEN 'processing' THEN processing_cost END AS processing_cost,
    CASE WHEN direction = CASE initiator WHEN 'local' THEN 'tx' ELSE 'rx' END THEN connections END AS connections)
  FROM ${PARTS} CROSS JOIN (VALUES ('tx'), ('rx'), ('processing')) AS directions (direction)
  WHERE direction <> 'processing' OR processing_cost <> 0`;

/** @param rows a statement that gives the rows of the period, with all columns but those that only `flows` has */
export async function createReport(session: QuerySession, options: ReportOptions, rows: string): Promise<Report> {
  await session.keep(PARTS, partsStatement(options, rows));
  const groupRows = await session.queryAll(groupStatement(options));
  const [totals] = await session.queryAll(TOTAL_STATEMENT);
  const losses = await session.queryAll(LOSS_STATEMENT);
  const next = cursor(totals!);
  return {
    options,
    groups: groupRows.map((row) => ({
      keys: row.slice(0, options.by.length).map((key) => (key === null ? null : String(key))),
      ...measures(cursor(row.slice(options.by.length + 1))),
    })),
    groupCount: groupRows.length === 0 ? 0n : integer(groupRows[0]![options.by.length]!),
    clusters: listItems(next()),
    firstWindowStartUs: integerOrNull(next()),
    lastWindowEndUs: integerOrNull(next()),
    total: measures(next),
    unknownClass: byteCounts(next),
    unpriced: byteCounts(next),
    undirected: byteCounts(next),
    unpricedProcessing: byteCounts(next),
    encapsulation: byteCounts(next),
    losses: losses.map((row) => ({
      reason: String(row[0]),
      hours: integer(row[1]!),
      entries: integer(row[2]!),
      knownBytes: integerOrNull(row[3]!),
      unknownHours: integer(row[4]!),
      unknownBytesMax: integerOrNull(row[5]!),
    })),
  };
}

/**
 * The rows summed by what the keys take of them, and by whatever decides to which figure they belong. A measure that is null stays
 * apart, so that a sum is null when what it sums is. Hours stand only where they are counted.
 */
function partsStatement({ by, filter }: ReportOptions, rows: string): string {
  const keys = Object.entries({
    cluster: 'cluster',
    traffic_class: 'traffic_class',
    price_basis: 'price_basis',
    loss_reason: 'loss_reason',
    lacks_processing: 'processing_cost IS NULL',
    is_merged: `direction_basis IS NOT NULL`,
    missing_hour: `CASE WHEN traffic_class IN ('lost', 'encapsulation', 'unknown') OR tx_cost IS NULL OR rx_cost IS NULL
      OR processing_cost IS NULL THEN date_trunc('hour', window_start) END`,
    ...Object.assign({}, ...by.map(({ columns }) => columns)),
  } as Readonly<Record<string, string>>);
  return `SELECT ${keys.map(([name, sql]) => `${sql} AS ${name}`).join(', ')},
      ${SUMMED.map((name) => `sum(${name}) AS ${name}`).join(', ')},
      min(window_start) AS first_start, max(window_end) AS last_end
    FROM (${rows})
    WHERE ${filter?.sql ?? 'true'}
    GROUP BY ${[...keys.map(([, sql]) => sql), ...SUMMED.map((name) => `${name} IS NULL`)].join(', ')}`;
}

const SUMMED = [
  'tx_bytes',
  'rx_bytes',
  'connections',
  'tx_cost',
  'rx_cost',
  'processing_cost',
  'lost_bytes_max',
] as const;

function groupStatement(options: ReportOptions): string {
  const keys = options.by.map(({ sql }, i) => `${sql} AS key_${i}`);
  const keyNames = options.by.map((_, i) => `key_${i}`).join(', ');
  const from = options.by.some(({ name }) => name === 'direction') ? `(${BY_DIRECTION})` : PARTS;
  // The costliest first; among equals the largest; the keys make the order total.
  return `SELECT ${keyNames}, count(*) OVER (), tx, rx, connections, cost, unpriced, estimated, disputed, incomplete
    FROM (SELECT ${keys.join(', ')}, ${measuresOf('true')} FROM ${from} WHERE ${COUNTED} GROUP BY ${keyNames})
      AS groups (${keyNames}, tx, rx, connections, cost, unpriced, estimated, disputed, incomplete)
    ORDER BY cost DESC NULLS LAST, tx + rx DESC, ${keyNames}
    ${options.top === undefined ? '' : `LIMIT ${options.top}`}`;
}

const TOTAL_STATEMENT = totalStatement();

function totalStatement(): string {
  const bytes = (condition: string, tx = 'true', rx = 'true') =>
    `count(DISTINCT missing_hour) FILTER ((${condition}) AND ((${tx}) OR (${rx}))),
     coalesce(sum(tx_bytes) FILTER ((${condition}) AND (${tx})), 0),
     coalesce(sum(rx_bytes) FILTER ((${condition}) AND (${rx})), 0)`;
  const known = `traffic_class <> 'unknown' AND ${COUNTED}`;
  return `SELECT list(DISTINCT cluster ORDER BY cluster), epoch_us(min(first_start)), epoch_us(max(last_end)),
      ${measuresOf(COUNTED)},
      ${bytes(`traffic_class = 'unknown'`, 'tx_cost IS NULL OR lacks_processing', 'rx_cost IS NULL OR lacks_processing')},
      ${bytes(`${known} AND NOT is_merged`, 'tx_cost IS NULL AND tx_bytes > 0', 'rx_cost IS NULL AND rx_bytes > 0')},
      ${bytes(`${known} AND is_merged`, 'tx_cost IS NULL AND tx_bytes > 0', 'rx_cost IS NULL AND rx_bytes > 0')},
      ${bytes(`${known} AND lacks_processing`, 'tx_cost IS NOT NULL AND tx_bytes > 0', 'rx_cost IS NOT NULL AND rx_bytes > 0')},
      ${bytes(`traffic_class = 'encapsulation'`)}
    FROM ${PARTS}`;
}

const UNKNOWN_BYTES = 'tx_bytes IS NULL AND rx_bytes IS NULL';

const LOSS_STATEMENT = `SELECT coalesce(loss_reason, 'unknown'), count(DISTINCT missing_hour), coalesce(sum(connections), 0),
      sum(coalesce(tx_bytes, 0) + coalesce(rx_bytes, 0)) FILTER (NOT (${UNKNOWN_BYTES})),
      count(DISTINCT missing_hour) FILTER (${UNKNOWN_BYTES}),
      CASE WHEN count(*) FILTER (${UNKNOWN_BYTES} AND lost_bytes_max IS NULL) = 0
        THEN coalesce(sum(lost_bytes_max) FILTER (${UNKNOWN_BYTES}), 0) END
    FROM ${PARTS} WHERE traffic_class = 'lost' GROUP BY 1 ORDER BY 1`;

/** Yields the values of a row one after another. */
function cursor(row: readonly DuckDBValue[]): () => DuckDBValue {
  let index = 0;
  return () => {
    const value = row[index++];
    if (value === undefined) {
      throw new RangeError(`the row has ${row.length} values, ${index} were read`);
    }
    return value;
  };
}

function measures(next: () => DuckDBValue): Measures {
  return {
    txBytes: integer(next()),
    rxBytes: integer(next()),
    connections: integer(next()),
    cost: pico(next()),
    unpricedBytes: integer(next()),
    estimatedCost: pico(next()) ?? 0n,
    disputedCost: pico(next()) ?? 0n,
    incompleteCost: pico(next()) ?? 0n,
  };
}

function byteCounts(next: () => DuckDBValue): ByteCounts {
  return { hours: integer(next()), txBytes: integer(next()), rxBytes: integer(next()) };
}
