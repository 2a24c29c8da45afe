// One agent's stream: Hello, Welcome, batches, acknowledgements (proto/flowtoll/v1/ingest_service.proto). Reads the next
// message only when there is room for its batch, so that a slow store slows the agents down instead of filling memory.
import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  AcknowledgementSchema,
  freeBytes,
  type IngestResponse,
  IngestResponseSchema,
  ThrottleSchema,
  WelcomeSchema,
} from '@flowtoll/proto';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { EpochNote } from '../model/epoch-note.ts';
import { FlowtollError } from '../model/errors.ts';
import type { FlowBatch } from '../model/flow-batch.ts';
import { clockOffsetMs, correctBatch, OFFSET_LARGE_MS } from './agent-clock.ts';
import { type DecodedBatch, type DecodedRequest, decodeRequest } from './decode-request.ts';
import type { EpochRegistry, EpochStream } from './epoch-registry.ts';
import { type Agent, agentFromProto, batchFromProto, PROTOCOL_VERSION, sequenceFromProto } from './from-proto.ts';
import { countRejected, type IngestCounters } from './ingest-counters.ts';
import { InvalidMessageError, type StreamEnd, toStreamEnd } from './invalid-message.ts';
import { nodeAddressesFromProto } from './node-addresses.ts';

/** Where batches go. */
export interface BatchSink {
  /** Highest sequence number of the epoch in the table, read now. Rejects with STORE_UNAVAILABLE. */
  committedSequence(epoch: string): Promise<number>;
  /** Calls `take` once, now or when there is room for one more batch; one at a time. */
  admit(take: () => void): void;
  /**
   * Takes the batch. Called inside `admit` only.
   * @param isHeldBack its agent has more, and sends no more before this one is committed
   */
  put(batch: FlowBatch, isHeldBack?: boolean): void;
  /** How many wait in `admit`, each with a message in memory. Default: none. */
  heldBack?(): number;
  /** Takes what should be remembered of an epoch. */
  note?(note: EpochNote): void;
}

/** The part of pino that is used here. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What all streams share. */
export interface StreamContext {
  readonly sink: BatchSink;
  readonly epochs: EpochRegistry;
  readonly counters: IngestCounters;
  readonly log: Logger;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Bytes of batches that an agent that connects now may have under way without acknowledgement. */
  readonly windowBytes: () => number;
  /** Largest message that is taken, in bytes. */
  readonly messageBytesMax: number;
  /** Age of a batch from which on nobody knows whether it is in the table, in ms. */
  readonly batchAgeMaxMs: number;
  /** Hears how far an agent's clock is ahead of ours, in ms, at each Hello. */
  readonly onClockOffset: (offsetMs: number) => void;
}

/** The call, as far as it is used here: requests stay bytes, since reading them is ours. */
export type IngestCall = Pick<
  ServerDuplexStream<Buffer, IngestResponse>,
  'on' | 'emit' | 'write' | 'end' | 'pause' | 'resume' | 'getPeer'
>;

/** While so few wait with a message in memory, nobody is asked to pause. */
const HELD_BACK_FEW = 16;
/** Pause of whoever has been served, for each other who waits: so most wait at home instead of here. */
const PAUSE_PER_HELD_BACK_MS = 200;
const PAUSE_MAX_MS = 10_000;

/** Serves one stream until it ends. */
export class IngestStream implements EpochStream {
  readonly #call: IngestCall;
  readonly #context: StreamContext;
  #agent: Agent | undefined;
  #nodeAddresses: ReadonlySet<string> = new Set();
  /** No more is read and no more is written. */
  #ended = false;
  /** The agent sends no more, but waits for acknowledgements. */
  #halfClosed = false;
  #batches = 0;
  /** How far the agent's clock was ahead of ours at Hello, in ms. */
  #clockOffsetMs = 0;

  constructor(call: IngestCall, context: StreamContext) {
    this.#call = call;
    this.#context = context;
  }

  start(): void {
    this.#context.counters.streamsOpened++;
    this.#call.on('data', (bytes: Buffer) => this.#receive(bytes));
    this.#call.on('end', () => this.#onHalfClose());
    this.#call.on('error', () => this.#close());
    this.#call.on('cancelled', () => this.#onCancelled());
    this.#call.on('close', () => this.#close());
  }

