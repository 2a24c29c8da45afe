// Endpoints of services behind which no pod is: written by hand, or the API server's own. Their addresses have no other name. Those
// of pods are the pods', whichever services they are in.
import type { EndpointSliceObject, SliceEndpoint } from '../../model/cluster-objects.ts';
import type { AddressOwner, Certainty, ExternalIdentity, Place } from '../../model/topology.ts';
import { AddressHistory, type Grip, type HistoryRules, type Holder, lastHeardUs, NO_SLOTS } from './address-history.ts';

/** Where an endpoint is, by its node or its zone. */
export type PlaceOfEndpoint = (endpoint: SliceEndpoint) => Place;

/** Nobody says since when an endpoint has been there. */
const FROM_EVER = 0;

class EndpointHolder implements Holder, Grip {
  readonly heard: { readonly untilUs: number };
  slots = NO_SLOTS;
  readonly name: string;
  endpoint: SliceEndpoint;
  readonly #placeOf: PlaceOfEndpoint;

  constructor(name: string, endpoint: SliceEndpoint, heard: { readonly untilUs: number }, placeOf: PlaceOfEndpoint) {
    this.name = name;
    this.endpoint = endpoint;
    this.heard = heard;
    this.#placeOf = placeOf;
  }

  isSameAs(other: Holder): boolean {
    return other instanceof EndpointHolder && other.name === this.name;
  }

  /** Few flows go there, so nothing is kept. */
  ownerAs(certainty: Certainty): AddressOwner {
    const { provider, region, zone, zoneId = null } = this.#placeOf(this.endpoint);
    const identity: ExternalIdentity = { kind: 'external', name: this.name, provider, region, zone, zoneId };
    return { identity, certainty };
  }
}

export class ManualEndpoints {
  /** Holders of each slice that has any, by address. */
  readonly #slices = new Map<string, ReadonlyMap<string, EndpointHolder>>();
  readonly #history: AddressHistory;
  readonly #heard: { readonly untilUs: number };
  readonly #placeOf: PlaceOfEndpoint;

  constructor(rules: Omit<HistoryRules, 'isExclusive'>, heard: { readonly untilUs: number }, placeOf: PlaceOfEndpoint) {
    this.#history = new AddressHistory({ ...rules, isExclusive: false });
    this.#heard = heard;
    this.#placeOf = placeOf;
  }

  put({ uid, namespace, name, service, endpoints }: EndpointSliceObject, atUs: number): void {
    const before = this.#slices.get(uid);
    const fullName = `${namespace}/${service ?? name}`;
    const after = new Map<string, EndpointHolder>();
    for (const endpoint of endpoints) {
      if (endpoint.pod !== null) continue;
      const { address } = endpoint;
      const holder = before?.get(address) ?? new EndpointHolder(fullName, endpoint, this.#heard, this.#placeOf);
      holder.endpoint = endpoint;
      const fromUs = before === undefined ? FROM_EVER : lastHeardUs(holder, atUs);
      this.#history.hold(holder, holder, [address], fromUs, atUs);
      after.set(address, holder);
    }
    for (const [address, holder] of before ?? []) {
      if (!after.has(address)) this.#history.release(holder, holder, atUs);
    }
    if (after.size > 0) this.#slices.set(uid, after);
    else this.#slices.delete(uid);
  }

  remove(uid: string, atUs: number): void {
    for (const holder of this.#slices.get(uid)?.values() ?? []) this.#history.release(holder, holder, atUs);
    this.#slices.delete(uid);
  }

  expire(nowUs: number): void {
    this.#history.expire(nowUs);
  }

  lookup(address: string, startUs: number, endUs: number): AddressOwner | undefined {
    return this.#history.lookup(address, startUs, endUs);
  }
}
