// A column of texts, or of maps of texts. Texts have their codes already: a dictionary costs a look for each entry that rows have, an
// index one for each row, and no text is read twice.
import { freeBytes } from '@flowtoll/proto';
import { NULL_CODE, type TextVector } from '../column-vectors.ts';
import { TextDictionary } from '../text-dictionary.ts';
import type { Extremes, TakeChunk } from './chunk.ts';
import { leafPaths, physicalType } from './column-schema.ts';
import { DenseEntries } from './dense-entries.ts';
import type { PageWriter } from './page-writer.ts';

/** Longer extremes are left out: they would be most of the footer. */
const EXTREME_BYTES_MAX = 256;
const UTF8 = new TextEncoder();
/** Stands for null among positions in a dictionary. */
const NULL_POSITION = 0xffff_ffff;

type AnyTextVector = TextVector<never>;

export class TextChunks {
  readonly #pages: PageWriter;
  readonly #entries: DenseEntries;
  /** Codes of the texts of the dictionary, in its order. */
  readonly #used: Uint32Array<ArrayBuffer>;
  /** Position in the dictionary of each entry, NULL_POSITION for null. */
  readonly #positionOfEntry: Uint32Array<ArrayBuffer>;
  /** 1 + position in the dictionary of each code; 0 where it has none. */
  #positions = new Uint32Array(0);

  constructor(pages: PageWriter, rowsMax: number) {
    this.#pages = pages;
    this.#entries = new DenseEntries(rowsMax);
    this.#used = new Uint32Array(rowsMax);
    this.#positionOfEntry = new Uint32Array(rowsMax);
  }

  /** Gives the memory back; of no use afterwards. */
  free(): void {
    for (const array of [this.#used, this.#positionOfEntry, this.#positions]) freeBytes(array);
    this.#entries.free();
  }

  texts(vector: AnyTextVector, rows: Uint32Array, take: TakeChunk): Extremes<string> {
    const { values, column } = vector;
    if (this.#positions.length < values.length) {
      freeBytes(this.#positions);
      this.#positions = new Uint32Array(2 * values.length);
    }
    const { usedCount, count } =
      vector.entries === undefined ? this.#ofRows(vector, rows) : this.#ofEntries(vector, rows);
    const used = this.#used;
    for (let i = 0; i < usedCount; i++) this.#positions[used[i]!] = 0;
    const pages = this.#pages;
    const dictionary = pages.textDictionary(vector.packed, used, usedCount);
    const textOf = (code: number) => (code === NULL_CODE ? undefined : values[code]);
    const [min, max] = [textOf(dictionary.min), textOf(dictionary.max)];
    const extremes = { nullCount: rows.length - count, min, max };
    take({
      ...{ path: [column.name], physicalType: physicalType(column.type), valueCount: rows.length },
      ...{ nullCount: extremes.nullCount, min: extremeBytes(min), max: extremeBytes(max) },
      dictionary,
      data:
        usedCount <= 1
          ? pages.onePage(column.nullable, rows.length, count)
          : pages.indexPage(column.nullable, rows.length, count, usedCount),
    });
    return extremes;
  }

  /** Fills dictionary, levels and indices for rows that are entries of their own. */
  #ofRows({ codes }: AnyTextVector, rows: Uint32Array): { usedCount: number; count: number } {
    const { indices, levels } = this.#pages;
    let usedCount = 0;
    let count = 0;
    for (let i = 0; i < rows.length; i++) {
      const code = codes[rows[i]!]!;
      levels[i] = code === NULL_CODE ? 0 : 1;
      if (code === NULL_CODE) continue;
      const position = this.#positions[code]!;
      indices[count++] = position === 0 ? usedCount : position - 1;
      if (position === 0) usedCount = this.#use(code, usedCount);
    }
    return { usedCount, count };
  }

  /** The same for rows that share entries. */
  #ofEntries({ codes, entries }: AnyTextVector, rows: Uint32Array): { usedCount: number; count: number } {
    const { ofRow, list, listCount } = this.#entries.of(entries!, rows);
    const positionOfEntry = this.#positionOfEntry;
    let usedCount = 0;
    let hasNulls = false;
    for (let entry = 0; entry < listCount; entry++) {
      const code = codes[list[entry]!]!;
      if (code === NULL_CODE) {
        positionOfEntry[entry] = NULL_POSITION;
        hasNulls = true;
        continue;
      }
      const position = this.#positions[code]!;
      positionOfEntry[entry] = position === 0 ? usedCount : position - 1;
      if (position === 0) usedCount = this.#use(code, usedCount);
    }
    if (hasNulls) return { usedCount, count: usedCount === 0 ? 0 : this.#indicesWithNulls(ofRow, rows.length) };
    if (usedCount > 1) {
      const { indices } = this.#pages;
      for (let i = 0; i < rows.length; i++) indices[i] = positionOfEntry[ofRow[i]!]!;
    }
    return { usedCount, count: rows.length };
  }

  #indicesWithNulls(ofRow: Uint32Array, rowCount: number): number {
    const { indices, levels } = this.#pages;
    const positionOfEntry = this.#positionOfEntry;
    let count = 0;
    for (let i = 0; i < rowCount; i++) {
      const position = positionOfEntry[ofRow[i]!]!;
      levels[i] = position === NULL_POSITION ? 0 : 1;
      if (position !== NULL_POSITION) indices[count++] = position;
    }
    return count;
  }

  /** Puts a code at the end of the dictionary; the size of the dictionary. */
  #use(code: number, usedCount: number): number {
    this.#used[usedCount] = code;
    this.#positions[code] = usedCount + 1;
    return usedCount + 1;
  }

