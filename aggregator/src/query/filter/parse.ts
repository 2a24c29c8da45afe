// Text of a filter → condition. The grammar, by descent:
//
//   or      = and { "or" and }
//   and     = unary { "and" unary }
//   unary   = "not" unary | "(" or ")" | column test
//   test    = ("=" | "!=" | "~" | "!~") value | ["not"] "in" "(" value { "," value } ")" | "is" ["not"] "null"
//
// Knows no SQL.
import { KEY_NAMES, keyOf, labelOf } from '../keys.ts';
import type { Condition, FilterColumn } from './condition.ts';
import { globMatches } from './glob.ts';
import { FilterProblem, type Token, tokensOf } from './tokens.ts';

/** What the column `group` stands for. */
export interface GroupChoice {
  /** All groups, the rest included. */
  readonly names: readonly string[];
  /** True for rows of the groups that are wanted. */
  conditionOf(isWanted: (name: string) => boolean): Condition;
}

/** A condition, or what is wrong with its text. */
export type ParsedCondition = { readonly condition: Condition } | { readonly problem: string };

export interface ParseOptions {
  /** Undefined where there are no groups. */
  readonly groups: GroupChoice | undefined;
  /** Said when the text names `group` and there are none. */
  readonly withoutGroups: string;
}

/** More than anybody types; DuckDB's own bounds are above it. */
const LENGTH_MAX = 10_000;
const DEPTH_MAX = 50;

const RESERVED: ReadonlySet<string> = new Set(['and', 'or', 'not', 'in', 'is', 'null']);

/** Keys that are no columns to compare, and what to do instead. */
const NOT_COMPARED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['minute', 'hour', 'day', 'month'].map((name) => [name, 'for a period use --since and --until']),
  ),
  direction: 'each row has both directions; use it in --by',
};

/** Names of columns as in docs/columns.md where they are other words than the keys. */
const OTHER_NAMES: Readonly<Record<string, string>> = { 'traffic-class': 'class', 'local-kind': 'kind' };

/** The words that may be compared; `group` besides, where there are groups. */
export const FILTER_NAMES: readonly string[] = [
  ...KEY_NAMES.filter((name) => !Object.hasOwn(NOT_COMPARED, name)),
  'label:NAME',
];

/** Reads a filter. A problem says where it is, what was expected and what stood there. */
export function parseCondition(text: string, options: ParseOptions): ParsedCondition {
  try {
    if (text.length > LENGTH_MAX) {
      throw new FilterProblem(LENGTH_MAX, `a filter has at most ${LENGTH_MAX} characters, this has ${text.length}`);
    }
    return { condition: new Parser(tokensOf(text), options).whole() };
  } catch (error) {
    if (!(error instanceof FilterProblem)) throw error;
    return { problem: `at character ${[...text.slice(0, error.at)].length + 1}: ${error.message}` };
  }
}

