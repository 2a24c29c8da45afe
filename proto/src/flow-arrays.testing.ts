// Arbitrary flows for property tests of the codec and of what stands on it. Values are free within the contract.
import fc from 'fast-check';
import type { FlowArrays } from './flow-arrays.ts';

/** An integer of 0 to 2^53 - 1, with the edges of both halves likely. */
export const counter: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(2000),
  fc.constantFrom(0, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER),
);

const address = fc.record({
  v6: fc.boolean(),
  bytes: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  prefix: fc.nat(32),
});

/** Flows as an agent may hand them over; indices point into the dictionary. */
export const flowArrays: fc.Arbitrary<FlowArrays> = fc
  .array(address, { minLength: 1, maxLength: 8 })
  .chain((addresses) => {
    const index = fc.nat(addresses.length - 1);
    const optional = fc.nat(addresses.length);
    const port = fc.nat(65535);
    const flow = fc.tuple(index, index, optional, port, optional, fc.nat(255), port, fc.nat(0xffff_ffff), fc.boolean());
    const counters = fc.tuple(counter, counter, counter, counter);
    return fc.array(fc.tuple(flow, counters), { maxLength: 40 }).map((flows) => toArrays(addresses, flows));
  });

type Address = { v6: boolean; bytes: Uint8Array; prefix: number };
type Row = [
  [number, number, number, number, number, number, number, number, boolean],
  [number, number, number, number],
];

function toArrays(list: readonly Address[], rows: readonly Row[]): FlowArrays {
  const addresses = new Uint8Array(16 * list.length);
  for (const [i, { v6, bytes }] of list.entries()) addresses.set(v6 ? bytes : bytes.subarray(0, 4), 16 * i);
  const fixed = (of: (row: Row) => number) => Uint32Array.from(rows, of);
  const double = (of: (row: Row) => number) => Float64Array.from(rows, of);
  return {
    count: rows.length,
    addressCount: list.length,
    addresses,
    addressIsV6: Uint8Array.from(list, ({ v6 }) => (v6 ? 1 : 0)),
    prefixLengths: Uint8Array.from(list, ({ v6, prefix }) => (v6 ? 4 * prefix : prefix)),
    initiator: fixed(([flow]) => flow[0]),
    responder: fixed(([flow]) => flow[1]),
    originalDestination: fixed(([flow]) => flow[2]),
    originalDestinationPort: fixed(([flow]) => flow[3]),
    translatedSource: fixed(([flow]) => flow[4]),
    protocol: Uint8Array.from(rows, ([flow]) => flow[5]),
    responderPort: fixed(([flow]) => flow[6]),
    connections: fixed(([flow]) => flow[7]),
    folded: Uint8Array.from(rows, ([flow]) => (flow[8] ? 1 : 0)),
    foldedCount: rows.filter(([flow]) => flow[8]).length,
    initiatorBytes: double(([, counters]) => counters[0]),
    initiatorPackets: double(([, counters]) => counters[1]),
    responderBytes: double(([, counters]) => counters[2]),
    responderPackets: double(([, counters]) => counters[3]),
  };
}
