// The gate before a real gRPC server: who passes, and what a call that does not costs.
import { setTimeout as delay } from 'node:timers/promises';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createManualTiming } from '../../../../test/support/kubernetes/manual-timing.ts';
import { until } from '../../../../test/support/until.ts';
import { FlowtollError } from '../../model/errors.ts';
import type { Reader } from '../../model/reader.ts';
import { bearerToken } from './bearer-token.ts';
import { createReaderGate, type ReaderGate } from './reader-gate.ts';

const same = (bytes: Buffer) => bytes;
const method = (path: string, requestStream: boolean) => ({
  ...{ path, requestStream, responseStream: true },
  ...{ requestSerialize: same, responseSerialize: same, responseDeserialize: same },
});

let server: Server;
let client: Client;
let gate: ReaderGate;
let timing: ReturnType<typeof createManualTiming>;
let identify: (token: string) => Promise<Reader>;
let lines: { readonly fields: object; readonly message: string }[];
/** Requests that were decoded, and what the handlers saw. */
let decoded: number;
let handled: { readonly reader: string | undefined; readonly headers: object }[];

beforeEach(async () => {
  lines = [];
  decoded = 0;
  handled = [];
  timing = createManualTiming();
  identify = async (token) => {
    if (!token.startsWith('of-')) throw new FlowtollError('READER_UNKNOWN', 'nobody knows it');
    return { name: token.slice(3), allowed: async () => 'all' };
  };
  const add = (fields: object, message: string) => void lines.push({ fields, message });
  gate = createReaderGate(
    { openServices: ['open.Service'] },
    {
      authority: { identify: (token) => identify(token), stop: () => {} },
      ...{ log: { info: add, error: add }, now: timing.now, schedule: timing.schedule },
    },
  );
  server = new Server({ interceptors: [gate.interceptor] });
  const decode = (bytes: Buffer) => {
    decoded++;
    return bytes;
  };
  const saw = ({ metadata }: { readonly metadata: Metadata }) =>
    handled.push({ reader: gate.readerOf(metadata)?.name, headers: metadata.getMap() });
  const once = (call: ServerWritableStream<Buffer, Buffer>) => {
    saw(call);
    call.write(Buffer.from('answer'));
    call.end();
  };
  const echo = (call: ServerDuplexStream<Buffer, Buffer>) => {
    saw(call);
    call.on('data', (message: Buffer) => call.write(message)).on('end', () => call.end());
  };
  for (const name of ['open.Service', 'read.Service', 'read.Service2']) {
    server.addService(
      {
        once: { ...method(`/${name}/Once`, false), requestDeserialize: decode },
        echo: { ...method(`/${name}/Echo`, true), requestDeserialize: decode },
      },
      { once, echo },
    );
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});

afterEach(() => {
  client.close();
  server.forceShutdown();
});

function headers(...authorization: string[]): Metadata {
  const metadata = new Metadata();
  for (const value of authorization) metadata.add('authorization', value);
  return metadata;
}

/** How a call ended. */
function callOnce(metadata: Metadata, service = 'read.Service', message = Buffer.from('request')) {
  return new Promise<{ code: status; details: string }>((resolve) => {
    const call = client.makeServerStreamRequest(`/${service}/Once`, same, same, message, metadata);
    call.on('data', () => {});
    call.on('error', ({ code, details }: ServiceError) => resolve({ code, details }));
    call.on('end', () => resolve({ code: status.OK, details: '' }));
  });
}

describe('a call', () => {
  test('with a token is let in under its name, and its token goes no further', async () => {
    expect(await callOnce(headers('Bearer of-alice'))).toEqual({ code: status.OK, details: '' });
    expect(await callOnce(headers('bearer   of-bob'), 'read.Service2')).toEqual({ code: status.OK, details: '' });
    expect(handled.map(({ reader }) => reader)).toEqual(['alice', 'bob']);
    expect(JSON.stringify(handled)).not.toContain('of-');
  });

  test.each([
    [[], 'READER_UNKNOWN: no token came: '],
    [['of-alice'], 'READER_UNKNOWN: what came is not one bearer token: '],
    [['Basic of-alice'], 'READER_UNKNOWN: what came is not one bearer token: '],
    [['Bearer'], 'READER_UNKNOWN: what came is not one bearer token: '],
    [['Bearer a of-alice'], 'READER_UNKNOWN: what came is not one bearer token: '],
    [['Bearer s3cr3t'], 'READER_UNKNOWN: nobody knows it'],
  ])('without a good one is refused before its message is read: %j', async (authorization, details) => {
    const end = await callOnce(headers(...authorization));
    expect(end).toEqual({ code: status.UNAUTHENTICATED, details: expect.stringContaining(details) });
    expect(end.details).not.toMatch(/of-alice|s3cr3t/);
    expect({ decoded, handled }).toEqual({ decoded: 0, handled: [] });
    expect(gate.counters).toEqual({ unknown: 1, busy: 0, unavailable: 0 });
  });

  test('of an open service is let in without, as nobody', async () => {
    expect(await callOnce(headers(), 'open.Service')).toEqual({ code: status.OK, details: '' });
    expect(handled).toMatchObject([{ reader: undefined }]);
  });

  test('of a service whose name only begins like an open one is not', async () => {
    expect(await callOnce(headers(), 'read.Service2')).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  test('is not refused for good when nobody can say who it is', async () => {
    identify = async () => {
      throw new FlowtollError('IDENTITY_UNAVAILABLE', 'the API is away');
    };
    expect(await callOnce(headers('Bearer of-alice'))).toEqual({
      code: status.UNAVAILABLE,
      details: 'IDENTITY_UNAVAILABLE: the API is away',
    });
    identify = async () => {
      throw new TypeError('secret');
    };
    expect(await callOnce(headers('Bearer of-alice'))).toEqual({
      code: status.INTERNAL,
      details: 'INTERNAL: see the log',
    });
    expect(gate.counters).toEqual({ unknown: 0, busy: 0, unavailable: 2 });
  });

  test('that sends no message ends', async () => {
    const call = client.makeBidiStreamRequest('/read.Service/Echo', same, same, headers('Bearer of-alice'));
    const ended = new Promise<ServiceError>((resolve) => call.on('error', resolve));
    await until('it is let in', () => handled.length === 1);
    timing.advance(9_999);
    timing.advance(1);
    expect(await ended).toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  test('has a thousand messages and no more', async () => {
    const call = client.makeBidiStreamRequest('/read.Service/Echo', same, same, headers('Bearer of-alice'));
    let answers = 0;
    call.on('data', () => answers++);
    const ended = new Promise<ServiceError>((resolve) => call.on('error', resolve));
    for (let i = 0; i < 1001; i++) call.write(Buffer.from('x'));
    expect(await ended).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(answers).toBeLessThanOrEqual(1000);
  });
});

test('two tokens are none: which of them would count, nobody knows', () => {
  expect(() => bearerToken(headers('Bearer of-alice', 'Bearer of-bob'))).toThrow('what came is not one bearer token');
});

test('a reader with 64 open calls gets no other, until one ends', async () => {
  const open = Array.from({ length: 64 }, () => {
    const call = client.makeBidiStreamRequest('/read.Service/Echo', same, same, headers('Bearer of-eve'));
    call.on('error', () => {});
    call.write(Buffer.from('x'));
    return call;
  });
  await until('all are let in', () => handled.length === 64);
  expect(await callOnce(headers('Bearer of-eve'))).toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: expect.stringMatching(/^READER_BUSY: eve has 64 calls open here/),
  });
  expect(await callOnce(headers('Bearer of-alice'))).toMatchObject({ code: status.OK });
  open[0]!.cancel();
  await until('one may again', async () => (await callOnce(headers('Bearer of-eve'))).code === status.OK);
  for (const call of open) call.cancel();
});

test('ten thousand calls without a token: all refused, none read, two lines of the log', async () => {
  const before = process.memoryUsage().rss;
  const ends = await Promise.all(Array.from({ length: 10_000 }, () => callOnce(headers())));
  expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([status.UNAUTHENTICATED]));
  expect({ decoded, handled: handled.length }).toEqual({ decoded: 0, handled: 0 });
  expect(gate.counters.unknown).toBe(10_000);
  timing.advance(10_000);
  await callOnce(headers());
  expect(lines.map(({ fields }) => (fields as { refused: number }).refused)).toEqual([1, 10_000]);
  // Client and server in one process.
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 ** 2);
}, 60_000);

test('whoever tries tokens has few of them looked at; those who were let in before come in all the same', async () => {
  let asked = 0;
  const before = identify;
  identify = (token) => {
    asked++;
    return before(token);
  };
  expect(await callOnce(headers('Bearer of-alice'))).toMatchObject({ code: status.OK });
  const ends = await Promise.all(Array.from({ length: 1000 }, (_, i) => callOnce(headers(`Bearer s3cr3t-${i}`))));
  const codes = ends.map(({ code }) => code);
  expect(codes.filter((code) => code === status.UNAUTHENTICATED)).toHaveLength(99);
  expect(codes.filter((code) => code === status.RESOURCE_EXHAUSTED)).toHaveLength(901);
  expect(asked).toBe(100);
  expect(gate.counters).toEqual({ unknown: 99, busy: 901, unavailable: 0 });
  expect(await callOnce(headers('Bearer of-alice'))).toMatchObject({ code: status.OK });
  expect(await callOnce(headers('Bearer of-bob'))).toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: expect.stringMatching(/^READER_BUSY: more tokens that nobody has shown before/),
  });
  timing.advance(1000);
  expect(await callOnce(headers('Bearer of-bob'))).toMatchObject({ code: status.OK });
  expect(JSON.stringify(lines)).not.toContain('s3cr3t');
});

