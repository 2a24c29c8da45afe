// `flowtoll maintain` as its users meet it: what it prints, when it ends and how. On real tables in a directory.
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
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
  pauses = [];
  pausedMs = [];
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
  maintainCommand(output, clock, pause).parseAsync(['--store', directory, ...args], { from: 'user' });

/** What happens in the pauses between rounds, in turn; the last one ends the command. */
let pauses: (() => Promise<void>)[] = [];
let pausedMs: number[] = [];
async function pause(ms: number): Promise<void> {
  pausedMs.push(ms);
  const next = pauses.shift();
  if (next === undefined) throw new Error('enough');
  await next();
}

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

describe('again and again', () => {
  const MINUTE_MS = 60_000;
  const nothing = async (): Promise<void> => undefined;
  const rounds = (text: string): number => text.match(/nothing to do|rolled up/g)?.length ?? 0;

  test('rounds follow one another after the interval', async () => {
    await makeTable('demo');
    pauses = [nothing, nothing];
    await expect(run('--interval', '7m')).rejects.toThrow('enough');
    expect(pausedMs).toEqual([7 * MINUTE_MS, 7 * MINUTE_MS, 7 * MINUTE_MS]);
    expect(rounds(printed)).toBe(3);
    expect(remarks).toBe('');
  });

  test('a store that is away for a time is told, tried again ever later, and then as before', async () => {
    await makeTable('demo');
    const away = `${directory}-away`;
    // A file in the place of the volume: nothing below it can be read or written.
    const unmount = async (): Promise<void> => {
      await rename(directory, away);
      await writeFile(directory, '');
    };
    const mount = async (): Promise<void> => {
      await rm(directory);
      await rename(away, directory);
    };
    pauses = [unmount, nothing, nothing, mount, nothing];
    await expect(run('--interval', '3m')).rejects.toThrow('enough');
    expect(pausedMs).toEqual([3, 1, 2, 3, 3, 3].map((minutes) => minutes * MINUTE_MS));
    expect(rounds(printed)).toBe(3);
    expect(remarks.match(/^flowtoll: STORE_UNAVAILABLE: .*$/gm)).toHaveLength(3);
  });

  test.each([[], ['--cluster', 'demo']])('no table is made where a volume is not mounted (%s)', async (...args) => {
    await makeTable('demo');
    const away = `${directory}-away`;
    const unmount = async (): Promise<void> => {
      await rename(directory, away);
      await mkdir(directory);
    };
    const mount = async (): Promise<void> => {
      expect((await readdir(directory)).filter((name) => !name.startsWith('.'))).toEqual([]);
      await rm(directory, { recursive: true });
      await rename(away, directory);
    };
    pauses = [unmount, mount];
    await expect(run(...args)).rejects.toThrow('enough');
    expect(rounds(printed)).toBe(2);
    expect(remarks).toMatch(/^flowtoll: QUERY_INVALID: .* name the store that the aggregator writes \(--store\)/);
    expect(remarks.trim().split('\n')).toHaveLength(1);
  });

  test('files that stay damaged are told with every round', async () => {
    await makeTable('demo');
    await damage('demo');
    pauses = [nothing];
    await expect(run()).rejects.toThrow('enough');
    expect(remarks.match(/^flowtoll: UPKEEP_INCOMPLETE: /gm)).toHaveLength(2);
  });

  test('no table at the first round, and one that cannot be read, end it', async () => {
    await expect(run()).rejects.toMatchObject({ code: 'QUERY_INVALID' });
    await expect(run('--cluster', 'demo')).rejects.toMatchObject({ code: 'QUERY_INVALID' });
    await makeTable('demo');
    pauses = [
      () =>
        writeFile(
          join(directory, 'demo', 'flows', '_delta_log', `${'11'.padStart(20, '0')}.json`),
          '{"protocol":{"minReaderVersion":3,"minWriterVersion":7}}',
        ),
    ];
    await makeTable('other');
    await expect(run()).rejects.toMatchObject({ code: 'TABLE_INVALID' });
    expect(printed.match(/^other: nothing to do$/gm), 'the others had theirs').toHaveLength(1);
  });
});
