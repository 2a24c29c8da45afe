// Hands the flows of each window to an aggregator: numbers and encodes them, keeps them in a bounded queue until they are
// acknowledged, reconnects and sends again what was not. The rules are those of proto/flowtoll/v1/ingest_service.proto.
import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { type Acknowledgement, type Goodbye, GoodbyeSchema, HelloSchema, type Welcome } from '@flowtoll/proto';
import type { WindowFlows } from '../flow/window-flows.ts';
import { createBackoff } from './backoff.ts';
import { lostFlows, renameBatch, windowLosses } from './batch-codec.ts';
import { BatchMaker } from './batch-maker.ts';
import { type BatchQueue, createMemoryQueue, type QueuedBatch } from './batch-queue.ts';
import { CarriedLosses } from './carried-losses.ts';
import { createExporterCounters, type ExporterCounters } from './exporter-counters.ts';
import { createOpenLink, type IngestLink, type LinkEnd, type LinkOptions, type OpenLink } from './ingest-link.ts';
import type { Logger } from './logger.ts';

export interface ExporterConfig {
  /** Address of the aggregator, "host:port". */
  readonly aggregator: string;
  /** Name of this node, as in the topology. */
  readonly node: string;
  /** Version of the agent, for the aggregator's log. */
  readonly agentVersion: string;
  /** UUID of what keeps the batches: with a queue in memory, of this process. */
  readonly spoolId: string;
  /** UUID of this life of the kernel: /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  /** Most bytes of batches, as sent, that wait in memory. */
  readonly queueBytes: number;
  /**
   * Age at which a stream ends and a new one is opened, in ms, give or take a fifth: so replicas that came up later get
   * their share. Default: as old as it gets.
   */
  readonly streamAgeMs?: number;
  /** No window will come: another epoch has followed. Default: false. */
  readonly isOver?: boolean;
  /** How often a silent aggregator is asked for a sign of life, ms. Default: the link's. */
  readonly keepaliveMs?: number;
  /** Addresses of this node's interfaces, asked for at each Hello. Default: none are told. */
  readonly nodeAddresses?: () => readonly string[];
  /** Hears that no aggregator will take this epoch from this node: it is another node's. It is tried again all the same. */
  readonly onForeign?: () => void;
}

/** Runs `callback` after `delayMs`; returns how to cancel it. */
export type Schedule = (callback: () => void, delayMs: number) => () => void;

export interface ExporterDependencies {
  readonly log: Logger;
  /** Milliseconds since the Unix epoch. Default: Date.now. */
  readonly now?: () => number;
  /** Uniform in [0, 1). Default: Math.random. */
  readonly random?: () => number;
  /** Default: setTimeout. */
  readonly schedule?: Schedule;
  /** How connections are made. Default: plain text, and no token. */
  readonly link?: Pick<LinkOptions, 'tls' | 'token'> | undefined;
  /** How to reach an aggregator. Default: gRPC to `config.aggregator`. */
  readonly openLink?: OpenLink;
  /** Makes the spool id of a new epoch. Default: a random UUID. */
  readonly newSpoolId?: () => string;
  /** Where batches wait. Default: in memory, at most `config.queueBytes`. */
  readonly openQueue?: OpenQueue;
  /** Counted into. Default: counters of its own. */
  readonly counters?: ExporterCounters;
}

/** Opens the queue of an epoch. */
export type OpenQueue = (
  epoch: string,
  callbacks: {
    /** The batch with a loss in place of its flows; undefined when nothing can be given up. */
    readonly withoutFlows: (batch: QueuedBatch, reason: 'queue-full' | 'rejected') => Uint8Array | undefined;
    /** A batch in the place of one that cannot be read. */
    readonly damaged: (sequence: number, timeMs: number) => Uint8Array;
  },
) => BatchQueue;

