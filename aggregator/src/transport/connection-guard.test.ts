// Real sockets at a real gRPC server: who has time, who gives way, and that a flood leaves room for whoever is known.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { CertificateFiles, clientTls, serverCredentials } from '@flowtoll/proto/tls';
import { Client, credentials, Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MountedSecret, TestAuthority, temporaryFolder } from '../../../proto/src/tls/certificates.testing.ts';
import { timers } from '../model/schedule.ts';
import { type ConnectionGuard, type ConnectionLimits, createConnectionGuard } from './connection-guard.ts';

let atEnd: (() => unknown)[];
beforeEach(() => {
  atEnd = [];
});
afterEach(async () => {
  for (const end of atEnd.reverse()) await end();
});

const definition = {
  hello: {
    path: '/test.Hello/Hello',
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
} as const;

/** Whoever says hello is known. */
async function serve(limits: ConnectionLimits, serverSide = ServerCredentials.createInsecure(), schedule = timers) {
  const guard = createConnectionGuard(limits, { schedule });
  const server = new Server();
  server.addService(definition, {
    hello: (call: { getPeer(): string; request: Buffer }, answer: (error: null, bytes: Buffer) => void) => {
      guard.proven(call.getPeer());
      answer(null, call.request);
    },
  });
  const port = await guard.listen(server, serverSide, { host: '127.0.0.1', port: 0 });
  atEnd.push(() => {
    server.forceShutdown();
    return guard.stop();
  });
  return { guard, port };
}

/** A timer that the test lets go off. */
function manualSchedule() {
  const due = new Set<() => void>();
  return {
    schedule: (callback: () => void) => {
      due.add(callback);
      return () => due.delete(callback);
    },
    goOff: () => {
      for (const callback of [...due]) callback();
    },
    get waiting() {
      return due.size;
    },
  };
}

/** A connection that says nothing. */
async function silent(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  socket.resume();
  atEnd.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** However it comes about. */
const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

function client(port: number, how = credentials.createInsecure(), options = {}): Client {
  const made = new Client(`127.0.0.1:${port}`, how, { 'grpc.use_local_subchannel_pool': 1, ...options });
  atEnd.push(() => made.close());
  return made;
}

/** The status of one call, waiting for a connection as long as it takes. */
function hello(of: Client): Promise<string> {
  const { path, requestSerialize, responseDeserialize } = definition.hello;
  const metadata = new Metadata({ waitForReady: true });
  return new Promise((resolve) =>
    of.makeUnaryRequest(path, requestSerialize, responseDeserialize, Buffer.from('hi'), metadata, (error) =>
      resolve(status[error?.code ?? status.OK]!),
    ),
  );
}

const counts = (guard: ConnectionGuard) => ({ open: guard.counters.open, unproven: guard.counters.unproven });

test('who calls in time stays, who does not goes', async () => {
  const time = manualSchedule();
  const { guard, port } = await serve({}, undefined, time.schedule);
  const known = client(port);
  expect(await hello(known)).toBe('OK');
  const quiet = await silent(port);
  await expect.poll(() => counts(guard)).toEqual({ open: 2, unproven: 1 });
  expect(time.waiting).toBe(1);
  const gone = closed(quiet);
  time.goOff();
  await gone;
  await expect.poll(() => counts(guard)).toEqual({ open: 1, unproven: 0 });
  expect(await hello(known)).toBe('OK');
  expect(guard.counters.closed).toEqual({ slow: 1, crowded: 0, full: 0 });
});

test('a handshake of TLS that is never finished has no more time', async () => {
  const folder = temporaryFolder();
  atEnd.push(() => folder.remove());
  const authority = new TestAuthority(folder.path);
  const pair = authority.issue({ names: 'IP:127.0.0.1' });
  const secret = new MountedSecret(folder.path, {
    'tls.crt': pair.cert,
    'tls.key': pair.key,
    'ca.crt': authority.cert,
  });
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const surroundings = { log, now: Date.now, schedule: () => () => undefined };
  const own = { certFile: secret.path('tls.crt'), keyFile: secret.path('tls.key') };
  const time = manualSchedule();
  const { guard, port } = await serve(
    {},
    serverCredentials(new CertificateFiles({ own }, surroundings), false),
    time.schedule,
  );
  const trust = new CertificateFiles({ authoritiesFile: secret.path('ca.crt') }, surroundings);
  const tls = clientTls({ server: `127.0.0.1:${port}`, trust: 'files', showsOwn: false }, trust);
  expect(await hello(client(port, tls.credentials, tls.channelOptions))).toBe('OK');
  const slow = await silent(port);
  // The beginning of a record that never ends.
  slow.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
  await expect.poll(() => counts(guard)).toEqual({ open: 2, unproven: 1 });
  const gone = closed(slow);
  time.goOff();
  await gone;
  expect(guard.counters.closed.slow).toBe(1);
});

describe('where there are too many', () => {
  test('the oldest of the address that has most gives way, and not who is known', async () => {
    const { guard, port } = await serve({ unprovenMax: 4 });
    const known = client(port);
    expect(await hello(known)).toBe('OK');
    const other = await silent(port, '127.0.0.2');
    const flood: Socket[] = [];
    for (let i = 0; i < 10; i++) flood.push(await silent(port, '127.0.0.3'));
    await expect.poll(() => guard.counters.closed.crowded).toBe(7);
    await expect.poll(() => flood.map(({ closed }) => closed)).toEqual([...Array(7).fill(true), false, false, false]);
    expect(other.closed).toBe(false);
    expect(await hello(known)).toBe('OK');
    expect(await hello(client(port)), 'somebody new who is known').toBe('OK');
  });

  test('nobody who is known is sent away for somebody new', async () => {
    const { guard, port } = await serve({ connectionsMax: 2 });
    const [first, second] = [client(port), client(port)];
    expect([await hello(first), await hello(second)]).toEqual(['OK', 'OK']);
    const third = await silent(port);
    if (!third.closed) await closed(third);
    expect(guard.counters.closed.full).toBe(1);
    expect([await hello(first), await hello(second)]).toEqual(['OK', 'OK']);
  });
});

/** Opens connections that say nothing, tells how many it opened, and holds them until it is killed. */
const FLOOD = `
import { connect } from 'node:net';
const [port, count] = process.argv.slice(2).map(Number);
let opened = 0;
let wanted = 0;
const next = () => {
  if (wanted++ >= count) return;
  const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.' + (4 + (wanted % 50)) });
  socket.on('error', () => {});
  socket.once('close', () => {});
  socket.once('connect', () => {
    socket.resume();
    if (++opened === count) process.send(opened);
    next();
  });
};
for (let i = 0; i < 200; i++) next();
`;

test('ten thousand connections of many addresses: no more are held than may be, and whoever is known is served', async () => {
  const folder = temporaryFolder();
  atEnd.push(() => folder.remove());
  const { guard, port } = await serve({});
  const known = client(port);
  expect(await hello(known)).toBe('OK');
  const program = join(folder.path, 'flood.mjs');
  writeFileSync(program, FLOOD);
  const child = fork(program, [String(port), '10000'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  atEnd.push(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  let isOver = false;
  const flood = Promise.race([once(child, 'message'), once(child, 'exit').then(() => ['it ended'])]).then(([said]) => {
    isOver = true;
    return said;
  });
  let most = 0;
  let served = 0;
  while (!isOver) {
    expect(await hello(known)).toBe('OK');
    expect(await hello(client(port)), 'somebody new').toBe('OK');
    most = Math.max(most, guard.counters.unproven);
    served++;
  }
  expect(await flood).toBe(10_000);
  expect(most).toBeLessThanOrEqual(2000);
  expect(served).toBeGreaterThan(0);
  await expect.poll(() => guard.counters.closed.crowded).toBeGreaterThanOrEqual(8000);
}, 60_000);
