// Sums of the current window: entry + delta → flow. Decides which addresses are kept whole, bounds the number of flows, and
// yields the window's columns.
import type { EntryRecord } from '../source/entry-record.ts';
import { protocolHasPorts } from '../source/ip-protocols.ts';
import { type AddressRanges, maskWords } from './address-ranges.ts';
import { AddressTable } from './address-table.ts';
import { FlowKey, FlowTable } from './flow-table.ts';
import { fold } from './fold.ts';
import type { Loss, WindowFlows } from './window-flows.ts';

/** How flows are reduced. */
export interface ReducerOptions {
  /** Secret seed of the hash tables. */
  readonly seed: number;
  /** The cluster's and private ranges: initiators outside of them are kept as prefixes. */
  readonly inside: AddressRanges;
  /** Prefix length of outside initiators, IPv4; 32 keeps them whole. */
  readonly initiatorPrefixV4: number;
  /** Prefix length of outside initiators, IPv6; 128 keeps them whole. */
  readonly initiatorPrefixV6: number;
  /** K: most flows of one batch. */
  readonly maxFlows: number;
}

/** Flows in memory during a window before they are folded early, as a multiple of K. */
const EARLY_FOLD_FACTOR = 4;

/** Collects one window after another. */
export class Reducer {
  readonly #options: ReducerOptions;
  readonly #maskV4: number;
  readonly #maskV6: Int32Array;
  readonly #key = new FlowKey();
  #addresses: AddressTable;
  #flows: FlowTable;
  #foldings = 0;

  constructor(options: ReducerOptions) {
    this.#options = options;
    this.#maskV4 = maskWords(options.initiatorPrefixV4, 4)[0]!;
    this.#maskV6 = maskWords(options.initiatorPrefixV6, 16);
    this.#addresses = new AddressTable(options.seed);
    this.#flows = new FlowTable(options.seed);
  }

  /** Flows in the current window so far. */
  get count(): number {
    return this.#flows.count;
  }

  /** Changes whenever slots that `slotOf` gave lose their meaning. */
  get generation(): number {
    return this.#flows.generation;
  }

  /** How often the cap was reached. */
  get foldings(): number {
    return this.#foldings;
  }