export interface Exporter {
  readonly counters: ExporterCounters;
  /** Epoch of the batches that are made now. */
  readonly epoch: string;
  /** Batches that wait for their acknowledgement, and their bytes. */
  readonly waiting: { readonly batches: number; readonly bytes: number };
  /** Whether an aggregator has welcomed us and the stream stands. */
  readonly isConnected: boolean;
  /** How far our clock is ahead of the aggregator's, in ms, by the last Welcome; undefined before the first. */
  readonly clockOffsetMs: number | undefined;
  /** Begins to connect. */
  start(): void;
  /**
   * Takes the flows of one window; their buffers may be used again afterwards. Never waits, never throws for bad flows.
   * `checkpoint` names the accounting after the window; a queue on disk keeps it with the batch.
   */
  send(window: WindowFlows, checkpoint?: string): void;
  /** Says Hello again on a new stream, once what is under way is acknowledged: the clock was set. */
  renewStream(): void;
  /**
   * Waits until all is acknowledged and a stream stands that can say Goodbye, at most `deadlineMs`; closes. Whether everything
   * was acknowledged. A second call sets a new deadline for the first.
   */
  stop(deadlineMs: number): Promise<boolean>;
}

const PROTOCOL_VERSION = 1;
const RECONNECT_MIN_MS = 500;
const RECONNECT_MAX_MS = 30_000;
/** Ages of streams differ by this part either way, so that a fleet does not move at once. */
const AGE_SPREAD = 0.2;
/** How long an old stream may wait for its last acknowledgements before it ends without them. */
const AGE_GRACE_MS = 60_000;
/** gRPC's INVALID_ARGUMENT: sending the same again is no use. */
const INVALID_ARGUMENT = 3;
/** gRPC's PERMISSION_DENIED, and the aggregator's words for what is another node's. */
const PERMISSION_DENIED = 7;
const FOREIGN: ReadonlySet<unknown> = new Set(['other-node', 'foreign-epoch']);

const timers: Schedule = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};

/** Makes the exporter; nothing happens before start(). */
export function createExporter(config: ExporterConfig, dependencies: ExporterDependencies): Exporter {
  return new StreamingExporter(config, dependencies);
}

class StreamingExporter implements Exporter {
  readonly counters: ExporterCounters;
  epoch: string;

  readonly #config: ExporterConfig;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #schedule: Schedule;
  readonly #openLink: OpenLink;
  readonly #newSpoolId: () => string;
  readonly #backoff;
  readonly #queue: BatchQueue;
  readonly #carried = new CarriedLosses();
  readonly #maker: BatchMaker;

  #link: IngestLink | undefined;
  /** The table holds more of the epoch than was ever here: somebody else goes on in it. */
  #isAhead = false;
  /** Welcome has come: batches may be sent. */
  #welcomed = false;
  #windowBytes = 0;
  #helloSentMs = 0;
  #clockOffsetMs: number | undefined;
  /** Highest sequence number written to this link, or known to be committed. */
  #sentSequence = 0;
  /** What is under way on this link without acknowledgement, oldest first. */
  #underWay: { readonly sequence: number; readonly bytes: number }[] = [];
  #underWayBytes = 0;
  #linkFull = false;
  #cancelPause: (() => void) | undefined;
  #cancelReconnect: (() => void) | undefined;
  /** Of the timer that ends this link because of its age. */
  #cancelAge: (() => void) | undefined;
  /** The link is old enough: nothing more is sent on it, and it ends with its last acknowledgement. */
  #isMoving = false;
  /** The clock was set after Hello was sent: the stream is renewed as soon as it stands. */
  #isHelloStale = false;
  readonly #random: () => number;
  #stopping: Promise<boolean> | undefined;
  #onDrained: (() => void) | undefined;
  #cancelDeadline: (() => void) | undefined;
  #stopped = false;

