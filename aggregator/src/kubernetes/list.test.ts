// Pages of a list: which are asked for when, and what becomes of the one that was asked for ahead.
import { expect, test } from 'vitest';
import type { ApiClient } from './api-client.ts';
import { listAll } from './list.ts';

interface Page {
  readonly token: string | null;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  readonly end: () => void;
  readonly fail: (error: Error) => void;
}

function setup() {
  const pages: Page[] = [];
  const names: string[] = [];
  const taken: object[] = [];
  const client = {
    getStream: (
      { path, signal }: { path: string; signal: AbortSignal },
      onAgreed: () => void,
      onData: (chunk: Buffer) => void,
    ) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      onAgreed();
      pages.push({
        token: new URLSearchParams(path.split('?')[1]).get('continue'),
        signal,
        say: (text) => onData(Buffer.from(text)),
        end: resolve,
        fail: reject,
      });
      return promise;
    },
  } as unknown as ApiClient;
  const stop = new AbortController();
  const version = listAll(
    client,
    {
      ...{ path: '/api/v1/pods', metadataOnly: false, limit: 2, objectBytesMax: 1000 },
      ...{ unread: new Map([['volumes', null]]), signal: stop.signal, silenceMs: 1000 },
    },
    {
      onPage: () => undefined,
      take(object) {
        taken.push(object);
        names.push(object.metadata?.name ?? '');
      },
      skip: ({ name }) => names.push(`skipped ${name}`),
    },
  );
  version.catch(() => undefined);
  return { pages, names, taken, version };
}

const turn = () => new Promise(setImmediate);
const head = (token?: string) =>
  `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"${token ? `,"continue":"${token}"` : ''}},"items":[`;
const item = (name: string) => `{"metadata":{"name":"${name}"}}`;

test('a page is asked for when the one before has said its token and the one before that is done', async () => {
  const { pages, names, version } = setup();
  pages[0]!.say(`${head('b')}${item('1')},`);
  await turn();
  expect(pages.map(({ token }) => token)).toEqual([null, 'b']);
  pages[1]!.say(`${head('c')}${item('3')},${item('4')},`);
  await turn();
  expect(pages).toHaveLength(2);
  pages[0]!.say(`${item('2')}]}`);
  pages[0]!.end();
  await turn();
  expect(pages.map(({ token }) => token)).toEqual([null, 'b', 'c']);
  pages[1]!.say(`${item('5')}]}`);
  pages[1]!.end();
  pages[2]!.say(`${head()}${item('6')}]}`);
  pages[2]!.end();
  expect(await version).toBe('7');
  expect(names.toSorted()).toEqual(['1', '2', '3', '4', '5', '6']);
});

test('a list written in another way goes on page by page', async () => {
  const { pages, names, version } = setup();
  pages[0]!.say(`{"items": [${item('1')}], "metadata": {"resourceVersion": "7", "continue": "b"}}`);
  await turn();
  expect(pages).toHaveLength(1);
  pages[0]!.end();
  await turn();
  pages[1]!.say(`${head()}]}`);
  pages[1]!.end();
  expect(await version).toBe('7');
  expect(names).toEqual(['1']);
});

test('when a page fails, the one asked for ahead ends and gives nothing more', async () => {
  const { pages, names, version } = setup();
  pages[0]!.say(`${head('b')}${item('1')},${item('2')}`);
  await turn();
  pages[1]!.say(`${head()}${item('3')},${item('4')}`);
  pages[0]!.fail(new Error('cut'));
  await expect(version).rejects.toThrow('cut');
  expect(pages[1]!.signal.aborted).toBe(true);
  pages[1]!.say(`,${item('5')},`);
  expect(names).toEqual(['1', '3']);
});

test('arrays that nobody reads come empty, in the last object of a page, too', async () => {
  const { pages, taken, version } = setup();
  const volumes = '{"metadata":{"name":"1"},"spec":{"a":[1],"volumes":[{"name":"a"}],"b":2}}';
  pages[0]!.say(`${head()}${volumes},${volumes}]}`);
  pages[0]!.end();
  await version;
  const left = { metadata: { name: '1' }, spec: { a: [1], volumes: [], b: 2 } };
  expect(taken).toEqual([left, left]);
});
