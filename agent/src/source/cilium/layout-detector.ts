// Which layout the values of Cilium's maps have, by looking at them: their size says nothing, and a map rarely has a type
// description. Pure.
//
// Until 1.15 offset 0 counts the packets that entered the pod, so of a TCP connection that was answered it is not 0 (and
// offset 8, their bytes, at least 40 times as much). From 1.16 on offset 0 holds an address only where Cilium translated
// one, else 0.
import type { CiliumLayout } from './layout.ts';

/** Connections to look at before a conclusion is drawn. */
const SAMPLES_MIN = 5;
/** Part of them that may look otherwise: connections that nobody answers, or whose address was translated. */
const EXCEPTIONS_MAX = 0.2;
/** A connection with fewer packets may not have been answered yet. */
const PACKETS_MIN = 4n;
/** The smallest TCP packet: IPv4 and TCP headers. */
const PACKET_BYTES_MIN = 40n;
const SERVICE_OR_RELATED = 6;
const TCP = 6;

/** What is thought of the maps. */
export type LayoutVerdict = CiliumLayout | 'undecided';

/** Collects samples. */
export class LayoutDetector {
  #directional = 0;
  #merged = 0;

  /** An entry of a map; only TCP says something. */
  look(keys: DataView, key: number, values: DataView, value: number, isV6: boolean): void {
    const protocolOffset = key + (isV6 ? 36 : 12);
    if (keys.getUint8(protocolOffset) !== TCP || (keys.getUint8(protocolOffset + 1) & SERVICE_OR_RELATED) !== 0) return;
    const packets = values.getBigUint64(value + 16, true);
    if (packets < PACKETS_MIN || values.getBigUint64(value + 24, true) < packets * PACKET_BYTES_MIN) return;
    const maybePackets = values.getBigUint64(value, true);
    const maybeBytes = values.getBigUint64(value + 8, true);
    if (maybePackets > 0n && maybeBytes >= maybePackets * PACKET_BYTES_MIN) this.#directional++;
    else this.#merged++;
  }

  get verdict(): LayoutVerdict {
    const samples = this.#directional + this.#merged;
    if (samples < SAMPLES_MIN) return 'undecided';
    if (this.#merged <= samples * EXCEPTIONS_MAX) return 'directional';
    return this.#directional <= samples * EXCEPTIONS_MAX ? 'merged' : 'undecided';
  }
}
