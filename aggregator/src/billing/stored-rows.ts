// Finds rows of `flows` by what people say of them: a filter and a period, the costliest first.
import { FlowtollError } from '../model/errors.ts';
import type { FlowRow } from '../model/flow-row.ts';
import type { RowFilter } from '../query/filter/row-filter.ts';
import { flowRows, type Period } from '../query/report-rows.ts';
import type { QuerySession } from '../query/session.ts';
import { STORED_ROW_SELECTION, storedRow } from './stored-row.ts';

export interface RowChoice extends Period {
  /** Undefined: all rows. */
  readonly filter: RowFilter | undefined;
}

/** Rows of equal cost stand in a fixed order all the same. */
const ORDER = `coalesce(tx_cost, 0) + coalesce(rx_cost, 0) + coalesce(processing_cost, 0) DESC,
  coalesce(tx_bytes, 0) + coalesce(rx_bytes, 0) DESC, window_start, cluster, node, local_kind, ip, peer_ip, protocol, port,
  namespace, pod, peer_namespace, peer_pod, initiator, service, loss_reason`;

/** How many rows fit. */
export async function countStoredRows(session: QuerySession, choice: RowChoice): Promise<bigint> {
  const [row] = await session.queryAll(`SELECT count(*) FROM (${fitting(choice, '1')})`);
  return BigInt(row![0] as bigint);
}

/** Rows `first` (from 1) and following that fit, the costliest first. */
export async function findStoredRows(
  session: QuerySession,
  choice: RowChoice,
  first: number,
  count: number,
): Promise<FlowRow[]> {
  const statement = `${fitting(choice, STORED_ROW_SELECTION)} ORDER BY ${ORDER} LIMIT ${count} OFFSET ${first - 1}`;
  return (await session.queryAll(statement)).map(storedRow);
}

/** Throws QUERY_INVALID where there are not so many. */
export async function findStoredRow(
  session: QuerySession,
  choice: RowChoice,
  number: number,
  fittingCount: bigint,
): Promise<FlowRow> {
  const [row] = await findStoredRows(session, choice, number, 1);
  if (row !== undefined) return row;
  const { filter } = choice;
  throw new FlowtollError(
    'QUERY_INVALID',
    fittingCount === 0n
      ? `no flow of the period fits${filter === undefined ? '' : ` ${filter.text}`}; widen --since, --until or --filter`
      : `${fittingCount} flows fit, there is no row ${number}; give a smaller --row`,
  );
}

function fitting({ filter, ...period }: RowChoice, selection: string): string {
  return `SELECT ${selection} FROM (${flowRows(period)})${filter === undefined ? '' : ` WHERE ${filter.sql}`}`;
}
