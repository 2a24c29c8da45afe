// Bytes of a list in Protocol Buffers as they come → its metadata, then its items, one by one. So a page of thousands of objects is never in
// memory as a whole. Knows the frame that the Kubernetes API puts around a list, and the two fields that lists of all kinds have.
//
//   "k8s\0"  Unknown { 1: type, 2: raw: List { 1: ListMeta, 2: item, 2: item, … }, 3: …, 4: … }
import { ApiFailure } from './api-failure.ts';
import { HEAD_BYTES } from './object-head.ts';
import type { PageParts, PageReader } from './page-reader.ts';
import { protobufReader, readListMetadata, readProtobufHead } from './protobuf-objects.ts';
import type { RawListEnvelope } from './raw-objects.ts';

const MAGIC = Buffer.from('k8s\0');
/** Of the frame: the list. */
const RAW = 2;
/** Of the list. */
const METADATA = 1;
const ITEM = 2;

/** The token of the next page is a few hundred. */
const METADATA_BYTES_MAX = 64 << 10;
/** Of a tag, and of a length: 32 bits, seven in a byte. */
const VARINT_BYTES_MAX = 5;
const LENGTH_DELIMITED = 2;

const EMPTY = Buffer.alloc(0);

interface Header {
  readonly number: number;
  /** Of the value, in bytes. */
  readonly length: number;
  /** Of tag and length. */
  readonly bytes: number;
}

/** @param kind of the items */
export function createProtobufListReader(kind: string, parts: PageParts): PageReader {
  const { itemBytesMax, onHead, onItem, onLarge } = parts;
  const readItem = protobufReader(kind);
  let pending: Buffer = EMPTY;
  let hasBegun = false;
  /** Bytes of the list that are still to come; undefined before it begins and after it ended. */
  let listLeft: number | undefined;
  /** Bytes that nobody reads. */
  let unread = 0;
  let envelope: RawListEnvelope | undefined;

  /** Takes what is whole from the pending bytes; false when there is no more of it. */
  function step(): boolean {
    if (unread > 0) {
      const skipped = Math.min(unread, pending.length);
      drop(skipped);
      unread -= skipped;
      return skipped > 0;
    }
    if (!hasBegun) return begin();
    if (listLeft === 0) listLeft = undefined;
    const header = headerOf(pending);
    if (header === undefined) return false;
    return listLeft === undefined ? frameField(header) : listField(header, listLeft);
  }

  function begin(): boolean {
    if (pending.length < MAGIC.length) return false;
    if (!pending.subarray(0, MAGIC.length).equals(MAGIC)) throw malformed('it does not begin as one');
    drop(MAGIC.length);
    hasBegun = true;
    return true;
  }

  function frameField({ number, length, bytes }: Header): boolean {
    drop(bytes);
    if (number === RAW) listLeft = length;
    else unread = length;
    return true;
  }

  function listField({ number, length, bytes }: Header, left: number): boolean {
    const isLarge = number === ITEM && length > itemBytesMax;
    const isRead = number === ITEM || number === METADATA;
    const needed = isLarge ? Math.min(length, HEAD_BYTES) : isRead ? length : 0;
    if (bytes + length > left) throw malformed('an item is longer than its list');
    if (number === METADATA && length > METADATA_BYTES_MAX) throw malformed('its head is too large');
    if (pending.length < bytes + needed) return false;
    const value = pending.subarray(bytes, bytes + needed);
    drop(bytes + needed);
    unread = length - needed;
    listLeft = left - bytes - length;
    if (isLarge) onLarge(readProtobufHead(value));
    else if (number === ITEM) onItem(readable(readItem, value));
    else if (number === METADATA) {
      const head = { metadata: readable(readListMetadata, value) };
      envelope = head;
      onHead(head);
    }
    return true;
  }

  function drop(bytes: number): void {
    pending = pending.subarray(bytes);
  }

  return {
    take(chunk) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (step());
    },
    end() {
      if (envelope === undefined || pending.length > 0 || unread > 0 || listLeft) throw malformed('it has not ended');
      return envelope;
    },
  };
}

/** Of the field that begins there; undefined if it goes on in the next chunk. */
function headerOf(bytes: Buffer): Header | undefined {
  const tag = varintAt(bytes, 0);
  if (tag === undefined) return undefined;
  if ((tag.value & 7) !== LENGTH_DELIMITED) throw malformed('a number stands where lists have none');
  const length = varintAt(bytes, tag.end);
  return length && { number: tag.value >>> 3, length: length.value, bytes: length.end };
}

function varintAt(bytes: Buffer, from: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  let factor = 1;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end: at + 1 };
    factor *= 128;
    if (at + 1 - from === VARINT_BYTES_MAX) throw malformed('a length is none');
  }
  return undefined;
}

function readable<T>(read: (bytes: Buffer) => T, bytes: Buffer): T {
  try {
    return read(bytes);
  } catch (error) {
    throw malformed('an object cannot be read', error);
  }
}

function malformed(what: string, cause?: unknown): ApiFailure {
  return new ApiFailure('malformed', `the answer is not a list of the Kubernetes API: ${what}`, { cause });
}
