import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Fault, FaultRequest } from '../../../test/support/kubernetes/fault-proxy.ts';
import { keyOf } from '../../../test/support/kubernetes/stand-in/object-store.ts';
import { type CachesRig, podWith, startCachesRig } from './caches.testing.ts';
import type { KubernetesCachesConfig } from './kubernetes-caches.ts';
import { parseOwnerKind } from './resources.ts';

let rig: CachesRig;
const start = async (config: Partial<KubernetesCachesConfig> = {}): Promise<void> => {
  await rig?.stop();
  rig = await startCachesRig(config);
};

beforeEach(() => start());
afterEach(() => rig.stop());

async function startSynced(): Promise<void> {
  rig.caches.start();
  await rig.caches.whenSynced;
  await watchingAll();
}

function watchingAll(): Promise<void> {
  return rig.until('all watch', () => rig.caches.resources.every(({ state }) => state === 'watching'));
}

function putsOf(name: string): number {
  return rig.sink.told.filter((told) => told.what === 'put' && told.name === name).length;
}

describe('list and watch', () => {
  test('what is there is told, then what comes, changes and goes', async () => {
    const { standIn, sink } = rig;
    standIn.store.put('pods', podWith('old'));
    expect(rig.caches.synced).toBe(false);
    await startSynced();
    expect(rig.caches.synced).toBe(true);
    expect(sink.names('pods')).toEqual(['old']);
    expect(sink.names('namespaces')).toEqual(['default', 'kube-system']);

    standIn.store.put('pods', podWith('new', { ip: '10.244.0.2', uid: 'new' }));
    await rig.until('it came', () => sink.named('pods', 'new'));
    rig.timing.advance(1000);
    standIn.store.put('pods', podWith('new', { ip: '10.244.0.3', uid: 'new' }));
    await rig.until('it changed', () => sink.named('pods', 'new')?.addresses[0] === '10.244.0.3');
    // An event says that nothing older is to come.
    expect(sink.heardUs.get('pods')).toBe(rig.timing.now() * 1000);
    expect(sink.heardUs.get('nodes')).toBe(rig.timing.now() * 1000 - 1_000_000);
    standIn.store.remove('pods', keyOf({ namespace: 'default', name: 'new' }));
    await rig.until('it went', () => sink.names('pods').length === 1);
    expect(sink.told.at(-1)).toMatchObject({ what: 'remove', uid: 'new', last: { addresses: ['10.244.0.3'] } });
    expect(sink.faults).toEqual([]);
    expect(rig.status('pods')).toMatchObject({ objects: 1, lists: 1, events: 3, synced: true, error: null });
  });

  test('a list of several pages is one list', async () => {
    await start({ limits: { pageObjects: 3 } });
    const { standIn, sink, proxy } = rig;
    for (let number = 0; number < 10; number++) standIn.store.put('pods', podWith(`p${number}`));
    // What comes between two pages must come by the watch.
    proxy.fault(({ path, query }) => {
      if (path.endsWith('/pods') && query.get('continue') && !standIn.store.text('pods', 'default/a')) {
        standIn.store.put('pods', podWith('a'));
      }
      return undefined;
    });
    await startSynced();
    await rig.until('the one between the pages', () => sink.named('pods', 'a'));
    expect(sink.names('pods')).toHaveLength(11);
    expect(proxy.requests.filter(({ path, watching }) => path.endsWith('/pods') && !watching)).toHaveLength(4);
  });

  test('only metadata is asked for where nothing else is needed', async () => {
    const { standIn, sink } = rig;
    const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd', controller: true };
    standIn.store.put('replicasets', {
      ...podWith('web-1'),
      kind: 'ReplicaSet',
      metadata: { ...podWith('web-1').metadata, ownerReferences: [owner] },
    });
    await startSynced();
    expect(sink.objects('owners')).toEqual([
      {
        ...{ uid: expect.any(String), apiVersion: 'apps/v1', kind: 'ReplicaSet', namespace: 'default', name: 'web-1' },
        owner: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd' },
      },
    ]);
  });

  test('configured kinds of owners are found by discovery; one that the server has not keeps nobody waiting', async () => {
    await start({
      ownerKinds: [parseOwnerKind('apps/v1/StatefulSet'), parseOwnerKind('argoproj.io/v1alpha1/Rollout')],
    });
    rig.standIn.store.put('statefulsets', { ...podWith('db'), kind: 'StatefulSet' });
    rig.caches.start();
    await rig.caches.whenSynced;
    expect(rig.sink.objects('owners')).toMatchObject([{ kind: 'StatefulSet', apiVersion: 'apps/v1', name: 'db' }]);
    expect(rig.status('statefulsets.apps').synced).toBe(true);
    expect(rig.status('Rollout.argoproj.io').error?.message).toMatch(
      /the server has no kind Rollout in argoproj.io\/v1alpha1: install it, or correct --owner-kinds/,
    );
  });

  test('objects and events that make no sense are counted, and cost nothing else', async () => {
    const { standIn, sink, proxy } = rig;
    standIn.store.put('pods', podWith('good'));
    standIn.store.put('pods', podWith(''));
    standIn.store.put('pods', podWith('nameless', { uid: '' }));
    await startSynced();
    expect(sink.names('pods')).toEqual(['good']);
    expect(rig.status('pods').malformedObjects).toBe(2);
    standIn.store.put('pods', { ...podWith('bad'), status: { podIPs: 'many' } });
    await rig.until('an event of another shape came', () => rig.status('pods').malformedObjects === 3);
    standIn.store.remove('pods', 'default/bad');

    let broken = true;
    proxy.fault(({ path, watching }) => {
      if (!broken || !watching || !path.endsWith('/pods')) return undefined;
      broken = false;
      return { linesBefore: ['{"type":"MODIFIED","object":{"metadata"'] };
    });
    proxy.cutWatches();
    standIn.store.put('pods', podWith('later'));
    await rig.untilLater('it is listed anew', () => sink.named('pods', 'later'));
    expect(rig.status('pods').failures.get('malformed')).toBe(1);
    expect(rig.status('pods').lists).toBe(2);
    expect(putsOf('good')).toBe(1);
  });

  test('the end of a watch is no failure', async () => {
    await start({ limits: { watchSeconds: 1 } });
    await startSynced();
    // The stand-in ends it after 1.5 s of its own time; ours is that of a sound watch.
    rig.timing.advance(20_000);
    await rig.until('a second watch', () => rig.status('pods').watches === 2);
    rig.standIn.store.put('pods', podWith('p'));
    await rig.until('it came', () => rig.sink.named('pods', 'p'));
    expect(rig.status('pods')).toMatchObject({ lists: 1, failures: new Map() });
  });
});

