// Messages as agents send them, made with protobuf-es alone, and the bytes around them. Each test changes one thing.
import { zstdCompressSync } from 'node:zlib';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { BatchSchema, FlowColumnsSchema, GoodbyeSchema, HelloSchema, IngestRequestSchema } from '@flowtoll/proto';

export const EPOCH = '11111111-2222-3333-4444-555555555555.66666666-7777-8888-9999-aaaaaaaaaaaa';
export const OTHER_EPOCH = 'bbbbbbbb-2222-3333-4444-555555555555.66666666-7777-8888-9999-aaaaaaaaaaaa';
export const WINDOW_START_MS = Date.UTC(2026, 5, 1, 12, 0);

export type ColumnsInit = Exclude<MessageInitShape<typeof FlowColumnsSchema>, { $typeName: string }>;
export type BatchInit = Exclude<MessageInitShape<typeof BatchSchema>, { $typeName: string }>;
export type HelloInit = Exclude<MessageInitShape<typeof HelloSchema>, { $typeName: string }>;

/** Two flows: one plain, over IPv4; one from a prefix, translated, over IPv6. */
export function columnsInit(change: Partial<ColumnsInit> = {}): ColumnsInit {
  const v6 = (last: number) => Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last);
  return {
    addresses: [Uint8Array.of(10, 244, 1, 2), Uint8Array.of(198, 51, 100, 0), v6(1), v6(2)],
    prefixLengths: Uint8Array.of(32, 24, 128, 128),
    initiator: [0, 2],
    responder: [1, 3],
    originalDestination: [0, 3],
    originalDestinationPort: [0, 8080],
    translatedSource: [2, 0],
    protocol: Uint8Array.of(6, 17),
    responderPort: [443, 53],
    initiatorBytes: [1000n, 2n ** 53n - 1n],
    initiatorPackets: [10n, 2n],
    responderBytes: [5000n, 0n],
    responderPackets: [9n, 0n],
    connections: [1, 3],
    folded: Uint8Array.of(0, 1),
    ...change,
  };
}

/** The columns as a frame that states its size, by node:zlib. */
export function frame(columns: ColumnsInit): Uint8Array {
  return compress(toBinary(FlowColumnsSchema, create(FlowColumnsSchema, columns)));
}

export function compress(content: Uint8Array): Uint8Array {
  return zstdCompressSync(content, { pledgedSrcSize: content.length });
}

/** A valid batch with these columns. */
export function batchInit(change: Partial<BatchInit> = {}, columns: Partial<ColumnsInit> = {}): BatchInit {
  return {
    epoch: EPOCH,
    sequence: 1n,
    windowStart: timestampFromMs(WINDOW_START_MS),
    windowEnd: timestampFromMs(WINDOW_START_MS + 60_000),
    flowCount: 2,
    flows: { case: 'zstdColumns', value: frame(columnsInit(columns)) },
    ...change,
  };
}

export function helloInit(change: Partial<HelloInit> = {}): HelloInit {
  return { protocolVersion: 1, agentVersion: '0.1.0', node: 'node-a', epoch: EPOCH, ...change };
}

export function batchBytes(batch: BatchInit): Uint8Array {
  return request({ case: 'batch', value: create(BatchSchema, batch) });
}

export function helloBytes(hello: HelloInit = helloInit()): Uint8Array {
  return request({ case: 'hello', value: create(HelloSchema, hello) });
}

export function goodbyeBytes(lastSequence: number, epoch = EPOCH): Uint8Array {
  return request({ case: 'goodbye', value: create(GoodbyeSchema, { epoch, lastSequence: BigInt(lastSequence) }) });
}

function request(message: MessageInitShape<typeof IngestRequestSchema>['message'] & object): Uint8Array {
  return toBinary(IngestRequestSchema, create(IngestRequestSchema, { message }));
}
