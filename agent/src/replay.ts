// Replays a recording through the same accounting as a live capture: windows close where the recorded times say so.
import { createAccountant } from './capture.ts';
import type { CaptureConfig } from './config.ts';
import type { AccountantCounts } from './flow/accountant.ts';
import type { WindowFlows } from './flow/window-flows.ts';
import type { Recording } from './source/conntrack/recording.ts';

/** What a replay gave. */
export interface ReplayResult {
  readonly counts: AccountantCounts;
  /** Whether the recording was whole; one that was cut is replayed up to the cut. */
  readonly whole: boolean;
}

/** Hands over the recording's windows, oldest first. */
export function replay(
  recording: Recording,
  config: CaptureConfig,
  onWindow: (window: WindowFlows) => void,
): ReplayResult {
  const windowUs = config.windowMs * 1000;
  let lastUs = 0;
  const { timestamps } = recording.origin;
  const traits = { timestamps, ends: 'events' } as const;
  let accountant = createAccountant(config, traits, 0);
  let started = false;
  const consumer: Parameters<Recording['replay']>[0] = {
    dumpBegin: (timeUs) => accountant.dumpBegin(timeUs),
    dumpDatagram: (words, length) => accountant.dumpDatagram(words, length),
    dumpEnd: (timeUs, complete) => {
      accountant.dumpEnd(timeUs, complete);
      const window = accountant.closeIfOver(timeUs, windowUs);
      if (window) onWindow(window);
    },
    eventDatagram: (words, offset, length) => accountant.eventDatagram(words, offset, length),
    eventsDropped: (timeUs, events) => accountant.eventsDropped(timeUs, events),
    eventsDelayed: (timeUs) => accountant.eventsDelayed(timeUs),
  };
  const whole = recording.replay(consumer, (timeUs) => {
    if (!started) accountant = createAccountant(config, traits, timeUs);
    started = true;
    lastUs = timeUs;
  });
  if (started) onWindow(accountant.closeLast(lastUs + 1));
  return { counts: accountant.counts, whole };
}
