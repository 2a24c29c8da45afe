// Google Cloud Storage as a store, against fake-gcs-server: what every store does, and what only Google's does.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeConformance } from '@flowtoll/aggregator/store/conformance.testing.ts';
import { openGcsStore } from '@flowtoll/aggregator/store/gcs-store.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { deltaRsPython } from '../support/delta-rows.ts';
import { type FakeGcs, fakeGcsProgram, startFakeGcs } from '../support/fake-gcs.ts';
import { Programs } from '../support/processes.ts';
import { serveRecordedTraffic, serveRefused, testLostAnswers } from '../support/store-suites.ts';
import { type CannedAnswer, startTroubleProxy, type Trouble, type TroubleProxy } from '../support/trouble-proxy.ts';

const MIB = 1024 ** 2;
const program = await fakeGcsProgram();
const python = await deltaRsPython();
const programs = new Programs();

const gcsError = (status: number, reason: string): CannedAnswer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    error: { code: status, message: 'as the test asked', errors: [{ reason, message: reason }] },
  }),
});

describe.skipIf(program === undefined)('Google Cloud Storage', () => {
  let server: FakeGcs;
  let proxy: TroubleProxy;
  beforeAll(async () => {
    server = await startFakeGcs(program!);
    await server.createBucket('flows');
    proxy = await startTroubleProxy(server.endpoint);
  });
  afterEach(() => programs.killAll());
  afterAll(async () => {
    await proxy?.stop();
    await server?.stop();
  });

  describeConformance('Google Cloud Storage', {
    openEmpty: () =>
      openGcsStore({
        bucket: 'flows',
        prefix: `${randomUUID()}/`,
        resumableBytes: MIB,
        client: { apiEndpoint: server.endpoint, projectId: 'test' },
      }),
    largeBytes: 5 * MIB + 5,
  });

  describe('lost answers', () => {
    testLostAnswers({
      proxy: () => proxy,
      open: () =>
        openGcsStore({
          bucket: 'flows',
          prefix: `${randomUUID()}/`,
          requestTimeoutMs: 2_000,
          client: { apiEndpoint: proxy.endpoint, projectId: 'test' },
        }),
      isConditional: ({ method, url }) => method === 'POST' && url.includes('ifGenerationMatch=0'),
      failed: gcsError,
      notDone: [gcsError(429, 'rateLimitExceeded')],
    });
  });

  test('a server that cuts every connection is given up within seconds', async () => {
    proxy.trouble(() => 'cut-before');
    const startedMs = performance.now();
    const client = { apiEndpoint: proxy.endpoint, projectId: 'test' };
    await expect(openGcsStore({ bucket: 'flows', prefix: '', client })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    expect(proxy.requests).toHaveLength(4);
    // Three pauses of a second; by default they are 2, 4 and 8 s, and some.
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  test.skipIf(python === undefined)(
    'aggregators share a table, and a foreign reader sees each batch once',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'flowtoll-gcs-'));
      try {
        await server.createBucket('served');
        await serveRecordedTraffic(programs, python!, 'gs://served/deep/er', server.environment(), async () => {
          await server.download('served', folder);
          return { uri: join(folder, 'deep/er/demo/flows'), options: {} };
        });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );

  const refusals: {
    name: string;
    store?: string;
    trouble?: Trouble;
    env: () => Record<string, string>;
    says: RegExp;
  }[] = [
    {
      name: 'a bucket that is not there',
      store: 'gs://nowhere/x',
      env: () => server.environment(),
      says: /404: .*there is no bucket of this name: create it, or correct --store/,
    },
    {
      name: 'no credentials',
      env: () => ({ GOOGLE_APPLICATION_CREDENTIALS: '/nonexistent/key.json' }),
      says: /there are no credentials that work: give GOOGLE_APPLICATION_CREDENTIALS/,
    },
    {
      name: 'credentials that are not accepted (the answer is made up)',
      trouble: { instead: gcsError(401, 'authError') },
      env: () => server.environment(proxy.endpoint),
      says: /401: .*there are no credentials that work: give GOOGLE_APPLICATION_CREDENTIALS/,
    },
    {
      name: 'a policy that allows reading only (the answer is made up)',
      trouble: { instead: gcsError(403, 'forbidden') },
      env: () => server.environment(proxy.endpoint),
      says: /403: .*these credentials may not: allow storage\.objects\.create, best with the role roles\/storage\.objectUser/,
    },
    {
      name: 'a server that is not there',
      env: () => server.environment('http://127.0.0.1:9'),
      says: /ECONNREFUSED.*Google Cloud Storage cannot be reached: check the network, and STORAGE_EMULATOR_HOST/,
    },
  ];
  for (const { name, store = 'gs://flows/x', trouble, env, says } of refusals) {
    test(`refused: ${name}`, async () => {
      proxy.trouble(({ method }) => (method === 'POST' ? trouble : undefined));
      const { code, stdout, stderr } = await serveRefused(programs, store, env());
      expect(stderr).toMatch(says);
      expect(stderr).toMatch(/^flowtoll: STORE_UNAVAILABLE: cannot (list|write) gs:\/\//);
      expect(stderr.trim().split('\n'), 'one line').toHaveLength(1);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    });
  }
});