describe('a watch that cannot go on', () => {
  const gone = { 'in an event': { errorEvent: 410 }, 'as an answer': { status: 410 } } as const;
  test.each(Object.entries(gone))('410 %s: listed anew, nothing forgotten, nothing told twice', async (_, fault) => {
    const { standIn, sink, proxy } = rig;
    for (const name of ['stays', 'changes', 'goes']) standIn.store.put('pods', podWith(name, { uid: name }));
    await startSynced();
    proxy.fault(({ path, watching }) => (watching && path.endsWith('/pods') ? fault : undefined));
    proxy.cutWatches();
    await rig.untilLater('it was told', () => rig.status('pods').failures.get('gone'));
    await proxy.away(true);
    standIn.store.put('pods', podWith('changes', { uid: 'changes', ip: '10.244.0.9' }));
    standIn.store.remove('pods', 'default/goes');
    standIn.store.put('pods', podWith('comes'));
    standIn.store.compact();
    expect(sink.names('pods')).toEqual(['changes', 'goes', 'stays']);

    proxy.fault(() => undefined);
    await proxy.away(false);
    await rig.untilLater('what came is there', () => sink.named('pods', 'comes'));
    await rig.until('what went is not', () => !sink.named('pods', 'goes'));
    expect(sink.names('pods')).toEqual(['changes', 'comes', 'stays']);
    expect(putsOf('stays')).toBe(1);
    expect(putsOf('changes')).toBe(2);
    expect(sink.told.filter(({ what }) => what === 'remove')).toEqual([
      { what: 'remove', resource: 'pods', uid: 'goes', name: 'goes', last: undefined, atUs: expect.any(Number) },
    ]);
    expect(sink.faults).toEqual([]);
  });

  test('410 between two pages: the list begins again', async () => {
    await start({ limits: { pageObjects: 2 } });
    const { standIn, sink, proxy } = rig;
    for (const name of ['a', 'b', 'c', 'd', 'e']) standIn.store.put('pods', podWith(name, { uid: name }));
    let compacted = false;
    proxy.fault(({ path, query }) => {
      if (path.endsWith('/pods') && query.get('continue') && !compacted) {
        compacted = true;
        standIn.store.remove('pods', 'default/a');
        standIn.store.compact();
      }
      return undefined;
    });
    rig.caches.start();
    await rig.untilLater('synced', () => rig.caches.synced);
    // The first page of the first list had it, so it was told, and is gone by the second.
    expect(sink.names('pods')).toEqual(['b', 'c', 'd', 'e']);
    expect(putsOf('b')).toBe(1);
    expect(rig.status('pods')).toMatchObject({ lists: 2, objects: 4 });
    expect(rig.status('pods').failures).toEqual(new Map([['gone', 1]]));
  });

  test('a connection that is dead without saying so is noticed', async () => {
    const { standIn, sink, proxy } = rig;
    await startSynced();
    proxy.silenceWatches();
    standIn.store.put('pods', podWith('unheard'));
    rig.timing.advance(89_000);
    expect(rig.status('pods').failures).toEqual(new Map());
    await rig.untilLater('it was heard by a new watch', () => sink.named('pods', 'unheard'), 200);
    expect(rig.status('pods').failures).toEqual(new Map([['silent', 1]]));
    expect(rig.status('pods').lists).toBe(1);
  });

  test('a server that answers nothing at all is noticed', async () => {
    rig.proxy.fault(({ number }) => (number < 7 ? 'never-answered' : undefined));
    rig.caches.start();
    await rig.until('all asked', () => rig.proxy.requests.length === 7);
    await rig.untilLater('synced', () => rig.caches.synced, 1000);
    expect(rig.status('nodes').failures).toEqual(new Map([['silent', 1]]));
  });

  test('ten minutes without a word: the server may have been set back, so it is listed anew', async () => {
    const { standIn, proxy, sink } = rig;
    standIn.store.put('pods', podWith('before'));
    await startSynced();
    proxy.fault(({ path, watching }) => (watching && path.endsWith('/pods') ? 'silent' : undefined));
    proxy.cutWatches();
    await rig.untilLater('listed anew', () => rig.status('pods').lists === 2, 5000);
    expect(rig.status('pods').failures.get('silent')).toBe(7);
    expect(sink.names('pods')).toEqual(['before']);
    expect(putsOf('before')).toBe(1);
  });

  test('an event that was cut in the middle comes whole by the next watch', async () => {
    const { standIn, proxy, sink } = rig;
    await startSynced();
    let cut = true;
    proxy.fault(({ path, watching }) => {
      if (!cut || !watching || !path.endsWith('/pods')) return undefined;
      cut = false;
      return { cutAfterBytes: 150 };
    });
    proxy.cutWatches();
    await rig.untilLater('watched again', () => !cut && rig.status('pods').state === 'watching');
    standIn.store.put('pods', podWith('whole'));
    await rig.untilLater('it came', () => sink.named('pods', 'whole'));
    expect(rig.status('pods').failures.get('cut')).toBe(2);
    expect(rig.status('pods').failures.get('malformed')).toBeUndefined();
  });

  test('a bookmark or an event from a server that is behind takes nobody back', async () => {
    const { standIn, proxy, sink } = rig;
    const ghost = standIn.store.put('pods', podWith('ghost', { uid: 'ghost' }));
    await startSynced();
    standIn.store.remove('pods', 'default/ghost');
    await rig.until('it went', () => sink.names('pods').length === 0);
    const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '3' } } };
    let behind = true;
    proxy.fault(({ path, watching }) => {
      if (!behind || !watching || !path.endsWith('/pods')) return undefined;
      behind = false;
      return { linesBefore: [bookmark, { type: 'ADDED', object: ghost }].map((line) => JSON.stringify(line)) };
    });
    proxy.cutWatches();
    await rig.untilLater('told', () => rig.status('pods').repeatedEvents === 1);
    proxy.cutWatches();
    standIn.store.put('pods', podWith('next'));
    await rig.untilLater('next came', () => sink.named('pods', 'next'));
    expect(putsOf('ghost')).toBe(1);
    expect(sink.names('pods')).toEqual(['next']);
    const versions = proxy.requests
      .filter(({ path, watching }) => watching && path.endsWith('/pods'))
      .map(({ query }) => Number(query.get('resourceVersion')));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  });

  test('the beginning of something endless is no event', async () => {
    await start({ limits: { objectBytesMax: 5000 } });
    await startSynced();
    let endless = true;
    rig.proxy.fault(({ path, watching }) => {
      if (!endless || !watching || !path.endsWith('/pods')) return undefined;
      endless = false;
      return { linesBefore: ['x'.repeat(6000)] };
    });
    rig.proxy.cutWatches();
    rig.standIn.store.put('pods', podWith('p'));
    await rig.untilLater('it is listed anew', () => rig.sink.named('pods', 'p'));
    expect(rig.status('pods')).toMatchObject({ lists: 2, largeObjects: 0 });
    expect(rig.status('pods').failures.get('too-large')).toBe(1);
  });
});

