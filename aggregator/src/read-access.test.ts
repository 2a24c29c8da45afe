// The read APIs as flowtoll serve puts them together, on a port of their own with TLS and tokens, and those who try to get past: what a
// stranger, a reader of one namespace and a reader whose rights change can find out over real gRPC.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { FlowService, grpcMethod, IngestService, WatchRequestSchema, type WatchResponse } from '@flowtoll/proto';
import { Health, ServerReflection, ServerReflectionAlpha } from '@flowtoll/proto/standard-services';
import { CertificateFiles, type ClientTls, clientTls, serverCredentials } from '@flowtoll/proto/tls';
import { Client, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TestAuthority } from '../../proto/src/tls/certificates.testing.ts';
import { createManualTiming } from '../../test/support/kubernetes/manual-timing.ts';
import { until } from '../../test/support/until.ts';
import { createFlowService, type FlowServer } from './api/flow-service.ts';
import { createHealthService } from './api/health-service.ts';
import { createReadServer, type ReadServer } from './api/read-server.ts';
import { createReflectionServices } from './api/reflection-service.ts';
import { isAt, ROOT, WatchedTable } from './api/watched-table.testing.ts';
import { watchCommand } from './commands/watch.ts';
import { createReaderGate, type ReaderGate } from './identity/readers/reader-gate.ts';
import { openTokenFile, type TokenFile } from './identity/readers/token-file.ts';
import { createTokenReaders } from './identity/readers/token-readers.ts';
import type { FlowRow } from './model/flow-row.ts';
import { FLOW_COLUMNS } from './table/columns.ts';
import { flowRow } from './table/flow-row.testing.ts';

type Request = MessageInitShape<typeof WatchRequestSchema>;

/** Stands in everything that is not for the reader of namespace shop; nothing else has it. */
const SECRET = 'hush';
const NEVER_MS = 3_600_000;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const SHOP = { name: 'shop', sha256: sha256('of-shop'), namespaces: ['shop'] };
const ALL = { name: 'all', sha256: sha256('of-all'), namespaces: 'all' };

let work: string;
let table: WatchedTable;
let version: number;
let authority: TestAuthority;
let tokens: TokenFile;
let gate: ReaderGate;
let flows: FlowServer;
let server: ReadServer;
let port: number;
let tls: ClientTls;
let client: Client;
const timing = createManualTiming();
const lines: string[] = [];
const path = (name: string) => join(work, name);

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'flowtoll-readers-'));
  authority = new TestAuthority(work);
  const pair = authority.issue({ names: 'DNS:localhost,IP:127.0.0.1' });
  writeFileSync(path('ca.crt'), authority.cert);
  writeFileSync(path('tls.crt'), pair.cert);
  writeFileSync(path('tls.key'), pair.key);
  table = await WatchedTable.open();
  const foreign: Partial<FlowRow> = {
    ...{
      node: `${SECRET}-node`,
      namespace: `${SECRET}`,
      workload: `${SECRET}-web`,
      pod: `${SECRET}-1`,
      ip: '10.66.6.6',
    },
    ...{ labels: `{"${SECRET}":"${SECRET}"}`, service: `${SECRET}/db` },
    localKind: 'pod',
    peerKind: 'pod',
    ...{ peerNamespace: SECRET, peerWorkload: `${SECRET}-db`, peerPod: `${SECRET}-2`, peerIp: '10.66.6.7' },
  };
  const own: Partial<FlowRow> = { localKind: 'pod', namespace: 'shop', workload: 'web', pod: 'web-1', txBytes: 1 };
  version = await table.commitRows([
    flowRow(foreign),
    flowRow({ ...own, peerKind: 'internet', peerIp: '192.0.2.1' }),
    // Towards another tenant, and a loss.
    flowRow({ ...foreign, ...own, node: 'node-a', ip: '10.0.0.1', labels: '{"app":"web"}' }),
    flowRow({ node: `${SECRET}-node`, lossReason: 'vanished', trafficClass: 'lost', txBytes: 77 }),
  ]);
});
afterAll(async () => {
  await table.close();
  rmSync(work, { recursive: true, force: true });
});

beforeEach(async () => {
  lines.length = 0;
  writeTokens(SHOP, ALL);
  await serve();
});
afterEach(async () => {
  client.close();
  await stopServing();
});

