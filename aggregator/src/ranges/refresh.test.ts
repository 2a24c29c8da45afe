// Refreshing from a real HTTP server that behaves as servers do on bad days. Time is the test's.
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FlowtollError } from '../model/errors.ts';
import type { Schedule } from '../model/schedule.ts';
import { AWS_DOCUMENT, azureDocument, CLOUD_DOCUMENT, GOOG_DOCUMENT } from './documents.testing.ts';
import { IpRanges } from './ip-ranges.ts';
import { openIpRanges } from './open-ip-ranges.ts';
import { readRangeDirectory } from './range-directory.ts';
import { type RangeName, rangeSources } from './range-sources.ts';
import { createRangeRefresher, type RangeRefresher } from './refresh.ts';

const NOW_MS = Date.UTC(2026, 8, 1);
const DAY_MS = 86_400_000;
const TIMEOUT_MS = 45_000;

let directory: string;
let server: Server;
let url: string;
let requests: IncomingMessage[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let nowMs: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-ranges-'));
  nowMs = NOW_MS;
  requests = [];
  answer = sending(AWS_DOCUMENT);
  server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true, force: true });
});

function sending(text: string | Buffer, headers: Record<string, string> = {}): typeof answer {
  return (_, response) => response.writeHead(200, headers).end(text);
}

/** What is waited for: nothing happens before the test says so. */
class Clock {
  readonly waiting = new Map<object, { readonly callback: () => void; readonly delayMs: number }>();
  #asked: (() => void)[] = [];