describe('an object that is too large', () => {
  const large = (name: string, bytes = 100_000, filler = 'x') => {
    const { metadata, ...rest } = podWith(name, { uid: name });
    return { ...rest, metadata: { ...metadata, annotations: { filler: filler.repeat(bytes) } } };
  };

  test('as an event: it stays as it was known, and goes when it goes; nothing else is lost', async () => {
    await start({ limits: { objectBytesMax: 5000 } });
    const { standIn, sink, status } = rig;
    standIn.store.put('pods', podWith('grows', { uid: 'grows' }));
    await startSynced();
    standIn.store.put('pods', { ...large('grows'), status: { phase: 'Succeeded' } });
    standIn.store.put('pods', large('new'));
    standIn.store.put('pods', podWith('small'));
    await rig.until('what follows came', () => sink.named('pods', 'small'));
    expect(sink.names('pods')).toEqual(['grows', 'small']);
    expect(sink.named('pods', 'grows')).toMatchObject({ phase: 'Running', addresses: ['10.244.0.1'] });
    standIn.store.put('pods', large('grows'));
    standIn.store.remove('pods', 'default/grows');
    standIn.store.put('pods', podWith('new', { uid: 'new' }));
    await rig.until('it came', () => sink.named('pods', 'new'));
    expect(sink.names('pods')).toEqual(['new', 'small']);
    // It ended as nobody could read.
    expect(sink.told.find(({ what }) => what === 'remove')).toMatchObject({ uid: 'grows', last: undefined });
    expect(status('pods')).toMatchObject({ lists: 1, watches: 1, largeObjects: 4, failures: new Map(), error: null });
    expect(sink.faults).toEqual([]);
    expect(rig.warnings).toEqual(
      ['grows', 'new'].map(
        (name) =>
          `kubernetes: pods -n default ${name} is larger than 5000 bytes and is skipped: it stays as it was known, or unknown, and its ` +
          `addresses may have no name; see what fills it (kubectl get pods -n default ${name} -o yaml --show-managed-fields), and make it smaller`,
      ),
    );
  });

  test('in a list: the others are listed, what was known of it stays, and what is gone goes', async () => {
    await start({ limits: { objectBytesMax: 5000, pageObjects: 2 } });
    const { standIn, sink, proxy, status } = rig;
    standIn.store.put('pods', large('a'));
    for (const name of ['b', 'c', 'd']) standIn.store.put('pods', podWith(name, { uid: name }));
    await startSynced();
    expect(sink.names('pods')).toEqual(['b', 'c', 'd']);
    await proxy.away(true);
    standIn.store.put('pods', large('b'));
    standIn.store.remove('pods', 'default/c');
    standIn.store.put('pods', podWith('e'));
    standIn.store.compact();
    await proxy.away(false);
    await rig.untilLater('listed anew', () => status('pods').lists === 2 && status('pods').state === 'watching');
    expect(sink.names('pods')).toEqual(['b', 'd', 'e']);
    expect(status('pods')).toMatchObject({ largeObjects: 3, synced: true, objects: 3 });
    expect(sink.faults).toEqual([]);
  });

  test('of more than 16 MiB, with the limits as they are', async () => {
    const { standIn, sink, status } = rig;
    standIn.store.put('pods', podWith('before'));
    standIn.store.put('pods', large('huge', 17 * 1024 ** 2));
    standIn.store.put('pods', podWith('later'));
    await startSynced();
    standIn.store.put('pods', large('huge', 17 * 1024 ** 2, 'y'));
    standIn.store.put('pods', podWith('next'));
    await rig.until('what follows came', () => sink.named('pods', 'next'));
    expect(sink.names('pods')).toEqual(['before', 'later', 'next']);
    expect(status('pods')).toMatchObject({ lists: 1, largeObjects: 2, failures: new Map() });
  });
});

