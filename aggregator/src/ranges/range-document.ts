// What is common to the documents of all providers: reading the text, skipping and counting lines that cannot be read, refusing
// what is no such document. The formats are in files of their own.
import { isMapping, type Raw } from '../document/parse-text.ts';
import { pathText } from '../document/problems.ts';
import { FlowtollError } from '../model/errors.ts';
import { type PrefixList, PrefixListBuilder, type RangePlace } from './prefix-list.ts';

/** A document that was read. */
export interface ParsedRanges {
  readonly list: PrefixList;
  /** When the provider made it, ms since the Unix epoch; null where the document does not say. */
  readonly publishedMs: number | null;
  /** Grows from one edition to the next; null where the document has none. */
  readonly edition: number | null;
  /** Prefixes that could not be read and are not in the list. */
  readonly skipped: number;
  /** Place and reason of the first of them. */
  readonly firstProblem: string | undefined;
}

/** What a parser of one format needs: it goes through the document and adds what it finds. */
export class RangeReader {
  readonly #builder = new PrefixListBuilder();
  readonly #where: string;
  #skipped = 0;
  #firstProblem: string | undefined;

  /** @param where what errors call the document: its file or address */
  constructor(where: string) {
    this.#where = where;
  }

  /** The text as a mapping. */
  parse(text: string): Raw {
    let raw: unknown;
    try {
      // A byte order mark is no JSON.
      raw = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
    } catch (error) {
      throw this.refusal(`is not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (!isMapping(raw)) throw this.refusal('holds no JSON object');
    return raw;
  }

  /** The array at this key. */
  array(raw: Raw, key: string): readonly unknown[] {
    const value = raw[key];
    if (!Array.isArray(value)) throw this.refusal(`${key} ${value === undefined ? 'is missing' : 'is no array'}`);
    return value;
  }

  add(path: readonly PropertyKey[], prefix: unknown, place: RangePlace): void {
    const problem = this.#builder.add(prefix, place);
    if (problem !== undefined) this.skip(path, problem);
  }

  /** A line that cannot be read costs itself. */
  skip(path: readonly PropertyKey[], problem: string, lines = 1): void {
    this.#skipped += lines;
    this.#firstProblem ??= `${pathText(path)}: ${problem}`;
  }

  /** Refuses a document that is empty, or of which less than half can be read: then it has another format than this one. */
  finish(publishedMs: number | null, edition: number | null): ParsedRanges {
    const list = this.#builder.finish();
    const first = this.#firstProblem === undefined ? '' : `; the first that cannot be read: ${this.#firstProblem}`;
    if (list.count === 0) throw this.refusal(`has no prefixes${first}`);
    if (list.count < this.#skipped) {
      throw this.refusal(`has ${this.#skipped} of ${list.count + this.#skipped} prefixes that cannot be read${first}`);
    }
    return { list, publishedMs, edition, skipped: this.#skipped, firstProblem: this.#firstProblem };
  }

  refusal(problem: string): FlowtollError {
    return new FlowtollError(
      'RANGES_INVALID',
      `${this.#where}: ${problem}; take the document anew from its provider (docs/ip-ranges.md says where)`,
    );
  }
}

/** A number that a document writes as number or text; null for anything else. */
export function numberOf(value: unknown): number | null {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : null;
}

/** A word of a provider's: printable, without spaces at its ends, not too long to be one. */
export function wordOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w .-]{1,100}$/.test(value) && value.trim() === value ? value : undefined;
}
