// What several stores of clouds are tried with: lost answers to conditional writes, and a whole `flowtoll serve`. Knows the
// interface of stores and the command line; a caller says how its store is reached.
import { join } from 'node:path';
import { keysOf } from '@flowtoll/aggregator/store/conformance.testing.ts';
import type { ObjectStore } from '@flowtoll/aggregator/store/store.ts';
import { DeltaLog } from '@flowtoll/aggregator/table/delta-log.ts';
import { expect, test } from 'vitest';
import { type ForeignTable, foreignBytes } from './delta-rows.ts';
import { AGENT_PROGRAM, AGGREGATOR_PROGRAM, type Ended, environment, type Programs } from './processes.ts';
import { bytesByNodeAndClass, NODES, TESTDATA } from './recorded-traffic.ts';
import type { CannedAnswer, ProxiedRequest, Trouble, TroubleProxy } from './trouble-proxy.ts';

export interface LostAnswersOptions {
  readonly proxy: () => TroubleProxy;
  /** Opens an empty store through the proxy; it gives a silent server up soon. */
  readonly open: () => Promise<ObjectStore>;
  readonly isConditional: (request: ProxiedRequest) => boolean;
  /** An answer of the server's kind. */
  readonly failed: (status: number, code: string) => CannedAnswer;
  /** Answers by which the server says that it has done nothing yet. */
  readonly notDone: readonly CannedAnswer[];
}

/** This happens to the first requests of the kind, in turn. */
export function troubleFirst(
  proxy: TroubleProxy,
  matches: (request: ProxiedRequest) => boolean,
  ...troubles: readonly Trouble[]
): void {
  const left = [...troubles];
  proxy.trouble((request) => (matches(request) ? left.shift() : undefined));
}

