// What is over and is kept for some time yet, oldest first. Knows nothing of what it holds.

interface Aged<T> {
  readonly item: T;
  readonly atUs: number;
}

/** Items leave this queue by age or for want of room. Times must not fall from one item to the next by more than is no matter. */
export class AgedQueue<T> {
  #items: Aged<T>[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** `atUs`: from when on its age counts. */
  push(item: T, atUs: number): void {
    this.#items.push({ item, atUs });
  }

  /** Takes the oldest item if it is from before `beforeUs`. */
  takeBefore(beforeUs: number): T | undefined {
    const oldest = this.#items[this.#head];
    return oldest === undefined || oldest.atUs >= beforeUs ? undefined : this.take();
  }

  /** Takes the oldest item. */
  take(): T | undefined {
    const oldest = this.#items[this.#head];
    if (oldest === undefined) return undefined;
    this.#head++;
    // Copying once half of it is empty costs each item one copy at most.
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return oldest.item;
  }
}
