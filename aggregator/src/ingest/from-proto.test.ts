// What an agent sends → FlowBatch, and what is refused, with the words of the refusal.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { FlowColumnsSchema, HelloSchema, IngestRequestSchema } from '@flowtoll/proto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FlowBatch } from '../model/flow-batch.ts';
import { decodeRequest } from './decode-request.ts';
import { agentFromProto, batchFromProto } from './from-proto.ts';
import { InvalidMessageError, type RejectReason } from './invalid-message.ts';
import {
  type BatchInit,
  batchBytes,
  batchInit,
  type ColumnsInit,
  columnsInit,
  compress,
  EPOCH,
  frame,
  type HelloInit,
  helloBytes,
  helloInit,
  OTHER_EPOCH,
  WINDOW_START_MS,
} from './messages.testing.ts';
import { nodeAddressesFromProto } from './node-addresses.ts';

const AGENT = { node: 'node-a', epoch: EPOCH, version: '0.1.0', lastSequence: 0 };
const START_US = WINDOW_START_MS * 1000;

function read(bytes: Uint8Array): FlowBatch {
  const request = decodeRequest(bytes);
  if (request.kind !== 'batch') throw new Error('not a batch');
  return batchFromProto(request.batch, request.columns, AGENT);
}

/** Which number an address has depends on those before it. */
function withTexts({ addressNumbers, addressTexts, ...rest }: FlowBatch) {
  return { ...rest, addresses: Array.from(addressNumbers, (number) => addressTexts[number]) };
}

const EXPECTED: ReturnType<typeof withTexts> = {
  node: 'node-a',
  epoch: EPOCH,
  sequence: 1,
  windowStartUs: START_US,
  windowEndUs: START_US + 60_000_000,
  count: 2,
  addresses: ['10.244.1.2', '198.51.100.0/24', '2001:db8::1', '2001:db8::2'],
  initiator: Uint32Array.of(0, 2),
  responder: Uint32Array.of(1, 3),
  originalDestination: Uint32Array.of(0, 3),
  originalDestinationPort: Uint32Array.of(0, 8080),
  translatedSource: Uint32Array.of(2, 0),
  protocol: Uint8Array.of(6, 17),
  responderPort: Uint32Array.of(443, 53),
  initiatorBytes: Float64Array.of(1000, Number.MAX_SAFE_INTEGER),
  initiatorPackets: Float64Array.of(10, 2),
  responderBytes: Float64Array.of(5000, 0),
  responderPackets: Float64Array.of(9, 0),
  connections: Uint32Array.of(1, 3),
  folded: Uint8Array.of(0, 1),
  losses: [],
};

describe('a batch', () => {
  test('with compressed columns', () => {
    expect(withTexts(read(batchBytes(batchInit())))).toEqual(EXPECTED);
  });

  test('with columns as they are', () => {
    const flows = { case: 'columns', value: create(FlowColumnsSchema, columnsInit()) } as const;
    expect(withTexts(read(batchBytes(batchInit({ flows }))))).toEqual(EXPECTED);
  });

  test('without flows, with losses', () => {
    const losses = [
      { reason: 'events-dropped' },
      { reason: 'queue-full', bytes: 12n, entries: 0n, bytesMax: 20n },
      { reason: 'x', start: timestampFromMs(WINDOW_START_MS - 1), end: timestampFromMs(WINDOW_START_MS + 1) },
    ];
    const batch = read(batchBytes(batchInit({ flowCount: 0, flows: { case: undefined }, losses })));
    const none = { entries: undefined, bytes: undefined, bytesMax: undefined };
    const window = { startUs: START_US, endUs: START_US + 60_000_000 };
    expect(batch.count).toBe(0);
    expect(batch.losses).toEqual([
      { reason: 'events-dropped', ...none, ...window },
      { reason: 'queue-full', entries: 0, bytes: 12, bytesMax: 20, ...window },
      { reason: 'x', ...none, startUs: START_US - 1000, endUs: START_US + 1000 },
    ]);
  });

  test('with both directions in one sum', () => {
    const none = { responderBytes: [0n, 0n], responderPackets: [0n, 0n] };
    const batch = read(batchBytes(batchInit({ directionsMerged: true }, none)));
    expect(batch.directionsMerged).toBe(true);
    expect([...batch.initiatorBytes]).toEqual([...EXPECTED.initiatorBytes]);
    expect(read(batchBytes(batchInit()))).not.toHaveProperty('directionsMerged');
  });

  test('without a folded flow has no such column', () => {
    expect(read(batchBytes(batchInit({}, { folded: new Uint8Array() }))).folded).toBeUndefined();
    expect(read(batchBytes(batchInit({}, { folded: Uint8Array.of(0, 0) }))).folded).toBeUndefined();
  });

  test('keeps microseconds', () => {
    const windowStart = { seconds: BigInt(WINDOW_START_MS / 1000), nanos: 123_456_789 };
    expect(read(batchBytes(batchInit({ windowStart }))).windowStartUs).toBe(START_US + 123_456);
  });
});

