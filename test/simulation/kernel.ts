// One life of a node's kernel, and the accounting of the agents that live in it. Counters only grow; what an agent accounted
// of them is kept on tmpfs, by the rules at the head of agent/src/baseline/baseline.ts.
//
// This is a model of Baseline and Accountant, not the product: connections that end, events and journals are left out (a
// connection that ended is a counter that stands still). baseline.test.ts and tracker.test.ts play those.
import type { WindowFlows } from '@flowtoll/agent/flow/window-flows.ts';
import type { Random } from './random.ts';

const COUNTERS_MAX = 6;

/** Counters and tmpfs of one boot. */
export class Kernel {
  readonly bootId: string;
  readonly counters: number[] = [0];
  /** Baselines on tmpfs, by number. */
  readonly baselines = new Map<number, readonly number[]>();
  /** Numbers of the journals on tmpfs. */
  readonly journals = new Set<number>();
  /** Whether an agent has ever accounted here. */
  wasAccounted = false;

  constructor(bootId: string) {
    this.bootId = bootId;
  }

  /** All bytes so far. */
  get bytes(): number {
    return sum(this.counters);
  }

  /** Some traffic: so many bytes that no two windows have the same. */
  traffic(random: Random): void {
    if (this.counters.length < COUNTERS_MAX && random.chance(0.2)) this.counters.push(0);
    for (let i = 0; i < this.counters.length; i++) {
      if (random.chance(0.6)) this.counters[i]! += random.integer(1, 1e9);
    }
  }
}

/** A window that an agent closed. */
export interface AccountedWindow {
  /** Bytes of each counter since the window before. */
  readonly deltas: readonly number[];
  /** All bytes of the kernel that are accounted with this window. */
  readonly untilBytes: number;
  /** The word for the spool. */
  readonly checkpoint: string;
}

/** Which baseline a new agent goes on from: the one that the spool names, as the product does; a mutant takes another. */
export type ChooseBaseline = (checkpoint: string | undefined, there: readonly number[]) => number | undefined;

export const namedBySpool: ChooseBaseline = (checkpoint, there) =>
  there.find((number) => String(number) === checkpoint);

/** The accounting of one agent. */
export class Accounting {
  /** Whether it went on from where an agent before had been. */
  readonly goesOn: boolean;
  readonly #kernel: Kernel;
  #position: readonly number[];
  #number: number;

  constructor(kernel: Kernel, checkpoint: string | undefined, choose: ChooseBaseline) {
    this.#kernel = kernel;
    const { baselines, journals } = kernel;
    this.#number = Math.max(0, ...baselines.keys(), ...journals);
    const number = choose(checkpoint, [...baselines.keys()]);
    const baseline = number === undefined ? undefined : baselines.get(number);
    this.goesOn = baseline !== undefined;
    if (number === undefined || baseline === undefined) {
      baselines.clear();
      journals.clear();
    } else {
      this.#dropBefore(number);
      for (const other of baselines.keys()) if (other > number) baselines.delete(other);
    }
    this.#position = baseline ?? [...kernel.counters];
    kernel.wasAccounted = true;
    journals.add(++this.#number);
  }

  /** All bytes of the kernel that are accounted. */
  get bytes(): number {
    return sum(this.#position);
  }

  /** Closes a window, and keeps the accounting after it. */
  close(): AccountedWindow {
    const now = [...this.#kernel.counters];
    const deltas = now.map((bytes, i) => bytes - (this.#position[i] ?? 0));
    this.#position = now;
    const number = ++this.#number;
    this.#kernel.baselines.set(number, now);
    this.#kernel.journals.add(number);
    return { deltas, untilBytes: sum(now), checkpoint: String(number) };
  }

  /** The batch with this checkpoint is in the spool. */
  spooled(checkpoint: string): void {
    this.#dropBefore(Number(checkpoint));
  }

  #dropBefore(number: number): void {
    const { baselines, journals } = this.#kernel;
    for (const old of baselines.keys()) if (old < number) baselines.delete(old);
    for (const old of journals) if (old < number) journals.delete(old);
  }
}

/** Flows of these bytes, one a counter; those that stood still are left out. */
export function windowOf(deltas: readonly number[], startMs: number, endMs: number): WindowFlows {
  const bytes = deltas.filter((delta) => delta > 0);
  const count = bytes.length;
  const addressCount = count + 1;
  const addresses = new Uint8Array(16 * addressCount);
  for (let i = 0; i < addressCount; i++) addresses.set([10, 0, 0, i], 16 * i);
  const words = (of: (i: number) => number) => Uint32Array.from({ length: count }, (_, i) => of(i));
  const ones = () => new Float64Array(count).fill(1);
  return {
    windowStartUs: startMs * 1000,
    windowEndUs: endMs * 1000,
    count,
    addressCount,
    addresses,
    addressIsV6: new Uint8Array(addressCount),
    prefixLengths: new Uint8Array(addressCount).fill(32),
    initiator: words(() => 0),
    responder: words((i) => i + 1),
    originalDestination: words(() => 0),
    originalDestinationPort: words(() => 0),
    translatedSource: words(() => 0),
    protocol: new Uint8Array(count).fill(6),
    responderPort: words(() => 443),
    initiatorBytes: Float64Array.from(bytes),
    initiatorPackets: ones(),
    responderBytes: new Float64Array(count),
    responderPackets: new Float64Array(count),
    connections: words(() => 1),
    folded: new Uint8Array(count),
    foldedCount: 0,
    losses: [],
  };
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
