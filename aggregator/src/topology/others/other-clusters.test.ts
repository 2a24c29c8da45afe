import { beforeEach, describe, expect, test } from 'vitest';
import { type Prefix, parsePrefix } from '../../document/address.ts';
import type { AddressOwner, Topology } from '../../model/topology.ts';
import { OtherClusters, type Overlap } from './other-clusters.ts';
import { HOUR_US, nodeRowOf, rowOf, T0 } from './testing.ts';
import { withOtherClusters } from './with-other-clusters.ts';

const NOW = T0 + HOUR_US;
const rest = async () => undefined;

const own = new Map<string, AddressOwner>();
const ownTopology: Topology = {
  lookupNode: () => undefined,
  lookupAddress: (address) => own.get(address),
  lookupPrefix: () => undefined,
  lookupNodePort: () => undefined,
  inClusterRanges: (address) => address.startsWith('10.244.'),
};
const ownSource = { snapshot: () => ownTopology };

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text, false);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.value;
}

const overlaps: Overlap[] = [];
beforeEach(() => {
  own.clear();
  overlaps.length = 0;
});

function clusters(ranges: Readonly<Record<string, readonly string[]>> = {}): OtherClusters {
  const given = Object.entries(ranges).map(([name, texts]) => ({ name, ranges: texts.map(prefix) }));
  return new OtherClusters({ ranges: given, keepMs: 86_400_000 }, ownSource, (overlap) => overlaps.push(overlap));
}

/** Each address has a pod of the cluster. */
function fill(others: OtherClusters, cluster: string, addresses: readonly string[]): void {
  others.take(
    cluster,
    addresses.map((address) => rowOf(address, `${cluster}-pod-${address}`, { fromUs: T0, recordedUs: NOW })),
    NOW,
  );
  others.knownUntil(cluster, NOW);
}

const nameOf = (others: Pick<OtherClusters, 'lookupAddress'>, address: string) => {
  const owner = others.lookupAddress(address, NOW - 60e6, NOW);
  if (owner === undefined) return undefined;
  return 'name' in owner.identity ? owner.identity.name : undefined;
};

