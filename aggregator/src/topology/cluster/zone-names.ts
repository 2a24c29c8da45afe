// Names of AWS zones by their ids. A name ("us-east-1a") means another zone in another account, an id ("use1-az1") the same
// everywhere; rows of one cluster have names where anybody said one, so that they can be compared.
import type { NodePlace } from './node-place.ts';

export class ZoneNames {
  readonly #names = new Map<string, string>();
  #hasNames = false;

  /** True when zones may be named otherwise since. */
  learn({ provider, zone, zoneId }: NodePlace): boolean {
    if (provider !== 'aws' || zone === null) return false;
    const isFirst = !this.#hasNames;
    this.#hasNames = true;
    if (zoneId === null || this.#names.get(zoneId) === zone) return isFirst;
    this.#names.set(zoneId, zone);
    return true;
  }

  /**
   * The zone that a row says: its name, or its id where no node of the cluster has a name. Null where some do and this one's is
   * not known: an id beside names would look like another zone.
   */
  zoneOf({ zone, zoneId }: NodePlace): string | null {
    if (zone !== null || zoneId === null) return zone;
    return this.#names.get(zoneId) ?? (this.#hasNames ? null : zoneId);
  }
}