interface Refused {
  readonly name: string;
  readonly reason: RejectReason;
  readonly text: string;
  readonly batch?: Partial<BatchInit>;
  readonly columns?: Partial<ColumnsInit>;
}

const at = (year: number) => timestampFromMs(Date.UTC(year, 0, 1));
const raw = (value: Uint8Array): Partial<BatchInit> => ({ flows: { case: 'zstdColumns', value } });
const bomb = compress(Buffer.alloc(64 << 20));

const REFUSED: readonly Refused[] = [
  {
    name: 'what the responder sent, in a sum of both directions',
    reason: 'counter',
    text: 'columns.responder_packets[1] is 7, but batch.directions_merged says',
    batch: { directionsMerged: true },
    columns: { responderBytes: [0n, 0n], responderPackets: [0n, 7n] },
  },
  { name: 'sequence 0', reason: 'sequence', text: 'batch.sequence is 0', batch: { sequence: 0n } },
  { name: 'a huge sequence', reason: 'sequence', text: '2^53', batch: { sequence: 2n ** 53n } },
  { name: 'another epoch', reason: 'epoch', text: `hello named ${EPOCH}`, batch: { epoch: OTHER_EPOCH } },
  { name: 'no window', reason: 'window', text: 'window_end is absent', batch: { windowEnd: undefined as never } },
  {
    name: 'a window that ends as it starts',
    reason: 'window',
    text: 'window_start 2026-06-01T12:00:00.000Z is not before',
    batch: { windowEnd: timestampFromMs(WINDOW_START_MS) },
  },
  {
    name: 'a window over 24 h',
    reason: 'window',
    text: 'is 86401 s long; at most 24 h',
    batch: { windowEnd: timestampFromMs(WINDOW_START_MS + 86_401_000) },
  },
  { name: 'a window before 2020', reason: 'window', text: '2020 to 2199', batch: { windowStart: at(2019) } },
  { name: 'a window beyond 2200', reason: 'window', text: '2020 to 2199', batch: { windowEnd: at(2200) } },
  {
    name: 'a negative fraction of a second',
    reason: 'window',
    text: 'nanos is -1',
    batch: { windowStart: { seconds: BigInt(WINDOW_START_MS / 1000), nanos: -1 } },
  },
  { name: 'too many flows', reason: 'flow-count', text: '100001; at most 100000', batch: { flowCount: 100_001 } },
  { name: 'flows that are absent', reason: 'flow-count', text: 'absent', batch: { flows: { case: undefined } } },
  {
    name: 'fewer flows than counted',
    reason: 'columns',
    text: 'initiator has 2 elements; the batch has 3 flows',
    batch: { flowCount: 3 },
  },
  { name: 'no frame', reason: 'zstd', text: 'do not begin a zstd frame', batch: raw(Uint8Array.of(1, 2, 3)) },
  { name: 'a cut frame', reason: 'zstd', text: 'cannot be read', batch: raw(frame(columnsInit()).subarray(0, 60)) },
  { name: 'a zstd bomb', reason: 'zstd', text: 'states 67108864 bytes of content; at most 16777216', batch: raw(bomb) },
  {
    name: 'a frame of nonsense',
    reason: 'malformed',
    text: 'batch.zstd_columns',
    batch: raw(compress(Buffer.from('nonsense!'))),
  },
  {
    name: 'a short column',
    reason: 'columns',
    text: 'columns.responder_bytes has 1 elements; the batch has 2 flows',
    columns: { responderBytes: [1n] },
  },
  {
    name: 'a long column',
    reason: 'columns',
    text: 'columns.protocol has 3 elements',
    columns: { protocol: Uint8Array.of(1, 2, 3) },
  },
  {
    name: 'a folded column of another length',
    reason: 'columns',
    text: 'columns.folded has 1',
    columns: { folded: Uint8Array.of(1) },
  },
  {
    name: 'a folded byte that means nothing',
    reason: 'columns',
    text: 'columns.folded[1] is 2',
    columns: { folded: Uint8Array.of(0, 2) },
  },
  {
    name: 'no prefix lengths',
    reason: 'columns',
    text: 'prefix_lengths has 0 elements; the batch has 4 addresses',
    columns: { prefixLengths: new Uint8Array() },
  },
  {
    name: 'an initiator outside',
    reason: 'index',
    text: 'columns.initiator[1] is 4; there are 4 addresses',
    columns: { initiator: [0, 4] },
  },
  {
    name: 'a responder outside',
    reason: 'index',
    text: 'columns.responder[0] is 4294967295',
    columns: { responder: [0xffffffff, 0] },
  },
  {
    name: 'a destination outside',
    reason: 'index',
    text: 'original_destination[0] is 5',
    columns: { originalDestination: [5, 0] },
  },
  {
    name: 'a source outside',
    reason: 'index',
    text: 'translated_source[1] is 5',
    columns: { translatedSource: [4, 5] },
  },
  {
    name: 'a port above 65535',
    reason: 'port',
    text: 'responder_port[1] is 65536',
    columns: { responderPort: [1, 65_536] },
  },
  {
    name: 'an asked port above 65535',
    reason: 'port',
    text: 'original_destination_port[0]',
    columns: { originalDestinationPort: [70_000, 0] },
  },
  {
    name: 'an address of 5 bytes',
    reason: 'address',
    text: 'addresses[0] has 5 bytes; an address has 4 or 16',
    columns: { addresses: [new Uint8Array(5)] },
  },
  {
    name: 'a prefix of 33 bits on IPv4',
    reason: 'address',
    text: 'prefix_lengths[0] is 33; at most 32',
    columns: { prefixLengths: Uint8Array.of(33, 24, 128, 128) },
  },
  {
    name: 'a prefix of 129 bits on IPv6',
    reason: 'address',
    text: 'prefix_lengths[3] is 129; at most 128',
    columns: { prefixLengths: Uint8Array.of(32, 24, 128, 129) },
  },
  {
    name: 'host bits',
    reason: 'address',
    text: 'addresses[0] is 10.244.1.2/30, with bits behind its prefix',
    columns: { prefixLengths: Uint8Array.of(30, 24, 128, 128) },
  },
  {
    name: 'a counter of 2^53',
    reason: 'counter',
    text: 'initiator_bytes[1] is 9007199254740992',
    columns: { initiatorBytes: [1n, 2n ** 53n] },
  },
  {
    name: 'a loss without reason',
    reason: 'loss',
    text: 'losses[0].reason is ""',
    batch: { losses: [{ reason: '' }] },
  },
  {
    name: 'a loss with prose',
    reason: 'loss',
    text: 'losses[0].reason is "Ev?l words"',
    batch: { losses: [{ reason: 'Evïl words' }] },
  },
  {
    name: 'half an interval',
    reason: 'loss',
    text: 'only one of start and end',
    batch: { losses: [{ reason: 'x', start: at(2026) }] },
  },
  {
    name: 'an interval backwards',
    reason: 'loss',
    text: 'not before',
    batch: { losses: [{ reason: 'x', start: at(2026), end: at(2025) }] },
  },
  {
    name: 'a loss of 2^53',
    reason: 'counter',
    text: 'losses[0].bytes is',
    batch: { losses: [{ reason: 'x', bytes: 2n ** 53n }] },
  },
  {
    name: 'a thousand and one losses',
    reason: 'loss',
    text: 'at most 1000',
    batch: { losses: Array(1001).fill({ reason: 'x' }) },
  },
];

