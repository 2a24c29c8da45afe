// The bytes of pages: levels, dictionaries, indices into them. Its memory is used again: what it returns is valid until the next
// page of its kind. Knows neither columns nor what values mean.
import { freeBytes } from '@flowtoll/proto';
import { compareTexts, type PackedTexts } from '../text-dictionary.ts';
import { ByteSink } from './byte-sink.ts';
import type { DictionaryPage } from './chunk.ts';
import { bitWidth, writeHybrid, writeRun } from './hybrid.ts';

export class PageWriter {
  /** Positions in the dictionary of the values of a data page, nulls left out; for callers to fill. */
  readonly indices: Uint32Array<ArrayBuffer>;
  /** 1 for each row with a value, 0 for one without; for callers to fill, where there are both. */
  readonly levels: Uint8Array<ArrayBuffer>;
  /** 64-bit integers, low word first, or 32-bit ones; for callers to fill. */
  readonly words: Int32Array<ArrayBuffer>;
  readonly #sink = new ByteSink();
  readonly #dictionarySink = new ByteSink();

  /** @param rowsMax most rows of a group */
  constructor(rowsMax: number) {
    this.indices = new Uint32Array(rowsMax);
    this.levels = new Uint8Array(rowsMax);
    this.words = new Int32Array(2 * rowsMax);
  }

  /** Gives the memory back; of no use afterwards. */
  free(): void {
    for (const array of [this.indices, this.levels, this.words]) freeBytes(array);
    this.#sink.free();
    this.#dictionarySink.free();
  }

  /** A data page of the first `count` indices; of `rowCount` rows the others are null. */
  indexPage(nullable: boolean, rowCount: number, count: number, dictionarySize: number): Uint8Array {
    return this.#page((sink) => {
      this.#presence(nullable, rowCount, count);
      writeIndices(sink, this.indices, count, dictionarySize);
    });
  }

  /** The same, where the dictionary has one value at most. */
  onePage(nullable: boolean, rowCount: number, count: number): Uint8Array {
    return this.#page((sink) => {
      this.#presence(nullable, rowCount, count);
      sink.byte(0);
      writeRun(sink, 0, count, 0);
    });
  }

  /** A data page of the first `wordCount` words, which are `count` values. */
  wordPage(nullable: boolean, rowCount: number, count: number, wordCount: number): Uint8Array {
    return this.#page((sink) => {
      this.#presence(nullable, rowCount, count);
      sink.bytes(new Uint8Array(this.words.buffer, 0, 4 * wordCount));
    });
  }

  /** A data page of a repeated group. */
  repeatedPage(
    repetitions: Uint8Array,
    definitions: Uint8Array,
    definitionWidth: number,
    indices: Uint32Array,
    dictionarySize: number,
  ): Uint8Array {
    return this.#page((sink) => {
      this.#prefixed(() => writeHybrid(sink, repetitions, repetitions.length, 1));
      this.#prefixed(() => writeHybrid(sink, definitions, definitions.length, definitionWidth));
      writeIndices(sink, indices, indices.length, dictionarySize);
    });
  }

  /** The texts of these codes; and which of the codes have the first and the last of them by their bytes, 0 where there are none. */
  textDictionary(texts: PackedTexts, codes: Uint32Array, count: number): DictionaryPage & { min: number; max: number } {
    const sink = this.#dictionarySink;
    sink.clear();
    let [min, max] = [0, 0];
    for (let i = 0; i < count; i++) {
      const code = codes[i]!;
      sink.part(texts.bytes, texts.starts[code]!, texts.starts[code + 1]!);
      if (min === 0 || compareTexts(texts, code, min) < 0) min = code;
      if (max === 0 || compareTexts(texts, code, max) > 0) max = code;
    }
    return { bytes: sink.view(), count, min, max };
  }

  /** Values that have their bytes already. */
  dictionary(values: Iterable<Uint8Array>): DictionaryPage {
    let count = 0;
    const bytes = this.#page((sink) => {
      for (const value of values) {
        sink.bytes(value);
        count++;
      }
    }, this.#dictionarySink);
    return { bytes, count };
  }

  #page(write: (sink: ByteSink) => void, sink = this.#sink): Uint8Array {
    sink.clear();
    write(sink);
    return sink.view();
  }

  /** Which rows have a value, for a column that may have none. */
  #presence(nullable: boolean, rowCount: number, count: number): void {
    if (!nullable) return;
    this.#prefixed(() => {
      if (count === 0 || count === rowCount) writeRun(this.#sink, count === 0 ? 0 : 1, rowCount, 1);
      else writeHybrid(this.#sink, this.levels, rowCount, 1);
    });
  }

  /** What `write` writes, with its length in bytes before it. */
  #prefixed(write: () => void): void {
    const sink = this.#sink;
    const start = sink.length;
    sink.uint32(0);
    write();
    const end = sink.length;
    sink.length = start;
    sink.uint32(end - start - 4);
    sink.length = end;
  }
}

function writeIndices(sink: ByteSink, indices: Uint32Array, count: number, dictionarySize: number): void {
  const width = bitWidth(Math.max(dictionarySize - 1, 0));
  sink.byte(width);
  writeHybrid(sink, indices, count, width);
}
