// The example clients of docs/examples as readers: over TLS, with a token of a file that is renewed while they run.
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createFlowService, type FlowServer } from '@flowtoll/aggregator/api/flow-service.ts';
import { createReadServer, type ReadServer } from '@flowtoll/aggregator/api/read-server.ts';
import { ROOT, WatchedTable } from '@flowtoll/aggregator/api/watched-table.testing.ts';
import { createReaderGate } from '@flowtoll/aggregator/identity/readers/reader-gate.ts';
import { openTokenFile, type TokenFile } from '@flowtoll/aggregator/identity/readers/token-file.ts';
import { createTokenReaders } from '@flowtoll/aggregator/identity/readers/token-readers.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { CertificateFiles, serverCredentials } from '@flowtoll/proto/tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestAuthority } from '../../proto/src/tls/certificates.testing.ts';
import { environment, follow, type Running } from '../support/processes.ts';
import { GRPC_CLIENT, pythonEnvironment } from '../support/python-env.ts';
import { until } from '../support/until.ts';

const REPOSITORY = join(import.meta.dirname, '..', '..');
const EXAMPLES = join(REPOSITORY, 'docs', 'examples');
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const never = () => () => undefined;

const python = await pythonEnvironment(GRPC_CLIENT);
if ('missing' in python) console.warn(`The example in Python is skipped: ${python.missing}`);

let work: string;
let table: WatchedTable;
let tokens: TokenFile;
let flows: FlowServer;
let server: ReadServer;
let address: string;
const running: Running[] = [];

beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'flowtoll-examples-'));
  table = await WatchedTable.open();
  const authority = new TestAuthority(work);
  const pair = authority.issue({ names: 'DNS:localhost' });
  await writeFile(join(work, 'ca.crt'), authority.cert);
  await writeFile(join(work, 'tls.crt'), pair.cert);
  await writeFile(join(work, 'tls.key'), pair.key);
  await takeTokens('first');
  tokens = openTokenFile(join(work, 'tokens.yaml'), { log: silent, schedule: never });
  const now = () => performance.now();
  const gate = createReaderGate(
    { openServices: [] },
    { authority: createTokenReaders(tokens, Date.now), log: silent, now, schedule: never },
  );
  flows = createFlowService(
    { watchersMax: 8, pollMs: 20, askAgainMs: 20 },
    { store: table.store, root: ROOT, log: silent, now, readerOf: gate.readerOf },
  );
  const own = { certFile: join(work, 'tls.crt'), keyFile: join(work, 'tls.key') };
  const files = new CertificateFiles({ own }, { log: silent, now: Date.now, schedule: never });
  server = createReadServer(
    { host: '127.0.0.1', port: 0 },
    { services: [flows], gate: gate.interceptor, credentials: serverCredentials(files, false) },
  );
  address = `localhost:${await server.start()}`;
});

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL');
    await ended();
  }
  await flows.stop();
  await server.stop();
  await table.close();
  await rm(work, { recursive: true, force: true });
});

/** From now on the file has this one, which may see namespace shop. */
async function takeTokens(token: string): Promise<void> {
  const sha256 = createHash('sha256').update(token).digest('hex');
  const entry = { name: token, sha256, namespaces: ['shop'] };
  await writeFile(join(work, 'tokens.yaml'), JSON.stringify({ version: 1, tokens: [entry] }));
}

const commit = (name: string) =>
  table.commitRows(
    ['shop', 'pay'].map((namespace) =>
      flowRow({ namespace, workload: `${namespace}-${name}`, trafficClass: 'internet' }),
    ),
  );

async function follows(command: string, args: readonly string[]): Promise<void> {
  const tokenFile = join(work, 'token');
  await writeFile(tokenFile, 'first\n');
  const env = environment({ FLOWTOLL_TLS_CA: join(work, 'ca.crt'), FLOWTOLL_TOKEN_FILE: tokenFile });
  const child = spawn(command, [...args, address, join(work, 'place')], {
    ...{ cwd: work, env, stdio: ['ignore', 'pipe', 'pipe'] as const },
  });
  running.push(follow(command, child));
  let text = '';
  let complaints = '';
  child.stdout!.on('data', (part: string) => {
    text += part;
  });
  child.stderr!.on('data', (part: string) => {
    complaints += part;
  });
  const said = () => `${text}\n${complaints}`;
  await commit('one');
  await until('the first row', () => text.includes('shop/shop-one'), { patienceMs: 30_000, describe: said });
  await writeFile(tokenFile, 'second\n');
  await takeTokens('second');
  await tokens.look();
  await until('it comes again', () => flows.counters.opened === 2, { patienceMs: 30_000, describe: said });
  await commit('two');
  await until('the next row', () => text.includes('shop/shop-two'), { patienceMs: 30_000, describe: said });
  expect(text.trim().split('\n')).toHaveLength(2);
  expect(text).not.toContain('pay');
}

test('the TypeScript example', async () => {
  await follows(process.execPath, [join(EXAMPLES, 'watch.ts')]);
});

test.skipIf('missing' in python)('the Python example', async () => {
  if ('missing' in python) return;
  await promisify(execFile)(python.python, [
    ...['-m', 'grpc_tools.protoc', '-I', join(REPOSITORY, 'proto'), '--python_out', work, '--grpc_python_out', work],
    'flowtoll/v1/flow_service.proto',
  ]);
  await copyFile(join(EXAMPLES, 'watch.py'), join(work, 'watch.py'));
  await follows(python.python, ['watch.py']);
});