  readonly schedule: Schedule = (callback, delayMs) => {
    const key = {};
    this.waiting.set(key, { callback, delayMs });
    for (const wake of this.#asked.splice(0)) wake();
    return () => this.waiting.delete(key);
  };

  /** Resolves when something waits for a time that is not a request's. */
  async nextRefresh(): Promise<{ readonly run: () => void; readonly delayMs: number }> {
    for (;;) {
      for (const [key, { callback, delayMs }] of this.waiting) {
        if (delayMs === TIMEOUT_MS) continue;
        const run = () => {
          this.waiting.delete(key);
          callback();
        };
        return { run, delayMs };
      }
      await new Promise<void>((resolve) => this.#asked.push(resolve));
    }
  }

  /** Ends what has waited for an answer for too long. */
  timeOut(): void {
    for (const { callback, delayMs } of this.waiting.values()) if (delayMs === TIMEOUT_MS) callback();
  }
}

interface Rig {
  readonly ranges: IpRanges;
  readonly refresher: RangeRefresher;
  readonly clock: Clock;
  readonly lines: string[];
}

/** Refreshes AWS alone, unless other sources are given; begins with what the directory has. */
async function rig(sources: readonly string[] = [`aws=${url}/ip-ranges.json`], random = 0.5): Promise<Rig> {
  const clock = new Clock();
  const lines: string[] = [];
  const ranges = new IpRanges();
  const { documents, origins } = await readRangeDirectory(directory);
  ranges.replace(documents);
  const refresher = createRangeRefresher(
    { directory, sources: onlyThese(sources), intervalMs: DAY_MS },
    {
      ranges,
      origins,
      log: {
        info: (_, message) => lines.push(`info: ${message}`),
        warn: (_, message) => lines.push(`warn: ${message}`),
      },
      now: () => nowMs,
      schedule: clock.schedule,
      random: () => random,
      timeoutMs: TIMEOUT_MS,
    },
  );
  return { ranges, refresher, clock, lines };
}

function onlyThese(sources: readonly string[]) {
  const named = new Set(sources.map((source) => source.split('=')[0]));
  return new Map([...rangeSources(sources)].filter(([name]) => named.has(name)));
}

async function failure(refreshed: Promise<unknown>): Promise<string> {
  try {
    await refreshed;
  } catch (error) {
    if (error instanceof FlowtollError) return `${error.code}: ${error.message.replaceAll(url, 'URL')}`;
    throw error;
  }
  return 'refreshed';
}

const S3 = { provider: 'aws', region: 'us-east-1', service: 'S3' };

describe('a refresh', () => {
  it('takes a document into use and keeps a copy, which the next process begins with', async () => {
    answer = sending(AWS_DOCUMENT, { etag: '"one"', 'last-modified': 'Sat, 22 Aug 2026 15:17:05 GMT' });
    const { ranges, refresher } = await rig();
    const version = ranges.version;
    expect(ranges.lookup('203.0.113.1')).toBeUndefined();
    expect(await refresher.refresh('aws')).toBe('new');
    expect(ranges.lookup('203.0.113.1')).toEqual(S3);
    expect(ranges.version).not.toBe(version);
    expect(await readFile(join(directory, 'ip-ranges.json'), 'utf8')).toBe(AWS_DOCUMENT);
    const next = await rig();
    expect(next.ranges.lookup('203.0.113.1')).toEqual(S3);
    expect(next.ranges.document('aws')).toMatchObject({ knownMs: NOW_MS, edition: 1787411825 });
  });

  it('asks whether there is a newer one, and only confirms where there is none', async () => {
    answer = sending(AWS_DOCUMENT, { etag: '"one"', 'last-modified': 'Sat, 22 Aug 2026 15:17:05 GMT' });
    await (await rig()).refresher.refresh('aws');
    answer = (_, response) => response.writeHead(304).end();
    nowMs += DAY_MS;
    const { ranges, refresher } = await rig();
    const version = ranges.version;
    expect(await refresher.refresh('aws')).toBe('unchanged');
    expect(requests[1]?.headers).toMatchObject({
      'if-none-match': '"one"',
      'if-modified-since': 'Sat, 22 Aug 2026 15:17:05 GMT',
    });
    expect(ranges.version).toBe(version);
    expect(ranges.document('aws')?.knownMs).toBe(nowMs);
    expect((await rig()).ranges.document('aws')?.knownMs).toBe(nowMs);
  });

  it('swaps nothing where the source sends the same again', async () => {
    const { ranges, refresher } = await rig();
    await refresher.refresh('aws');
    const version = ranges.version;
    nowMs += DAY_MS;
    expect(await refresher.refresh('aws')).toBe('unchanged');
    expect(ranges.version).toBe(version);
    expect(ranges.document('aws')?.knownMs).toBe(nowMs);
  });

  it('does not trust what it knows of a copy that somebody has replaced', async () => {
    answer = sending(AWS_DOCUMENT, { etag: '"one"' });
    await (await rig()).refresher.refresh('aws');
    await writeFile(join(directory, 'ip-ranges.json'), AWS_DOCUMENT.replaceAll('us-east-1', 'us-east-2'));
    const { ranges, refresher } = await rig();
    expect(ranges.lookup('203.0.113.1')).toMatchObject({ region: 'us-east-2' });
    expect(await refresher.refresh('aws')).toBe('new');
    expect(requests[1]?.headers['if-none-match']).toBeUndefined();
    expect(ranges.lookup('203.0.113.1')).toEqual(S3);
  });

  it('does not tell one source what another one said', async () => {
    answer = sending(AWS_DOCUMENT, { etag: '"one"' });
    await (await rig()).refresher.refresh('aws');
    const { refresher } = await rig([`aws=${url}/mirror.json`]);
    expect(await refresher.refresh('aws')).toBe('unchanged');
    expect(requests[1]?.headers['if-none-match']).toBeUndefined();
  });

  it('reads compressed answers', async () => {
    answer = sending(gzipSync(AWS_DOCUMENT), { 'content-encoding': 'gzip' });
    const { ranges, refresher } = await rig();
    await refresher.refresh('aws');
    expect(ranges.lookup('203.0.113.1')).toEqual(S3);
  });

  it('reads files', async () => {
    const file = join(directory, 'elsewhere.json');
    await writeFile(file, AWS_DOCUMENT);
    const { ranges, refresher } = await rig([`aws=${file}`]);
    expect(await refresher.refresh('aws')).toBe('new');
    expect(await refresher.refresh('aws')).toBe('unchanged');
    expect(ranges.lookup('203.0.113.1')).toEqual(S3);
    await rm(file);
    expect(await failure(refresher.refresh('aws'))).toMatch(
      /^RANGES_UNAVAILABLE: .*elsewhere.json cannot be fetched: ENOENT/,
    );
  });

  it('leaves no other files behind', async () => {
    await (await rig()).refresher.refresh('aws');
    expect((await readdir(directory)).sort()).toEqual(['fetched.json', 'ip-ranges.json']);
  });

  it('finds Azure’s document by the page that links to it', async () => {
    const pages: Record<string, { readonly text: string; readonly headers?: Record<string, string> }> = {
      '/details.aspx?id=1': {
        text: `<!DOCTYPE html><script>{"url":"${url}/x/ServiceTags_Public_20260824.json"}</script>`,
      },
      '/x/ServiceTags_Public_20260824.json': { text: azureDocument(), headers: { etag: '"week"' } },
    };
    answer = (request, response) => {
      const page = pages[request.url!];
      if (request.headers['if-none-match'] === '"week"') response.writeHead(304).end();
      else response.writeHead(page === undefined ? 404 : 200, page?.headers).end(page?.text);
    };
    const { ranges, refresher } = await rig([`azure=${url}/details.aspx?id=1`]);
    expect(await refresher.refresh('azure')).toBe('new');
    expect(ranges.lookup('198.19.1.1')).toEqual({ provider: 'azure', region: 'westeurope', service: 'Storage' });
    expect(await refresher.refresh('azure')).toBe('unchanged');
    expect(requests.map((request) => request.url)).toEqual([...Object.keys(pages), ...Object.keys(pages)]);
    expect(await readFile(join(directory, 'ServiceTags_Public.json'), 'utf8')).toBe(azureDocument());
  });
});

describe('a refresh that fails', () => {
  const cases: [name: string, answer: (...args: Parameters<typeof answer>) => void, message: string][] = [
    [
      '500',
      (_, response) => response.writeHead(500).end('no'),
      'URL/ip-ranges.json cannot be fetched: it answered 500 Internal Server Error',
    ],
    [
      '404',
      (_, response) => response.writeHead(404).end(),
      'URL/ip-ranges.json cannot be fetched: it answered 404 Not Found',
    ],
    [
      'cut before the answer',
      (request) => request.socket.destroy(),
      'URL/ip-ranges.json cannot be fetched: fetch failed: ',
    ],
    [
      'cut within the answer',
      (_, response) => {
        response.writeHead(200, { 'content-length': String(AWS_DOCUMENT.length) });
        response.write(AWS_DOCUMENT.slice(0, 500), () => response.destroy());
      },
      'URL/ip-ranges.json cannot be fetched: terminated: ',
    ],
    ['a page', sending('<html>sign in</html>'), 'URL/ip-ranges.json: is not JSON: '],
    ['another document', sending(CLOUD_DOCUMENT), 'URL/ip-ranges.json: ipv6_prefixes is missing'],
    ['an empty document', sending('{"prefixes": [], "ipv6_prefixes": []}'), 'URL/ip-ranges.json: has no prefixes'],
    ['half a document', sending(AWS_DOCUMENT.slice(0, 500)), 'URL/ip-ranges.json: is not JSON: '],
    [
      'an older edition',
      sending(AWS_DOCUMENT.replace('1787411825', '1787411824')),
      'URL/ip-ranges.json: its edition 1787411824 is older than 1787411825, which is in use',
    ],
  ];

  it.each(cases)('leaves the last good copy in use and on disk: %s', async (_, troubled, message) => {
    const { ranges, refresher } = await rig();
    await refresher.refresh('aws');
    const [{ version }, known, files] = [ranges, ranges.document('aws'), await filesOf(directory)];
    nowMs += DAY_MS;
    answer = troubled;
    expect(await failure(refresher.refresh('aws'))).toContain(message);
    expect(ranges.lookup('203.0.113.1')).toEqual(S3);
    expect([ranges.version, ranges.document('aws')]).toEqual([version, known]);
    expect(await filesOf(directory)).toEqual(files);
    answer = sending(AWS_DOCUMENT.replace('1787411825', '1787411826').replaceAll('us-east-1', 'us-west-2'));
    expect(await refresher.refresh('aws')).toBe('new');
    expect(ranges.lookup('203.0.113.1')).toEqual({ ...S3, region: 'us-west-2' });
  });

  it.each([
    ['before the answer', () => undefined],
    [
      'within it',
      (_: IncomingMessage, response: ServerResponse) => void response.writeHead(200).write('{"prefixes": ['),
    ],
  ])('is given up when the source is too slow: %s', async (_, slow) => {
    const { refresher, clock } = await rig();
    const asked = Promise.withResolvers<void>();
    answer = (request, response) => {
      slow(request, response);
      asked.resolve();
    };
    const refreshed = failure(refresher.refresh('aws'));
    await asked.promise;
    clock.timeOut();
    expect(await refreshed).toBe(
      'RANGES_UNAVAILABLE: URL/ip-ranges.json cannot be fetched: no whole answer within 45 s',
    );
    expect(clock.waiting.size).toBe(0);
  });

  it('says what to do where Azure’s page has no link', async () => {
    answer = sending('<html><a href="http://127.0.0.1/other.json">x</a></html>');
    const { refresher } = await rig([`azure=${url}/details`]);
    expect(await failure(refresher.refresh('azure'))).toBe(
      'RANGES_UNAVAILABLE: URL/details cannot be fetched: the page has no link to the document; save the document by hand, or give its own ' +
        'address',
    );
  });

  it('uses the document where only the copy cannot be kept, and says so', async () => {
    const blocked = join(directory, 'blocked');
    await writeFile(blocked, 'a file where the directory should be');
    const ranges = new IpRanges();
    const refresher = createRangeRefresher(
      { directory: blocked, sources: onlyThese([`aws=${url}/`]), intervalMs: DAY_MS },
      {
        ranges,
        origins: {},
        log: { info: () => undefined, warn: () => undefined },
        now: () => nowMs,
        schedule: new Clock().schedule,
        random: () => 0.5,
      },
    );
    expect(await failure(refresher.refresh('aws'))).toMatch(
      /^RANGES_UNAVAILABLE: .*ip-ranges.json cannot be written: EEXIST/,
    );
    expect(ranges.lookup('203.0.113.1')).toEqual(S3);
  });
});

async function filesOf(path: string): Promise<Record<string, string>> {
  const names = (await readdir(path)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(path, name), 'utf8')])),
  );
}

