// FlowService for readers that are known: what each gets, and how their streams end. Who a caller is stands in the header "who" here.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { FlowService, grpcMethod, silenceGrpcLog, WatchRequestSchema, type WatchResponse } from '@flowtoll/proto';
import {
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { FlowtollError } from '../model/errors.ts';
import type { AllowedNamespaces, Reader } from '../model/reader.ts';
import { flowRow } from '../table/flow-row.testing.ts';
import { createFlowService, type FlowServer } from './flow-service.ts';
import { isAt, ROOT, texts, WatchedTable } from './watched-table.testing.ts';

const NEVER_MS = 3_600_000;

type Request = MessageInitShape<typeof WatchRequestSchema>;

let table: WatchedTable;
let server: Server;
let service: FlowServer;
let client: Client;
let logged: object[];
/** What each may see. A name that is not here was not let in. */
let readers: Map<string, Reader['allowed']>;
const calls: ClientReadableStream<WatchResponse>[] = [];

beforeEach(async () => {
  silenceGrpcLog();
  table = await WatchedTable.open();
  readers = new Map();
  logged = [];
});

afterEach(async () => {
  for (const call of calls.splice(0)) {
    call.on('error', () => undefined);
    call.cancel();
  }
  client.close();
  await service.stop();
  server.forceShutdown();
  await table.close();
});

async function serve(config: Partial<Parameters<typeof createFlowService>[0]> = {}): Promise<void> {
  const log = (fields: object) => void logged.push(fields);
  service = createFlowService(
    { watchersMax: 8, pollMs: NEVER_MS, verifyMs: NEVER_MS, ...config },
    {
      ...{ store: table.store, root: ROOT, log: { info: log, error: log }, now: () => performance.now() },
      readerOf: (metadata) => {
        const name = String(metadata.get('who')[0]);
        const allowed = readers.get(name);
        return allowed && { name, allowed };
      },
    },
  );
  server = new Server();
  server.addService(service.definition, service.implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
}

function watch(who: string, request: Request = {}): ClientReadableStream<WatchResponse> {
  const { path, requestSerialize, responseDeserialize } = grpcMethod(FlowService.method.watch);
  const metadata = new Metadata();
  metadata.set('who', who);
  const call = client.makeServerStreamRequest(
    path,
    requestSerialize,
    (bytes) => responseDeserialize(bytes) as WatchResponse,
    create(WatchRequestSchema, request),
    metadata,
  );
  calls.push(call);
  return call;
}

/** Everything up to the version. */
async function readUntil(version: number, call: AsyncIterable<WatchResponse>): Promise<WatchResponse[]> {
  const messages: WatchResponse[] = [];
  for await (const message of call) {
    messages.push(message);
    if (isAt(message, version)) break;
  }
  return messages;
}

/** The error that ends it. */
async function endOf(call: AsyncIterable<WatchResponse>): Promise<ServiceError> {
  try {
    for await (const _ of call);
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('the stream ended without an error');
}

const may =
  (...namespaces: string[]) =>
  async (): Promise<AllowedNamespaces> =>
    new Set(namespaces);
const is = (column: string, ...values: string[]) => ({ column, values, exclude: false });
const isNot = (column: string, ...values: string[]) => ({ column, values, exclude: true });

describe('what a reader gets', () => {
  test('is their own namespaces, from any place and with the token of anybody', async () => {
    await serve();
    readers
      .set('admin', async () => 'all')
      .set('shop', may('shop'))
      .set('pay', may('pay'));
    const version = await table.commitRows(
      Array.from({ length: 5000 }, (_, i) => flowRow({ pod: `pod-${i}`, namespace: i % 2 === 0 ? 'shop' : 'pay' })),
    );
    const ofShop = Array.from({ length: 2500 }, (_, i) => `pod-${2 * i}`).sort();
    const podsOf = (messages: readonly WatchResponse[]) => messages.flatMap((message) => texts(message, 'pod')).sort();
    const whole = await readUntil(version, watch('admin', { from: { case: 'version', value: 1n }, columns: ['pod'] }));
    expect(podsOf(whole)).toHaveLength(5000);
    const own = { columns: ['pod'] };
    for (const from of [
      { case: 'version', value: 1n },
      { case: 'oldest', value: true },
      { case: 'time', value: { seconds: 1n, nanos: 0 } },
    ] as const) {
      expect(podsOf(await readUntil(version, watch('shop', { ...own, from })))).toEqual(ofShop);
    }
    // In the middle of the file: whatever is behind it, only what is theirs.
    const { resumeToken } = whole.find(({ event }) => event.case === 'rows')!;
    const rest = podsOf(
      await readUntil(version, watch('shop', { ...own, from: { case: 'resumeToken', value: resumeToken } })),
    );
    expect(rest.length).toBeGreaterThan(0);
    expect(ofShop).toEqual(expect.arrayContaining(rest));
  }, 30_000);

  test('is said to be allowed by what filters leave of the namespaces', async () => {
    await serve({ watchersMax: 20 });
    const asked: unknown[] = [];
    readers.set('alice', async (names) => {
      asked.push(names);
      return new Set(names);
    });
    const cases: { filters: Request['filters']; names: string[] | undefined }[] = [
      { filters: [], names: undefined },
      { filters: [is('namespace', 'shop', 'pay')], names: ['shop', 'pay'] },
      { filters: [is('namespace', 'shop', 'pay'), is('namespace', 'pay', 'x')], names: ['pay'] },
      { filters: [is('namespace', 'shop'), is('namespace', 'pay')], names: undefined },
      { filters: [isNot('namespace', 'shop')], names: undefined },
      { filters: [is('namespace', '')], names: undefined },
      { filters: [is('namespace', '', 'shop'), is('workload', 'web')], names: ['shop'] },
      { filters: [is('Namespace', 'shop')], names: undefined },
      { filters: [is('label:namespace', 'shop')], names: undefined },
      { filters: [is('peer_namespace', 'shop')], names: undefined },
      { filters: [is('namespace', 'shop'), is('peer_namespace', 'pay', '')], names: ['shop', 'pay'] },
      { filters: [is('namespace', 'shop'), is('peer', 'pay/db'), is('service', 'pay/db')], names: ['shop'] },
    ];
    for (const { filters } of cases) {
      const call = watch('alice', { filters: filters ?? [] });
      await new Promise((resolve) => call.once('data', resolve).once('error', resolve));
    }
    expect(asked).toEqual(cases.map(({ names }) => names));
  });

  test('whoever was not let in gets nothing, and nothing is asked of the table', async () => {
    await serve();
    expect(await endOf(watch('nobody'))).toMatchObject({
      code: status.UNAUTHENTICATED,
      details: 'READER_UNKNOWN: nobody was let in: give a token',
    });
    expect(service.counters).toMatchObject({ opened: 0, forbidden: 1 });
  });

  test('gaps, removals and compactions say nothing of rows', async () => {
    await serve();
    readers.set('shop', may('shop'));
    const row = (pod: string) => flowRow({ pod, namespace: 'hush-pay', node: 'hush-node', peerNamespace: 'hush-peer' });
    for (let i = 0; i < 3; i++) await table.commitRows([row(`hush-${i}`)]);
    await table.compact();
    await table.vacuum();
    const expired = await endOf(watch('shop', { from: { case: 'version', value: 1n } }));
    expect(expired.code).toBe(status.OUT_OF_RANGE);
    const trailer = Buffer.from(expired.metadata.get('flowtoll-resume-expired-bin')[0] as Buffer).toString('latin1');
    expect(`${expired.details} ${trailer}`).not.toContain('hush');
    const call = watch('shop', { columns: [] });
    await new Promise((resolve) => call.once('data', resolve));
    await table.commitRows([row('hush-4')]);
    await table.rewrite();
    await table.expireOneFile();
    service.committed();
    const said = await readUntil(table.version, call);
    expect(said.map(({ event }) => event.case)).toContain('removal');
    expect(JSON.stringify(said, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      'hush',
    );
  });
});

describe('a stream of a reader ends', () => {
  test.each([
    { code: 'READER_UNKNOWN', ends: status.UNAUTHENTICATED },
    { code: 'READER_FORBIDDEN', ends: status.PERMISSION_DENIED },
    { code: 'IDENTITY_UNAVAILABLE', ends: status.UNAVAILABLE },
  ] as const)('before it begins: $code', async ({ code, ends }) => {
    await serve();
    readers.set('alice', async () => {
      throw new FlowtollError(code, 'as it is said');
    });
    expect(await endOf(watch('alice'))).toMatchObject({ code: ends, details: `${code}: as it is said` });
    expect(service.watchers).toBe(0);
  });

  test('when they may no longer see it, and nothing comes after that', async () => {
    await serve({ askAgainMs: 20 });
    let allowed = new Set(['shop', 'pay']);
    readers.set('alice', async () => allowed);
    const call = watch('alice');
    await new Promise((resolve) => call.once('data', resolve));
    allowed = new Set(['shop']);
    expect(await endOf(call)).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: 'READER_FORBIDDEN: alice may no longer see namespace pay: ask for what is left',
    });
    expect(service.counters.forbidden).toBe(1);
    await until('it is gone', () => service.watchers === 0);
  });

  test('when they take nothing for too long; a token goes on', async () => {
    await serve({ stalledMs: 300 });
    readers.set('alice', async () => 'all');
    for (let i = 0; i < 3; i++) await table.commit(40_000);
    const call = watch('alice', { from: { case: 'version', value: 1n } });
    const first = await new Promise<WatchResponse>((resolve) =>
      call.once('data', (message: WatchResponse) => {
        call.pause();
        resolve(message);
      }),
    );
    await until('it has ended', () => service.watchers === 0);
    expect(service.counters.stalled).toBe(1);
    call.resume();
    expect(await endOf(call)).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/^READER_STALLED: nothing was taken for 0.3 s/),
    });
    const from = { case: 'resumeToken', value: first.resumeToken } as const;
    const again = await readUntil(3, watch('alice', { from, columns: ['pod'] }));
    expect(again.flatMap((message) => texts(message, 'pod'))).toHaveLength(120_000);
  }, 60_000);
});

