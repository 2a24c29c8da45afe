// S3 as a store, against a real server (SeaweedFS): what every store does, and what only S3 does.
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { describeConformance, keysOf } from '@flowtoll/aggregator/store/conformance.testing.ts';
import { openS3Store } from '@flowtoll/aggregator/store/s3-store.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { credentialsOf, type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';
import { type CannedAnswer, startTroubleProxy } from '../support/trouble-proxy.ts';

const MIB = 1024 ** 2;
const program = await seaweedFsProgram();
const clientOf = (endpoint: string) => ({ endpoint, region: 'us-east-1', credentials: credentialsOf('writer') });

describe.skipIf(program === undefined)('S3', () => {
  let server: SeaweedFs;
  beforeAll(async () => {
    server = await startSeaweedFs(program!);
    await server.createBucket('flows');
  });
  afterAll(() => server?.stop());

  describeConformance('S3', {
    openEmpty: () =>
      openS3Store({
        bucket: 'flows',
        prefix: `${randomUUID()}/`,
        partBytes: 5 * MIB,
        client: clientOf(server.endpoint),
      }),
    keepsFolders: true,
    largeBytes: 12 * MIB + 5,
  });

  test('folders that consoles make are no objects', async () => {
    const prefix = `${randomUUID()}/`;
    for (const Key of [prefix, `${prefix}a/`]) {
      await server.client.send(new PutObjectCommand({ Bucket: 'flows', Key, Body: new Uint8Array() }));
    }
    const store = await openS3Store({ bucket: 'flows', prefix, client: clientOf(server.endpoint) });
    await store.put('a/1', Buffer.from('1'));
    expect(await keysOf(store, '')).toEqual(['a/1']);
    expect(await store.listFolders('')).toEqual(['a']);
  });

  test('every write asks for encryption with the key that is given, and none without', async () => {
    const proxy = await startTroubleProxy(server.endpoint);
    try {
      const arn = 'arn:aws:kms:eu-west-1:123456789012:key/1-2';
      for (const kmsKey of [arn, 'default', undefined]) {
        // The server has no key management: the answers are made up, and only what is asked for is looked at.
        proxy.trouble(({ method, url, body }) => ({ instead: answerTo(method, url, body) }));
        const store = await openS3Store({
          bucket: 'flows',
          prefix: '',
          kmsKey,
          readOnly: true,
          partBytes: 5 * MIB,
          client: clientOf(proxy.endpoint),
        });
        const large = join(store.scratchDirectory, randomUUID());
        await writeFile(large, Buffer.alloc(6 * MIB));
        await store.put('small', Buffer.from('small'));
        await store.putIfAbsent('once', Buffer.from('once'));
        await store.put('large', { file: large });
        const asked = proxy.requests
          .filter(({ method, url }) => (method === 'PUT' && !url.includes('partNumber')) || /\?uploads/.test(url))
          .map(({ headers }) => [
            headers['x-amz-server-side-encryption'],
            headers['x-amz-server-side-encryption-aws-kms-key-id'],
          ]);
        const expected = kmsKey === undefined ? [] : ['aws:kms', kmsKey === 'default' ? undefined : kmsKey];
        expect(asked).toEqual(Array.from({ length: 3 }, () => [expected[0], expected[1]]));
      }
    } finally {
      await proxy.stop();
    }
  });
});

/** Answers of an S3 that accepts everything. */
function answerTo(method: string, url: string, body: Buffer): CannedAnswer {
  const xml = (text: string): CannedAnswer => ({
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="UTF-8"?>${text}`,
  });
  if (method === 'GET') return xml('<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>');
  if (/\?uploads/.test(url))
    return xml('<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>');
  if (method === 'POST') return xml('<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>');
  return { status: 200, headers: { etag: `"${body.length}"` } };
}
