// A table as a query sees it: columns, and files of which each belongs to one value of the partition column. The text of its view.
// Pure; knows SQL, no store.
import { parquetScan, type ScannedColumn } from '../table/parquet-scan.ts';

/** A file of a table. */
export interface TableFile {
  /** Absolute path, URL, or whatever a fetcher understands. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Value of the partition column of all of its rows, as text; it stands in the path (`date=2026-01-31/…`). */
  readonly partition: string;
}

export interface SourceColumn extends ScannedColumn {
  /** For people. */
  readonly description: string;
}

/** A table to be seen by statements. */
export interface SourceTable {
  readonly name: string;
  /** All columns, in order, with their DuckDB types. */
  readonly columns: readonly SourceColumn[];
  /** Column whose value stands in the path of the files and not in them. */
  readonly partitionColumn: string;
  readonly files: readonly TableFile[];
}

/** Makes the view of the table over these files, in place of what there was. */
export function viewStatement(table: SourceTable, paths: readonly string[]): string {
  const create = `CREATE OR REPLACE VIEW ${identifier(table.name)} AS`;
  if (paths.length === 0) {
    const nulls = table.columns.map((column) => `NULL::${column.sqlType} AS ${identifier(column.name)}`).join(', ');
    return `${create} SELECT ${nulls} WHERE false`;
  }
  const names = table.columns.map((column) => identifier(column.name)).join(', ');
  const hive = `hive_partitioning = true, hive_types = {${literal(table.partitionColumn)}: ${partitionType(table)}}`;
  return `${create} SELECT ${names} FROM ${parquetScan(paths, table.columns, hive)}`;
}

/** Type of the partition column. */
export function partitionType(table: SourceTable): string {
  return table.columns.find((column) => column.name === table.partitionColumn)?.sqlType ?? 'VARCHAR';
}

/** Text as an SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
