import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openDirectoryStore } from '../store/directory-store.ts';
import { arbitraryFlowRow } from '../table/flow-row.testing.ts';
import { openFlowTable } from '../table/flow-table.ts';
import { STORED_ROW_SELECTION, storedRow } from './stored-row.ts';

const ROWS = 200;

test('rows come back as they were written, but for labels and ids of zones', async () => {
  const root = await mkdtemp(join(tmpdir(), 'flowtoll-stored-'));
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const seed = Number(process.env['FLOWTOLL_SEED'] ?? fc.sample(fc.integer(), 1)[0]);
    // A name of its own for each, to find it again.
    const rows = fc.sample(arbitraryFlowRow, { numRuns: ROWS, seed }).map((row, i) => ({ ...row, node: `n${i}` }));
    const table = await openFlowTable(await openDirectoryStore(root), { cluster: 'demo', clock: () => 0 });
    await table.commit([{ epoch: 'e', sequence: 1 }], (_, buffer) => {
      for (const row of rows) buffer.append(row);
    });
    await table.close();
    const files = `read_parquet('${root}/demo/flows/**/*.parquet', hive_partitioning = false)`;
    const reader = await connection.runAndReadAll(`SELECT ${STORED_ROW_SELECTION} FROM ${files}`);
    const found = new Map(reader.getRows().map((values) => [String(storedRow(values).node), storedRow(values)]));
    for (const row of rows) {
      expect(found.get(row.node), `FLOWTOLL_SEED=${seed} repeats it`).toEqual({
        ...row,
        labels: null,
        zoneId: null,
        peerZoneId: null,
      });
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
    await rm(root, { recursive: true });
  }
});
