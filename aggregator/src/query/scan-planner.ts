// Which partitions of which tables a statement reads, before any file is there: DuckDB plans it over empty files, one a partition,
// and its plan names the conditions that leave out whole files. Says rather too much than too little.
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { z } from 'zod';
import { identifier, literal, partitionType, type SourceTable, viewStatement } from './source-table.ts';

/**
 * The steps of the optimizer that bring conditions down to the files, and no other: those that conclude from the content of
 * files would conclude from empty ones.
 */
const PUSHING: ReadonlySet<string> = new Set([
  'expression_rewriter',
  'filter_pullup',
  'filter_pushdown',
  'cte_filter_pusher',
  'deliminator',
  'unused_columns',
]);

/** Where a statement reads files. */
interface Scan {
  /** Undefined when the plan does not tell. */
  readonly table: SourceTable | undefined;
  /** On the partition column, marked. */
  readonly condition: string;
}

/** Functions that take a statement as text, whose tables nobody names. */
const NAMES_BY_TEXT = /\bquery(_table)?\b/i;

/** A node of DuckDB's plan. */
interface PlanNode {
  readonly name: string;
  readonly extra_info: Readonly<Record<string, unknown>>;
  readonly children: readonly PlanNode[];
}

const planNode: z.ZodType<PlanNode> = z.lazy(() =>
  z.object({ name: z.string(), extra_info: z.record(z.string(), z.unknown()), children: z.array(planNode) }),
);

export class ScanPlanner {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #tables: readonly SourceTable[];
  readonly #directory: string;
  readonly #otherSteps: string;
  readonly #allSteps: string;

  private constructor(
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    tables: readonly SourceTable[],
    directory: string,
    steps: readonly string[],
  ) {
    this.#instance = instance;
    this.#connection = connection;
    this.#tables = tables;
    this.#directory = directory;
    this.#allSteps = steps.join(',');
    this.#otherSteps = steps.filter((step) => !PUSHING.has(step)).join(',');
  }

  static async open(tables: readonly SourceTable[]): Promise<ScanPlanner> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1', autoinstall_known_extensions: 'false' });
    const connection = await instance.connect();
    const steps = (await connection.runAndReadAll('SELECT name FROM duckdb_optimizers()')).getRows().map(String);
    const directory = mkdtempSync(join(tmpdir(), 'flowtoll-plan-'));
    const planner = new ScanPlanner(instance, connection, tables, directory, steps);
    try {
      await connection.run("SET TimeZone = 'UTC'");
      for (const table of tables) await planner.#makeEmpty(table);
    } catch (error) {
      planner.close();
      throw error;
    }
    return planner;
  }

  /** Values of the partition column that the statement may need, by table; tables that it does not name are left out. */
  async partitionsOf(sql: string): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const named = this.#tables.filter(
      ({ name }) => new RegExp(`\\b${name}\\b`, 'i').test(sql) || NAMES_BY_TEXT.test(sql),
    );
    const scans = named.length === 0 ? undefined : await this.#scans(sql);
    const found = new Map<string, ReadonlySet<string>>();
    for (const table of named) {
      found.set(table.name, scans === undefined ? partitionsIn(table) : await this.#matching(table, scans));
    }
    return found;
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Files without rows in which every column has the table's mark before its name, and the view that takes it off. */
  async #makeEmpty(table: SourceTable): Promise<void> {
    const folder = join(this.#directory, table.name);
    const empty = join(folder, 'empty.parquet');
    const marked = (name: string): string => identifier(this.#markOf(table) + name);
    const columns = table.columns
      .filter(({ name }) => name !== table.partitionColumn)
      .map(({ name, sqlType }) => `NULL::${sqlType} AS ${marked(name)}`);
    await mkdir(folder);
    await this.#connection.run(`COPY (SELECT ${columns.join(', ')} WHERE false) TO ${literal(empty)} (FORMAT parquet)`);
    const paths: string[] = [];
    for (const partition of partitionsIn(table)) {
      const path = join(folder, `${this.#markOf(table)}${table.partitionColumn}=${partition}`);
      await mkdir(path);
      await symlink(empty, join(path, 'empty.parquet'));
      paths.push(join(path, 'empty.parquet'));
    }
    if (paths.length === 0) {
      await this.#connection.run(viewStatement(table, []));
      return;
    }
    const names = table.columns.map(({ name }) => `${marked(name)} AS ${identifier(name)}`);
    await this.#connection.run(
      `CREATE VIEW ${identifier(table.name)} AS SELECT ${names.join(', ')}
       FROM read_parquet([${paths.map(literal).join(', ')}], hive_partitioning = true,
         hive_types = {${marked(table.partitionColumn)}: ${partitionType(table)}})`,
    );
  }

  /** Before every column of the table: a plan names columns, and not what they are of. */
  #markOf(table: SourceTable): string {
    return `t${this.#tables.indexOf(table)}_`;
  }

  /** The scans of files; undefined when it cannot be told what they are. */
  async #scans(sql: string): Promise<Scan[] | undefined> {
    const [without, pushed] = [await this.#scansIn(sql, this.#allSteps), await this.#scansIn(sql, this.#otherSteps)];
    // A scan that was reasoned away could have needed other files than those that are left.
    if (without === undefined || pushed === undefined || pushed.length !== without.length) return undefined;
    return pushed.every(({ table }) => table !== undefined) ? pushed : undefined;
  }

  /** What the plan says of each scan of files; undefined when there is no plan. */
  async #scansIn(sql: string, disabledSteps: string): Promise<Scan[] | undefined> {
    const scans: Scan[] = [];
    const walk = (node: PlanNode): void => {
      if (node.name.includes('PARQUET')) scans.push(this.#scanOf(node));
      for (const child of node.children) walk(child);
    };
    try {
      await this.#connection.run(`SET disabled_optimizers = ${literal(disabledSteps)}`);
      const rows = (await this.#connection.runAndReadAll(`EXPLAIN (FORMAT json) ${sql}`)).getRows();
      for (const node of z.array(planNode).parse(JSON.parse(String(rows[0]?.[1])))) walk(node);
    } catch {
      // The statement may be wrong, which running it says best; or its plan is none that we know.
      return undefined;
    }
    return scans;
  }

  #scanOf({ extra_info: info }: PlanNode): Scan {
    const condition = info['File Filters'];
    const text = JSON.stringify([info['Projections'], condition, info['Filters']]);
    const tables = this.#tables.filter((table) => new RegExp(`\\b${this.#markOf(table)}`).test(text));
    return {
      table: tables.length === 1 ? tables[0] : undefined,
      condition: typeof condition === 'string' ? condition : 'true',
    };
  }

  async #matching(table: SourceTable, scans: readonly Scan[]): Promise<ReadonlySet<string>> {
    const all = partitionsIn(table);
    const conditions = scans.filter((scan) => scan.table === table).map(({ condition }) => `(${condition})`);
    if (all.size === 0 || conditions.length === 0) return new Set();
    const values = [...all].map((partition) => `(${literal(partition)}::${partitionType(table)})`);
    const column = identifier(this.#markOf(table) + table.partitionColumn);
    try {
      const rows = await this.#connection.runAndReadAll(
        `SELECT ${column}::VARCHAR FROM (VALUES ${values.join(', ')}) AS partitions (${column})
         WHERE ${conditions.join(' OR ')}`,
      );
      return new Set(rows.getRows().map(String));
    } catch {
      // The plan is text for people: a condition that cannot be read back leaves out nothing.
      return all;
    }
  }
}

function partitionsIn(table: SourceTable): ReadonlySet<string> {
  return new Set(table.files.map(({ partition }) => partition));
}
