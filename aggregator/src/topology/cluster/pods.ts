// The pods that exist, and what each does to the time index: pod-life.ts says what an object means, this what follows from one after
// another.
import type { PodObject } from '../../model/cluster-objects.ts';
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