  /** A map is a repeated pair of texts: level 0 begins a row, 1 goes on with it. */
  maps(vector: AnyTextVector, rows: Uint32Array, take: TakeChunk): Extremes<never> {
    const paths = leafPaths(vector.column);
    if (vector.values.length === 1) {
      // Nobody asked for labels: no row has a map.
      const levels = new Uint8Array(rows.length);
      for (const path of paths) this.#mapLeaf(path, levels, levels, [], take);
      return { nullCount: rows.length, min: undefined, max: undefined };
    }
    const entries = vector.values.map((text, code) =>
      code === NULL_CODE ? undefined : (Object.entries(JSON.parse(text)) as [string, string][]),
    );
    const repetitions: number[] = [];
    const definitions: number[] = [];
    const pairs: (readonly [string, string])[] = [];
    let nullCount = 0;
    for (const row of rows) {
      const map = entries[vector.codeOfRow(row)];
      // 0: no map; 1: an empty one; 2: a key, and for values 3: a value.
      if (map === undefined || map.length === 0) {
        repetitions.push(0);
        definitions.push(map === undefined ? 0 : 1);
        if (map === undefined) nullCount++;
        continue;
      }
      map.forEach((pair, i) => {
        repetitions.push(i === 0 ? 0 : 1);
        definitions.push(2);
        pairs.push(pair);
      });
    }
    for (const [leaf, path] of paths.entries()) {
      this.#mapLeaf(
        path,
        Uint8Array.from(repetitions),
        Uint8Array.from(definitions, (level) => (level === 2 ? 2 + leaf : level)),
        pairs.map((pair) => pair[leaf]!),
        take,
      );
    }
    return { nullCount, min: undefined, max: undefined };
  }

  #mapLeaf(
    path: string[],
    repetitions: Uint8Array,
    definitions: Uint8Array,
    texts: readonly string[],
    take: TakeChunk,
  ): void {
    const dictionary = new TextDictionary();
    const indices = Uint32Array.from(texts, (text) => dictionary.add(text) - 1);
    const codes = Uint32Array.from(dictionary.values.keys()).subarray(1);
    take({
      ...{ path, physicalType: physicalType('map'), valueCount: definitions.length },
      ...{ nullCount: definitions.length - texts.length, min: undefined, max: undefined },
      dictionary: this.#pages.textDictionary(dictionary.packed, codes, codes.length),
      data: this.#pages.repeatedPage(repetitions, definitions, 2, indices, codes.length),
    });
    dictionary.free();
  }
}

function extremeBytes(text: string | undefined): Uint8Array | undefined {
  const bytes = text === undefined ? undefined : UTF8.encode(text);
  return bytes !== undefined && bytes.length <= EXTREME_BYTES_MAX ? bytes : undefined;
}
