// All streams of one server and what they share: which epoch stands where, who gets an acknowledgement. Knows no socket; a
// server hands it calls.
import type { AgentAuthority } from '../model/agent-identity.ts';
import { backgroundTimers, type Schedule } from '../model/schedule.ts';
import { AgentDoor } from './agent-door.ts';
import { EpochRegistry } from './epoch-registry.ts';
import { createIngestCounters, type IngestCounters } from './ingest-counters.ts';
import { type BatchSink, type IngestCall, IngestStream, type Logger, type StreamContext } from './ingest-stream.ts';

export interface IngestStreamsConfig {
  /** Largest message, in bytes. Default 16 MiB. */
  readonly messageBytesMax?: number;
  /**
   * Bytes of batches, as sent, that all agents together may have under way: each gets its part by the number of streams when
   * it comes, and one batch it always may. Default 4 MiB.
   */
  readonly windowBytes?: number;
  /** Age of a batch from which on it is refused, in ms, because nobody knows whether it is in the table. Default: none. */
  readonly batchAgeMaxMs?: number;
}

export interface IngestDependencies {
  readonly sink: BatchSink;
  readonly log: Logger;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Uniform in [0, 1): pauses of agents are shorter by up to half. Default: they are not. */
  readonly random?: () => number;
  /** Who knows agents. Default: nobody is asked, and agents are who they say. */
  readonly authority?: AgentAuthority;
  /** Hears of each connection on which an agent was let in; "address:port". */
  readonly onProven?: (peer: string) => void;
  readonly schedule?: Schedule;
  /** Hears how far an agent's clock is ahead of ours, in ms, at each Hello. */
  readonly onClockOffset?: (offsetMs: number) => void;
}

/** What the rest of the aggregator does with streams. */
export interface StreamControl {
  readonly counters: IngestCounters;
  /** Epochs with a stream, and how many of these have batches that wait for a commit. */
  readonly streams: { readonly open: number; readonly waiting: number };
  /** Whether the epoch has a stream here, or batches that wait. */
  isKnown(epoch: string): boolean;
  /** Acknowledges everything of the epoch up to `sequence`: it is in the table. */
  acknowledge(epoch: string, sequence: number): void;
  /** Forgets what waited of an epoch: it cannot be committed, its agent must send it again. */
  discard(epoch: string): void;
  /** Asks all agents to send nothing for a while. */
  throttle(pauseMs: number): void;
  /** Takes no new connections and no new batches; streams stay open for their acknowledgements. */
  stopTaking(): void;
}

export interface IngestStreams extends StreamControl {
  /** Serves one call until it ends. */
  serve(call: IngestCall): void;
  /** Ends all streams. */
  end(): void;
}

/** 16 MiB. */
export const MESSAGE_BYTES_MAX = 16 << 20;
const WINDOW_BYTES = 4 << 20;

/** Makes it; there is nothing to start. */
export function createIngestStreams(config: IngestStreamsConfig, dependencies: IngestDependencies): IngestStreams {
  const epochs = new EpochRegistry();
  const counters = createIngestCounters();
  const streams = new Set<IngestStream>();
  const { authority, now, log } = dependencies;
  const door = authority && new AgentDoor({ authority, now, log, refused: counters.refused });
  let taking = true;
  const context: StreamContext = {
    sink: {
      ...dependencies.sink,
      admit: (take) => dependencies.sink.admit(() => taking && take()),
    },
    epochs,
    counters,
    door,
    onProven: dependencies.onProven ?? (() => undefined),
    schedule: dependencies.schedule ?? backgroundTimers,
    ...{ log, now },
    random: dependencies.random ?? (() => 0),
    windowBytes: () => Math.ceil((config.windowBytes ?? WINDOW_BYTES) / streams.size),
    messageBytesMax: config.messageBytesMax ?? MESSAGE_BYTES_MAX,
    batchAgeMaxMs: config.batchAgeMaxMs ?? Number.POSITIVE_INFINITY,
    onClockOffset: dependencies.onClockOffset ?? (() => undefined),
  };
  return {
    counters,
    get streams() {
      return { open: epochs.streams, waiting: epochs.waitingStreams };
    },
    isKnown: (epoch) => epochs.has(epoch),
    acknowledge: (epoch, sequence) => epochs.commit(epoch, sequence),
    discard: (epoch) => epochs.discard(epoch),
    throttle: (pauseMs) => epochs.throttle(pauseMs),
    stopTaking: () => {
      taking = false;
    },
    serve(call) {
      const stream = new IngestStream(call, context);
      streams.add(stream);
      call.on('close', () => streams.delete(stream));
      if (taking) stream.start();
      else stream.stop();
    },
    end() {
      taking = false;
      for (const stream of streams) stream.stop();
    },
  };
}
