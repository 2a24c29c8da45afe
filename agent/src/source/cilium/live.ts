// Cilium's conntrack maps of this node: entries of pods' connections that the kernel's conntrack does not see. There are no
// events: each reading takes the whole maps. Maps are looked up by their path before each reading, because Cilium replaces
// them when it changes their size.
import { join } from 'node:path';
import { AgentError, SystemCallError } from '../../errors.ts';
import { type MapPart, PinnedMap } from '../../system/pinned-map.ts';
import type { EntryConsumer } from '../entry-consumer.ts';
import { EntryRecord } from '../entry-record.ts';
import { type CiliumLayout, type EntryForm, KEY_BYTES_V4, KEY_BYTES_V6, readEntry, VALUE_BYTES } from './layout.ts';
import { LayoutDetector } from './layout-detector.ts';

/** TCP has maps of its own, "any" is everything else. */
const MAPS = [
  { name: 'cilium_ct4_global', isV6: false },
  { name: 'cilium_ct_any4_global', isV6: false },
  { name: 'cilium_ct6_global', isV6: true },
  { name: 'cilium_ct_any6_global', isV6: true },
] as const;

/** Readings that a map which is not pinned any more is kept for: Cilium takes a moment to put another in its place. */
const UNPINNED_READINGS = 12;
/** Between looks whether the layout is still what it was: it changes when Cilium is upgraded beneath us. */
const READINGS_BETWEEN_LOOKS = 60;

/** How the maps are read. */
export interface CiliumOptions {
  /** Where Cilium pins its maps. */
  readonly directory: string;
  /** "auto": found out by looking at entries. */
  readonly layout: CiliumLayout | 'auto';
  /** Bytes of each counted packet that are not IP. */
  readonly frameHeaderBytes: number;
  /** µs since the Unix epoch. */
  readonly nowUs: () => number;
}

/** What the last reading met. */
export interface CiliumReading {
  /** Maps that were read. */
  readonly maps: number;
  readonly entries: number;
  /** Of them, those that have counted nothing: all of them, where Cilium's accounting is off. */
  readonly withoutCounters: number;
}

/**
 * Why nothing can be read now. "no-maps": nothing is pinned there. "layout-unknown": too few entries to tell, or they
 * contradict each other. "layout-changed": Cilium was upgraded, what was accounted cannot be gone on from.
 */
export type CiliumProblem =
  | { readonly kind: 'no-maps' | 'layout-unknown' | 'layout-changed' }
  | { readonly kind: 'system-call'; readonly error: SystemCallError };

interface OpenMap {
  map: PinnedMap;
  /** Readings since its path led nowhere. */
  unpinned: number;
}

/** Reads the maps. Calls block the thread for as long as the kernel needs. */
export class CiliumConntrack {
  readonly #options: CiliumOptions;
  readonly #record = new EntryRecord();
  readonly #open = new Map<string, OpenMap>();
  #layout: CiliumLayout | undefined;
  #problem: CiliumProblem | undefined;
  #reading: CiliumReading = { maps: 0, entries: 0, withoutCounters: 0 };
  #readings = 0;
  #mapsReplaced = 0;

  constructor(options: CiliumOptions) {
    this.#options = options;
    if (options.layout !== 'auto') this.#layout = options.layout;
  }

  /** The layout that is read; undefined while it is not known. */
  get layout(): CiliumLayout | undefined {
    return this.#layout;
  }

  /** Why the last reading was not complete; undefined when it was. */
  get problem(): CiliumProblem | undefined {
    return this.#problem;
  }

  get lastReading(): CiliumReading {
    return this.#reading;
  }

  /** Times that another map was found in a map's place. */
  get mapsReplaced(): number {
    return this.#mapsReplaced;
  }

  /** Takes the layout of an accounting before for granted, where looking gives none. */
  assumeLayout(layout: CiliumLayout): void {
    this.#layout ??= layout;
  }

  /**
   * Looks which layout the maps have now, whatever is known.
   * @throws SystemCallError; AgentError SOURCE_UNKNOWN
   */
  detectLayout(): CiliumLayout | undefined {
    this.#reopen(() => {});
    return this.#seenLayout();
  }

