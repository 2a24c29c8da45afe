// Readers that we did not write agree with us: delta-rs and PyArrow open a table of more than fifty commits, whose log begins
// with a checkpoint because all before it was removed. For every column they find the same rows with and without file
// skipping, the same as `flowtoll sql`, and those that were written.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EndpointRow } from '@flowtoll/aggregator/model/endpoint-row.ts';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import { openDirectoryStore } from '@flowtoll/aggregator/store/directory-store.ts';
import { ENDPOINT_TABLE_COLUMNS } from '@flowtoll/aggregator/table/endpoint-columns.ts';
import { writeEndpointFile } from '@flowtoll/aggregator/table/endpoint-files.ts';
import { makeTableWithoutZoneIds } from '@flowtoll/aggregator/table/endpoint-table.testing.ts';
import { expectedCells } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { flowTableRoot, openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { cleanLog } from '@flowtoll/aggregator/table/log-upkeep.ts';
import { openWritableLog } from '@flowtoll/aggregator/table/open-log.ts';
import { commitChange } from '@flowtoll/aggregator/upkeep/change.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askPython } from '../support/ask-python.ts';
import { DELTA_READERS, pythonEnvironment } from '../support/python-env.ts';

const run = promisify(execFile);
const FLOWTOLL = fileURLToPath(new URL('../../aggregator/src/main.ts', import.meta.url));
const READERS = fileURLToPath(new URL('../support/foreign_readers.py', import.meta.url));

const SEED = Number(process.env['FLOWTOLL_SEED'] ?? 20260131);
const COMMITS = 60;
const ROWS_PER_COMMIT = 40;
const COMMITS_A_CHECKPOINT = 16;

const environment = await pythonEnvironment(DELTA_READERS);
if ('missing' in environment) {
  console.warn(`foreign readers are not tested: ${environment.missing}`);
}

/** Mulberry32: the same numbers for the same seed on every machine. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Endings that statistics and orders get wrong: longer than a bound, above the basic plane, quotes. */
const ENDINGS = [
  '',
  'x'.repeat(40),
  '\u{10ffff}'.repeat(20),
  '-\u{ffff}',
  '-\u{1f600}',
  "'quoted'",
  ' "double"',
  '\u{e000}',
];

/** A row of the commit: the values of each column move with the commit, so that its file can be skipped. */
function randomRow(random: (below: number) => number, commit: number, id: string): FlowRow {
  let column = 0;
  // Each optional column is null now and then, and in some files throughout.
  const optional = <T>(value: T): T | null => {
    column++;
    return (commit + column) % 13 === 0 || random(8) === 0 ? null : value;
  };
  const band = () => commit * 4 + random(4);
  const word = (name: string) => `${name}-${String(band()).padStart(4, '0')}${ENDINGS[random(ENDINGS.length)]}`;
  const counter = () => (commit === COMMITS - 1 ? 2 ** 53 - 1 - random(3) : band() * 2 ** 44 + random(2 ** 30));
  const money = () => BigInt(commit - 20) * 10n ** 16n + BigInt(random(2 ** 30)) * 1_000_003n;
  const start = Date.UTC(2026, 0, 30) * 1000 + commit * 3_600_000_000 + random(1_000_000_000);
  const row = {
    ...{ windowStartUs: start, windowEndUs: start + 60_000_000 + random(999) },
    ...{ cluster: word('cluster'), node: word('node'), trafficClass: word('class'), pod: id },
    ...{ provider: optional(word('provider')), region: optional(word('region')), zone: optional(word('zone')) },
    ...{ localKind: optional(word('kind')), namespace: optional(word('namespace')) },
    ...{ workloadKind: optional(word('workload-kind')), workload: optional(word('workload')) },
    labels: optional(JSON.stringify({ team: word('team'), 'a"b': word('label') })),
    ip: optional(`10.${commit}.${random(256)}.${random(256)}`),
    ...{ peerKind: optional(word('peer-kind')), peerCluster: optional(word('peer-cluster')) },
    ...{ peerProvider: optional(word('peer-provider')), peerRegion: optional(word('peer-region')) },
    ...{ peerZone: optional(word('peer-zone')), peerNode: optional(word('peer-node')) },
    ...{ peerNamespace: optional(word('peer-namespace')), peerWorkloadKind: optional(word('peer-workload-kind')) },
    ...{ peerWorkload: optional(word('peer-workload')), peerPod: optional(word('peer-pod')) },
    ...{ peerName: optional(word('peer-name')), peerIp: optional(`2001:db8:${commit.toString(16)}::${random(65536)}`) },
    ...{ protocol: optional(word('protocol')), port: optional(band() * 200 + random(200)) },
    ...{ service: optional(word('service')), initiator: optional(word('initiator')) },
    ...{ resolution: optional(word('resolution')), path: optional(word('path')) },
    ...{ txBytes: optional(counter()), txPackets: optional(counter()), rxBytes: optional(counter()) },
    ...{ rxPackets: optional(counter()), connections: optional(counter()), lostBytesMax: optional(counter()) },
    ...{ lossReason: optional(word('reason')), priceBook: optional(word('book')), priceBasis: optional(word('basis')) },
    directionBasis: optional(word('direction')),
    ...{ txCost: optional(money()), rxCost: optional(money()), processingCost: optional(money()) },
  };
  return row as unknown as FlowRow;
}

interface Filter {
  readonly column: string;
  readonly op: '=' | '<' | '<=' | '>' | '>=' | 'is null';
  /** As `expectedCells` gives it. */
  readonly value: string | null;
}

type Cells = Readonly<Record<string, string | null>>;

const INTEGERS = new Set([
  'window_start',
  'window_end',
  'port',
  'tx_bytes',
  'tx_packets',
  'rx_bytes',
  'rx_packets',
  'connections',
  'lost_bytes_max',
]);
const DECIMALS = new Set(['tx_cost', 'rx_cost', 'processing_cost']);

/** Order of two values of a column: integers, money, and text by UTF-8 bytes. */
function compare(column: string, a: string, b: string): number {
  if (INTEGERS.has(column) || DECIMALS.has(column)) {
    const difference = BigInt(a.replace('.', '')) - BigInt(b.replace('.', ''));
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The extremes, where a wrong bound loses rows, and values from the middle. */
function filtersFor(column: string, rows: readonly Cells[], random: (below: number) => number): Filter[] {
  const values = rows.map((row) => row[column]).filter((value) => typeof value === 'string');
  values.sort((a, b) => compare(column, a, b));
  const low = values[0]!;
  const high = values.at(-1)!;
  const any = values[random(values.length)]!;
  return [
    { column, op: '<=', value: low },
    { column, op: '>=', value: high },
    { column, op: '=', value: high },
    { column, op: '=', value: any },
    { column, op: '<', value: values[Math.floor(values.length / 10)]! },
    { column, op: '>', value: values[Math.floor((values.length * 9) / 10)]! },
    { column, op: 'is null', value: null },
  ];
}

function matches(row: Cells, { column, op, value }: Filter): boolean {
  const cell = row[column] ?? null;
  if (cell === null || value === null) {
    return op === 'is null' && cell === null;
  }
  const order = compare(column, cell, value);
  return { '=': order === 0, '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0, 'is null': false }[op];
}

function condition({ column, op, value }: Filter): string {
  if (value === null) {
    return `${column} IS NULL`;
  }
  const quoted = `'${value.replaceAll("'", "''")}'`;
  if (column === 'window_start' || column === 'window_end') {
    return `${column} ${op} make_timestamptz(${value})`;
  }
  const typed = DECIMALS.has(column) ? `${quoted}::DECIMAL(18,12)` : INTEGERS.has(column) ? value : quoted;
  return `${column} ${op} ${typed}`;
}

interface ForeignAnswer {
  readonly version: number;
  readonly files: number;
  readonly rows: readonly Record<string, unknown>[];
  readonly filters: readonly {
    readonly unskipped: readonly string[];
    readonly pyarrow: readonly string[];
    readonly deltaRs: readonly string[];
    readonly filesRead: number;
  }[];
}

describe.skipIf('missing' in environment)(`a table of ${COMMITS} commits, seed ${SEED}`, () => {
  const random = randomNumbers(SEED);
  const rows: Cells[] = [];
  const labels = new Map<string, unknown>();
  const filters: Filter[] = [];
  let root: string;
  let foreign: ForeignAnswer;
  let ours: Map<number, string[]>;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'flowtoll-foreign-'));
    const store = await openDirectoryStore(root);
    const table = await openFlowTable(store, {
      cluster: 'demo',
      clock: Date.now,
      checkpointEntries: COMMITS_A_CHECKPOINT,
    });
    for (let commit = 0; commit < COMMITS; commit++) {
      const written = Array.from({ length: ROWS_PER_COMMIT }, (_, i) =>
        randomRow(random, commit, `row-${String(commit).padStart(3, '0')}-${i}`),
      );
      const batch = { epoch: 'epoch', sequence: commit + 1 };
      await table.commit([batch], (_, buffer) => {
        for (const row of written) {
          buffer.append(row);
        }
      });
      for (const row of written) {
        const { labels: map, ...cells } = expectedCells(row);
        labels.set(row.pod ?? '', map);
        const date = new Date(row.windowStartUs / 1000).toISOString().slice(0, 10);
        rows.push({ ...(cells as Cells), date });
      }
    }
    await table.close();
    // What a checkpoint made superfluous goes: readers have to take it, its statistics too, and go on with the entries after it.
    const cleaning = { nowMs: Date.now() + 1, retentionMs: 0 };
    expect(await cleanLog(store, flowTableRoot('demo'), cleaning)).toBeGreaterThan(COMMITS / 2);
    for (const column of Object.keys(rows[0]!)) {
      filters.push(...filtersFor(column, rows, random));
    }
    foreign = await readForeign(root, filters);
    ours = await readOurs(root, filters);
  });

  afterAll(() => rm(root, { recursive: true, force: true }));

  test('every row and every value is the one that was written', () => {
    expect(foreign.version).toBe(COMMITS);
    expect(foreign.files).toBeGreaterThanOrEqual(COMMITS);
    const found = new Map(foreign.rows.map((row) => [row['pod'], row]));
    expect([found.size, foreign.rows.length]).toEqual([rows.length, rows.length]);
    for (const row of rows) {
      expect(found.get(row['pod'])).toEqual({ ...row, labels: labels.get(row['pod']!) });
    }
  });

  test('all columns but the map are filtered', () => {
    expect(new Set(filters.map(({ column }) => column)).size).toBe(46);
  });

  test('each filter finds the same rows with and without skipping, in every reader, and in flowtoll sql', () => {
    filters.forEach((filter, i) => {
      const expected = rows
        .filter((row) => matches(row, filter))
        .map((row) => row['pod'])
        .sort();
      const answer = foreign.filters[i]!;
      const says = (reader: string, ids: readonly string[]) => ({ filter, reader, ids });
      expect(says('PyArrow, no skipping', answer.unskipped)).toEqual(
        says('PyArrow, no skipping', expected as string[]),
      );
      expect(says('PyArrow', answer.pyarrow)).toEqual(says('PyArrow', expected as string[]));
      expect(says('delta-rs', answer.deltaRs)).toEqual(says('delta-rs', expected as string[]));
      expect(says('flowtoll sql', (ours.get(i) ?? []).sort())).toEqual(says('flowtoll sql', expected as string[]));
    });
  });

  test('files were skipped on every column', () => {
    const fewest = new Map<string, number>();
    filters.forEach(({ column, op }, i) => {
      if (op !== 'is null') {
        fewest.set(column, Math.min(fewest.get(column) ?? Number.POSITIVE_INFINITY, foreign.filters[i]!.filesRead));
      }
    });
    const unskipped = [...fewest].filter(([, files]) => files > foreign.files / 2);
    expect(unskipped).toEqual([]);
  });

  test('the map is read by flowtoll sql as it was written', async () => {
    const answer = await flowtollSql(root, 'SELECT pod, map_entries(labels) AS labels FROM flows');
    const found = new Map(
      (answer as { pod: string; labels: { key: string; value: string }[] | null }[]).map((row) => [
        row.pod,
        row.labels?.map(({ key, value }) => [key, value]).sort() ?? null,
      ]),
    );
    expect(found).toEqual(labels);
  });
});

