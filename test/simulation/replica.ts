// One life of an aggregator: the product's pipeline, streams, commit loop, table and log, on the simulated store and clock.
import type { createIngestServer } from '@flowtoll/aggregator/ingest/ingest-server.ts';
import type { IngestCall, Logger } from '@flowtoll/aggregator/ingest/ingest-stream.ts';
import type { FlowBatch } from '@flowtoll/aggregator/model/flow-batch.ts';
import { createPipeline, type Pipeline, type PipelineConfig } from '@flowtoll/aggregator/pipeline.ts';
import { createFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { watchVanished } from '@flowtoll/aggregator/vanished-watch.ts';
import { enricher, JsonFiles } from './data-files.ts';
import type { ServerSide } from './network.ts';
import { SimulatedProcess } from './process.ts';
import type { World } from './world.ts';

/** How the replicas of a world are configured. */
export interface ReplicaConfig extends Omit<PipelineConfig, 'listen'> {
  /** Bytes of batches that an agent may have under way. */
  readonly windowBytes: number;
  readonly heldBytesMax: number;
  /** Silence after which a node has vanished, ms. */
  readonly vanishedAfterMs: number;
}

/** Longer than a window. */
const ASIDE_MS = 90_000;

/** More than one batch of the simulation takes in memory. */
const BATCH_BYTES_MAX = 4000;

export class Replica implements ServerSide {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly #world: World;
  readonly #pipeline: Pipeline;
  readonly #stopWatching: () => void;
  #serve: (call: IngestCall) => void = () => undefined;
  #losesNext = false;
  /** Taken from an agent, and waiting to be lost. */
  #aside: FlowBatch | undefined;

  constructor(name: string, config: ReplicaConfig, world: World) {
    this.name = name;
    this.#world = world;
    this.process = new SimulatedProcess(world.clock);
    const { clock, random, parts } = world;
    const store = world.store.clientOf(this.process);
    const files = new JsonFiles(store, world.newFileName);
    const now = () => clock.nowMs;
    const log = this.#log();
    this.#pipeline = createPipeline(
      { ...config, listen: { host: name, port: 0, windowBytes: config.windowBytes } },
      {
        enricher,
        pricing: { price: () => undefined },
        table: createFlowTable(parts.openLog(store), files, now, parts.plan),
        log,
        now,
        random: random.next,
        schedule: this.process.after,
        createIngest: (ingestConfig, dependencies) => this.#ingest(ingestConfig, dependencies),
      },
    );
    void this.#pipeline.start();
    this.#stopWatching = watchVanished(
      { silentMs: config.vanishedAfterMs },
      { pipeline: this.#pipeline, log, every: (look, intervalMs) => this.#every(look, intervalMs) },
    );
  }

  serve(call: IngestCall): void {
    this.#serve(call);
  }

  /** Makes it lose the next batch that it takes, once another one of the same epoch has come after it. */
  loseBatch(): void {
    this.#losesNext = true;
  }

  /** What is wrong with its memory, if something is. */
  problem(heldBytesMax: number): string | undefined {
    if (this.process.isDead) return undefined;
    const { bytes } = this.#pipeline.held;
    const bound = heldBytesMax + BATCH_BYTES_MAX * Math.max(1, this.#pipeline.ingest.streams.open);
    return bytes > bound ? `${this.name} holds ${bytes} bytes; at most ${bound}` : undefined;
  }

  /** Ends as it should: last commit, acknowledgements. The process goes whatever comes of it. */
  async stop(): Promise<void> {
    this.#stopWatching();
    await this.#pipeline
      .stop()
      .catch((error: Error) => this.#world.note(`${this.name}: last commit failed`, { error }));
    this.kill(false);
  }

  kill(machineIsGone: boolean): void {
    this.#stopWatching();
    this.process.kill();
    this.#world.network.died(this.process, machineIsGone);
  }

  #ingest(...[config, dependencies]: Parameters<typeof createIngestServer>): ReturnType<typeof createIngestServer> {
    const { sink } = dependencies;
    const put = (batch: FlowBatch) => this.#put(batch, sink.put);
    const streams = this.#world.parts.createStreams(config, { ...dependencies, sink: { ...sink, put } });
    this.#serve = streams.serve;
    return {
      counters: streams.counters,
      connections: { open: 0, unproven: 0, closed: { slow: 0, crowded: 0, full: 0 } },
      get streams() {
        return streams.streams;
      },
      isKnown: streams.isKnown,
      acknowledge: streams.acknowledge,
      discard: streams.discard,
      throttle: streams.throttle,
      stopTaking: streams.stopTaking,
      start: async () => 0,
      stop: async () => streams.end(),
    };
  }

  /**
   * No code of the product loses a batch between stream and commit loop; the fence is for the day on which some does. What
   * follows is refused then, and all of it is sent again. A batch that nothing follows is given back: nobody would miss it.
   */
  #put(batch: FlowBatch, put: (batch: FlowBatch) => void): void {
    if (this.#aside?.epoch === batch.epoch) {
      this.#world.note(`${this.name}: loses ${this.#aside.epoch} ${this.#aside.sequence}`);
      this.#aside = undefined;
    }
    if (!this.#losesNext) {
      put(batch);
      return;
    }
    this.#losesNext = false;
    this.#aside = batch;
    this.process.after(() => {
      if (this.#aside !== batch) return;
      this.#aside = undefined;
      put(batch);
    }, ASIDE_MS);
  }

  #every(look: () => Promise<void>, intervalMs: number): () => void {
    let cancel: () => void;
    const again = () => {
      cancel = this.process.after(() => {
        again();
        void look();
      }, intervalMs);
    };
    again();
    return () => cancel();
  }

  #log(): Logger {
    const note = (fields: object, message: string) => this.#world.note(`${this.name}: ${message}`, fields);
    return {
      debug: () => undefined,
      info: note,
      warn: note,
      error: (fields, message) => {
        note(fields, message);
        if (message === 'stream ended by an internal error') this.#world.fail(`${this.name}: ${message}`);
      },
    };
  }
}
