// Files rewritten by DuckDB, with more rows than fit into its memory. Oracle: a checksum of the rows that does not mind their order.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Column, FLOW_COLUMNS } from '../table/columns.ts';
import { sqlType } from '../table/schema.ts';
import { Rewriter } from './rewriter.ts';

/** More than a row group of the files that ingest writes, and with names as long as Kubernetes has them more than 256 MB. */
const ROWS = 150_000;
const NAME_LENGTH = 50;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-rewriter-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function run(sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRows();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** A file whose rows are in no order. */
async function writeInput(path: string, seed: number): Promise<void> {
  const value = ({ name, type }: Column, i: number): string => {
    const number = `(hash(i * 100 + ${i} + ${seed}) % 1000)::BIGINT`;
    if (type === 'text') return `rpad('${name}-' || ${number}, ${NAME_LENGTH}, 'x')`;
    if (type === 'map') return `MAP {'app': ${number}::VARCHAR}`;
    return type === 'timestamp' ? `make_timestamptz(${number})` : `${number}::${sqlType(type)}`;
  };
  const columns = FLOW_COLUMNS.map((column, i) => `${value(column, i)} AS ${column.name}`);
  await run(`COPY (SELECT ${columns.join(', ')} FROM range(${ROWS}) r(i)) TO '${path}' (FORMAT parquet)`);
}

const checksum = (path: string) =>
  run(`SELECT count(*), bit_xor(hash(f)), sum(hash(f)) FROM read_parquet('${path}') f`);

test('two that spill into one folder at once, as replicas on one directory do, keep their rows apart', async () => {
  const scratch = join(directory, 'scratch');
  await mkdir(scratch);
  const paths = ['a', 'b'].map((name) => ({ input: join(directory, name), output: join(directory, `${name}-merged`) }));
  for (const [i, { input }] of paths.entries()) await writeInput(input, 1000 * i);
  const rewriters = await Promise.all(paths.map(() => Rewriter.open(scratch)));
  try {
    await Promise.all(
      rewriters.map((rewriter, i) => rewriter.merge([paths[i]!.input], paths[i]!.output, FLOW_COLUMNS)),
    );
  } finally {
    for (const rewriter of rewriters) rewriter.close();
  }
  for (const { input, output } of paths) expect(await checksum(output)).toEqual(await checksum(input));
  expect(await readdir(scratch)).toEqual([]);
}, 60_000);

test('a roll-up of more than fits into memory keeps every byte', async () => {
  const scratch = join(directory, 'scratch');
  await mkdir(scratch);
  const [input, output] = [join(directory, 'in'), join(directory, 'out')];
  await writeInput(input, 0);
  const rewriter = await Rewriter.open(scratch);
  try {
    await rewriter.rollUp([input], '1970-01-01', output);
  } finally {
    rewriter.close();
  }
  const sums = (path: string) =>
    run(`SELECT sum(tx_bytes), sum(rx_bytes), sum(tx_cost) FROM read_parquet('${path}') WHERE tx_bytes IS NOT NULL`);
  expect(await sums(output)).toEqual(await sums(input));
  expect(await readdir(scratch)).toEqual([]);
}, 60_000);
