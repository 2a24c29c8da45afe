// The least that a report can cost: bare DuckDB, one statement, two sums by two keys, over the files of a table (argument: its
// folder).
import { DuckDBInstance } from '@duckdb/node-api';

const instance = await DuckDBInstance.create(':memory:');
const connection = await instance.connect();
const reader = await connection.runAndReadAll(
  `SELECT namespace, traffic_class, sum(tx_bytes), sum(tx_cost) FROM read_parquet('${process.argv[2]}/date=*/*.parquet')
   GROUP BY ALL ORDER BY 4 DESC`,
);
process.stdout.write(`${reader.currentRowCount}\n`);