describe('refreshing on and on', () => {
  it('comes back after the interval, spread a little', async () => {
    for (const [random, start, wait] of [
      [0, 0, 0.9],
      [0.5, 5000, 1],
      [0.999, 9990, 1.0998],
    ] as const) {
      const { refresher, clock } = await rig(undefined, random);
      refresher.start();
      const first = await clock.nextRefresh();
      expect(first.delayMs).toBeCloseTo(start);
      first.run();
      expect((await clock.nextRefresh()).delayMs).toBeCloseTo(wait * DAY_MS, 0);
      await refresher.stop();
    }
  });

  it('says a failure once, tries again later each time, counts, and says when it is over', async () => {
    const { refresher, clock, lines } = await rig();
    await refresher.refresh('aws');
    nowMs += 3 * DAY_MS;
    answer = (_, response) => response.writeHead(503).end();
    refresher.start();
    const delays: number[] = [];
    for (let i = 0; i < 14; i++) {
      const { run, delayMs } = await clock.nextRefresh();
      delays.push(delayMs);
      run();
    }
    await clock.nextRefresh();
    expect(delays.slice(1, 5)).toEqual([60_000, 120_000, 240_000, 480_000]);
    expect(delays.at(-1)).toBe(DAY_MS);
    expect(refresher.failures.get('aws')).toBe(14);
    expect(lines.map((line) => line.replaceAll(url, 'URL'))).toEqual([
      'warn: address ranges: URL/ip-ranges.json cannot be fetched: it answered 503 Service Unavailable; the copy in use was the newest 3 d ' +
        'ago; it is tried again',
    ]);
    answer = sending(AWS_DOCUMENT.replace('1787411825', '1787411826'));
    (await clock.nextRefresh()).run();
    expect((await clock.nextRefresh()).delayMs).toBe(DAY_MS);
    expect(lines.slice(1)).toEqual([
      'info: address ranges: aws is refreshed again',
      'info: address ranges: a new edition of aws is in use',
    ]);
    await refresher.stop();
    expect(clock.waiting.size).toBe(0);
  });

  it('ends what is under way when it is stopped, and says nothing of that', async () => {
    const { refresher, clock, lines } = await rig();
    const asked = Promise.withResolvers<void>();
    answer = () => asked.resolve();
    refresher.start();
    (await clock.nextRefresh()).run();
    await asked.promise;
    await refresher.stop();
    expect(lines).toEqual([]);
    expect(refresher.failures.get('aws')).toBe(0);
    expect(clock.waiting.size).toBe(0);
  });
});

