// One column of one row group as Parquet stores it: levels and values of a data page, and the dictionary before it where there
// is one. Knows the vectors of the row buffer; compression, offsets and the footer are file-writer.ts's.
import { type ColumnVectorOfAny, DecimalVector, NumberVector } from '../column-vectors.ts';
import type { Extremes, TakeChunk } from './chunk.ts';
import { NumberChunks } from './number-chunk.ts';
import { PageWriter } from './page-writer.ts';
import { TextChunks } from './text-chunk.ts';

/** Encodes column after column; its memory is used again. */
export class ChunkEncoder implements Disposable {
  readonly #pages: PageWriter;
  readonly #texts: TextChunks;
  readonly #numbers: NumberChunks;

  /** @param rowsMax most rows of a group */
  constructor(rowsMax: number) {
    this.#pages = new PageWriter(rowsMax);
    this.#texts = new TextChunks(this.#pages, rowsMax);
    this.#numbers = new NumberChunks(this.#pages);
  }

  /** Gives the memory back at once: left to the collector, that of each commit would call it. */
  [Symbol.dispose](): void {
    this.#pages.free();
    this.#texts.free();
  }

  /** Encodes the leaves of one column, one after another; `rows` are the rows of the group in the order of the file. */
  encode(vector: ColumnVectorOfAny, rows: Uint32Array, take: TakeChunk): Extremes {
    if (vector instanceof NumberVector) return this.#numbers.numbers(vector, rows, take);
    if (vector instanceof DecimalVector) return this.#numbers.decimals(vector, rows, take);
    return vector.column.type === 'map' ? this.#texts.maps(vector, rows, take) : this.#texts.texts(vector, rows, take);
  }
}
