// The kernel's conntrack of this namespace as a source: settings, sockets, and what may go wrong with them slowly.
import type { CaptureLog, CaptureSource, Reading } from './capture-source.ts';
import type { CaptureConfig } from './config.ts';
import { ConntrackSettings } from './conntrack-settings.ts';
import type { Accountant, AccountantCounts } from './flow/accountant.ts';
import { LiveConntrack } from './source/conntrack/live.ts';
import { readSysctl } from './system/sysctl.ts';

/**
 * Opens the sockets and switches accounting on.
 * @throws SystemCallError NOT_PERMITTED without CAP_NET_ADMIN
 */
export function openConntrackSource(config: CaptureConfig, nowUs: () => number, log: CaptureLog): CaptureSource {
  // The listener first: nf_conntrack_events=2 attaches events to new entries only while somebody listens.
  const source = new LiveConntrack({
    eventBufferBytes: config.eventBufferBytes,
    reliableEvents: config.reliableEvents,
    nowUs,
  });
  const settings = new ConntrackSettings(config.setSysctls, log);
  settings.switchOn();
  const { timestamps } = settings;
  return {
    timestamps,
    ends: 'events',
    form: 'conntrack',
    accepts: (form) => form === 'conntrack',
    bind(accountant, through): Reading {
      const consumer = through(accountant);
      const watch = new Watch(config, source, accountant, log);
      return {
        pollEvents: () => source.pollEvents(consumer),
        dump: () => source.dump(consumer),
        beforeDump() {
          if (settings.recheck().includes('nf_conntrack_timestamp')) accountant.startTimesMissing();
        },
        afterDump: () => watch.look(),
        status: { name: 'conntrack', mapsReplaced: undefined, isAccountingOff: false },
      };
    },
    close: () => source.close(),
  };
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
