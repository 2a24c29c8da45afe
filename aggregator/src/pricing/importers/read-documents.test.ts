// Documents over a real HTTP server of this machine that misbehaves as price APIs do: busy, broken, cut, endless, too large. Pauses
// are recorded, not waited for.
import { once } from 'node:events';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PRICE_APIS } from './import-book.ts';
import { READ_LIMITS, type ReadLimits, readPriceDocuments } from './read-documents.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const NOW_MS = Date.UTC(2026, 9, 1, 12);
const KEY = 'secret-key-of-a-test';

let server: Server;
let base: string;
let answers: Answer[];
let requests: IncomingMessage[];
let pausesMs: number[];

beforeEach(async () => {
  [answers, requests, pausesMs] = [[], [], []];
  server = createServer((request, response) => {
    requests.push(request);
    // The last answer is for all that follow.
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const text =
  (body: string, status = 200, headers: Record<string, string> = {}): Answer =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };

const azurePage = (name: string, next: string | null) =>
  text(JSON.stringify({ Items: [{ name }], NextPageLink: next, Count: 1 }));

const world = {
  fetch: globalThis.fetch,
  sleep: async (ms: number) => {
    pausesMs.push(ms);
  },
  nowMs: () => NOW_MS,
  random: () => 0.5,
};

const read = (provider: keyof typeof PRICE_APIS, source: string, limits: Partial<ReadLimits> = {}, key?: string) =>
  readPriceDocuments(PRICE_APIS[provider], [source], {
    world,
    limits: { ...READ_LIMITS, silenceMs: 5000, ...limits },
    ...(key === undefined ? {} : { key }),
  });

const codeOf = (code: string, message: RegExp | string) => ({
  code,
  message: typeof message === 'string' ? message : expect.stringMatching(message),
});

describe('pages', () => {
  test('are followed to the last, in order', async () => {
    answers = [azurePage('1', `${base}/prices?$skip=1`), azurePage('2', '/prices?$skip=2'), azurePage('3', null)];
    const documents = await read('azure', `${base}/prices?$filter=x`);
    expect(requests.map(({ url }) => url)).toEqual(['/prices?$filter=x', '/prices?$skip=1', '/prices?$skip=2']);
    expect(documents.map(({ name, isAddress, day }) => [name, isAddress, day])).toEqual([
      [`${base}/prices?$filter=x`, true, '2026-10-01'],
      [`${base}/prices?$skip=1`, true, '2026-10-01'],
      [`${base}/prices?$skip=2`, true, '2026-10-01'],
    ]);
    expect(documents.map((document) => JSON.parse(document.text).Items[0].name)).toEqual(['1', '2', '3']);
  });

  test('Google’s by their tokens, the key in a header and nowhere else', async () => {
    const page = (nextPageToken: string) => text(JSON.stringify({ skus: [], nextPageToken }));
    answers = [page('A/B'), page('')];
    const documents = await read('gcp', `${base}/v1/services/X/skus?pageSize=5000`, {}, KEY);
    expect(requests.map(({ url }) => url)).toEqual([
      '/v1/services/X/skus?pageSize=5000',
      '/v1/services/X/skus?pageSize=5000&pageToken=A%2FB',
    ]);
    expect(requests.map(({ headers }) => headers['x-goog-api-key'])).toEqual([KEY, KEY]);
    expect(JSON.stringify(documents)).not.toContain(KEY);
  });

  test('that come again end it', async () => {
    answers = [azurePage('1', `${base}/b`), azurePage('2', `${base}/a`)];
    await expect(read('azure', `${base}/a`)).rejects.toMatchObject(
      codeOf(
        'PRICE_DOCUMENT_INVALID',
        `${base}/b names a page as the next one that was read already; save the pages that are needed and give the files`,
      ),
    );
    expect(requests).toHaveLength(2);
  });

  test('without an end do, too', async () => {
    answers = [(_, response) => response.end(`{"Items":[],"NextPageLink":"/p?${requests.length}"}`)];
    await expect(read('azure', `${base}/p`, { maxPages: 5 })).rejects.toMatchObject(
      codeOf('PRICE_DOCUMENT_INVALID', /\/p\?4 goes on after 5 pages; save the pages that are needed/),
    );
    expect(requests).toHaveLength(5);
  });

  test('of another server are not asked for', async () => {
    answers = [azurePage('1', 'https://elsewhere.example/p')];
    await expect(read('azure', `${base}/p`)).rejects.toMatchObject(
      codeOf('PRICE_DOCUMENT_INVALID', /names a page of another server, https:\/\/elsewhere\.example, as the next one/),
    );
  });
});

describe('what may pass is tried again', () => {
  test('429 with the pause that it asks for, in seconds or until a time', async () => {
    answers = [
      text('', 429, { 'retry-after': '7' }),
      text('', 503, { 'retry-after': new Date(NOW_MS + 9000).toUTCString() }),
      azurePage('1', null),
    ];
    expect(await read('azure', `${base}/p`)).toHaveLength(1);
    expect(pausesMs).toEqual([7000, 9000]);
  });

  test('500 with pauses that grow', async () => {
    answers = [text('', 500), text('', 502), text('', 408), azurePage('1', null)];
    expect(await read('azure', `${base}/p`)).toHaveLength(1);
    // Half of the pause is fixed, half is by the dice, which always show 0.5.
    expect(pausesMs).toEqual([375, 750, 1500]);
  });

  test('a body that is cut', async () => {
    answers = [
      (_, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"Items":[', () => response.destroy());
      },
      azurePage('whole', null),
    ];
    const [document] = await read('azure', `${base}/p`);
    expect(document!.text).toContain('whole');
    expect(pausesMs).toHaveLength(1);
  });

  test('silence', async () => {
    answers = [() => undefined, azurePage('1', null)];
    expect(await read('azure', `${base}/p`, { silenceMs: 100 })).toHaveLength(1);
    expect(pausesMs).toHaveLength(1);
  });

  test('silence in the middle', async () => {
    answers = [(_, response) => void response.writeHead(200).write('{"Items":['), azurePage('1', null)];
    expect(await read('azure', `${base}/p`, { silenceMs: 100 })).toHaveLength(1);
    expect(pausesMs).toHaveLength(1);
  });

  test('a slow answer is none of these: only silence ends it', async () => {
    const chunks = [...'{"Items":[],"NextPageLink":null}'];
    answers = [
      (_, response) => {
        const send = () => {
          if (chunks.length === 0) response.end();
          else response.write(chunks.shift(), () => setTimeout(send, 50));
        };
        send();
      },
    ];
    const beginMs = performance.now();
    expect(await read('azure', `${base}/p`, { silenceMs: 1000 })).toHaveLength(1);
    expect(performance.now() - beginMs).toBeGreaterThan(1000);
    expect(pausesMs).toEqual([]);
  });

  test('but not for ever', async () => {
    answers = [text('', 500)];
    await expect(read('azure', `${base}/p`, { attempts: 4 })).rejects.toMatchObject(
      codeOf(
        'PRICE_DOCUMENT_UNAVAILABLE',
        `${base}/p answered 500 Internal Server Error, 4 times in a row; try again later`,
      ),
    );
    expect(requests).toHaveLength(4);
  });

  test('nor when the server wants to be left alone for long', async () => {
    answers = [text('', 429, { 'retry-after': '3600' })];
    await expect(read('azure', `${base}/p`)).rejects.toMatchObject(
      codeOf(
        'PRICE_DOCUMENT_UNAVAILABLE',
        `${base}/p answered 429 Too Many Requests and asks to wait 3600 s; try again then`,
      ),
    );
    expect(pausesMs).toEqual([]);
  });

  test('nor where nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    await expect(read('aws', `http://127.0.0.1:${port}/x`)).rejects.toMatchObject(
      codeOf('PRICE_DOCUMENT_UNAVAILABLE', /\/x failed \(.*ECONNREFUSED.*\), 6 times in a row; try again later$/),
    );
    expect(pausesMs).toHaveLength(5);
  });
});

describe('what does not pass is refused at once', () => {
  test.each([
    [403, /answered 403 Forbidden; check the address and the key$/],
    [404, /answered 404 Not Found; check the address$/],
  ])('%d', async (status, message) => {
    answers = [text('', status)];
    await expect(read('aws', `${base}/x`)).rejects.toMatchObject(codeOf('PRICE_DOCUMENT_UNAVAILABLE', message));
    expect(requests).toHaveLength(1);
  });

  test('too large, also when it was packed', async () => {
    answers = [text(`"${'x'.repeat(2000)}"`)];
    const message = `${base}/x has more than 1000 bytes; save the part that is needed (docs/importing-prices.md shows how) and give the file`;
    await expect(read('aws', `${base}/x`, { maxBytes: 1000 })).rejects.toMatchObject(
      codeOf('PRICE_DOCUMENT_INVALID', message),
    );
    answers = [
      (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(2000))),
    ];
    await expect(read('aws', `${base}/x`, { maxBytes: 1000 })).rejects.toMatchObject(
      codeOf('PRICE_DOCUMENT_INVALID', message),
    );
    expect(pausesMs).toEqual([]);
  });

  test('pages that are too large together', async () => {
    answers = [azurePage('x'.repeat(600), '/2'), azurePage('x'.repeat(600), null)];
    await expect(read('azure', `${base}/1`, { maxBytes: 1000 })).rejects.toMatchObject(
      codeOf('PRICE_DOCUMENT_INVALID', /\/2 has more than \d+ bytes/),
    );
  });

  test('a redirect while a key is sent', async () => {
    answers = [text('', 302, { location: `${base}/elsewhere` })];
    await expect(read('gcp', `${base}/x`, {}, KEY)).rejects.toMatchObject(
      codeOf('PRICE_DOCUMENT_UNAVAILABLE', /answered 302 Found; check the address$/),
    );
    expect(requests).toHaveLength(1);
  });

  test('a key in the address, or sent in the clear', async () => {
    await expect(read('gcp', `${base}/x?key=${KEY}`)).rejects.toSatisfy(
      (error: Error) => !error.message.includes(KEY) && /give it by --key-file$/.test(error.message),
    );
    await expect(read('gcp', 'http://prices.example/x', {}, KEY)).rejects.toMatchObject(
      codeOf('CONFIG_INVALID', 'a key is not sent to http://prices.example/x in the clear; use https'),
    );
    expect(requests).toEqual([]);
  });

  test('an address that is none', async () => {
    await expect(read('aws', 'https://')).rejects.toMatchObject(
      codeOf('CONFIG_INVALID', '--from https:// is no address; check its spelling'),
    );
  });
});

describe('saved files', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'flowtoll-prices-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const save = async (name: string, content: string | Buffer) => {
    const path = join(directory, name);
    await writeFile(path, content);
    await utimes(path, 1_790_000_000, Date.UTC(2026, 8, 19, 23, 59) / 1000);
    return path;
  };

  test('have the day on which they were saved, unless it is given', async () => {
    const path = await save('page-1.json', '\u{feff}{"Items":[]}');
    expect(await read('azure', path)).toEqual([
      { name: 'page-1.json', isAddress: false, day: '2026-09-19', text: '{"Items":[]}' },
    ]);
    const [given] = await readPriceDocuments(PRICE_APIS.azure, [path], { world, day: '2026-09-01' });
    expect(given!.day).toBe('2026-09-01');
  });

  test('that cannot be used are refused', async () => {
    await expect(read('azure', join(directory, 'missing.json'))).rejects.toMatchObject(
      codeOf(
        'PRICE_DOCUMENT_UNAVAILABLE',
        /missing\.json cannot be read: ENOENT.*; --from takes http\(s\) addresses and files$/,
      ),
    );
    await expect(read('azure', await save('large.json', 'x'.repeat(20)), { maxBytes: 10 })).rejects.toMatchObject(
      codeOf('PRICE_DOCUMENT_INVALID', /large\.json has more than 10 bytes; save the part/),
    );
    await expect(read('azure', await save('packed.json', gzipSync('{}')))).rejects.toMatchObject(
      codeOf('PRICE_DOCUMENT_INVALID', /packed\.json is no UTF-8 text; unpack it first if it is packed$/),
    );
  });
});
