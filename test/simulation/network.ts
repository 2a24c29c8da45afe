// The network between agents and replicas: gRPC streams as both ends see them. Within a connection messages keep their
// order and arrive late; they are lost only with it. A connection may be cut, or be dead in one direction without notice
// until its keepalive fails.
import { EventEmitter } from 'node:events';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  batchRequest,
  type IngestLink,
  type LinkEnd,
  type LinkHandlers,
} from '@flowtoll/agent/exporter/ingest-link.ts';
import type { IngestCall } from '@flowtoll/aggregator/ingest/ingest-stream.ts';
import { REJECTED_SEQUENCE_TRAILER, type StreamEnd } from '@flowtoll/aggregator/ingest/invalid-message.ts';
import { IngestRequestSchema, type IngestResponse } from '@flowtoll/proto';
import type { VirtualClock } from './clock.ts';
import type { SimulatedProcess } from './process.ts';
import type { Random } from './random.ts';

/** Who opens connections. */
export interface ClientSide {
  readonly name: string;
  readonly process: SimulatedProcess;
  /** Called around each message that leaves: a place to die at. */
  readonly onWrite: (when: 'before' | 'after') => void;
}

/** Who takes them. */
export interface ServerSide {
  readonly name: string;
  readonly process: SimulatedProcess;
  serve(call: IngestCall): void;
}

export interface NetworkParts {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** Something of interest happened. */
  readonly note: (text: string) => void;
  /** A replica says something to an agent. */
  readonly onResponse: (response: IngestResponse) => void;
}

/** gRPC's UNAVAILABLE. */
const UNAVAILABLE = 14;
/** A dead connection is noticed after 30 s of silence and 10 s of waiting for a ping. */
export const KEEPALIVE_MS = 40_000;
const GOODBYE_MS = 2000;

type Direction = 'up' | 'down';

