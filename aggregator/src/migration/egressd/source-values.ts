// A part of values that somebody wrote, read key by key: what nobody has asked for at the end is said, so that nothing is passed over in
// silence. Knows no chart.
import { isMapping, type Raw } from '../../document/parse-text.ts';
import type { Problems } from '../../document/problems.ts';
import type { Remarks } from './remarks.ts';

export class SourceValues {
  readonly #raw: Raw;
  readonly #path: readonly string[];
  readonly #problems: Problems;
  readonly #asked = new Set<string>();

  constructor(raw: Raw, path: readonly string[], problems: Problems) {
    this.#raw = raw;
    this.#path = path;
    this.#problems = problems;
  }

  path(key: string): string {
    return [...this.#path, key].join('.');
  }

  /** Whether it says something: an empty text, list or mapping is the default of charts. */
  has(key: string): boolean {
    const value = this.#raw[key];
    if (value === undefined || value === null || value === '') return false;
    return typeof value !== 'object' || Object.keys(value).length > 0;
  }

  /** As it is; undefined where it says nothing. */
  value(key: string): unknown {
    this.#asked.add(key);
    return this.has(key) ? this.#raw[key] : undefined;
  }

  text(key: string): string | undefined {
    const value = this.value(key);
    if (value === undefined || typeof value === 'object') return this.#refuse(key, value, 'a text');
    return String(value);
  }

  isOn(key: string): boolean | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    return text === 'true' ? true : text === 'false' ? false : this.#refuse(key, text, 'true or false');
  }

  /** A mapping below; an empty one where there is none. */
  below(key: string): SourceValues {
    const value = this.value(key);
    const raw = isMapping(value) ? value : (this.#refuse(key, value, 'a mapping') ?? {});
    return new SourceValues(raw, [...this.#path, key], this.#problems);
  }

  keys(): readonly string[] {
    return Object.keys(this.#raw);
  }

  /** What nobody has asked for. */
  sayRest(remarks: Remarks): void {
    for (const key of this.keys()) {
      if (this.has(key) && !this.#asked.has(key)) {
        remarks.todo(this.path(key), 'is not known here: see whether you need it');
      }
    }
  }

  #refuse(key: string, value: unknown, what: string): undefined {
    if (value !== undefined) this.#problems.below(this.#path).add([key], `is no value of this chart: it takes ${what}`);
    return undefined;
  }
}