  /** One reading of all maps; whether it was complete. @throws AgentError SOURCE_UNKNOWN */
  dump(consumer: EntryConsumer): boolean {
    const problem = this.#guarded(() => {
      // What a replaced map counted until now is read a last time, before the one in its place.
      this.#reopen((map, isV6) => {
        if (this.#layout !== undefined) map.read(this.#part(map, isV6, this.#layout, consumer, 'destroyed'));
      });
      return this.#findLayout();
    });
    consumer.dumpBegin(this.#options.nowUs());
    this.#problem = problem ?? this.#guarded(() => this.#readAll(consumer));
    const complete = this.#problem === undefined;
    consumer.dumpEnd(this.#options.nowUs(), complete);
    return complete;
  }

  close(): void {
    for (const { map } of this.#open.values()) map.close();
    this.#open.clear();
  }

  #guarded(read: () => CiliumProblem | undefined): CiliumProblem | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return { kind: 'system-call', error };
    }
  }

  #findLayout(): CiliumProblem | undefined {
    if (this.#open.size === 0) return { kind: 'no-maps' };
    if (this.#layout === undefined || this.#isLookDue()) {
      const seen = this.#seenLayout();
      if (seen !== undefined && this.#layout !== undefined && seen !== this.#layout) return { kind: 'layout-changed' };
      this.#layout ??= seen;
    }
    return this.#layout === undefined ? { kind: 'layout-unknown' } : undefined;
  }

  #readAll(consumer: EntryConsumer): undefined {
    const reading = { maps: this.#open.size, entries: 0, withoutCounters: 0 };
    this.#eachMap((map, isV6) => this.#part(map, isV6, this.#layout!, consumer, 'row', reading));
    this.#reading = reading;
  }

  /** Hands over entries as `as`, and counts them. */
  #part(
    map: PinnedMap,
    isV6: boolean,
    layout: CiliumLayout,
    consumer: EntryConsumer,
    as: 'row' | 'destroyed',
    reading = { entries: 0, withoutCounters: 0 },
  ): MapPart {
    const form: EntryForm = { isV6, layout, frameHeaderBytes: this.#options.frameHeaderBytes };
    const { keyBytes } = map.info;
    const record = this.#record;
    return (keys, values, count) => {
      let unreadable = 0;
      for (let i = 0; i < count; i++) {
        const kind = readEntry(keys, i * keyBytes, values, i * VALUE_BYTES, form, record);
        if (kind === 'unreadable') unreadable++;
        if (kind !== 'entry') continue;
        reading.entries++;
        if (!record.hasCounters) reading.withoutCounters++;
        consumer[as](record);
      }
      if (unreadable > 0) consumer.unreadable(unreadable);
    };
  }

  /** The layout that somebody gave is not doubted. */
  #isLookDue(): boolean {
    return this.#options.layout === 'auto' && ++this.#readings % READINGS_BETWEEN_LOOKS === 0;
  }

  #seenLayout(): CiliumLayout | undefined {
    const detector = new LayoutDetector();
    this.#eachMap(({ info: { keyBytes } }, isV6) => (keys, values, count) => {
      for (let i = 0; i < count; i++) detector.look(keys, i * keyBytes, values, i * VALUE_BYTES, isV6);
    });
    return detector.verdict === 'undecided' ? undefined : detector.verdict;
  }

  #eachMap(reader: (map: PinnedMap, isV6: boolean) => MapPart): void {
    for (const { name, isV6 } of MAPS) {
      const open = this.#open.get(name);
      if (open) open.map.read(reader(open.map, isV6));
    }
  }

  /** Opens what is pinned now. `beforeClosing` hears of a map that another has replaced. */
  #reopen(beforeClosing: (map: PinnedMap, isV6: boolean) => void): void {
    for (const { name, isV6 } of MAPS) {
      const known = this.#open.get(name);
      const pinned = PinnedMap.open(join(this.#options.directory, name));
      if (pinned === undefined) {
        if (known && ++known.unpinned > UNPINNED_READINGS) {
          known.map.close();
          this.#open.delete(name);
        }
        continue;
      }
      if (known?.map.info.id === pinned.info.id) {
        known.unpinned = 0;
        pinned.close();
        continue;
      }
      try {
        requireForm(pinned, isV6);
        if (known) {
          this.#mapsReplaced++;
          beforeClosing(known.map, isV6);
        }
      } catch (error) {
        pinned.close();
        throw error;
      }
      known?.map.close();
      this.#open.set(name, { map: pinned, unpinned: 0 });
    }
  }
}

/** A map of other sizes is of a version that we do not know: read as ours it would give arbitrary bytes. */
function requireForm(map: PinnedMap, isV6: boolean): void {
  const keyBytes = isV6 ? KEY_BYTES_V6 : KEY_BYTES_V4;
  const { info, path } = map;
  if (info.keyBytes === keyBytes && info.valueBytes === VALUE_BYTES) return;
  throw new AgentError(
    'SOURCE_UNKNOWN',
    `the map ${path} has keys of ${info.keyBytes} and values of ${info.valueBytes} bytes, not ${keyBytes} and ` +
      `${VALUE_BYTES}: it is of a version of Cilium that this version of Flowtoll does not know; --source conntrack does without it`,
  );
}
