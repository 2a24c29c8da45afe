// A real server on loopback and raw streams that say what they like: statuses, counts, and that a bad stream harms no
// other. The sink is the test's.
import { fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type IngestResponse, IngestResponseSchema } from '@flowtoll/proto';
import { Client, type ClientDuplexStream, credentials, type StatusObject, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EpochNote } from '../model/epoch-note.ts';
import { FlowtollError } from '../model/errors.ts';
import type { FlowBatch } from '../model/flow-batch.ts';
import { createIngestServer, type IngestServer } from './ingest-server.ts';
import type { RejectReason } from './invalid-message.ts';
import {
  batchBytes,
  batchInit,
  EPOCH,
  goodbyeBytes,
  helloBytes,
  helloInit,
  OTHER_EPOCH,
  WINDOW_START_MS,
} from './messages.testing.ts';

const DAY_MS = 86_400_000;
const WINDOW_END_MS = WINDOW_START_MS + 60_000;

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Takes everything, unless told not to. */
class Sink {
  readonly batches: FlowBatch[] = [];
  readonly committed = new Map<string, number>();
  readonly notes: EpochNote[] = [];
  full = false;
  unavailable = false;
  held = 0;
  readonly #waiting: (() => void)[] = [];

  committedSequence = async (epoch: string) => {
    if (this.unavailable) throw new FlowtollError('STORE_UNAVAILABLE', 'the disk is away');
    return this.committed.get(epoch) ?? 0;
  };
  admit = (take: () => void) => {
    if (this.full) this.#waiting.push(take);
    else take();
  };
  heldBack = () => this.held;
  put = (batch: FlowBatch) => {
    this.batches.push(batch);
  };
  note = (note: EpochNote) => {
    this.notes.push(note);
  };
  makeRoom(): void {
    this.full = false;
    for (const take of this.#waiting.splice(0)) take();
  }
}

/** One raw stream. */
class Stream {
  readonly #call: ClientDuplexStream<Buffer, IngestResponse>;
  readonly #responses: IngestResponse[] = [];
  #wake: (() => void) | undefined;
  /** What the last Welcome said. */
  windowBytes = 0;
  /** How it ended. */
  readonly ended: Promise<StatusObject>;

