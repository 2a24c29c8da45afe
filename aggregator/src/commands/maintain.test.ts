// `flowtoll maintain` as its users meet it: what it prints, when it ends and how. On real tables in a directory.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDirectoryStore } from '../store/directory-store.ts';
import { flowRow } from '../table/flow-row.testing.ts';
import { openFlowTable } from '../table/flow-table.ts';
import { maintainCommand } from './maintain.ts';

const HOUR_MS = 3_600_000;
const BEGIN_MS = Date.UTC(2026, 0, 31, 12);

let directory: string;
let nowMs: number;
let printed: string;
let remarks: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-maintain-'));
  nowMs = BEGIN_MS;
  printed = '';
  remarks = '';
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const clock = () => nowMs;
const output = () => ({
  write: async (text: string) => {
    printed += text;
  },
  remark: (text: string) => {
    remarks += text;
  },
});

/** Nine commits on one day that is over, and one on the next. */
async function makeTable(cluster: string): Promise<void> {
  nowMs = BEGIN_MS;
  const table = await openFlowTable(await openDirectoryStore(directory), { cluster, clock });
  for (let sequence = 1; sequence <= 10; sequence++) {
    if (sequence === 10) nowMs += 24 * HOUR_MS;
    const row = flowRow({ cluster, windowStartUs: (nowMs - 60_000) * 1000, windowEndUs: nowMs * 1000 });
    await table.commit([{ epoch: 'a', sequence }], (_, rows) => rows.append(row));
  }
  await table.close();
}

const run = (...args: string[]) =>
  maintainCommand(output, clock).parseAsync(['--store', directory, ...args], { from: 'user' });

/** Breaks the data files of a cluster that were written first. */
async function damage(cluster: string): Promise<void> {
  const folder = join(directory, cluster, 'flows', 'date=2026-01-31');
  for (const name of await readdir(folder)) await writeFile(join(folder, name), 'not Parquet any more');
}

describe('--once', () => {
  test('says what was done', async () => {
    await makeTable('demo');
    await run('--once');
    expect(printed).toBe('demo: costs_hourly: rolled up 10 versions\ndemo: flows: compacted 9 files\n');
    expect(remarks).toBe('');
  });

  test('one cluster whose files are damaged is an error, and the others have their upkeep', async () => {
    await makeTable('bad');
    await makeTable('good');
    await damage('bad');
    await expect(run('--once')).rejects.toMatchObject({
      code: 'UPKEEP_INCOMPLETE',
      message: expect.stringMatching(
        /^upkeep of bad\/flows could not do everything; costs_hourly: roll-up \(.*magic bytes/,
      ),
    });
    expect(printed).toBe('good: costs_hourly: rolled up 10 versions\ngood: flows: compacted 9 files\n');
  });

  test('every cluster that failed is told', async () => {
    for (const cluster of ['a', 'b', 'c']) {
      await makeTable(cluster);
      await damage(cluster);
    }
    await expect(run('--once')).rejects.toMatchObject({ message: expect.stringContaining('upkeep of c/flows') });
    expect(remarks).toMatch(
      /^flowtoll: UPKEEP_INCOMPLETE: upkeep of a\/flows .*\nflowtoll: UPKEEP_INCOMPLETE: upkeep of b\/flows .*\n$/,
    );
  });
});
