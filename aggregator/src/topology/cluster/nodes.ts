// The nodes of the cluster by name, those that are gone too for some time: an agent's last batches come after its node. Where each
// is follows from node-place.ts; which addresses it holds when is the time index's.
import type { NodeObject } from '../../model/cluster-objects.ts';
import type { EndpointRow } from '../../model/endpoint-row.ts';
import type { AddressOwner, Certainty, NodeIdentity } from '../../model/topology.ts';
import { type SaidPlace, saidPlace, ZoneNames } from '../zone-names.ts';
import { type Grip, type Holder, NO_SLOTS } from './address-history.ts';
import { AgedQueue } from './aged-queue.ts';
import { placeOfNode } from './node-place.ts';

const NOWHERE: SaidPlace = { provider: null, region: null, zone: null, zoneId: null };

/** Nodes that were never heard of are few, unless something is wrong. */
const PLACEHOLDERS_MAX = 10_000;

/** One life of a node: the same name may come again with another object. */
export class NodeHolder implements Holder {
  readonly uid: string;
  readonly heard: { readonly untilUs: number };
  readonly createdUs: number;
  /** Its open holdings: of addresses, and of pod ranges. */
  readonly addresses: Grip = { slots: NO_SLOTS };
  readonly ranges: Grip = { slots: NO_SLOTS };
  #said: SaidPlace;
  #identity: NodeIdentity;
  #exact: AddressOwner;

  /** @param said the place as its object says it; @param place as rows say it */
  constructor(node: NodeObject, said: SaidPlace, place: SaidPlace, heard: { readonly untilUs: number }) {
    this.uid = node.uid;
    this.heard = heard;
    this.createdUs = node.createdUs;
    this.#said = said;
    this.#identity = identityOf(node.name, node.addresses, place);
    this.#exact = { identity: this.#identity, certainty: 'exact' };
  }

  get identity(): NodeIdentity {
    return this.#identity;
  }

  get said(): SaidPlace {
    return this.#said;
  }

