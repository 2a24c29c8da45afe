// The oracle: what the table holds, read without the product. The Delta log is read as text, the Parquet files that it names
// by DuckDB. Finds every window that is missing, double, in a wrong commit or with wrong sums.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { nodeName } from './cluster.ts';
import { WINDOW_MS, type WindowSums } from './traffic.ts';

export interface Expectation {
  /** Epoch of each agent. */
  readonly epochs: readonly string[];
  /** Windows of each agent; window i has the sequence number i + 1. */
  readonly windows: number;
  readonly firstWindowMs: number;
  sums(agent: number, window: number): WindowSums;
}

export interface TableReport {
  /** What is wrong, the first few of it in words; empty when nothing is. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  readonly commits: number;
  readonly files: number;
  readonly fileBytes: number;
  readonly rows: number;
}

const PROBLEMS_NAMED = 20;
/** Digits in the name of a log entry. */
const NAME_WIDTH = 20;
const FILES_AT_ONCE = 200;

interface LogEntry {
  readonly version: number;
  readonly txns: ReadonlyMap<string, number>;
  readonly adds: readonly { readonly path: string; readonly size: number }[];
  readonly removes: number;
}

/** @param root folder of the table `flows` */
export async function checkTable(root: string, expected: Expectation): Promise<TableReport> {
  const problems = new Problems();
  const entries = readLog(root, problems);
  const files = entries.flatMap(({ adds }) => adds);
  const paths = files.map(({ path }) => path);
  const found = await readWindows(root, paths, expected.firstWindowMs);
  checkOrder(entries, expected, problems);
  checkWindows(entries, found, expected, problems);
  const losses = found.reduce((sum, { lossRows }) => sum + lossRows, 0);
  if (losses > 0) problems.add(`${losses} loss rows`);
  return {
    problems: problems.named,
    problemCount: problems.count,
    commits: entries.filter(({ adds }) => adds.length > 0).length,
    files: files.length,
    fileBytes: files.reduce((sum, { size }) => sum + size, 0),
    rows: found.reduce((sum, { rows }) => sum + rows, 0),
  };
}

class Problems {
  readonly named: string[] = [];
  count = 0;

  add(text: string): void {
    this.count++;
    if (this.named.length < PROBLEMS_NAMED) this.named.push(text);
  }
}

function readLog(root: string, problems: Problems): LogEntry[] {
  const names = readdirSync(join(root, '_delta_log')).filter((name) => name.endsWith('.json'));
  return names.sort().map((name, version) => {
    if (name !== `${String(version).padStart(NAME_WIDTH, '0')}.json`) problems.add(`log entry ${version} is ${name}`);
    const lines = readFileSync(join(root, '_delta_log', name), 'utf8')
      .trimEnd()
      .split('\n');
    const actions = lines.map((line) => JSON.parse(line) as Record<string, Record<string, unknown>>);
    return {
      version,
      txns: new Map(
        actions.flatMap(({ txn }) => (txn && isEpoch(txn) ? [[String(txn['appId']), Number(txn['version'])]] : [])),
      ),
      // What upkeep writes anew changes no rows; the files that it replaces stay for a day.
      adds: actions.flatMap(({ add }) =>
        add?.['dataChange'] ? [{ path: String(add['path']), size: Number(add['size']) }] : [],
      ),
      removes: actions.filter(({ remove }) => remove?.['dataChange']).length,
    };
  });
}

/** Other transactions are notes about an epoch, named with a slash. */
const isEpoch = ({ appId }: Record<string, unknown>): boolean => !String(appId).includes('/');

/** Transactions of each epoch rise from commit to commit, and end with the last batch. */
function checkOrder(entries: readonly LogEntry[], { epochs, windows }: Expectation, problems: Problems): void {
  const last = new Map<string, number>();
  for (const { version, txns, removes } of entries) {
    if (removes > 0) problems.add(`log entry ${version} removes ${removes} files`);
    for (const [epoch, sequence] of txns) {
      if (sequence <= (last.get(epoch) ?? 0)) {
        problems.add(`log entry ${version}: ${epoch} goes from ${last.get(epoch)} to ${sequence}`);
      }
      last.set(epoch, sequence);
    }
  }
  for (const epoch of epochs) {
    if (last.get(epoch) !== windows) problems.add(`the log ends with batch ${last.get(epoch)} of ${epoch}`);
  }
}

/** The rows of one window of a node in one file. */
interface FoundWindow {
  readonly path: string;
  readonly node: string;
  readonly window: number;
  readonly lossRows: number;
  readonly rows: number;
  readonly txBytes: number;
  readonly rxBytes: number;
}

/** A commit holds just the windows that its transactions say, each whole. */
function checkWindows(
  entries: readonly LogEntry[],
  found: readonly FoundWindow[],
  expected: Expectation,
  problems: Problems,
): void {
  const byFile = Map.groupBy(found, ({ path }) => path);
  const agentOf = new Map(expected.epochs.map((epoch, agent) => [epoch, agent]));
  const committed = new Map<string, number>();
  for (const { version, txns, adds } of entries) {
    const missing = new Map<string, WindowSums>();
    for (const [epoch, sequence] of txns) {
      const agent = agentOf.get(epoch);
      if (agent === undefined) continue;
      for (let window = committed.get(epoch) ?? 0; window < sequence; window++) {
        missing.set(`${nodeName(agent)} ${window}`, expected.sums(agent, window));
      }
      committed.set(epoch, sequence);
    }
    for (const { node, window, rows, txBytes, rxBytes } of adds.flatMap(({ path }) => byFile.get(path) ?? [])) {
      const sums = missing.get(`${node} ${window}`);
      missing.delete(`${node} ${window}`);
      if (sums === undefined) problems.add(`commit ${version} holds window ${window} of ${node}, which is not its`);
      else if (sums.rows !== rows || sums.txBytes !== txBytes || sums.rxBytes !== rxBytes) {
        const [is, should] = [JSON.stringify({ rows, txBytes, rxBytes }), JSON.stringify(sums)];
        problems.add(`commit ${version}: window ${window} of ${node} is ${is}, and should be ${should}`);
      }
    }
    for (const name of missing.keys()) problems.add(`commit ${version} lacks window ${name}`);
  }
}

/** Reads all files, a portion at a time. */
async function readWindows(root: string, paths: readonly string[], firstWindowMs: number): Promise<FoundWindow[]> {
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: '1GB' });
  const connection = await instance.connect();
  const found: FoundWindow[] = [];
  try {
    for (let from = 0; from < paths.length; from += FILES_AT_ONCE) {
      const files = paths.slice(from, from + FILES_AT_ONCE).map((path) => `'${join(root, path)}'`);
      const reader = await connection.runAndReadAll(
        `SELECT filename, node, epoch_us(window_start)::DOUBLE, count(loss_reason)::DOUBLE, count(*)::DOUBLE,
                sum(tx_bytes)::DOUBLE, sum(rx_bytes)::DOUBLE
         FROM read_parquet([${files.join()}], filename = true, hive_partitioning = false)
         GROUP BY ALL`,
      );
      for (const [file, node, startUs, lossRows, rows, txBytes, rxBytes] of reader.getRows()) {
        found.push({
          path: relative(root, String(file)),
          node: String(node),
          window: (Number(startUs) / 1000 - firstWindowMs) / WINDOW_MS,
          lossRows: Number(lossRows),
          rows: Number(rows),
          txBytes: Number(txBytes),
          rxBytes: Number(rxBytes),
        });
      }
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return found;
}
