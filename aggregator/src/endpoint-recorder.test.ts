import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEndpointRecorder } from './endpoint-recorder.ts';
import type { NodeObject, PodObject } from './model/cluster-objects.ts';
import { FlowtollError } from './model/errors.ts';
import { DirectoryStore } from './store/directory-store.ts';
import type { ObjectStore } from './store/store.ts';
import { DeltaLog } from './table/delta-log.ts';
import { knownUntilMs } from './table/endpoint-known-until.ts';
import { ClusterIndex } from './topology/cluster/cluster-index.ts';

const HOUR_MS = 3_600_000;
const T0 = Date.UTC(2026, 0, 31, 12);

const NODE: NodeObject = {
  ...{ uid: 'n-1', name: 'node-a', addresses: ['10.0.0.10'], podCidrs: [], createdUs: (T0 - HOUR_MS) * 1000 },
  ...{ providerId: 'aws:///eu-west-1a/i-1', labels: { 'topology.kubernetes.io/region': 'eu-west-1' } },
};

function pod(uid: string, name: string, startedMs: number): PodObject {
  return {
    ...{ uid, name, namespace: 'shop', nodeName: 'node-a', hostNetwork: false, phase: 'Running', endedUs: null },
    ...{ addresses: ['10.244.0.5'], createdUs: startedMs * 1000, startedUs: startedMs * 1000, deletedUs: null },
    owner: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'cart', uid: 's-1' },
    labels: { app: 'cart' },
  };
}

