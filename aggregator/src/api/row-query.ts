// What a watcher wants to see, as SQL over one file of the table: columns, and one condition with parameters. Checks the
// request's names against the list of columns. Pure; values never become SQL text.
import type { RowColumn } from '@flowtoll/proto';
import { FlowtollError } from '../model/errors.ts';
import type { AllowedNamespaces } from '../model/reader.ts';
import { type Column, FLOW_COLUMNS } from '../table/columns.ts';
import { type RowView, rowView } from './row-view.ts';

/** Plain data, so that it can go to another thread. */
export interface RowQuery {
  readonly columns: readonly QueryColumn[];
  /** What the reader sees of the table; undefined: all of it. */
  readonly view: RowView | undefined;
  /** Of the rows that are seen. Condition with parameters $1, $2, …; every row meets "true". */
  readonly where: string;
  readonly parameters: readonly string[];
}

export interface QueryColumn {
  readonly name: string;
  readonly kind: RowColumn['kind'];
  /** Expression whose value is text for `text`, else stored in 8 bytes. */
  readonly sql: string;
}

export interface RowFilter {
  readonly column: string;
  readonly values: readonly string[];
  readonly exclude: boolean;
}

/** More than anybody types; a request must not cost more than its answer. */
const FILTERS_MAX = 64;
const VALUES_MAX = 1000;
/** Of a value or a label's key. Kubernetes has none above 317. */
const TEXT_MAX = 4096;

const COLUMN_BY_NAME = new Map(FLOW_COLUMNS.map((column) => [column.name, column]));

/** The words that a peer is known by. */
const PEER_SQL: readonly string[] = [
  'peer_workload',
  "peer_namespace || '/' || peer_workload",
  'peer_pod',
  "peer_namespace || '/' || peer_pod",
  'peer_name',
  'peer_node',
  'peer_ip',
];

const LABEL = /^label:(.+)$/s;

/** Throws REQUEST_INVALID for names that the table does not have. No columns: all. `allowed`: whose rows the reader may see. */
export function createRowQuery(
  columns: readonly string[],
  filters: readonly RowFilter[],
  withoutLosses: boolean,
  allowed: AllowedNamespaces = 'all',
): RowQuery {
  if (filters.length > FILTERS_MAX) throw invalid(`there are ${filters.length} filters; at most ${FILTERS_MAX}`);
  if (columns.length > FLOW_COLUMNS.length) {
    throw invalid(`there are ${columns.length} columns; the table has ${FLOW_COLUMNS.length}`);
  }
  const duplicate = columns.find((name, i) => columns.indexOf(name) !== i);
  if (duplicate !== undefined) throw invalid(`column ${JSON.stringify(duplicate)} is asked for twice`);
  const parameters: string[] = [];
  const conditions = filters.map((filter) => condition(filter, parameters));
  if (withoutLosses) conditions.push('loss_reason IS NULL');
  return {
    view: rowView(allowed, parameters),
    columns: (columns.length === 0 ? FLOW_COLUMNS : columns.map(columnOf)).map(queryColumn),
    where: conditions.length === 0 ? 'true' : conditions.map((text) => `(${text})`).join(' AND '),
    parameters,
  };
}

function columnOf(name: string): Column {
  const column = COLUMN_BY_NAME.get(name);
  if (column === undefined) {
    throw invalid(
      `the table has no column ${JSON.stringify(name.slice(0, 100))}; it has ${[...COLUMN_BY_NAME.keys()].join(', ')}`,
    );
  }
  return column;
}

function queryColumn({ name, type }: Column): QueryColumn {
  switch (type) {
    case 'text':
      return { name, kind: 'text', sql: name };
    case 'map':
      return { name, kind: 'text', sql: `${name}::JSON::VARCHAR` };
    case 'timestamp':
      return { name, kind: 'micros', sql: name };
    case 'long':
      return { name, kind: 'integers', sql: name };
    case 'integer':
      return { name, kind: 'integers', sql: `${name}::BIGINT` };
    case 'decimal':
      return { name, kind: 'picoUsd', sql: name };
  }
}

/** Losses match what they say nothing of, and any wanted class: the caller has said so in the .proto. */
function condition({ column, values, exclude }: RowFilter, parameters: string[]): string {
  if (values.length === 0) throw invalid(`the filter on ${JSON.stringify(column)} has no values`);
  if (values.length > VALUES_MAX) {
    throw invalid(`the filter on ${JSON.stringify(column)} has ${values.length} values; at most ${VALUES_MAX}`);
  }
  if (column.length > TEXT_MAX || values.some((value) => value.length > TEXT_MAX)) {
    throw invalid(`a filter has a text of more than ${TEXT_MAX} characters, which no row has`);
  }
  const expressions = filterExpressions(column, parameters);
  const wanted = values.filter((value) => value !== '');
  const list = wanted.map((value) => `$${parameters.push(value)}`).join(', ');
  const isNull = expressions.map((sql) => `${sql} IS NULL`).join(' AND ');
  const alternatives = wanted.length === 0 ? [] : expressions.map((sql) => `coalesce(${sql} IN (${list}), false)`);
  if (values.includes('')) alternatives.push(isNull);
  const matches = alternatives.map((text) => `(${text})`).join(' OR ');
  if (exclude) return `NOT (${matches})`;
  const ofLosses = column === 'traffic_class' ? 'loss_reason IS NOT NULL' : `loss_reason IS NOT NULL AND ${isNull}`;
  return `${matches} OR (${ofLosses})`;
}

function filterExpressions(column: string, parameters: string[]): readonly string[] {
  if (column === 'peer') return PEER_SQL.map((sql) => `(${sql})`);
  const label = LABEL.exec(column)?.[1];
  if (label !== undefined) return [`labels[$${parameters.push(label)}]`];
  const { name, type } = columnOf(column);
  if (name === 'port') return ['port::VARCHAR'];
  if (type !== 'text') {
    throw invalid(`${name} is no text: filters are on columns of text, port, peer and label:KEY`);
  }
  return [name];
}

function invalid(message: string): FlowtollError {
  return new FlowtollError('REQUEST_INVALID', message);
}
