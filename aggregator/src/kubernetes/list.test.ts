// Pages of a list: which are asked for when, and what becomes of the one that was asked for ahead.
import { expect, test } from 'vitest';
import { protobufList } from '../../../test/support/kubernetes/stand-in/protobuf.ts';
import type { ApiClient } from './api-client.ts';
import { listAll } from './list.ts';

interface Page {
  readonly token: string | null;
  readonly signal: AbortSignal;
  readonly say: (part: string | Buffer) => void;
  readonly end: () => void;
  readonly fail: (error: Error) => void;
}

function setup(contentType = 'application/vnd.kubernetes.protobuf') {
  const pages: Page[] = [];
  const names: string[] = [];
  const client = {
    getStream: (
      { path, signal }: { path: string; signal: AbortSignal },
      onAgreed: (contentType: string) => void,
      onData: (chunk: Buffer) => void,
    ) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      onAgreed(contentType);
      pages.push({
        token: new URLSearchParams(path.split('?')[1]).get('continue'),
        signal,
        say: (part) => onData(Buffer.from(part)),
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
      ...{ path: '/api/v1/pods', kind: 'Pod', metadataOnly: false, limit: 2, objectBytesMax: 1000 },
      ...{ signal: stop.signal, silenceMs: 1000 },
    },
    {
      onPage: () => undefined,
      take: ({ metadata }) => names.push(metadata?.name ?? ''),
      skip: ({ name }) => names.push(`skipped ${name}`),
    },
  );
  version.catch(() => undefined);
  return { pages, names, version };
}

const turn = () => new Promise(setImmediate);
/** A page as servers write it, cut before the second of its two objects is whole. */
function pageOf(token: string | undefined, first: string, second: string): readonly [Buffer, Buffer] {
  const bytes = protobufList('Pod', {
    ...{ kind: 'PodList', apiVersion: 'v1' },
    metadata: { resourceVersion: '7', ...(token === undefined ? {} : { continue: token }) },
    items: [first, second].map((name) => ({ metadata: { name } })),
  });
  const cut = bytes.lastIndexOf(second);
  return [bytes.subarray(0, cut), bytes.subarray(cut)];
}

test('a page is asked for when the one before has said its token and the one before that is done', async () => {
  const { pages, names, version } = setup();
  const [a, b, c] = [pageOf('b', 'one', 'two'), pageOf('c', 'three', 'four'), pageOf(undefined, 'five', 'six')];
  pages[0]!.say(a[0]);
  await turn();
  expect(pages.map(({ token }) => token)).toEqual([null, 'b']);
  pages[1]!.say(b[0]);
  await turn();
  expect(pages).toHaveLength(2);
  pages[0]!.say(a[1]);
  pages[0]!.end();
  await turn();
  expect(pages.map(({ token }) => token)).toEqual([null, 'b', 'c']);
  pages[1]!.say(b[1]);
  pages[1]!.end();
  pages[2]!.say(c[0]);
  pages[2]!.say(c[1]);
  pages[2]!.end();
  expect(await version).toBe('7');
  expect(names).toEqual(['one', 'three', 'two', 'four', 'five', 'six']);
});

test('a list in JSON goes on page by page', async () => {
  const { pages, names, version } = setup('application/json');
  const item = (name: string) => `{"metadata":{"name":"${name}"}}`;
  pages[0]!.say(`{"items": [${item('1')}], "metadata": {"resourceVersion": "7", "continue": "b"}}`);
  await turn();
  expect(pages).toHaveLength(1);
  pages[0]!.end();
  await turn();
  pages[1]!.say(`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[${item('2')}]}`);
  pages[1]!.end();
  expect(await version).toBe('7');
  expect(names).toEqual(['1', '2']);
});

test('when a page fails, the one asked for ahead ends and gives nothing more', async () => {
  const { pages, names, version } = setup();
  const [a, b] = [pageOf('b', 'one', 'two'), pageOf(undefined, 'three', 'four')];
  pages[0]!.say(a[0]);
  await turn();
  pages[1]!.say(b[0]);
  pages[0]!.fail(new Error('cut'));
  await expect(version).rejects.toThrow('cut');
  expect(pages[1]!.signal.aborted).toBe(true);
  pages[1]!.say(b[1]);
  expect(names).toEqual(['one', 'three']);
});

test('an answer that is none is refused', async () => {
  const { pages, version } = setup('text/html');
  pages[0]!.say('<html>');
  pages[0]!.end();
  await expect(version).rejects.toThrow('the answer is not JSON');
});
