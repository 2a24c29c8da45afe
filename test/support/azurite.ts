// Azure Blob Storage for tests: Azurite, Microsoft's emulator, from npm by a lock file of its own (hundreds of packages that
// nothing else needs), installed once. Knows Azurite; knows nothing of Flowtoll.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BlobServiceClient } from '@azure/storage-blob';
import type { ForeignTable } from './delta-rows.ts';
import { freePorts } from './free-ports.ts';
import { installOnce } from './install-once.ts';
import { startServer } from './server-process.ts';

const run = promisify(execFile);

const LOCKED = join(import.meta.dirname, 'azurite');
const PROGRAM = join('node_modules', 'azurite', 'dist', 'src', 'blob', 'main.js');

const ACCOUNT = 'flowtoll';
const KEY = Buffer.from('no secret: an account of a server that one test starts').toString('base64');

export interface Azurite {
  /** http://127.0.0.1:port */
  readonly endpoint: string;
  /** A client of the test's own. */
  readonly client: BlobServiceClient;
  /** Environment in which programs find this server, or what stands before it. */
  environment(endpoint?: string): Record<string, string>;
  /** A table under this path, container first, for delta-rs. */
  foreignTable(path: string): ForeignTable;
  stop(): Promise<void>;
}

/** The program; undefined, after saying why, where it cannot be had (an error under CI=true). */
export async function azuriteProgram(): Promise<string | undefined> {
  const lock = await readFile(join(LOCKED, 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex').slice(0, 16);
  try {
    const folder = await installOnce(`azurite-${digest}`, async (folder) => {
      for (const file of ['package.json', 'package-lock.json']) {
        await copyFile(join(LOCKED, file), join(folder, file));
      }
      await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--omit=dev'], { cwd: folder });
    });
    return join(folder, PROGRAM);
  } catch (error) {
    const missing = `npm could not install Azurite: ${error instanceof Error ? error.message : error}`;
    if (process.env['CI'] === 'true') {
      throw new Error(missing);
    }
    console.warn(`Azure is not tested: ${missing}`);
    return undefined;
  }
}

export async function startAzurite(program: string): Promise<Azurite> {
  const { plan, server } = await startServer(async () => {
    const [port] = await freePorts(1);
    const endpoint = `http://127.0.0.1:${port}`;
    const client = BlobServiceClient.fromConnectionString(connectionString(endpoint), {
      retryOptions: { maxTries: 1 },
    });
    return {
      program: process.execPath,
      args: [
        ...[program, '--blobPort', String(port), '--silent', '--inMemoryPersistence', '--disableTelemetry'],
        '--skipApiVersionCheck',
      ],
      env: { ...process.env, AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` },
      ask: () => client.getProperties(),
      endpoint,
      client,
    };
  });
  const { endpoint, client } = plan;
  return {
    endpoint,
    client,
    environment: (at = endpoint) => ({ AZURE_STORAGE_CONNECTION_STRING: connectionString(at) }),
    foreignTable: (path) => ({
      uri: `az://${path}`,
      options: {
        azure_storage_account_name: ACCOUNT,
        azure_storage_account_key: KEY,
        azure_storage_endpoint: `${endpoint}/${ACCOUNT}`,
        azure_allow_http: 'true',
      },
    }),
    stop: server.stop,
  };
}

function connectionString(endpoint: string): string {
  return `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=${endpoint}/${ACCOUNT};`;
}
