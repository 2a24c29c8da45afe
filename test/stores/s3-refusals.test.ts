// What `flowtoll serve` says of an S3 store that it cannot use, and that it then ends: each message tells what to do. A real
// server with real identities; for a server without conditional writes, a proxy that turns them into plain ones.
import { ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Ended, Programs } from '../support/processes.ts';
import { NO_AWS_SETTINGS, type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { serveRefused } from '../support/store-suites.ts';
import { startTroubleProxy, type TroubleProxy } from '../support/trouble-proxy.ts';

const program = await seaweedFsProgram();
const programs = new Programs();

describe.skipIf(program === undefined)('refused', () => {
  let server: SeaweedFs;
  let proxy: TroubleProxy;
  beforeAll(async () => {
    server = await startSeaweedFs(program!);
    await server.createBucket('flows');
    await server.createBucket('other');
    proxy = await startTroubleProxy(server.endpoint);
  });
  afterEach(() => programs.killAll());
  afterAll(async () => {
    await proxy?.stop();
    await server?.stop();
  });

  const serve = (store: string, env: Record<string, string>): Promise<Ended> => serveRefused(programs, store, env);

  interface Refusal {
    readonly name: string;
    readonly store?: string;
    readonly env: () => Record<string, string>;
    readonly says: RegExp;
  }
  const refusals: readonly Refusal[] = [
    {
      name: 'an access key that the server does not know',
      env: () => ({ ...server.environment('writer'), AWS_ACCESS_KEY_ID: 'nobody' }),
      says: /InvalidAccessKeyId.*does not accept the credentials: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/,
    },
    {
      name: 'a wrong secret',
      env: () => ({ ...server.environment('writer'), AWS_SECRET_ACCESS_KEY: 'wrong' }),
      says: /SignatureDoesNotMatch.*does not accept the credentials: check AWS_ACCESS_KEY_ID/,
    },
    {
      name: 'no credentials',
      env: () => ({ ...NO_AWS_SETTINGS, AWS_ENDPOINT_URL: server.endpoint, AWS_REGION: 'us-east-1' }),
      says: /there are no credentials: give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role/,
    },
    {
      name: 'no region',
      env: () => {
        const { AWS_REGION: _, ...rest } = server.environment('writer');
        return rest;
      },
      says: /set AWS_REGION to the region of the bucket/,
    },
    {
      name: 'a bucket that is not there',
      store: 's3://nowhere/x',
      env: () => server.environment('admin'),
      says: /NoSuchBucket.*127\.0\.0\.1:\d+ has no bucket of this name: create it, or correct --store/,
    },
    {
      name: 'a policy that allows reading only',
      env: () => server.environment('reader'),
      says: /cannot write s3:\/\/flows\/x\/.*AccessDenied.*allow s3:PutObject on arn:aws:s3:::flows\/x\/\*/,
    },
    {
      name: 'a policy for another bucket',
      store: 's3://other/x',
      env: () => server.environment('writer'),
      says: /cannot write s3:\/\/other\/x\/.*AccessDenied.*allow s3:PutObject on arn:aws:s3:::other\/x\/\*/,
    },
    {
      name: 'a server that is not there',
      env: () => ({ ...server.environment('writer'), AWS_ENDPOINT_URL: 'http://127.0.0.1:9' }),
      says: /ECONNREFUSED.*http:\/\/127\.0\.0\.1:9 cannot be reached: check the network, and AWS_ENDPOINT_URL/,
    },
    {
      name: 'a name that cannot be found',
      env: () => ({ ...server.environment('writer'), AWS_ENDPOINT_URL: 'http://s3.invalid' }),
      says: /s3\.invalid.* cannot be reached: check the network, and AWS_ENDPOINT_URL/,
    },
  ];
  for (const { name, store = 's3://flows/x', env, says } of refusals) {
    test(name, async () => {
      const { code, stdout, stderr } = await serve(store, env());
      expect(stderr).toMatch(says);
      expect(stderr).toMatch(/^flowtoll: STORE_UNAVAILABLE: .*$/m);
      expect(stderr.trim().split('\n'), 'one line').toHaveLength(1);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    });
  }

  /** Every PUT is carried out without its condition, as a server does that does not know If-None-Match. */
  const ignoreConditions = (): void =>
    proxy.trouble(async ({ method, url, headers, body }) => {
      if (method !== 'PUT' || headers['if-none-match'] === undefined) return undefined;
      const [, Bucket, Key] = /^\/([^/]+)\/([^?]+)/.exec(url)!;
      const { ETag } = await server.client.send(
        new PutObjectCommand({ Bucket, Key: decodeURIComponent(Key!), Body: body }),
      );
      return { instead: { status: 200, headers: { etag: ETag! } } };
    });

  test('a server that ignores conditions, naming stores that do not', async () => {
    ignoreConditions();
    const { code, stderr } = await serve('s3://flows/unsafe', {
      ...server.environment('writer'),
      AWS_ENDPOINT_URL: proxy.endpoint,
    });
    expect(stderr).toMatch(
      /^flowtoll: STORE_UNAVAILABLE: s3:\/\/flows\/unsafe\/ at http:.* does not refuse to create an object that exists/,
    );
    for (const store of [
      'a directory',
      'AWS S3',
      'Google Cloud Storage',
      'Azure Blob Storage',
      'R2',
      'MinIO',
      'Ceph',
      'SeaweedFS',
    ]) {
      expect(stderr).toContain(store);
    }
    expect(code).toBe(1);
    const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket: 'flows' }));
    expect(Contents).toEqual([]);
  });

  test('a server that answers conditions with 501', async () => {
    proxy.trouble(({ headers }) =>
      headers['if-none-match'] === undefined
        ? undefined
        : {
            instead: {
              status: 501,
              headers: { 'content-type': 'application/xml' },
              body: '<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality</Message></Error>',
            },
          },
    );
    const { code, stderr } = await serve('s3://flows/x', {
      ...server.environment('writer'),
      AWS_ENDPOINT_URL: proxy.endpoint,
    });
    expect(stderr).toMatch(/NotImplemented.*the server does not know this request; use a directory, AWS S3/);
    expect(code).toBe(1);
  });

  test('a bucket in another region', async () => {
    proxy.trouble(() => ({
      instead: {
        status: 301,
        headers: { 'content-type': 'application/xml', 'x-amz-bucket-region': 'eu-central-1' },
        body: '<Error><Code>PermanentRedirect</Code><Message>use the endpoint of the bucket</Message></Error>',
      },
    }));
    const { code, stderr } = await serve('s3://flows/x', {
      ...server.environment('writer'),
      AWS_ENDPOINT_URL: proxy.endpoint,
    });
    expect(stderr).toMatch(/PermanentRedirect.*the bucket is in another region.*set AWS_REGION/);
    expect(code).toBe(1);
  });
});
