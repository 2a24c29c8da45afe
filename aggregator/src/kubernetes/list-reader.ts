// Bytes of a list as they come → its items, one by one, and what is around them. So a page of thousands of objects is never in memory as a whole,
// neither as text nor as objects, and what an item leaves behind is young garbage. Knows JSON's brackets and strings; whether an
// item is JSON inside is its reader's business.
import { ApiFailure } from './api-failure.ts';
import { beginningOf } from './line-reader.ts';

export interface ListReader {
  take(chunk: Buffer): void;
  /** The list without its items: `{"kind":…,"metadata":{…},"items":[]}`. Throws an ApiFailure if the list has not ended. */
  end(): string;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Depth of brackets: the list is 1, the array of its items 2, an item 3. */
const LIST = 1;
const ITEMS = 2;
const ITEM = 3;

/** What is around the items. */
const ENVELOPE_BYTES_MAX = 1024 ** 2;
const ITEMS_KEY = /"items"\s*:\s*$/;

/**
 * Calls `onItem` with the text of each item.
 * @param onLarge hears of an item that is too large as soon as it is, with its beginning; it is skipped
 */
export function createListReader(
  itemBytesMax: number,
  onItem: (text: string) => void,
  onLarge: (beginning: string) => void,
): ListReader {
  let depth = 0;
  let inString = false;
  let escaped = false;
  let inItems = false;
  let envelope = '';
  /** Of the item or piece of envelope that goes on in the next chunk. */
  let parts: Buffer[] = [];
  let bytes = 0;
  /** This item is too large. */
  let isSkipping = false;

  const keep = (part: Buffer): void => {
    if (isSkipping || part.length === 0) return;
    parts.push(part);
    bytes += part.length;
    if (bytes <= (inItems ? itemBytesMax : ENVELOPE_BYTES_MAX)) return;
    if (!inItems) {
      throw new ApiFailure('too-large', `a list without its items is larger than ${ENVELOPE_BYTES_MAX} bytes`);
    }
    isSkipping = true;
    const beginning = beginningOf(parts);
    parts = [];
    onLarge(beginning);
  };
  const taken = (): string => {
    const text = parts.length === 1 ? parts[0]!.toString() : Buffer.concat(parts, bytes).toString();
    parts = [];
    bytes = 0;
    return text;
  };

  return {
    take(chunk) {
      const { length } = chunk;
      let start = 0;
      let at = 0;
      // Locals: this loop sees every byte of the cluster.
      let level = depth;
      let quoted = inString;
      if (escaped && length > 0) {
        escaped = false;
        at++;
      }
      while (at < length) {
        if (quoted) {
          at = endOfString(chunk, at, length);
          if (at >= length) {
            // One beyond the end: what it stands on is in the next chunk.
            escaped = at > length;
            break;
          }
          quoted = false;
          at++;
          continue;
        }
        const byte = chunk[at]!;
        if (byte === QUOTE) {
          quoted = true;
        } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
          level++;
          if (level === ITEM && inItems) start = at;
          else if (level === ITEMS && byte === OPEN_BRACKET) {
            keep(chunk.subarray(start, at));
            envelope += taken();
            start = at;
            if (ITEMS_KEY.test(envelope)) {
              envelope += '[';
              inItems = true;
            }
          }
        } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
          level--;
          if (level === ITEMS && inItems) {
            keep(chunk.subarray(start, at + 1));
            const text = taken();
            if (!isSkipping) onItem(text);
            isSkipping = false;
            start = at + 1;
          } else if (level === LIST && inItems) {
            inItems = false;
            start = at;
          }
        }
        at++;
      }
      depth = level;
      inString = quoted;
      // Between two items there is a comma, which nobody needs.
      if (!inItems || level >= ITEM) keep(chunk.subarray(start));
    },
    end() {
      envelope += taken();
      if (depth !== 0 || inString || envelope === '') {
        throw new ApiFailure('malformed', 'the answer is not a list of the Kubernetes API');
      }
      return envelope;
    },
  };
}

/** Where the string ends; `length` or one more where it goes on in the next chunk. */
function endOfString(chunk: Buffer, from: number, length: number): number {
  let at = from;
  while (at < length) {
    const byte = chunk[at]!;
    if (byte === QUOTE) return at;
    at += byte === BACKSLASH ? 2 : 1;
  }
  return at;
}