describe.skipIf('missing' in environment)('a table that got a column later', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'flowtoll-foreign-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test('has null there in older files, for delta-rs and PyArrow, too', async () => {
    const store = await openDirectoryStore(root);
    const clock = () => Date.UTC(2026, 0, 31, 12);
    const holding = (uid: string, zoneId: string | null): EndpointRow => ({
      ...{ cluster: 'demo', address: '10.0.0.1', kind: 'node', uid, node: 'node-a', zone: 'us-east-1a', zoneId },
      ...{ fromUs: 0, toUs: null, sureUntilUs: null, heardUs: 0, recordedUs: 1000, provider: 'aws' },
      ...{ namespace: null, pod: null, workloadKind: null, workload: null, region: 'us-east-1', labels: null },
    });
    const table = 'demo/endpoints';
    await makeTableWithoutZoneIds(store, table, [holding('old', null)], clock);
    const log = await openWritableLog(store, table, ENDPOINT_TABLE_COLUMNS, clock);
    const add = await writeEndpointFile(store, table, [holding('new', 'use1-az6')], clock());
    await commitChange(log, clock, () => ({ operation: 'WRITE', adds: [add] }));
    const filters: Filter[] = [
      { column: 'zone_id', op: 'is null', value: null },
      { column: 'zone_id', op: '=', value: 'use1-az6' },
      { column: 'zone', op: '=', value: 'us-east-1a' },
    ];
    const foreign = await readForeign(root, filters, table, 'uid');
    expect(foreign.rows.map((row) => [row['uid'], row['zone'], row['zone_id']]).sort()).toEqual([
      ['new', 'us-east-1a', 'use1-az6'],
      ['old', 'us-east-1a', null],
    ]);
    const expected = [['old'], ['new'], ['new', 'old']];
    expect(foreign.filters.map(({ deltaRs }) => deltaRs)).toEqual(expected);
    // deltalake's way to PyArrow skips files without statistics of a column, of tables of its own, too: not for IS NULL.
    expect(foreign.filters.map(({ pyarrow }) => pyarrow).slice(1)).toEqual(expected.slice(1));
    expect(foreign.filters.map(({ unskipped }) => unskipped)).toEqual(expected);
  });
});

