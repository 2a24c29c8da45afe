// SQL of the rows in some Parquet files of a table, also where the oldest of them lack a column. Pure.

/** What a scan has to know of a column. */
export interface ScannedColumn {
  readonly name: string;
  /** Type in SQL, as DuckDB spells it. */
  readonly sqlType: string;
  /** Files from before it was added lack it. */
  readonly isAdded?: boolean;
}

/**
 * All rows of the files, for a FROM clause. A column that was added is null in the rows of files that lack it; so is one that all of them
 * lack.
 * @param options for read_parquet, in SQL
 */
export function parquetScan(paths: readonly string[], columns: readonly ScannedColumn[], options: string): string {
  const files = paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ');
  const added = columns.filter(({ isAdded }) => isAdded);
  if (added.length === 0) return `read_parquet([${files}], ${options})`;
  // Only the files themselves know what they have, so DuckDB opens each of them: not done where nothing was ever added.
  const nulls = added.map(({ name, sqlType }) => `NULL::${sqlType} AS "${name}"`);
  return `(SELECT ${nulls.join(', ')} WHERE false
    UNION ALL BY NAME SELECT * FROM read_parquet([${files}], ${options}, union_by_name = true))`;
}
