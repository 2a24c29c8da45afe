// Reads a live source into windows of flows: source, accounting and timing put together.
// Runs where it may block: in a worker thread of the agent, or alone in `record`.
import type { Baseline } from './baseline/baseline.ts';
import { CaptureLoop, type LoopClock } from './capture-loop.ts';
import type { CaptureLog, CaptureSource } from './capture-source.ts';
import type { CaptureConfig } from './config.ts';
import { Accountant, type AccountantCounts } from './flow/accountant.ts';
import { AddressRanges, PRIVATE_RANGES } from './flow/address-ranges.ts';
import type { RestoredTracker } from './flow/tracker.ts';
import type { WindowFlows } from './flow/window-flows.ts';
import { requireLittleEndian } from './netlink/constants.ts';
import { openSource } from './open-source.ts';
import type { ConntrackConsumer } from './source/conntrack/consumer.ts';
import type { DumpReport } from './telemetry/telemetry.ts';

/** A window that has ended. */
export interface ClosedWindow {
  readonly window: WindowFlows;
  /** The word that the spool has to keep with the window's batch; undefined where there is no baseline. */
  readonly checkpoint: string | undefined;
  /** What was met so far. */
  readonly counts: AccountantCounts;
}

/** A running capture. */
export interface Capture {
  /** Accounts what there is, hands over the last window, closes the sockets. */
  stop(): void;
  counts(): AccountantCounts;
  /** Whether new entries have start times. */
  readonly timestamps: boolean;
}

/** The clock of the machine. */
export const SYSTEM_CLOCK: LoopClock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Between looks at the event socket: 20 ms of 200,000 events a second fit into a tenth of the default buffer. */
const POLL_INTERVAL_MS = 20;

/** The accounting of a configuration. Hash seeds are random: see flow/hash.ts. */
export function createAccountant(
  config: CaptureConfig,
  { timestamps, ends }: Pick<CaptureSource, 'timestamps' | 'ends'>,
  startUs: number,
  restored?: RestoredTracker,
): Accountant {
  return new Accountant(
    {
      // Nobody outside sees a number of this generator; node:crypto would cost 2.4 MB for these 32 bits.
      seed: (Math.random() * 2 ** 32) | 0,
      timestamps,
      ends,
      inside: new AddressRanges([...PRIVATE_RANGES, ...config.clusterRanges]),
      initiatorPrefixV4: config.initiatorPrefixV4,
      initiatorPrefixV6: config.initiatorPrefixV6,
      maxFlows: config.maxFlows,
    },
    startUs,
    restored,
  );
}

/** Where the accounting survives this process. */
export interface CaptureState {
  readonly baseline: Baseline;
  /** What the last batch in the spool says of its baseline; undefined when this life of the kernel has no batch yet. */
  readonly checkpoint: string | undefined;
}

/** The accounting: that of the process before, where it left one, or a new one. */
function openAccounting(
  config: CaptureConfig,
  source: CaptureSource,
  state: CaptureState | undefined,
  nowUs: number,
  log: CaptureLog,
): Accountant {
  const restored = state?.baseline.restore(state.checkpoint, (form) => source.accepts(form));
  const accountant = createAccountant(config, source, restored?.windowStartUs ?? nowUs, restored?.tracker);
  if (restored) {
    restored.goOn(accountant, nowUs);
    log('info', 'going on from the baseline of the agent before', { entries: accountant.entryCount });
  } else if (state?.baseline.isLost) {
    accountant.addLoss({ reason: 'agent-away', entries: undefined, bytes: undefined });
    log('warn', 'the accounting of the agent before cannot be gone on from: what it had not spooled is not known', {});
  }
  return accountant;
}

/**
 * Opens the source, takes the baseline, and runs.
 * @param tee puts something between conntrack and the accounting (a recorder)
 * @throws SystemCallError NOT_PERMITTED without CAP_NET_ADMIN (conntrack) or CAP_BPF (Cilium)
 */
export function startCapture(
  config: CaptureConfig,
  parts: {
    log: CaptureLog;
    onWindow: (closed: ClosedWindow) => void;
    /** Hears of each dump. */
    onDump?: (report: DumpReport) => void;
    /** The wall clock was set; ms, positive when it was set forward. */
    onClockJump?: (jumpMs: number) => void;
    state?: CaptureState | undefined;
    clock?: LoopClock;
    tee?: (next: ConntrackConsumer, timestamps: boolean) => ConntrackConsumer;
    /** The capture failed while it ran and has ended; its last window was handed over. Without it the error is thrown. */
    onFailure?: (error: unknown) => void;
  },
): Capture {
  requireLittleEndian();
  const { log, onFailure, state } = parts;
  const clock = parts.clock ?? SYSTEM_CLOCK;
  const nowUs = () => clock.nowMs() * 1000;
  const source = openSource(config, nowUs, log);
  const { timestamps } = source;
  try {
    const accountant = openAccounting(config, source, state, nowUs(), log);
    const reading = source.bind(accountant, (next) => {
      const accounting = parts.tee?.(next, timestamps) ?? next;
      return state?.baseline.listen(accounting) ?? accounting;
    });
    const loop = new CaptureLoop(
      {
        dumpIntervalMs: config.dumpIntervalMs,
        windowMs: config.windowMs,
        pollIntervalMs: POLL_INTERVAL_MS,
        closesFirstWindow: state !== undefined,
      },
      {
        source: reading,
        accountant,
        clock,
        onWindow: (window) =>
          parts.onWindow({
            window,
            checkpoint: state?.baseline.save(accountant, source.form),
            counts: accountant.counts,
          }),
        wantsWindow: () => state?.baseline.wantsWindow ?? false,
        beforeDump: () => reading.beforeDump(),
        afterDump: (durationMs) => {
          reading.afterDump();
          const { counts, entryCount: entries } = accountant;
          parts.onDump?.({ durationMs, entries, counts, source: reading.status });
        },
        ...(parts.onClockJump && { onClockJump: parts.onClockJump }),
        ...(onFailure && {
          onFailure: (error: unknown) => {
            source.close();
            onFailure(error);
          },
        }),
      },
    );
    loop.start();
    return {
      timestamps,
      counts: () => accountant.counts,
      stop: () => {
        try {
          loop.stop();
        } finally {
          source.close();
          state?.baseline.close();
        }
      },
    };
  } catch (error) {
    source.close();
    throw error;
  }
}
