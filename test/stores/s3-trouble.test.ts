// S3 on which answers get lost, come late or are wrong: what the store says then, and that commits stay exact. A real server
// behind a proxy that does the harm.
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { keysOf } from '@flowtoll/aggregator/store/conformance.testing.ts';
import { openS3Store } from '@flowtoll/aggregator/store/s3-store.ts';
import type { ObjectStore } from '@flowtoll/aggregator/store/store.ts';
import { DeltaLog } from '@flowtoll/aggregator/table/delta-log.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRandom } from '../lab/random.ts';
import { deltaRsPython, foreignColumn } from '../support/delta-rows.ts';
import { credentialsOf, type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { logEntry, testLostAnswers, troubleFirst } from '../support/store-suites.ts';
import {
  type CannedAnswer,
  type ProxiedRequest,
  startTroubleProxy,
  type Trouble,
  type TroubleProxy,
} from '../support/trouble-proxy.ts';

const MIB = 1024 ** 2;
const SEED = Number(process.env['FLOWTOLL_SEED'] ?? 20260131);
/** As long as the store waits for a silent server here, instead of its 30 s; the server itself is slow at times. */
const IDLE_MS = 2_000;

const program = await seaweedFsProgram();
const python = await deltaRsPython();

const s3Error = (status: number, code: string): CannedAnswer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>as the test asked</Message></Error>`,
});

const isConditional = ({ method, headers }: ProxiedRequest) => method === 'PUT' && headers['if-none-match'] === '*';

describe.skipIf(program === undefined)('S3 in trouble', () => {
  let server: SeaweedFs;
  let proxy: TroubleProxy;
  let store: ObjectStore;
  beforeAll(async () => {
    server = await startSeaweedFs(program!);
    await server.createBucket('flows');
    proxy = await startTroubleProxy(server.endpoint);
  });
  afterAll(async () => {
    await proxy?.stop();
    await server?.stop();
  });
  beforeEach(async () => {
    proxy.trouble(() => undefined);
    store = await open();
  });

  const open = (prefix = `${randomUUID()}/`): Promise<ObjectStore> =>
    openS3Store({
      bucket: 'flows',
      prefix,
      partBytes: 5 * MIB,
      client: {
        endpoint: proxy.endpoint,
        region: 'us-east-1',
        credentials: credentialsOf('writer'),
        requestHandler: { connectionTimeout: 5_000, socketTimeout: IDLE_MS },
      },
    });

  const first = (matches: (request: ProxiedRequest) => boolean, ...troubles: Trouble[]): void =>
    troubleFirst(proxy, matches, ...troubles);

  const text = async (key: string) => Buffer.from((await store.get(key)) ?? 'absent').toString();

  describe('conditional writes', () => {
    testLostAnswers({
      proxy: () => proxy,
      open,
      isConditional,
      failed: s3Error,
      notDone: [s3Error(409, 'ConditionalRequestConflict'), s3Error(503, 'SlowDown'), { status: 429 }],
    });

    test('a log entry that is said to exist and does not is an error', async () => {
      proxy.trouble((request) =>
        isConditional(request) ? { instead: s3Error(412, 'PreconditionFailed') } : undefined,
      );
      await expect(new DeltaLog(store, 'table').append(logEntry('mine'))).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: expect.stringMatching(/exists, and has no such object/),
      });
    });
  });

  describe('other requests', () => {
    test('a write whose answer is lost is done again', async () => {
      first(({ method }) => method === 'PUT', 'drop-answer', { afterwards: s3Error(500, 'InternalError') });
      await store.put('x', Buffer.from('whole'));
      expect(await text('x')).toBe('whole');
      expect(proxy.requests.filter(({ method }) => method === 'PUT')).toHaveLength(3);
    });

    test('an answer that is cut is never taken for the whole', async () => {
      const content = Buffer.alloc(100_000, 'content');
      const keys = Array.from({ length: 50 }, (_, i) => `many/${i + 100}`);
      await store.put('x', content);
      for (const key of keys) await store.put(key, Buffer.from('{}'));
      proxy.trouble(() => 'cut-answer');
      const oneLine = { code: 'STORE_UNAVAILABLE', message: expect.not.stringContaining('\n') };
      await expect(store.get('x')).rejects.toMatchObject(oneLine);
      await expect(keysOf(store, 'many/')).rejects.toMatchObject(oneLine);
      await expect(store.listFolders('')).rejects.toMatchObject(oneLine);
      await expect(store.putIfAbsent('x', content)).rejects.toMatchObject(oneLine);
      proxy.trouble(() => undefined);
      expect(Buffer.compare((await store.get('x'))!, content)).toBe(0);
      expect(await keysOf(store, 'many/')).toEqual(keys);
    });
  });

  describe('a large file', () => {
    const content = Buffer.alloc(12 * MIB, 'large file ');
    let file: string;
    beforeEach(async () => {
      file = join(store.scratchDirectory, randomUUID());
      await writeFile(file, content);
    });
    const isPart = ({ method, url }: ProxiedRequest) => method === 'PUT' && url.includes('partNumber=');
    const uploads = async () =>
      (await server.client.send(new ListMultipartUploadsCommand({ Bucket: 'flows' }))).Uploads ?? [];

    test('arrives whole although answers to parts are lost', async () => {
      first(isPart, 'drop-answer', { instead: s3Error(503, 'SlowDown') }, 'cut-before');
      await store.put('large', { file });
      expect(Buffer.compare((await store.get('large'))!, content)).toBe(0);
      expect(proxy.requests.filter(isPart).length).toBe(6);
    });

    test('that cannot be written is still there, and no part of it stays in the store', async () => {
      proxy.trouble((request) => (isPart(request) ? { instead: s3Error(403, 'AccessDenied') } : undefined));
      await expect(store.put('large', { file })).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: expect.stringMatching(/allow s3:PutObject/),
      });
      proxy.trouble(() => undefined);
      expect(await store.get('large')).toBeUndefined();
      expect(await uploads()).toEqual([]);
      await store.put('large', { file });
      expect(Buffer.compare((await store.get('large'))!, content)).toBe(0);
    });
  });

  test.skipIf(python === undefined)(`commits under random trouble are there once each, seed ${SEED}`, async () => {
    const prefix = `${randomUUID()}/`;
    const random = createRandom(SEED);
    const troubles: readonly Trouble[] = [
      'cut-before',
      'drop-answer',
      'cut-answer',
      { afterwards: s3Error(500, 'InternalError') },
      { instead: s3Error(503, 'SlowDown') },
      { instead: s3Error(409, 'ConditionalRequestConflict') },
      { delayMs: IDLE_MS * 2 },
    ];
    const tables = [];
    for (let writer = 0; writer < 3; writer++) {
      tables.push(await openFlowTable(await open(prefix), { cluster: 'demo', clock: Date.now }));
    }
    // One request in four, so that some commits fail outright and are sent again, as agents do.
    proxy.trouble(() => (random.chance(0.25) ? random.pick(troubles) : undefined));
    const BATCHES = 12;
    let failures = 0;
    await Promise.all(
      tables.map(async (table, writer) => {
        const epoch = `epoch-${writer}`;
        for (let sequence = 1; sequence <= BATCHES; ) {
          try {
            const { committed } = await table.commit([{ epoch, sequence }], (batch, rows) =>
              rows.append(flowRow({ pod: `${batch.epoch}/${batch.sequence}` })),
            );
            expect(committed.get(epoch)).toBe(sequence);
            sequence++;
          } catch (error) {
            expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' });
            failures++;
          }
        }
      }),
    );
    proxy.trouble(() => undefined);
    for (const table of tables) await table.close();
    const expected = tables.flatMap((_, writer) =>
      Array.from({ length: BATCHES }, (_, i) => `epoch-${writer}/${i + 1}`),
    );
    const pods = await foreignColumn(python!, server.foreignTable(`flows/${prefix}demo/flows`), 'pod');
    expect(pods.toSorted()).toEqual(expected.toSorted());
    expect(failures, 'the trouble was too little to fail a commit').toBeGreaterThan(0);
  });
});
