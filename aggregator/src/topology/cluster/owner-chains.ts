// From a pod's owner to the workload at the top: ReplicaSet → Deployment, Job → CronJob, and whatever kinds are watched. A chain
// ends at the first reference that nothing is known of: its kind is not watched, or it has not been heard of yet.
import type { OwnerObject, OwnerReference } from '../../model/cluster-objects.ts';
import { AgedQueue } from './aged-queue.ts';

/** What a row says of a workload. */
export interface Workload {
  readonly kind: string;
  readonly name: string;
  /** Whether nothing that may yet be heard of would lead further up. */
  readonly isComplete: boolean;
}

/** Longer chains are cut: nobody builds them, and a cycle has no end. */
const LINKS_MAX = 16;

interface Link {
  owner: OwnerReference | null;
  isRemoved: boolean;
}

export class OwnerChains {
  readonly #links = new Map<string, Link>();
  readonly #removed = new AgedQueue<string>();
  /** "apiVersion/kind" of those heard of: the others are not watched. */
  readonly #kinds = new Set<string>();
  readonly #keepUs: number;
  readonly #keptMax: number;
  #heardCount = 0;

  /** @param keepUs for how long those that are gone are kept, because pods of theirs may still be asked for */
  constructor(keepUs: number, keptMax: number) {
    this.#keepUs = keepUs;
    this.#keptMax = keptMax;
  }

  get size(): number {
    return this.#links.size;
  }

  /** Grows with each owner that is new: chains that were not complete may lead further since. */
  get heardCount(): number {
    return this.#heardCount;
  }

  /** True when chains that were complete may be others now. */
  put({ uid, apiVersion, kind, owner }: OwnerObject): boolean {
    const kindKey = `${apiVersion}/${kind}`;
    const isNewKind = !this.#kinds.has(kindKey);
    this.#kinds.add(kindKey);
    const known = this.#links.get(uid);
    if (known === undefined) {
      this.#links.set(uid, { owner, isRemoved: false });
      this.#heardCount++;
      return isNewKind;
    }
    const isChanged = known.owner?.uid !== owner?.uid;
    known.owner = owner;
    known.isRemoved = false;
    return isChanged;
  }

  remove(uid: string, atUs: number): void {
    const link = this.#links.get(uid);
    if (link === undefined || link.isRemoved) return;
    link.isRemoved = true;
    this.#removed.push(uid, atUs);
  }

  /** Forgets what is gone for long. */
  expire(nowUs: number): void {
    for (;;) {
      const uid =
        this.#removed.takeBefore(nowUs - this.#keepUs) ??
        (this.#removed.size > this.#keptMax ? this.#removed.take() : undefined);
      if (uid === undefined) return;
      if (this.#links.get(uid)?.isRemoved) this.#links.delete(uid);
    }
  }

  /** The top of the chain that begins with this reference. */
  top(reference: OwnerReference): Workload {
    let top = reference;
    for (let count = 0; count < LINKS_MAX; count++) {
      const link = this.#links.get(top.uid);
      if (link === undefined) {
        const { kind, name } = top;
        return { kind, name, isComplete: !this.#kinds.has(`${top.apiVersion}/${top.kind}`) };
      }
      if (link.owner === null) break;
      top = link.owner;
    }
    return { kind: top.kind, name: top.name, isComplete: true };
  }
}