describe('the table endpoints', () => {
  let folder: string;
  let store: ObjectStore;
  let nowMs: number;
  const warnings: string[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'flowtoll-endpoints-'));
    store = new DirectoryStore(folder);
    mkdirSync(store.scratchDirectory, { recursive: true });
    nowMs = T0;
    warnings.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function replica(over: ObjectStore = store, keepMs = 24 * HOUR_MS, loadedMax = 1000) {
    const index = new ClusterIndex({ keepMs });
    const recorder = createEndpointRecorder(
      { cluster: 'prod', keepMs, loadedMax },
      {
        ...{ store: over, index, now: () => nowMs, schedule: () => () => undefined, random: () => 0 },
        log: {
          info: () => undefined,
          warn: ({ err }: { err?: unknown }, message: string) => void warnings.push(`${message}: ${err}`),
        },
      },
    );
    return { index, recorder };
  }
  const hear = (index: ClusterIndex, pods: readonly PodObject[], nodes: readonly NodeObject[] = [NODE]): void => {
    for (const node of nodes) index.put('nodes', node, nowMs * 1000);
    for (const one of pods) index.put('pods', one, nowMs * 1000);
    index.heard('nodes', nowMs * 1000);
    index.heard('pods', nowMs * 1000);
  };
  const owner = (index: ClusterIndex, fromMs: number) =>
    index.lookupAddress('10.244.0.5', fromMs * 1000, (fromMs + 60_000) * 1000);

  test('a pod that died, and its node, are named by a replica that started later', async () => {
    const first = replica();
    hear(first.index, [pod('p-1', 'cart-0', T0)]);
    nowMs += 10_000;
    await first.recorder.record();
    nowMs = T0 + HOUR_MS;
    first.index.heard('pods', nowMs * 1000);
    first.index.remove('pods', 'p-1', undefined, nowMs * 1000);
    first.index.remove('nodes', 'n-1', undefined, nowMs * 1000);
    await first.recorder.stop();
    nowMs = T0 + 5 * HOUR_MS;
    const second = replica();
    hear(second.index, [pod('p-2', 'other-0', T0 + 4 * HOUR_MS)], []);
    await second.recorder.load();
    expect(warnings).toEqual([]);
    expect(owner(second.index, T0 + HOUR_MS / 2)).toEqual({
      certainty: 'exact',
      identity: {
        ...{ kind: 'pod', namespace: 'shop', name: 'cart-0', workloadKind: 'StatefulSet', workload: 'cart' },
        labels: { app: 'cart' },
        node: expect.objectContaining({ name: 'node-a', provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a' }),
      },
    });
    expect(owner(second.index, T0 + 4.5 * HOUR_MS)).toMatchObject({
      certainty: 'exact',
      identity: { name: 'other-0' },
    });
    expect(owner(second.index, T0 + 2 * HOUR_MS)).toBeUndefined();
  });

  test('whoever died while no replica listened held the address for certain until it was recorded, and maybe later', async () => {
    const first = replica();
    hear(first.index, [pod('p-1', 'cart-0', T0)]);
    nowMs = T0 + 600_000;
    first.index.heard('pods', nowMs * 1000);
    await first.recorder.record();
    nowMs = T0 + 2 * HOUR_MS;
    const second = replica();
    hear(second.index, []);
    await second.recorder.load();
    expect(owner(second.index, T0 + 300_000)).toMatchObject({ certainty: 'exact', identity: { name: 'cart-0' } });
    expect(owner(second.index, T0 + HOUR_MS)).toMatchObject({ certainty: 'stale', identity: { name: 'cart-0' } });
    // It is written that it ended, so that the next replica knows.
    await second.recorder.record();
    const third = replica();
    hear(third.index, []);
    await third.recorder.load();
    expect(owner(third.index, T0 + HOUR_MS)).toMatchObject({ certainty: 'stale', identity: { name: 'cart-0' } });
  });

  test('a pod that lives on is one holder', async () => {
    const first = replica();
    hear(first.index, [pod('p-1', 'cart-0', T0)]);
    nowMs += 10_000;
    await first.recorder.record();
    nowMs += HOUR_MS;
    const second = replica();
    hear(second.index, [pod('p-1', 'cart-0', T0)]);
    await second.recorder.load();
    expect(second.recorder.counts.loaded).toBe(0);
    expect(owner(second.index, T0 + 60_000)).toMatchObject({ certainty: 'exact', identity: { name: 'cart-0' } });
  });

  test('what is written stays written; what is open is written again after half of the keep period', async () => {
    const { index, recorder } = replica();
    hear(index, [pod('p-1', 'cart-0', T0)]);
    nowMs += 10_000;
    await recorder.record();
    expect(recorder.counts.rows).toBe(2);
    await recorder.record();
    expect(recorder.counts.rows).toBe(2);
    nowMs += 12 * HOUR_MS + 1000;
    await recorder.record();
    expect(recorder.counts.rows).toBe(4);
  });

  test('what is open is written again after twelve hours, however long names are kept', async () => {
    const { index, recorder } = replica(store, 30 * 24 * HOUR_MS);
    hear(index, [pod('p-1', 'cart-0', T0)]);
    nowMs += 10_000;
    await recorder.record();
    nowMs += 12 * HOUR_MS - 1000;
    await recorder.record();
    expect(recorder.counts.rows).toBe(2);
    nowMs += 2000;
    await recorder.record();
    expect(recorder.counts.rows).toBe(4);
  });

  test('a replica that keeps names for an hour has those of pods that were recorded half a day ago', async () => {
    const first = replica();
    hear(first.index, [pod('p-1', 'cart-0', T0)]);
    nowMs += 10_000;
    await first.recorder.record();
    nowMs = T0 + 11 * HOUR_MS;
    const second = replica(store, HOUR_MS);
    hear(second.index, []);
    await second.recorder.load();
    expect(owner(second.index, nowMs - HOUR_MS / 2)).toMatchObject({
      certainty: 'stale',
      identity: { name: 'cart-0' },
    });
  });

  test('what is too much to load is counted and said', async () => {
    const first = replica();
    const pods = [1, 2, 3].map((i) => ({ ...pod(`p-${i}`, `cart-${i}`, T0), addresses: [`10.244.0.${i}`] }));
    hear(first.index, pods);
    nowMs += 10_000;
    await first.recorder.record();
    const second = replica(store, 24 * HOUR_MS, 2);
    hear(second.index, []);
    await second.recorder.load();
    expect(second.recorder.counts).toMatchObject({ leftOut: 2 });
    expect(warnings.splice(0)).toEqual([expect.stringMatching(/not all names .* could be loaded/)]);
  });

  test('whose end was heard of while the table was read ended then, here and in the table', async () => {
    const first = replica();
    hear(first.index, [pod('p-1', 'cart-0', T0)]);
    nowMs += 10_000;
    await first.recorder.record();
    const startMs = T0 + HOUR_MS;
    const endMs = startMs + 300_000;
    let second: ReturnType<typeof replica> | undefined;
    const slow = new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        // Between the log, which says that both last, and the rows.
        if (name === 'localPath' && second !== undefined) {
          nowMs = endMs;
          second.index.heard('pods', nowMs * 1000);
          second.index.heard('nodes', nowMs * 1000);
          second.index.remove('pods', 'p-1', undefined, nowMs * 1000);
          second.index.remove('nodes', 'n-1', undefined, nowMs * 1000);
          second = undefined;
        }
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const started = replica(slow);
    nowMs = startMs;
    hear(started.index, [pod('p-1', 'cart-0', T0)]);
    second = started;
    await started.recorder.load();
    expect(second).toBeUndefined();
    expect(owner(started.index, endMs - 70_000)).toMatchObject({ certainty: 'exact', identity: { name: 'cart-0' } });
    await started.recorder.record();
    const third = replica();
    hear(third.index, [], []);
    await third.recorder.load();
    expect(owner(third.index, endMs - 70_000)).toMatchObject({ certainty: 'exact', identity: { name: 'cart-0' } });
    const nodeAt = third.index.lookupAddress('10.0.0.10', (endMs - 70_000) * 1000, (endMs - 10_000) * 1000);
    expect(nodeAt?.certainty).toBe('exact');
  });

  test('it is said until when all is known, with rows and without, about once a minute and by one of two replicas', async () => {
    const [one, other] = [replica(), replica()];
    const known = async () => {
      const log = new DeltaLog(store, 'prod/endpoints');
      await log.refresh();
      return { version: log.version, knownMs: knownUntilMs(log) };
    };
    hear(one.index, [pod('p-1', 'cart-0', T0)]);
    hear(other.index, [pod('p-1', 'cart-0', T0)]);
    nowMs += 10_000;
    await one.recorder.record();
    expect(await known()).toEqual({ version: 1, knownMs: T0 });
    nowMs += 60_000;
    // Nothing was heard since: nothing new can be said.
    await one.recorder.record();
    expect(await known()).toEqual({ version: 1, knownMs: T0 });
    for (const { index } of [one, other]) {
      index.heard('pods', nowMs * 1000);
      index.heard('nodes', (nowMs + 1000) * 1000);
    }
    nowMs += 2000;
    await one.recorder.record();
    // What was heard in the last five seconds may not be in the table yet.
    expect(await known()).toEqual({ version: 2, knownMs: nowMs - 5000 });
    await other.recorder.record();
    // Its own rows, and nothing else.
    expect(other.recorder.counts.rows).toBe(2);
    expect(await known()).toEqual({ version: 3, knownMs: nowMs - 5000 });
    await other.recorder.record();
    expect(await known()).toMatchObject({ version: 3 });
  });

  test('what could not be written is written later', async () => {
    let isAway = true;
    const away = new Proxy(store, {
      get(target, name) {
        if (isAway && name === 'put') throw new FlowtollError('STORE_UNAVAILABLE', 'away');
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const { index, recorder } = replica(away);
    hear(index, [pod('p-1', 'cart-0', T0)]);
    nowMs += 10_000;
    await recorder.record();
    expect(recorder.counts).toMatchObject({ rows: 0, failures: 1 });
    expect(warnings.splice(0)).toHaveLength(1);
    isAway = false;
    await recorder.record();
    expect(recorder.counts).toMatchObject({ rows: 2, failures: 1 });
  });

  test('what could not be loaded at the start is loaded later, as of the start', async () => {
    const first = replica();
    const other = { ...pod('p-2', 'other-0', T0), addresses: ['10.244.0.6'] };
    hear(first.index, [pod('p-1', 'cart-0', T0), other]);
    nowMs += 10_000;
    await first.recorder.record();
    let isAway = true;
    const away = new Proxy(store, {
      get(target, name) {
        if (isAway && name === 'list') throw new FlowtollError('STORE_UNAVAILABLE', 'away');
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const second = replica(away);
    nowMs = T0 + HOUR_MS;
    hear(second.index, [other]);
    await second.recorder.load();
    expect(second.recorder.counts).toMatchObject({ loaded: 0, failures: 1 });
    expect(warnings.splice(0)).toEqual([expect.stringMatching(/could not be read: .*; it is tried again/)]);
    expect(owner(second.index, T0 + 60_000)).toBeUndefined();
    nowMs += HOUR_MS;
    second.index.heard('pods', nowMs * 1000);
    second.index.remove('pods', 'p-2', undefined, nowMs * 1000);
    await second.recorder.record();
    expect(warnings.splice(0)).toHaveLength(1);
    isAway = false;
    nowMs += HOUR_MS;
    await second.recorder.record();
    expect(second.recorder.counts).toMatchObject({ loaded: 2, failures: 2 });
    expect(owner(second.index, T0 + HOUR_MS / 2)).toMatchObject({ certainty: 'stale', identity: { name: 'cart-0' } });
    // It was gone an hour after it was recorded, when the second replica heard of the cluster.
    expect(owner(second.index, T0 + 2 * HOUR_MS)).toBeUndefined();
    await second.recorder.record();
    expect(second.recorder.counts.loaded).toBe(2);
    // Whose end was heard of meanwhile held the address until then, for those who load later, too.
    const third = replica();
    hear(third.index, []);
    await third.recorder.load();
    const startUs = (T0 + 1.5 * HOUR_MS) * 1000;
    expect(third.index.lookupAddress('10.244.0.6', startUs, startUs + 60e6)).toMatchObject({
      ...{ certainty: 'exact', identity: { name: 'other-0' } },
    });
  });

  test('the files are Parquet with the documented columns', async () => {
    const { index, recorder } = replica();
    hear(index, [pod('p-1', 'cart-0', T0)]);
    nowMs += 10_000;
    await recorder.record();
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const result = await connection.runAndReadAll(
      `SELECT address, kind, pod, node, epoch_ms(held_from), held_to, date::VARCHAR, cluster
         FROM read_parquet('${folder}/prod/endpoints/*/*.parquet', hive_partitioning = true) ORDER BY address`,
    );
    expect(result.getRows()).toEqual([
      ['10.0.0.10', 'node', null, 'node-a', BigInt(T0 - HOUR_MS), null, '2026-01-31', 'prod'],
      ['10.244.0.5', 'pod', 'cart-0', 'node-a', BigInt(T0), null, '2026-01-31', 'prod'],
    ]);
    connection.closeSync();
    instance.closeSync();
  });
});