  /** Slot of the flow that an entry belongs to. */
  slotOf(record: EntryRecord): number {
    if (this.#flows.count >= this.#options.maxFlows * EARLY_FOLD_FACTOR) this.#fold();
    const key = this.#key;
    const v6 = record.isV6;
    key.initiator = this.#initiator(record);
    key.responder = this.#whole(record.replySource0, record.replySource1, record.replySource2, record.replySource3, v6);
    const hasPorts = protocolHasPorts(record.protocol);
    const destinationMoved =
      record.originalDestination0 !== record.replySource0 ||
      (hasPorts && record.originalDestinationPort !== record.replySourcePort) ||
      (v6 &&
        (record.originalDestination1 !== record.replySource1 ||
          record.originalDestination2 !== record.replySource2 ||
          record.originalDestination3 !== record.replySource3));
    key.originalDestination = 0;
    key.originalDestinationPort = 0;
    if (destinationMoved) {
      key.originalDestination =
        1 +
        this.#whole(
          record.originalDestination0,
          record.originalDestination1,
          record.originalDestination2,
          record.originalDestination3,
          v6,
        );
      if (hasPorts) key.originalDestinationPort = record.originalDestinationPort;
    }
    const sourceMoved =
      record.replyDestination0 !== record.originalSource0 ||
      (v6 &&
        (record.replyDestination1 !== record.originalSource1 ||
          record.replyDestination2 !== record.originalSource2 ||
          record.replyDestination3 !== record.originalSource3));
    key.translatedSource = sourceMoved
      ? 1 +
        this.#whole(
          record.replyDestination0,
          record.replyDestination1,
          record.replyDestination2,
          record.replyDestination3,
          v6,
        )
      : 0;
    key.protocol = record.protocol;
    key.responderPort = hasPorts ? record.replySourcePort : 0;
    key.folded = 0;
    return this.#flows.slotOf(key);
  }

  /** Adds a delta to a flow. */
  add(
    slot: number,
    initiatorBytes: number,
    initiatorPackets: number,
    responderBytes: number,
    responderPackets: number,
    connections: number,
  ): void {
    this.#flows.add(slot, initiatorBytes, initiatorPackets, responderBytes, responderPackets);
    this.#flows.connections[slot]! += connections;
  }

  /** Ends the window: its columns, at most K flows. The next window begins empty. */
  close(windowStartUs: number, windowEndUs: number, losses: readonly Loss[]): WindowFlows {
    if (this.#flows.count > this.#options.maxFlows) this.#fold();
    const flows = this.#flows;
    const count = flows.count;
    const key = new FlowKey();
    const window = {
      windowStartUs,
      windowEndUs,
      count,
      addressCount: this.#addresses.count,
      ...this.#addresses.columns(),
      initiator: new Uint32Array(count),
      responder: new Uint32Array(count),
      originalDestination: new Uint32Array(count),
      originalDestinationPort: new Uint32Array(count),
      translatedSource: new Uint32Array(count),
      protocol: new Uint8Array(count),
      responderPort: new Uint32Array(count),
      initiatorBytes: flows.initiatorBytes.slice(0, count),
      initiatorPackets: flows.initiatorPackets.slice(0, count),
      responderBytes: flows.responderBytes.slice(0, count),
      responderPackets: flows.responderPackets.slice(0, count),
      connections: flows.connections.slice(0, count),
      folded: new Uint8Array(count),
      foldedCount: 0,
      losses,
    };
    for (let i = 0; i < count; i++) {
      flows.readKey(i, key);
      window.initiator[i] = key.initiator;
      window.responder[i] = key.responder;
      window.originalDestination[i] = key.originalDestination;
      window.originalDestinationPort[i] = key.originalDestinationPort;
      window.translatedSource[i] = key.translatedSource;
      window.protocol[i] = key.protocol;
      window.responderPort[i] = key.responderPort;
      window.folded[i] = key.folded;
      window.foldedCount += key.folded;
    }
    flows.clear();
    this.#addresses.clear();
    return window;
  }

  #fold(): void {
    const folded = fold(this.#addresses, this.#flows, this.#options);
    folded.flows.generation = this.#flows.generation + 1;
    this.#addresses = folded.addresses;
    this.#flows = folded.flows;
    this.#foldings++;
  }

  /** Initiators of the outside are kept as prefixes: they are many, and only their region matters. */
  #initiator(record: EntryRecord): number {
    const w0 = record.originalSource0;
    const w1 = record.originalSource1;
    const w2 = record.originalSource2;
    const w3 = record.originalSource3;
    const { inside, initiatorPrefixV4, initiatorPrefixV6 } = this.#options;
    if (record.isV6) {
      if (initiatorPrefixV6 === 128 || inside.containsV6(w0, w1, w2, w3)) {
        return this.#addresses.intern(w0, w1, w2, w3, true, 128);
      }
      const mask = this.#maskV6;
      return this.#addresses.intern(
        w0 & mask[0]!,
        w1 & mask[1]!,
        w2 & mask[2]!,
        w3 & mask[3]!,
        true,
        initiatorPrefixV6,
      );
    }
    if (initiatorPrefixV4 === 32 || inside.containsV4(w0)) return this.#addresses.intern(w0, 0, 0, 0, false, 32);
    return this.#addresses.intern(w0 & this.#maskV4, 0, 0, 0, false, initiatorPrefixV4);
  }

  #whole(w0: number, w1: number, w2: number, w3: number, isV6: boolean): number {
    return isV6 ? this.#addresses.intern(w0, w1, w2, w3, true, 128) : this.#addresses.intern(w0, 0, 0, 0, false, 32);
  }
}
