// What reads a page of a list as its bytes come, in whatever form the server writes it.
import type { ObjectHead } from './object-head.ts';
import type { RawListEnvelope, RawObject } from './raw-objects.ts';

export interface PageParts {
  readonly itemBytesMax: number;
  /** Hears what is around the items before them, where it is written so. */
  readonly onHead: (head: RawListEnvelope) => void;
  readonly onItem: (item: RawObject) => void;
  /** Hears of an item that is too large as soon as it is; it is skipped. */
  readonly onLarge: (head: ObjectHead) => void;
}

export interface PageReader {
  /** Throws an ApiFailure, "malformed", for what is no list. */
  take(chunk: Buffer): void;
  /** The list without its items. Throws an ApiFailure if it has not ended. */
  end(): RawListEnvelope;
}
