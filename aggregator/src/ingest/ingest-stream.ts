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
import { type AgentEvidence, type AgentIdentity, AgentRefusedError } from '../model/agent-identity.ts';
import type { EpochNote } from '../model/epoch-note.ts';
import { FlowtollError } from '../model/errors.ts';
import type { FlowBatch } from '../model/flow-batch.ts';
import type { Schedule } from '../model/schedule.ts';
import { clockOffsetMs, correctBatch, OFFSET_LARGE_MS } from './agent-clock.ts';
import { type AgentDoor, isRefusal } from './agent-door.ts';
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
  /** Nodes that have spoken for the epoch, as far as is known after `committedSequence`. */
  nodesOf?(epoch: string, likely: string): ReadonlySet<string>;
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
  /** Undefined: agents are who they say. */
  readonly door: AgentDoor | undefined;
  /** Hears of each connection on which an agent was let in. */
  readonly onProven: (peer: string) => void;
  readonly schedule: Schedule;
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
> &
  Partial<Pick<ServerDuplexStream<Buffer, IngestResponse>, 'metadata' | 'getAuthContext'>>;

/** While so few wait with a message in memory, nobody is asked to pause. */
const HELD_BACK_FEW = 16;
/** Pause of whoever has been served, for each other who waits: so most wait at home instead of here. */
const PAUSE_PER_HELD_BACK_MS = 200;
const PAUSE_MAX_MS = 10_000;