  /** True when it is another for rows now. */
  change(addresses: readonly string[], said: SaidPlace, place: SaidPlace): boolean {
    const identity = identityOf(this.#identity.name, addresses, place);
    this.#said = said;
    if (isSameNode(this.#identity, identity)) return false;
    this.#identity = identity;
    this.#exact = { identity, certainty: 'exact' };
    return true;
  }

  isSameAs(other: Holder): boolean {
    return other instanceof NodeHolder && other.#identity.name === this.#identity.name;
  }

  ownerAs(certainty: Certainty): AddressOwner {
    return certainty === 'exact' ? this.#exact : { identity: this.#identity, certainty };
  }
}

export class Nodes {
  /** Lives of each name, the newest last. */
  readonly #lives = new Map<string, NodeHolder[]>();
  readonly #byUid = new Map<string, NodeHolder>();
  readonly #gone = new AgedQueue<NodeHolder>();
  readonly #zoneNames = new ZoneNames();
  readonly #keepUs: number;
  /** Nodes that pods name and that have not been heard of. */
  readonly #placeholders = new Map<string, NodeIdentity>();
  readonly #heard: { readonly untilUs: number };

  constructor(keepUs: number, heard: { readonly untilUs: number }) {
    this.#keepUs = keepUs;
    this.#heard = heard;
  }

  /** Nodes that exist. */
  get size(): number {
    return this.#byUid.size;
  }

  /** The nodes that exist, by name, and when each was made, µs. */
  get createdUs(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#byUid.values(), ({ identity, createdUs }) => [identity.name, createdUs]));
  }

  byUid(uid: string): NodeHolder | undefined {
    return this.#byUid.get(uid);
  }

  /** The node's life, and whether identities that name a node may be others since. */
  put(node: NodeObject): { readonly holder: NodeHolder; readonly isChanged: boolean } {
    const said = placeOfNode(node);
    let isChanged = this.#zoneNames.learn(said) && this.#renameZones();
    const place = this.#zoneNames.resolve(said);
    const known = this.#byUid.get(node.uid);
    if (known !== undefined) {
      isChanged = known.change(node.addresses, said, place) || isChanged;
      return { holder: known, isChanged };
    }
    const holder = new NodeHolder(node, said, place, this.#heard);
    this.#byUid.set(node.uid, holder);
    const lives = this.#lives.get(node.name) ?? [];
    lives.push(holder);
    lives.sort((a, b) => a.createdUs - b.createdUs);
    this.#lives.set(node.name, lives);
    isChanged = this.#placeholders.delete(node.name) || lives.length > 1 || isChanged;
    return { holder, isChanged };
  }

  /** Takes in a node that is gone, of which the rows of its addresses are left; undefined where there are none. */
  restoreGone(rows: readonly EndpointRow[], atUs: number): NodeHolder | undefined {
    const [first] = rows;
    if (first === undefined) return undefined;
    const { uid, node: name } = first;
    const addresses = rows.map(({ address }) => address);
    const createdUs = Math.min(...rows.map(({ fromUs }) => fromUs));
    const node = { uid, name, addresses, podCidrs: [], providerId: null, labels: {}, createdUs };
    const { holder } = this.put(node);
    const said = saidPlace(first);
    holder.change(addresses, said, this.#zoneNames.resolve(said));
    this.remove(uid, atUs);
    return holder;
  }

  /** Its life is over; it is remembered for some time. */
  remove(uid: string, atUs: number): void {
    const holder = this.#byUid.get(uid);
    if (holder === undefined) return;
    this.#byUid.delete(uid);
    this.#gone.push(holder, atUs);
  }

  expire(nowUs: number): void {
    for (;;) {
      const holder = this.#gone.takeBefore(nowUs - this.#keepUs);
      if (holder === undefined) return;
      const { name } = holder.identity;
      const lives = (this.#lives.get(name) ?? []).filter((life) => life !== holder);
      if (lives.length === 0) this.#lives.delete(name);
      else this.#lives.set(name, lives);
    }
  }

  /** The node of that name, the newest that there was. */
  lookup(name: string): NodeIdentity | undefined {
    return this.#lives.get(name)?.at(-1)?.identity;
  }

  /** The node of that name on which a pod ran that ended at `endUs`; one without a place where none has been heard of. */
  hostOf(name: string, endUs: number): NodeIdentity {
    const lives = this.#lives.get(name);
    if (lives !== undefined) {
      return (lives.findLast(({ createdUs }) => createdUs < endUs) ?? lives[0]!).identity;
    }
    let placeholder = this.#placeholders.get(name);
    if (placeholder === undefined) {
      if (this.#placeholders.size >= PLACEHOLDERS_MAX) this.#placeholders.clear();
      placeholder = identityOf(name, [], NOWHERE);
      this.#placeholders.set(name, placeholder);
    }
    return placeholder;
  }

  /** A node in the zone of this name or id; undefined where there is none. */
  someoneIn(zone: string): NodeIdentity | undefined {
    for (const { identity } of this.#byUid.values()) {
      if (identity.zone === zone || identity.zoneId === zone) return identity;
    }
    return undefined;
  }

  /** True when a node's zone has another name, or another id, now. */
  #renameZones(): boolean {
    let isChanged = false;
    for (const holder of this.#byUid.values()) {
      const { identity, said } = holder;
      isChanged = holder.change(identity.addresses, said, this.#zoneNames.resolve(said)) || isChanged;
    }
    return isChanged;
  }
}

function identityOf(name: string, addresses: readonly string[], place: SaidPlace): NodeIdentity {
  return { kind: 'node', name, addresses, ...place };
}

function isSameNode(a: NodeIdentity, b: NodeIdentity): boolean {
  return (
    a.provider === b.provider &&
    a.region === b.region &&
    a.zone === b.zone &&
    a.zoneId === b.zoneId &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, i) => address === b.addresses[i])
  );
}