test('callers who wait to be known are bounded; those who leave are forgotten', async () => {
  const waiting: (() => void)[] = [];
  identify = (token) =>
    new Promise((resolve) => waiting.push(() => resolve({ name: token, allowed: async () => 'all' })));
  const ends: Promise<{ code: status; details: string }>[] = [];
  for (let i = 0; i < 1100; i++) {
    // A while later, so that new tokens of the one address are looked at again.
    if (i % 100 === 0) timing.advance(20_000);
    ends.push(callOnce(headers(`Bearer t${i}`)));
    if (i % 100 === 99) await until('they are in', () => waiting.length + gate.counters.busy === i + 1);
  }
  await until('those beyond are refused', () => gate.counters.busy === 1100 - 1024);
  const left = client.makeServerStreamRequest(
    '/read.Service/Once',
    same,
    same,
    Buffer.from('x'),
    headers('Bearer gone'),
  );
  left.on('error', () => {});
  left.cancel();
  for (const resolve of waiting) resolve();
  const codes = (await Promise.all(ends)).map(({ code }) => code);
  expect(codes.filter((code) => code === status.OK)).toHaveLength(1024);
  expect(codes.filter((code) => code === status.RESOURCE_EXHAUSTED)).toHaveLength(76);
  await delay(0);
  expect(handled).toHaveLength(1024);
}, 30_000);