describe('refusals', () => {
  test('429: not before the server says', async () => {
    const askedMs = askedAt('/pods', ({ number }) => (number < 7 ? { status: 429, retryAfterS: 40 } : undefined));
    rig.caches.start();
    await rig.until('refused', () => rig.status('pods').failures.get('throttled'));
    await rig.untilLater('synced', () => rig.caches.synced, 1000);
    expect(askedMs[1]! - askedMs[0]!).toBeGreaterThanOrEqual(40_000);
    expect(askedMs[1]! - askedMs[0]!).toBeLessThan(42_000);
  });

  test('401: the credentials are read again', async () => {
    const { standIn, proxy, sink } = rig;
    await startSynced();
    const expired = standIn.adminToken;
    proxy.fault(() => ({ status: 401 }));
    proxy.cutWatches();
    await rig.untilLater('refused', () => (rig.status('pods').failures.get('unauthorized') ?? 0) >= 2);
    expect(rig.status('pods').error?.message).toMatch(
      /cannot watch pods at http:\S+ \(HTTP 401: played: Unauthorized\): the server does not accept the kubeconfig \S+, context "test"; they are read again/,
    );
    expect(sink.told.filter(({ what }) => what === 'remove')).toEqual([]);
    // Somebody writes a new kubeconfig; the proxy stands for a server that knows only its token.
    rig.useToken(await accountToken('reader', [{ apiGroups: ['*'], resources: ['*'], verbs: ['list', 'watch'] }]));
    proxy.fault(() => undefined);
    standIn.access.revoke(expired);
    standIn.store.put('pods', podWith('p'));
    await rig.untilLater('it works again', () => sink.named('pods', 'p'));
    expect(rig.status('pods').error).toBeNull();
  });

  test('401 for one resource: the others’ requests go on while the credentials are read again', async () => {
    await startSynced();
    const { proxy, standIn, sink } = rig;
    proxy.fault(({ path }) => (path.endsWith('/pods') ? { status: 401 } : undefined));
    proxy.cutWatches();
    await rig.untilLater('refused', () => (rig.status('pods').failures.get('unauthorized') ?? 0) >= 5);
    expect(rig.status('nodes')).toMatchObject({ state: 'watching', watches: 2, failures: new Map([['cut', 1]]) });
    expect(rig.warnings).toEqual([expect.stringContaining('the server does not accept')]);
    proxy.fault(() => undefined);
    standIn.store.put('pods', podWith('p'));
    await rig.untilLater('it works again', () => sink.named('pods', 'p'));
    expect(rig.infos).toEqual([expect.stringMatching(/^kubernetes: the API server answers again/)]);
  });

  test('403: verb, resource, group and the rule to add; tried again slowly', async () => {
    const rules = [{ apiGroups: ['', 'discovery.k8s.io', 'batch'], resources: ['*'], verbs: ['list', 'watch'] }];
    rig.useToken(await accountToken('poor', rules));
    rig.standIn.access.revoke(rig.standIn.adminToken);
    rig.caches.start();
    await rig.untilLater('refused', () => rig.status('replicasets.apps').failures.get('forbidden'));
    const refusedMs = rig.timing.now();
    expect(rig.status('replicasets.apps').error).toMatchObject({ code: 'KUBERNETES_FORBIDDEN' });
    expect(rig.status('replicasets.apps').error?.message).toContain(
      'may not list resource "replicasets" in API group "apps"; add this rule to its ClusterRole: ' +
        '{apiGroups: ["apps"], resources: ["replicasets"], verbs: ["list", "watch"]} (docs/kubernetes.md)',
    );
    expect(rig.warnings.join()).toContain('may not list resource "replicasets"');
    expect(rig.caches.synced).toBe(false);
    const askedMs = askedAt('/replicasets', () => undefined);
    const role = rig.standIn.store.get('clusterroles', '/poor')!;
    rig.standIn.store.put('clusterroles', {
      ...role,
      rules: [...rules, { apiGroups: ['apps'], resources: ['replicasets'], verbs: ['list', 'watch'] }],
    });
    await rig.untilLater('allowed', () => rig.caches.synced, 1000);
    // 60 s, less what random takes off: 0.5 here.
    expect(askedMs[0]! - refusedMs).toBeGreaterThanOrEqual(44_000);
  });

  test('back-off grows, and varies', async () => {
    rig.proxy.fault(({ path }) => (path.endsWith('/pods') ? { status: 500 } : undefined));
    rig.caches.start();
    const waits: number[] = [];
    for (let count = 1; count <= 9; count++) {
      const begunMs = rig.timing.now();
      await rig.until('failed', () => {
        if (rig.status('pods').failures.get('server-error') === count) return true;
        // Not while a try is under way, which takes as long as the machine is busy.
        if (rig.status('pods').state === 'waiting') rig.timing.advance(200);
        return false;
      });
      waits.push(rig.timing.now() - begunMs);
    }
    // Random is 0.5 here: three quarters of 0.5, 1, 2 … 30 s, in steps of 0.2 s.
    expect(waits.slice(1).map((ms) => Math.floor(ms / 1000))).toEqual([0, 0, 1, 3, 6, 12, 22, 22]);
  });
});