test('one reader takes no more than their share of the streams', async () => {
  await serve({ watchersMax: 6, watchersPerReaderMax: 2 });
  for (const name of ['alice', 'bob', 'eve']) readers.set(name, async () => 'all');
  const begun = async (who: string) => {
    const call = watch(who);
    return new Promise<string>((resolve) =>
      call.once('data', () => resolve('begun')).once('error', ({ details }: ServiceError) => resolve(details)),
    );
  };
  expect(await begun('eve')).toBe('begun');
  expect(await begun('eve')).toBe('begun');
  for (let i = 0; i < 10; i++) expect(await begun('eve')).toMatch(/^READER_BUSY: this reader has 2 streams here/);
  for (const who of ['alice', 'alice', 'bob', 'bob']) expect(await begun(who)).toBe('begun');
  readers.set('late', async () => 'all');
  expect(await begun('late')).toMatch(/^WATCHERS_FULL: /);
  expect(service.watchers).toBe(6);
});

test('a request that is too large or no request is refused', async () => {
  await serve();
  readers.set('alice', async () => 'all');
  const bytes = async (request: Buffer) => {
    const metadata = new Metadata();
    metadata.set('who', 'alice');
    const { path, responseDeserialize } = grpcMethod(FlowService.method.watch);
    const decode = (message: Buffer) => responseDeserialize(message) as WatchResponse;
    const call = client.makeServerStreamRequest(path, (message: Buffer) => message, decode, request, metadata);
    calls.push(call);
    return endOf(call);
  };
  expect(await bytes(Buffer.alloc((1 << 20) + 1))).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: 'REQUEST_INVALID: the request has 1048577 bytes; at most 1048576',
  });
  expect(await bytes(Buffer.from([0xff]))).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: 'REQUEST_INVALID: the request is no WatchRequest',
  });
});