describe('names of other clusters', () => {
  test('where nothing overlaps, each is named', async () => {
    const others = clusters();
    fill(others, 'eu', ['10.8.0.5', 'fd00:8::5']);
    fill(others, 'us', ['10.9.0.5']);
    await others.compare(rest);
    expect(['10.8.0.5', 'fd00:8::5', '10.9.0.5', '10.7.0.5'].map((address) => nameOf(others, address))).toEqual([
      'eu-pod-10.8.0.5',
      'eu-pod-fd00:8::5',
      'us-pod-10.9.0.5',
      undefined,
    ]);
    expect(others.counts).toEqual({ clusters: 2, holdings: 3, dropped: 0, overlapping: 0 });
    expect(overlaps).toEqual([]);
  });

  test('an address in the own ranges is never another cluster’s, and shows that all of its pods may be meant by nobody', async () => {
    const others = clusters();
    fill(others, 'eu', ['10.8.0.5', '10.244.3.7']);
    others.take('eu', [nodeRowOf('172.30.0.1', 'node-a', T0)], NOW);
    expect(nameOf(others, '10.244.3.7')).toBeUndefined();
    await others.compare(rest);
    expect(nameOf(others, '10.8.0.5')).toBeUndefined();
    expect(nameOf(others, '172.30.0.1')).toBe('node-a');
    expect(overlaps).toEqual([{ cluster: 'eu', kind: 'pod', address: '10.244.3.7', other: undefined }]);
    await others.compare(rest);
    expect(overlaps).toHaveLength(1);
    expect(others.counts.overlapping).toBe(1);
  });

  test('an address that the own cluster holds at the same time shows it, too; one that it held later does not', async () => {
    own.set('172.31.0.9', {
      certainty: 'exact',
      identity: { kind: 'node', name: 'n', provider: null, region: null, zone: null, addresses: [] },
    });
    const late = clusters();
    late.take('eu', [rowOf('172.31.0.9', 'cart-0', { fromUs: NOW - 10e6, recordedUs: NOW })], NOW);
    late.knownUntil('eu', NOW);
    await late.compare(rest);
    expect(overlaps).toEqual([]);
    const others = clusters();
    fill(others, 'eu', ['172.31.0.9', '10.8.0.5']);
    await others.compare(rest);
    expect(overlaps).toEqual([{ cluster: 'eu', kind: 'pod', address: '172.31.0.9', other: undefined }]);
    expect(nameOf(others, '10.8.0.5')).toBeUndefined();
  });

  test('two others with one address are both not named, not even before they were compared', async () => {
    const others = clusters();
    fill(others, 'eu', ['10.8.0.5', '10.8.0.6']);
    fill(others, 'us', ['10.8.0.5', '10.9.0.6']);
    fill(others, 'ap', ['10.10.0.5']);
    expect(nameOf(others, '10.8.0.5')).toBeUndefined();
    await others.compare(rest);
    expect(overlaps.map(({ cluster, other }) => [cluster, other])).toEqual([
      ['eu', 'us'],
      ['us', 'eu'],
    ]);
    expect(['10.8.0.6', '10.9.0.6', '10.10.0.5'].map((address) => nameOf(others, address))).toEqual([
      undefined,
      undefined,
      'ap-pod-10.10.0.5',
    ]);
  });

  test('an address that a pod of a cluster without names has, too, is nobody’s', async () => {
    const others = clusters();
    fill(others, 'eu', ['10.244.3.7', '10.8.0.5', '10.8.0.6']);
    await others.compare(rest);
    expect(overlaps).toHaveLength(1);
    // Between two comparisons, and with an owner that begins too late to be compared.
    fill(others, 'us', ['10.8.0.5']);
    others.take('us', [rowOf('10.8.0.7', 'us-late', { fromUs: NOW - 10e6, recordedUs: NOW })], NOW);
    expect(nameOf(others, '10.8.0.5')).toBeUndefined();
    expect(nameOf(others, '10.8.0.7')).toBe('us-late');
    // Whose pod is gone there is not meant by a flow of now.
    const gone = { fromUs: T0, toUs: NOW - 120e6, recordedUs: NOW };
    others.take('eu', [rowOf('10.8.0.7', 'gone-0', gone)], NOW);
    expect(nameOf(others, '10.8.0.7')).toBe('us-late');
    others.take('eu', [nodeRowOf('10.8.0.8', 'node-a', T0)], NOW);
    expect(nameOf(others, '10.8.0.8')).toBe('node-a');
  });

  test('two that held an address before do not hide who has it now, in whichever order they were found', () => {
    const before = (name: string) => rowOf('10.8.0.5', name, { fromUs: T0, toUs: NOW - 120e6, recordedUs: NOW });
    const now = rowOf('10.8.0.5', 'new-0', { fromUs: NOW - 90e6, recordedUs: NOW });
    for (const order of [
      ['eu', 'us', 'ap'],
      ['eu', 'ap', 'us'],
      ['ap', 'eu', 'us'],
    ]) {
      const others = clusters();
      for (const name of order) {
        others.take(name, [name === 'ap' ? now : before(name)], NOW);
        others.knownUntil(name, NOW);
      }
      expect(nameOf(others, '10.8.0.5')).toBe('new-0');
    }
  });

  test('an address of several is who the operator says, in whichever order they were found', () => {
    const others = clusters({ ap: ['10.8.0.0/16'] });
    for (const name of ['eu', 'us', 'ap']) fill(others, name, ['10.8.0.5']);
    expect(nameOf(others, '10.8.0.5')).toBe('ap-pod-10.8.0.5');
  });

  test('comparing and forgetting are done in pieces, and find one shared address among many', async () => {
    let lookups = 0;
    const counting = {
      snapshot: () => ({
        ...ownTopology,
        lookupAddress(address: string) {
          lookups++;
          return own.get(address);
        },
      }),
    };
    const others = new OtherClusters({ ranges: [], keepMs: 86_400_000 }, counting, (overlap) => overlaps.push(overlap));
    const count = 60_000;
    const addressOf = (cluster: number, i: number) => `10.${cluster}.${i >> 8}.${i & 255}`;
    for (const [c, name] of ['eu', 'us', 'ap'].entries()) {
      const addresses = Array.from({ length: count }, (_, i) => addressOf(c, i));
      if (name === 'ap') addresses[count / 2] = addressOf(0, 777);
      fill(others, name, addresses);
    }
    const pieces: number[] = [];
    const takeRest = async () => {
      pieces.push(lookups);
      lookups = 0;
    };
    await others.compare(takeRest);
    await takeRest();
    expect(overlaps.map(({ cluster, address }) => [cluster, address]).sort()).toEqual([
      ['ap', '10.0.3.9'],
      ['eu', '10.0.3.9'],
    ]);
    // Those of the two are not compared any more once that is known.
    expect(pieces.reduce((sum, piece) => sum + piece)).toBeGreaterThan(count);
    expect(Math.max(...pieces)).toBeLessThanOrEqual(4000);
    pieces.length = 0;
    await others.expire(NOW, takeRest);
    expect(pieces.length).toBeGreaterThanOrEqual((3 * count) / 20_000);
    // All end at one time, and are forgotten a day later.
    for (const [c, name] of ['eu', 'us', 'ap'].entries()) {
      const ended = { fromUs: T0, toUs: NOW, recordedUs: NOW };
      const rows = Array.from({ length: count }, (_, i) => addressOf(c, i));
      others.take(
        name,
        rows.map((address) => rowOf(address, `${name}-pod-${address}`, ended)),
        NOW,
      );
    }
    pieces.length = 0;
    await others.expire(NOW + 25 * HOUR_US, takeRest);
    expect(others.counts.holdings).toBe(0);
    expect(pieces.length).toBeGreaterThanOrEqual((2 * 3 * count) / 20_000);
  });

  test('an address that moved from one cluster to another in a shared network is the later one’s', () => {
    const others = clusters();
    others.take('eu', [rowOf('10.8.0.5', 'gone-0', { fromUs: T0, toUs: NOW - 120e6, recordedUs: NOW })], NOW);
    others.knownUntil('eu', NOW);
    others.take('us', [rowOf('10.8.0.5', 'new-0', { fromUs: NOW - 90e6, recordedUs: NOW })], NOW);
    others.knownUntil('us', NOW);
    expect(nameOf(others, '10.8.0.5')).toBe('new-0');
  });

  test('what the operator said goes before: ranges as seen from here, and who is never named', async () => {
    const others = clusters({ eu: ['10.8.0.0/16', '10.244.128.0/17'], lab: [] });
    fill(others, 'eu', ['10.8.0.5', '10.244.129.1', '10.244.1.1', '10.99.0.1']);
    fill(others, 'us', ['10.8.0.5', '10.99.0.2']);
    fill(others, 'lab', ['10.99.0.3']);
    await others.compare(rest);
    expect(
      ['10.8.0.5', '10.244.129.1', '10.244.1.1', '10.99.0.1', '10.99.0.3'].map((address) => nameOf(others, address)),
    ).toEqual(['eu-pod-10.8.0.5', 'eu-pod-10.244.129.1', undefined, undefined, undefined]);
    expect(overlaps).toEqual([]);
    expect(nameOf(others, '10.99.0.2')).toBe('us-pod-10.99.0.2');
    expect([others.isIgnored('lab'), others.isIgnored('eu'), others.isIgnored('us')]).toEqual([true, false, false]);
  });
});

describe('beside the own topology', () => {
  const partners: AddressOwner = {
    certainty: 'exact',
    identity: { kind: 'external', name: 'partners', provider: null, region: null, zone: null },
  };

  test('the own holder goes before, a range with a name after', () => {
    const others = clusters();
    const topology = withOtherClusters(ownSource, others);
    expect(topology.snapshot()).toBe(ownTopology);
    fill(others, 'eu', ['10.8.0.5', '10.8.0.6', '10.8.0.7']);
    own.set('10.8.0.5', {
      certainty: 'stale',
      identity: { kind: 'node', name: 'ours', provider: null, region: null, zone: null, addresses: [] },
    });
    own.set('10.8.0.6', partners);
    own.set('10.8.0.8', partners);
    const joined = topology.snapshot();
    expect(topology.snapshot()).toBe(joined);
    expect(['10.8.0.5', '10.8.0.6', '10.8.0.7', '10.8.0.8'].map((address) => nameOf(joined, address))).toEqual([
      'ours',
      'eu-pod-10.8.0.6',
      'eu-pod-10.8.0.7',
      'partners',
    ]);
    expect(joined.isTimeless).toBeUndefined();
  });
});