/** Tests of what a store says of a conditional write whose outcome nobody knows, and that the log resolves it. */
export function testLostAnswers({ proxy, open, isConditional, failed, notDone }: LostAnswersOptions): void {
  const first = (...troubles: readonly Trouble[]): void => troubleFirst(proxy(), isConditional, ...troubles);
  const openQuietly = (): Promise<ObjectStore> => {
    proxy().trouble(() => undefined);
    return open();
  };
  const textOf = async (store: ObjectStore, key: string) => Buffer.from((await store.get(key)) ?? 'absent').toString();

  /** It was carried out, and nobody is told. */
  const ambiguous: readonly { readonly name: string; readonly trouble: Trouble }[] = [
    { name: 'whose answer is dropped', trouble: 'drop-answer' },
    { name: 'whose answer comes too late', trouble: { delayMs: 60_000 } },
    { name: 'that succeeds and is answered with 500', trouble: { afterwards: failed(500, 'InternalError') } },
    { name: 'that succeeds and is answered with 503', trouble: { afterwards: failed(503, 'ServiceUnavailable') } },
    { name: 'that succeeds and is answered by a gateway', trouble: { afterwards: { status: 504, body: 'timeout' } } },
  ];
  for (const { name, trouble } of ambiguous) {
    test(`a conditional write ${name} is not tried again, and nobody says that it exists`, async () => {
      const store = await openQuietly();
      first(trouble);
      await expect(store.putIfAbsent('x', Buffer.from('mine'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      expect(proxy().requests.filter(isConditional)).toHaveLength(1);
      expect(await textOf(store, 'x')).toBe('mine');
    });

    test(`a commit ${name} is found in the log by its writer`, async () => {
      const store = await openQuietly();
      first(trouble);
      expect(await new DeltaLog(store, 'table').append(logEntry('mine'))).toBe(true);
      expect(await keysOf(store, 'table/')).toEqual(['table/_delta_log/00000000000000000000.json']);
    });
  }

  test('a conditional write that never arrived is an error, too, and a commit is tried again', async () => {
    const store = await openQuietly();
    first('cut-before');
    await expect(store.putIfAbsent('x', Buffer.from('mine'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await textOf(store, 'x')).toBe('absent');
    first('cut-before', 'cut-before');
    expect(await new DeltaLog(store, 'table').append(logEntry('mine'))).toBe(true);
  });

  test('a conditional write that the server says it has not done is tried again', async () => {
    const store = await openQuietly();
    first(...notDone.map((instead) => ({ instead })));
    expect(await store.putIfAbsent('x', Buffer.from('mine'))).toBe('created');
    expect(proxy().requests.filter(isConditional)).toHaveLength(notDone.length + 1);
  });

  test('one that meets such answers without end is an error', async () => {
    const store = await openQuietly();
    proxy().trouble((request) => (isConditional(request) ? { instead: notDone[0]! } : undefined));
    await expect(store.putIfAbsent('x', Buffer.from('mine'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await textOf(store, 'x')).toBe('absent');
  });

  test('one that loses says so whatever happened before', async () => {
    const store = await openQuietly();
    await store.put('x', Buffer.from('theirs'));
    first({ instead: notDone[0]! });
    expect(await store.putIfAbsent('x', Buffer.from('mine'))).toBe('exists');
    expect(await textOf(store, 'x')).toBe('theirs');
  });

  test('an object whose bytes are cut is read again', async () => {
    const store = await openQuietly();
    const content = Buffer.alloc(100_000, 'content');
    await store.put('body', content);
    const isRead = ({ method, url }: ProxiedRequest) => method === 'GET' && url.split('?')[0]!.endsWith('body');
    troubleFirst(proxy(), isRead, 'cut-answer', 'cut-answer');
    expect(Buffer.compare((await store.get('body'))!, content)).toBe(0);
    expect(proxy().requests.filter(isRead)).toHaveLength(3);
  });

  test('a server that falls silent is given up', async () => {
    const store = await openQuietly();
    proxy().trouble(() => ({ delayMs: 60_000 }));
    await expect(store.get('x')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(keysOf(store, '')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
}

/** An entry of a log that says nothing but who wrote it. */
export function logEntry(commitId: string) {
  const info = { timestamp: 0, operation: 'WRITE', operationParameters: {}, isBlindAppend: true, engineInfo: 'test' };
  return { commitInfo: { ...info, commitId }, txns: [], adds: [], removes: [] };
}

/** Several aggregators put recorded traffic into one table; delta-rs must see what independent counters saw. */
export async function serveRecordedTraffic(
  programs: Programs,
  python: string,
  store: string,
  env: Readonly<Record<string, string>>,
  table: () => Promise<ForeignTable>,
): Promise<void> {
  const aggregators = NODES.map(() =>
    programs.start(
      AGGREGATOR_PROGRAM,
      [
        ...['serve', '--store', store, '--topology', join(TESTDATA, 'topology.yaml'), '--listen', '127.0.0.1:0'],
        ...['--commit-interval', '100ms', '--max-batch-age', 'none', '--cluster', 'demo', '--metrics-listen', 'none'],
      ],
      { env: withoutCloud(env) },
    ),
  );
  const agents = await Promise.all(
    aggregators.map(async (aggregator, i) =>
      programs.start(AGENT_PROGRAM, [
        ...['run', '--source', 'replay', '--replay-file', join(TESTDATA, `${NODES[i]}.ftct`)],
        ...['--aggregator', `127.0.0.1:${(await aggregator.logged('listening'))['port']}`],
      ]),
    ),
  );
  for (const agent of agents) {
    expect(await agent.ended()).toMatchObject({ code: 0 });
  }
  for (const aggregator of aggregators) {
    expect(await aggregator.stop()).toMatchObject({ code: 0 });
    expect(aggregator.complaints().map(({ msg }) => msg)).toEqual([expect.stringMatching(/--max-batch-age none/)]);
  }
  expect(await foreignBytes(python, await table())).toEqual(bytesByNodeAndClass(NODES));
}

/** What `flowtoll serve` says of a store that it cannot use. */
export function serveRefused(programs: Programs, store: string, env: Readonly<Record<string, string>>): Promise<Ended> {
  const args = ['--topology', join(TESTDATA, 'topology.yaml'), '--listen', '127.0.0.1:0', '--metrics-listen', 'none'];
  return programs.start(AGGREGATOR_PROGRAM, ['serve', '--store', store, ...args], { env: withoutCloud(env) }).ended();
}

/** The environment of whoever runs the tests without their clouds, and `extra`. */
export function withoutCloud(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(environment()).filter(([name]) => !/^(AWS|AZURE|GOOGLE|GCLOUD|STORAGE)_/.test(name));
  return { ...Object.fromEntries(own), ...extra };
}
