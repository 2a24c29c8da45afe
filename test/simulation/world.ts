// A world: nodes, replicas, network and store of one seed, what befalls them, and whether the protocol kept its word.
//
// Three phases. Nodes have traffic and things go wrong; then everything heals and agents send what they have; then they say
// goodbye, and those who were stopped for an hour and writes that were lost on their way have their turn. The invariants
// are checked as things happen (table-view.ts, `#onResponse`), and at the end (ledger.ts).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IngestResponse } from '@flowtoll/proto';
import { VirtualClock } from './clock.ts';
import { type CopyKind, Disk } from './disk.ts';
import { pickFault } from './faults.ts';
import { Kernel } from './kernel.ts';
import { Ledger } from './ledger.ts';
import { Network } from './network.ts';
import { Node } from './node.ts';
import { firstEntry, type Parts, PRODUCT } from './parts.ts';
import { Random } from './random.ts';
import { Replica, type ReplicaConfig } from './replica.ts';
import { FAIR, SimulatedStore } from './store.ts';
import { entryKey, TableView } from './table-view.ts';
import { Trace } from './trace.ts';

const START_MS = Date.UTC(2026, 0, 31, 12, 0);
const MINUTE_MS = 60_000;
/** How long agents may take to deliver once everything is well. */
const DRAIN_MAX_MS = 4 * 3_600_000;
const LOOK_MS = 10_000;

/** What one seed came to. */
export interface Outcome {
  readonly seed: number;
  /** What went against the protocol; empty when nothing did. */
  readonly problems: readonly string[];
  readonly trace: Trace;
  /** Events played, batches and log entries in the table. */
  readonly events: number;
  readonly batches: number;
  readonly entries: number;
  /** Names of the faults. */
  readonly faults: readonly string[];
}

