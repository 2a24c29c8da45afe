// A table `endpoints` that was made before it had column `zone_id` goes on working: it is read, written, merged and asked as ever, by
// this version and beside one that does not know the column.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTables } from './commands/tables-source.ts';
import type { EndpointRow } from './model/endpoint-row.ts';
import { type DirectoryStore, openDirectoryStore } from './store/directory-store.ts';
import type { ObjectStore } from './store/store.ts';
import { DeltaLog } from './table/delta-log.ts';
import { ENDPOINT_TABLE_COLUMNS } from './table/endpoint-columns.ts';
import { endpointFileKeys, readHoldings, writeEndpointFile } from './table/endpoint-files.ts';
import { appendFileWithoutZoneIds, makeTableWithoutZoneIds } from './table/endpoint-table.testing.ts';
import { openFlowTable } from './table/flow-table.ts';
import { openWritableLog } from './table/open-log.ts';
import { commitChange } from './upkeep/change.ts';
import { maintain } from './upkeep/maintain.ts';

const ROOT = 'demo/endpoints';
const DAY_MS = 86_400_000;
const T0 = Date.UTC(2026, 0, 30, 12);

let folder: string;
let store: DirectoryStore;
let nowMs: number;
const clock = () => nowMs;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flowtoll-upgrade-'));
  store = await openDirectoryStore(folder);
  nowMs = T0;
  await (await openFlowTable(store, { cluster: 'demo', clock })).close();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function node(name: string, zoneId: string | null): EndpointRow {
  return {
    ...{ cluster: 'demo', address: `10.0.0.${name.slice(1)}`, kind: 'node', uid: `uid-${name}`, node: name },
    ...{ fromUs: T0 * 1000, toUs: null, sureUntilUs: null, heardUs: T0 * 1000, recordedUs: nowMs * 1000 },
    ...{ namespace: null, pod: null, workloadKind: null, workload: null, labels: '{"a":"b"}' },
    ...{ provider: 'aws', region: 'us-east-1', zone: 'us-east-1a', zoneId },
  };
}

async function write(row: EndpointRow, over: ObjectStore = store): Promise<void> {
  const log = await openWritableLog(over, ROOT, ENDPOINT_TABLE_COLUMNS, clock);
  const add = await writeEndpointFile(store, ROOT, [row], nowMs);
  await commitChange(log, clock, () => ({ operation: 'WRITE', adds: [add] }));
}

async function readLog(): Promise<DeltaLog> {
  const log = new DeltaLog(store, ROOT, clock);
  await log.refresh();
  return log;
}

/** Node and zone id of each holding, as a replica that starts finds them. */
async function held(): Promise<unknown[]> {
  const found: unknown[] = [];
  const keys = endpointFileKeys(await readLog(), T0);
  await readHoldings(store, keys, { sinceMs: T0, max: 100 }, (rows) => {
    found.push(...rows.map((row) => [row.node, row.zone, row.zoneId, row.labels]));
  });
  return found.sort();
}

/** The same as a statement finds them. */
async function asked(): Promise<unknown[]> {
  const flags = { store: folder, cluster: [], cache: join(folder, 'cache'), cacheSize: 2 ** 20, extensions: false };
  const tables = await openTables({ flags: flags as never, remark: () => undefined });
  try {
    const rows = await tables.session.queryAll(
      'SELECT node, zone, zone_id, labels::JSON::VARCHAR FROM endpoints WHERE date IS NOT NULL ORDER BY node',
    );
    return rows.map((row) => [...row]);
  } finally {
    await tables.close();
  }
}

const fieldsOf = ({ metaData }: DeltaLog): string[] =>
  (JSON.parse(metaData!.schemaString) as { fields: { name: string }[] }).fields.map(({ name }) => name);

const cells = (name: string, zoneId: string | null) => [name, 'us-east-1a', zoneId, '{"a":"b"}'];

describe('a table without column zone_id', () => {
  test('is read as it is, with null in the column', async () => {
    await makeTableWithoutZoneIds(store, ROOT, [node('n1', null)], clock);
    expect(await held()).toEqual([cells('n1', null)]);
    expect(await asked()).toEqual([cells('n1', null)]);
    expect(fieldsOf(await readLog())).not.toContain('zone_id');
  });

  test('gets the column when it is written, once, and nothing else changes', async () => {
    const before = await makeTableWithoutZoneIds(store, ROOT, [node('n1', null)], clock);
    const [fields, { schemaString: _, ...rest }] = [fieldsOf(before), before.metaData!];
    await write(node('n2', 'use1-az6'));
    const after = await readLog();
    expect(fieldsOf(after)).toEqual([...fields, 'zone_id']);
    expect(after.metaData).toMatchObject(rest);
    expect(after.version).toBe(before.version + 2);
    await write(node('n3', null));
    expect((await readLog()).version).toBe(after.version + 1);
    const all = [cells('n1', null), cells('n2', 'use1-az6'), cells('n3', null)];
    expect(await held()).toEqual(all);
    expect(await asked()).toEqual(all);
  });

  test('gets it once from two replicas at one time', async () => {
    await makeTableWithoutZoneIds(store, ROOT, [node('n1', null)], clock);
    // Another one is faster, between our reading of the log and our entry.
    let isFirst = true;
    const slow = new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (name !== 'putIfAbsent' || !isFirst) return typeof value === 'function' ? value.bind(target) : value;
        return async (...args: Parameters<ObjectStore['putIfAbsent']>) => {
          if (isFirst) {
            isFirst = false;
            await write(node('n2', 'use1-az6'));
          }
          return target.putIfAbsent(...args);
        };
      },
    });
    await write(node('n3', 'use1-az2'), slow);
    const log = await readLog();
    expect(fieldsOf(log).filter((name) => name === 'zone_id')).toHaveLength(1);
    expect(log.version).toBe(4);
    expect(await held()).toEqual([cells('n1', null), cells('n2', 'use1-az6'), cells('n3', 'use1-az2')]);
  });

  test('is merged with files of both kinds; a dry run adds no column', async () => {
    const old = await makeTableWithoutZoneIds(store, ROOT, [node('n1', null)], clock);
    const options = { cluster: 'demo', clock, keepFlowsMs: 90 * DAY_MS, keepCostsMs: 90 * DAY_MS };
    await maintain(store, { ...options, dryRun: true });
    expect(fieldsOf(await readLog())).not.toContain('zone_id');
    await write(node('n2', 'use1-az6'));
    // A replica that does not know the column goes on.
    await appendFileWithoutZoneIds(store, old, [node('n3', null)], clock);
    nowMs = T0 + DAY_MS;
    await maintain(store, options);
    expect((await readLog()).files.size).toBe(1);
    const all = [cells('n1', null), cells('n2', 'use1-az6'), cells('n3', null)];
    expect(await held()).toEqual(all);
    expect(await asked()).toEqual(all);
  });

  test('is merged by upkeep alone, before anybody wrote the column', async () => {
    const old = await makeTableWithoutZoneIds(store, ROOT, [node('n1', null)], clock);
    await appendFileWithoutZoneIds(store, old, [node('n3', null)], clock);
    nowMs = T0 + DAY_MS;
    await maintain(store, { cluster: 'demo', clock, keepFlowsMs: 90 * DAY_MS, keepCostsMs: 90 * DAY_MS });
    expect((await readLog()).files.size).toBe(1);
    expect(fieldsOf(await readLog())).toContain('zone_id');
    expect(await held()).toEqual([cells('n1', null), cells('n3', null)]);
  });
});
