// The order in which a batch's flows compress best. Order has no meaning in a batch (each flow is its own), so the encoder
// is free to choose: neighbours that share port and initiator make long matches in five columns.
import type { FlowArrays } from './flow-arrays.ts';

/** A power of two above the number of flows that a batch may hold. */
const POSITIONS = 2 ** 17;

/**
 * Positions of the flows sorted by (responder port, initiator), ties as they were: 1.5 to 2 bytes a flow less than
 * unsorted for 0.04 to 0.08 µs a flow, most of which the compressor saves (measured on the columns of the wire benchmark).
 */
export function compressionOrder(flows: FlowArrays): Uint32Array {
  const { count, addressCount, responderPort, initiator } = flows;
  // Port (16 bits), address (at most 19) and position (at most 17) fit the 53 bits of a double, so that the native sort
  // of numbers does it all, without a comparator. A value out of range may sort anywhere, but must not lose a position.
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const port = Math.min(responderPort[i]!, 0xffff);
    const address = Math.min(initiator[i]!, addressCount);
    keys[i] = (port * (addressCount + 1) + address) * POSITIONS + i;
  }
  keys.sort();
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = (keys[i]! >>> 0) % POSITIONS;
  return order;
}
