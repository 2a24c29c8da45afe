// Loaded into an agent or an aggregator before it starts (`node --import`): makes the process die by SIGKILL, or stop by
// SIGSTOP, at a named instant. The product knows nothing of it. It wraps functions of Node, of gRPC, of DuckDB and of the client
// of S3, and recognises the instant by what a call does: which object gets which name, what a datagram or a message is. Worker
// threads load it as well.
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { IngestResponse } from '@flowtoll/proto';
import type * as Grpc from '@grpc/grpc-js';
import { drain, note, pass } from './arming.ts';
import { wrapS3 } from './crash-points-s3.ts';
import { UPKEEP_PAUSES_VARIABLE } from './points.ts';
import { shortenUpkeepPauses } from './short-pauses.ts';
import { isLogEntry, type StoreChange, storePoint } from './store-points.ts';

/** Whether this process is the aggregator's program. */
const IS_AGGREGATOR = /\/aggregator\/(src\/main\.ts|bin\/flowtoll\.js)$/.test(process.argv[1] ?? '');

/** Local files that were merged from others, wherever they have been moved since. */
const merged = new Set<string>();

/** Whether one of them has this content; it is one at most. */
function isMerged(content: Uint8Array): boolean {
  for (const path of merged) {
    if (!fs.existsSync(path) || Buffer.compare(fs.readFileSync(path), content) !== 0) continue;
    return merged.delete(path);
  }
  return false;
}

function changed(change: StoreChange): void {
  const point = storePoint(change, Date.now());
  if (point !== undefined) pass(point);
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

  const { link, rename, rm } = promises;
  promises.rename = async (from, to) => {
    await rename(from, to);
    const wasMerged = merged.delete(String(from));
    if (wasMerged) merged.add(String(to));
    changed({ kind: 'written', key: String(to), isMerged: wasMerged, content: () => fs.readFileSync(to) });
  };
  promises.link = async (from, to) => {
    try {
      await link(from, to);
    } catch (error) {
      const isLost = isLogEntry(String(to)) && (error as NodeJS.ErrnoException).code === 'EEXIST';
      if (isLost) note({ what: 'lost-race' });
      throw error;
    }
    changed({ kind: 'written', key: String(to), isMerged: false, content: () => fs.readFileSync(to) });
  };
  promises.rm = async (path, options) => {
    await rm(path, options);
    changed({ kind: 'deleted', key: String(path) });
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

/** A merge of files is the one COPY that sorts what it reads from Parquet files and sums nothing. */
const MERGE = /^COPY \(SELECT [\w, ]+ FROM (?!.*GROUP BY).*read_parquet\(.*\) ORDER BY [^)]*\) TO '([^']+)'/s;

function wrapDuckDb(connection: typeof DuckDBConnection): void {
  const { run } = connection.prototype;
  connection.prototype.run = async function (this: DuckDBConnection, ...args: Parameters<typeof run>) {
    const result = await run.apply(this, args);
    const output = MERGE.exec(args[0])?.[1];
    if (output !== undefined) merged.add(output);
    return result;
  };
}

function wrapSignals(): void {
  const emit = process.emit.bind(process) as (name: string, ...args: unknown[]) => boolean;
  process.emit = ((name: string, ...args: unknown[]) => {
    if (name === 'SIGTERM') drain();
    return emit(name, ...args);
  }) as typeof process.emit;
}

wrapFiles();
if (isMainThread) {
  wrapSignals();
  wrapMessages(await import('@grpc/grpc-js'));
}
if (isMainThread && IS_AGGREGATOR) {
  const pauses = process.env[UPKEEP_PAUSES_VARIABLE];
  if (pauses !== undefined) shortenUpkeepPauses(Number(pauses));
  wrapDuckDb((await import('@duckdb/node-api')).DuckDBConnection);
  if (process.argv.some((argument) => argument.startsWith('s3://'))) {
    wrapS3(await import('@aws-sdk/client-s3'), { changed, isMerged });
  }
}