describe('an API server that is away for an hour', () => {
  test('what is known stays; what happened meanwhile is told when it is back', async () => {
    const { standIn, proxy, sink, timing } = rig;
    standIn.store.put('pods', podWith('stays', { uid: 'stays' }));
    standIn.store.put('pods', podWith('goes', { uid: 'goes' }));
    await startSynced();
    const told = sink.told.length;
    await proxy.away(true);
    const goneMs = timing.now();
    expect(sink.heardUs.get('pods')).toBe(goneMs * 1000);
    await rig.until('all have noticed', () => rig.caches.resources.every(({ state }) => state === 'waiting'));
    while (timing.now() - goneMs < 3_600_000) {
      const tries = failuresOf('pods');
      timing.advance(30_000);
      // Each wait is at most 30 s, so that there was a try.
      await rig.until('another try', () => failuresOf('pods') > tries);
    }
    expect(rig.status('pods')).toMatchObject({ synced: true, objects: 2 });
    expect(rig.status('pods').error).toMatchObject({ code: 'KUBERNETES_UNAVAILABLE' });
    expect(rig.status('pods').error?.message).toMatch(
      /cannot watch pods at http:\S+ \(.*ECONNREFUSED.*\): check the network and the address of the server/,
    );
    expect(timing.now() - rig.status('pods').heardMs!).toBeGreaterThanOrEqual(3_600_000);
    expect(sink.told).toHaveLength(told);
    expect(sink.heardUs.get('pods')).toBe(goneMs * 1000);
    expect(rig.status('pods').failingSinceMs).toBe(goneMs);
    // One line for all resources and tries; which resource is the first is chance.
    const saysWho = /^kubernetes: cannot watch \S+ at http.*ECONNREFUSED.*; names go on from what is known$/;
    expect(rig.warnings).toEqual([expect.stringMatching(saysWho)]);
    expect(rig.infos).toEqual([]);

    standIn.store.remove('pods', 'default/goes');
    standIn.store.put('pods', podWith('comes', { ip: '10.244.0.1' }));
    standIn.store.compact();
    await proxy.away(false);
    await rig.untilLater('back', () => rig.caches.resources.every(({ error }) => error === null));
    expect(rig.infos).toEqual([expect.stringMatching(/^kubernetes: the API server answers again, after 36\d\d s$/)]);
    expect(rig.status('pods').failingSinceMs).toBeNull();
    expect(sink.names('pods')).toEqual(['comes', 'stays']);
    expect(sink.heardUs.get('pods')).toBeGreaterThanOrEqual((goneMs + 3_600_000) * 1000);
    expect(putsOf('stays')).toBe(1);
    expect(sink.faults).toEqual([]);
  });
});

