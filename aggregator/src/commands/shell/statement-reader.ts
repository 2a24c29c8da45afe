// Lines into statements that end with ";" and commands that begin with "." on a line of their own. Knows what quotes and comments
// hide; knows no other SQL. Pure.

/** Something to be carried out. */
export interface Instruction {
  readonly kind: 'statement' | 'command';
  /** Without the ";" at its end. */
  readonly text: string;
  /** Line on which it begins, from 1. */
  readonly line: number;
}

/** What the text so far is in the middle of. */
type Within = 'code' | 'line-comment' | 'block-comment' | { readonly closedBy: string };

export class StatementReader {
  #text = '';
  #within: Within = 'code';
  #depth = 0;
  /** Something other than spaces and comments was seen. */
  #hasCode = false;
  #line = 0;
  #beginLine = 1;

  /** Nothing is waiting for its end. */
  get isEmpty(): boolean {
    return !this.#hasCode && this.#within !== 'block-comment';
  }

  /** Takes a line, without its end; what is whole now. */
  take(line: string): Instruction[] {
    this.#line++;
    if (this.isEmpty && line.trimStart().startsWith('.')) {
      this.#begin();
      return [{ kind: 'command', text: line.trim(), line: this.#line }];
    }
    const whole: Instruction[] = [];
    const text = `${line}\n`;
    for (let at = 0; at < text.length; ) {
      const length = this.#lengthAt(text, at);
      const part = text.slice(at, at + length);
      at += length;
      if (this.#within === 'code' && part === ';') {
        if (this.#hasCode) whole.push(this.#statement());
        this.#begin();
        continue;
      }
      if (
        !this.#hasCode &&
        this.#within !== 'line-comment' &&
        this.#within !== 'block-comment' &&
        part.trim() !== '' &&
        part !== '*/'
      ) {
        this.#hasCode = true;
        this.#beginLine = this.#line;
      }
      this.#text += part;
    }
    return whole;
  }

  /** There are no more lines: what was left without ";". */
  end(): Instruction[] {
    const rest = this.#hasCode ? [this.#statement()] : [];
    this.#begin();
    return rest;
  }

  /** Forgets what waits for its end. */
  clear(): void {
    this.#begin();
  }

  #statement(): Instruction {
    return { kind: 'statement', text: this.#text.trim(), line: this.#beginLine };
  }

  #begin(): void {
    this.#text = '';
    this.#within = 'code';
    this.#depth = 0;
    this.#hasCode = false;
  }

  /** Goes over what begins at this place and belongs together; how long it is. */
  #lengthAt(text: string, at: number): number {
    const two = text.slice(at, at + 2);
    switch (this.#within) {
      case 'line-comment':
        if (text[at] === '\n') this.#within = 'code';
        return 1;
      case 'block-comment':
        return this.#inBlockComment(two);
      case 'code':
        return this.#inCode(text, at, two);
      default: {
        const { closedBy } = this.#within;
        if (!text.startsWith(closedBy, at)) return 1;
        // A doubled quote opens again at once, which comes to the same.
        this.#within = 'code';
        return closedBy.length;
      }
    }
  }

  /** Block comments nest. */
  #inBlockComment(two: string): number {
    if (two === '/*') this.#depth++;
    else if (two === '*/') this.#depth--;
    else return 1;
    if (this.#depth === 0) this.#within = 'code';
    return 2;
  }

  #inCode(text: string, at: number, two: string): number {
    if (two === '--') {
      this.#within = 'line-comment';
      return 2;
    }
    if (two === '/*') {
      this.#within = 'block-comment';
      this.#depth = 1;
      return 2;
    }
    const quote = /^(?:['"]|\$[A-Za-z_]*\$)/.exec(text.slice(at))?.[0];
    if (quote === undefined) return 1;
    this.#within = { closedBy: quote };
    return quote.length;
  }
}
