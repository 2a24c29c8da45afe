import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEndpointRecorder } from './endpoint-recorder.ts';
import type { NodeObject, PodObject } from './model/cluster-objects.ts';
import { FlowtollError } from './model/errors.ts';
import { followOtherClusters } from './other-clusters-follower.ts';
import { DirectoryStore } from './store/directory-store.ts';
import type { ObjectStore } from './store/store.ts';
import { openFlowTable } from './table/flow-table.ts';
import { ClusterIndex } from './topology/cluster/cluster-index.ts';
import { OtherClusters } from './topology/others/other-clusters.ts';
import { maintain } from './upkeep/maintain.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const KEEP_MS = 24 * HOUR_MS;
const T0 = Date.UTC(2026, 0, 31, 12);

let folder: string;
let store: DirectoryStore;
let nowMs: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flowtoll-others-'));
  store = new DirectoryStore(folder);
  mkdirSync(store.scratchDirectory, { recursive: true });
  nowMs = T0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const NODE: NodeObject = {
  ...{ uid: 'n-1', name: 'node-a', addresses: ['10.0.0.10'], podCidrs: [], createdUs: (T0 - HOUR_MS) * 1000 },
  ...{ providerId: 'aws:///eu-west-1a/i-1', labels: { 'topology.kubernetes.io/region': 'eu-west-1' } },
};

function pod(uid: string, address: string, startedMs: number): PodObject {
  return {
    ...{ uid, name: `pod-${uid}`, namespace: 'shop', nodeName: 'node-a', hostNetwork: false, phase: 'Running' },
    ...{
      addresses: [address],
      createdUs: startedMs * 1000,
      startedUs: startedMs * 1000,
      deletedUs: null,
      endedUs: null,
    },
    ...{ owner: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'cart', uid: 's-1' }, labels: {} },
  };
}

const parts = { schedule: () => () => undefined, random: () => 0, now: () => nowMs };

/** An aggregator of another cluster, which writes what it hears. */
function writer(cluster: string, keepMs = KEEP_MS) {
  const index = new ClusterIndex({ keepMs });
  const log = { info: () => undefined, warn: (fields: object) => expect(fields).toBeUndefined() };
  const recorder = createEndpointRecorder({ cluster, keepMs }, { ...parts, store, index, log });
  return {
    async hear(...pods: readonly PodObject[]) {
      index.put('nodes', NODE, nowMs * 1000);
      for (const one of pods) index.put('pods', one, nowMs * 1000);
      await this.record();
    },
    async node(node: NodeObject) {
      index.heard('nodes', nowMs * 1000);
      index.put('nodes', node, nowMs * 1000);
      await this.record();
    },
    async record() {
      index.heard('nodes', nowMs * 1000);
      index.heard('pods', nowMs * 1000);
      nowMs += 10_000;
      await recorder.record();
    },
    async gone(uid: string) {
      index.remove('pods', uid, undefined, nowMs * 1000);
      await this.record();
    },
  };
}

const NOBODY = {
  ...{ lookupNode: () => undefined, lookupAddress: () => undefined, lookupPrefix: () => undefined },
  ...{ lookupNodePort: () => undefined, inClusterRanges: () => false },
};

/** Ours. */
function reader(of: ObjectStore = store, keepMs = KEEP_MS, holdingsMax = 1000) {
  const said: string[] = [];
  const others = new OtherClusters(
    { ranges: [{ name: 'lab', ranges: [] }], keepMs, holdingsMax },
    { snapshot: () => NOBODY },
    ({ cluster }) => said.push(`overlap ${cluster}`),
  );
  const log = {
    info: (_: object, message: string) => void said.push(message),
    warn: ({ err }: { err?: unknown }, message: string) => void said.push(`${message}: ${err}`),
  };
  const follower = followOtherClusters({ cluster: 'home', keepMs }, { ...parts, store: of, others, log });
  const nameAt = (address: string, startMs: number) => {
    const identity = others.lookupAddress(address, startMs * 1000, (startMs + 60_000) * 1000)?.identity;
    return identity?.kind === 'pod' ? `${identity.node.cluster}/${identity.name}` : identity;
  };
  return { follower, others, said, nameAt };
}

