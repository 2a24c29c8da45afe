// The agent's capture in one thread, for overflow.test.ts: runs until its input says "stop"; answers that and every other line with the
// sums of all windows so far. Arguments: event buffer in bytes, dump interval in ms, "reliable" or "lossy".
import { createInterface } from 'node:readline';
import { startCapture } from '../../agent/src/capture.ts';
import { CILIUM_DEFAULTS } from '../../agent/src/config.ts';

const [bufferBytes, dumpIntervalMs, delivery] = process.argv.slice(2);
const sums = { connections: 0, bytes: 0, lost: {} as Record<string, number> };
const capture = startCapture(
  {
    node: 'n1',
    dumpIntervalMs: Number(dumpIntervalMs),
    windowMs: 2000,
    maxFlows: 20_000,
    clusterRanges: [],
    initiatorPrefixV4: 24,
    initiatorPrefixV6: 48,
    eventBufferBytes: Number(bufferBytes),
    reliableEvents: delivery === 'reliable',
    reliableEventsMaxFillPercent: 99,
    setSysctls: false,
    logLevel: 'silent',
    source: 'conntrack',
    cilium: CILIUM_DEFAULTS,
  },
  {
    log: () => {},
    onWindow: ({ window }) => {
      for (let i = 0; i < window.count; i++) {
        sums.bytes += window.initiatorBytes[i]! + window.responderBytes[i]!;
        sums.connections += window.connections[i]!;
      }
      for (const { reason, entries } of window.losses) sums.lost[reason] = (sums.lost[reason] ?? 0) + (entries ?? NaN);
    },
  },
);
process.stdout.write('"ready"\n');
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'stop') capture.stop();
  process.stdout.write(`${JSON.stringify({ ...sums, endedUnseen: capture.counts().endedUnseen })}\n`);
  if (line === 'stop') process.exit(0);
});
