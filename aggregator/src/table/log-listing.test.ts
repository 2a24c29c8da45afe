// Listing a log by blocks. Oracle: the numbers that the test put into the store.
import { describe, expect, test } from 'vitest';
import type { ObjectStore } from '../store/store.ts';
import { DeltaLog } from './delta-log.ts';
import { checkpointKey, entryKey } from './log-keys.ts';
import { listLogFrom } from './log-listing.ts';
import { PROTOCOL } from './protocol.ts';

const ROOT = 'demo/flows';

/** A store that lists everything with a prefix, and says how much that was. */
function bucket() {
  const objects = new Map<string, Uint8Array>();
  let listed = 0;
  const unused = async (): Promise<never> => {
    throw new Error('not needed here');
  };
  const store: ObjectStore = {
    get: async (key: string) => objects.get(key),
    list: async function* (prefix: string, startAfter = '') {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
      listed += keys.length;
      yield* keys.filter((key) => key > startAfter);
    },
    putIfAbsent: async (key: string, content: Uint8Array) => {
      if (objects.has(key)) return 'exists';
      objects.set(key, content);
      return 'created';
    },
    listFolders: unused,
    put: unused,
    delete: unused,
    scratchDirectory: '',
    describe: () => 'bucket',
  };
  return {
    store,
    objects,
    /** Keys that were looked at since the last time. */
    takeListed: () => {
      const count = listed;
      listed = 0;
      return count;
    },
  };
}

async function from(store: ObjectStore, version: number): Promise<string[]> {
  const found: string[] = [];
  for await (const object of listLogFrom(store, ROOT, version)) found.push(`${object.kind} ${object.version}`);
  return found;
}

describe('a log of 250 entries, with checkpoints', () => {
  const CHECKPOINTS = [57, 99, 100, 199, 249];
  function make(oldest = 0) {
    const made = bucket();
    for (let version = oldest; version < 250; version++) made.objects.set(entryKey(ROOT, version), Buffer.of(0));
    for (const version of CHECKPOINTS) made.objects.set(checkpointKey(ROOT, version), Buffer.of(0));
    made.objects.set(`${ROOT}/_delta_log/_last_checkpoint`, Buffer.of(0));
    return made;
  }
  const expected = (first: number): string[] =>
    Array.from({ length: 250 }, (_, version) => [
      ...(CHECKPOINTS.includes(version) ? [`checkpoint ${version}`] : []),
      `entry ${version}`,
    ])
      .slice(first)
      .flat();

  test.each([-1, 0, 1, 57, 99, 100, 101, 199, 200, 248, 249])('from version %i on', async (version) => {
    const { store } = make();
    expect(await from(store, version)).toEqual(expected(Math.max(0, version)));
  });

  test('near its end few keys are looked at', async () => {
    const { store, takeListed } = make();
    await from(store, 248);
    expect(takeListed()).toBe(51);
    await from(store, 199);
    expect(takeListed()).toBe(102 + 51);
  });

  test('a version that was cleaned away, or never was, gives what there is after it', async () => {
    const { store } = make(120);
    expect(await from(store, 50)).toEqual(['checkpoint 57', 'checkpoint 99', 'checkpoint 100', ...expected(120)]);
    expect(await from(store, 119)).toEqual(expected(120));
    expect(await from(store, 250)).toEqual([]);
    expect(await from(bucket().store, 7)).toEqual([]);
  });
});

test('a replica that follows a log looks at a block, also when it slept for several', async () => {
  const { store, takeListed } = bucket();
  const writer = new DeltaLog(store, ROOT);
  const append = async (): Promise<void> => {
    const commitInfo = { commitId: `c${writer.version}` };
    const first = writer.version < 0 ? { protocol: PROTOCOL } : {};
    expect(await writer.append({ commitInfo, ...first, txns: [], adds: [], removes: [] })).toBe(true);
  };
  const reader = new DeltaLog(store, ROOT);
  await append();
  await reader.refresh();
  for (let version = 1; version < 450; version++) {
    await append();
    if (version > 200 && version < 405) continue;
    takeListed();
    await reader.refresh();
    expect(reader.version).toBe(version);
    expect(takeListed()).toBeLessThanOrEqual(version === 405 ? 206 : 101);
  }
});
