// What the capture asks of a source, whatever it reads.
import type { Accountant } from './flow/accountant.ts';
import type { ConntrackConsumer } from './source/conntrack/consumer.ts';

/** Takes what should be logged; a thread boundary may lie between. */
export type CaptureLog = (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;

/** How a source stands, for metrics. */
export interface SourceStatus {
  readonly name: 'conntrack' | 'cilium';
  /** Times that another map was found in a map's place; undefined for sources without maps. */
  readonly mapsReplaced: number | undefined;
  /** Whether entries are there and count nothing, because their owner does not let them. */
  readonly isAccountingOff: boolean;
}

/** An open source. */
export interface CaptureSource {
  /** Whether new entries have start times. */
  readonly timestamps: boolean;
  /** How it tells that an entry has ended. */
  readonly ends: 'events' | 'absence';
  /** What a baseline says of the accounting that it holds: another form cannot be gone on from. */
  readonly form: string;
  /** Whether the accounting can go on from one of this form. */
  accepts(form: string): boolean;
  /** Feeds the accounting from now on. @param through puts listeners between, where the source has datagrams */
  bind(accountant: Accountant, through: (next: ConntrackConsumer) => ConntrackConsumer): Reading;
  close(): void;
}

/** A source that feeds an accounting. */
export interface Reading {
  /** Hands over waiting events; returns how many. */
  pollEvents(): number;
  /** One full dump; whether it was complete. */
  dump(): boolean;
  /** What has to be watched about as often as dumps are made. */
  beforeDump(): void;
  afterDump(): void;
  readonly status: SourceStatus;
}
