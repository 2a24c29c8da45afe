// One test for each rule of pod-life.ts, pods.ts and AddressHistory.lookup. Windows and times are in seconds.
import { describe, expect, test } from 'vitest';
import { GRACE_US, SILENCE_US, SLACK_US } from './address-history.ts';
import { hear, indexOf, named, nodeOf, podOf, S } from './testing.ts';

const IP = '10.1.0.5';
const SLACK = SLACK_US / S;
const GRACE = GRACE_US / S;
const SILENCE = SILENCE_US / S;

describe('a pod holds its address', () => {
  test('from when the kubelet saw it, give or take the slack', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1', { createdUs: 90 * S, startedUs: 100 * S }), 130 * S);
    expect(named(index, IP, 0, 100 - SLACK)).toBeUndefined();
    expect(named(index, IP, 0, 100 - SLACK + 1)).toBe('shop/web-1 exact');
    expect(named(index, IP, 60, 120)).toBe('shop/web-1 exact');
    expect(named(index, IP, 10_000, 10_060)).toBe('shop/web-1 exact');
  });

  test('from its creation where no start is said', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1', { createdUs: 90 * S, startedUs: null }), 130 * S);
    expect(named(index, IP, 60, 90 - SLACK)).toBeUndefined();
    expect(named(index, IP, 60, 120)).toBe('shop/web-1 exact');
  });

  test('from before its creation, when it is the mirror of a static pod that has run for longer', () => {
    const index = indexOf();
    index.put('pods', podOf('dns-n1', { createdUs: 500 * S, startedUs: 100 * S }), 500 * S);
    expect(named(index, IP, 120, 180)).toBe('shop/dns-n1 exact');
  });

  test('while it is pending with an address, since init containers send, too', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1', { phase: 'Pending', addresses: [], startedUs: 100 * S }), 101 * S);
    expect(named(index, IP, 120, 180)).toBeUndefined();
    index.put('pods', podOf('web-1', { phase: 'Pending', startedUs: 100 * S }), 110 * S);
    expect(named(index, IP, 120, 180)).toBe('shop/web-1 exact');
  });

  test('while its node is silent', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1'), S);
    index.put('pods', podOf('web-1', { phase: 'Unknown' }), 60 * S);
    expect(named(index, IP, 120, 180)).toBe('shop/web-1 exact');
  });

  test('of each family', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1', { addresses: [IP, 'fd00::5'] }), S);
    expect(named(index, IP, 60, 120)).toBe('shop/web-1 exact');
    expect(named(index, 'fd00::5', 60, 120)).toBe('shop/web-1 exact');
  });
});

describe('it holds it no longer', () => {
  for (const phase of ['Succeeded', 'Failed'] as const) {
    test(`when it has ${phase.toLowerCase()}, although its status has the address still`, () => {
      const index = indexOf();
      index.put('pods', podOf('job-1'), S);
      index.put('pods', podOf('job-1', { phase, endedUs: 100 * S }), 103 * S);
      expect(named(index, IP, 60, 120)).toBe('shop/job-1 exact');
      expect(named(index, IP, 101 + GRACE, 160 + GRACE)).toBeUndefined();
      index.put('pods', podOf('job-1', { phase, endedUs: 100 * S, labels: { a: 'b' } }), 500 * S);
      expect(named(index, IP, 480, 540)).toBeUndefined();
    });
  }

  test('when it had ended before it was first heard of', () => {
    const index = indexOf();
    index.put('pods', podOf('job-1', { phase: 'Succeeded', endedUs: 100 * S }), 5000 * S);
    expect(named(index, IP, 60, 120)).toBe('shop/job-1 exact');
    expect(named(index, IP, 4940, 5000)).toBeUndefined();
  });

  test('at an unknown time, if it does not say when', () => {
    const index = indexOf();
    index.put('pods', podOf('job-1', { phase: 'Failed' }), 5000 * S);
    expect(named(index, IP, 60, 120)).toBe('shop/job-1 stale');
    expect(named(index, IP, 5000 + GRACE, 6000)).toBeUndefined();
  });

  test('when it was heard to fail, if it does not say when and was running until then', () => {
    const index = indexOf();
    index.put('pods', podOf('evicted-1'), S);
    index.put('pods', podOf('evicted-1', { phase: 'Failed' }), 200 * S);
    expect(named(index, IP, 120, 180)).toBe('shop/evicted-1 exact');
    expect(named(index, IP, 200 + SLACK, 260)).toBe('shop/evicted-1 stale');
    expect(named(index, IP, 200 + GRACE, 400)).toBeUndefined();
  });

  test('not with deletionTimestamp, but when it is gone: it ends gracefully until then', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1'), S);
    index.put('pods', podOf('web-1', { deletedUs: 100 * S }), 70 * S);
    expect(named(index, IP, 300, 360)).toBe('shop/web-1 exact');
    index.remove('pods', 'uid-web-1', podOf('web-1', { deletedUs: 100 * S }), 180 * S);
    expect(named(index, IP, 120, 240)).toBe('shop/web-1 exact');
    expect(named(index, IP, 180 + GRACE, 360)).toBeUndefined();
  });

  test('when its containers ended, although its object lives on for its grace period', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1'), S);
    const last = podOf('web-1', { phase: 'Succeeded', deletedUs: 130 * S, endedUs: 101 * S });
    index.remove('pods', 'uid-web-1', last, 180 * S);
    expect(named(index, IP, 60, 120)).toBe('shop/web-1 exact');
    expect(named(index, IP, 120, 180)).toBe('shop/web-1 stale');
  });

  test('when its sandbox is gone; a new one has another address', () => {
    const index = indexOf();
    index.put('pods', podOf('web-1'), S);
    index.put('pods', podOf('web-1', { addresses: ['10.1.0.9'] }), 600 * S);
    expect(named(index, IP, 300, 360)).toBe('shop/web-1 exact');
    expect(named(index, IP, 800, 860)).toBeUndefined();
    expect(named(index, '10.1.0.9', 300, 360)).toBeUndefined();
    expect(named(index, '10.1.0.9', 800, 860)).toBe('shop/web-1 exact');
  });
});

