// Text of a filter → words, quoted texts and signs, each with its place. Knows no grammar.

export interface Token {
  readonly kind: 'word' | 'quoted' | 'sign' | 'end';
  /** What it says: a quoted text without its quotes. */
  readonly text: string;
  /** Where it begins and ends; UTF-16 units from 0. */
  readonly at: number;
  readonly end: number;
}

/** Something that a filter cannot have. */
export class FilterProblem extends Error {
  /** Where; UTF-16 units from 0. */
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

const SPACE = /\s+/y;
const SIGN = /!=|!~|[=~(),]/y;
/** Names, addresses, prefixes, globs. */
const WORD = /[^\s'"(),=!~<>;&|]+/y;
/** A quote in a text is written twice. */
const QUOTED = /'((?:[^']|'')*)'|"((?:[^"]|"")*)"/y;

/** The tokens, and last one of kind `end`. Throws FilterProblem. */
export function tokensOf(text: string): Token[] {
  const nul = text.indexOf('\0');
  if (nul >= 0) throw new FilterProblem(nul, 'no text has a character 0');
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  while (at < text.length) {
    const space = take(SPACE);
    if (space !== null) {
      at += space[0].length;
      continue;
    }
    const token = take(QUOTED) ?? take(SIGN) ?? take(WORD);
    if (token === null) throw unreadable(text, at);
    const end = at + token[0].length;
    tokens.push({ ...meaningOf(token), at, end });
    at = end;
  }
  return [...tokens, { kind: 'end', text: '', at, end: at }];
}

function meaningOf([whole, single, double]: RegExpExecArray): Pick<Token, 'kind' | 'text'> {
  if (single !== undefined) return { kind: 'quoted', text: single.replaceAll("''", "'") };
  if (double !== undefined) return { kind: 'quoted', text: double.replaceAll('""', '"') };
  return { kind: /^[!=~(),]/.test(whole) ? 'sign' : 'word', text: whole };
}

function unreadable(text: string, at: number): FilterProblem {
  const character = text[at]!;
  if (character === "'" || character === '"') return new FilterProblem(at, `the quote ${character} has no end`);
  return new FilterProblem(
    at,
    `${character} is no operator: they are =, !=, ~, !~, in, is, and, or, not; quote a value that has it`,
  );
}
