// One node: a kernel that counts, a disk with a spool, and the agents that live on it one after another. The sending half of
// an agent is the product's (delivery, exporter, spool); its accounting is the model of kernel.ts.
import { type Delivery, openDelivery } from '@flowtoll/agent/delivery.ts';
import type { LinkHandlers } from '@flowtoll/agent/exporter/ingest-link.ts';
import type { Disk } from './disk.ts';
import { type AccountedWindow, Accounting, type Kernel, windowOf } from './kernel.ts';
import type { ClientSide } from './network.ts';
import { SimulatedProcess } from './process.ts';
import type { World } from './world.ts';

const WINDOW_MS = 60_000;
/** A message between the agent's threads takes up to so long. */
const THREAD_HOP_MS = 5;
const DRAIN_MS = 60_000;

/** A step at which an agent can be made to die. */
export type Step =
  | 'baseline-kept' // the window's baseline is written, its batch is not in the spool
  | 'batch-spooled' // in the spool; nobody has been told
  | 'before-write' // about to write a message to a stream
  | 'after-write'; // the message is on its way
export const STEPS: readonly Step[] = ['baseline-kept', 'batch-spooled', 'before-write', 'after-write'];

export interface NodeConfig {
  /** Its name in this world. */
  readonly name: string;
  /** What it calls itself. */
  readonly hostname: string;
  /** How far its clock is ahead, ms. */
  readonly skewMs: number;
  readonly spoolBytes: number;
}

export class Node {
  readonly config: NodeConfig;
  kernel: Kernel;
  disk: Disk;
  /** No replica can be reached. */
  isIsolated = false;
  /** Where the next agent dies. */
  dieAt: Step | undefined;
  /** Something befell the disk since an agent last used it. */
  wasTamperedWith = false;
  readonly #world: World;
  #agent: Agent | undefined;

  constructor(config: NodeConfig, disk: Disk, world: World) {
    this.config = config;
    this.disk = disk;
    this.#world = world;
    this.kernel = world.newKernel();
  }

  get name(): string {
    return this.config.name;
  }

  get agent(): Agent | undefined {
    return this.#agent;
  }

  /** Whether nothing is left to be sent. */
  get isDrained(): boolean {
    return this.#agent?.isDrained === true && this.disk.batches === 0;
  }

