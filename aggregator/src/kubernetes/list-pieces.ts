// Bytes of a list as they come → its items, parsed one by one. Real servers write lists in one way: kind, version, metadata, then
// items without white space that all begin with the same key. There `},{"key":` ends an item, and the C code of Buffer.indexOf finds it;
// whether it does end one says JSON.parse, for no object begins with a whole object. Everything else is left to the reader of brackets
// (list-reader.ts): other lists, the last item, what follows it.
import { createListReader, type ListReader } from './list-reader.ts';

/** As servers write it. A string with a quote or brackets in it is no such list, which costs only time. */
const HEAD =
  /^\{(?:"kind":"\w+",)?(?:"apiVersion":"[\w./-]+",)?"metadata":\{(?:"\w+":(?:"[^"\\{}]*"|\d+),?)*\},"items":\[(?=\{("\w+":))/;
/** The head of a list has at most so many bytes: the token of the next page is a few hundred. */
const HEAD_BYTES_MAX = 16 << 10;
/** An item without an end in so many bytes is large, or not what was thought: brackets tell. */
const PENDING_BYTES_MAX = 1 << 20;

const EMPTY = Buffer.alloc(0);

export interface PieceReaderParts {
  readonly itemBytesMax: number;
  /** What it throws for text that is no JSON, the reader throws. */
  readonly parse: (text: string) => unknown;
  /** Makes the text of an item shorter before it is parsed. What is only the beginning of an item must not become JSON by that. */
  readonly shorten: (text: string) => string;
  readonly onItem: (item: unknown) => void;
  /** Hears of an item that is too large as soon as it is, with its beginning; it is skipped. */
  readonly onLarge: (beginning: string) => void;
  /** Hears the list without its items before them, where it is written as servers do. */
  readonly onHead: (head: unknown) => void;
}

export function createPieceReader(parts: PieceReaderParts): ListReader {
  const { itemBytesMax, parse, shorten, onItem, onLarge, onHead } = parts;
  const brackets = createListReader(itemBytesMax, (text) => onItem(parse(shorten(text))), onLarge);
  let state: 'head' | 'items' | 'brackets' = 'head';
  let separator: Buffer = EMPTY;
  /** From the beginning of the list or of an item on. */
  let pending: Buffer = EMPTY;

  function leaveToBrackets(): void {
    state = 'brackets';
    brackets.take(pending);
    pending = EMPTY;
  }

  function readHead(): void {
    const head = HEAD.exec(pending.toString('latin1', 0, HEAD_BYTES_MAX));
    if (head !== null) {
      separator = Buffer.from(`},{${head[1]}`);
      brackets.take(pending.subarray(0, head[0].length));
      pending = pending.subarray(head[0].length);
      state = 'items';
      onHead(parse(`${head[0]}]}`));
    } else if (pending.length >= HEAD_BYTES_MAX) leaveToBrackets();
  }

  function readItems(searchedBytes: number): void {
    let start = 0;
    // What begins in bytes that were searched before may end in new ones.
    let from = Math.max(0, searchedBytes - separator.length);
    for (let at = pending.indexOf(separator, from); at >= 0; at = pending.indexOf(separator, from)) {
      if (at + 1 - start > itemBytesMax) break;
      const item = parsed(shorten(pending.toString('utf8', start, at + 1)));
      // Else it ended something inside of the item.
      if (item !== undefined) {
        onItem(item);
        start = at + 2;
      }
      from = at + 2;
    }
    pending = pending.subarray(start);
    if (pending.length > Math.min(PENDING_BYTES_MAX, itemBytesMax)) leaveToBrackets();
  }

  return {
    take(chunk) {
      if (state === 'brackets') {
        brackets.take(chunk);
        return;
      }
      let searchedBytes = pending.length;
      pending = searchedBytes === 0 ? chunk : Buffer.concat([pending, chunk]);
      if (state === 'head') {
        readHead();
        searchedBytes = 0;
      }
      if (state === 'items') readItems(searchedBytes);
    },
    end() {
      leaveToBrackets();
      return brackets.end();
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
