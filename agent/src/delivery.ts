// From windows to an aggregator, with or without a spool: opens what keeps the batches, sends first what an earlier
// epoch left, then what is made now.
import { randomUUID } from 'node:crypto';
import type { RunConfig } from './config.ts';
import { AgentError } from './errors.ts';
import { createExporter, type Exporter, type ExporterConfig, type ExporterDependencies } from './exporter/exporter.ts';
import { createExporterCounters, type ExporterCounters } from './exporter/exporter-counters.ts';
import type { Logger } from './exporter/logger.ts';
import { Spool, type SpoolOptions } from './exporter/spool/spool.ts';
import type { WindowFlows } from './flow/window-flows.ts';
import { interfaceAddresses } from './system/interface-addresses.ts';
import { AGENT_VERSION } from './version.ts';

/** As long as a timer can be: about 25 days. */
const NO_DEADLINE_MS = 2 ** 31 - 1;

/** What is needed of the configuration. */
export type DeliveryConfig = Pick<RunConfig, 'aggregator' | 'queueBytes' | 'spoolBytes' | 'spoolSync'> &
  Partial<Pick<RunConfig, 'streamAgeMs' | 'keepaliveMs'>>;

/** What is needed of the surroundings. */
export interface DeliveryContext {
  /** Name of the node that the flows are of. */
  readonly node: string;
  /** Life of the kernel. */
  readonly bootId: string;
  readonly log: Logger;
  /**
   * Whether the accounting can go on from where the batch with this checkpoint ends; of undefined: whether nobody has
   * accounted in this life of the kernel. Where it cannot, a new epoch begins.
   */
  readonly goesOnFrom: SpoolOptions['goesOnFrom'];
  /** The batch with this checkpoint is on disk. */
  readonly onSpooled: (checkpoint: string) => void;
  /** The spool cannot be written, or can be again. */
  readonly onSpoolFails: (fails: boolean) => void;
  /** How connections are made. Default: plain text, and no token. */
  readonly link?: ExporterDependencies['link'];
  /** Clock, chance and connections. Default: those of the machine. */
  readonly surroundings?: Pick<ExporterDependencies, 'now' | 'random' | 'schedule' | 'openLink'>;
}

/** How delivery stands now. */
export interface DeliveryStatus {
  /** Of all epochs that were sent. */
  readonly counters: ExporterCounters;
  /** Batches that wait for their acknowledgement, of all epochs, and their bytes. */
  readonly waiting: { readonly batches: number; readonly bytes: number };
  readonly isConnected: boolean;
  /** How far our clock is ahead of the aggregator's, in ms, by the last Welcome; undefined before the first. */
  readonly clockOffsetMs: number | undefined;
  /** Earlier epochs that have batches waiting. */
  readonly oldEpochs: number;
  /** Epochs that a later version of the agent wrote, and that wait for it. */
  readonly epochsSetAside: number;
  /** Epochs of another node's that no aggregator takes from this one. */
  readonly epochsForeign: number;
  /** Whether the spool cannot be written. */
  readonly spoolFails: boolean;
}

/** The sending half of an agent. */
export interface Delivery {
  readonly status: DeliveryStatus;
  /** Epoch of the batches that are made now. */
  readonly epoch: string;
  /** Checkpoint of the newest batch that an agent before spooled in this life of the kernel; undefined when none did. */
  readonly lastCheckpoint: string | undefined;
  /** Begins to send. */
  start(): void;
  /** The clock was set: the aggregator has to hear of it. */
  clockJumped(): void;
  /** Keeps a window's flows until an aggregator has them. */
  send(window: WindowFlows, checkpoint?: string): void;
  /**
   * Waits for acknowledgements, at most `deadlineMs`; what is left then stays in the spool.
   * @throws AgentError NOT_DELIVERED when batches are left and there is no spool
   */
  stop(deadlineMs: number): Promise<void>;
}

/** What a sick disk says. Everything else is a matter of configuration, and refused. */
const DISK_TROUBLE: ReadonlySet<unknown> = new Set(['EROFS', 'ENOSPC', 'EDQUOT', 'EIO']);

/**
 * Opens the spool, or a queue in memory where there is none, or where the disk is full, read-only or broken: an agent that
 * does not start would count nothing at all.
 * @throws AgentError SPOOL_LOCKED, SPOOL_INVALID
 */