describe('other clusters under the same root', () => {
  test('are found and read on; the own one, one that is never named, and folders of others are not', async () => {
    const eu = writer('eu');
    await eu.hear(pod('1', '10.8.0.1', T0 - HOUR_MS));
    for (const cluster of ['home', 'lab']) await writer(cluster).hear(pod(`${cluster}-1`, '10.9.0.1', T0 - HOUR_MS));
    await openFlowTable(store, { cluster: 'without-kubernetes', clock: () => nowMs }).then((table) => table.close());
    await store.put('.odd/x', Buffer.from(''));
    await store.put('odd name/x', Buffer.from(''));
    const { follower, others, said, nameAt } = reader();
    await follower.read();
    expect(said).toEqual(['addresses of another cluster are known']);
    expect(others.counts).toEqual({ clusters: 1, holdings: 2, dropped: 0, overlapping: 0 });
    expect(nameAt('10.8.0.1', T0 - 60_000)).toBe('eu/pod-1');
    expect(nameAt('10.9.0.1', T0)).toBeUndefined();

    // A pod goes, another gets its address.
    nowMs = T0 + HOUR_MS;
    await eu.gone('1');
    nowMs += 60_000;
    await eu.hear(pod('2', '10.8.0.1', nowMs));
    await follower.read();
    expect(nameAt('10.8.0.1', T0 + HOUR_MS / 2)).toBe('eu/pod-1');
    expect(nameAt('10.8.0.1', nowMs - 5000)).toBe('eu/pod-2');
    expect(follower.counts).toEqual({ failures: 0 });
    expect(said).toHaveLength(1);
  });

  test('are known as of their time by whoever starts later, from compacted files, too', async () => {
    const eu = writer('eu');
    await openFlowTable(store, { cluster: 'eu', clock: () => nowMs }).then((table) => table.close());
    const early = reader();
    await early.follower.read();
    for (let i = 1; i <= 12; i++) {
      await eu.hear(pod(`${i}`, `10.8.0.${i}`, nowMs - HOUR_MS));
      if (i === 6) await early.follower.read();
      nowMs += 60_000;
    }
    await eu.gone('3');
    nowMs += 2 * HOUR_MS;
    expect(await upkeep('eu')).toEqual(['compact 13 files']);
    const late = reader();
    for (const { follower, nameAt, others } of [early, late]) {
      await follower.read();
      expect(others.counts).toMatchObject({ holdings: 13 });
      for (let i = 1; i <= 12; i++) expect(nameAt(`10.8.0.${i}`, T0)).toBe(`eu/pod-${i}`);
      expect(nameAt('10.8.0.3', nowMs - HOUR_MS)).toBeUndefined();
    }
  });

  test.each([
    [1, 30 * 24],
    [30 * 24, 1],
    [24, 1],
  ])('that keep names for %i h are named by those that keep them for %i h, at any time', async (written, read) => {
    const eu = writer('eu', written * HOUR_MS);
    await eu.hear(pod('1', '10.8.0.1', T0 - HOUR_MS));
    const early = reader(store, read * HOUR_MS);
    for (let halfHours = 0; halfHours <= 60; halfHours++) {
      await early.follower.read();
      expect(early.nameAt('10.8.0.1', nowMs - 60_000)).toBe('eu/pod-1');
      if (halfHours % 20 === 0) {
        const late = reader(store, read * HOUR_MS);
        await late.follower.read();
        expect(late.nameAt('10.8.0.1', nowMs - 60_000)).toBe('eu/pod-1');
      }
      nowMs += HOUR_MS / 2 - 10_000;
      await eu.record();
    }
  });

  test('what there is no room for is counted, whether it was read or not', async () => {
    const eu = writer('eu');
    await eu.hear(...[1, 2, 3, 4, 5].map((i) => pod(`${i}`, `10.8.0.${i}`, T0 - HOUR_MS)));
    const { follower, others } = reader(store, KEEP_MS, 4);
    await follower.read();
    // Five pods and a node.
    expect(others.counts).toMatchObject({ holdings: 4, dropped: 2 });
    nowMs += 60_000;
    await eu.hear(pod('6', '10.8.0.6', nowMs));
    await follower.read();
    expect(others.counts).toMatchObject({ holdings: 4, dropped: 3 });
  });

  test('a node that gets its address back has it, for whoever reads on and for whoever starts later', async () => {
    const eu = writer('eu');
    const early = reader();
    const has = (...addresses: string[]) => eu.node({ ...NODE, addresses });
    await has('10.0.0.10');
    await early.follower.read();
    for (const address of ['10.0.0.11', '10.0.0.10', '10.0.0.12', '10.0.0.10']) {
      nowMs += HOUR_MS;
      await has(address);
      if (address === '10.0.0.12') await early.follower.read();
    }
    const endMs = nowMs;
    nowMs += 60_000;
    await eu.record();
    const late = reader();
    for (const { follower, others } of [early, late]) {
      await follower.read();
      const nodeAt = (address: string, startMs: number) =>
        others.lookupAddress(address, startMs * 1000, (startMs + 60_000) * 1000)?.certainty;
      const halves = [0.5, 1.5, 2.5, 3.5].map((hours) => nodeAt('10.0.0.10', T0 + hours * HOUR_MS));
      expect(halves).toEqual(['exact', undefined, 'exact', undefined]);
      expect(nodeAt('10.0.0.10', endMs)).toBe('exact');
    }
    // The same for a replica of its own cluster that starts when the node is gone.
    const index = new ClusterIndex({ keepMs: KEEP_MS });
    index.heard('nodes', nowMs * 1000);
    index.heard('pods', nowMs * 1000);
    const log = { info: () => undefined, warn: (fields: object) => expect(fields).toBeUndefined() };
    await createEndpointRecorder({ cluster: 'eu', keepMs: KEEP_MS }, { ...parts, store, index, log }).load();
    const own = [0.5, 1.5, 2.5, 3.5].map((hours) => {
      const startUs = (T0 + hours * HOUR_MS) * 1000;
      return index.lookupAddress('10.0.0.10', startUs, startUs + 60e6)?.certainty;
    });
    expect(own).toEqual(['exact', undefined, 'exact', undefined]);
  });

  test('are forgotten after 31 days, and their files go a week later', async () => {
    const eu = writer('eu');
    await openFlowTable(store, { cluster: 'eu', clock: () => nowMs }).then((table) => table.close());
    await eu.hear(pod('1', '10.8.0.1', T0));
    const files = async () => {
      const keys: string[] = [];
      for await (const key of store.list('eu/endpoints/date=')) keys.push(key);
      return keys.length;
    };
    nowMs += 31 * DAY_MS;
    expect(await upkeep('eu')).toEqual([]);
    nowMs += DAY_MS;
    expect(await upkeep('eu')).toEqual(['retention 1 files']);
    expect(await files()).toBe(1);
    nowMs += 8 * DAY_MS;
    expect(await upkeep('eu')).toContain('vacuum 1 files');
    expect(await files()).toBe(0);
  });

  test('what cannot be read is said once, counted, and read later', async () => {
    let isAway: 'list' | 'get' | undefined = 'list';
    const away = new Proxy<ObjectStore>(store, {
      get(target, name) {
        const fails = isAway === 'list' ? name === 'listFolders' : isAway === 'get' && name === 'get';
        if (fails) throw new FlowtollError('STORE_UNAVAILABLE', `no ${String(name)} today`);
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    await writer('eu').hear(pod('1', '10.8.0.1', T0 - HOUR_MS));
    const { follower, said, nameAt } = reader(away);
    await follower.read();
    expect(said.splice(0)).toEqual([
      expect.stringMatching(/other clusters .*could not be listed.*no listFolders today/),
    ]);
    isAway = 'get';
    for (let round = 0; round < 3; round++) await follower.read();
    expect(said.splice(0)).toEqual([expect.stringMatching(/addresses of cluster eu could not be read.*no get today/)]);
    expect(follower.counts.failures).toBe(4);
    isAway = undefined;
    await follower.read();
    expect(nameAt('10.8.0.1', T0)).toBe('eu/pod-1');
  });
});

/** Upkeep of a cluster's tables; says which steps it took for `endpoints`. */
async function upkeep(cluster: string): Promise<string[]> {
  const steps: string[] = [];
  await maintain(store, {
    ...{ cluster, clock: () => nowMs, keepFlowsMs: KEEP_MS, keepCostsMs: KEEP_MS },
    onStep: ({ table, step, count, what }) => {
      if (table === 'endpoints') steps.push(`${step} ${count} ${what}`);
    },
  });
  return steps;
}