  committed(sequence: number): void {
    if (this.#agent === undefined) return;
    const value = create(AcknowledgementSchema, { epoch: this.#agent.epoch, sequence: BigInt(sequence) });
    this.#send({ case: 'acknowledgement', value });
    this.#finishIfDone();
  }

  throttle(pauseMs: number): void {
    this.#send({ case: 'throttle', value: create(ThrottleSchema, { pauseMs }) });
  }

  end(reason: 'superseded' | 'discarded'): void {
    if (reason === 'superseded') {
      this.#context.counters.superseded++;
      this.#finish({ code: status.ABORTED, details: 'another stream of this epoch has taken over' });
    } else {
      this.#finish({
        code: status.ABORTED,
        details: 'the table no longer holds what these batches follow; say Hello again',
      });
    }
  }

  /** Ends the stream because the process ends; the agent goes elsewhere or comes back. */
  stop(): void {
    this.#finish({ code: status.UNAVAILABLE, details: 'the aggregator is stopping' });
  }

  #receive(bytes: Buffer): void {
    if (this.#ended) return;
    this.#call.pause();
    const receivedMs = this.#context.now();
    // What is under way in `admit` holds one message a stream; the connection's flow control holds the rest back.
    this.#context.sink.admit(() => {
      if (!this.#ended) this.#handle(bytes, receivedMs);
    });
  }

  #handle(bytes: Buffer, receivedMs: number): void {
    let sequence: number | undefined;
    try {
      this.#checkSize(bytes);
      const request = decodeRequest(bytes);
      if (request.kind === 'hello') {
        this.#hello(request, receivedMs);
        return; // reading goes on after Welcome
      }
      if (request.kind === 'goodbye') {
        this.#goodbye(request);
        this.#call.resume();
        return;
      }
      sequence = sequenceFromProto(request.batch);
      this.#batch(request, sequence, bytes.length);
      freeBytes(bytes);
      this.#giveWay();
      this.#call.resume();
      if (this.#halfClosed) this.#finishIfDone();
    } catch (error) {
      this.#fail(error, sequence);
    }
  }

  /** Where many wait for room, each has a message here: who may not have another one yet is told before it is sent. */
  #giveWay(): void {
    const heldBack = this.#context.sink.heldBack?.() ?? 0;
    if (heldBack <= HELD_BACK_FEW) return;
    const pauseMs = Math.min(PAUSE_MAX_MS, heldBack * PAUSE_PER_HELD_BACK_MS);
    // Those who came together shall not come back together.
    this.throttle(Math.round(pauseMs * (1 - this.#context.random() / 2)));
  }

  #checkSize(bytes: Buffer): void {
    const { messageBytesMax } = this.#context;
    if (bytes.length <= messageBytesMax) return;
    throw new InvalidMessageError('too-large', `message of ${bytes.length} bytes; at most ${messageBytesMax}`);
  }

  #hello({ hello }: Extract<DecodedRequest, { kind: 'hello' }>, receivedMs: number): void {
    if (this.#agent !== undefined) throw new InvalidMessageError('malformed', 'a second hello on one stream');
    const agent = agentFromProto(hello);
    this.#nodeAddresses = nodeAddressesFromProto(hello);
    this.#agent = agent;
    const receivedAt = timestampFromMs(receivedMs);
    this.#measureClock(agent, hello.sentAt && timestampMs(hello.sentAt), receivedMs);
    this.#context.sink.note?.({
      kind: 'announced',
      epoch: agent.epoch,
      node: agent.node,
      sequence: agent.lastSequence,
    });
    this.#context.sink.committedSequence(agent.epoch).then(
      (committedInTable) => {
        if (this.#ended) return;
        const committed = this.#context.epochs.open(agent.epoch, this, committedInTable);
        const value = create(WelcomeSchema, {
          protocolVersion: PROTOCOL_VERSION,
          lastCommittedSequence: BigInt(committed),
          receivedAt,
          windowBytes: BigInt(this.#context.windowBytes()),
        });
        this.#giveWay();
        this.#send({ case: 'welcome', value });
        this.#context.log.info({ ...agent, committed }, 'agent connected');
        this.#call.resume();
      },
      (error: unknown) => this.#fail(error, undefined),
    );
  }