export function openDelivery(
  config: DeliveryConfig,
  directory: string | undefined,
  context: DeliveryContext,
): Delivery {
  if (directory === undefined) return new MemoryDelivery(config, context, false);
  try {
    return new SpooledDelivery(config, directory, context);
  } catch (error) {
    const cause = error instanceof AgentError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
    if (!DISK_TROUBLE.has(cause?.code)) throw error;
    context.log.error(
      { directory, err: cause },
      'the spool cannot be written: batches wait in memory. Mend the disk and start the agent again',
    );
    return new MemoryDelivery(config, context, true);
  }
}

/** What differs from epoch to epoch. */
type EpochConfig = Pick<ExporterConfig, 'node' | 'spoolId' | 'bootId' | 'isOver' | 'onForeign'>;

function exporterOf(config: DeliveryConfig, epoch: EpochConfig, dependencies: ExporterDependencies): Exporter {
  const { aggregator, queueBytes, streamAgeMs, keepaliveMs } = config;
  return createExporter(
    {
      ...{ aggregator, agentVersion: AGENT_VERSION, queueBytes, nodeAddresses: interfaceAddresses, ...epoch },
      ...(streamAgeMs !== undefined && { streamAgeMs }),
      ...(keepaliveMs !== undefined && { keepaliveMs }),
    },
    dependencies,
  );
}

class MemoryDelivery implements Delivery {
  readonly lastCheckpoint = undefined;
  readonly #exporter: Exporter;
  readonly #config: DeliveryConfig;
  readonly #spoolFails: boolean;

  /** @param spoolFails whether there should be a spool */
  constructor(config: DeliveryConfig, context: DeliveryContext, spoolFails: boolean) {
    const { node, bootId, log, link, surroundings } = context;
    this.#config = config;
    this.#spoolFails = spoolFails;
    this.#exporter = exporterOf(config, { node, spoolId: randomUUID(), bootId }, { log, link, ...surroundings });
  }

  get status(): DeliveryStatus {
    const { counters, waiting, isConnected, clockOffsetMs } = this.#exporter;
    return {
      counters,
      waiting,
      isConnected,
      clockOffsetMs,
      oldEpochs: 0,
      epochsSetAside: 0,
      epochsForeign: 0,
      spoolFails: this.#spoolFails,
    };
  }

  get epoch(): string {
    return this.#exporter.epoch;
  }

  start(): void {
    this.#exporter.start();
  }

  clockJumped(): void {
    this.#exporter.renewStream();
  }

  send(window: WindowFlows): void {
    this.#exporter.send(window);
  }

  async stop(deadlineMs: number): Promise<void> {
    if (await this.#exporter.stop(deadlineMs)) return;
    throw new AgentError(
      'NOT_DELIVERED',
      `${this.#exporter.waiting.batches} batches were not acknowledged by ${this.#config.aggregator} within ` +
        `${deadlineMs}ms (--drain-timeout, FLOWTOLL_DRAIN_TIMEOUT): their flows are lost`,
    );
  }
}

/** An earlier epoch, and what sends it. */
interface OldDelivery {
  readonly exporter: Exporter;
  /** No aggregator takes it from this node. */
  readonly isForeign: boolean;
  readonly remove: () => void;
}

class SpooledDelivery implements Delivery {
  readonly #context: DeliveryContext;
  readonly #spool: Spool;
  readonly #counters = createExporterCounters();
  readonly #exporter: Exporter;
  /** The oldest first; sent one after another, before what is made now. */
  readonly #old: OldDelivery[];
  #epochsForeign = 0;
  #started = false;
  #stopped = false;