function writeTokens(...entries: object[]): void {
  writeFileSync(path('tokens.yaml'), JSON.stringify({ version: 1, tokens: entries }));
}

function files(paths: ConstructorParameters<typeof CertificateFiles>[0]): CertificateFiles {
  return new CertificateFiles(paths, { log: silent, now: Date.now, schedule: timing.schedule });
}

/** As `flowtoll serve` does. */
async function serve(config: Partial<Parameters<typeof createFlowService>[0]> = {}): Promise<void> {
  tokens = openTokenFile(path('tokens.yaml'), { log: silent, schedule: timing.schedule });
  const say = (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message }));
  const log = { info: say, error: say };
  gate = createReaderGate(
    { openServices: [Health.typeName] },
    {
      authority: createTokenReaders(tokens, timing.now),
      // Time flies, so that nobody makes too many calls: that has tests of its own.
      ...{ log, now: () => performance.now() * 1000, schedule: timing.schedule },
      onAdmitted: (peer) => server.proven(peer),
    },
  );
  flows = createFlowService(
    { watchersMax: 32, watchersPerReaderMax: 8, pollMs: NEVER_MS, verifyMs: NEVER_MS, askAgainMs: 20, ...config },
    { store: table.store, root: ROOT, log, now: () => performance.now(), readerOf: gate.readerOf },
  );
  server = createReadServer(
    { host: '127.0.0.1', port: 0 },
    {
      services: [
        flows,
        createHealthService({ services: [FlowService.typeName], isServing: () => true }),
        ...createReflectionServices([FlowService, Health]),
      ],
      gate: gate.interceptor,
      credentials: serverCredentials(files({ own: { certFile: path('tls.crt'), keyFile: path('tls.key') } }), false),
      schedule: timing.schedule,
    },
  );
  port = await server.start();
  tls = clientTls(
    { server: `127.0.0.1:${port}`, trust: 'files', showsOwn: false },
    files({ authoritiesFile: path('ca.crt') }),
  );
  client = new Client(`127.0.0.1:${port}`, tls.credentials, tls.channelOptions);
}

async function stopServing(): Promise<void> {
  await flows.stop();
  tokens.stop();
  await server.stop();
}

function bearer(token: string): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

interface Answer {
  readonly code: status;
  readonly details: string;
  /** All that came, names of columns and trailers included. */
  readonly bytes: Buffer;
  readonly messages: WatchResponse[];
}

/** Calls a path with bytes; ends at the version, or with the status. */
function call(where: string, request: Uint8Array, metadata: Metadata): Promise<Answer> {
  const { responseDeserialize } = grpcMethod(FlowService.method.watch);
  return new Promise((resolve) => {
    const came: Buffer[] = [];
    const messages: WatchResponse[] = [];
    const same = (bytes: Buffer) => bytes;
    const stream = client.makeServerStreamRequest(where, same, same, Buffer.from(request), metadata);
    const end = (code: status, details: string, trailers = Buffer.alloc(0)) =>
      resolve({ code, details, bytes: Buffer.concat([...came, trailers]), messages });
    stream.on('data', (bytes: Buffer) => {
      came.push(bytes);
      if (!where.endsWith('.FlowService/Watch')) return;
      const message = responseDeserialize(bytes) as WatchResponse;
      messages.push(message);
      if (isAt(message, version)) stream.cancel();
    });
    stream.on('end', () => end(status.OK, ''));
    stream.on('error', ({ code, details, metadata: trailers }: ServiceError) =>
      end(code, details, Buffer.from(JSON.stringify(trailers.getMap()))),
    );
  });
}

const WATCH = grpcMethod(FlowService.method.watch).path;
const watch = (token: string, request: Request) =>
  call(
    WATCH,
    toBinary(WatchRequestSchema, create(WatchRequestSchema, { from: { case: 'oldest', value: true }, ...request })),
    bearer(token),
  );
const rowCount = ({ messages }: Answer) =>
  messages.reduce((sum, { event }) => sum + (event.case === 'rows' ? event.value.rowCount : 0), 0);
const is = (column: string, ...values: string[]) => ({ column, values, exclude: false });