function refusal(run: () => unknown): InvalidMessageError {
  try {
    run();
  } catch (error) {
    if (error instanceof InvalidMessageError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('a batch is refused with', () => {
  for (const { name, reason, text, batch, columns } of REFUSED) {
    test(name, () => {
      const error = refusal(() => read(batchBytes(batchInit(batch, columns))));
      expect(error.message).toContain(text);
      expect(error.reason).toBe(reason);
      expect(error.code).toBe('BATCH_INVALID');
    });
  }
});

describe('hello', () => {
  const hello = (change: Partial<HelloInit>) => () => {
    const request = decodeRequest(helloBytes(helloInit(change)));
    if (request.kind !== 'hello') throw new Error('not hello');
    return agentFromProto(request.hello);
  };

  test('names the agent', () => {
    expect(hello({})()).toEqual(AGENT);
  });

  describe('addresses of the node', () => {
    const read = (nodeAddresses: string[]) => nodeAddressesFromProto(create(HelloSchema, { nodeAddresses }));

    test('get the form that addresses of flows have', () => {
      expect([...read(['10.244.1.1', 'FD00:0:0:1::A', '::ffff:1.2.3.4'])]).toEqual([
        '10.244.1.1',
        'fd00:0:0:1::a',
        '::ffff:102:304',
      ]);
      expect(read([]).size).toBe(0);
    });

    test('are refused where they are none, and where there are too many', () => {
      for (const text of ['', '10.244.1', 'fe80::1%eth0', '10.0.0.0/8', 'node-a']) {
        expect(refusal(() => read(['10.0.0.1', text])).message).toBe(
          `hello.node_addresses[1] is ${JSON.stringify(text)}: no address`,
        );
      }
      expect(refusal(() => read(Array.from({ length: 4097 }, () => '10.0.0.1'))).message).toBe(
        'hello.node_addresses has 4097 elements; at most 4096',
      );
    });
  });

  const refused: { name: string; change: Partial<HelloInit>; reason: RejectReason; text: string }[] = [
    {
      name: 'another version',
      change: { protocolVersion: 2 },
      reason: 'version',
      text: 'is 2; this aggregator speaks 1',
    },
    { name: 'no version', change: { protocolVersion: 0 }, reason: 'version', text: 'is 0' },
    { name: 'no node', change: { node: '' }, reason: 'node', text: 'hello.node is empty' },
    { name: 'a long node', change: { node: 'n'.repeat(254) }, reason: 'node', text: '254 characters; at most 253' },
    {
      name: 'a line break in the node',
      change: { node: 'a\nb' },
      reason: 'node',
      text: 'a letter or digit first and last',
    },
    {
      name: 'a path in the node',
      change: { node: '../node-b' },
      reason: 'node',
      text: 'a letter or digit first and last',
    },
    { name: 'a slash in the node', change: { node: 'a/b' }, reason: 'node', text: 'a letter or digit first and last' },
    {
      name: 'a percent sign in the node',
      change: { node: 'a%2fb' },
      reason: 'node',
      text: 'a letter or digit first and last',
    },
    {
      name: 'a dot at the end in the node',
      change: { node: 'node-a.' },
      reason: 'node',
      text: 'a letter or digit first and last',
    },
    {
      name: 'a script not ASCII in the node',
      change: { node: 'nöde' },
      reason: 'node',
      text: 'a letter or digit first and last',
    },
    {
      name: 'a null byte in the node',
      change: { node: 'a\0b' },
      reason: 'node',
      text: 'a letter or digit first and last',
    },
    { name: 'no epoch', change: { epoch: '' }, reason: 'epoch', text: 'hello.epoch is ""' },
    { name: 'half an epoch', change: { epoch: EPOCH.slice(0, 36) }, reason: 'epoch', text: '<uuid>.<uuid>' },
    { name: 'an upper-case epoch', change: { epoch: OTHER_EPOCH.toUpperCase() }, reason: 'epoch', text: 'lower case' },
    { name: 'sequences backwards', change: { firstSequence: 3n, lastSequence: 2n }, reason: 'sequence', text: 'above' },
  ];
  for (const { name, change, reason, text } of refused) {
    test(`is refused with ${name}`, () => {
      const error = refusal(hello(change));
      expect(error.message).toContain(text);
      expect(error.reason).toBe(reason);
    });
  }
});

describe('decodeRequest', () => {
  test('refuses two messages in one, and none', () => {
    const two = Buffer.concat([helloBytes(), helloBytes()]);
    expect(refusal(() => decodeRequest(two)).message).toBe('IngestRequest holds more than one message');
    expect(refusal(() => decodeRequest(new Uint8Array())).message).toBe('IngestRequest holds no message');
  });

  test('refuses flows given twice', () => {
    const columns = field(0x32, toBinary(FlowColumnsSchema, create(FlowColumnsSchema, columnsInit())));
    const whole = field(0x12, Uint8Array.of(...columns, ...columns));
    expect(refusal(() => decodeRequest(whole)).message).toBe('batch.flows is given twice');
  });

  test('reads whether the agent is held back, wherever that stands', () => {
    const batch = batchBytes(batchInit());
    const said = fromBinary(IngestRequestSchema, batch);
    for (const [bytes, isHeldBack] of [
      [batch, false],
      [toBinary(IngestRequestSchema, { ...said, isHeldBack: true }), true],
      [Uint8Array.of(...batch, 0x20, 1), true],
      [Uint8Array.of(0x20, 1, ...batch), true],
    ] as const) {
      expect(decodeRequest(bytes)).toMatchObject({ kind: 'batch', isHeldBack });
    }
  });

  test('any bytes decode or are refused', () => {
    const valid = Buffer.from(batchBytes(batchInit({ losses: [{ reason: 'x', bytes: 5n }] })));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(valid.length - 1), fc.nat(255), (tail, index, value) => {
        const mutated = Uint8Array.from(valid).fill(value, index, index + 1);
        for (const bytes of [tail, mutated, valid.subarray(0, index), Buffer.concat([valid, tail])]) {
          try {
            read(bytes);
          } catch (error) {
            if (!(error instanceof InvalidMessageError) && (error as Error).message !== 'not a batch') throw error;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** A length-delimited field of 128 to 16,383 bytes. */
function field(tag: number, body: Uint8Array): Uint8Array {
  return Uint8Array.of(tag, (body.length & 0x7f) | 0x80, body.length >>> 7, ...body);
}

test('however many addresses come, those of a batch are its own', () => {
  const perBatch = 20_000;
  const addressOf = (n: number) => [10, n >> 16, (n >> 8) & 255, n & 255];
  const batches = Array.from({ length: 15 }, (_, batch) => {
    const addresses = Array.from({ length: perBatch }, (_, i) => Uint8Array.from(addressOf(batch * perBatch + i)));
    const columns = { addresses, prefixLengths: new Uint8Array(perBatch).fill(32) };
    return read(batchBytes(batchInit({}, columns)));
  });
  // Also of those that were read before all were forgotten.
  batches.forEach((each, batch) => {
    const expected = Array.from({ length: perBatch }, (_, i) => addressOf(batch * perBatch + i).join('.'));
    expect(withTexts(each).addresses).toEqual(expected);
  });
  expect(new Set(batches.map(({ addressTexts }) => addressTexts)).size).toBe(2);
});
