// A pod as the holder of its addresses. What rows say of it (its workload, its node's place, labels of its namespace) is known by
// others and may be heard of after the pod: its identity is made when it is asked for, and again when something changed.
import type { OwnerReference, PodObject } from '../../model/cluster-objects.ts';
import type { AddressOwner, Certainty, NodeIdentity, PodIdentity } from '../../model/topology.ts';
import { type Grip, type Holder, NO_SLOTS } from './address-history.ts';
import type { Workload } from './owner-chains.ts';

/** What all pods are named by. */
export interface PodNaming {
  /** Until when it has been heard of pods. */
  readonly heard: { readonly untilUs: number };
  /** Grows whenever an identity that was complete may be another. */
  readonly generation: number;
  /** Grows whenever an owner is heard of that was not known. */
  readonly ownersHeardCount: number;
  workload(owner: OwnerReference): Workload;
  hostOf(nodeName: string, endUs: number): NodeIdentity;
  /** The pod's own labels with those of its namespace. */
  labels(namespace: string, own: Readonly<Record<string, string>>): Readonly<Record<string, string>>;
}

const NEVER = -1;

export class PodHolder implements Holder, Grip {
  // What every lookup reads comes first: it is in one line of the processor's cache.
  readonly #naming: PodNaming;
  #exact: AddressOwner | undefined;
  #madeAt = NEVER;
  #isComplete = true;
  readonly uid: string;
  readonly #namespace: string;
  readonly #name: string;
  #nodeName: string;
  #owner: OwnerReference | null;
  #labels: Readonly<Record<string, string>>;
  slots = NO_SLOTS;
  /** When it ended, µs; null while it lives. */
  endUs: number | null = null;

  constructor(pod: PodObject, naming: PodNaming) {
    this.uid = pod.uid;
    this.#naming = naming;
    this.#namespace = pod.namespace;
    this.#name = pod.name;
    this.#nodeName = pod.nodeName ?? '';
    this.#owner = pod.owner;
    this.#labels = pod.labels;
  }

  get heard(): { readonly untilUs: number } {
    return this.#naming.heard;
  }

  change(pod: PodObject): void {
    this.#nodeName = pod.nodeName ?? '';
    this.#owner = pod.owner;
    this.#labels = pod.labels;
    this.#madeAt = NEVER;
  }

  /** A mirror pod that is made anew, or a pod of a StatefulSet: rows name both alike. */
  isSameAs(other: Holder): boolean {
    return (
      other instanceof PodHolder &&
      other.#name === this.#name &&
      other.#namespace === this.#namespace &&
      other.#nodeName === this.#nodeName
    );
  }

  ownerAs(certainty: Certainty): AddressOwner {
    const exact = this.#exact;
    if (exact === undefined || this.#madeAt !== this.#stamp()) return this.#renew(certainty);
    return certainty === 'exact' ? exact : { identity: exact.identity, certainty };
  }

  /** What is not complete may change with every owner that is heard of. Both counts grow only, so their sum tells, too. */
  #stamp(): number {
    const { generation, ownersHeardCount } = this.#naming;
    return this.#isComplete ? generation : generation + ownersHeardCount;
  }

  #renew(certainty: Certainty): AddressOwner {
    const owner = this.#owner;
    const workload =
      owner === null ? undefined : owner.kind === 'Node' ? this.#staticPod() : this.#naming.workload(owner);
    const identity: PodIdentity = {
      kind: 'pod',
      namespace: this.#namespace,
      name: this.#name,
      node: this.#naming.hostOf(this.#nodeName, this.endUs ?? Number.POSITIVE_INFINITY),
      // A pod that nobody owns is its own workload, so that grouping by workload hides no traffic.
      workloadKind: workload?.kind ?? 'Pod',
      workload: workload?.name ?? this.#name,
      labels: this.#naming.labels(this.#namespace, this.#labels),
    };
    this.#isComplete = workload?.isComplete ?? true;
    this.#madeAt = this.#stamp();
    // Whoever keeps something beside an identity finds it again for as long as nothing is different.
    const known = this.#exact?.identity;
    if (known === undefined || known.kind !== 'pod' || !isSamePod(known, identity)) {
      this.#exact = { identity, certainty: 'exact' };
    }
    const exact = this.#exact!;
    return certainty === 'exact' ? exact : { identity: exact.identity, certainty };
  }

  /** Mirror pods are owned by their node, and named after it: what runs on all nodes is one workload. */
  #staticPod(): Workload {
    const suffix = `-${this.#nodeName}`;
    const name = this.#name.endsWith(suffix) ? this.#name.slice(0, -suffix.length) : this.#name;
    return { kind: 'StaticPod', name, isComplete: true };
  }
}

function isSamePod(a: PodIdentity, b: PodIdentity): boolean {
  return (
    a.node === b.node &&
    a.workloadKind === b.workloadKind &&
    a.workload === b.workload &&
    isSameRecord(a.labels, b.labels)
  );
}

function isSameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