describe('what nobody heard', () => {
  test('found missing in a list: it ended between what was heard last and now', () => {
    const index = indexOf({}, 1000);
    index.put('pods', podOf('web-1'), S);
    index.remove('pods', 'uid-web-1', undefined, 4600 * S);
    hear(index, 4600);
    expect(named(index, IP, 900, 960)).toBe('shop/web-1 exact');
    expect(named(index, IP, 960, 1020)).toBe('shop/web-1 exact');
    expect(named(index, IP, 1000 + SLACK, 1060)).toBe('shop/web-1 stale');
    expect(named(index, IP, 4500, 4560)).toBe('shop/web-1 stale');
    expect(named(index, IP, 4600 + GRACE, 4800)).toBeUndefined();
  });

  test('a silent watch: who held it is stale after two minutes, and exact again once a list has confirmed it', () => {
    const index = indexOf({}, 1000);
    index.put('pods', podOf('web-1'), S);
    expect(named(index, IP, 1000, 1060)).toBe('shop/web-1 exact');
    expect(named(index, IP, 1000 + SILENCE + SLACK, 1200)).toBe('shop/web-1 stale');
    index.put('pods', podOf('web-1'), 4600 * S);
    hear(index, 4600);
    expect(named(index, IP, 3000, 3060)).toBe('shop/web-1 exact');
  });

  test('an end that is told after a silence, and does not say when: any time since', () => {
    const index = indexOf({}, 1000);
    index.put('pods', podOf('web-1'), S);
    index.remove('pods', 'uid-web-1', podOf('web-1'), 4600 * S);
    hear(index, 4600);
    expect(named(index, IP, 960, 1020)).toBe('shop/web-1 exact');
    expect(named(index, IP, 3000, 3060)).toBe('shop/web-1 stale');
  });

  test('an address that is told after a silence: held since any time', () => {
    const index = indexOf({}, 1000);
    index.put('pods', podOf('web-1'), S);
    index.put('pods', podOf('web-1', { addresses: ['10.1.0.9'] }), 4600 * S);
    hear(index, 4600);
    expect(named(index, '10.1.0.9', 3000, 3060)).toBe('shop/web-1 exact');
    expect(named(index, '10.1.0.9', 900, 960)).toBeUndefined();
    expect(named(index, IP, 3000, 3060)).toBe('shop/web-1 stale');
  });

  test('before anything was heard in full nothing is exact', () => {
    const index = indexOf({}, Number.NEGATIVE_INFINITY);
    index.put('pods', podOf('web-1'), S);
    expect(named(index, IP, 60, 120)).toBe('shop/web-1 stale');
  });
});

