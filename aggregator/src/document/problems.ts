// Collects everything that is wrong with a file that people write, so that one reading shows all of it. Knows no file's format.
import type { z } from 'zod';
import { type ErrorCode, FlowtollError } from '../model/errors.ts';

/** Path into the file, such as ["pods", 3, "addresses", 0]. */
export type Path = readonly PropertyKey[];

/** `pods[3].addresses[0]`; the file itself for the empty path. */
export function pathText(path: Path): string {
  let text = '';
  for (const key of path) {
    text += typeof key === 'number' ? `[${key}]` : text === '' ? String(key) : `.${String(key)}`;
  }
  return text === '' ? '(file)' : text;
}

/** What kind of file it is, for errors. */
export interface DocumentKind {
  /** "topology file" */
  readonly name: string;
  readonly code: ErrorCode;
  /** The page that tells its format. */
  readonly page: string;
}

/** A growing list of problems. */
export class Problems {
  readonly #kind: DocumentKind;
  readonly #at: Path;
  readonly #lines: string[];

  constructor(kind: DocumentKind, at: Path = [], lines: string[] = []) {
    this.#kind = kind;
    this.#at = at;
    this.#lines = lines;
  }

  /** The same list for what checks a part of the file, and knows no more of it. */
  below(path: Path): Problems {
    return new Problems(this.#kind, [...this.#at, ...path], this.#lines);
  }

  get count(): number {
    return this.#lines.length;
  }

  /** `message` says what is wrong and what to do. */
  add(path: Path, message: string): void {
    this.#lines.push(`${pathText([...this.#at, ...path])}: ${message}`);
  }

  /** Everything that zod found, below `path`. */
  addIssues(path: Path, error: z.ZodError): void {
    for (const issue of error.issues) {
      this.add([...path, ...issue.path], issueText(issue, this.#kind.page));
    }
  }

  /** Throws one error that lists all problems, if there are any. */
  throwIfAny(file: string): void {
    if (this.#lines.length > 0) {
      const count = this.#lines.length === 1 ? '1 problem' : `${this.#lines.length} problems`;
      const list = this.#lines.map((line) => `\n  ${line}`).join('');
      throw new FlowtollError(this.#kind.code, `${this.#kind.name} ${file} has ${count}:${list}`);
    }
  }
}

function issueText(issue: z.core.$ZodIssue, page: string): string {
  if (issue.code === 'custom') {
    return issue.message;
  }
  if (issue.code === 'unrecognized_keys') {
    return `unknown ${issue.keys.length === 1 ? 'key' : 'keys'} ${issue.keys.join(', ')}; remove, or correct the spelling`;
  }
  if (issue.code === 'invalid_type' && issue.input === undefined && issue.message.includes('undefined')) {
    return `is missing; give a ${issue.expected}`;
  }
  if (issue.code === 'invalid_type' && issue.expected === 'string') {
    return `${issue.message}; put it in quotes`;
  }
  return `${issue.message}; see ${page}`;
}