  constructor(config: ExporterConfig, dependencies: ExporterDependencies) {
    this.#config = config;
    this.counters = dependencies.counters ?? createExporterCounters();
    this.#log = dependencies.log;
    this.#now = dependencies.now ?? Date.now;
    this.#maker = new BatchMaker(dependencies.log, this.counters, this.#now);
    this.#schedule = dependencies.schedule ?? timers;
    const { aggregator, keepaliveMs } = config;
    this.#openLink = dependencies.openLink ?? createOpenLink(aggregator, { ...dependencies.link, keepaliveMs });
    this.#newSpoolId = dependencies.newSpoolId ?? randomUUID;
    this.#random = dependencies.random ?? Math.random;
    this.#backoff = createBackoff({ minMs: RECONNECT_MIN_MS, maxMs: RECONNECT_MAX_MS, random: this.#random });
    this.epoch = `${config.spoolId}.${config.bootId}`;
    const openQueue: OpenQueue =
      dependencies.openQueue ??
      ((_epoch, { withoutFlows }) => createMemoryQueue({ bytesMax: config.queueBytes, withoutFlows }));
    this.#queue = openQueue(this.epoch, {
      withoutFlows: ({ sequence, bytes }, reason) =>
        this.#maker.giveUpFlows({ epoch: this.epoch, sequence }, bytes, reason),
      damaged: (sequence, timeMs) => this.#maker.replaceDamaged({ epoch: this.epoch, sequence }, timeMs),
    });
  }

  get waiting() {
    return { batches: this.#queue.count, bytes: this.#queue.sizeBytes };
  }

  get isConnected() {
    return this.#welcomed;
  }

  get clockOffsetMs() {
    return this.#clockOffsetMs;
  }

  start(): void {
    this.#connect();
  }

  send(window: WindowFlows, checkpoint?: string): void {
    this.counters.windows++;
    this.counters.flows += window.count;
    const name = { epoch: this.epoch, sequence: this.#queue.lastSequence + 1 };
    const bytes = this.#maker.make(name, window, this.#carried.list());
    if (this.#queue.append(bytes, checkpoint)) this.#carried.clear();
    else this.#carry(window);
    this.#pump();
  }

  renewStream(): void {
    this.#isHelloStale = this.#link !== undefined && !this.#welcomed;
    if (!this.#welcomed || this.#isMoving) return;
    this.#isMoving = true;
    this.#cancelAge?.();
    this.#cancelAge = this.#schedule(() => this.#move(), AGE_GRACE_MS);
    this.#moveIfIdle();
  }

  stop(deadlineMs: number): Promise<boolean> {
    this.#stopping ??= this.#drain().then(() => this.#end());
    this.#cancelDeadline?.();
    if (this.#hasNothingToSay() || deadlineMs <= 0) this.#onDrained?.();
    else this.#cancelDeadline = this.#schedule(() => this.#onDrained?.(), deadlineMs);
    return this.#stopping;
  }

  /**
   * Everything is acknowledged, and a Goodbye can say so, or need not: without one a node that never comes back counts as vanished
   * a day later, with a loss of unknown bytes. Before Welcome it cannot.
   */
  #hasNothingToSay(): boolean {
    return this.#queue.count === 0 && (this.#welcomed || this.#queue.lastSequence === 0);
  }

  /** Resolves when everything is acknowledged, or the deadline is over. */
  #drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained = () => {
        this.#cancelDeadline?.();
        resolve();
      };
    });
  }

  #end(): boolean {
    this.#stopped = true;
    this.#cancelReconnect?.();
    const left = this.#queue.count;
    if (left === 0 && this.#welcomed) this.#link?.finish(this.#isAhead ? undefined : this.#goodbye());
    else this.#link?.close();
    this.#resetLink();
    if (left > 0 && this.#queue.isDurable) {
      this.#log.info({ batches: left, epoch: this.epoch }, 'stopped; what is not acknowledged waits in the spool');
    } else if (left > 0) {
      this.counters.batchesLost.stopped += left;
      this.#log.error({ batches: left, epoch: this.epoch }, 'stopped with batches that are not acknowledged');
    }
    return left === 0;
  }

  #goodbye(): Goodbye {
    return create(GoodbyeSchema, { epoch: this.epoch, lastSequence: BigInt(this.#queue.lastSequence) });
  }

  #connect(): void {
    if (this.#stopped) return;
    this.counters.connectionAttempts++;
    const link = this.#openLink({
      onWelcome: (welcome) => this.#onWelcome(welcome),
      onAcknowledgement: (acknowledgement) => this.#onAcknowledgement(acknowledgement),
      onThrottle: ({ pauseMs }) => this.#pause(pauseMs),
      onDrain: () => {
        this.#linkFull = false;
        this.#pump();
      },
      onEnd: (end) => this.#onEnd(end),
    });
    this.#link = link;
    this.#helloSentMs = this.#now();
    link.sendHello(
      create(HelloSchema, {
        protocolVersion: PROTOCOL_VERSION,
        agentVersion: this.#config.agentVersion,
        node: this.#config.node,
        epoch: this.epoch,
        firstSequence: BigInt(this.#queue.firstSequence),
        lastSequence: BigInt(this.#queue.lastSequence),
        sentAt: timestampFromMs(this.#helloSentMs),
        nodeAddresses: [...(this.#config.nodeAddresses?.() ?? [])],
      }),
    );
  }

  #onWelcome(welcome: Welcome): void {
    const committed = Number(welcome.lastCommittedSequence);
    // The aggregator read Hello somewhere between our sending it and its answer: half way is the best guess.
    if (welcome.receivedAt) {
      this.#clockOffsetMs = (this.#helloSentMs + this.#now()) / 2 - timestampMs(welcome.receivedAt);
    }
    const { count, firstSequence, lastSequence } = this.#queue;
    const oldestPossible = count === 0 ? lastSequence : firstSequence - 1;
    this.#isAhead = committed > lastSequence;
    if (committed < oldestPossible || (this.#isAhead && !this.#config.isOver)) {
      this.#restartEpoch(committed);
      return;
    }
    this.#log.info({ aggregator: this.#config.aggregator, committed, waiting: count }, 'connected');
    this.#welcomed = true;
    this.#windowBytes = Number(welcome.windowBytes);
    this.#sentSequence = committed;
    this.#settle(committed);
    this.#limitAge();
    if (this.#isHelloStale) this.renewStream();
    this.#pump();
  }

  #limitAge(): void {
    const { streamAgeMs } = this.#config;
    if (streamAgeMs === undefined) return;
    const ageMs = streamAgeMs * (1 - AGE_SPREAD + 2 * AGE_SPREAD * this.#random());
    this.#cancelAge = this.#schedule(() => this.renewStream(), ageMs);
  }

  #moveIfIdle(): void {
    // Who stops and has all acknowledged stays for his Goodbye: without it the node would count as vanished.
    const isDone = this.#stopping !== undefined && this.#queue.count === 0;
    if (this.#isMoving && this.#underWay.length === 0 && !isDone) this.#move();
  }

  /** To whichever replica a new connection finds. */
  #move(): void {
    this.counters.streamsMoved++;
    this.#link?.finish();
    this.#resetLink();
    this.#connect();
  }

  #onAcknowledgement({ epoch, sequence }: Acknowledgement): void {
    const fields = { epoch, sequence: Number(sequence) };
    if (epoch !== this.epoch || !this.#welcomed) {
      this.#log.error(fields, 'acknowledgement of something never sent; ignored');
      return;
    }
    if (Number(sequence) > this.#sentSequence) {
      // Batches of this epoch that somebody sent before us waited there: a copy of this spool, or what it was before it was
      // set back. What we sent may have been taken for one of them, and nothing more would come on this stream.
      this.#log.warn(fields, 'acknowledgement of more than was sent; asking anew what the table holds');
      this.#link?.close();
      this.#resetLink();
      this.#reconnectAfter(this.#backoff.nextMs());
      return;
    }
    this.#backoff.reset();
    this.#settle(Number(sequence));
    this.#moveIfIdle();
    this.#pump();
  }

  /** Everything up to `sequence` is in the table. */
  #settle(sequence: number): void {
    this.counters.batchesAcknowledged += this.#queue.dropThrough(sequence);
    while (this.#underWay.length > 0 && this.#underWay[0]!.sequence <= sequence) {
      this.#underWayBytes -= this.#underWay.shift()!.bytes;
    }
    if (this.#queue.count === 0) this.#onDrained?.();
  }

  /** Sends what may be sent. */
  #pump(): void {
    const link = this.#link;
    if (link === undefined || !this.#welcomed || this.#isMoving || this.#cancelPause !== undefined) return;
    while (!this.#linkFull) {
      const batch = this.#queue.peekAfter(this.#sentSequence);
      if (batch === undefined) return;
      const { sequence, bytes } = batch;
      // One batch may always be under way, however large.
      if (this.#underWay.length > 0 && this.#underWayBytes + bytes.length > this.#windowBytes) return;
      this.#sentSequence = sequence;
      this.#underWay.push({ sequence, bytes: bytes.length });
      this.#underWayBytes += bytes.length;
      this.counters.batchesSent++;
      // The next one is not read for this: it is taken to be as large.
      const isHeldBack = sequence < this.#queue.lastSequence && this.#underWayBytes + bytes.length > this.#windowBytes;
      this.#linkFull = !link.sendBatch(bytes, isHeldBack);
    }
  }

  #pause(pauseMs: number): void {
    this.#cancelPause?.();
    this.#cancelPause = this.#schedule(() => {
      this.#cancelPause = undefined;
      this.#pump();
    }, pauseMs);
  }

  #onEnd({ code, details, rejectedSequence, refusal }: LinkEnd): void {
    this.#resetLink();
    if (this.#stopped) return;
    if (code === PERMISSION_DENIED && FOREIGN.has(refusal)) this.#config.onForeign?.();
    if (code === INVALID_ARGUMENT && rejectedSequence !== undefined) this.#queue.giveUp(rejectedSequence, 'rejected');
    const retryMs = this.#backoff.nextMs();
    const fields = { aggregator: this.#config.aggregator, code, waiting: this.#queue.count, retryMs };
    this.#log.warn(fields, `no aggregator: ${details}`);
    this.#reconnectAfter(retryMs);
  }

  #reconnectAfter(delayMs: number): void {
    this.#cancelReconnect = this.#schedule(() => this.#connect(), delayMs);
  }

  #resetLink(): void {
    this.#link = undefined;
    this.#welcomed = false;
    this.#linkFull = false;
    this.#underWay = [];
    this.#underWayBytes = 0;
    this.#isMoving = false;
    this.#isHelloStale = false;
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    this.#cancelAge?.();
    this.#cancelAge = undefined;
  }

  /**
   * The table lacks batches that it had acknowledged (somebody removed or restored it), or has some that are not known
   * here. No batch of this epoch can ever follow, so what waits gets a new one.
   */
  #restartEpoch(committed: number): void {
    const { firstSequence, lastSequence } = this.#queue;
    const lost = this.epoch;
    // This spool is an older copy of one that went on. A name has one content, so all that waits here is in the table.
    if (this.#isAhead) this.#settle(lastSequence);
    this.epoch = `${this.#newSpoolId()}.${this.#config.bootId}`;
    this.counters.epochRestarts++;
    this.#log.error(
      { committed, firstSequence, lastSequence, epoch: lost, newEpoch: this.epoch },
      'the table does not hold what it acknowledged: was it removed or restored? Going on in a new epoch',
    );
    const epoch = this.epoch;
    this.#queue.renumber((bytes, sequence) => renameBatch(bytes, { epoch, sequence }), epoch);
    this.#link?.close();
    this.#resetLink();
    this.#reconnectAfter(this.#backoff.nextMs());
  }

  /** No room even for a loss of its own: the window goes into the next batch that fits, as losses. */
  #carry(window: WindowFlows): void {
    const flows = window.count > 0 ? [lostFlows(window, 'queue-full')] : [];
    this.#carried.add([...windowLosses(window, []), ...flows]);
  }
}