/** Plays one seed. */
export async function play(seed: number, parts: Parts = PRODUCT): Promise<Outcome> {
  const root = mkdtempSync(join(tmpdir(), 'flowtoll-simulation-'));
  try {
    return await new World(seed, parts, root).play();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

export class World {
  readonly clock = new VirtualClock(START_MS);
  readonly random: Random;
  readonly parts: Parts;
  readonly trace = new Trace();
  readonly network: Network;
  readonly store: SimulatedStore;
  readonly ledger = new Ledger();
  readonly nodes: Node[] = [];
  /** The newest life of each replica. */
  readonly replicas: Replica[] = [];
  /** Whether the kernels still count. */
  hasTraffic = true;
  /** Nothing new goes wrong any more. */
  isCalm = false;
  readonly #seed: number;
  readonly #root: string;
  readonly #view: TableView;
  readonly #kernels: Kernel[] = [];
  readonly #replicaConfig: ReplicaConfig;
  readonly #faults: string[] = [];
  readonly #problems: string[] = [];
  #paused = 0;
  #names = 0;
  #phase: 'playing' | 'nodes-stopping' | 'nodes-stopped' | 'over' = 'playing';

  constructor(seed: number, parts: Parts, root: string) {
    this.#seed = seed;
    this.#root = root;
    this.parts = parts;
    const random = new Random(seed);
    this.random = random;
    const { clock, note } = this;
    this.network = new Network({ clock, random, note, onResponse: (response) => this.#onResponse(response) });
    this.store = new SimulatedStore({
      clock,
      random,
      note,
      onCreated: (key, bytes) => {
        const committed = this.#view.onCreated(key, bytes);
        if (committed !== undefined) note(`table: version ${this.#view.version}: ${committed}`);
      },
      onChanged: (key) => this.#view.onChanged(key),
    });
    this.#view = new TableView(this.store.objects, this.fail);
    this.store.put(entryKey(0), firstEntry(START_MS));
    this.#replicaConfig = {
      commitIntervalMs: random.pick([2000, 10_000, 30_000]),
      commitBytes: random.pick([1500, 16 << 20]),
      heldBytesMax: random.pick([4000, 64 << 20]),
      windowBytes: random.pick([600, 4 << 20]),
      commitWhenAllWaiting: random.chance(0.5),
      vanishedAfterMs: random.integer(5, 30) * MINUTE_MS,
      ...(random.chance(0.2) && { batchAgeMaxMs: 10 * MINUTE_MS }),
    };
    for (let place = random.integer(1, 4); place >= 0; place--) this.startReplica(place);
    const nodes = random.integer(2, 4);
    for (let i = 0; i < nodes; i++) {
      const node = this.addNode(`node-${'abcd'[i]}`, this.newDisk());
      clock.after(random.integer(0, MINUTE_MS), () => node.start());
    }
  }

  /** Something happened that a reader of the trace should know. */
  readonly note = (text: string, fields?: object): void => {
    this.trace.add(this.clock.nowMs - START_MS, text, fields);
  };

  /** The protocol broke its word. */
  readonly fail = (problem: string): void => {
    this.note(`PROBLEM ${problem}`);
    this.#problems.push(problem);
  };

  readonly newFileName = (): string => `file-${++this.#names}`;

  newDisk(): Disk {
    return new Disk(join(this.#root, String(++this.#names)));
  }

  copyDisk(disk: Disk, kind: CopyKind): Disk {
    return disk.copyTo(join(this.#root, String(++this.#names)), kind);
  }

  newKernel(before?: Kernel): Kernel {
    const fresh = this.random.uuid();
    const kernel = new Kernel(before === undefined ? fresh : this.parts.nextBootId(before.bootId, fresh));
    this.#kernels.push(kernel);
    return kernel;
  }

  addNode(name: string, disk: Disk, hostname = name): Node {
    const { random } = this;
    const skewMs = random.chance(0.3) ? random.integer(-30_000, 30_000) : 0;
    const spoolBytes = random.chance(0.25) ? random.integer(500, 2500) : 1 << 20;
    const node = new Node({ name, hostname, skewMs, spoolBytes }, disk, this);
    this.nodes.push(node);
    return node;
  }

  /** A node that is off comes back after up to two minutes. */
  restartLater(node: Node): void {
    this.clock.after(this.random.spread(200, 2 * MINUTE_MS), () => this.#phase !== 'playing' || node.start());
  }

  startReplica(place: number): void {
    if (this.#phase === 'over' || this.replicas[place]?.process.isDead === false) return;
    this.replicas[place] = new Replica(`replica-${place}`, this.#replicaConfig, this);
  }

  /** One to which a connection can be made; a process that stands still takes connections, too. */
  anyReplica(): Replica | undefined {
    const alive = this.replicas.filter(({ process }) => !process.isDead);
    return alive.length === 0 ? undefined : this.random.pick(alive);
  }

  pause({ process }: Replica, forMs: number): void {
    if (!process.isRunning) return;
    process.pause();
    this.#paused++;
    const { clock, network } = this;
    for (const connection of network.connections) if (connection.isOf(process)) connection.expectLife();
    clock.after(forMs, () => {
      this.#paused--;
      process.resume();
    });
  }

  async play(): Promise<Outcome> {
    const { clock, random } = this;
    const calmMs = random.integer(8, 20) * MINUTE_MS;
    for (let faults = random.integer(5, 14); faults > 0; faults--) {
      clock.after(random.integer(MINUTE_MS, calmMs), () => this.#fault());
    }
    clock.after(calmMs, () => this.#heal());
    clock.after(LOOK_MS, () => this.#look(START_MS + calmMs));
    while (this.#problems.length === 0 && (await clock.step()));
    if (this.#problems.length > 0) await this.#abandon();
    else this.#problems.push(...this.#finalProblems());
    return {
      seed: this.#seed,
      problems: this.#problems,
      trace: this.trace,
      events: clock.events,
      batches: this.#view.batches.size,
      entries: this.#view.version + 1,
      faults: this.#faults,
    };
  }

  #fault(): void {
    const { name, begin } = pickFault(this.random.next());
    this.note(`FAULT ${name}`);
    this.#faults.push(name);
    begin(this);
  }

  /** From now on nothing new goes wrong; nodes come back, and count for two minutes more. */
  #heal(): void {
    const { clock, network, nodes, replicas, store } = this;
    this.note('HEAL');
    this.isCalm = true;
    network.delayMaxMs = 20;
    store.weather = FAIR;
    for (const node of nodes) {
      node.isIsolated = false;
      node.dieAt = undefined;
      node.start();
    }
    for (const place of replicas.keys()) this.startReplica(place);
    clock.after(2 * MINUTE_MS, () => {
      this.hasTraffic = false;
    });
  }

  /** Looks now and then whether all is well, and how far it is. */
  #look(calmAtMs: number): void {
    const { clock, nodes, store } = this;
    for (const replica of this.replicas) {
      const problem = replica.problem(this.#replicaConfig.heldBytesMax);
      if (problem !== undefined) this.fail(problem);
    }
    if (this.#phase === 'playing') {
      if (!this.hasTraffic && nodes.every((node) => node.isDrained)) void this.#stopNodes();
      else if (clock.nowMs > calmAtMs + DRAIN_MAX_MS) this.#failUndrained();
    } else if (this.#phase === 'nodes-stopped' && this.#paused === 0 && store.lateWrites === 0) {
      this.#stopReplicas();
      return;
    }
    clock.after(LOOK_MS, () => this.#look(calmAtMs));
  }

  async #stopNodes(): Promise<void> {
    this.note('all is delivered; nodes stop');
    this.#phase = 'nodes-stopping';
    await Promise.all(this.nodes.map((node) => node.stop()));
    this.#phase = 'nodes-stopped';
  }

  #stopReplicas(): void {
    this.note('nobody is late any more; replicas stop');
    this.#phase = 'over';
    for (const replica of this.replicas) if (!replica.process.isDead) void replica.stop();
  }

  /** Gives free what the system would have to clean up. */
  async #abandon(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.abandon()));
  }

  #failUndrained(): void {
    for (const node of this.nodes) {
      if (!node.isDrained) this.fail(`${node.name} has ${node.disk.batches} batches that nobody takes`);
    }
  }

  /** What is acknowledged is in the table at that very moment. */
  #onResponse({ message }: IngestResponse): void {
    if (message.case !== 'acknowledgement') return;
    const { epoch, sequence } = message.value;
    const committed = this.#view.committed(epoch);
    if (sequence > committed) this.fail(`${epoch} ${sequence} is acknowledged; the table ends with ${committed}`);
  }

  #finalProblems(): string[] {
    const disks = this.nodes.map(({ disk }) => disk);
    const left = this.nodes.filter(({ disk }) => disk.batches > 0);
    return [
      ...(this.#phase === 'over' ? [] : [`nothing happens any more, and it is ${this.#phase}`]),
      ...left.map(({ name, disk }) => `${name} has stopped with ${disk.batches} batches`),
      ...this.ledger.problems(this.#view.batches.values(), this.#kernels, disks),
    ];
  }
}
