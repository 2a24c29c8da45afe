// Loaded into an agent or an aggregator before it starts (`node --import`): makes the process die by SIGKILL, or stop by
// SIGSTOP, at a named instant. The product knows nothing of it. It wraps functions of Node and of gRPC, and recognises the instant by what a
// call does: which file gets which name, what a datagram or a message is. Worker threads load it as well.
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import type { IngestResponse } from '@flowtoll/proto';
import type * as Grpc from '@grpc/grpc-js';
import { type Action, ARMED_VARIABLE, isDraining, NOTES_VARIABLE, type Note, type Point } from './points.ts';

/** What shall happen where. */
interface Armed {
  readonly action: Action;
  readonly point: Point;
  readonly hit: number;
}

const armed: readonly Armed[] = (process.env[ARMED_VARIABLE] ?? '')
  .split(',')
  .filter(Boolean)
  .map((text) => {
    const [action, point, hit] = text.split(':') as [Action, Point, string];
    return { action, point, hit: Number(hit) };
  });
const notes = process.env[NOTES_VARIABLE];

/** Shared by the threads of the process: whether SIGTERM has come, and how often each armed point was passed. */
const SHARED = 'flowtoll-test-crash';
const STOPPING = 0;
const PASSED = 1;
if (isMainThread) {
  const memory = new SharedArrayBuffer(4 * (PASSED + armed.length));
  setEnvironmentData(SHARED, new Int32Array(memory) as never);
}
const shared = getEnvironmentData(SHARED) as unknown as Int32Array;

const { appendFileSync } = fs;

function note(line: Omit<Note, 'pid'>): void {
  if (notes !== undefined) appendFileSync(notes, `${JSON.stringify({ pid: process.pid, ...line })}\n`);
}

/** The process is at that point. */
function pass(at: Point): void {
  for (const [i, { action, point, hit }] of armed.entries()) {
    if (at !== point && !(isDraining(point) && Atomics.load(shared, STOPPING) === 1)) continue;
    if (Atomics.add(shared, PASSED + i, 1) + 1 !== hit) continue;
    note({ what: action, point, at });
    process.kill(process.pid, action === 'die' ? 'SIGKILL' : 'SIGSTOP');
  }
}

function wrapFiles(): void {
  const { openSync, readSync, renameSync } = fs;
  fs.renameSync = (from, to) => {
    renameSync(from, to);
    if (/\.batch$/.test(String(to))) pass('spool-written');
    if (/\/baseline\.\d+$/.test(String(to))) pass('baseline-written');
  };
  fs.openSync = (path, flags, mode) => {
    const fd = openSync(path, flags, mode);
    if (flags === 'w' && /\/events\.\d+$/.test(String(path))) pass('journal-opened');
    return fd;
  };
  fs.readSync = ((...args: Parameters<typeof readSync>) => {
    const length = readSync(...args);
    if (isPartOfDump(args[1], length)) pass('dump-running');
    return length;
  }) as typeof readSync;

  const { link, rename } = promises;
  promises.rename = async (from, to) => {
    await rename(from, to);
    if (/\/date=[^/]+\/[^/]+\.parquet$/.test(String(to))) pass('parquet-written');
  };
  promises.link = async (from, to) => {
    const isLogEntry = /\/_delta_log\/\d{20}\.json$/.test(String(to));
    try {
      await link(from, to);
    } catch (error) {
      if (isLogEntry && (error as NodeJS.ErrnoException).code === 'EEXIST') note({ what: 'lost-race' });
      throw error;
    }
    if (isLogEntry) pass('log-entry-written');
  };
  syncBuiltinESMExports();
}

/** nlmsg_type of an entry (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW), and NLM_F_MULTI. The end comes in a datagram of its own. */
const ENTRY = 0x0100;
const OF_SEVERAL = 0x0002;

function isPartOfDump(buffer: NodeJS.ArrayBufferView, length: number): boolean {
  if (length < 16) return false;
  const header = new DataView(buffer.buffer, buffer.byteOffset, 16);
  return header.getUint16(4, true) === ENTRY && (header.getUint16(6, true) & OF_SEVERAL) !== 0;
}

/** Field 2, length-delimited: the batch of an IngestRequest, the acknowledgement of an IngestResponse. */
const SECOND_FIELD = 0x12;

function wrapMessages({ Client, Server }: typeof Grpc): void {
  const { makeBidiStreamRequest } = Client.prototype;
  Client.prototype.makeBidiStreamRequest = function (this: Grpc.Client, ...args: unknown[]) {
    const [path, serialise, deserialise, ...rest] = args as [
      string,
      (request: Buffer) => Buffer,
      (bytes: Buffer) => unknown,
      ...unknown[],
    ];
    const sending = (request: Buffer) => {
      if (request[0] === SECOND_FIELD) pass('batch-sending');
      return serialise(request);
    };
    const reading = (bytes: Buffer) => {
      if (bytes[0] === SECOND_FIELD) pass('acknowledgement-read');
      return deserialise(bytes);
    };
    return Reflect.apply(makeBidiStreamRequest, this, [path, sending, reading, ...rest]) as never;
  };

  const { addService } = Server.prototype;
  Server.prototype.addService = function (definition, implementation) {
    const ingest = definition['ingest'];
    if (ingest === undefined) return addService.call(this, definition, implementation);
    const responseSerialize = (response: IngestResponse) => {
      if (response.message.case === 'acknowledgement') pass('acknowledging');
      return ingest.responseSerialize(response);
    };
    return addService.call(this, { ...definition, ingest: { ...ingest, responseSerialize } }, implementation);
  };
}

function wrapSignals(): void {
  const emit = process.emit.bind(process) as (name: string, ...args: unknown[]) => boolean;
  process.emit = ((name: string, ...args: unknown[]) => {
    if (name === 'SIGTERM') Atomics.store(shared, STOPPING, 1);
    return emit(name, ...args);
  }) as typeof process.emit;
}

wrapFiles();
if (isMainThread) {
  wrapSignals();
  wrapMessages(await import('@grpc/grpc-js'));
}
