// What a migration has to say beside the values that it gives. A list that grows; knows no chart.

/**
 * `todo`: somebody has to do something first. `changed`: it is there, and works in another way. `dropped`: it has no counterpart, or needs
 * none.
 */
export type RemarkKind = 'todo' | 'changed' | 'dropped';

export interface Remark {
  readonly kind: RemarkKind;
  /** Where it stands in what was read, such as `collector.extraArgs.read-interval`. */
  readonly path: string;
  readonly text: string;
}

export class Remarks {
  readonly #list: Remark[] = [];

  todo(path: string, text: string): void {
    this.#list.push({ kind: 'todo', path, text });
  }

  changed(path: string, text: string): void {
    this.#list.push({ kind: 'changed', path, text });
  }

  dropped(path: string, text: string): void {
    this.#list.push({ kind: 'dropped', path, text });
  }

  /** What is to be done first. */
  list(): readonly Remark[] {
    const kinds: readonly RemarkKind[] = ['todo', 'changed', 'dropped'];
    return this.#list.toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
  }
}