  /** Closing its side is no Goodbye: that is what a connection looks like that breaks, too. */
  #goodbye({ goodbye }: Extract<DecodedRequest, { kind: 'goodbye' }>): void {
    const { epochs, sink } = this.#context;
    if (this.#agent === undefined) throw new InvalidMessageError('malformed', 'goodbye before hello');
    const { epoch } = this.#agent;
    if (goodbye.epoch !== epoch) {
      throw new InvalidMessageError('epoch', `goodbye.epoch is not ${epoch}, which hello named`);
    }
    const sequence = epochs.committedSequence(epoch);
    if (goodbye.lastSequence !== BigInt(sequence)) {
      throw new InvalidMessageError(
        'sequence',
        `goodbye.last_sequence is ${goodbye.lastSequence}; acknowledged is ${sequence}`,
      );
    }
    sink.note?.({ kind: 'ended', epoch, sequence });
  }

  #measureClock({ node, epoch }: Agent, sentMs: number | undefined, receivedMs: number): void {
    this.#clockOffsetMs = clockOffsetMs(sentMs, receivedMs);
    this.#context.onClockOffset(this.#clockOffsetMs);
    if (Math.abs(this.#clockOffsetMs) < OFFSET_LARGE_MS) return;
    this.#context.counters.largeClockOffsets++;
    const fields = { node, epoch, offsetMs: this.#clockOffsetMs };
    this.#context.log.warn(fields, 'the clock of a node is far from ours; its windows are moved');
  }

  #batch(request: DecodedBatch, sequence: number, wireBytes: number): void {
    const { epochs, counters } = this.#context;
    if (this.#agent === undefined) throw new InvalidMessageError('malformed', 'a batch before hello');
    // Validated first, whatever its number: a bad batch is an agent's fault that should show.
    const nodeAddresses = this.#nodeAddresses;
    const given = { ...batchFromProto(request.batch, request.columns, this.#agent), nodeAddresses };
    switch (epochs.arrival(given.epoch, sequence)) {
      case 'gap':
        throw new InvalidMessageError(
          'gap',
          `batch.sequence is ${sequence}, which does not follow what this aggregator holds of ${given.epoch}; say Hello again`,
        );
      case 'committed':
        counters.duplicates++;
        this.committed(epochs.committedSequence(given.epoch));
        return;
      case 'pending':
        counters.duplicates++;
        return;
      case 'next':
        this.#take(given, wireBytes, request.isHeldBack);
    }
  }

  #take(given: FlowBatch, wireBytes: number, isHeldBack: boolean): void {
    const { epochs, counters, sink, batchAgeMaxMs, now, log } = this.#context;
    const { batch, movedMs } = correctBatch(given, this.#clockOffsetMs, now(), batchAgeMaxMs);
    const { node, epoch, sequence, count } = batch;
    epochs.took(epoch, sequence);
    sink.put(batch, isHeldBack);
    counters.batches++;
    if (movedMs !== 0) counters.movedBatches++;
    counters.flows += count;
    counters.wireBytes += wireBytes;
    this.#batches++;
    log.debug({ node, sequence, flows: count, wireBytes }, 'batch taken');
  }

  #fail(error: unknown, sequence: number | undefined): void {
    const { log, counters } = this.#context;
    const end = toStreamEnd(error, sequence);
    if (error instanceof InvalidMessageError) countRejected(counters, error.reason);
    const fields = { ...this.#agent, peer: this.#call.getPeer(), sequence };
    if (error instanceof FlowtollError) log.warn({ ...fields, code: error.code }, `stream ended: ${error.message}`);
    else log.error({ ...fields, err: error }, 'stream ended by an internal error');
    this.#finish(end);
  }

  #onCancelled(): void {
    if (!this.#ended) this.#context.counters.brokenOff++;
    this.#close();
  }

  #onHalfClose(): void {
    this.#halfClosed = true;
    this.#finishIfDone();
  }

  /** A half-closed stream ends when all that it brought is acknowledged. */
  #finishIfDone(): void {
    if (!this.#halfClosed || this.#ended) return;
    if (this.#agent !== undefined && this.#context.epochs.hasPending(this.#agent.epoch)) return;
    this.#close();
    this.#call.end();
  }

  #send(message: NonNullable<Parameters<typeof create<typeof IngestResponseSchema>>[1]>['message']): void {
    // Responses are few and small: what an agent does not read is bounded by its batches.
    if (!this.#ended && message !== undefined) this.#call.write(create(IngestResponseSchema, { message }));
  }

  #finish(end: StreamEnd): void {
    if (this.#ended) return;
    this.#close();
    this.#call.emit('error', end);
  }

  #close(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#agent === undefined) return;
    this.#context.epochs.close(this.#agent.epoch, this);
    this.#context.log.info({ ...this.#agent, batches: this.#batches }, 'agent disconnected');
  }
}
