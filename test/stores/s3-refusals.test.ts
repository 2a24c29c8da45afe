// What commands say of an S3 store that they cannot use, and that they then end: each message tells what to do. `serve` and
// `maintain` write, `report` and `sql` read; `watch` asks an aggregator. A real server with real identities; for a server without
// conditional writes, a proxy that turns them into plain ones.
import { ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AGGREGATOR_PROGRAM, type Ended, Programs } from '../support/processes.ts';
import { NO_AWS_SETTINGS, type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { serveRefused, withoutCloud } from '../support/store-suites.ts';
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

  /** By name; each ends by itself. */
  const COMMANDS: Readonly<Record<string, (store: string, env: Record<string, string>) => Promise<Ended>>> = {
    serve,
    maintain: (store, env) => flowtoll(['maintain', '--store', store], env),
    status: (store, env) => flowtoll(['status', '--store', store], env),
    report: (store, env) => flowtoll(['report', '--store', store], env),
    sql: (store, env) => flowtoll(['sql', 'SELECT 1', '--store', store], env),
  };
  const flowtoll = (args: readonly string[], env: Record<string, string>): Promise<Ended> =>
    programs.start(AGGREGATOR_PROGRAM, args, { env: withoutCloud(env) }).ended();

  interface Refusal {
    readonly name: string;
    readonly store?: string;
    readonly env: () => Record<string, string>;
    readonly says: RegExp;
    /** What those say that look before they write, where that is something else; all do but serve. */
    readonly readersSay?: RegExp;
    /** Commands that can do without. */
    readonly notOf?: readonly string[];
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
      readersSay: /cannot write s3:\/\/flows\/x\/.*AccessDenied.*allow s3:PutObject on arn:aws:s3:::flows\/x\/\*/,
      notOf: ['status', 'report', 'sql'],
    },
    {
      name: 'a policy for another bucket',
      store: 's3://other/x',
      env: () => server.environment('writer'),
      says: /cannot write s3:\/\/other\/x\/.*AccessDenied.*allow s3:PutObject on arn:aws:s3:::other\/x\/\*/,
      readersSay: /cannot list s3:\/\/other\/x\/.*AccessDenied.*allow s3:ListBucket on arn:aws:s3:::other \(/,
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
  for (const { name, store = 's3://flows/x', env, says, readersSay = says, notOf = [] } of refusals) {
    const commands = Object.entries(COMMANDS).filter(([command]) => !notOf.includes(command));
    test.each(commands)(`${name}: %s`, async (command, run) => {
      const { code, stdout, stderr } = await run(store, env());
      expect(stderr).toMatch(command === 'serve' ? says : readersSay);
      expect(stderr).toMatch(/^flowtoll: STORE_UNAVAILABLE: .*$/m);
      expect(stderr.trim().split('\n'), 'one line').toHaveLength(1);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    });
  }

  test.each(['maintain', 'status', 'report', 'sql'])('a bucket without a table: %s', async (command) => {
    const { code, stdout, stderr } = await COMMANDS[command]!('s3://flows/x', server.environment('writer'));
    expect(stderr).toMatch(
      /^flowtoll: QUERY_INVALID: there is no table in s3:\/\/flows\/x\/ at http:.*: name the store that the aggregator writes \(--store\)\n$/,
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

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

  test.each(['serve', 'maintain'])(
    'a server that ignores conditions, naming stores that do not: %s',
    async (command) => {
      ignoreConditions();
      const { code, stderr } = await COMMANDS[command]!('s3://flows/unsafe', {
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
    },
  );

  test.each(['serve', 'maintain'])('a server that answers conditions with 501: %s', async (command) => {
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
    const { code, stderr } = await COMMANDS[command]!('s3://flows/x', {
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
