// The text is read back by a reader of our own that knows only the format's grammar.
import { afterEach, describe, expect, test } from 'vitest';
import {
  createTelemetryServer,
  Histogram,
  type Metric,
  metricsText,
  PROCESS_METRICS,
  type TelemetryServer,
} from './index.ts';

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"\})? (\S+)$/;

/** "name{label=value}" → number; throws where the text breaks the grammar, or a sample comes before its type. */
function parse(text: string): Map<string, number> {
  expect(text.endsWith('\n')).toBe(true);
  const samples = new Map<string, number>();
  let type = '';
  for (const line of text.trimEnd().split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment) {
      if (comment[1] === 'TYPE') type = comment[2]!;
      continue;
    }
    const [, name = '', label, value, number = ''] = SAMPLE.exec(line) ?? [];
    if (name === '' || !name.startsWith(type)) throw new Error(`not a sample of ${type}: ${line}`);
    const key = label === undefined ? name : `${name}{${label}=${value?.replace(/\\(.)/g, '$1')}}`;
    samples.set(key, number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number));
  }
  return samples;
}

const metric = (read: Metric<undefined>['read'], type: Metric<undefined>['type'] = 'gauge'): Metric<undefined> => ({
  name: 'm',
  type,
  unit: 'things',
  help: 'A \\ and a\nnew line.',
  label: 'reason',
  read,
});

describe('the text of metrics', () => {
  test('numbers, labels, what is not known', () => {
    expect(parse(metricsText([metric(() => 2 ** 53)], undefined))).toEqual(new Map([['m', 2 ** 53]]));
    expect(parse(metricsText([metric(() => ({ 'queue-full': 0, '"\\': 1.5 }))], undefined))).toEqual(
      new Map([
        ['m{reason=queue-full}', 0],
        ['m{reason="\\}', 1.5],
      ]),
    );
    expect(parse(metricsText([metric(() => new Map([['a', 1]]))], undefined))).toEqual(new Map([['m{reason=a}', 1]]));
    expect(metricsText([metric(() => undefined)], undefined)).toBe('');
  });

  test('a histogram is cumulative, and its bounds are inclusive', () => {
    const histogram = new Histogram([0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value);
    expect(parse(metricsText([metric(() => histogram, 'histogram')], undefined))).toEqual(
      new Map([
        ['m_bucket{le=0.1}', 2],
        ['m_bucket{le=1}', 3],
        ['m_bucket{le=+Inf}', 4],
        ['m_sum', 7.65],
        ['m_count', 4],
      ]),
    );
  });

  test('the process', () => {
    const samples = parse(metricsText(PROCESS_METRICS, undefined));
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect(samples.get('process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(Math.abs(samples.get('process_start_time_seconds')! - Date.now() / 1000)).toBeLessThan(3600);
  });
});

describe('the server', () => {
  const servers: TelemetryServer[] = [];
  afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop())));

  async function start(dead?: string, notReady?: string): Promise<string> {
    const server = createTelemetryServer(
      { host: '127.0.0.1', port: 0 },
      { metrics: () => 'm 1\n', deadBecause: () => dead, notReadyBecause: () => notReady },
    );
    servers.push(server);
    return `http://127.0.0.1:${await server.start()}`;
  }

  async function ask(url: string, method = 'GET'): Promise<string> {
    const response = await fetch(url, { method });
    return `${response.status} ${response.headers.get('content-type')?.split(';')[0]} ${await response.text()}`;
  }

  test('metrics, and health that says what is wrong', async () => {
    const sound = await start();
    expect(await ask(`${sound}/metrics`)).toBe('200 text/plain m 1\n');
    expect(await ask(`${sound}/livez?verbose`)).toBe('200 text/plain ok\n');
    expect(await ask(`${sound}/readyz`)).toBe('200 text/plain ok\n');
    const ill = await start('stuck', 'no store');
    expect(await ask(`${ill}/livez`)).toBe('503 text/plain stuck\n');
    expect(await ask(`${ill}/readyz`)).toBe('503 text/plain no store\n');
  });

  test('long metrics come in pieces, compressed for whoever takes that', async () => {
    const pieces = Array.from({ length: 100 }, (_, i) => `m{i="${i}"} ${'1'.repeat(1000)}\n`);
    const server = createTelemetryServer(
      { host: '127.0.0.1', port: 0 },
      { metrics: () => pieces, deadBecause: () => undefined, notReadyBecause: () => undefined },
    );
    servers.push(server);
    const url = `http://127.0.0.1:${await server.start()}/metrics`;
    for (const [accepted, coding] of [
      ['gzip', 'gzip'],
      ['deflate, gzip;q=0.5', 'gzip'],
      ['identity', null],
      ['gzip;q=0', null],
    ] as const) {
      const response = await fetch(url, { headers: { 'Accept-Encoding': accepted } });
      expect(response.headers.get('content-encoding'), accepted).toBe(coding);
      // fetch undoes the compression.
      expect(await response.text()).toBe(pieces.join(''));
    }
  });

  test('nothing else', async () => {
    const base = await start();
    expect(await ask(`${base}/`)).toMatch(/^404 /);
    expect(await ask(`${base}/metrics`, 'POST')).toMatch(/^405 /);
    expect(await ask(`${base}/metrics`, 'HEAD')).toBe('200 text/plain ');
  });

  test('a port in use rejects', async () => {
    const port = Number(new URL(await start()).port);
    const second = createTelemetryServer(
      { host: '127.0.0.1', port },
      { metrics: () => '', deadBecause: () => undefined, notReadyBecause: () => undefined },
    );
    await expect(second.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
