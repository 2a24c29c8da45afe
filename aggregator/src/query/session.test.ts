import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { QuerySession } from './session.ts';

const ENDLESS = 'SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b';
const CANCELLED = { code: 'QUERY_INVALID', message: 'the statement was cancelled' };

let session: QuerySession;
beforeEach(async () => {
  session = await QuerySession.open({ tables: [], root: tmpdir() });
});
afterEach(() => session.close());

describe('a statement that is cancelled ends, and the next one runs', () => {
  // From before its first step to somewhere within: each turn of the event loop is a step.
  for (const turns of [0, 1, 2, 3, 5, 10, 30, 100]) {
    test(`after ${turns} turns`, async () => {
      const running = session.queryAll(ENDLESS);
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      session.cancel();
      await expect(running).rejects.toMatchObject(CANCELLED);
      expect(await session.queryAll('SELECT 42')).toEqual([[42]]);
    });
  }

  test('while its rows are read', async () => {
    const { chunks } = await session.query('SELECT range FROM range(1000000000)');
    const reading = (async () => {
      for await (const _ of chunks) session.cancel();
    })();
    await expect(reading).rejects.toMatchObject(CANCELLED);
    expect(await session.queryAll('SELECT 42')).toEqual([[42]]);
  });

  test('a table that is being kept', async () => {
    const keeping = session.keep('kept', ENDLESS);
    session.cancel();
    await expect(keeping).rejects.toMatchObject(CANCELLED);
  });
});
