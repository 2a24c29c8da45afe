// `flowtoll serve` as a process with a port for readers: which service is where, who gets in, and what keeps it from starting. The
// tokens are made by `flowtoll tokens new`.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WatchedTable } from '@flowtoll/aggregator/api/watched-table.testing.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { FlowService, grpcMethod, IngestService } from '@flowtoll/proto';
import { Health } from '@flowtoll/proto/standard-services';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestAuthority } from '../proto/src/tls/certificates.testing.ts';
import { AGGREGATOR_PROGRAM, environment, Programs } from './support/processes.ts';

const TOPOLOGY =
  'version: 1\nnodes: [{ name: node-a, provider: aws, region: us-east-1, zone: a, addresses: [10.0.0.0] }]\n';

let work: string;
let table: WatchedTable;
let authority: TestAuthority;
const programs = new Programs();

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'flowtoll-read-port-'));
  writeFileSync(join(work, 'topology.yaml'), TOPOLOGY);
  authority = new TestAuthority(work);
  const pair = authority.issue({ names: 'DNS:localhost' });
  writeFileSync(join(work, 'ca.crt'), authority.cert);
  writeFileSync(join(work, 'tls.crt'), pair.cert);
  writeFileSync(join(work, 'tls.key'), pair.key);
  table = await WatchedTable.open();
});
afterAll(async () => {
  await programs.killAll();
  await table.close();
  rmSync(work, { recursive: true, force: true });
});

const serveArgs = (...args: string[]) => [
  ...['serve', '--store', table.folder, '--cluster', 'demo', '--topology', join(work, 'topology.yaml')],
  ...['--listen', '127.0.0.1:0', '--maintain-interval', 'none', '--vanished-after', 'none', ...args],
];

/** How an empty call ends; "open" when it goes on. */
function call(port: unknown, path: string, token?: string): Promise<status | 'open'> {
  const client = new Client(`localhost:${port}`, credentials.createSsl(Buffer.from(authority.cert)));
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const same = (bytes: Buffer) => bytes;
  return new Promise<status | 'open'>((resolve) => {
    const stream = client.makeServerStreamRequest(path, same, same, Buffer.alloc(0), metadata);
    stream.on('data', () => resolve('open'));
    stream.on('end', () => resolve(status.OK));
    stream.on('error', ({ code }: ServiceError) => resolve(code));
  }).finally(() => client.close());
}

test('readers have a port of their own, with tokens; agents have theirs, with nothing to read', async () => {
  await table.commitRows(['shop', 'pay'].map((namespace) => flowRow({ namespace, pod: `${namespace}-1` })));
  const made = await programs.run(AGGREGATOR_PROGRAM, [
    'tokens',
    'new',
    '--name',
    'team',
    '--namespaces',
    'shop',
    '--format',
    'json',
  ]);
  const { token, entry } = JSON.parse(made.stdout) as { readonly token: string; readonly entry: object };
  writeFileSync(join(work, 'tokens.yaml'), JSON.stringify({ version: 1, tokens: [entry] }));
  const serving = programs.start(
    AGGREGATOR_PROGRAM,
    serveArgs(
      // Open to others, which is not refused: there is a certificate, and readers have tokens.
      ...['--read-listen', '0.0.0.0:0', '--read-auth', 'tokens'],
      '--read-tokens',
      join(work, 'tokens.yaml'),
      '--metrics-listen',
      '127.0.0.1:0',
      ...['--tls-cert', join(work, 'tls.crt'), '--tls-key', join(work, 'tls.key')],
    ),
  );
  const { port, readPort, metricsPort } = await serving.logged('listening');
  const watch = grpcMethod(FlowService.method.watch).path;
  const ingest = grpcMethod(IngestService.method.ingest).path;
  const health = `/${Health.typeName}/Check`;
  const reflection = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
  expect({
    watch: [await call(port, watch), await call(port, watch, token), await call(readPort, watch)],
    ingest: await call(readPort, ingest, token),
    health: [await call(port, health), await call(readPort, health)],
    reflection: [await call(port, reflection), await call(readPort, reflection)],
    own: await call(readPort, watch, token),
    withReflection: await call(readPort, reflection, token),
  }).toEqual({
    watch: [status.UNIMPLEMENTED, status.UNIMPLEMENTED, status.UNAUTHENTICATED],
    ingest: status.UNIMPLEMENTED,
    health: [status.UNIMPLEMENTED, 'open'],
    reflection: [status.UNIMPLEMENTED, status.UNAUTHENTICATED],
    own: 'open',
    withReflection: 'open',
  });
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  expect(metrics).toContain('flowtoll_readers_refused_total{reason="unknown"} 2\n');
  expect(metrics).toMatch(/^flowtoll_reader_connections \d+$/m);
  // Whoever reads metrics learns of no namespace and of no reader.
  expect(metrics).not.toMatch(/shop|pay|team/);

  const args = [
    'watch',
    '--server',
    `localhost:${readPort}`,
    '--tls-ca',
    join(work, 'ca.crt'),
    '--from',
    'oldest',
    '--format',
    'json',
    '--columns',
    'pod',
  ];
  const watching = programs.start(AGGREGATOR_PROGRAM, args, { env: environment({ FLOWTOLL_TOKEN: token }) });
  let text = '';
  await new Promise<void>((resolve, reject) => {
    watching.child.stdout!.on('data', (said: string) => {
      text += said;
      if (text.includes('shop-1')) resolve();
    });
    watching.ended().then(({ stderr }) => reject(new Error(stderr)), reject);
  });
  await watching.stop();
  expect(text).not.toContain('pay');
  const refused = await programs.run(AGGREGATOR_PROGRAM, args);
  expect(refused).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^flowtoll: READER_UNKNOWN: no token came/),
  });
  const { stderr } = await serving.stop();
  expect(stderr).not.toContain(token);
});

test('what would be open, or cannot be, keeps it from starting', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { readonly port: number };
  writeFileSync(
    join(work, 'bad.yaml'),
    'version: 1\ntokens: [{name: a, sha256: flowtoll_read_s3cr3t, namespaces: all}]',
  );
  const own = ['--read-listen', '127.0.0.1:0', '--read-auth', 'tokens'];
  const cases = [
    {
      args: ['--read-listen', '0.0.0.0:0'],
      code: 2,
      says: /^flowtoll: CONFIG_INVALID: .*anybody could read all flows/,
    },
    { args: own, code: 2, says: /^flowtoll: CONFIG_INVALID: --read-auth tokens needs a file/ },
    { args: [...own, '--read-tokens', join(work, 'none')], code: 1, says: /^flowtoll: TOKENS_INVALID: .*ENOENT/ },
    { args: [...own, '--read-tokens', join(work, 'bad.yaml')], code: 1, says: /^flowtoll: TOKENS_INVALID: / },
    {
      args: ['--read-listen', `127.0.0.1:${port}`],
      code: 1,
      says: /^flowtoll: LISTEN_FAILED: .*choose another port with --read-listen\n$/m,
    },
  ];
  try {
    const ends = await Promise.all(
      cases.map(({ args }) => programs.run(AGGREGATOR_PROGRAM, serveArgs('--metrics-listen', 'none', ...args))),
    );
    for (const [i, { code, says }] of cases.entries()) {
      expect(ends[i]).toMatchObject({ code, stderr: expect.stringMatching(says) });
      expect(ends[i]!.stderr).not.toContain('s3cr3t');
    }
  } finally {
    other.close();
  }
});
