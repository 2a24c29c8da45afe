// DuckDB's extension httpfs: where its file may lie, and the secret that lets it read a bucket. It is never downloaded: it is there
// or it is not. Knows DuckDB's folders and SQL; sends nothing.
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance, version } from '@duckdb/node-api';
import { FlowtollError } from '../model/errors.ts';
import type { S3Access } from '../store/store.ts';
import { literal } from './source-table.ts';

const FILE = 'httpfs.duckdb_extension';

/**
 * The file of the extension; undefined when there is none in DuckDB's own folder.
 * @param directory where to look instead; throws CONFIG_INVALID when it has none for this DuckDB
 */
export async function findHttpfs(directory?: string): Promise<string | undefined> {
  const platform = await duckdbPlatform();
  const root = directory ?? join(homedir(), '.duckdb', 'extensions');
  const candidates = [join(root, version(), platform, FILE)];
  if (directory !== undefined) candidates.push(join(root, version(), FILE), join(root, FILE));
  for (const candidate of candidates) if (await exists(candidate)) return candidate;
  if (directory === undefined) return undefined;
  throw new FlowtollError(
    'CONFIG_INVALID',
    `--extensions ${directory} has no ${FILE} for DuckDB ${version()} on ${platform}; looked for ${candidates.join(', ')}`,
  );
}

/** Whether DuckDB's client can be told to read this place: names with its wildcards and servers below a path it cannot. */
export function isReadableByHttpfs({ root, endpoint }: S3Access): boolean {
  return !/[*?[\]{}#%]/.test(root) && (endpoint === undefined || new URL(endpoint).pathname === '/');
}

/** Makes the secret, in place of an older one. */
export function secretStatement(access: S3Access): string {
  const { root, region, endpoint, pathStyle, accessKeyId, secretAccessKey, sessionToken } = access;
  const url = endpoint === undefined ? undefined : new URL(endpoint);
  const parameters = [
    'TYPE s3',
    `KEY_ID ${literal(accessKeyId)}`,
    `SECRET ${literal(secretAccessKey)}`,
    ...(sessionToken === undefined ? [] : [`SESSION_TOKEN ${literal(sessionToken)}`]),
    `REGION ${literal(region)}`,
    `URL_STYLE ${literal(pathStyle ? 'path' : 'vhost')}`,
    ...(url === undefined ? [] : [`ENDPOINT ${literal(url.host)}`, `USE_SSL ${url.protocol === 'https:'}`]),
    `SCOPE ${literal(root)}`,
  ];
  return `CREATE OR REPLACE SECRET flowtoll (${parameters.join(', ')})`;
}

/** "linux_amd64", as DuckDB names it. */
async function duckdbPlatform(): Promise<string> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return String((await connection.runAndReadAll('PRAGMA platform')).getRows()[0]?.[0]);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
