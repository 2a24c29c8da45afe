// The pods that exist, and what each does to the time index: pod-life.ts says what an object means, this what follows from one after
// another.
import type { PodObject } from '../../model/cluster-objects.ts';
import type { EndpointRow } from '../../model/endpoint-row.ts';
import { type AddressHistory, lastHeardUs, NEVER_SURE } from './address-history.ts';
import { PodHolder, type PodNaming } from './pod-holder.ts';
import { beginUs, endUs, hasEnded, ownAddresses } from './pod-life.ts';

export class Pods {
  readonly #history: AddressHistory;
  readonly #naming: PodNaming;
  /** Those that have held an address and exist, by uid. */
  readonly #holders = new Map<string, PodHolder>();
  readonly #keepUs: number;

  constructor(history: AddressHistory, naming: PodNaming, keepUs: number) {
    this.#history = history;
    this.#naming = naming;
    this.#keepUs = keepUs;
  }

  /** Pods that exist and have, or had, an address of their own. */
  get size(): number {
    return this.#holders.size;
  }

  put(pod: PodObject, atUs: number): void {
    const known = this.#holders.get(pod.uid);
    if (known === undefined) this.#putNew(pod, atUs);
    else if (known.endUs === null) this.#putKnown(known, pod, atUs);
  }

  /**
   * The object is gone. Whoever deletes a pod that still ran (force) is believed: nothing later is known.
   * @param last undefined where it was found missing in a list
   */
  remove(uid: string, last: PodObject | undefined, atUs: number): void {
    const holder = this.#holders.get(uid);
    if (holder === undefined) return;
    this.#holders.delete(uid);
    if (holder.endUs === null) this.#end(holder, last, atUs);
  }

  /** Takes in a holding of a pod that was recorded before the start; false where the pod itself is known and says more. */
  restore(row: EndpointRow, atUs: number): boolean {
    if (row.toUs === null && this.#holders.has(row.uid)) return false;
    const holder = new PodHolder(podOf(row), this.#naming);
    const toUs = row.toUs ?? atUs;
    holder.endUs = toUs;
    const times = { fromUs: row.fromUs, toUs, sureUntilUs: row.sureUntilUs ?? NEVER_SURE, heardUs: row.heardUs };
    // What had not ended is gone: it ended while nobody of us listened, and that is news.
    this.#history.restore(holder, row.address, times, atUs, row.toUs === null ? undefined : row.recordedUs);
    return true;
  }

  #putNew(pod: PodObject, atUs: number): void {
    const addresses = ownAddresses(pod);
    if (addresses.length === 0) return;
    const isOver = hasEnded(pod);
    const toUs = endUs(pod) ?? atUs;
    if (isOver && toUs < atUs - this.#keepUs) return;
    const holder = new PodHolder(pod, this.#naming);
    this.#holders.set(pod.uid, holder);
    this.#history.hold(holder, holder, addresses, beginUs(pod), atUs);
    if (!isOver) return;
    // Of a pod that had ended when it was first heard of, and does not say when, nobody knows until when it held them.
    holder.endUs = toUs;
    this.#history.release(holder, holder, atUs, toUs, endUs(pod) ?? NEVER_SURE);
  }

  #putKnown(holder: PodHolder, pod: PodObject, atUs: number): void {
    holder.change(pod);
    if (hasEnded(pod)) this.#end(holder, pod, atUs);
    // An address that comes later than the first is that of a new sandbox.
    else this.#history.hold(holder, holder, ownAddresses(pod), lastHeardUs(holder, atUs), atUs);
  }

  /** It ended when its object says, or else some time since pods were heard of last. */
  #end(holder: PodHolder, pod: PodObject | undefined, atUs: number): void {
    const knownUs = pod === undefined ? null : endUs(pod);
    holder.endUs = knownUs ?? atUs;
    this.#history.release(holder, holder, atUs, holder.endUs, knownUs ?? lastHeardUs(holder, atUs));
  }
}

/** A pod of which only a row is left. Its workload stands for the chain of its owners. */
function podOf(row: EndpointRow): PodObject {
  return {
    ...{ uid: row.uid, namespace: row.namespace ?? '', name: row.pod ?? '', nodeName: row.node, hostNetwork: false },
    ...{ phase: 'Unknown', addresses: [row.address], createdUs: row.fromUs, startedUs: row.fromUs },
    ...{ endedUs: null, deletedUs: null },
    owner: { apiVersion: '', kind: row.workloadKind ?? 'Pod', name: row.workload ?? row.pod ?? '', uid: '' },
    labels: row.labels === null ? {} : (JSON.parse(row.labels) as Record<string, string>),
  };
}