describe('an address that is given again', () => {
  /** a has ended by 101; b, which the kubelet saw at `startS`, is heard of with the address at `heardS`. */
  function reused(startS: number, heardS: number) {
    const index = indexOf();
    index.put('pods', podOf('a'), S);
    index.put('pods', podOf('a', { phase: 'Succeeded', endedUs: 100 * S }), 101 * S);
    index.put('pods', podOf('b', { createdUs: startS * S, startedUs: startS * S }), heardS * S);
    return index;
  }

  test('within the window: the one with the greater part of it, and it says that it is not sure', () => {
    expect(named(reused(110, 112), IP, 60, 120)).toBe('shop/a ambiguous');
    expect(named(reused(110, 112), IP, 90, 150)).toBe('shop/b ambiguous');
  });

  test('outside of the window: exact', () => {
    const index = reused(110, 112);
    expect(named(index, IP, 30, 90)).toBe('shop/a exact');
    expect(named(index, IP, 120, 180)).toBe('shop/b exact');
  });

  test('less than the slack before the window: clocks may differ', () => {
    expect(named(reused(101, 102), IP, 101 + SLACK - 1, 160)).toBe('shop/b ambiguous');
    expect(named(reused(101, 102), IP, 101 + SLACK, 160)).toBe('shop/b exact');
  });

  test('halves: the later', () => {
    expect(named(reused(101, 102), IP, 81, 121)).toBe('shop/b ambiguous');
  });

  test('to a pod that waited for its volumes: not before the other was over', () => {
    const index = reused(20, 112);
    expect(named(index, IP, 30, 90)).toBe('shop/a exact');
    expect(named(index, IP, 120, 180)).toBe('shop/b exact');
  });

  test('while the first is said to run (its node is lost): the second is believed once it is heard of', () => {
    const index = indexOf();
    index.put('pods', podOf('a'), S);
    index.put('pods', podOf('b', { startedUs: 200 * S, nodeName: 'n2' }), 230 * S);
    expect(named(index, IP, 120, 180)).toBe('shop/a exact');
    expect(named(index, IP, 205, 225)).toBe('shop/b ambiguous');
    expect(named(index, IP, 240, 300)).toBe('shop/b exact');
  });

  test('after an end that nobody heard: not sure until the second was heard of', () => {
    const index = indexOf({}, 1000);
    index.put('pods', podOf('a'), S);
    index.put('pods', podOf('b', { startedUs: 2000 * S }), 4600 * S);
    index.remove('pods', 'uid-a', undefined, 4600 * S);
    hear(index, 4600);
    expect(named(index, IP, 900, 960)).toBe('shop/a exact');
    expect(named(index, IP, 1500, 1560)).toBe('shop/a stale');
    expect(named(index, IP, 3000, 3060)).toBe('shop/b ambiguous');
    expect(named(index, IP, 4620, 4680)).toBe('shop/b exact');
  });

  test('while the API server was away: whoever was there for the greater part, as the list tells', () => {
    const index = indexOf({}, 1000);
    index.put('pods', podOf('a'), S);
    index.put('pods', podOf('b', { startedUs: 2000 * S }), 4600 * S);
    index.remove('pods', 'uid-a', undefined, 4600 * S);
    hear(index, 4600);
    // By 2000 a was over: b could not have had the address.
    expect(named(index, IP, 1950, 2010)).toBe('shop/a ambiguous');
    expect(named(index, IP, 1990, 2050)).toBe('shop/b ambiguous');
    expect(named(index, IP, 1995, 2005)).toBe('shop/b ambiguous');
    // In the list of a moment, before it is read to its end, b is told and a is not gone yet.
    const between = indexOf({}, 1000);
    between.put('pods', podOf('a'), S);
    between.put('pods', podOf('b', { startedUs: 2000 * S }), 4600 * S);
    expect(named(between, IP, 1990, 2050)).toBe('shop/b ambiguous');
  });

  test('in the minute between two words of a watch: a begin that waited for volumes proves nothing', () => {
    const index = indexOf({}, 130);
    index.put('pods', podOf('a'), S);
    index.put('pods', podOf('b', { startedUs: 140 * S }), 185 * S);
    index.remove('pods', 'uid-a', podOf('a'), 180 * S);
    expect(named(index, IP, 120, 180)).toBe('shop/a ambiguous');
  });

  test('to a pod that rows name alike (a mirror pod that was made anew): exact', () => {
    const index = indexOf();
    index.put('pods', podOf('dns-n1', { uid: 'one' }), S);
    index.remove('pods', 'one', podOf('dns-n1', { uid: 'one' }), 100 * S);
    index.put('pods', podOf('dns-n1', { uid: 'two', createdUs: 101 * S, startedUs: 100 * S }), 102 * S);
    expect(named(index, IP, 60, 120)).toBe('shop/dns-n1 exact');
  });

  test('from a node that is gone to a pod, where both come from one network', () => {
    const index = indexOf();
    index.put('nodes', nodeOf('n7', { addresses: [IP] }), S);
    index.remove('nodes', 'uid-n7', nodeOf('n7', { addresses: [IP] }), 100 * S);
    index.put('pods', podOf('web-1', { startedUs: 200 * S, createdUs: 200 * S }), 210 * S);
    expect(named(index, IP, 30, 90)).toBe('n7 exact');
    expect(named(index, IP, 240, 300)).toBe('shop/web-1 exact');
  });
});

