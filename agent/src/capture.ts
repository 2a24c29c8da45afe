// Reads the live conntrack of this namespace into windows of flows: settings, sockets, accounting and timing put together.
// Runs where it may block: in a worker thread of the agent, or alone in `record`.
import type { Baseline } from './baseline/baseline.ts';
import { CaptureLoop, type LoopClock } from './capture-loop.ts';
import type { CaptureConfig } from './config.ts';
import { ConntrackSettings } from './conntrack-settings.ts';
import { Accountant, type AccountantCounts } from './flow/accountant.ts';
import { AddressRanges, PRIVATE_RANGES } from './flow/address-ranges.ts';
import type { RestoredTracker } from './flow/tracker.ts';
import type { WindowFlows } from './flow/window-flows.ts';
import { requireLittleEndian } from './netlink/constants.ts';
import type { ConntrackConsumer } from './source/conntrack/consumer.ts';
import { LiveConntrack } from './source/conntrack/live.ts';
import { readSysctl } from './system/sysctl.ts';
import type { DumpReport } from './telemetry/telemetry.ts';

/** Takes what should be logged; a thread boundary may lie between. */
export type CaptureLog = (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;

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
  timestamps: boolean,
  startUs: number,
  restored?: RestoredTracker,
): Accountant {
  return new Accountant(
    {
      // Nobody outside sees a number of this generator; node:crypto would cost 2.4 MB for these 32 bits.
      seed: (Math.random() * 2 ** 32) | 0,
      timestamps,
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
  timestamps: boolean,
  state: CaptureState | undefined,
  nowUs: number,
  log: CaptureLog,
): Accountant {
  const restored = state?.baseline.restore(state.checkpoint);
  const accountant = createAccountant(config, timestamps, restored?.windowStartUs ?? nowUs, restored?.tracker);
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
 * Opens the sockets, switches accounting on, takes the baseline, and runs.
 * @param tee puts something between the source and the accounting (a recorder)
 * @throws SystemCallError NOT_PERMITTED without CAP_NET_ADMIN
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
  const { onFailure } = parts;
  const clock = parts.clock ?? SYSTEM_CLOCK;
  const nowUs = () => clock.nowMs() * 1000;
  // The listener first: nf_conntrack_events=2 attaches events to new entries only while somebody listens.
  const source = new LiveConntrack({
    eventBufferBytes: config.eventBufferBytes,
    reliableEvents: config.reliableEvents,
    nowUs,
  });
  try {
    const settings = new ConntrackSettings(config.setSysctls, parts.log);
    settings.switchOn();
    const { timestamps } = settings;
    const { state } = parts;
    const accountant = openAccounting(config, timestamps, state, nowUs(), parts.log);
    const accounting = parts.tee?.(accountant, timestamps) ?? accountant;
    const consumer = state?.baseline.listen(accounting) ?? accounting;
    const watch = new Watch(config, source, accountant, parts.log);
    const loop = new CaptureLoop(
      {
        dumpIntervalMs: config.dumpIntervalMs,
        windowMs: config.windowMs,
        pollIntervalMs: POLL_INTERVAL_MS,
        closesFirstWindow: state !== undefined,
      },
      {
        source,
        accountant,
        consumer,
        clock,
        onWindow: (window) =>
          parts.onWindow({ window, checkpoint: state?.baseline.save(accountant), counts: accountant.counts }),
        wantsWindow: () => state?.baseline.wantsWindow ?? false,
        beforeDump: () => {
          if (settings.recheck().includes('nf_conntrack_timestamp')) accountant.startTimesMissing();
        },
        afterDump: (durationMs) => {
          watch.look();
          parts.onDump?.({ durationMs, entries: accountant.entryCount, counts: accountant.counts });
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

/** Looks after each dump at what may go wrong slowly. */
class Watch {
  readonly #config: CaptureConfig;
  readonly #source: LiveConntrack;
  readonly #accountant: Accountant;
  readonly #log: CaptureLog;
  #reported: AccountantCounts | undefined;

  constructor(config: CaptureConfig, source: LiveConntrack, accountant: Accountant, log: CaptureLog) {
    this.#config = config;
    this.#source = source;
    this.#accountant = accountant;
    this.#log = log;
  }

  look(): void {
    this.#guardReliableEvents();
    const counts = this.#accountant.counts;
    if (counts.dumps > 0 && (this.#reported?.dumps ?? 0) === 0) this.#logBaseline(counts);
    const since = (name: keyof AccountantCounts) => counts[name] - (this.#reported?.[name] ?? 0);
    if (since('eventsDropped') > 0) {
      this.#log('warn', 'the kernel dropped DESTROY events; raise --event-buffer', { events: since('eventsDropped') });
    }
    if (since('undecodable') + since('truncatedDatagrams') > 0) {
      this.#log('warn', 'conntrack messages could not be read', {
        messages: since('undecodable'),
        truncatedDatagrams: since('truncatedDatagrams'),
        last: this.#accountant.lastDecodeError?.message,
      });
    }
    if (since('countersReset') > 0) {
      this.#log('warn', 'counters went down: does another program read conntrack and zero it?', {
        entries: since('countersReset'),
      });
    }
    if (since('failedDumps') > 0) {
      const problem = this.#source.problem?.message ?? `errno ${this.#accountant.lastDumpErrno}`;
      this.#log('warn', 'a dump ended early; the next one makes up for it', { problem });
    }
    this.#reported = counts;
  }

  #logBaseline({ baselinedEntries, baselinedBytes }: AccountantCounts): void {
    this.#log('info', 'baseline taken', {
      entries: this.#accountant.entryCount,
      baselinedEntries,
      baselinedBytes,
      eventBufferBytes: this.#source.eventBufferBytes,
    });
  }

  /** Kept events keep their entries in the kernel's table: a listener that falls behind must not fill it. */
  #guardReliableEvents(): void {
    if (!this.#config.reliableEvents) return;
    const count = readSysctl('nf_conntrack_count');
    const max = readSysctl('nf_conntrack_max');
    if (count === undefined || max === undefined || max === 0) return;
    const fillPercent = (count / max) * 100;
    const limit = this.#config.reliableEventsMaxFillPercent;
    if (this.#source.reliableEvents && fillPercent > limit) {
      this.#source.setReliableEvents(false);
      this.#log('error', 'conntrack is nearly full: reliable events are off until it is not', { count, max, limit });
    } else if (!this.#source.reliableEvents && fillPercent < limit / 2) {
      this.#source.setReliableEvents(true);
      this.#log('info', 'reliable events are on again', { count, max, limit });
    }
  }
}
