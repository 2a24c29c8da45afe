// S3 as a store, against a real server (SeaweedFS): what every store does, and what only S3 does.
import { randomUUID } from 'node:crypto';
import { describeConformance } from '@flowtoll/aggregator/store/conformance.testing.ts';
import { openS3Store } from '@flowtoll/aggregator/store/s3-store.ts';
import { afterAll, beforeAll, describe } from 'vitest';
import { credentialsOf, type SeaweedFs, seaweedFsProgram, startSeaweedFs } from '../support/seaweedfs.ts';

const MIB = 1024 ** 2;
const program = await seaweedFsProgram();

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
        client: { endpoint: server.endpoint, region: 'us-east-1', credentials: credentialsOf('writer') },
      }),
    keepsFolders: true,
    largeBytes: 12 * MIB + 5,
  });
});