  constructor(client: Client) {
    this.#call = client.makeBidiStreamRequest(
      '/flowtoll.v1.IngestService/Ingest',
      (bytes: Buffer) => bytes,
      (bytes) => fromBinary(IngestResponseSchema, bytes),
    );
    this.#call.on('data', (response: IngestResponse) => {
      this.#responses.push(response);
      this.#wake?.();
    });
    this.#call.on('error', () => undefined);
    this.ended = new Promise((resolve) => this.#call.on('status', resolve));
  }

  send(...messages: Uint8Array[]): this {
    for (const bytes of messages) this.#call.write(Buffer.from(bytes));
    return this;
  }

  halfClose(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** The next response, as its case and the number in it. */
  async next(): Promise<string> {
    while (this.#responses.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const { message } = this.#responses.shift()!;
    switch (message.case) {
      case 'welcome':
        this.windowBytes = Number(message.value.windowBytes);
        return `welcome ${message.value.lastCommittedSequence}`;
      case 'acknowledgement':
        return `acknowledgement ${message.value.sequence}`;
      case 'throttle':
        return `throttle ${message.value.pauseMs}`;
      default:
        return 'nothing';
    }
  }
}

const batch = (sequence: number, epoch = EPOCH) => batchBytes(batchInit({ sequence: BigInt(sequence), epoch }));
/** The first batch, so long after the window of the others. */
const windowAt = (afterMs: number) =>
  batchBytes(
    batchInit({
      windowStart: timestampFromMs(WINDOW_START_MS + afterMs),
      windowEnd: timestampFromMs(WINDOW_END_MS + afterMs),
    }),
  );
const badBatch = (sequence: number) => batchBytes(batchInit({ sequence: BigInt(sequence) }, { initiator: [0, 9] }));

describe('ingest server', () => {
  let sink: Sink;
  let server: IngestServer;
  let clients: Client[];
  let port: number;

  beforeEach(async () => {
    sink = new Sink();
    clients = [];
    server = createIngestServer(
      { host: '127.0.0.1', port: 0, messageBytesMax: 200_000, batchAgeMaxMs: 30 * DAY_MS },
      { sink, log: silent, now: () => WINDOW_END_MS },
    );
    port = await server.start();
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await server.stop();
  });

  /** A stream on a connection of its own. */
  function connect(): Stream {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    clients.push(client);
    return new Stream(client);
  }

  /** Resolves when so many batches have reached the sink. */
  async function arrived(count: number): Promise<void> {
    while (sink.batches.length < count) await new Promise((resolve) => setImmediate(resolve));
  }

  test('welcomes with what the table holds, takes batches in order, acknowledges when told', async () => {
    sink.committed.set(EPOCH, 4);
    const stream = connect().send(helloBytes(), batch(5), batch(6));
    expect(await stream.next()).toBe('welcome 4');
    await arrived(2);
    expect(sink.batches.map(({ node, sequence }) => `${node} ${sequence}`)).toEqual(['node-a 5', 'node-a 6']);
    server.acknowledge(EPOCH, 6);
    expect(await stream.next()).toBe('acknowledgement 6');
    expect(server.counters).toMatchObject({ batches: 2, flows: 4, duplicates: 0 });
  });

  test('acknowledges a committed batch again, and takes a waiting one once', async () => {
    sink.committed.set(EPOCH, 4);
    const stream = connect().send(helloBytes(), batch(3), batch(5), batch(5), batch(6));
    expect(await stream.next()).toBe('welcome 4');
    expect(await stream.next()).toBe('acknowledgement 4');
    await arrived(2);
    expect(sink.batches.map(({ sequence }) => sequence)).toEqual([5, 6]);
    expect(server.counters.duplicates).toBe(2);
  });

  test('serves a half-closed stream until all is acknowledged', async () => {
    const stream = connect().send(helloBytes(), batch(1));
    stream.halfClose();
    await arrived(1);
    server.acknowledge(EPOCH, 1);
    expect([await stream.next(), await stream.next()]).toEqual(['welcome 0', 'acknowledgement 1']);
    expect((await stream.ended).code).toBe(status.OK);
  });

  test('a second stream of an epoch takes over; what the first one brought stays', async () => {
    const first = connect().send(helloBytes(), batch(1));
    await arrived(1);
    const second = connect().send(helloBytes(), batch(1), batch(2));
    expect((await first.ended).code).toBe(status.ABORTED);
    await arrived(2);
    expect(sink.batches.map(({ sequence }) => sequence)).toEqual([1, 2]);
    server.acknowledge(EPOCH, 2);
    expect([await second.next(), await second.next()]).toEqual(['welcome 0', 'acknowledgement 2']);
    expect(server.counters).toMatchObject({ superseded: 1, duplicates: 1 });
  });

  test('a stream that comes back finds what waits', async () => {
    const first = connect().send(helloBytes(), batch(1));
    await arrived(1);
    first.cancel();
    await first.ended;
    const second = connect().send(helloBytes(), batch(1), batch(2));
    await arrived(2);
    expect(sink.batches.map(({ sequence }) => sequence)).toEqual([1, 2]);
    server.acknowledge(EPOCH, 2);
    expect([await second.next(), await second.next()]).toEqual(['welcome 0', 'acknowledgement 2']);
  });

  test('reads no further while there is no room', async () => {
    const stream = connect().send(helloBytes());
    expect(await stream.next()).toBe('welcome 0');
    sink.full = true;
    const other = connect();
    stream.send(batch(1), batch(2));
    other.send(helloBytes(helloInit({ epoch: OTHER_EPOCH })));
    // The other stream is answered only when there is room: the server was idle, not slow.
    sink.makeRoom();
    expect(await other.next()).toBe('welcome 0');
    await arrived(2);
  });

  test('moves the windows of an agent whose clock is off, counts it, and says what is left to be remembered', async () => {
    const ahead = timestampFromMs(WINDOW_END_MS + 90_000);
    const stream = connect().send(helloBytes(helloInit({ sentAt: ahead, firstSequence: 1n, lastSequence: 3n })));
    expect(await stream.next()).toBe('welcome 0');
    stream.send(
      batchBytes(
        batchInit({
          windowStart: timestampFromMs(WINDOW_START_MS + 90_000),
          windowEnd: timestampFromMs(WINDOW_END_MS + 90_000),
        }),
      ),
    );
    await arrived(1);
    expect(sink.batches[0]).toMatchObject({ windowStartUs: WINDOW_START_MS * 1000, windowEndUs: WINDOW_END_MS * 1000 });
    expect(server.counters).toMatchObject({ largeClockOffsets: 1, movedBatches: 1 });
    const announced = { kind: 'announced', epoch: EPOCH, node: 'node-a', sequence: 3 };
    expect(sink.notes).toEqual([announced]);
    server.acknowledge(EPOCH, 1);
    expect(await stream.next()).toBe('acknowledgement 1');
    stream.send(goodbyeBytes(1)).halfClose();
    expect((await stream.ended).code).toBe(status.OK);
    expect(sink.notes).toEqual([announced, { kind: 'ended', epoch: EPOCH, sequence: 1 }]);
  });

  test('a stream that breaks off says nothing of an end', async () => {
    const stream = connect().send(helloBytes(), batch(1));
    await arrived(1);
    server.acknowledge(EPOCH, 1);
    expect([await stream.next(), await stream.next()]).toEqual(['welcome 0', 'acknowledgement 1']);
    stream.cancel();
    await stream.ended;
    while (server.streams.open > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(sink.notes.map(({ kind }) => kind)).toEqual(['announced']);
  });

  test('knows who has something waiting', async () => {
    const first = connect().send(helloBytes());
    const second = connect().send(helloBytes(helloInit({ epoch: OTHER_EPOCH })));
    expect([await first.next(), await second.next()]).toEqual(['welcome 0', 'welcome 0']);
    expect(server.streams).toEqual({ open: 2, waiting: 0 });
    first.send(batch(1), batch(2));
    await arrived(2);
    expect(server.streams).toEqual({ open: 2, waiting: 1 });
    server.acknowledge(EPOCH, 1);
    expect(server.streams).toEqual({ open: 2, waiting: 1 });
    server.acknowledge(EPOCH, 2);
    expect(server.streams).toEqual({ open: 2, waiting: 0 });
    second.send(batch(1, OTHER_EPOCH));
    await arrived(3);
    second.cancel();
    await second.ended;
    while (server.streams.open > 1) await new Promise((resolve) => setImmediate(resolve));
    expect(server.streams).toEqual({ open: 1, waiting: 0 });
    expect([server.isKnown(EPOCH), server.isKnown(OTHER_EPOCH)]).toEqual([true, true]);
    server.acknowledge(OTHER_EPOCH, 1);
    expect(server.isKnown(OTHER_EPOCH)).toBe(false);
  });

  test('passes a pause on', async () => {
    const stream = connect().send(helloBytes());
    expect(await stream.next()).toBe('welcome 0');
    server.throttle(1234);
    expect(await stream.next()).toBe('throttle 1234');
  });

  test('who comes, and who was served, gives way where many wait for room, and only there', async () => {
    sink.held = 40;
    const stream = connect().send(helloBytes());
    expect([await stream.next(), await stream.next()]).toEqual(['throttle 8000', 'welcome 0']);
    sink.held = 400;
    stream.send(batch(1));
    expect(await stream.next()).toBe('throttle 10000');
    sink.held = 16;
    stream.send(batch(2));
    await arrived(2);
    server.acknowledge(EPOCH, 2);
    expect(await stream.next()).toBe('acknowledgement 2');
  });

  test('the more streams there are, the less each may have under way', async () => {
    const windows: number[] = [];
    for (let i = 1; i <= 4; i++) {
      const epoch = `${String(i).repeat(8)}-2222-3333-4444-555555555555.66666666-7777-8888-9999-aaaaaaaaaaaa`;
      const stream = connect().send(helloBytes(helloInit({ epoch })));
      expect(await stream.next()).toBe('welcome 0');
      windows.push(stream.windowBytes);
    }
    expect(windows).toEqual([4, 2, 4 / 3, 1].map((mib) => Math.ceil(mib * 2 ** 20)));
  });

  test('ends streams when it stops', async () => {
    const stream = connect().send(helloBytes());
    expect(await stream.next()).toBe('welcome 0');
    await server.stop();
    expect((await stream.ended).code).toBe(status.UNAVAILABLE);
  });

  test('a port in use is named', async () => {
    const second = createIngestServer({ host: '127.0.0.1', port }, { sink, log: silent, now: Date.now });
    const failure = await second.start().catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'LISTEN_FAILED',
      message: `cannot listen on 127.0.0.1:${port}: another process listens there; stop it, or choose another port with --listen`,
    });
    await second.stop();
  });

  const bad: {
    name: string;
    send: Uint8Array[];
    code: status;
    reason?: RejectReason;
    text: string;
    sequence?: number;
  }[] = [
    {
      name: 'nonsense',
      send: [Uint8Array.of(0xff, 1, 2)],
      code: status.INVALID_ARGUMENT,
      reason: 'malformed',
      text: 'IngestRequest of 3 bytes',
    },
    {
      name: 'a batch before hello',
      send: [batch(1)],
      code: status.INVALID_ARGUMENT,
      reason: 'malformed',
      text: 'a batch before hello',
      sequence: 1,
    },
    {
      name: 'hello twice',
      send: [helloBytes(), helloBytes()],
      code: status.INVALID_ARGUMENT,
      reason: 'malformed',
      text: 'a second hello',
    },
    {
      name: 'goodbye before all is acknowledged',
      send: [helloBytes(), batch(1), goodbyeBytes(1)],
      code: status.INVALID_ARGUMENT,
      reason: 'sequence',
      text: 'goodbye.last_sequence is 1; acknowledged is 0',
    },
    {
      name: 'goodbye of another epoch',
      send: [helloBytes(), goodbyeBytes(0, OTHER_EPOCH)],
      code: status.INVALID_ARGUMENT,
      reason: 'epoch',
      text: 'goodbye.epoch is not',
    },
    {
      name: 'goodbye before hello',
      send: [goodbyeBytes(0)],
      code: status.INVALID_ARGUMENT,
      reason: 'malformed',
      text: 'goodbye before hello',
    },
    {
      name: 'another version',
      send: [helloBytes(helloInit({ protocolVersion: 7 }))],
      code: status.FAILED_PRECONDITION,
      reason: 'version',
      text: 'BATCH_UNSUPPORTED_VERSION: hello.protocol_version is 7',
    },
    {
      name: 'a gap',
      send: [helloBytes(), batch(1), batch(3)],
      code: status.FAILED_PRECONDITION,
      reason: 'gap',
      text: 'BATCH_OUT_OF_ORDER: batch.sequence is 3',
    },
    {
      name: 'an index outside',
      send: [helloBytes(), batch(1), badBatch(2)],
      code: status.INVALID_ARGUMENT,
      reason: 'index',
      text: 'BATCH_INVALID: columns.initiator[1] is 9; there are 4 addresses',
      sequence: 2,
    },
    {
      name: 'a batch from far ahead',
      send: [helloBytes(), windowAt(2 * DAY_MS)],
      code: status.INVALID_ARGUMENT,
      reason: 'future',
      text: 'set the clock of node node-a',
      sequence: 1,
    },
    {
      name: 'a batch that is older than the log remembers',
      send: [helloBytes(), windowAt(-31 * DAY_MS)],
      code: status.INVALID_ARGUMENT,
      reason: 'too-old',
      text: 'more than 30 days ago',
      sequence: 1,
    },
    {
      name: 'a message over our limit',
      send: [helloBytes(), new Uint8Array(200_001)],
      code: status.RESOURCE_EXHAUSTED,
      reason: 'too-large',
      text: 'message of 200001 bytes; at most 200000',
    },
    {
      name: 'a message over the limit of grpc-js',
      send: [helloBytes(), new Uint8Array(3 << 20)],
      code: status.RESOURCE_EXHAUSTED,
      text: 'larger than max',
    },
  ];
  for (const { name, send, code, reason, text, sequence } of bad) {
    test(`ends a stream with ${name}, and no other`, async () => {
      const good = connect().send(helloBytes(helloInit({ epoch: OTHER_EPOCH })), batch(1, OTHER_EPOCH));
      await arrived(1);
      const stream = connect().send(...send);
      const end = await stream.ended;
      expect(end.details).toContain(text);
      expect(end.code).toBe(code);
      const named = end.metadata.get('flowtoll-rejected-sequence');
      expect(named).toEqual(sequence === undefined ? [] : [String(sequence)]);
      expect([...server.counters.rejected]).toEqual(reason === undefined ? [] : [[reason, 1]]);
      expect(server.counters.brokenOff).toBe(reason === undefined ? 1 : 0);
      const before = sink.batches.length;
      good.send(batch(2, OTHER_EPOCH));
      await arrived(before + 1);
      server.acknowledge(OTHER_EPOCH, 2);
      expect([await good.next(), await good.next()]).toEqual(['welcome 0', 'acknowledgement 2']);
    });
  }

  test('says when the store cannot be read, and works again afterwards', async () => {
    sink.unavailable = true;
    const end = await connect().send(helloBytes()).ended;
    expect([end.code, end.details]).toEqual([status.UNAVAILABLE, 'STORE_UNAVAILABLE: the disk is away']);
    sink.unavailable = false;
    expect(await connect().send(helloBytes()).next()).toBe('welcome 0');
  });
});
