import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EndpointRow } from '../../model/endpoint-row.ts';
import { RecordedCluster } from './recorded-cluster.ts';
import { HOUR_US, nodeRowOf, rowOf, T0 } from './testing.ts';

const rest = async () => undefined;
const cluster = () => new RecordedCluster({ name: 'eu', keepUs: 24 * HOUR_US, holdingsMax: 1000 });

describe('holdings of another cluster', () => {
  test('a pod has its names, its place and its cluster', () => {
    const eu = cluster();
    eu.take([rowOf('10.8.0.5', 'cart-0', { fromUs: T0, zoneId: 'euw1-az3' })], T0 + 60e6);
    eu.knownUntil(T0 + 60e6);
    expect(eu.lookup('10.8.0.5', T0, T0 + 60e6)).toEqual({
      certainty: 'exact',
      identity: {
        ...{
          kind: 'pod',
          namespace: 'shop',
          name: 'cart-0',
          workloadKind: 'StatefulSet',
          workload: 'cart',
          labels: {},
        },
        node: {
          ...{ kind: 'node', name: 'node-a', cluster: 'eu', addresses: [] },
          ...{ provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a', zoneId: 'euw1-az3' },
        },
      },
    });
  });

  test('an id that stands in place of a zone’s name is its id; one that is told later is known', () => {
    const eu = cluster();
    eu.take([rowOf('10.8.0.5', 'cart-0', { fromUs: T0, zone: 'euw1-az2' })], T0 + 60e6);
    eu.take([rowOf('10.8.0.6', 'cart-1', { fromUs: T0 })], T0 + 60e6);
    eu.knownUntil(T0 + 60e6);
    const zones = () =>
      ['10.8.0.5', '10.8.0.6'].map((address) => {
        const identity = eu.lookup(address, T0, T0 + 60e6)?.identity;
        return identity?.kind === 'pod' ? [identity.node.zone, identity.node.zoneId] : undefined;
      });
    expect(zones()).toEqual([
      ['euw1-az2', 'euw1-az2'],
      ['eu-west-1a', null],
    ]);
    const later = { fromUs: T0, recordedUs: T0 + 60e6, zoneId: 'euw1-az3' };
    eu.take([rowOf('10.8.0.6', 'cart-1', later)], T0 + 60e6);
    expect(zones()[1]).toEqual(['eu-west-1a', 'euw1-az3']);
  });

  test('what lasts is certain until five minutes after all was known, and stale after that', () => {
    const eu = cluster();
    eu.take([rowOf('10.8.0.5', 'cart-0', { fromUs: T0 })], T0);
    eu.knownUntil(T0 + HOUR_US);
    const certainty = (minutes: number) => {
      const startUs = T0 + HOUR_US + minutes * 60e6;
      return eu.lookup('10.8.0.5', startUs, startUs + 60e6)?.certainty;
    };
    expect([certainty(-30), certainty(4), certainty(6), certainty(600)]).toEqual(['exact', 'exact', 'stale', 'stale']);
    eu.knownUntil(T0 + 2 * HOUR_US);
    expect(certainty(6)).toBe('exact');
  });

  test('a pod that two replicas saw end, and a third saw live on a little later, ended', () => {
    const eu = cluster();
    const lives = rowOf('10.8.0.5', 'cart-0', { fromUs: T0, recordedUs: T0 + 300e6 });
    const ended = rowOf('10.8.0.5', 'cart-0', { fromUs: T0, toUs: T0 + 200e6, recordedUs: T0 + 201e6 });
    eu.take([lives, ended, { ...ended, toUs: T0 + 203e6, recordedUs: T0 + 204e6 }], T0 + 310e6);
    eu.take([lives], T0 + 320e6);
    eu.knownUntil(T0 + 320e6);
    expect(eu.lookup('10.8.0.5', T0 + 140e6, T0 + 195e6)?.certainty).toBe('exact');
    expect(eu.lookup('10.8.0.5', T0 + 400e6, T0 + 460e6)).toBeUndefined();
    expect(Array.from(eu.open())).toEqual([]);
  });

  test('what nobody records any more ended at some time since', async () => {
    const eu = cluster();
    eu.take([rowOf('10.8.0.5', 'cart-0', { fromUs: T0, recordedUs: T0 + 60e6 })], T0 + 60e6);
    await eu.expire(T0 + 23 * HOUR_US, rest);
    expect(Array.from(eu.open())).toHaveLength(1);
    await eu.expire(T0 + 25 * HOUR_US, rest);
    expect(Array.from(eu.open())).toEqual([]);
    expect(eu.size).toBe(0);
    expect(eu.lookup('10.8.0.5', T0 + 2 * HOUR_US, T0 + 3 * HOUR_US)?.certainty).toBe('stale');
    // Its aggregators were away, and are back.
    eu.take([rowOf('10.8.0.5', 'cart-0', { fromUs: T0, recordedUs: T0 + 26 * HOUR_US })], T0 + 26 * HOUR_US);
    eu.knownUntil(T0 + 26 * HOUR_US);
    expect(eu.lookup('10.8.0.5', T0 + 25.5 * HOUR_US, T0 + 26 * HOUR_US)?.certainty).toBe('exact');
    expect(Array.from(eu.open())).toHaveLength(1);
  });

  test('a node that gets its address back holds it again; somebody else did between', () => {
    const node = (fromS: number, toS: number | null, heardS: number, recordedS: number): EndpointRow => ({
      ...nodeRowOf('10.0.0.1', 'node-a', T0 + fromS * 1e6),
      ...{ toUs: toS === null ? null : T0 + toS * 1e6, sureUntilUs: T0 + (toS ?? recordedS) * 1e6 },
      ...{ heardUs: T0 + heardS * 1e6, recordedUs: T0 + recordedS * 1e6 },
    });
    const other = { fromUs: T0 + 300e6, toUs: T0 + 400e6, recordedUs: T0 + 401e6 };
    // Of replicas: one that heard of the first time, one that lagged behind it, one that heard of the second time, one that started
    // then, for which the node had the address ever since, and one that heard of the third time alone.
    const replicas = [
      [node(0, null, 1, 10), node(0, 240, 1, 250)],
      [node(0, null, 1, 255)],
      [node(460, null, 461, 470), node(460, 2000, 461, 2001)],
      [node(0, null, 500, 510), node(0, 2001, 500, 2002)],
      [node(2400, null, 2401, 2410)],
      [rowOf('10.0.0.1', 'cart-0', other)],
    ];
    const rows = replicas.flat();
    // Rows are committed up to ten minutes late, and read again now and then; each replica's come in their order.
    const delays = fc.array(fc.integer({ min: 0, max: 600 }), { minLength: rows.length, maxLength: rows.length });
    const pieces = fc.array(fc.integer({ min: 1, max: rows.length }), { minLength: 1 });
    fc.assert(
      fc.property(delays, pieces, fc.subarray(rows), (lateS, sizes, again) => {
        const arriving = replicas.flatMap((its, r) => {
          let atUs = 0;
          return its.map((row, i) => {
            atUs = Math.max(atUs, row.recordedUs + lateS[(3 * r + i) % rows.length]! * 1e6);
            return { row, atUs };
          });
        });
        let rest = [...arriving.sort((x, y) => x.atUs - y.atUs).map(({ row }) => row), ...again];
        const eu = cluster();
        for (let i = 0; rest.length > 0; i++) {
          const size = sizes[i % sizes.length]!;
          eu.take(rest.slice(0, size), T0 + 2500e6);
          rest = rest.slice(size);
        }
        eu.knownUntil(T0 + 2500e6);
        const at = (startS: number) => {
          const owner = eu.lookup('10.0.0.1', T0 + startS * 1e6, T0 + (startS + 30) * 1e6);
          return owner && `${'name' in owner.identity ? owner.identity.name : ''} ${owner.certainty}`;
        };
        expect([100, 350, 1500, 2200, 2450].map(at)).toEqual([
          'node-a exact',
          'cart-0 exact',
          'node-a exact',
          undefined,
          'node-a exact',
        ]);
        expect(Array.from(eu.open(), ({ fromUs }) => (fromUs - T0) / 1e6)).toEqual([2400]);
      }),
    );
  });

  test('an end that is told late does not end what was heard of since', () => {
    const eu = cluster();
    const first = nodeRowOf('10.0.0.1', 'node-a', T0);
    const again = { ...first, fromUs: T0 + 460e6, heardUs: T0 + 461e6, recordedUs: T0 + 470e6 };
    const end = { ...first, toUs: T0 + 240e6, sureUntilUs: T0 + 240e6, recordedUs: T0 + 250e6 };
    for (const row of [first, again, end]) eu.take([row], T0 + 600e6);
    expect(Array.from(eu.open(), ({ fromUs }) => fromUs)).toEqual([T0 + 460e6]);
    expect(eu.size).toBe(2);
  });

  test('there is room for so many; the others are counted', () => {
    const eu = new RecordedCluster({ name: 'eu', keepUs: 24 * HOUR_US, holdingsMax: 2 });
    eu.take(
      [1, 2, 3, 4].map((i) => rowOf(`10.8.0.${i}`, `cart-${i}`, { fromUs: T0 })),
      T0,
    );
    expect([eu.size, eu.dropped]).toEqual([2, 2]);
  });

  test('nodes are forgotten with what was on them', async () => {
    const eu = cluster();
    for (let day = 0; day < 10; day++) {
      const atUs = T0 + day * 24 * HOUR_US;
      const on = (node: string) => ({ fromUs: atUs, recordedUs: atUs, node });
      eu.take(
        [rowOf(`10.8.0.${day}`, `cart-${day}`, on(`node-${day}`)), rowOf('10.8.1.1', 'last', on('node-z'))],
        atUs,
      );
      await eu.expire(atUs + HOUR_US, rest);
      expect(eu.nodeCount).toBe(2);
    }
  });

  test('rows in any order, in any pieces and any number of times say the same', () => {
    const lives = fc.array(fc.record({ lengthS: fc.integer({ min: 60, max: 600 }), isSeenAlive: fc.boolean() }), {
      ...{ minLength: 1, maxLength: 4 },
    });
    const addresses = fc.array(lives, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(addresses, fc.infiniteStream(fc.nat()), (all, numbers) => {
        const pick = (below: number) => numbers.next().value! % below;
        // One pod after another on each address, five minutes apart: whose it was at a time is plain.
        const truth: { address: string; name: string; fromUs: number; toUs: number }[] = [];
        const rows: EndpointRow[] = [];
        for (const [a, itsLives] of all.entries()) {
          let atUs = T0;
          for (const [i, { lengthS, isSeenAlive }] of itsLives.entries()) {
            const [address, name, fromUs, toUs] = [`10.8.0.${a}`, `pod-${a}-${i}`, atUs, atUs + lengthS * 1e6];
            truth.push({ address, name, fromUs, toUs });
            if (isSeenAlive) rows.push(rowOf(address, name, { fromUs, recordedUs: fromUs + 1e6 }));
            rows.push(rowOf(address, name, { fromUs, toUs, recordedUs: toUs + 1e6 }));
            atUs = toUs + 300e6;
          }
        }
        const heardUs = T0 + HOUR_US;
        const eu = cluster();
        for (let round = 0; round < 3; round++) {
          for (const row of rows) if (pick(2) === 0) eu.take([row, rows[pick(rows.length)]!], heardUs);
        }
        eu.take(rows, heardUs);
        eu.knownUntil(heardUs);
        for (const { address, name, fromUs, toUs } of truth) {
          const inside = eu.lookup(address, fromUs + 10e6, toUs - 10e6);
          expect(inside).toMatchObject({ certainty: 'exact', identity: { name } });
          expect(eu.lookup(address, toUs + 130e6, toUs + 190e6)).toBeUndefined();
        }
      }),
    );
  });
});