describe('host network', () => {
  test('the address is the node’s', () => {
    const index = indexOf();
    index.put('nodes', nodeOf('n1'), S);
    index.put('pods', podOf('proxy', { hostNetwork: true, addresses: ['172.20.0.1'] }), S);
    expect(named(index, '172.20.0.1', 60, 120)).toBe('n1 exact');
    index.remove('pods', 'uid-proxy', undefined, 70 * S);
    expect(named(index, '172.20.0.1', 60, 120)).toBe('n1 exact');
  });
});

describe('history', () => {
  test('is kept as long as configured, and not longer', () => {
    const index = indexOf({ keepMs: 3_600_000 });
    index.put('pods', podOf('a'), S);
    index.remove('pods', 'uid-a', podOf('a'), 100 * S);
    index.put('pods', podOf('other', { addresses: ['10.1.0.6'] }), 3700 * S);
    expect(named(index, IP, 60, 90)).toBe('shop/a exact');
    expect(index.counts).toMatchObject({ addresses: 2, ended: 1 });
    index.put('pods', podOf('other', { addresses: ['10.1.0.6'] }), 3701 * S);
    expect(named(index, IP, 60, 90)).toBeUndefined();
    expect(index.counts).toMatchObject({ addresses: 1, ended: 0, droppedForRoom: 0 });
  });

  test('is bounded; what goes early is counted', () => {
    const index = indexOf({ endedMax: 2 });
    for (const name of ['a', 'b', 'c']) {
      index.put('pods', podOf(name, { addresses: [`10.1.1.${name.charCodeAt(0)}`] }), S);
      index.remove('pods', `uid-${name}`, podOf(name), 100 * S);
    }
    index.put('pods', podOf('d'), 101 * S);
    expect(index.counts).toMatchObject({ ended: 2, droppedForRoom: 1 });
    expect(named(index, '10.1.1.97', 60, 90)).toBeUndefined();
    expect(named(index, '10.1.1.98', 60, 90)).toBe('shop/b exact');
  });

  test('does not hold a pod that ended before it', () => {
    const index = indexOf({ keepMs: 3_600_000 });
    index.put('pods', podOf('job-1', { phase: 'Succeeded', endedUs: 100 * S }), 10_000 * S);
    expect(index.counts).toMatchObject({ pods: 0, addresses: 0 });
  });

  test('of one address may lose its middle and stay right', () => {
    const index = indexOf({ keepMs: 1_000_000 });
    index.put('pods', podOf('a'), S);
    index.remove('pods', 'uid-a', podOf('a'), 100 * S);
    index.put('pods', podOf('b', { startedUs: 200 * S }), 210 * S);
    index.remove('pods', 'uid-b', podOf('b'), 300 * S);
    index.put('pods', podOf('c', { startedUs: 400 * S }), 410 * S);
    index.put('pods', podOf('other', { addresses: ['10.1.0.6'] }), 1150 * S);
    expect(named(index, IP, 60, 90)).toBeUndefined();
    expect(named(index, IP, 220, 280)).toBe('shop/b exact');
    expect(named(index, IP, 420, 480)).toBe('shop/c exact');
    index.put('pods', podOf('other', { addresses: ['10.1.0.6'] }), 1350 * S);
    expect(named(index, IP, 220, 280)).toBeUndefined();
    expect(named(index, IP, 420, 480)).toBe('shop/c exact');
  });
});