  start(): void {
    if (this.#agent !== undefined) return;
    this.#world.note(`${this.name}: agent starts`);
    this.disk.stamp(this.#world.clock.nowMs);
    this.#agent = new Agent(this, this.#world);
    this.wasTamperedWith = false;
  }

  /** The agent dies. With the machine, nobody tells its connections. */
  crash(machineIsGone = false): void {
    const agent = this.#agent;
    if (agent === undefined) return;
    this.#world.note(`${this.name}: agent dies`);
    this.#agent = undefined;
    this.dieAt = undefined;
    agent.die(machineIsGone);
  }

  reboot(): void {
    this.crash(true);
    // With the kernel goes what was not in the spool.
    this.#world.ledger.addGap(this.kernel, this.disk, this.kernel.bytes);
    this.kernel = this.#world.newKernel(this.kernel);
  }

  /** Another disk is in its place. */
  exchangeDisk(disk: Disk): void {
    this.disk = disk;
    this.wasTamperedWith = true;
  }

  /** The agent ends as it should. */
  async stop(): Promise<void> {
    await this.#agent?.stop();
    this.#agent = undefined;
  }

  /** The world ends: gives free what the agent holds. */
  async abandon(): Promise<void> {
    await this.#agent?.abandon();
  }
}

class Agent implements ClientSide {
  readonly process: SimulatedProcess;
  readonly #node: Node;
  readonly #world: World;
  readonly #kernel: Kernel;
  readonly #disk: Disk;
  readonly #accounting: Accounting;
  readonly #delivery: Delivery;
  /** Bytes of the kernel up to which batches are in the spool. */
  #spooledBytes: number;
  #windowStartMs: number;

  constructor(node: Node, world: World) {
    this.#node = node;
    this.#world = world;
    this.#kernel = node.kernel;
    this.#disk = node.disk;
    this.process = new SimulatedProcess(world.clock);
    this.#delivery = this.#openDelivery();
    world.ledger.nameEpoch(this.#delivery.epoch, this.#kernel);
    this.#kernel.traffic(world.random);
    this.#accounting = new Accounting(this.#kernel, this.#delivery.lastCheckpoint, world.parts.chooseBaseline);
    this.#spooledBytes = this.#accounting.bytes;
    this.#windowStartMs = this.#nowMs() - 1;
    if (!this.#accounting.goesOn) this.#noteGap();
    // As in the product: the first window is closed right after the first dump, then the sending half is told to start.
    this.#closeWindow();
    this.process.after(() => this.#delivery.start(), THREAD_HOP_MS + 1);
    this.#scheduleWindow();
  }

  get name(): string {
    return this.#node.name;
  }

  get isDrained(): boolean {
    return this.#delivery.status.waiting.batches === 0;
  }

  onWrite(when: 'before' | 'after'): void {
    this.#dieIfAt(when === 'before' ? 'before-write' : 'after-write');
  }

  die(machineIsGone: boolean): void {
    this.process.kill();
    this.#world.network.died(this.process, machineIsGone);
    // What the system does: the lock goes. Nothing of it reaches disk or network any more.
    this.#world.clock.after(0, () => void this.#delivery.stop(0));
  }

  async abandon(): Promise<void> {
    this.process.kill();
    await this.#delivery.stop(0);
  }

  async stop(): Promise<void> {
    this.#closeWindow();
    await new Promise<void>((resolve) => this.process.after(resolve, THREAD_HOP_MS + 1));
    await this.#delivery.stop(DRAIN_MS);
    this.process.kill();
  }

  #openDelivery(): Delivery {
    const { name, hostname, spoolBytes } = this.#node.config;
    const world = this.#world;
    const note = (fields: object, message: string) => world.note(`${name}: ${message}`, fields);
    return openDelivery(
      { aggregator: 'simulation', queueBytes: 1 << 20, spoolBytes, spoolSync: false },
      this.#disk.path,
      {
        node: hostname,
        bootId: this.#kernel.bootId,
        log: { info: note, warn: note, error: note },
        goesOnFrom: (checkpoint) => world.parts.goesOnFrom(this.#kernel, checkpoint),
        onSpooled: (checkpoint) =>
          this.process.after(() => this.#accounting.spooled(checkpoint), world.random.integer(0, THREAD_HOP_MS)),
        onSpoolFails: () => world.fail(`${name}: the spool's folder cannot be written`),
        surroundings: {
          now: () => this.#nowMs(),
          random: world.random.next,
          schedule: this.process.after,
          openLink: world.parts.throughLink((handlers) => this.#openLink(handlers)),
        },
      },
    );
  }

  #openLink(handlers: LinkHandlers) {
    const { network } = this.#world;
    const server = this.#node.isIsolated || !this.process.isRunning ? undefined : this.#world.anyReplica();
    return network.connect(this, server, handlers);
  }

  #nowMs(): number {
    return this.#world.clock.nowMs + this.#node.config.skewMs;
  }

  /** Where it could not go on, what passed since the last spooled batch is unknown; the disk must be the reason. */
  #noteGap(): void {
    this.#world.ledger.addGap(this.#kernel, this.#disk, this.#accounting.bytes);
    const hasSpooled = [...this.#disk.contents].some(({ kernel }) => kernel === this.#kernel);
    if (!hasSpooled || this.#node.wasTamperedWith) return;
    this.#world.fail(`${this.name}: the accounting is lost, and nothing befell the disk`);
  }

  #scheduleWindow(): void {
    const nowMs = this.#nowMs();
    this.process.after(
      () => {
        if (!this.#world.hasTraffic) return;
        this.#closeWindow();
        this.#scheduleWindow();
      },
      Math.ceil((nowMs + 1) / WINDOW_MS) * WINDOW_MS - nowMs,
    );
  }

  #closeWindow(): void {
    const { ledger, random, hasTraffic } = this.#world;
    if (hasTraffic) this.#kernel.traffic(random);
    while (ledger.isTaken(this.#kernel, this.#kernel.bytes - this.#spooledBytes)) this.#kernel.counters[0]!++;
    const window = this.#accounting.close();
    if (this.#dieIfAt('baseline-kept')) return;
    this.process.after(() => this.#send(window), random.integer(0, THREAD_HOP_MS));
  }

  #send({ deltas, untilBytes, checkpoint }: AccountedWindow): void {
    const startMs = this.#windowStartMs;
    this.#windowStartMs = Math.max(this.#nowMs(), startMs + 1);
    const before = this.#delivery.status.waiting.batches;
    this.#delivery.send(windowOf(deltas, startMs, this.#windowStartMs), checkpoint);
    if (this.#delivery.status.waiting.batches > before) this.#noteContent(untilBytes);
    this.#dieIfAt('batch-spooled');
  }

  #noteContent(toBytes: number): void {
    const fromBytes = this.#spooledBytes;
    this.#spooledBytes = toBytes;
    if (toBytes === fromBytes) return;
    const content = { kernel: this.#kernel, fromBytes, toBytes };
    this.#world.ledger.add(content);
    this.#disk.contents.add(content);
  }

  #dieIfAt(step: Step): boolean {
    if (this.#node.agent !== this || this.#node.dieAt !== step) return false;
    this.#world.note(`${this.name}: dies at ${step}`);
    this.#node.crash();
    this.#world.restartLater(this.#node);
    return true;
  }
}
