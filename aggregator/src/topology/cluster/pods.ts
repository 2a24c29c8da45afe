// The pods that exist, and what each does to the time index: pod-life.ts says what an object means, this what follows from one after
// another.
import type { PodObject } from '../../model/cluster-objects.ts';
import { type AddressHistory, NEVER_SURE } from './address-history.ts';
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
   * @param last undefined where it was found missing: then it ended between what was heard of pods last and now
   */
  remove(uid: string, last: PodObject | undefined, atUs: number): void {
    const holder = this.#holders.get(uid);
    if (holder === undefined) return;
    this.#holders.delete(uid);
    if (holder.endUs !== null) return;
    if (last === undefined) this.#end(holder, atUs, this.#naming.heard.untilUs, atUs);
    else this.#end(holder, endUs(last) ?? atUs, endUs(last) ?? atUs, atUs);
  }

  #putNew(pod: PodObject, atUs: number): void {
    const addresses = ownAddresses(pod);
    if (addresses.length === 0) return;
    const isOver = hasEnded(pod);
    if (isOver && (endUs(pod) ?? atUs) < atUs - this.#keepUs) return;
    const holder = new PodHolder(pod, this.#naming);
    this.#holders.set(pod.uid, holder);
    this.#history.hold(holder, holder, addresses, beginUs(pod), atUs);
    // Of a pod that had ended when it was first heard of, and does not say when, nobody knows until when it held them.
    if (isOver) this.#end(holder, endUs(pod) ?? atUs, endUs(pod) ?? NEVER_SURE, atUs);
  }

  #putKnown(holder: PodHolder, pod: PodObject, atUs: number): void {
    holder.change(pod);
    if (hasEnded(pod)) {
      // If it does not say when, it was some time since pods were heard of last: this may be from a list after a silence.
      this.#end(holder, endUs(pod) ?? atUs, endUs(pod) ?? Math.min(this.#naming.heard.untilUs, atUs), atUs);
    } else {
      // An address that comes later than the first (a new sandbox) was not held before it was heard of.
      this.#history.hold(holder, holder, ownAddresses(pod), atUs, atUs);
    }
  }

  #end(holder: PodHolder, toUs: number, sureUntilUs: number, atUs: number): void {
    holder.endUs = toUs;
    this.#history.release(holder, toUs, sureUntilUs, atUs);
  }
}
