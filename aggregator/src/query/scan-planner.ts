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
]);

/** Functions that take a statement as text, whose tables nobody names. */
const NAMES_BY_TEXT = /\bquery\s*\(/i;

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
  /** Sees no tables: of a view that is there, DuckDB names not the view but what lies below. */
  readonly #naming: DuckDBConnection;
  readonly #tables: readonly SourceTable[];
  readonly #directory: string;
  readonly #otherSteps: string;
  readonly #allSteps: string;

  private constructor(
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    naming: DuckDBConnection,
    tables: readonly SourceTable[],
    directory: string,
    steps: readonly string[],
  ) {
    this.#instance = instance;
    this.#connection = connection;
    this.#naming = naming;
    this.#tables = tables;
    this.#directory = directory;
    this.#allSteps = steps.join(',');
    this.#otherSteps = steps.filter((step) => !PUSHING.has(step)).join(',');
  }

  static async open(tables: readonly SourceTable[]): Promise<ScanPlanner> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1', autoinstall_known_extensions: 'false' });
    const connection = await instance.connect();
    const naming = await instance.connect();
    await naming.run("ATTACH ':memory:' AS nothing; USE nothing");
    const steps = (await connection.runAndReadAll('SELECT name FROM duckdb_optimizers()')).getRows().map(String);
    const directory = mkdtempSync(join(tmpdir(), 'flowtoll-plan-'));
    const planner = new ScanPlanner(instance, connection, naming, tables, directory, steps);
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
    const names = new Set(this.#naming.getTableNames(sql, false).map((name) => name.toLowerCase()));
    const named = this.#tables.filter(({ name }) => names.has(name) || NAMES_BY_TEXT.test(sql));
    const found = new Map<string, ReadonlySet<string>>();
    for (const table of named) found.set(table.name, new Set(partitionsIn(table)));
    const conditions = named.length === 0 ? undefined : await this.#conditions(sql);
    if (conditions === undefined) return found;
    for (const table of named) found.set(table.name, new Set(await this.#matching(table, conditions)));
    return found;
  }

  close(): void {
    this.#naming.closeSync();
    this.#connection.closeSync();
    this.#instance.closeSync();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #makeEmpty(table: SourceTable): Promise<void> {
    const folder = join(this.#directory, table.name);
    const empty = join(folder, 'empty.parquet');
    const columns = table.columns
      .filter(({ name }) => name !== table.partitionColumn)
      .map(({ name, sqlType }) => `NULL::${sqlType} AS ${identifier(name)}`);
    await mkdir(folder);
    await this.#connection.run(`COPY (SELECT ${columns.join(', ')} WHERE false) TO ${literal(empty)} (FORMAT parquet)`);
    const paths: string[] = [];
    for (const partition of partitionsIn(table)) {
      const path = join(folder, `${table.partitionColumn}=${partition}`);
      await mkdir(path);
      await symlink(empty, join(path, 'empty.parquet'));
      paths.push(join(path, 'empty.parquet'));
    }
    await this.#connection.run(viewStatement(table, paths));
  }

  /** Of each scan the condition on its files; undefined when that cannot be told, or a scan has none. */
  async #conditions(sql: string): Promise<string[] | undefined> {
    const [without, pushed] = [await this.#scans(sql, this.#allSteps), await this.#scans(sql, this.#otherSteps)];
    if (without === undefined || pushed === undefined) return undefined;
    if (without.length === 0) return [];
    // A scan that was reasoned away could have needed other files than those that are left.
    if (pushed.length !== without.length) return undefined;
    const conditions = pushed.map((info) => info['File Filters']);
    return conditions.every((condition) => typeof condition === 'string') ? conditions : undefined;
  }

  /** What the plan says of each scan of files; undefined when there is no plan. */
  async #scans(sql: string, disabledSteps: string): Promise<PlanNode['extra_info'][] | undefined> {
    const scans: PlanNode['extra_info'][] = [];
    const walk = (node: PlanNode): void => {
      if (node.name.includes('PARQUET')) scans.push(node.extra_info);
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

  async #matching(table: SourceTable, conditions: readonly string[]): Promise<string[]> {
    const values = [...partitionsIn(table)].map((partition) => `(${literal(partition)}::${partitionType(table)})`);
    if (values.length === 0 || conditions.length === 0) return [];
    const column = identifier(table.partitionColumn);
    try {
      const rows = await this.#connection.runAndReadAll(
        `SELECT ${column}::VARCHAR FROM (VALUES ${values.join(', ')}) AS partitions (${column})
         WHERE ${conditions.map((condition) => `(${condition})`).join(' OR ')}`,
      );
      return rows.getRows().map(String);
    } catch {
      // The plan is text for people: a condition that cannot be read back leaves out nothing.
      return [...partitionsIn(table)];
    }
  }
}

function partitionsIn(table: SourceTable): ReadonlySet<string> {
  return new Set(table.files.map(({ partition }) => partition));
}
