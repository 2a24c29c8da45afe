import { expect, test } from 'vitest';
import { FlowtollError } from '../model/errors.ts';
import type { FailureReason } from './api-failure.ts';
import { createTroubleLog } from './trouble-log.ts';

function setup() {
  const said: string[] = [];
  const clock = { nowMs: 1_000_000 };
  const say = (level: string) => (_: object, message: string) => said.push(`${level} ${message}`);
  const log = createTroubleLog({ info: say('info'), warn: say('warn') }, () => clock.nowMs);
  return {
    ...{ said, clock, works: log.works, large: log.large },
    fail: (resource: string, reason: FailureReason, { sinceMs = clock.nowMs, synced = true } = {}) =>
      log.failed(resource, {
        ...{ reason, sinceMs, synced },
        error: new FlowtollError('KUBERNETES_UNAVAILABLE', `${resource} ${reason}`),
      }),
  };
}

test('a server that is away is one line for all resources and tries, and one when the last of them is back', () => {
  const { said, clock, works, fail } = setup();
  const goneMs = clock.nowMs;
  for (let minute = 0; minute < 60; minute++, clock.nowMs += 60_000) {
    for (const resource of ['pods', 'nodes']) fail(resource, 'unreachable', { sinceMs: goneMs - 500 });
  }
  works('nodes');
  expect(said).toEqual(['warn kubernetes: pods unreachable; names go on from what is known']);
  works('pods');
  works('pods');
  expect(said.slice(1)).toEqual(['info kubernetes: the API server answers again, after 3601 s']);
  fail('pods', 'unreachable');
  expect(said).toHaveLength(3);
});

test('another reason is said, too, once', () => {
  const { said, fail } = setup();
  for (const reason of ['cut', 'unreachable', 'tls', 'unreachable', 'tls'] as const) fail('pods', reason);
  expect(said.map((line) => line.split(' ')[3]?.replace(';', ''))).toEqual(['cut', 'unreachable', 'tls']);
});

test('what one resource lacks is its own; the server is back when all have been answered, if only with a refusal', () => {
  const { said, clock, works, fail } = setup();
  fail('pods', 'unreachable', { synced: false });
  fail('nodes', 'unreachable');
  clock.nowMs += 10_000;
  fail('pods', 'forbidden', { synced: false });
  works('nodes');
  fail('pods', 'forbidden', { synced: false });
  clock.nowMs += 5000;
  works('pods');
  expect(said).toEqual([
    'warn kubernetes: pods unreachable',
    'warn kubernetes: pods forbidden',
    'info kubernetes: the API server answers again, after 10 s',
    'info kubernetes: pods are heard of again, after 5 s',
  ]);
});

test('who had no trouble is not said to be back', () => {
  const { said, works } = setup();
  works('pods');
  expect(said).toEqual([]);
});

test('a large object is said once, and no more than a hundred are', () => {
  const { said, large } = setup();
  for (let i = 0; i < 300; i++) large('pods', { uid: `u${i % 3}`, name: `p${i % 3}`, namespace: 'shop' }, 1000);
  large('nodes', { name: 'n1', uid: 'u9' }, 1000);
  large('nodes', {}, 1000);
  expect(said).toHaveLength(5);
  expect(said[0]).toMatch(/pods -n shop p0 is larger than 1000 bytes .*kubectl get pods -n shop p0 -o yaml/);
  expect(said[3]).toMatch(/nodes n1 is larger .*kubectl get nodes n1 -o yaml/);
  expect(said[4]).toMatch(/an object of nodes is larger .*kubectl get nodes -o yaml/);
  for (let i = 0; i < 300; i++) large('pods', { uid: `v${i}` }, 1000);
  expect(said).toHaveLength(100);
});