describe('a stranger', () => {
  const basic = new Metadata();
  basic.set('authorization', `Basic ${Buffer.from('shop:of-shop').toString('base64')}`);
  const elsewhere = new Metadata();
  elsewhere.set('token', 'of-all');
  const long = bearer('x'.repeat(7000));
  test.each([
    { name: 'no token', metadata: new Metadata() },
    { name: 'a token that nobody knows', metadata: bearer('of-nobody') },
    { name: 'the hash of a token', metadata: bearer(SHOP.sha256) },
    { name: 'a good token and another', metadata: bearer('of-all, Bearer of-nobody') },
    { name: 'a token in capitals', metadata: bearer('OF-ALL') },
    { name: 'a token that begins like a good one', metadata: bearer('of-al') },
    { name: 'a name and a password', metadata: basic },
    { name: 'a token in another header', metadata: elsewhere },
    { name: 'a long token', metadata: long },
  ])('with $name gets in nowhere but to health', async ({ metadata }) => {
    const paths = [
      WATCH,
      grpcMethod(ServerReflection.method.serverReflectionInfo).path,
      `/${ServerReflectionAlpha.typeName}/ServerReflectionInfo`,
    ];
    for (const where of paths) {
      expect(await call(where, Buffer.alloc(0), metadata)).toMatchObject({
        code: status.UNAUTHENTICATED,
        details: expect.stringMatching(/^READER_UNKNOWN: /),
        messages: [],
      });
    }
    expect(gate.counters).toEqual({ unknown: paths.length, busy: 0, unavailable: 0 });
    expect(flows.counters.opened).toBe(0);
    expect(await call(`/${Health.typeName}/Check`, Buffer.alloc(0), metadata)).toMatchObject({ code: status.OK });
    for (const shown of ['of-nobody', 'of-al', SHOP.sha256, 'x'.repeat(100)]) {
      expect(lines.join('\n')).not.toContain(shown);
    }
  });

  test.each([
    `/${Health.typeName}/../flowtoll.v1.FlowService/Watch`,
    `/${Health.typeName}/flowtoll.v1.FlowService/Watch`,
    `/${Health.typeName}/Watch/../../flowtoll.v1.FlowService/Watch`,
    `/${Health.typeName}//flowtoll.v1.FlowService/Watch`,
    `/${Health.typeName}%2F..%2Fflowtoll.v1.FlowService/Watch`,
    '//flowtoll.v1.FlowService/Watch',
    '/./flowtoll.v1.FlowService/Watch',
    '/flowtoll.v1.FlowService/Watch/',
    '/flowtoll.v1.FlowService/Watch?x',
    '/flowtoll.v1.FlowService//Watch',
    '/flowtoll.v1.flowservice/watch',
    '/flowtoll.v1.FlowService%2FWatch',
    'flowtoll.v1.FlowService/Watch',
    '/',
    '',
  ])('gets no rows by the path %j', async (where) => {
    const { code, messages } = await call(where, Buffer.alloc(0), new Metadata());
    // INTERNAL: what is no path does not even leave the client.
    expect([status.UNAUTHENTICATED, status.UNIMPLEMENTED, status.INTERNAL]).toContain(code);
    expect(messages).toEqual([]);
    expect(flows.counters.opened).toBe(0);
  });

  test('cannot deliver flows here, and neither can a reader', async () => {
    const { path: ingest } = grpcMethod(IngestService.method.ingest);
    expect((await call(ingest, Buffer.alloc(0), new Metadata())).code).not.toBe(status.OK);
    expect((await call(ingest, Buffer.alloc(0), bearer('of-all'))).code).toBe(status.UNIMPLEMENTED);
  });

  test('keeps no connection, whatever of health comes on it; a reader does', async () => {
    const health = () => call(`/${Health.typeName}/Check`, Buffer.alloc(0), new Metadata());
    const idle = connect(port, '127.0.0.1').on('error', () => undefined);
    const ended = once(idle, 'close');
    await until('it is there', () => server.connections.open === 1);
    expect((await health()).code).toBe(status.OK);
    expect(server.connections).toMatchObject({ open: 2, unproven: 2 });
    timing.advance(60_001);
    await ended;
    await until('both are gone', () => server.connections.open === 0);
    expect(server.connections.closed).toEqual({ slow: 2, crowded: 0, full: 0 });
    // The client hears of it a moment later.
    await until('a reader has come', async () => rowCount(await watch('of-shop', {})) === 3);
    expect(server.connections).toMatchObject({ open: 1, unproven: 0 });
    timing.advance(60_001);
    expect(rowCount(await watch('of-shop', {}))).toBe(3);
    expect(server.connections).toMatchObject({ open: 1, closed: { slow: 2 } });
  });

  test('takes no watches of health without end, nor long names back', async () => {
    const name = (text: string) =>
      Buffer.concat([Buffer.from([0x0a, 0x80 | (text.length & 0x7f), text.length >> 7]), Buffer.from(text)]);
    const { code, details } = await call(`/${Health.typeName}/Check`, name('x'.repeat(5000)), new Metadata());
    expect({ code, isShort: details.length < 200 }).toEqual({ code: status.NOT_FOUND, isShort: true });
    const same = (bytes: Buffer) => bytes;
    const watches = Array.from({ length: 120 }, () =>
      client.makeServerStreamRequest(`/${Health.typeName}/Watch`, same, same, Buffer.alloc(0)),
    );
    const ends = await Promise.all(
      watches.map(
        (stream) =>
          new Promise((resolve) => {
            stream.on('data', () => resolve('watches'));
            stream.on('error', ({ code: ended }: ServiceError) => resolve(ended));
          }),
      ),
    );
    expect(ends.filter((end) => end === 'watches')).toHaveLength(100);
    expect(ends.filter((end) => end === status.RESOURCE_EXHAUSTED)).toHaveLength(20);
    for (const stream of watches) stream.cancel();
  });
});