describe('a watch that goes on after a gap', () => {
  /** Ten minutes away, and three events meanwhile. Resolves when they have come. */
  async function gap(): Promise<number> {
    const { standIn, proxy, timing, sink } = rig;
    standIn.store.put('pods', podWith('goes', { uid: 'goes' }));
    await startSynced();
    await proxy.away(true);
    const goneMs = timing.now();
    timing.advance(600_000);
    await rig.until('it has noticed', () => rig.status('pods').failingSinceMs !== null);
    standIn.store.put('pods', podWith('goes', { uid: 'goes', labels: { app: 'a' } }));
    standIn.store.remove('pods', 'default/goes');
    standIn.store.put('pods', podWith('comes'));
    await proxy.away(false);
    await rig.untilLater('they are told', () => sink.named('pods', 'comes'));
    expect(rig.status('pods').lists).toBe(1);
    return goneMs;
  }

  test('has not told all that happened before its first event came', async () => {
    const goneMs = await gap();
    const { standIn, timing, sink } = rig;
    expect(sink.heardUs.get('pods')).toBe(goneMs * 1000);
    expect(rig.status('pods').toldMs).toBe(goneMs);
    // No server keeps back for half a minute what it has.
    timing.advance(30_000);
    standIn.store.put('pods', podWith('later'));
    await rig.until('it came', () => sink.named('pods', 'later'));
    expect(sink.heardUs.get('pods')).toBe(timing.now() * 1000);
  });

  test('has when a bookmark says so', async () => {
    const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '999999' } } };
    const goneMs = await gap();
    rig.proxy.fault(({ path, watching }) =>
      watching && path.endsWith('/pods') ? { linesBefore: [JSON.stringify(bookmark)] } : undefined,
    );
    expect(rig.sink.heardUs.get('pods')).toBe(goneMs * 1000);
    rig.proxy.cutWatches();
    await rig.untilLater('it came', () => rig.status('pods').bookmarks === 1);
    expect(rig.sink.heardUs.get('pods')).toBeGreaterThan((goneMs + 600_000) * 1000);
  });
});

