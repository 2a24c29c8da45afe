// Reads the live conntrack of this namespace into windows of flows: settings, sockets, accounting and timing put together.
// Runs where it may block: in a worker thread of the agent, or alone in `record`.
import { randomBytes } from 'node:crypto';
import { CaptureLoop, type LoopClock } from './capture-loop.ts';
import type { CaptureConfig } from './config.ts';
import { Accountant, type AccountantCounts } from './flow/accountant.ts';
import { AddressRanges, PRIVATE_RANGES } from './flow/address-ranges.ts';
import type { WindowFlows } from './flow/window-flows.ts';
import { requireLittleEndian } from './netlink/constants.ts';
import type { ConntrackConsumer } from './source/conntrack/consumer.ts';
import { LiveConntrack } from './source/conntrack/live.ts';
import { ensureSysctl, readSysctl, type SysctlOutcome } from './system/sysctl.ts';

/** Takes what should be logged; a thread boundary may lie between. */
export type CaptureLog = (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;

/** A running capture. */
export interface Capture {
  /** Accounts what there is, hands over the last window, closes the sockets. */
  stop(): void;
  counts(): AccountantCounts;
  /** Whether new entries have start times. */
  readonly timestamps: boolean;
}

/** What is lost while a setting is not as wanted. */
const CONSEQUENCES: Readonly<Record<string, string>> = {
  nf_conntrack_acct: 'connections are not counted: their bytes are missing, and reports say so as loss "no-counters"',
  nf_conntrack_timestamp: 'a connection that reuses the addresses and ports of one just ended may be mistaken for it',
  nf_conntrack_events: 'connections that were open before the agent began may end without a last reading',
};

/** The clock of the machine. */
export const SYSTEM_CLOCK: LoopClock = {
  nowMs: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Between looks at the event socket: 20 ms of 200,000 events a second fit into a tenth of the default buffer. */
const POLL_INTERVAL_MS = 20;

/** The accounting of a configuration. Hash seeds are random: see flow/hash.ts. */
export function createAccountant(config: CaptureConfig, timestamps: boolean, startUs: number): Accountant {
  return new Accountant(
    {
      seed: randomBytes(4).readInt32LE(),
      timestamps,
      inside: new AddressRanges([...PRIVATE_RANGES, ...config.clusterRanges]),
      initiatorPrefixV4: config.initiatorPrefixV4,
      initiatorPrefixV6: config.initiatorPrefixV6,
      maxFlows: config.maxFlows,
    },
    startUs,
  );
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
    onWindow: (window: WindowFlows) => void;
    clock?: LoopClock;
    tee?: (next: ConntrackConsumer, timestamps: boolean) => ConntrackConsumer;
  },
): Capture {
  requireLittleEndian();
  const clock = parts.clock ?? SYSTEM_CLOCK;
  const nowUs = () => clock.nowMs() * 1000;
  // The listener first: nf_conntrack_events=2 attaches events to new entries only while somebody listens.
  const source = new LiveConntrack({
    eventBufferBytes: config.eventBufferBytes,
    reliableEvents: config.reliableEvents,
    nowUs,
  });
  try {
    const timestamps = switchOn(config, parts.log);
    const accountant = createAccountant(config, timestamps, nowUs());
    const consumer = parts.tee?.(accountant, timestamps) ?? accountant;
    const watch = new Watch(config, source, accountant, parts.log);
    const loop = new CaptureLoop(
      { dumpIntervalMs: config.dumpIntervalMs, windowMs: config.windowMs, pollIntervalMs: POLL_INTERVAL_MS },
      { source, accountant, consumer, clock, onWindow: parts.onWindow, afterDump: () => watch.look() },
    );
    loop.start();
    const { baselinedEntries, baselinedBytes } = accountant.counts;
    parts.log('info', 'baseline taken', {
      entries: accountant.entryCount,
      baselinedEntries,
      baselinedBytes,
      eventBufferBytes: source.eventBufferBytes,
    });
    return {
      timestamps,
      counts: () => accountant.counts,
      stop: () => {
        loop.stop();
        source.close();
      },
    };
  } catch (error) {
    source.close();
    throw error;
  }
}

/** Switches on what accounting needs; returns whether start times are on. */
function switchOn(config: CaptureConfig, log: CaptureLog): boolean {
  const wanted: [string, number][] = [
    ['nf_conntrack_acct', 1],
    ['nf_conntrack_timestamp', 1],
    ['nf_conntrack_events', 1],
  ];
  const outcomes = wanted.map(([name, value]) => ensureSysctl(name, value, config.setSysctls));
  for (const outcome of outcomes) report(outcome, log);
  return outcomes[1]!.ok;
}

function report(outcome: SysctlOutcome, log: CaptureLog): void {
  if (outcome.changed) log('info', 'switched on', { sysctl: `net.netfilter.${outcome.name}` });
  if (outcome.ok) return;
  log('warn', `net.netfilter.${outcome.name} is not 1: ${CONSEQUENCES[outcome.name]}`, {
    value: outcome.value ?? null,
    problem: outcome.problem ?? null,
    remedy: `sysctl -w net.netfilter.${outcome.name}=1, or let the agent write /proc/sys (privileged, root)`,
  });
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
    const since = (name: keyof AccountantCounts) => counts[name] - (this.#reported?.[name] ?? 0);
    if (since('eventsDropped') > 0) {
      this.#log('warn', 'the kernel dropped DESTROY events; raise --event-buffer', { events: since('eventsDropped') });
    }
    if (since('undecodable') > 0) {
      this.#log('warn', 'conntrack messages could not be read', {
        messages: since('undecodable'),
        last: this.#accountant.lastDecodeError?.message,
      });
    }
    if (since('countersReset') > 0) {
      this.#log('warn', 'counters went down: does another program read conntrack and zero it?', {
        entries: since('countersReset'),
      });
    }
    if (since('failedDumps') > 0) {
      this.#log('warn', 'the kernel ended a dump early', { errno: this.#accountant.lastDumpErrno });
    }
    this.#reported = counts;
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