describe('a process that runs on', () => {
  const parts = (lines: string[], clock = new Clock()) => ({
    log: {
      info: (_: object, message: string) => void lines.push(`info: ${message}`),
      warn: (_: object, message: string) => void lines.push(`warn: ${message}`),
    },
    now: () => nowMs,
    schedule: clock.schedule,
    random: () => 0.5,
  });
  const open = (refreshMs: number | false, lines: string[] = []) =>
    openIpRanges({ directory, refreshMs, sources: onlyThese([`aws=${url}/ip-ranges.json`]) }, parts(lines));

  it('reads the directory and asks nobody where nothing is to be refreshed', async () => {
    await writeFile(join(directory, 'ip-ranges.json'), AWS_DOCUMENT);
    await writeFile(join(directory, 'cloud.json'), CLOUD_DOCUMENT);
    await writeFile(join(directory, 'goog.json'), GOOG_DOCUMENT);
    await writeFile(join(directory, 'ServiceTags_Public_20260824.json'), azureDocument());
    const lines: string[] = [];
    const clock = new Clock();
    const { places, counts, start, stop } = await openIpRanges(
      { directory, refreshMs: false, sources: rangeSources([]) },
      parts(lines, clock),
    );
    start();
    expect(places.lookup('203.0.113.1')).toEqual(S3);
    expect(places.lookup('192.0.2.129')).toMatchObject({ provider: 'gcp', service: 'GOOGLE-APIS' });
    expect(places.lookup('198.19.1.1')).toMatchObject({ provider: 'azure', service: 'Storage' });
    expect([...counts.prefixes]).toEqual([
      ['aws', 12],
      ['gcp', 6],
      ['azure', 13],
    ]);
    expect(counts.failures).toBeUndefined();
    expect(lines[0]).toBe('info: address ranges: aws is known, as of 9 d ago');
    expect([clock.waiting.size, requests.length]).toEqual([0, 0]);
    await stop();
  });

  it('does not start without refresh where there is nothing, or a document is broken', async () => {
    expect(await failure(open(false))).toContain('CONFIG_INVALID: ');
    await writeFile(join(directory, 'ip-ranges.json'), AWS_DOCUMENT.slice(0, 500));
    await writeFile(join(directory, 'cloud.json'), CLOUD_DOCUMENT);
    expect(await failure(open(false))).toMatch(/^RANGES_INVALID: .*ip-ranges.json: is not JSON/);
  });

  it('starts with refresh where there is nothing, or a document is broken, and says so', async () => {
    await writeFile(join(directory, 'ip-ranges.json'), AWS_DOCUMENT.slice(0, 500));
    const lines: string[] = [];
    const { places, counts, stop } = await open(DAY_MS, lines);
    expect(places.lookup('203.0.113.1')).toBeUndefined();
    expect(lines).toEqual([
      expect.stringMatching(/^warn: .*ip-ranges.json: is not JSON.*it is not used, and fetched again$/),
    ]);
    expect(counts.failures?.get('aws')).toBe(0);
    await stop();
  });

  it('does not use goog.json without cloud.json', async () => {
    await writeFile(join(directory, 'goog.json'), GOOG_DOCUMENT);
    const lines: string[] = [];
    const { places } = await open(DAY_MS, lines);
    expect(places.lookup('192.0.2.1')).toBeUndefined();
    expect(lines.at(-1)).toContain('goog.json is not used without cloud.json');
  });

  it('takes the newest of several editions, whatever they are called', async () => {
    const west = azureDocument(380).replaceAll('"westeurope"', '"northeurope"');
    await writeFile(join(directory, 'ServiceTags_Public.json'), west);
    await writeFile(join(directory, 'ServiceTags_Public_20260824.json'), azureDocument(375));
    expect((await open(false)).places.lookup('198.19.1.1')).toMatchObject({ region: 'northeurope' });
    await writeFile(join(directory, 'ServiceTags_Public_20260831.json'), azureDocument(381));
    expect((await open(false)).places.lookup('198.19.1.1')).toMatchObject({ region: 'westeurope' });
  });

  it('takes no other files for documents', async () => {
    await mkdir(join(directory, 'old'));
    for (const name of [
      'ip-ranges.json.bak',
      'my-cloud.json',
      'ServiceTags_China_20260824.json',
      '.ip-ranges.json.x',
    ]) {
      await writeFile(join(directory, name), AWS_DOCUMENT);
    }
    expect((await readRangeDirectory(directory)).documents).toEqual([]);
  });
});

describe('sources', () => {
  it('are the official ones but for what is said', () => {
    const names = (overrides: readonly string[]): RangeName[] => [...rangeSources(overrides).keys()];
    expect(names([])).toEqual(['aws', 'google-cloud', 'google', 'azure']);
    expect(names(['azure=none', 'aws=none'])).toEqual(['google-cloud', 'google']);
    expect(rangeSources(['aws=https://mirror/a?b=c']).get('aws')).toBe('https://mirror/a?b=c');
    expect(rangeSources([]).get('google')).toMatch(/^https:/);
  });

  it.each(['aws', 'aws=', '=https://x', 'amazon=https://x', 'https://x'])('refuses %j', (override) => {
    expect(() => rangeSources([override])).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
