// Whoever else talks to the port of the aggregator: bytes that are no HTTP/2, frames that lie, agents of another version. A
// sound agent's stream goes on as if nothing had been. What a message of our own contract may do wrong: ingest-server.test.ts.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { createOpenLink, type LinkEnd } from '@flowtoll/agent/exporter/ingest-link.ts';
import { HelloSchema } from '@flowtoll/proto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AGGREGATOR_PROGRAM, Programs, type Running } from '../support/processes.ts';
import { TESTDATA } from '../support/recorded-traffic.ts';
import { bytesIn, bytesOfWindows, finish, send, startSoundAgent, UNKNOWN_NODE } from '../support/sound-agent.ts';

let directory: string;
let programs: Programs;
let aggregator: Running;
let port: number;
let store: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-strangers-'));
  programs = new Programs();
  store = join(directory, 'store');
  aggregator = programs.start(AGGREGATOR_PROGRAM, [
    ...['serve', '--store', store, '--topology', join(TESTDATA, 'topology.yaml')],
    ...['--listen', '127.0.0.1:0', '--commit-interval', '100ms', '--max-batch-age', 'none'],
  ]);
  port = Number((await aggregator.logged('listening'))['port']);
});
afterEach(async () => {
  await programs.killAll();
  await rm(directory, { recursive: true, force: true });
});

describe('strangers', () => {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const words: { name: string; bytes: Buffer }[] = [
    { name: 'noise', bytes: Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167 + 13) & 255)) },
    { name: 'a web browser', bytes: Buffer.from('GET /metrics HTTP/1.1\r\nHost: aggregator\r\n\r\n') },
    { name: 'TLS', bytes: Buffer.from('16030100f8010000f40303', 'hex') },
    { name: 'half a preface', bytes: preface.subarray(0, 10) },
    { name: 'a frame of an absurd size', bytes: Buffer.concat([preface, settings, Buffer.alloc(9, 0xff)]) },
    {
      name: 'headers that are none',
      bytes: Buffer.concat([preface, settings, frame(1, 5, 1, Buffer.alloc(64, 0xff))]),
    },
    {
      name: 'data for a stream that is not open',
      bytes: Buffer.concat([preface, settings, frame(0, 0, 7, Buffer.alloc(9))]),
    },
  ];

  test('on the port do not disturb the stream of an agent', async () => {
    const exporter = startSoundAgent(port);
    await aggregator.logged('agent connected');
    const sockets: Socket[] = [];
    try {
      for (const [i, { bytes }] of words.entries()) {
        send(exporter, i);
        sockets.push(await say(port, bytes));
      }
      send(exporter, words.length);
      await finish(exporter);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    expect(exporter.counters.connectionAttempts).toBe(1);
    expect(await aggregator.stop()).toMatchObject({ code: 0 });
    expect(await bytesIn(programs, store)).toBe(bytesOfWindows(words.length + 1));
  });

  test('who speak version 99 are told so, and take over nothing, even under the name of an agent', async () => {
    const exporter = startSoundAgent(port);
    await aggregator.logged('agent connected');
    const end = await hello(port, { protocolVersion: 99, node: UNKNOWN_NODE, epoch: exporter.epoch });
    expect(end.details).toMatch(/^BATCH_UNSUPPORTED_VERSION: .*99/);
    expect(end.code).toBe(9); // FAILED_PRECONDITION
    for (const window of [0, 1]) send(exporter, window);
    await finish(exporter);
    expect(exporter.counters).toMatchObject({ connectionAttempts: 1, batchesSent: 2 });
    const { stderr } = await aggregator.stop();
    expect(stderr).toMatch(/"code":"BATCH_UNSUPPORTED_VERSION"/);
    expect(await bytesIn(programs, store)).toBe(bytesOfWindows(2));
  });
});

/** An HTTP/2 frame. */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** Connects, says it, and stays, whatever the other side does. */
function say(port: number, bytes: Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject).on('error', () => undefined);
      socket.resume();
      socket.write(bytes, () => resolve(socket));
    });
  });
}

/** Says Hello as another agent would; gives how the aggregator ended that. */
function hello(port: number, fields: { protocolVersion: number; node: string; epoch: string }): Promise<LinkEnd> {
  return new Promise((resolve, reject) => {
    const link = createOpenLink(`127.0.0.1:${port}`)({
      onWelcome: () => reject(new Error('welcome')),
      onAcknowledgement: () => undefined,
      onThrottle: () => undefined,
      onDrain: () => undefined,
      onEnd: resolve,
    });
    link.sendHello(create(HelloSchema, { ...fields, agentVersion: 'of tomorrow' }));
  });
}
