// How the agent is watched: its metrics and its health over HTTP. Hears what the capture thread says of itself; reads the
// rest when asked.
import {
  createTelemetryServer,
  Histogram,
  type ListenAddress,
  metricsText,
  type TelemetryServer,
} from '@flowtoll/proto/telemetry';
import type { CertificateStatus } from '@flowtoll/proto/tls';
import type { SourceStatus } from '../capture-source.ts';
import type { Delivery } from '../delivery.ts';
import type { AccountantCounts } from '../flow/accountant.ts';
import { AGENT_VERSION } from '../version.ts';
import { AGENT_METRICS } from './metrics.ts';

/** What the capture thread says after each dump. */
export interface DumpReport {
  readonly durationMs: number;
  /** Entries in memory. */
  readonly entries: number;
  readonly counts: AccountantCounts;
  readonly source: SourceStatus;
}

/** Dump intervals after which a capture thread that says nothing is taken for dead, and the least time for it. */
const DEAD_AFTER_INTERVALS = 10;
const DEAD_AFTER_MIN_MS = 60_000;
const DUMP_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What is known of the agent's health. */
export class AgentTelemetry {
  readonly #delivery: Pick<Delivery, 'status'>;
  readonly #deadAfterMs: number;
  readonly #tlsStatus: () => CertificateStatus | undefined;
  readonly #now: () => number;
  readonly #dumpDuration = new Histogram(DUMP_SECONDS);
  #last: DumpReport | undefined;
  #windowFlows: number | undefined;
  #heardMs: number;
  #clockJumps = 0;
  #stateFails = false;

  /** @param now monotonic clock, ms */
  constructor(
    delivery: Pick<Delivery, 'status'>,
    dumpIntervalMs: number,
    tlsStatus: () => CertificateStatus | undefined = () => undefined,
    now: () => number = () => performance.now(),
  ) {
    this.#tlsStatus = tlsStatus;
    this.#delivery = delivery;
    this.#deadAfterMs = Math.max(DEAD_AFTER_MIN_MS, DEAD_AFTER_INTERVALS * dumpIntervalMs);
    this.#now = now;
    this.#heardMs = now();
  }

  /** The capture thread has dumped. */
  dumped(report: DumpReport): void {
    this.#last = report;
    this.#heardMs = this.#now();
    this.#dumpDuration.observe(report.durationMs / 1000);
  }

  /** A window has closed with so many flows. */
  closedWindow(flows: number): void {
    this.#windowFlows = flows;
  }

  /** The wall clock was set. */
  clockJumped(): void {
    this.#clockJumps++;
  }

  /** The baseline cannot be kept, or can be again. */
  stateFails(fails: boolean): void {
    this.#stateFails = fails;
  }

  metrics(): string {
    return metricsText(AGENT_METRICS, {
      delivery: this.#delivery.status,
      clockJumps: this.#clockJumps,
      stateFails: this.#stateFails,
      counts: this.#last?.counts,
      entries: this.#last?.entries,
      source: this.#last?.source,
      windowFlows: this.#windowFlows,
      dumpDuration: this.#dumpDuration,
      tls: this.#tlsStatus(),
      version: AGENT_VERSION,
    });
  }

  deadBecause(): string | undefined {
    const silentMs = this.#now() - this.#heardMs;
    if (silentMs <= this.#deadAfterMs) return undefined;
    return `the thread that reads the kernel has finished no dump for ${Math.round(silentMs / 1000)} s`;
  }

  notReadyBecause(): string | undefined {
    return (this.#last?.counts.dumps ?? 0) > 0 ? undefined : 'the first reading of the kernel’s table is not complete';
  }

  /** Makes the server; nothing happens before its start(). */
  server(config: ListenAddress): TelemetryServer {
    return createTelemetryServer(config, this);
  }
}
