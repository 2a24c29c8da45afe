// Windows of flows for tests of the exporter: small, with bytes that can be told apart.
import type { Loss, WindowFlows } from '../flow/window-flows.ts';

export const WINDOW_MS = 60_000;
export const FIRST_WINDOW_MS = Date.UTC(2026, 5, 1, 12, 0);

/** A window number `index` with `count` flows; flow i of it has `1000 × index + i` bytes from the initiator, 1 back. */
export function windowFlows(index: number, count: number, losses: readonly Loss[] = []): WindowFlows {
  const fixed = (of: (i: number) => number) => Uint32Array.from({ length: count }, (_, i) => of(i));
  const double = (of: (i: number) => number) => Float64Array.from({ length: count }, (_, i) => of(i));
  const addressCount = count + 1;
  const addresses = new Uint8Array(16 * addressCount);
  for (let i = 0; i < addressCount; i++) addresses.set([10, index & 255, i >>> 8, i & 255], 16 * i);
  return {
    windowStartUs: (FIRST_WINDOW_MS + index * WINDOW_MS) * 1000,
    windowEndUs: (FIRST_WINDOW_MS + (index + 1) * WINDOW_MS) * 1000,
    count,
    addressCount,
    addresses,
    addressIsV6: new Uint8Array(addressCount),
    prefixLengths: new Uint8Array(addressCount).fill(32),
    initiator: fixed(() => 0),
    responder: fixed((i) => i + 1),
    originalDestination: fixed(() => 0),
    originalDestinationPort: fixed(() => 0),
    translatedSource: fixed(() => 0),
    protocol: new Uint8Array(count).fill(6),
    responderPort: fixed((i) => 60_000 - i),
    initiatorBytes: double((i) => 1000 * index + i),
    initiatorPackets: double(() => 1),
    responderBytes: double(() => 1),
    responderPackets: double(() => 1),
    connections: fixed(() => 1),
    folded: new Uint8Array(count),
    foldedCount: 0,
    losses,
  };
}

/** Bytes in both directions of the window's flows. */
export function windowBytes(index: number, count: number): number {
  return 1000 * index * count + (count * (count - 1)) / 2 + count;
}
