// One agent's stream: Hello, Welcome, batches, acknowledgements (proto/flowtoll/v1/ingest_service.proto). Reads the next
// message only when there is room for its batch, so that a slow store slows the agents down instead of filling memory.
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  AcknowledgementSchema,
  type IngestResponse,
  IngestResponseSchema,
  ThrottleSchema,
  WelcomeSchema,
} from '@flowtoll/proto';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { FlowtollError } from '../model/errors.ts';
import type { FlowBatch } from '../model/flow-batch.ts';
import { type DecodedRequest, decodeRequest } from './decode-request.ts';
import type { EpochRegistry, EpochStream } from './epoch-registry.ts';
import { type Agent, agentFromProto, batchFromProto, PROTOCOL_VERSION, sequenceFromProto } from './from-proto.ts';
import { countRejected, type IngestCounters } from './ingest-counters.ts';
import { InvalidMessageError, type StreamEnd, toStreamEnd } from './invalid-message.ts';

/** Where batches go. */
export interface BatchSink {
  /** Highest sequence number of the epoch in the table, read now. Rejects with STORE_UNAVAILABLE. */
  committedSequence(epoch: string): Promise<number>;
  /** Calls `take` once, now or when there is room for one more batch; one at a time. */
  admit(take: () => void): void;
  /** Takes the batch. Called inside `admit` only. */
  put(batch: FlowBatch): void;
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
  /** Bytes of batches that an agent may have under way without acknowledgement. */
  readonly windowBytes: number;
  /** Largest message that is taken, in bytes. */
  readonly messageBytesMax: number;
}

/** The call: requests stay bytes, since reading them is ours. */
export type IngestCall = ServerDuplexStream<Buffer, IngestResponse>;

/** Serves one stream until it ends. */
export class IngestStream implements EpochStream {
  readonly #call: IngestCall;
  readonly #context: StreamContext;
  #agent: Agent | undefined;
  /** No more is read and no more is written. */
  #ended = false;
  /** The agent sends no more, but waits for acknowledgements. */
  #halfClosed = false;
  #batches = 0;

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
    // What is under way in `admit` holds one message a stream; the connection's flow control holds the rest back.
    this.#context.sink.admit(() => {
      if (!this.#ended) this.#handle(bytes);
    });
  }

  #handle(bytes: Buffer): void {
    let sequence: number | undefined;
    try {
      this.#checkSize(bytes);
      const request = decodeRequest(bytes);
      if (request.kind === 'hello') {
        this.#hello(request);
        return; // reading goes on after Welcome
      }
      sequence = sequenceFromProto(request.batch);
      this.#batch(request, sequence, bytes.length);
      this.#call.resume();
      if (this.#halfClosed) this.#finishIfDone();
    } catch (error) {
      this.#fail(error, sequence);
    }
  }

  #checkSize(bytes: Buffer): void {
    const { messageBytesMax } = this.#context;
    if (bytes.length <= messageBytesMax) return;
    throw new InvalidMessageError('too-large', `message of ${bytes.length} bytes; at most ${messageBytesMax}`);
  }

  #hello({ hello }: Extract<DecodedRequest, { kind: 'hello' }>): void {
    if (this.#agent !== undefined) throw new InvalidMessageError('malformed', 'a second hello on one stream');
    const agent = agentFromProto(hello);
    this.#agent = agent;
    const receivedAt = timestampFromMs(this.#context.now());
    this.#context.sink.committedSequence(agent.epoch).then(
      (committedInTable) => {
        if (this.#ended) return;
        const committed = this.#context.epochs.open(agent.epoch, this, committedInTable);
        const value = create(WelcomeSchema, {
          protocolVersion: PROTOCOL_VERSION,
          lastCommittedSequence: BigInt(committed),
          receivedAt,
          windowBytes: BigInt(this.#context.windowBytes),
        });
        this.#send({ case: 'welcome', value });
        this.#context.log.info({ ...agent, committed }, 'agent connected');
        this.#call.resume();
      },
      (error: unknown) => this.#fail(error, undefined),
    );
  }

  #batch(request: Extract<DecodedRequest, { kind: 'batch' }>, sequence: number, wireBytes: number): void {
    const { epochs, counters, sink } = this.#context;
    if (this.#agent === undefined) throw new InvalidMessageError('malformed', 'a batch before hello');
    // Validated first, whatever its number: a bad batch is an agent's fault that should show.
    const batch = batchFromProto(request.batch, request.columns, this.#agent);
    switch (epochs.arrival(batch.epoch, sequence)) {
      case 'gap':
        throw new InvalidMessageError(
          'gap',
          `batch.sequence is ${sequence}, which does not follow what this aggregator holds of ${batch.epoch}; say Hello again`,
        );
      case 'committed':
        counters.duplicates++;
        this.committed(epochs.committedSequence(batch.epoch));
        return;
      case 'pending':
        counters.duplicates++;
        return;
      case 'next':
        epochs.took(batch.epoch, sequence);
        sink.put(batch);
        counters.batches++;
        counters.flows += batch.count;
        counters.wireBytes += wireBytes;
        this.#batches++;
        this.#context.log.debug({ node: batch.node, sequence, flows: batch.count, wireBytes }, 'batch taken');
    }
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
