// Looks what a node has, once, before a source is chosen: Cilium's maps, whether they count, and whether the kernel's
// conntrack has the same connections.
import { ACCOUNTING_OFF_ENTRIES } from './cilium-source.ts';
import type { CiliumConfig } from './config.ts';
import { AgentError, SystemCallError } from './errors.ts';
import { CiliumConntrack } from './source/cilium/live.ts';
import { LiveConntrack } from './source/conntrack/live.ts';
import { MessageReader } from './source/conntrack/message-reader.ts';
import type { EntryRecord, EntrySink } from './source/entry-record.ts';
import type { SourceSurvey } from './source-choice.ts';

const SAMPLES_MAX = 500;
/** A TCP connection with fewer packets may be an attempt that nobody answered. */
const PACKETS_MIN = 4;
const TCP = 6;
/** For a glance at the table no events are needed. */
const GLANCE_EVENT_BUFFER_BYTES = 64 * 1024;

/** What is on this node. */
export function surveySources({ maps, layout }: CiliumConfig, nowUs: () => number): SourceSurvey {
  const nothing = { problem: undefined, sampled: 0, inConntrack: 0 };
  const cilium = new CiliumConntrack({
    directory: maps,
    // For looking at tuples either layout will do.
    layout: layout === 'auto' ? 'merged' : layout,
    frameHeaderBytes: 0,
    nowUs,
  });
  try {
    const samples = new Samples();
    const complete = cilium.dump({
      dumpBegin: noop,
      destroyed: noop,
      dumpEnd: noop,
      unreadable: noop,
      row: (record) => samples.add(record),
    });
    if (!complete) {
      const { problem } = cilium;
      if (problem?.kind !== 'system-call') return { ...nothing, cilium: 'absent' };
      return { ...nothing, cilium: 'unreadable', problem: problem.error.message };
    }
    const { entries, withoutCounters } = cilium.lastReading;
    const isOff = entries >= ACCOUNTING_OFF_ENTRIES && withoutCounters === entries;
    return {
      cilium: isOff ? 'accounting-off' : 'counting',
      problem: undefined,
      sampled: samples.count,
      inConntrack: samples.count === 0 ? 0 : countInConntrack(samples, nowUs),
    };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { ...nothing, cilium: 'unreadable', problem: error.message };
  } finally {
    cilium.close();
  }
}

/** Connections of Cilium's maps to look for elsewhere. */
class Samples {
  readonly #keys = new Set<string>();
  /** Of their ports: most entries of conntrack have others, and need no key. */
  readonly #ports = new Set<number>();

  get count(): number {
    return this.#keys.size;
  }

  add(record: EntryRecord): void {
    const isLive =
      !record.isClosed && (!record.hasCounters || record.originalPackets + record.replyPackets >= PACKETS_MIN);
    if (record.protocol !== TCP || !isLive || this.#keys.size >= SAMPLES_MAX) return;
    this.#keys.add(keyOf(record, false));
    this.#ports.add(record.originalSourcePort);
  }

  /** The key of a sample that this entry is, before or after translation of its destination. */
  match(record: EntryRecord): string | undefined {
    if (record.protocol !== TCP || !this.#ports.has(record.originalSourcePort)) return undefined;
    return [keyOf(record, false), keyOf(record, true)].find((key) => this.#keys.has(key));
  }
}

function keyOf(record: EntryRecord, translated: boolean): string {
  const { originalSource0, originalSource1, originalSource2, originalSource3, originalSourcePort } = record;
  const destination = translated
    ? [record.replySource0, record.replySource1, record.replySource2, record.replySource3, record.replySourcePort]
    : [
        record.originalDestination0,
        record.originalDestination1,
        record.originalDestination2,
        record.originalDestination3,
        record.originalDestinationPort,
      ];
  return [
    originalSource0,
    originalSource1,
    originalSource2,
    originalSource3,
    originalSourcePort,
    ...destination,
  ].join();
}

/** How many of the samples one dump of the kernel's conntrack shows; none where it cannot be read. */
function countInConntrack(samples: Samples, nowUs: () => number): number {
  const found = new Set<string>();
  const look = (record: EntryRecord) => {
    const key = samples.match(record);
    if (key !== undefined) found.add(key);
  };
  const sink: EntrySink = { row: look, destroyed: look };
  const reader = new MessageReader(sink);
  let conntrack: LiveConntrack | undefined;
  try {
    conntrack = new LiveConntrack({ eventBufferBytes: GLANCE_EVENT_BUFFER_BYTES, reliableEvents: false, nowUs });
    conntrack.dump({
      dumpBegin: noop,
      dumpEnd: noop,
      dumpDatagram: (words, length) => reader.read(words, 0, length),
      eventDatagram: noop,
      eventsDropped: noop,
      eventsDelayed: noop,
    });
  } catch (error) {
    // Without CAP_NET_ADMIN conntrack is no source; what it has does not matter.
    if (!(error instanceof SystemCallError)) throw error;
  } finally {
    conntrack?.close();
  }
  return found.size;
}

function noop(): void {}
