// Data files of `endpoints`: rows in, a Parquet file in the store; and the holdings back out of the files of the last days. Knows
// neither the log nor what the rows are for.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { EndpointRow } from '../model/endpoint-row.ts';
import { holdingsOf, isAfterEndSql } from '../model/holding-rows.ts';
import { withLocalFiles } from '../store/local-file.ts';
import type { ObjectStore } from '../store/store.ts';
import { createVector } from './column-vectors.ts';
import { PARTITION_COLUMN } from './columns.ts';
import { putDataFile } from './data-file.ts';
import type { AddAction } from './delta-actions.ts';
import type { DeltaLog } from './delta-log.ts';
import { withDuckDb } from './duckdb.ts';
import { ENDPOINT_COLUMNS } from './endpoint-columns.ts';
import { parquetScan } from './parquet-scan.ts';
import { scannedColumns } from './schema.ts';

/** Puts the rows into a file of the day `nowMs`; it is in the table when the log names it. */
export async function writeEndpointFile(
  store: ObjectStore,
  root: string,
  rows: readonly EndpointRow[],
  nowMs: number,
): Promise<AddAction> {
  const sorted = rows.toSorted((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const vectors = ENDPOINT_COLUMNS.map((column) => createVector(column, sorted.length));
  for (const vector of vectors) for (const [i, row] of sorted.entries()) vector.set(i, row);
  const at = { date: new Date(nowMs).toISOString().slice(0, 10), nowMs };
  try {
    return await putDataFile(store, root, at, { rowCount: sorted.length, vectors }, Uint32Array.from(sorted.keys()));
  } finally {
    for (const vector of vectors) vector.free();
  }
}

/** Which holdings are read. */
export interface HoldingsRule {
  /** Those of which a row was recorded since; ms since the Unix epoch. */
  readonly sinceMs: number;
  /** At most so many, those recorded last. */
  readonly max: number;
}

/** Keys of the files that may have rows recorded since then; ms since the Unix epoch. */
export function endpointFileKeys(log: DeltaLog, sinceMs: number): string[] {
  const firstDate = new Date(sinceMs).toISOString().slice(0, 10);
  return Array.from(log.files.values())
    .filter(({ partitionValues }) => (partitionValues[PARTITION_COLUMN.name] ?? '') >= firstDate)
    .map(({ path }) => `${log.root}/${decodeURIComponent(path)}`);
}

/**
 * The holdings in these files, each once: first all of nodes as one piece, then those of pods in pieces of some thousands. Of several
 * rows of a holding the last one names it; it ended at the earliest end that was heard. Who got back an address has several. Resolves
 * to the number of holdings that were left out, because there are more than may be read.
 */
export async function readHoldings(
  store: ObjectStore,
  keys: readonly string[],
  rule: HoldingsRule,
  take: (holdings: readonly EndpointRow[]) => void,
): Promise<number> {
  if (keys.length === 0) return 0;
  return withLocalFiles(store, keys, (paths) =>
    withDuckDb(join(store.scratchDirectory, `${randomUUID()}.spill`), async (run, stream) => {
      let count = 0;
      const sameText = createSameText();
      const several = new SeveralHoldings();
      let nodes: EndpointRow[] | undefined = [];
      const takeNodes = (): void => {
        const all = [...(nodes ?? []), ...several.take()];
        nodes = undefined;
        if (all.length > 0) take(all);
      };
      for await (const rows of stream(holdingsQuery(paths, rule))) {
        count += rows.length;
        const read = rows.map((values) => rowOf(values as readonly Value[], sameText));
        const firstPod = read.findIndex(({ kind }) => kind === 'pod');
        nodes?.push(...several.others(firstPod < 0 ? read : read.slice(0, firstPod)));
        if (firstPod < 0) continue;
        if (nodes !== undefined) takeNodes();
        const pods = several.others(read.slice(firstPod));
        if (pods.length > 0) take(pods);
      }
      if (nodes !== undefined) takeNodes();
      const pods = several.take();
      if (pods.length > 0) take(pods);
      if (count < rule.max) return 0;
      const [[all] = []] = await run(countQuery(paths, rule));
      return Math.max(0, Number(all) - count);
    }),
  );
}

/** Those with several holdings count once, which is a few too few. */
function countQuery(paths: readonly string[], rule: HoldingsRule): string {
  return `SELECT count(*) FROM (SELECT DISTINCT address, uid FROM ${recordedSince(paths, rule)})`;
}

function recordedSince(paths: readonly string[], { sinceMs }: HoldingsRule): string {
  const files = parquetScan(paths, scannedColumns(ENDPOINT_COLUMNS), 'hive_partitioning = false');
  return `${files} WHERE epoch_us(recorded_at) >= ${Math.floor(sinceMs * 1000)}`;
}

function holdingsQuery(paths: readonly string[], rule: HoldingsRule): string {
  // All rows of who may have several holdings, the last row of everybody else.
  const isSeveral = `coalesce(${isAfterEndSql('max(heard_at) OVER w', 'min(held_to) OVER w')}, false)`;
  const of = (row: string, all: string) => `epoch_us(CASE WHEN ${isSeveral} THEN ${row} ELSE ${all} OVER w END)`;
  return `SELECT * FROM (
      SELECT cluster, address, kind, uid, ${of('held_from', 'min(held_from)')} AS held_from, ${of('held_to', 'min(held_to)')},
        ${of('sure_until', 'max(sure_until)')}, ${of('heard_at', 'min(heard_at)')}, epoch_us(recorded_at) AS recorded,
        namespace, pod, workload_kind, workload, node, provider, region, zone, to_json(labels)::VARCHAR, zone_id, ${isSeveral}
      FROM ${recordedSince(paths, rule)}
      WINDOW w AS (PARTITION BY address, uid)
      QUALIFY ${isSeveral} OR row_number() OVER (PARTITION BY address, uid ORDER BY recorded_at DESC) = 1
      ORDER BY recorded DESC LIMIT ${rule.max})
    ORDER BY kind, held_from`;
}

type Value = string | bigint | boolean | null;

/** A row as the query gives it. */
interface ReadRow extends EndpointRow {
  /** Others of the address and the object are to come, or were there; they may be several holdings. */
  readonly isOneOfSeveral: boolean;
}

/** Puts together the rows of those that may have several holdings of an address; they are few, and mostly nodes. */
class SeveralHoldings {
  readonly #rows = new Map<string, EndpointRow[]>();

  /** Keeps those rows, and returns the others. */
  others(rows: readonly ReadRow[]): EndpointRow[] {
    return rows.flatMap(({ isOneOfSeveral, ...row }) => {
      if (!isOneOfSeveral) return row;
      const key = `${row.address} ${row.uid}`;
      const known = this.#rows.get(key);
      if (known === undefined) this.#rows.set(key, [row]);
      else known.push(row);
      return [];
    });
  }

  /** The holdings of what was kept; it is forgotten. */
  take(): EndpointRow[] {
    const holdings = Array.from(this.#rows.values(), holdingsOf).flat();
    this.#rows.clear();
    return holdings;
  }
}

/** One text for all that are alike: hundreds of thousands of rows share their nodes, workloads and labels. */
function createSameText(): (text: string) => string {
  const texts = new Map<string, string>();
  return (text) => {
    const same = texts.get(text);
    if (same === undefined) texts.set(text, text);
    return same ?? text;
  };
}

function rowOf(values: readonly Value[], sameText: (text: string) => string): ReadRow {
  const text = (i: number) => values[i] as string | null;
  const shared = (i: number) => (values[i] === null ? null : sameText(values[i] as string));
  const time = (i: number) => (values[i] === null ? null : Number(values[i]));
  const toUs = time(5);
  const sureUntilUs = time(6);
  return {
    ...{ cluster: shared(0)!, address: text(1)!, kind: text(2) === 'node' ? 'node' : 'pod', uid: text(3)! },
    ...{ fromUs: time(4)!, toUs, heardUs: time(7)!, recordedUs: time(8)! },
    // A replica that had not heard of the end was sure for longer.
    sureUntilUs: toUs === null || sureUntilUs === null ? sureUntilUs : Math.min(sureUntilUs, toUs),
    ...{ namespace: shared(9), pod: text(10), workloadKind: shared(11), workload: shared(12), node: shared(13)! },
    ...{ provider: shared(14), region: shared(15), zone: shared(16), labels: shared(17), zoneId: shared(18) },
    isOneOfSeveral: values[19] === true,
  };
}
