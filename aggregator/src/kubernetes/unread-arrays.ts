// The JSON of an object → the same with arrays emptied that nobody reads, so that their elements are never parsed: of a pod they are most of
// it. Empties what it can prove to be an array, by a few characters around its brackets; leaves everything else as it is. Knows JSON and
// how servers write it (without white space); knows no kinds of objects.
//
// Why that is right, wherever in valid JSON it is, strings and nested objects included:
//
// - A quote that ends a string is followed by one of `,:]}` or white space. So after `,"` or `{"` with a letter next to it a string
//   begins, and what is before it is no part of a string: nor are the brackets directly before the comma.
// - A quote with a letter before it ends a string, so that in `x":[` the bracket is no part of one.
// - So the brackets of an array that are found in such places are those of arrays; where one is found elsewhere, nothing is emptied. Valid
//   JSON has each closed in order, whatever the braces between them do: the counterpart is found by counting.
//
// What is left out is not looked at: there may be something in it that is no JSON.

/** Keys of arrays that may be emptied wherever they are, each with a text that keeps an array in which it is; null: there is none. */
export type UnreadArrays = ReadonlyMap<string, string | null>;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const NONE = -1;

/** @param text of one object: its last character is its brace */
export function emptyArrays(text: string, unread: UnreadArrays): string {
  let kept = '';
  let from = 0;
  for (let open = text.indexOf('['); open !== NONE; ) {
    let next = open + 1;
    const unless = unread.get(keyOf(text, open));
    if (unless !== undefined) {
      const close = closingOf(text, open);
      if (close !== NONE && !(unless !== null && mayHave(text, unless, open, close))) {
        kept += text.slice(from, next);
        from = close;
        next = close + 1;
      }
    }
    open = text.indexOf('[', next);
  }
  return from === 0 ? text : kept + text.slice(from);
}

/** Of the array that this bracket opens for certain; else an empty text. */
function keyOf(text: string, open: number): string {
  if (!isOpening(text, open)) return '';
  const quote = text.lastIndexOf('"', open - 3);
  const before = text.charCodeAt(quote - 1);
  // Else the quote may be a character of the key.
  return before === COMMA || before === OPEN_BRACE ? text.slice(quote + 1, open - 2) : '';
}

/** The bracket that closes the one at `open`; NONE if a bracket between them may be part of a string. */
function closingOf(text: string, open: number): number {
  let depth = 1;
  let inner = text.indexOf('[', open + 1);
  for (let close = text.indexOf(']', open + 1); close !== NONE; ) {
    if (inner !== NONE && inner < close) {
      if (!isOpening(text, inner)) return NONE;
      depth++;
      inner = text.indexOf('[', inner + 1);
    } else {
      if (!isClosing(text, close)) return NONE;
      depth--;
      if (depth === 0) return close;
      close = text.indexOf(']', close + 1);
    }
  }
  return NONE;
}

/** Whether the bracket opens an array for certain: the value of a key. */
function isOpening(text: string, at: number): boolean {
  return text.charCodeAt(at - 1) === COLON && text.charCodeAt(at - 2) === QUOTE && isWord(text.charCodeAt(at - 3));
}

/** Whether the bracket closes an array for certain: a key, a text or the end of all follows, after brackets and braces at most. */
function isClosing(text: string, at: number): boolean {
  let next = at + 1;
  let code = text.charCodeAt(next);
  while (code === CLOSE_BRACKET || code === CLOSE_BRACE) {
    next++;
    code = text.charCodeAt(next);
  }
  if (next === text.length) return true;
  if (code !== COMMA) return false;
  if (text.charCodeAt(next + 1) === OPEN_BRACE) next++;
  return text.charCodeAt(next + 1) === QUOTE && isWord(text.charCodeAt(next + 2));
}

/** Whether `word` may be between: it may be written with escapes, too. */
function mayHave(text: string, word: string, open: number, close: number): boolean {
  const within = text.slice(open, close);
  return within.includes(word) || within.includes('\\');
}

function isWord(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39);
}
