// The proxy between agents and aggregators does to a connection what its commands say.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Links, startLinks } from './crash/links.ts';

/** All connections of the test come from one address: one link. */
const LINK = '127.0.0.1';

let child: ChildProcess;
let aggregator: Server;
let atAggregator: Socket[];
let links: Links;
let port: number;
let agents: Socket[];

beforeEach(async () => {
  [atAggregator, agents] = [[], []];
  aggregator = createServer((socket) => {
    atAggregator.push(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket); // says everything again
  });
  const aggregatorPort = await listen(aggregator);
  const other = createServer();
  port = await listen(other);
  await new Promise((resolve) => other.close(resolve));
  const start = (_host: string, [program, ...args]: readonly string[], options = {}) => {
    child = spawn(program!, args, options);
    return child;
  };
  // The second one is never there.
  links = await startLinks({ spawn: start }, port, [aggregatorPort, 1]);
});
afterEach(() => {
  child?.kill('SIGKILL');
  for (const socket of [...agents, ...atAggregator]) socket.destroy();
  aggregator?.close();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

/** A connection over which one word has gone there and back. */
async function connected(): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  agents.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  expect(await answer(socket, 'hello')).toBe('hello');
  return socket;
}

async function answer(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [data] = (await once(socket, 'data')) as [Buffer];
  return data.toString();
}

/** Resolves with whether an error closed it. */
const closed = (socket: Socket): Promise<boolean> => new Promise((resolve) => socket.once('close', resolve));

/** Until the proxy has read a command. */
const BEGINS_MS = 250;
const FOR_MS = 600;

test('cut orderly: both sides see the end', async () => {
  const agent = await connected();
  const ended = once(agent, 'end');
  const over = closed(atAggregator[0]!);
  expect(await links.befall(LINK, { kind: 'cut', orderly: true })).toBe(1);
  await ended;
  expect(await over).toBe(false);
});

test('cut by a reset: both sides see an error', async () => {
  const agent = await connected();
  const over = Promise.all([closed(agent), closed(atAggregator[0]!)]);
  expect(await links.befall(LINK, { kind: 'cut', orderly: false })).toBe(1);
  expect(await over).toEqual([true, true]);
});

test('half-open upwards: nothing arrives, not even the end, until the reset', async () => {
  const agent = await connected();
  const heard: string[] = [];
  atAggregator[0]!.on('data', (data: Buffer) => heard.push(data.toString()));
  let ends = 0;
  atAggregator[0]!.on('end', () => ends++);
  const over = closed(atAggregator[0]!);
  const fault = links.befall(LINK, { kind: 'half-open', direction: 'up', forMs: FOR_MS });
  setTimeout(() => agent.end('lost'), BEGINS_MS);
  expect(await fault).toBe(1);
  expect(await over).toBe(true);
  expect([heard, ends]).toEqual([[], 0]);
});

test('half-open downwards: the question arrives, the answer does not', async () => {
  const agent = await connected();
  const fault = links.befall(LINK, { kind: 'half-open', direction: 'down', forMs: FOR_MS });
  const heard: string[] = [];
  agent.on('data', (data: Buffer) => heard.push(data.toString()));
  const arrived = once(atAggregator[0]!, 'data');
  setTimeout(() => agent.write('question'), BEGINS_MS);
  expect(String((await arrived)[0])).toBe('question');
  expect(await fault).toBe(1);
  expect(heard).toEqual([]);
});

test('delayed: everything comes, in order, and later; afterwards at once', async () => {
  const agent = await connected();
  const fault = links.befall(LINK, { kind: 'delay', delayMs: 200, forMs: 2 * FOR_MS });
  await new Promise((resolve) => setTimeout(resolve, BEGINS_MS));
  const startMs = Date.now();
  expect(await answer(agent, 'one')).toBe('one');
  expect(Date.now() - startMs).toBeGreaterThanOrEqual(395);
  expect(await fault).toBe(1);
  expect(await answer(agent, 'two')).toBe('two');
});

test('a link without a connection feels nothing', async () => {
  expect(await links.befall('192.0.2.1', { kind: 'cut', orderly: true })).toBe(0);
});
