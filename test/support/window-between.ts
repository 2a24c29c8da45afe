// One minute of flows between addresses that a test names, as an agent hands them to its exporter.
import type { WindowFlows } from '@flowtoll/agent/flow/window-flows.ts';

export const MINUTE_MS = 60_000;

/** From one IPv4 address to each of the others, a byte there and one back. */
export function windowBetween(startMs: number, from: string, to: readonly string[]): WindowFlows {
  const count = to.length;
  const fixed = (of: (i: number) => number) => Uint32Array.from({ length: count }, (_, i) => of(i));
  const ones = () => new Float64Array(count).fill(1);
  const addresses = new Uint8Array(16 * (count + 1));
  for (const [i, address] of [from, ...to].entries()) addresses.set(address.split('.').map(Number), 16 * i);
  return {
    ...{ windowStartUs: startMs * 1000, windowEndUs: (startMs + MINUTE_MS) * 1000, count, addressCount: count + 1 },
    ...{ addresses, addressIsV6: new Uint8Array(count + 1), prefixLengths: new Uint8Array(count + 1).fill(32) },
    ...{ initiator: fixed(() => 0), responder: fixed((i) => i + 1), translatedSource: fixed(() => 0) },
    ...{ originalDestination: fixed(() => 0), originalDestinationPort: fixed(() => 0) },
    ...{ protocol: new Uint8Array(count).fill(6), responderPort: fixed(() => 8080), connections: fixed(() => 1) },
    ...{ initiatorBytes: ones(), initiatorPackets: ones(), responderBytes: ones(), responderPackets: ones() },
    ...{ folded: new Uint8Array(count), foldedCount: 0, losses: [] },
  };
}