describe('a reader of one namespace', () => {
  const isSilent = ({ bytes, details }: Answer) => !`${bytes.toString('latin1')} ${details}`.includes(SECRET);

  test('finds nothing of others from any place, whoever the token of the place was made for', async () => {
    const all = await watch('of-all', {});
    expect(rowCount(all)).toBe(4);
    expect(isSilent(all)).toBe(false);
    const places = all.messages.map(({ resumeToken }) => resumeToken);
    const froms: NonNullable<Request['from']>[] = [
      { case: 'oldest', value: true },
      { case: 'version', value: 1n },
      { case: 'time', value: { seconds: 0n, nanos: 0 } },
      ...places.map((value) => ({ case: 'resumeToken', value }) as const),
    ];
    for (const from of froms) {
      const answer = await watch('of-shop', { from });
      expect(isSilent(answer)).toBe(true);
    }
    expect(rowCount(await watch('of-shop', {}))).toBe(3);
    // Those of one process are good at the next, for both.
    const { resumeToken } = all.messages.find(({ event }) => event.case === 'rows')!;
    const behind = rowCount(await watch('of-all', { from: { case: 'resumeToken', value: resumeToken } }));
    client.close();
    await stopServing();
    await serve();
    expect(rowCount(await watch('of-all', { from: { case: 'resumeToken', value: resumeToken } }))).toBe(behind);
    expect(isSilent(await watch('of-shop', { from: { case: 'resumeToken', value: resumeToken } }))).toBe(true);
  });

  test('learns by no filter whether something is there', async () => {
    const names = [...FLOW_COLUMNS.flatMap(({ name, type }) => (type === 'text' ? [name] : [])), 'peer'];
    const there = ['', '-node', '-web', '-1', '-db', '-2'].map((end) => `${SECRET}${end}`);
    const values = [...there, `${SECRET}/db`, `${SECRET}/${SECRET}-db`, '10.66.6.6', '10.66.6.7'];
    const shape = ({ code, messages }: Answer) => ({ code, events: messages.map(({ event }) => event) });
    for (const column of [...names, `label:${SECRET}`]) {
      if (column === 'namespace') continue;
      for (const exclude of [false, true]) {
        const asked = await watch('of-shop', { columns: ['pod'], filters: [{ column, values, exclude }] });
        const control = await watch('of-shop', {
          columns: ['pod'],
          filters: [{ column: column.replace(SECRET, 'none'), values: ['none'], exclude }],
        });
        // What columns without names say, such as a kind of a peer, may differ by nothing either.
        expect({ column, exclude, ...shape(asked) }).toEqual({ column, exclude, ...shape(control) });
        if (flows.watchers > 0) await until('it is gone', () => flows.watchers === 0);
      }
    }
  }, 60_000);

  test.each([
    { name: 'another', filters: [is('namespace', SECRET)] },
    { name: 'its own and another', filters: [is('namespace', 'shop', SECRET)] },
    { name: 'another twice', filters: [is('namespace', SECRET), is('namespace', SECRET, 'shop')] },
    { name: 'its own, with a peer in another', filters: [is('namespace', 'shop'), is('peer_namespace', SECRET)] },
  ])('may not name $name, and is told so', async ({ filters }) => {
    expect(await watch('of-shop', { filters })).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: `READER_FORBIDDEN: shop may not see the flows of namespace "${SECRET}": the token is for shop`,
      messages: [],
    });
    expect(flows.counters.forbidden).toBe(1);
  });

  test.each([
    "shop' OR 1=1 --",
    "') OR true; --",
    'shop","hush',
    "shop' UNION SELECT * FROM flows --",
    '$1',
    '%',
    '*',
    'shop\0',
    'SHOP',
    'shop ',
    '../hush',
    "x'); COPY (SELECT 1) TO '/tmp/flowtoll-was-here'; --",
  ])('gets nothing of others by %j in any place of a request', async (text) => {
    const requests: Request[] = [
      { filters: [is('namespace', text)] },
      { filters: [is('workload', text)] },
      { filters: [{ column: 'pod', values: [text], exclude: true }] },
      { filters: [is(`label:${text}`, text)] },
      { filters: [is(text, 'x')] },
      { columns: [text] },
      { columns: [`pod, (SELECT '${text}')`] },
      { from: { case: 'resumeToken', value: text } },
    ];
    for (const request of requests) {
      const answer = await watch('of-shop', request);
      expect(
        isSilent({
          ...answer,
          details: answer.details.replaceAll(text, '').replaceAll(JSON.stringify(text).slice(1, -1), ''),
        }),
      ).toBe(true);
      expect([status.CANCELLED, status.INVALID_ARGUMENT, status.PERMISSION_DENIED]).toContain(answer.code);
    }
    expect(existsSync('/tmp/flowtoll-was-here')).toBe(false);
  });
});