/** Tests a column, or the group. */
interface Subject {
  readonly name: string;
  /** Throws FilterProblem for a value that the column never has. */
  check(value: Token): void;
  oneOf(values: readonly string[]): Condition;
  glob(glob: string): Condition;
  missing(): Condition;
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #options: ParseOptions;
  #index = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], options: ParseOptions) {
    this.#tokens = tokens;
    this.#options = options;
  }

  whole(): Condition {
    const condition = this.#or();
    if (this.#next.kind !== 'end') throw this.#expected('and, or, or the end');
    return condition;
  }

  #or(): Condition {
    const parts = [this.#and()];
    while (this.#takeWord('or')) parts.push(this.#and());
    return parts.length === 1 ? parts[0]! : { kind: 'any', of: parts };
  }

  #and(): Condition {
    const parts = [this.#unary()];
    while (this.#takeWord('and')) parts.push(this.#unary());
    return parts.length === 1 ? parts[0]! : { kind: 'all', of: parts };
  }

  #unary(): Condition {
    const { at } = this.#next;
    if (this.#takeWord('not')) return { kind: 'not', of: this.#deeper(at, () => this.#unary()) };
    if (!this.#takeSign('(')) return this.#test(this.#subject());
    const inner = this.#deeper(at, () => this.#or());
    if (!this.#takeSign(')')) throw this.#expected(`and, or, or ) for the ( at character ${at + 1}`);
    return inner;
  }

  #deeper(at: number, parse: () => Condition): Condition {
    if (++this.#depth > DEPTH_MAX) throw new FilterProblem(at, `parentheses and not go at most ${DEPTH_MAX} deep`);
    const condition = parse();
    this.#depth--;
    return condition;
  }

  #subject(): Subject {
    const token = this.#next;
    if (token.kind === 'end' || token.kind === 'sign' || isReserved(token)) throw this.#expected('a column, not or (');
    this.#index++;
    // label:"a name with spaces"
    const after = this.#next;
    if (token.text === 'label:' && after.kind === 'quoted' && after.at === token.end && after.text !== '') {
      this.#index++;
      return subjectOf({ name: `label:${after.text}`, label: after.text });
    }
    if (token.text === 'group') return this.#group(token);
    const column = columnOf(token.text);
    if (column !== undefined) return subjectOf(column);
    const instead = Object.hasOwn(NOT_COMPARED, token.text) ? NOT_COMPARED[token.text] : undefined;
    if (instead !== undefined) throw new FilterProblem(token.at, `a filter cannot have ${token.text}: ${instead}`);
    throw new FilterProblem(
      token.at,
      `there is no column ${JSON.stringify(token.text)}; there are ${FILTER_NAMES.join(', ')}${this.#options.groups === undefined ? '' : ', group'}`,
    );
  }

  #group({ at }: Token): Subject {
    const { groups, withoutGroups } = this.#options;
    if (groups === undefined) throw new FilterProblem(at, withoutGroups);
    return {
      name: 'group',
      check: (value) => {
        if (groups.names.includes(value.text)) return;
        throw new FilterProblem(
          value.at,
          `there is no group ${JSON.stringify(value.text)}; there are ${groups.names.join(', ')}`,
        );
      },
      oneOf: (values) => groups.conditionOf((name) => values.includes(name)),
      glob: (glob) => groups.conditionOf((name) => globMatches(glob, name)),
      missing: () => ({ kind: 'any', of: [] }),
    };
  }

  #test(subject: Subject): Condition {
    if (this.#takeSign('=')) return subject.oneOf([this.#value(subject)]);
    if (this.#takeSign('!=')) return not(subject.oneOf([this.#value(subject)]));
    if (this.#takeSign('~')) return subject.glob(this.#anyValue().text);
    if (this.#takeSign('!~')) return not(subject.glob(this.#anyValue().text));
    if (this.#takeWord('in')) return subject.oneOf(this.#list(subject));
    if (this.#takeWord('not')) {
      if (!this.#takeWord('in')) throw this.#expected('in');
      return not(subject.oneOf(this.#list(subject)));
    }
    if (this.#takeWord('is')) {
      const isNegated = this.#takeWord('not');
      if (!this.#takeWord('null')) throw this.#expected(isNegated ? 'null' : 'null or not null');
      return isNegated ? not(subject.missing()) : subject.missing();
    }
    throw this.#expected(`=, !=, ~, !~, in, not in or is after ${subject.name}`);
  }

  #list(subject: Subject): string[] {
    if (!this.#takeSign('(')) throw this.#expected('( and values');
    const values = [this.#value(subject)];
    while (this.#takeSign(',')) values.push(this.#value(subject));
    if (!this.#takeSign(')')) throw this.#expected(', or )');
    return values;
  }

  #value(subject: Subject): string {
    const token = this.#anyValue();
    subject.check(token);
    return token.text;
  }

  #anyValue(): Token {
    const token = this.#next;
    if (token.kind === 'quoted' || (token.kind === 'word' && !isReserved(token))) {
      this.#index++;
      return token;
    }
    const hint = isReserved(token) ? '; if it is a value, quote it' : '';
    throw this.#expected('a value', hint);
  }

  get #next(): Token {
    return this.#tokens[this.#index]!;
  }

  #takeWord(word: string): boolean {
    const { kind, text } = this.#next;
    const isIt = kind === 'word' && text.toLowerCase() === word;
    if (isIt) this.#index++;
    return isIt;
  }

  #takeSign(sign: string): boolean {
    const { kind, text } = this.#next;
    const isIt = kind === 'sign' && text === sign;
    if (isIt) this.#index++;
    return isIt;
  }

  #expected(what: string, hint = ''): FilterProblem {
    const { kind, text, at } = this.#next;
    return new FilterProblem(at, `expected ${what}, found ${kind === 'end' ? 'the end' : JSON.stringify(text)}${hint}`);
  }
}

function isReserved({ kind, text }: Token): boolean {
  return kind === 'word' && RESERVED.has(text.toLowerCase());
}

function not(of: Condition): Condition {
  return { kind: 'not', of };
}

function columnOf(word: string): FilterColumn | undefined {
  const label = labelOf(word);
  if (label !== undefined) return { name: word, label };
  const hyphens = word.replaceAll('_', '-');
  const name = Object.hasOwn(OTHER_NAMES, hyphens) ? OTHER_NAMES[hyphens]! : hyphens;
  const key = Object.hasOwn(NOT_COMPARED, name) ? undefined : keyOf(name);
  return key && { name, key };
}

function subjectOf(column: FilterColumn): Subject {
  return {
    name: column.name,
    check: ({ text, at }) => {
      if (column.name !== 'port' || (/^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535)) return;
      throw new FilterProblem(at, `a port is a number from 0 to 65535, not ${JSON.stringify(text)}`);
    },
    oneOf: (values) => ({ kind: 'oneOf', column, values }),
    glob: (glob) => ({ kind: 'glob', column, glob }),
    missing: () => ({ kind: 'missing', column }),
  };
}
