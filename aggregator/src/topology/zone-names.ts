// Names and ids of AWS zones. A name ("us-east-1a") means another zone in another account, an id ("use1-az1") the same everywhere. Rows
// of one cluster have names where anybody said one, so that they can be compared; ids are kept beside them, for other accounts.
import type { Place } from '../model/topology.ts';

/** A place as somebody said it: an id of a zone is not among the names. */
export type SaidPlace = Required<Place>;

/** Of zones ("use1-az1"), Local Zones ("usw2-lax1-az1") and Wavelength zones ("use1-wl1-bos-wlz1"). No name ends like that. */
const AWS_ZONE_ID = /^[a-z0-9]+(?:-[a-z0-9]+)*-(?:az|wlz)\d+$/;

export function isAwsZoneId(text: string): boolean {
  return AWS_ZONE_ID.test(text);
}

/** The place, with an id of a zone that stands where its name should taken for what it is. */
export function saidPlace(place: { readonly [K in keyof Place]?: Place[K] | undefined }): SaidPlace {
  const provider = place.provider ?? null;
  const region = place.region ?? null;
  const zone = place.zone ?? null;
  const zoneId = place.zoneId ?? null;
  const isId = provider === 'aws' && zone !== null && isAwsZoneId(zone);
  return { provider, region, zone: isId ? null : zone, zoneId: zoneId ?? (isId ? zone : null) };
}

/** What the nodes of one cluster say of their zones. */
export class ZoneNames {
  /** By id. */
  readonly #names = new Map<string, string>();
  /** By name; null where two were said of it. */
  readonly #ids = new Map<string, string | null>();
  #hasNames: boolean;

  /** @param hasNames whether somebody else says names of the same zones */
  constructor(hasNames = false) {
    this.#hasNames = hasNames;
  }

  /** True when zones may have another name, or another id, since. */
  learn({ provider, zone, zoneId }: SaidPlace): boolean {
    if (provider !== 'aws' || zone === null) return false;
    const isFirst = !this.#hasNames;
    this.#hasNames = true;
    if (zoneId === null || this.#names.get(zoneId) === zone) return isFirst;
    this.#names.set(zoneId, zone);
    const known = this.#ids.get(zone);
    this.#ids.set(zone, known === undefined || known === zoneId ? zoneId : null);
    return true;
  }

  /** The place as rows say it: with name and id of its zone, as far as they are known. */
  resolve(said: SaidPlace): SaidPlace {
    const { provider, region } = said;
    return { provider, region, zone: this.#nameOf(said), zoneId: this.#idOf(said) };
  }

  /** The name, or the id where nobody has a name. Null where some have and this one's is not known: an id would look like another zone. */
  #nameOf({ zone, zoneId }: SaidPlace): string | null {
    if (zone !== null || zoneId === null) return zone;
    return this.#names.get(zoneId) ?? (this.#hasNames ? null : zoneId);
  }

  #idOf({ provider, zone, zoneId }: SaidPlace): string | null {
    if (zoneId !== null || zone === null || provider !== 'aws') return zoneId;
    return this.#ids.get(zone) ?? null;
  }
}