describe('a stream that runs ends', () => {
  async function running(token: string, change: () => void) {
    const request = toBinary(WatchRequestSchema, create(WatchRequestSchema, {}));
    const ended = call(WATCH, request, bearer(token));
    await until('it runs', () => flows.watchers === 1);
    change();
    await tokens.look();
    return ended;
  }

  // The version is never reached: nobody commits.
  beforeEach(() => {
    version++;
  });
  afterEach(() => {
    version--;
  });

  test('when its token is withdrawn', async () => {
    expect(await running('of-shop', () => writeTokens(ALL))).toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringMatching(/^READER_UNKNOWN: the token is not known here, or no longer/),
    });
  });

  test('when its token may see less', async () => {
    const less = { ...ALL, namespaces: ['shop'] };
    expect(await running('of-all', () => writeTokens(SHOP, less))).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: 'READER_FORBIDDEN: all may no longer see all namespaces: ask for what is left',
    });
  });

  test('when its token expires', async () => {
    const expires = new Date(timing.now() + 5000).toISOString();
    writeTokens({ ...SHOP, expires }, ALL);
    await tokens.look();
    const { code, details } = await running('of-shop', () => timing.advance(5001));
    expect({ code, details }).toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('no longer'),
    });
  });
});

describe('flowtoll watch', () => {
  /** Runs it until it prints, or ends. */
  async function run(args: readonly string[], token?: string) {
    const stop = new AbortController();
    let text = '';
    let remarks = '';
    const output = {
      write: async (said: string) => {
        text += said;
        stop.abort();
      },
      remark: (said: string) => {
        remarks += said;
      },
    };
    const command = watchCommand(() => ({ output, isTerminal: false, token, nowMs: Date.now, signal: stop.signal }));
    const flags = ['--format', 'json', '--columns', 'pod', '--no-losses', '--from', 'oldest', ...args];
    const failed = await command
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .parseAsync(flags, { from: 'user' })
      .then(
        () => undefined,
        (error: Error & { code: string }) => error,
      );
    return { text, remarks, code: failed?.code, message: failed?.message };
  }
  const server = () => ['--server', `localhost:${port}`];
  const trusted = () => [...server(), '--tls-ca', path('ca.crt')];

  test('shows a token of a file or of the environment', async () => {
    writeFileSync(path('token'), 'of-shop\n');
    for (const [args, token] of [
      [[...trusted(), '--token-file', path('token')], undefined],
      [trusted(), 'of-shop'],
      [[...trusted(), '--token-file', path('token')], 'of-nobody'],
      [['--server', `127.0.0.1:${port}`, '--tls-ca', path('ca.crt')], 'of-shop'],
      [[...trusted(), '--tls-server-name', '127.0.0.1'], 'of-shop'],
    ] as const) {
      const { text, code } = await run(args, token);
      expect({ code, text }).toEqual({ code: undefined, text: expect.stringContaining('"pod":"web-1"') });
      expect(text).not.toContain(SECRET);
    }
  });

  test('goes on with a token that was renewed when the one before expires', async () => {
    const old = { ...SHOP, sha256: sha256('of-shop-once'), expires: new Date(timing.now() + 1000).toISOString() };
    writeTokens({ ...old, name: 'old' }, SHOP);
    await tokens.look();
    writeFileSync(path('token'), 'of-shop-once');
    const stop = new AbortController();
    let remarks = '';
    const output = {
      write: async () => undefined,
      remark: (said: string) => {
        remarks += said;
      },
    };
    const command = watchCommand(() => ({ output, isTerminal: false, nowMs: Date.now, signal: stop.signal }));
    const ended = command.parseAsync([...trusted(), '--token-file', path('token')], { from: 'user' });
    await until('it runs', () => flows.watchers === 1);
    writeFileSync(path('token'), 'of-shop');
    timing.advance(1001);
    await until('it runs again', () => flows.counters.opened === 2 && flows.watchers === 1);
    stop.abort();
    await ended;
    expect(remarks).toMatch(/the stream broke \(READER_UNKNOWN: /);
    expect(remarks).not.toContain('of-shop');
  });

  test('is told why it is not let in', async () => {
    expect(await run(trusted())).toMatchObject({ code: 'READER_UNKNOWN', message: /^no token came/ });
    const refused = await run(trusted(), 'of-nobody');
    expect(refused).toMatchObject({ code: 'READER_UNKNOWN', text: '' });
    expect(JSON.stringify(refused)).not.toContain('of-nobody');
    expect(await run([...trusted(), '--namespace', SECRET], 'of-shop')).toMatchObject({ code: 'READER_FORBIDDEN' });
  });

  test.each([
    { name: 'no file', args: () => [...server(), '--tls-ca', path('none')], message: /\(--tls-ca\)$/ },
    { name: 'no certificate', args: () => [...server(), '--tls-ca', path('tokens.yaml')], message: /\(--tls-ca\)$/ },
    { name: 'no token file', args: () => [...trusted(), '--token-file', path('none')], message: /cannot be read/ },
    {
      name: 'a token for anybody who listens',
      args: () => ['--server', 'aggregator.example:4461'],
      message: /^the token would go to aggregator\.example:4461 in plain text: give --tls-ca/,
    },
    {
      name: 'a name without TLS',
      args: () => [...server(), '--tls-server-name', 'a'],
      message: /^--tls-server-name is of no use without TLS/,
    },
  ])('refuses $name', async ({ args, message }) => {
    expect(await run(args(), 'of-shop')).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
  });

  test.each([
    { name: 'empty', text: ' \n' },
    { name: 'of two lines', text: 'a\nsecret-line' },
    { name: 'with control characters', text: 'a\u001b[2Jsecret' },
  ])('refuses a token that is $name, and does not say it', async ({ text }) => {
    writeFileSync(path('token'), text);
    const { code, message } = await run([...trusted(), '--token-file', path('token')]);
    expect(code).toBe('CONFIG_INVALID');
    expect(message).toMatch(/holds no token/);
    expect(message).not.toContain('secret');
  });

  test.each([
    { name: 'of another authority', args: () => [...server(), '--tls-ca', path('other.crt')] },
    { name: 'with another name', args: () => [...trusted(), '--tls-server-name', 'other.example'] },
    { name: 'without TLS', args: () => server() },
  ])('shows its token to no server $name', async ({ args }) => {
    writeFileSync(path('other.crt'), new TestAuthority(work, 'other').cert);
    expect(await run(args(), 'of-shop')).toMatchObject({ code: 'SERVER_UNAVAILABLE', text: '' });
    expect(gate.counters).toEqual({ unknown: 0, busy: 0, unavailable: 0 });
    expect(flows.counters.opened).toBe(0);
  });
});
