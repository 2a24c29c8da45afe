// From windows to an aggregator, with or without a spool: opens what keeps the batches, sends first what an earlier life of
// the kernel left, then what is made now.
import { randomUUID } from 'node:crypto';
import type { RunConfig } from './config.ts';
import { AgentError } from './errors.ts';
import { createExporter, type Exporter, type OpenQueue } from './exporter/exporter.ts';
import { type OldEpoch, Spool } from './exporter/spool/spool.ts';
import type { WindowFlows } from './flow/window-flows.ts';
import type { Logger } from './log.ts';
import { AGENT_VERSION } from './version.ts';

/** As long as a timer can be: about 25 days. */
const NO_DEADLINE_MS = 2 ** 31 - 1;

/** What is needed of the surroundings. */
export interface DeliveryContext {
  /** Name of the node that the flows are of. */
  readonly node: string;
  /** Life of the kernel. */
  readonly bootId: string;
  readonly log: Logger;
  /** The batch with this checkpoint is on disk. */
  readonly onSpooled: (checkpoint: string) => void;
  /** The spool cannot be written, or can be again. */
  readonly onSpoolFails: (fails: boolean) => void;
}

/** The sending half of an agent. */
export interface Delivery {
  readonly exporter: Exporter;
  /** Checkpoint of the newest batch that an agent before spooled in this life of the kernel; undefined when none did. */
  readonly lastCheckpoint: string | undefined;
  /** Begins to send. */
  start(): void;
  /** Keeps a window's flows until an aggregator has them. */
  send(window: WindowFlows, checkpoint?: string): void;
  /**
   * Waits for acknowledgements, at most `deadlineMs`; what is left then stays in the spool.
   * @throws AgentError NOT_DELIVERED when batches are left and there is no spool
   */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Opens the spool, or a queue in memory where there is none.
 * @throws AgentError SPOOL_LOCKED, SPOOL_INVALID
 */
export function openDelivery(config: RunConfig, directory: string | undefined, context: DeliveryContext): Delivery {
  return directory === undefined
    ? new MemoryDelivery(config, context)
    : new SpooledDelivery(config, directory, context);
}

function exporterOf(
  config: RunConfig,
  context: DeliveryContext,
  spoolId: string,
  bootId: string,
  openQueue?: OpenQueue,
  newSpoolId?: () => string,
): Exporter {
  const { aggregator, queueBytes } = config;
  return createExporter(
    { aggregator, node: context.node, agentVersion: AGENT_VERSION, spoolId, bootId, queueBytes },
    { log: context.log, ...(openQueue && { openQueue }), ...(newSpoolId && { newSpoolId }) },
  );
}

class MemoryDelivery implements Delivery {
  readonly exporter: Exporter;
  readonly lastCheckpoint = undefined;
  readonly #config: RunConfig;

  constructor(config: RunConfig, context: DeliveryContext) {
    this.#config = config;
    this.exporter = exporterOf(config, context, randomUUID(), context.bootId);
  }

  start(): void {
    this.exporter.start();
  }

  send(window: WindowFlows): void {
    this.exporter.send(window);
  }

  async stop(deadlineMs: number): Promise<void> {
    if (await this.exporter.stop(deadlineMs)) return;
    throw new AgentError(
      'NOT_DELIVERED',
      `${this.exporter.waiting.batches} batches were not acknowledged by ${this.#config.aggregator} within ` +
        `${deadlineMs}ms (--drain-timeout, FLOWTOLL_DRAIN_TIMEOUT): their flows are lost`,
    );
  }
}

class SpooledDelivery implements Delivery {
  readonly exporter: Exporter;
  readonly #config: RunConfig;
  readonly #context: DeliveryContext;
  readonly #spool: Spool;
  #old: Exporter | undefined;
  #started = false;
  #stopped = false;

  constructor(config: RunConfig, directory: string, context: DeliveryContext) {
    this.#config = config;
    this.#context = context;
    const { log } = context;
    this.#spool = new Spool({
      directory,
      bootId: context.bootId,
      bytesMax: config.spoolBytes,
      memoryBytesMax: config.queueBytes,
      sync: config.spoolSync,
      onSpooled: context.onSpooled,
      onDiskProblem: (problem) => {
        context.onSpoolFails(problem !== undefined);
        if (problem) log.error({ directory, err: problem }, 'the spool cannot be written: batches wait in memory');
        else log.info({ directory }, 'the spool can be written again');
      },
    });
    const newSpoolId = () => {
      const id = randomUUID();
      this.#spool.rename(id);
      return id;
    };
    const { spoolId, openQueue } = this.#spool;
    this.exporter = exporterOf(config, context, spoolId, context.bootId, openQueue, newSpoolId);
  }

  get lastCheckpoint(): string | undefined {
    return this.#spool.lastCheckpoint;
  }

  start(): void {
    this.#sendOldEpochs().then(
      () => {
        if (this.#stopped) return;
        this.#started = true;
        this.exporter.start();
      },
      (error) => this.#context.log.error({ err: error }, 'sending what an earlier life of the kernel left failed'),
    );
  }

  send(window: WindowFlows, checkpoint?: string): void {
    this.exporter.send(window, checkpoint);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    await this.#old?.stop(0);
    await this.exporter.stop(this.#started ? deadlineMs : 0);
    this.#spool.close();
  }

  async #sendOldEpochs(): Promise<void> {
    for (const old of this.#spool.oldEpochs()) {
      if (this.#stopped) return;
      await this.#sendOldEpoch(old);
    }
  }

  async #sendOldEpoch({ spoolId, bootId, openQueue, remove }: OldEpoch): Promise<void> {
    const exporter = exporterOf(this.#config, this.#context, spoolId, bootId, openQueue);
    const { batches } = exporter.waiting;
    this.#context.log.info({ epoch: exporter.epoch, batches }, 'sending what an earlier life of the kernel left');
    this.#old = exporter;
    exporter.start();
    if (await exporter.stop(NO_DEADLINE_MS)) remove();
    this.#old = undefined;
  }
}