describe('stop', () => {
  test('ends watches, lists and waits, and nothing is told afterwards', async () => {
    const { standIn, sink, proxy } = rig;
    proxy.fault(({ path }) =>
      path.endsWith('/nodes') ? 'never-answered' : path.endsWith('/jobs') ? { status: 500 } : undefined,
    );
    rig.caches.start();
    await rig.until('pods are watched', () => rig.status('pods').state === 'watching');
    await rig.until('jobs wait', () => rig.status('jobs.batch').state === 'waiting');
    await rig.caches.stop();
    const told = sink.told.length;
    standIn.store.put('pods', podWith('late'));
    rig.timing.advance(3_600_000);
    expect(sink.told).toHaveLength(told);
    expect(rig.caches.resources.map(({ state }) => state)).toEqual(Array(7).fill('stopped'));
  });
});

function failuresOf(resource: string): number {
  return [...rig.status(resource).failures.values()].reduce((sum, count) => sum + count, 0);
}

/** When requests for this path come from now on; what happens to them is for `decide` to say. */
function askedAt(suffix: string, decide: (request: FaultRequest) => Fault): number[] {
  const askedMs: number[] = [];
  rig.proxy.fault((request) => {
    if (!request.path.endsWith(suffix)) return undefined;
    askedMs.push(rig.timing.now());
    return decide(request);
  });
  return askedMs;
}

async function accountToken(name: string, rules: readonly object[]): Promise<string> {
  const { store, access } = rig.standIn;
  const metadata = { name, uid: name, resourceVersion: '', creationTimestamp: '2026-01-01T00:00:00Z' };
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata };
  store.put('clusterroles', { ...rbac, kind: 'ClusterRole', rules });
  store.put('clusterrolebindings', {
    ...rbac,
    kind: 'ClusterRoleBinding',
    roleRef: { name },
    subjects: [{ kind: 'ServiceAccount', name, namespace: 'default' }],
  });
  return access.issue('default', name);
}
