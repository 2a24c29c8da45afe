// The policies of infra/aws, held against every request that the product made of a real S3 server (SeaweedFS): all that it asks for is
// allowed, all that is allowed was asked for, and the guard keeps out whoever would overwrite an entry of a log.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { duckdbExtensions } from '../support/duckdb-extensions.ts';
import { isAllowed, type Policy } from '../support/iam-policy.ts';
import { Programs } from '../support/processes.ts';
import { judge, kmsPermissionsOf, permissionsOf } from '../support/s3-permissions.ts';
import type { S3Request } from '../support/s3-recorder.ts';
import { type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { awsPolicy } from './aws-policy.ts';
import { BUCKET, PREFIX, playStory, type Story } from './s3-story.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const KEY_ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1';
const VALUES = {
  ...{ partition: 'aws', bucket: BUCKET, prefix: PREFIX },
  ...{ kms_key_arn: KEY_ARN, region: 'eu-central-1', dns_suffix: 'amazonaws.com' },
};

const policy = (name: string, values: Readonly<Record<string, string>> = VALUES): Policy => awsPolicy(name, values);

const program = await seaweedFsProgram();
const extensions = await duckdbExtensions();

describe.skipIf(program === undefined || extensions === undefined)('policies of infra/aws', () => {
  let server: SeaweedFs;
  let story: Story;
  let ofWriter: readonly S3Request[];
  let ofReader: readonly S3Request[];

  beforeAll(async () => {
    server = await startSeaweedFs(program!);
    await server.createBucket(BUCKET);
    story = await playStory(server, new Programs(), extensions!.httpfs);
    ofWriter = story.recorder.requests.filter(({ identity }) => identity === 'writer');
    ofReader = story.recorder.requests.filter(({ identity }) => identity === 'reader');
  });
  afterAll(async () => {
    await story?.stop();
    await server?.stop();
  });

  const isLogEntry = ({ operation, key }: S3Request) =>
    operation === 'PutObject' && /_delta_log\/\d{20}\.json$/.test(key ?? '');

  test('the story went through everything', () => {
    expect(story.recorder.requests.length).toBe(ofWriter.length + ofReader.length);
    expect([...story.upkeep].sort()).toEqual(
      expect.arrayContaining([
        ...['flows compact', 'flows log-clean-up', 'flows retention', 'flows vacuum'],
        'costs_hourly roll-up',
      ]),
    );
    for (const text of story.printed.values()) expect(text.length).toBeGreaterThan(10);
    const asked = (operation: string, key: RegExp, status: number) =>
      ofWriter.some((each) => each.operation === operation && key.test(each.key ?? '') && each.status === status);
    const missing = (
      [
        ['PutObject', /\.flowtoll-probe\//, 200],
        ['PutObject', /\.flowtoll-probe\//, 412],
        ['DeleteObject', /\.flowtoll-probe\//, 204],
        ['PutObject', /demo\/flows\/_delta_log\/\d{20}\.json$/, 200],
        ['PutObject', /named\/endpoints\/.*\.parquet$/, 200],
        ['PutObject', /\.checkpoint\.parquet$/, 200],
        ['PutObject', /\/_last_checkpoint$/, 200],
        ['PutObject', /costs_hourly\/date=.*\.parquet$/, 200],
        ['DeleteObject', /flows\/date=.*\.parquet$/, 204],
        ['DeleteObject', /_delta_log\/\d{20}\.json$/, 204],
        ['GetObject', /_delta_log\//, 404],
        ['GetObject', /named\/endpoints\/.*\.parquet$/, 200],
        ['CreateMultipartUpload', /large\.parquet$/, 200],
        ['UploadPart', /large\.parquet$/, 200],
        ['CompleteMultipartUpload', /large\.parquet$/, 200],
        ['AbortMultipartUpload', /failed\.parquet$/, 204],
      ] as const
    ).filter(([operation, key, status]) => !asked(operation, key, status));
    expect(missing).toEqual([]);
    expect(new Set(ofReader.map(({ operation }) => operation))).toEqual(
      new Set(['GetObject', 'HeadObject', 'ListObjectsV2']),
    );
  });

  test('aggregator.json allows what was asked for, and nothing else', () => {
    expect(judge(policy('aggregator'), ofWriter.flatMap(permissionsOf), [policy('bucket')])).toEqual({
      refused: [],
      unused: [],
    });
  });

  test('reader.json allows what reports asked for, and nothing else', () => {
    expect(judge(policy('reader'), ofReader.flatMap(permissionsOf), [policy('bucket')])).toEqual({
      refused: [],
      unused: [],
    });
  });

  test('with a bucket of its own, without a prefix, they allow the same', () => {
    const atRoot = { ...VALUES, prefix: '' };
    const moved = (requests: readonly S3Request[]) => requests.map((each) => at(each, BUCKET, ''));
    expect(judge(policy('aggregator', atRoot), moved(ofWriter).flatMap(permissionsOf))).toEqual({
      refused: [],
      unused: [],
    });
    expect(judge(policy('reader', atRoot), moved(ofReader).flatMap(permissionsOf))).toEqual({
      refused: [],
      unused: [],
    });
  });

  test('a key of the key management: what S3 asks of it in their name is allowed, and nothing else', () => {
    const region = VALUES.region;
    const needed = (requests: readonly S3Request[]) =>
      requests.flatMap((each) => kmsPermissionsOf(each, KEY_ARN, region));
    expect(judge(policy('aggregator-kms'), needed(ofWriter))).toEqual({ refused: [], unused: [] });
    expect(judge(policy('reader-kms'), needed(ofReader))).toEqual({ refused: [], unused: [] });
    // Not by themselves, and not through another service.
    const [directly] = needed(ofWriter).map((each) => ({ ...each, context: {} }));
    expect(isAllowed([policy('aggregator-kms')], directly!)).toBe(false);
  });

  test('none of the requests would be allowed below another prefix or in another bucket', () => {
    const allowed = [...ofWriter, ...ofReader]
      .flatMap((each) => [at(each, BUCKET, 'deep/other/'), at(each, 'other', PREFIX)])
      .flatMap(permissionsOf)
      .filter((each) => isAllowed([policy('aggregator')], each) || isAllowed([policy('reader')], each));
    expect(allowed).toEqual([]);
  });

  test('whoever reads may not write, or delete', () => {
    const writes = ofWriter.filter(({ method }) => method !== 'GET' && method !== 'HEAD').flatMap(permissionsOf);
    expect(writes.length).toBeGreaterThan(100);
    expect(writes.filter((each) => isAllowed([policy('reader')], each))).toEqual([]);
  });

  describe('the guard', () => {
    /** Somebody who may do everything, so that the guard alone decides. */
    const anybody: Policy = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
    };
    const passes = (asked: S3Request) =>
      permissionsOf(asked).every((each) => isAllowed([anybody, policy('bucket')], each));
    const withHeaders = (asked: S3Request, headers: Record<string, string>): S3Request => {
      const { 'if-none-match': _, ...rest } = asked.headers;
      return { ...asked, headers: { ...rest, ...headers } };
    };

    test('every entry of a log was put with If-None-Match, and without it none would have been taken', () => {
      const entries = ofWriter.filter(isLogEntry);
      expect(entries.length).toBeGreaterThan(30);
      expect(entries.filter((each) => !passes(each))).toEqual([]);
      expect(entries.map((each) => withHeaders(each, {})).filter(passes)).toEqual([]);
      expect(entries.map((each) => withHeaders(each, { 'if-match': '"etag"' })).filter(passes)).toEqual([]);
    });

    test('nor in parts: they are joined with the condition, or not at all', () => {
      const entry = ofWriter.find(isLogEntry)!;
      const inParts = (operation: S3Request['operation'], headers: Record<string, string>) =>
        passes(withHeaders({ ...entry, operation }, headers));
      expect(inParts('CreateMultipartUpload', {})).toBe(true);
      expect(inParts('UploadPart', {})).toBe(true);
      expect(inParts('CompleteMultipartUpload', {})).toBe(false);
      expect(inParts('CompleteMultipartUpload', { 'if-none-match': '*' })).toBe(true);
    });

    test('everything else is written without a condition, as before', () => {
      const others = ofWriter.filter((each) => each.method === 'PUT' && !isLogEntry(each));
      expect(others.some(({ key }) => key!.endsWith('.checkpoint.parquet'))).toBe(true);
      expect(others.some(({ key }) => key!.endsWith('_last_checkpoint'))).toBe(true);
      expect(others.map((each) => withHeaders(each, {})).filter((each) => !passes(each))).toEqual([]);
    });

    test('nothing passes without TLS', () => {
      const plain = ofWriter
        .flatMap(permissionsOf)
        .map((each) => ({ ...each, context: { ...each.context, 'aws:SecureTransport': 'false' } }));
      expect(plain.filter((each) => isAllowed([anybody, policy('bucket')], each))).toEqual([]);
    });
  });
});

describe('docs/stores.md', () => {
  const text = readFileSync(join(ROOT, 'docs', 'stores.md'), 'utf8');
  const shown = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => JSON.parse(json!) as object);
  const values = { ...VALUES, bucket: 'my-bucket', prefix: 'flowtoll/' };

  test('shows the policies as they are', () => {
    expect(shown).toContainEqual(policy('aggregator', values));
    expect(shown).toContainEqual(
      policy('bucket', values).Statement.find(({ Sid }) => Sid === 'LogEntriesAreCreatedOnce'),
    );
  });
});

/** The same request below another prefix of another bucket. */
function at(asked: S3Request, bucket: string, prefix: string): S3Request {
  const moved = (text: string) => prefix + text.slice(PREFIX.length);
  const { key, query } = asked;
  const place = query['prefix'] === undefined ? {} : { query: { ...query, prefix: moved(query['prefix']) } };
  return { ...asked, bucket, key: key === undefined ? undefined : moved(key), ...place };
}