  constructor(config: DeliveryConfig, directory: string, context: DeliveryContext) {
    this.#context = context;
    const { log, node, bootId, link, surroundings } = context;
    const spool = new Spool({
      directory,
      node,
      bootId,
      goesOnFrom: context.goesOnFrom,
      bytesMax: config.spoolBytes,
      memoryBytesMax: config.queueBytes,
      sync: config.spoolSync,
      onSpooled: context.onSpooled,
      onDiskProblem: (problem) => {
        context.onSpoolFails(problem !== undefined);
        if (problem) log.error({ directory, err: problem }, 'the spool cannot be written: batches wait in memory');
        else log.info({ directory }, 'the spool can be written again');
      },
      onSetAsideGivenUp: (epoch) => {
        this.#counters.batchesLost['set-aside']++;
        log.error({ epoch }, 'the spool is full: a batch that a later version of the agent left is given up');
      },
    });
    this.#spool = spool;
    if (spool.setAside.length > 0) {
      log.warn(
        { directory, epochs: spool.setAside },
        'a later version of the agent left batches in the spool; they wait for it. Start it again, or remove these folders',
      );
    }
    const counters = this.#counters;
    this.#old = spool.oldEpochs().map(({ spoolId, bootId: oldBootId, node: oldNode, openQueue, remove }) => {
      const old = { isForeign: false, remove };
      const onForeign = () => {
        old.isForeign = true;
        void exporter.stop(0);
      };
      const exporter = exporterOf(
        config,
        { node: oldNode, spoolId, bootId: oldBootId, isOver: true, onForeign },
        { log, link, counters, openQueue, ...surroundings },
      );
      return Object.assign(old, { exporter });
    });
    const newSpoolId = () => {
      const id = randomUUID();
      spool.rename(id);
      return id;
    };
    const { spoolId, openQueue } = spool;
    this.#exporter = exporterOf(
      config,
      { node, spoolId, bootId },
      { log, link, counters, openQueue, newSpoolId, ...surroundings },
    );
  }

  get status(): DeliveryStatus {
    const exporters = [...this.#old.map(({ exporter }) => exporter), this.#exporter];
    const current = exporters[0]!;
    return {
      counters: this.#counters,
      waiting: {
        batches: exporters.reduce((sum, { waiting }) => sum + waiting.batches, 0),
        bytes: exporters.reduce((sum, { waiting }) => sum + waiting.bytes, 0),
      },
      isConnected: current.isConnected,
      clockOffsetMs: current.clockOffsetMs,
      oldEpochs: this.#old.length,
      epochsSetAside: this.#spool.setAside.length,
      epochsForeign: this.#epochsForeign,
      spoolFails: this.#spool.diskFails,
    };
  }

  get epoch(): string {
    return this.#exporter.epoch;
  }

  get lastCheckpoint(): string | undefined {
    return this.#spool.lastCheckpoint;
  }

  start(): void {
    this.#sendOldEpochs().then(
      () => {
        if (this.#stopped) return;
        this.#started = true;
        this.#exporter.start();
      },
      (error) => this.#context.log.error({ err: error }, 'sending what an earlier epoch left failed'),
    );
  }

  clockJumped(): void {
    this.#exporter.renewStream();
  }

  send(window: WindowFlows, checkpoint?: string): void {
    this.#exporter.send(window, checkpoint);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    await this.#old[0]?.exporter.stop(0);
    await this.#exporter.stop(this.#started ? deadlineMs : 0);
    this.#spool.close();
  }

  async #sendOldEpochs(): Promise<void> {
    while (this.#old.length > 0 && !this.#stopped) {
      const old = this.#old[0]!;
      const { exporter, remove } = old;
      const { batches } = exporter.waiting;
      this.#context.log.info({ epoch: exporter.epoch, batches }, 'sending what an earlier epoch left');
      exporter.start();
      const isSent = await exporter.stop(NO_DEADLINE_MS);
      if (old.isForeign && !isSent) {
        // What was counted under another name must not keep back what this node counts.
        this.#epochsForeign++;
        this.#old.shift();
        this.#context.log.error(
          { epoch: exporter.epoch, batches: exporter.waiting.batches },
          'the aggregator does not take from this node what an earlier epoch left, for it is another node’s: it stays in the spool ' +
            'and is tried again at the next start. Was the disk copied, or the node renamed?',
        );
        continue;
      }
      if (!isSent) return;
      this.#remove(exporter.epoch, remove);
      this.#old.shift();
    }
  }

  /** What is left of an epoch that is in the table is harmless: the next agent finds it empty, or acknowledged. */
  #remove(epoch: string, remove: () => void): void {
    try {
      remove();
    } catch (error) {
      this.#context.log.warn(
        { epoch, err: error },
        'the folder of an epoch that is sent cannot be removed from the spool',
      );
    }
  }
}
