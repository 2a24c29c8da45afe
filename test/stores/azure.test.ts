// Azure Blob Storage as a store, against Azurite: what every store does, and what only Azure does.
import { randomUUID } from 'node:crypto';
import { ContainerSASPermissions } from '@azure/storage-blob';
import { openAzureStore } from '@flowtoll/aggregator/store/azure-store.ts';
import { describeConformance, keysOf } from '@flowtoll/aggregator/store/conformance.testing.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Azurite, azuriteProgram, startAzurite } from '../support/azurite.ts';
import { deltaRsPython } from '../support/delta-rows.ts';
import { Programs } from '../support/processes.ts';
import { serveRecordedTraffic, serveRefused, testLostAnswers } from '../support/store-suites.ts';
import { type CannedAnswer, startTroubleProxy, type TroubleProxy } from '../support/trouble-proxy.ts';

const MIB = 1024 ** 2;
const program = await azuriteProgram();
const python = await deltaRsPython();
const programs = new Programs();

const azureError = (status: number, code: string): CannedAnswer => ({
  status,
  headers: { 'content-type': 'application/xml', 'x-ms-error-code': code },
  body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>as the test asked</Message></Error>`,
});

describe.skipIf(program === undefined)('Azure', () => {
  let server: Azurite;
  let proxy: TroubleProxy;
  beforeAll(async () => {
    server = await startAzurite(program!);
    await server.client.createContainer('flows');
    proxy = await startTroubleProxy(server.endpoint);
  });
  afterEach(() => programs.killAll());
  afterAll(async () => {
    await proxy?.stop();
    await server?.stop();
  });

  describeConformance('Azure', {
    openEmpty: () =>
      openAzureStore({
        bucket: 'flows',
        prefix: `${randomUUID()}/`,
        blockBytes: MIB,
        environment: server.environment(),
      }),
    largeBytes: 5 * MIB + 5,
  });

  describe('lost answers', () => {
    testLostAnswers({
      proxy: () => proxy,
      open: () =>
        openAzureStore({
          bucket: 'flows',
          prefix: `${randomUUID()}/`,
          requestTimeoutMs: 2_000,
          environment: server.environment(proxy.endpoint),
        }),
      isConditional: ({ method, headers }) => method === 'PUT' && headers['if-none-match'] === '*',
      failed: azureError,
      notDone: [azureError(503, 'ServerBusy'), azureError(429, 'TooManyRequests')],
    });
  });

  test.skipIf(python === undefined)('aggregators share a table, and a foreign reader sees each batch once', () =>
    serveRecordedTraffic(programs, python!, 'az://flows/deep/er', server.environment(), async () =>
      server.foreignTable('flows/deep/er/demo/flows'),
    ),
  );

  /** A signature for a whole container, as AZURE_STORAGE_SAS_TOKEN takes it. */
  const signed = async (permissions: string): Promise<Record<string, string>> => {
    const url = await server.client.getContainerClient('flows').generateSasUrl({
      permissions: ContainerSASPermissions.parse(permissions),
      expiresOn: new Date(Date.now() + 3_600_000),
    });
    return {
      AZURE_STORAGE_SERVICE_ENDPOINT: `${server.endpoint}/flowtoll`,
      AZURE_STORAGE_ACCOUNT: 'flowtoll',
      AZURE_STORAGE_SAS_TOKEN: url.slice(url.indexOf('?') + 1),
    };
  };

  test('an account key, or a signature that allows to read, write, delete and list, is enough', async () => {
    const key = /AccountKey=([^;]+)/.exec(server.environment()['AZURE_STORAGE_CONNECTION_STRING']!)![1]!;
    const { AZURE_STORAGE_SAS_TOKEN: _, ...account } = await signed('r');
    for (const environment of [{ ...account, AZURE_STORAGE_KEY: key }, await signed('rwdl')]) {
      const store = await openAzureStore({ bucket: 'flows', prefix: 'access/', environment });
      await store.put('x', Buffer.from('x'));
      expect(await keysOf(store, '')).toEqual(['x']);
    }
  });

  const refusals: { name: string; store?: string; env: () => Promise<Record<string, string>>; says: RegExp }[] = [
    {
      name: 'no account',
      env: async () => ({}),
      says: /CONFIG_INVALID: az:\/\/ needs the name of the storage account: set AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CON/,
    },
    {
      name: 'a connection string that is none',
      env: async () => ({ AZURE_STORAGE_CONNECTION_STRING: 'nonsense' }),
      says: /CONFIG_INVALID: AZURE_STORAGE_CONNECTION_STRING is not valid .*copy it from the access keys/,
    },
    {
      name: 'a wrong key',
      env: async () => ({
        AZURE_STORAGE_CONNECTION_STRING: server
          .environment()
          ['AZURE_STORAGE_CONNECTION_STRING']!.replace(/AccountKey=[^;]+/, 'AccountKey=d3Jvbmc='),
      }),
      says: /STORE_UNAVAILABLE: cannot write .*(AuthorizationFailure|AuthenticationFailed|InvalidAuthenticationInfo)/,
    },
    {
      name: 'a container that is not there',
      store: 'az://nowhere/x',
      env: async () => server.environment(),
      says: /STORE_UNAVAILABLE: .*ContainerNotFound.*the account has no container of this name: create it, or correct --sto/,
    },
    {
      name: 'a signature that allows reading only',
      env: () => signed('rl'),
      says: /STORE_UNAVAILABLE: .*AuthorizationPermissionMismatch.*role "Storage Blob Data Contributor"/,
    },
    {
      name: 'an account that cannot be reached',
      env: async () => ({
        AZURE_STORAGE_ACCOUNT: 'a',
        AZURE_STORAGE_KEY: 'aGVsbG8=',
        AZURE_STORAGE_SERVICE_ENDPOINT: 'http://127.0.0.1:9/a',
      }),
      says: /STORE_UNAVAILABLE: .*ECONNREFUSED.*the account cannot be reached: check its name \(AZURE_STORAGE_ACCOUNT\)/,
    },
  ];
  for (const { name, store = 'az://flows/x', env, says } of refusals) {
    test(`refused: ${name}`, async () => {
      const { code, stdout, stderr } = await serveRefused(programs, store, await env());
      expect(stderr).toMatch(says);
      expect(stderr.trim().split('\n'), 'one line').toHaveLength(1);
      expect({ failed: code !== 0, stdout }).toEqual({ failed: true, stdout: '' });
    });
  }
});