/** Nothing but a batch is large: 4096 addresses are 200 KB. */
const HELLO_BYTES_MAX = 1 << 20;
/** How long an agent that is let in may take to say Hello. */
const HELLO_MS = 10_000;
/** How often it is asked anew whether whoever opened a stream still is who they were, give or take a tenth. */
const ASK_AGAIN_MS = 300_000;
/** What the frames around batches and a window that has changed since may add to what is under way. */
const WINDOW_SLACK_BYTES = 256 * 1024;
/** Refusals that say nothing of who it is. */
const NO_ANSWER: ReadonlySet<string> = new Set(['unavailable', 'too-many-attempts']);
/** Messages of one stream that bring nothing new. An agent that goes on from Welcome sends none. */
const IDLE_MESSAGES_MAX = 1000;

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
  #identity: AgentIdentity | undefined;
  /** Of the timer that waits for Hello, or asks again who it is. */
  #cancelTimer: (() => void) | undefined;
  #windowBytes = Number.POSITIVE_INFINITY;
  /** Batches that were taken and are not acknowledged, the oldest first, and their bytes as sent. */
  #underWay: { readonly sequence: number; readonly bytes: number }[] = [];
  #underWayBytes = 0;
  /** Nothing is read until something is acknowledged. */
  #isOverWindow = false;
  #idleMessages = 0;
  /** How far the agent's clock was ahead of ours at Hello, in ms. */
  #clockOffsetMs = 0;

  constructor(call: IngestCall, context: StreamContext) {
    this.#call = call;
    this.#context = context;
  }

  start(): void {
    this.#context.counters.streamsOpened++;
    this.#call.on('error', () => this.#close());
    this.#call.on('cancelled', () => this.#onCancelled());
    this.#call.on('close', () => this.#close());
    const { door, onProven } = this.#context;
    if (door === undefined) {
      onProven(this.#call.getPeer());
      this.#listen();
      return;
    }
    const evidence = evidenceOf(this.#call);
    door.identify(evidence, this.#call.getPeer()).then(
      (identity) => this.#letIn(door, identity, evidence),
      (error: unknown) => this.#fail(error, undefined),
    );
  }

  #letIn(door: AgentDoor, identity: AgentIdentity, evidence: AgentEvidence): void {
    if (this.#ended) return;
    try {
      door.open(identity, this);
    } catch (error) {
      this.#fail(error, undefined);
      return;
    }
    this.#identity = identity;
    this.#context.onProven(this.#call.getPeer());
    this.#cancelTimer = this.#context.schedule(() => {
      const advice = 'say Hello first (proto/flowtoll/v1/ingest_service.proto)';
      this.#fail(new AgentRefusedError('slow', `no Hello came in ${HELLO_MS / 1000} s: ${advice}`), undefined);
    }, HELLO_MS);
    this.#listen(() => this.#askAgain(door, evidence));
  }

  /** @param onFirst called with the first message */
  #listen(onFirst?: () => void): void {
    let isFirst = true;
    this.#call.on('data', (bytes: Buffer) => {
      if (isFirst && !this.#ended) onFirst?.();
      isFirst = false;
      this.#receive(bytes);
    });
    this.#call.on('end', () => this.#onHalfClose());
  }

  /** A stream outlives neither what proved who opened it, nor, by much, the pod or the account. */
  #askAgain(door: AgentDoor, evidence: AgentEvidence): void {
    this.#cancelTimer?.();
    const { now, random, schedule } = this.#context;
    const leftMs = (this.#identity?.untilMs ?? Number.POSITIVE_INFINITY) - now();
    const againMs = ASK_AGAIN_MS * (0.9 + 0.2 * random());
    if (leftMs <= againMs) {
      const advice = 'connect again with a new one';
      this.#cancelTimer = schedule(
        () => this.#fail(new AgentRefusedError('expired', `what proves who you are has ended: ${advice}`), undefined),
        Math.max(0, leftMs),
      );
      return;
    }
    this.#cancelTimer = schedule(() => {
      door.identify(evidence, this.#call.getPeer()).then(
        (identity) => {
          if (this.#ended) return;
          if (identity.node !== this.#identity?.node) this.#fail(new AgentRefusedError('expired', GONE), undefined);
          else this.#askAgain(door, evidence);
        },
        (error: unknown) => {
          if (this.#ended) return;
          // Whoever cannot be asked has refused nobody.
          if (error instanceof AgentRefusedError && !NO_ANSWER.has(error.reason)) this.#fail(error, undefined);
          else this.#askAgain(door, evidence);
        },
      );
    }, againMs);
  }

  committed(sequence: number): void {
    if (this.#agent === undefined) return;
    while (this.#underWay.length > 0 && this.#underWay[0]!.sequence <= sequence) {
      this.#underWayBytes -= this.#underWay.shift()!.bytes;
    }
    if (this.#isOverWindow && !this.#hasTooMuchUnderWay()) {
      this.#isOverWindow = false;
      this.#call.resume();
    }
    const value = create(AcknowledgementSchema, { epoch: this.#agent.epoch, sequence: BigInt(sequence) });
    this.#send({ case: 'acknowledgement', value });
    this.#finishIfDone();
  }

  throttle(pauseMs: number): void {
    this.#send({ case: 'throttle', value: create(ThrottleSchema, { pauseMs }) });
  }

  end(reason: 'superseded' | 'discarded' | 'crowded'): void {
    if (reason === 'crowded') {
      this.#finish({ code: status.ABORTED, details: 'the node has newer streams, as many as one may have' });
    } else if (reason === 'superseded') {
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
        this.#countIdle();
        this.#call.resume();
        return;
      }
      sequence = sequenceFromProto(request.batch);
      this.#batch(request, sequence, bytes.length);
      freeBytes(bytes);
      this.#giveWay();
      this.#readOn();
      if (this.#halfClosed) this.#finishIfDone();
    } catch (error) {
      this.#fail(error, sequence);
    }
  }

  /** Whoever sends more than Welcome allowed is not read until something of it is acknowledged: it gains nothing by it. */
  #readOn(): void {
    if (!this.#hasTooMuchUnderWay()) {
      this.#call.resume();
      return;
    }
    this.#isOverWindow = true;
    this.#context.counters.overWindow++;
  }

  #hasTooMuchUnderWay(): boolean {
    return this.#underWay.length > 1 && this.#underWayBytes > this.#windowBytes + WINDOW_SLACK_BYTES;
  }

  #countIdle(): void {
    if (++this.#idleMessages <= IDLE_MESSAGES_MAX) return;
    throw new InvalidMessageError(
      'idle',
      `${this.#idleMessages} messages of one stream brought nothing new: say Hello again`,
    );
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
    const most = this.#agent === undefined ? Math.min(HELLO_BYTES_MAX, messageBytesMax) : messageBytesMax;
    if (bytes.length <= most) return;
    throw new InvalidMessageError('too-large', `message of ${bytes.length} bytes; at most ${most}`);
  }

  #hello({ hello }: Extract<DecodedRequest, { kind: 'hello' }>, receivedMs: number): void {
    if (this.#agent !== undefined) throw new InvalidMessageError('malformed', 'a second hello on one stream');
    const agent = agentFromProto(hello);
    this.#requireOwnNode(agent);
    this.#nodeAddresses = nodeAddressesFromProto(hello);
    this.#agent = agent;
    const receivedAt = timestampFromMs(receivedMs);
    this.#measureClock(agent, hello.sentAt && timestampMs(hello.sentAt), receivedMs);
    // Where nobody proves anything there is nothing to wait for.
    if (this.#identity === undefined) this.#announce(agent);
    this.#context.sink.committedSequence(agent.epoch).then(
      (committedInTable) => {
        if (this.#ended) return;
        try {
          this.#requireOwnEpoch(agent);
        } catch (error) {
          this.#fail(error, undefined);
          return;
        }
        const committed = this.#context.epochs.open(agent.epoch, this, committedInTable);
        this.#windowBytes = this.#context.windowBytes();
        const value = create(WelcomeSchema, {
          protocolVersion: PROTOCOL_VERSION,
          lastCommittedSequence: BigInt(committed),
          receivedAt,
          windowBytes: BigInt(this.#windowBytes),
        });
        this.#giveWay();
        this.#send({ case: 'welcome', value });
        this.#context.log.info({ ...agent, committed }, 'agent connected');
        this.#call.resume();
      },
      (error: unknown) => this.#fail(error, undefined),
    );
  }

  #announce({ epoch, node, lastSequence }: Agent): void {
    this.#context.sink.note?.({ kind: 'announced', epoch, node, sequence: lastSequence });
  }

  #requireOwnNode({ node }: Agent): void {
    if (this.#identity === undefined || node === this.#identity.node) return;
    throw new AgentRefusedError(
      'other-node',
      `hello.node is ${node}, and ${this.#identity.name} is on node ${this.#identity.node}: give each agent the name of ` +
        'its own node (--node); what a node counted under another name cannot be delivered',
    );
  }

  /** The batches of an epoch are those of one node: nobody goes on in another's, or takes its numbers. */
  #requireOwnEpoch(agent: Agent): void {
    const { door, sink } = this.#context;
    if (this.#identity === undefined || door === undefined) return;
    const nodes = sink.nodesOf?.(agent.epoch, agent.node) ?? new Set();
    if (nodes.size === 0) door.beginEpoch(this.#identity);
    else if (!nodes.has(agent.node)) {
      throw new AgentRefusedError(
        'foreign-epoch',
        `epoch ${agent.epoch} is of another node than ${agent.node}: was its spool copied? Give each node a spool of its own`,
      );
    }
    this.#announce(agent);
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
        this.#countIdle();
        this.committed(epochs.committedSequence(given.epoch));
        return;
      case 'pending':
        counters.duplicates++;
        this.#countIdle();
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
    this.#underWay.push({ sequence, bytes: wireBytes });
    this.#underWayBytes += wireBytes;
    this.#batches++;
    log.debug({ node, sequence, flows: count, wireBytes }, 'batch taken');
  }

  #fail(error: unknown, sequence: number | undefined): void {
    if (this.#ended) return;
    const { log, counters, door } = this.#context;
    const end = toStreamEnd(error, sequence);
    if (door !== undefined && isRefusal(error)) {
      door.refused(error, { peer: this.#call.getPeer(), ...(this.#identity && { identity: this.#identity.name }) });
      this.#finish(end);
      return;
    }
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
    this.#cancelTimer?.();
    if (this.#identity !== undefined) this.#context.door?.close(this.#identity, this);
    if (this.#agent === undefined) return;
    this.#context.epochs.close(this.#agent.epoch, this);
    this.#context.log.info({ ...this.#agent, batches: this.#batches }, 'agent disconnected');
  }
}

const GONE = 'what proves who you are is of another node now: connect again';

function evidenceOf(call: IngestCall): AgentEvidence {
  const authorization = (call.metadata?.get('authorization') ?? []).map(String);
  // It is kept with what is asked again, and shall be found nowhere else.
  call.metadata?.remove('authorization');
  return { authorization, certificate: call.getAuthContext?.().sslPeerCertificate?.raw };
}
