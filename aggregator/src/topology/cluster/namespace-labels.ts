// Labels of namespaces, as labels of the pods in them: label `team` of a namespace is `namespace:team` of its pods. A colon cannot
// be in a label's key, so the two never meet.
import type { NamespaceObject } from '../../model/cluster-objects.ts';
import { NAMESPACE_LABEL } from '../label-keys.ts';
import { AgedQueue } from './aged-queue.ts';

type Labels = Readonly<Record<string, string>>;

export class NamespaceLabels {
  /** By name; those without labels are not here. Keys have their prefix. */
  readonly #labels = new Map<string, { readonly uid: string; readonly labels: Labels }>();
  readonly #names = new Map<string, string>();
  readonly #removed = new AgedQueue<string>();
  readonly #keepUs: number;

  /** @param keepUs for how long the labels of a namespace that is gone are kept */
  constructor(keepUs: number) {
    this.#keepUs = keepUs;
  }

  /** Namespaces that exist. */
  get size(): number {
    return this.#names.size;
  }

  /** True when its pods have other labels since. */
  put({ uid, name, labels }: NamespaceObject): boolean {
    this.#names.set(uid, name);
    const pairs = Object.entries(labels).map(([key, value]) => [`${NAMESPACE_LABEL}${key}`, value] as const);
    const known = this.#labels.get(name);
    if (pairs.length === 0) return this.#labels.delete(name);
    this.#labels.set(name, { uid, labels: Object.fromEntries(pairs) });
    const isSame =
      known !== undefined &&
      Object.keys(known.labels).length === pairs.length &&
      pairs.every(([key, value]) => known.labels[key] === value);
    return !isSame;
  }

  remove(uid: string, atUs: number): void {
    if (this.#names.delete(uid)) this.#removed.push(uid, atUs);
  }

  expire(nowUs: number): void {
    for (;;) {
      const uid = this.#removed.takeBefore(nowUs - this.#keepUs);
      if (uid === undefined) return;
      for (const [name, known] of this.#labels) if (known.uid === uid) this.#labels.delete(name);
    }
  }

  /** A pod's own labels with those of its namespace. */
  of(namespace: string, own: Labels): Labels {
    const known = this.#labels.get(namespace);
    return known === undefined ? own : { ...own, ...known.labels };
  }
}
