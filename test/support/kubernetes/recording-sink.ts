// A sink that remembers what it was told, and refuses what a cache must never tell: the removal of what is not there.
import type { ClusterObjects, ClusterResource, ClusterSink } from '@flowtoll/aggregator/model/cluster-objects.ts';

export interface ToldPut {
  readonly what: 'put';
  readonly resource: ClusterResource;
  readonly uid: string;
  readonly name: string;
  readonly atUs: number;
}

export interface ToldRemove {
  readonly what: 'remove';
  readonly resource: ClusterResource;
  readonly uid: string;
  readonly name: string;
  readonly atUs: number;
  /** How it was at its end, if that was told. */
  readonly last: unknown;
}

export type Told = ToldPut | ToldRemove;

export class RecordingSink implements ClusterSink {
  readonly told: Told[] = [];
  /** What a cache did wrong. */
  readonly faults: string[] = [];
  /** Until when each resource has been heard of, µs. */
  readonly heardUs = new Map<ClusterResource, number>();
  readonly #objects = new Map<ClusterResource, Map<string, ClusterObjects[ClusterResource]>>();

  put<R extends ClusterResource>(resource: R, object: ClusterObjects[R], atUs: number): void {
    this.#of(resource).set(object.uid, object);
    this.told.push({ what: 'put', resource, uid: object.uid, name: object.name, atUs });
  }

  remove<R extends ClusterResource>(resource: R, uid: string, last: ClusterObjects[R] | undefined, atUs: number): void {
    const objects = this.#of(resource);
    const known = objects.get(uid);
    if (known === undefined) this.faults.push(`${resource} ${uid} was removed, and is not known`);
    if (last !== undefined && last.uid !== uid) this.faults.push(`${resource} ${uid} ended as ${last.uid}`);
    objects.delete(uid);
    this.told.push({ what: 'remove', resource, uid, name: known?.name ?? '', atUs, last });
  }

  heard(resource: ClusterResource, atUs: number): void {
    this.heardUs.set(resource, Math.max(this.heardUs.get(resource) ?? 0, atUs));
  }

  objects<R extends ClusterResource>(resource: R): ClusterObjects[R][] {
    return [...this.#of(resource).values()] as ClusterObjects[R][];
  }

  named<R extends ClusterResource>(resource: R, name: string): ClusterObjects[R] | undefined {
    return this.objects(resource).find((object) => object.name === name);
  }

  names(resource: ClusterResource): string[] {
    return this.objects(resource)
      .map(({ name }) => name)
      .sort();
  }

  #of(resource: ClusterResource): Map<string, ClusterObjects[ClusterResource]> {
    let objects = this.#objects.get(resource);
    if (objects === undefined) {
      objects = new Map();
      this.#objects.set(resource, objects);
    }
    return objects;
  }
}
