// Keeps a window within its cap K. The largest flows by bytes stay exact, up to half of the cap; the others are summed by
// coarser keys, coarser step by step until the whole fits: first prefixes of the outside, then ports and translations,
// then ever shorter prefixes, last one flow per family and protocol. Bytes stay exact, and each folded flow says so.
import { type AddressRanges, maskWords } from './address-ranges.ts';
import { AddressTable } from './address-table.ts';
import { FlowKey, FlowTable } from './flow-table.ts';

/** One way of making keys coarser. Prefix lengths in bits; `ports` also covers what was translated. */
interface Step {
  readonly outsideV4: number;
  readonly outsideV6: number;
  readonly insideV4: number;
  readonly insideV6: number;
  readonly ports: boolean;
}

const STEPS: readonly Step[] = [
  { outsideV4: 24, outsideV6: 48, insideV4: 32, insideV6: 128, ports: true },
  { outsideV4: 24, outsideV6: 48, insideV4: 32, insideV6: 128, ports: false },
  { outsideV4: 16, outsideV6: 32, insideV4: 32, insideV6: 128, ports: false },
  { outsideV4: 8, outsideV6: 16, insideV4: 32, insideV6: 128, ports: false },
  { outsideV4: 0, outsideV6: 0, insideV4: 32, insideV6: 128, ports: false },
  { outsideV4: 0, outsideV6: 0, insideV4: 24, insideV6: 64, ports: false },
  { outsideV4: 0, outsideV6: 0, insideV4: 16, insideV6: 48, ports: false },
  { outsideV4: 0, outsideV6: 0, insideV4: 0, insideV6: 0, ports: false },
];

/** Smallest cap for which the last step always fits beside the kept half: two families of 256 protocols. */
export const SMALLEST_CAP = 1024;

/** What folding needs to know. */
export interface FoldOptions {
  readonly seed: number;
  readonly inside: AddressRanges;
  /** K. */
  readonly maxFlows: number;
}

/** New tables with at most `maxFlows` flows and the same sums. */
export function fold(
  addresses: AddressTable,
  flows: FlowTable,
  options: FoldOptions,
): { addresses: AddressTable; flows: FlowTable } {
  const order = slotsByBytes(flows);
  const kept = Math.floor(options.maxFlows / 2);
  let folded = foldWith(STEPS[0]!, addresses, flows, order, kept, options);
  for (let i = 1; folded.flows.count > options.maxFlows && i < STEPS.length; i++) {
    folded = foldWith(STEPS[i]!, addresses, flows, order, kept, options);
  }
  return folded;
}

/** Slots, largest sum of bytes first; ties by slot, so that the result does not depend on the sort. */
function slotsByBytes(flows: FlowTable): Uint32Array {
  const order = new Uint32Array(flows.count);
  for (let i = 0; i < order.length; i++) order[i] = i;
  const bytes = (slot: number) => flows.initiatorBytes[slot]! + flows.responderBytes[slot]!;
  return order.sort((a, b) => bytes(b) - bytes(a) || a - b);
}

function foldWith(
  step: Step,
  addresses: AddressTable,
  flows: FlowTable,
  order: Uint32Array,
  kept: number,
  options: FoldOptions,
): { addresses: AddressTable; flows: FlowTable } {
  const into = { addresses: new AddressTable(options.seed), flows: new FlowTable(options.seed) };
  const key = new FlowKey();
  const copy = (position: number) => copyAddress(addresses, position, into.addresses);
  const shorten = (position: number) => shortenAddress(addresses, position, into.addresses, step, options.inside);
  for (let i = 0; i < order.length; i++) {
    const slot = order[i]!;
    flows.readKey(slot, key);
    const exact = i < kept;
    const move = exact ? copy : shorten;
    key.initiator = move(key.initiator);
    key.responder = move(key.responder);
    if (exact || step.ports) {
      if (key.originalDestination > 0) key.originalDestination = 1 + move(key.originalDestination - 1);
      if (key.translatedSource > 0) key.translatedSource = 1 + move(key.translatedSource - 1);
    } else {
      key.originalDestination = 0;
      key.originalDestinationPort = 0;
      key.translatedSource = 0;
      key.responderPort = 0;
    }
    if (!exact) key.folded = 1;
    const target = into.flows.slotOf(key);
    into.flows.add(
      target,
      flows.initiatorBytes[slot]!,
      flows.initiatorPackets[slot]!,
      flows.responderBytes[slot]!,
      flows.responderPackets[slot]!,
    );
    into.flows.connections[target]! += flows.connections[slot]!;
  }
  return into;
}

function copyAddress(from: AddressTable, position: number, into: AddressTable): number {
  return into.intern(
    from.word(position, 0),
    from.word(position, 1),
    from.word(position, 2),
    from.word(position, 3),
    from.isV6(position),
    from.prefixLength(position),
  );
}

/** Masks by prefix length, made when first needed. */
const MASKS = { v4: new Map<number, Int32Array>(), v6: new Map<number, Int32Array>() };

function mask(prefixLength: number, isV6: boolean): Int32Array {
  const masks = isV6 ? MASKS.v6 : MASKS.v4;
  let words = masks.get(prefixLength);
  if (!words) {
    words = maskWords(prefixLength, isV6 ? 16 : 4);
    masks.set(prefixLength, words);
  }
  return words;
}

function shortenAddress(
  from: AddressTable,
  position: number,
  into: AddressTable,
  step: Step,
  inside: AddressRanges,
): number {
  const isV6 = from.isV6(position);
  const w0 = from.word(position, 0);
  const w1 = from.word(position, 1);
  const w2 = from.word(position, 2);
  const w3 = from.word(position, 3);
  const isInside = isV6 ? inside.containsV6(w0, w1, w2, w3) : inside.containsV4(w0);
  const wanted = isV6 ? (isInside ? step.insideV6 : step.outsideV6) : isInside ? step.insideV4 : step.outsideV4;
  const prefixLength = Math.min(wanted, from.prefixLength(position));
  const words = mask(prefixLength, isV6);
  return into.intern(w0 & words[0]!, w1 & words[1]!, w2 & words[2]!, w3 & words[3]!, isV6, prefixLength);
}