/** All connections of one world. */
export class Network {
  readonly #parts: NetworkParts;
  readonly #open = new Set<Connection>();
  /** Longest way of a message, ms. */
  delayMaxMs = 20;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
  }

  get connections(): readonly Connection[] {
    return [...this.#open];
  }

  /** A connection to a replica; without one, the attempt fails after a while. */
  connect(client: ClientSide, server: ServerSide | undefined, handlers: LinkHandlers): IngestLink {
    const connection = new Connection(client, server, handlers, this.#parts, () => this.delayMaxMs);
    if (server === undefined) {
      const waitMs = this.#parts.random.spread(1, 20_000);
      this.#parts.clock.after(waitMs, () => connection.endClient(UNAVAILABLE, 'no connection established'));
    } else {
      this.#open.add(connection);
      connection.expectLife();
      connection.onClosed = () => this.#open.delete(connection);
    }
    return connection.link;
  }

  /** A process has died. Its kernel says so to the other ends, or, when the whole machine is gone, nobody does. */
  died(process: SimulatedProcess, machineIsGone: boolean): void {
    for (const connection of this.#open) {
      if (!connection.isOf(process)) continue;
      const noticeMs = machineIsGone ? KEEPALIVE_MS : this.delayMaxMs;
      connection.cut(noticeMs, noticeMs);
    }
  }
}

export class Connection {
  readonly link: IngestLink;
  onClosed: () => void = () => undefined;
  readonly #client: ClientSide;
  readonly #server: ServerSide | undefined;
  readonly #handlers: LinkHandlers;
  readonly #parts: NetworkParts;
  readonly #delayMaxMs: () => number;
  readonly #call: ServerCall;
  readonly #lastArrivalMs = { up: 0, down: 0 };
  readonly #deaf = { up: false, down: false };
  #clientEnded = false;
  #serverEnded = false;

  constructor(
    client: ClientSide,
    server: ServerSide | undefined,
    handlers: LinkHandlers,
    parts: NetworkParts,
    delayMaxMs: () => number,
  ) {
    this.#client = client;
    this.#server = server;
    this.#handlers = handlers;
    this.#parts = parts;
    this.#delayMaxMs = delayMaxMs;
    this.#call = new ServerCall(client.name, () => server?.process.isRunning ?? false, {
      write: (response) => this.#respond(response),
      end: (end) => this.#endByServer(end),
    });
    this.link = this.#makeLink();
    if (server) this.#send('up', () => server.serve(this.#call as unknown as IngestCall));
  }

  /** Who is on it, for the trace. */
  get name(): string {
    return `${this.#client.name}→${this.#server?.name}`;
  }

  isOf(process: SimulatedProcess): boolean {
    return this.#client.process === process || this.#server?.process === process;
  }

  /** The agent's pings are answered, or it gives the connection up; the replica finds that when it goes on. */
  expectLife(): void {
    const server = this.#server?.process;
    if (server === undefined || server.isRunning) return;
    this.#parts.clock.after(KEEPALIVE_MS, () => server.isRunning || this.cut(0, 0));
  }

  /** Nothing passes any more; each side notices after its time. What was under way is lost. */
  cut(clientNoticesMs: number, serverNoticesMs: number): void {
    this.#deaf.up = true;
    this.#deaf.down = true;
    this.#parts.clock.after(clientNoticesMs, () => this.endClient(UNAVAILABLE, 'connection lost'));
    this.#parts.clock.after(serverNoticesMs, () => this.#endServer());
  }

  /** One direction passes nothing any more, and nobody knows. */
  halfOpen(direction: Direction, clientNoticesMs: number, serverNoticesMs: number): void {
    this.#deaf[direction] = true;
    this.#parts.clock.after(clientNoticesMs, () => this.endClient(UNAVAILABLE, 'keepalive failed'));
    this.#parts.clock.after(serverNoticesMs, () => this.#endServer());
  }

  /** The agent's side of it ends. */
  endClient(code: number, details: string, rejectedSequence?: number): void {
    if (this.#clientEnded) return;
    this.#clientEnded = true;
    this.#closedIfBothEnded();
    const end: LinkEnd = { code, details, rejectedSequence };
    this.#client.process.run(() => this.#handlers.onEnd(end));
  }

  #makeLink(): IngestLink {
    const write = (bytes: Uint8Array) => {
      if (this.#clientEnded || !this.#client.process.isRunning) return;
      this.#client.onWrite('before');
      if (!this.#client.process.isRunning) return;
      this.#send('up', () => this.#call.receive(Buffer.from(bytes)));
      this.#client.onWrite('after');
    };
    return {
      sendHello: (value) =>
        write(toBinary(IngestRequestSchema, create(IngestRequestSchema, { message: { case: 'hello', value } }))),
      sendBatch: (bytes, isHeldBack) => {
        write(batchRequest(bytes, isHeldBack));
        if (this.#parts.random.chance(0.9)) return true;
        this.#client.process.after(
          () => this.#clientEnded || this.#handlers.onDrain(),
          this.#parts.random.spread(1, 2000),
        );
        return false;
      },
      close: () => {
        if (!this.#clientEnded && this.#client.process.isRunning) this.#cancel();
      },
      finish: (goodbye) => {
        if (this.#clientEnded || !this.#client.process.isRunning) return;
        if (goodbye !== undefined) {
          const message = { case: 'goodbye', value: goodbye } as const;
          write(toBinary(IngestRequestSchema, create(IngestRequestSchema, { message })));
        }
        this.#send('up', () => this.#call.halfClose());
        this.#clientEnded = true;
        this.#parts.clock.after(GOODBYE_MS, () => this.#cancel());
      },
    };
  }

  #cancel(): void {
    this.#clientEnded = true;
    if (this.#deaf.up) this.#parts.clock.after(KEEPALIVE_MS, () => this.#endServer());
    else this.#send('up', () => this.#endServer());
    this.#closedIfBothEnded();
  }

  #send(direction: Direction, arrive: () => void): void {
    if (this.#deaf[direction]) return;
    const { clock, random } = this.#parts;
    const arrivalMs = Math.max(this.#lastArrivalMs[direction], clock.nowMs + random.spread(1, this.#delayMaxMs()));
    this.#lastArrivalMs[direction] = arrivalMs;
    const to = direction === 'up' ? this.#server?.process : this.#client.process;
    clock.after(arrivalMs - clock.nowMs, () => this.#deaf[direction] || to?.run(arrive));
  }

  #respond(response: IngestResponse): void {
    if (this.#serverEnded) return;
    this.#parts.onResponse(response);
    this.#send('down', () => {
      if (this.#clientEnded) return;
      const { message } = response;
      if (message.case === 'welcome') this.#handlers.onWelcome(message.value);
      else if (message.case === 'acknowledgement') this.#handlers.onAcknowledgement(message.value);
      else if (message.case === 'throttle') this.#handlers.onThrottle(message.value);
    });
  }

  /** The replica ends the stream with a status, which comes after all that it said before. */
  #endByServer({ code, details, metadata }: StreamEnd): void {
    if (this.#serverEnded) return;
    const rejected = metadata?.get(REJECTED_SEQUENCE_TRAILER)[0];
    this.#send('down', () => this.endClient(code, details, rejected === undefined ? undefined : Number(rejected)));
    this.#serverEnded = true;
    this.#server?.process.after(() => this.#call.emit('close'), 0);
    this.#closedIfBothEnded();
  }

  /** The replica's side of it is found to be gone. */
  #endServer(): void {
    if (this.#serverEnded) return;
    this.#serverEnded = true;
    this.#closedIfBothEnded();
    this.#server?.process.run(() => {
      this.#call.emit('cancelled');
      this.#call.emit('close');
    });
  }

  #closedIfBothEnded(): void {
    if (this.#clientEnded && this.#serverEnded) this.onClosed();
  }
}

/** A call as a replica sees it: a paused one keeps what comes. */
class ServerCall extends EventEmitter {
  readonly #peer: string;
  readonly #isAlive: () => boolean;
  readonly #out: { write(response: IngestResponse): void; end(end: StreamEnd): void };
  readonly #inbox: Buffer[] = [];
  #isPaused = false;
  #isHalfClosed = false;

  constructor(
    peer: string,
    isAlive: () => boolean,
    out: { write(response: IngestResponse): void; end(end: StreamEnd): void },
  ) {
    super();
    this.#peer = peer;
    this.#isAlive = isAlive;
    this.#out = out;
    // As grpc-js listens itself.
    this.on('error', () => undefined);
  }

  receive(bytes: Buffer): void {
    this.#inbox.push(bytes);
    this.#flow();
  }

  halfClose(): void {
    this.#isHalfClosed = true;
    this.#flow();
  }

  write(response: IngestResponse): boolean {
    if (this.#isAlive()) this.#out.write(response);
    return true;
  }

  end(): void {
    if (this.#isAlive()) this.#out.end({ code: 0, details: '' });
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    queueMicrotask(() => this.#flow());
  }

  getPeer(): string {
    return this.#peer;
  }

  /** As grpc-js: an error with a status ends the stream. */
  override emit(event: string, ...args: unknown[]): boolean {
    const heard = super.emit(event, ...args);
    if (event === 'error' && this.#isAlive()) this.#out.end(args[0] as StreamEnd);
    return heard;
  }

  #flow(): void {
    while (this.#isAlive() && !this.#isPaused) {
      const bytes = this.#inbox.shift();
      if (bytes !== undefined) this.emit('data', bytes);
      else if (this.#isHalfClosed) {
        this.#isHalfClosed = false;
        this.emit('end');
      } else return;
    }
  }
}