async function readForeign(
  root: string,
  filters: readonly Filter[],
  table = 'demo/flows',
  id = 'pod',
): Promise<ForeignAnswer> {
  if ('missing' in environment) {
    throw new Error(environment.missing);
  }
  return (await askPython(environment.python, READERS, { table: join(root, table), id, filters })) as ForeignAnswer;
}

/** One statement for many filters; each still is a scan of its own. Ids by position of the filter. */
async function readOurs(root: string, filters: readonly Filter[]): Promise<Map<number, string[]>> {
  const byFilter = new Map<number, string[]>();
  const portion = 45;
  for (let from = 0; from < filters.length; from += portion) {
    const scans = filters
      .slice(from, from + portion)
      .map((filter, i) => `SELECT ${from + i} AS filter, pod FROM flows WHERE ${condition(filter)}`);
    for (const { filter, pod } of (await flowtollSql(root, scans.join(' UNION ALL '))) as {
      filter: number;
      pod: string;
    }[]) {
      byFilter.set(filter, [...(byFilter.get(filter) ?? []), pod]);
    }
  }
  return byFilter;
}

async function flowtollSql(root: string, statement: string): Promise<unknown[]> {
  // The whole command would hide DuckDB's answer at the end of a long message.
  const { stdout } = await run(process.execPath, [FLOWTOLL, 'sql', statement, '--store', root, '--format', 'json'], {
    maxBuffer: 256 * 1024 * 1024,
  }).catch((error: { stderr: string }) => {
    throw new Error(`flowtoll sql: ${error.stderr.slice(0, 500)}`);
  });
  return JSON.parse(stdout);
}
