// FlowService over gRPC: streams, their ends, and readers that do not read. A client of grpc-js, messages by protobuf-es.
import { readdir } from 'node:fs/promises';
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import {
  FlowService,
  grpcMethod,
  ResumeExpired_Reason,
  ResumeExpiredSchema,
  silenceGrpcLog,
  type WatchRequest,
  WatchRequestSchema,
  type WatchResponse,
} from '@flowtoll/proto';
import {
  Client,
  type ClientReadableStream,
  credentials,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FlowtollError } from '../model/errors.ts';
import type { ObjectStore } from '../store/store.ts';
import { entryKey } from '../table/log-keys.ts';
import { createFlowService, type FlowServer } from './flow-service.ts';
import { isAt, ROOT, texts, WatchedTable } from './watched-table.testing.ts';

const SILENT = { info: () => undefined, error: () => undefined };
/** Nobody looks at the store by himself: what comes at once comes because the replica said that it committed. */
const NEVER_MS = 3_600_000;

let table: WatchedTable;
let server: Server;
let service: FlowServer;
let client: Client;
const streams: Stream[] = [];

beforeEach(async () => {
  table = await WatchedTable.open();
});

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.cancel();
  client.close();
  await service.stop();
  server.forceShutdown();
  await table.close();
});

async function serve(
  watchersMax = 8,
  store: ObjectStore = table.store,
  requireReadable = async (): Promise<void> => undefined,
): Promise<void> {
  silenceGrpcLog();
  service = createFlowService(
    { watchersMax, pollMs: NEVER_MS, verifyMs: NEVER_MS },
    { store, root: ROOT, log: SILENT, now: () => performance.now(), requireReadable },
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

/** A call, read one message at a time. */
class Stream {
  readonly #call: ClientReadableStream<WatchResponse>;
  readonly #messages: AsyncIterator<WatchResponse>;

  constructor(request: MessageInitShape<typeof WatchRequestSchema>) {
    const { path, requestSerialize, responseDeserialize } = grpcMethod(FlowService.method.watch);
    const message: WatchRequest = create(WatchRequestSchema, request);
    this.#call = client.makeServerStreamRequest(
      path,
      requestSerialize,
      (bytes) => responseDeserialize(bytes) as WatchResponse,
      message,
    );
    this.#messages = this.#call[Symbol.asyncIterator]();
    streams.push(this);
  }

  async next(): Promise<WatchResponse> {
    const { value, done } = await this.#messages.next();
    if (done === true) throw new Error('the stream ended');
    return value;
  }

  async until(version: number): Promise<WatchResponse[]> {
    const messages = [await this.next()];
    while (!isAt(messages.at(-1)!, version)) messages.push(await this.next());
    return messages;
  }

  /** The error that ends it. */
  async end(): Promise<ServiceError> {
    try {
      for (;;) await this.next();
    } catch (error) {
      return error as ServiceError;
    }
  }

  cancel(): void {
    this.#call.on('error', () => undefined);
    this.#call.cancel();
  }
}

const podsOf = (messages: readonly WatchResponse[]) => messages.flatMap((message) => texts(message, 'pod')).sort();

/** Resolves when the condition holds; each look follows something that happened. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a stream', () => {
  test('begins with where it is, and brings what this replica commits at once', async () => {
    await serve();
    await table.commit(1);
    const stream = new Stream({ columns: ['pod'] });
    expect((await stream.next()).event).toMatchObject({ case: 'progress', value: { version: 1n, caughtUp: true } });
    const version = await table.commit(5000);
    service.committed();
    expect(podsOf(await stream.until(version))).toEqual([...table.committed.get(version)!].sort());
    expect(service.counters).toMatchObject({ opened: 1, refused: 0, rows: 5000 });
  });

  test('ends when another program upgrades the table, and none begins then', async () => {
    let problem: FlowtollError | undefined;
    await serve(8, table.store, async () => {
      if (problem !== undefined) throw problem;
    });
    const version = await table.commit(1);
    const stream = new Stream({ columns: ['pod'] });
    await stream.next();
    const protocol = { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['deletionVectors'] };
    await table.store.put(entryKey(ROOT, version + 1), Buffer.from(JSON.stringify({ protocol })));
    service.committed();
    const end = await stream.end();
    expect(end).toMatchObject({ code: status.DATA_LOSS });
    expect(end.details).toMatch(
      /^TABLE_INVALID: .* needs Delta protocol 3\/7 with the features deletionVectors; .*Use a newer/,
    );
    problem = new FlowtollError('TABLE_INVALID', 'as the table says');
    expect(await new Stream({}).end()).toMatchObject({
      code: status.DATA_LOSS,
      details: 'TABLE_INVALID: as the table says',
    });
  });

  test('says when rows were committed', async () => {
    await serve();
    const version = await table.commit(1);
    const stream = new Stream({ from: { case: 'version', value: 1n }, columns: ['pod', 'tx_bytes'] });
    await stream.next();
    const { event } = await stream.next();
    if (event.case !== 'rows') throw new Error(`no rows but ${event.case}`);
    expect(event.value).toMatchObject({ version: BigInt(version), rowCount: 1 });
    expect(timestampMs(event.value.commitTime!)).toBe(table.nowMs);
    expect(event.value.columns.map(({ name }) => name)).toEqual(['pod', 'tx_bytes']);
  });

  test('that is cancelled is gone', async () => {
    await serve();
    const stream = new Stream({});
    await stream.next();
    expect(service.watchers).toBe(1);
    stream.cancel();
    await until(() => service.watchers === 0);
  });

  test('that nobody reads holds little, and holds up nobody', async () => {
    await serve();
    const versions = [];
    for (let i = 0; i < 3; i++) versions.push(await table.commit(40_000));
    const slow = new Stream({ from: { case: 'version', value: 1n } });
    const first = await slow.next();
    const fast = new Stream({ from: { case: 'version', value: 1n }, columns: ['pod'] });
    expect(podsOf(await fast.until(3))).toHaveLength(120_000);
    const another = await table.commit(10);
    service.committed();
    await fast.until(another);
    // What lies between reader and file: windows of HTTP/2, one message on its way, one read ahead.
    const slowRows = service.counters.rows - 120_010;
    expect(slowRows).toBeGreaterThan(0);
    expect(slowRows).toBeLessThan(60_000);
    const rest = [first, ...(await slow.until(another))];
    expect(new Set(podsOf(rest)).size).toBe(120_010);
    expect(podsOf(rest)).toHaveLength(120_010);
  }, 60_000);
});

describe('a stream ends with', () => {
  test('INVALID_ARGUMENT for what cannot be', async () => {
    await serve();
    expect(await new Stream({ columns: ['nonsense'] }).end()).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/^REQUEST_INVALID: the table has no column "nonsense"/),
    });
    const token = new Stream({ from: { case: 'resumeToken', value: 'x' } });
    expect(await token.end()).toMatchObject({ code: status.INVALID_ARGUMENT });
    const version = new Stream({ from: { case: 'version', value: 2n ** 60n } });
    expect(await version.end()).toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  test('OUT_OF_RANGE and what is missed', async () => {
    await serve();
    for (let i = 0; i < 3; i++) await table.commit(2);
    const firstMs = table.nowMs - 120_000;
    await table.compact();
    await table.vacuum();
    const last = await table.commit(2);
    const error = await new Stream({ from: { case: 'version', value: 1n }, columns: ['pod'] }).end();
    expect(error).toMatchObject({ code: status.OUT_OF_RANGE, details: expect.stringMatching(/^RESUME_EXPIRED: /) });
    const [trailer] = error.metadata.get('flowtoll-resume-expired-bin');
    const missed = fromBinary(ResumeExpiredSchema, trailer as Buffer);
    expect(missed).toMatchObject({
      reason: ResumeExpired_Reason.FILES_VACUUMED,
      missedFromVersion: 1n,
      missedToVersion: 3n,
    });
    expect(timestampMs(missed.missedFromTime!)).toBe(firstMs);
    const goOn = new Stream({ from: { case: 'resumeToken', value: missed.resumeToken }, columns: ['pod'] });
    expect(podsOf(await goOn.until(last))).toEqual(table.committed.get(last));
    expect(service.counters.expired).toBe(1);
  });

  test('RESOURCE_EXHAUSTED when there are as many as may be, until one leaves', async () => {
    await serve(1);
    const stream = new Stream({});
    await stream.next();
    expect(await new Stream({}).end()).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/^WATCHERS_FULL: /),
    });
    stream.cancel();
    await until(() => service.watchers === 0);
    await new Stream({}).next();
    expect(service.counters).toMatchObject({ opened: 2, refused: 1 });
  });

  test('UNAVAILABLE when the replica stops, and a token goes on at another', async () => {
    await serve();
    await table.commit(2);
    const stream = new Stream({});
    const { resumeToken } = await stream.next();
    const ended = stream.end();
    await service.stop();
    expect(await ended).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringMatching(/stopping/) });
    server.forceShutdown();
    client.close();
    await serve();
    const version = await table.commit(1);
    const next = new Stream({ from: { case: 'resumeToken', value: resumeToken }, columns: ['pod'] });
    expect(podsOf(await next.until(version))).toEqual(table.committed.get(version));
  });

  test('UNAVAILABLE when the store cannot be read', async () => {
    let fails = false;
    const store: ObjectStore = Object.create(table.store, {
      get: {
        value: (key: string) => {
          if (fails) throw new FlowtollError('STORE_UNAVAILABLE', 'no route to the bucket');
          return table.store.get(key);
        },
      },
      localPath: { value: (key: string) => table.store.localPath(key) },
      list: { value: (prefix: string, after?: string) => table.store.list(prefix, after) },
    });
    await serve(8, store);
    const stream = new Stream({});
    await stream.next();
    fails = true;
    service.committed();
    expect(await stream.end()).toMatchObject({
      code: status.UNAVAILABLE,
      details: 'STORE_UNAVAILABLE: no route to the bucket',
    });
  });

  test('DATA_LOSS when a file is damaged', async () => {
    await serve();
    await table.commit(1);
    for await (const key of table.store.list(`${ROOT}/`)) {
      if (key.endsWith('.parquet')) await table.store.put(key, Buffer.from('no parquet'));
    }
    expect(await new Stream({ from: { case: 'version', value: 1n } }).end()).toMatchObject({
      code: status.DATA_LOSS,
      details: expect.stringMatching(/^TABLE_INVALID: demo\/flows\/date=.*restore it from a backup/),
    });
  });
});

test('a store whose objects are no files: each is fetched once for all, and what was fetched is removed', async () => {
  let gets = 0;
  const { store } = table;
  const remote: ObjectStore = {
    get: (key) => {
      if (key.endsWith('.parquet')) gets++;
      return store.get(key);
    },
    list: (prefix, after) => store.list(prefix, after),
    listFolders: (prefix) => store.listFolders(prefix),
    put: (key, content) => store.put(key, content),
    putIfAbsent: (key, content) => store.putIfAbsent(key, content),
    delete: (key) => store.delete(key),
    scratchDirectory: store.scratchDirectory,
    describe: () => store.describe(),
  };
  await serve(8, remote);
  const watching = [new Stream({ columns: ['pod'] }), new Stream({ columns: ['pod'] })];
  for (const stream of watching) await stream.next();
  const version = await table.commit(100);
  service.committed();
  const got = await Promise.all(watching.map((stream) => stream.until(version)));
  for (const messages of got) expect(podsOf(messages)).toHaveLength(100);
  expect(gets).toBeLessThanOrEqual(2);
  await until(() => service.counters.rows === 200);
  expect((await readdir(store.scratchDirectory)).filter((name) => name.startsWith('watch-'))).toEqual([]);
});
