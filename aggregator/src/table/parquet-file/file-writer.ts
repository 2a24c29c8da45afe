// A Parquet file from columns in memory (https://parquet.apache.org/docs/file-format/): row groups of one data page a column,
// zstd, extremes of every column, the footer. Compressed where it was encoded, column by column: handing pages to another
// thread means copies, and 100 bytes of garbage a row cost more in collections than the thread takes off. Others get their turn
// between two columns. Knows the format; which rows in which order is the caller's.
import { open } from 'node:fs/promises';
import { setImmediate as othersTurn } from 'node:timers/promises';
import { constants, zstdCompressSync } from 'node:zlib';
import { compareUtf8 } from '../../model/utf8-order.ts';
import type { ColumnVectorOfAny } from '../column-vectors.ts';
import type { ColumnExtremes } from '../statistics.ts';
import { ByteSink } from './byte-sink.ts';
import type { ColumnChunk, Extremes } from './chunk.ts';
import { ChunkEncoder } from './column-chunk.ts';
import { schemaElements } from './column-schema.ts';
import { ThriftStruct } from './thrift.ts';

const MAGIC = Buffer.from('PAR1');
const FORMAT_VERSION = 1;
/** Known to readers that look for the faults of old writers; none of ours is among them. */
const CREATED_BY = 'flowtoll';

const PAGE_DATA = 0;
const PAGE_DICTIONARY = 2;
const PLAIN = 0;
const RLE = 3;
const RLE_DICTIONARY = 8;
const CODEC_NONE = 0;
const CODEC_ZSTD = 6;

/** Fewer bytes are left as they are: most columns of a commit are one run, and a compressor of its own costs more than it saves. */
const COMPRESSED_MIN_BYTES = 128;

export interface FileLayout {
  readonly rowGroupRows: number;
  readonly zstdLevel: number;
}

/** Pages as they stand in the file. */
interface StoredChunk {
  readonly chunk: ColumnChunk;
  readonly codec: number;
  /** Header and body of each page, the dictionary first. */
  readonly pages: readonly Uint8Array[];
  readonly uncompressedBytes: number;
}

/** Where they stand. */
interface StoredColumn extends Omit<StoredChunk, 'pages'> {
  readonly offset: number;
  /** Of the data page, behind the dictionary. */
  readonly dataOffset: number;
  readonly storedBytes: number;
}

interface RowGroup {
  readonly rowCount: number;
  readonly columns: readonly StoredColumn[];
}

/** A file that was written. */
export interface WrittenFile {
  readonly sizeBytes: number;
  /** What its columns hold, one for each vector. */
  readonly columns: readonly ColumnExtremes[];
}

/** Writes the rows `order` of the vectors to a new file; the vectors must not change meanwhile. */
export async function writeParquetFile(
  path: string,
  vectors: readonly ColumnVectorOfAny[],
  order: Uint32Array,
  layout: FileLayout,
): Promise<WrittenFile> {
  await using file = await open(path, 'w');
  using encoder = new ChunkEncoder(Math.min(layout.rowGroupRows, order.length));
  const extremes = vectors.map((): Extremes => ({ nullCount: 0, min: undefined, max: undefined }));
  const groups: RowGroup[] = [];
  /** Written, or waiting to be written with the rest of the row group. */
  let offset = 0;
  let waiting: Uint8Array[] = [];
  const put = (bytes: Uint8Array) => {
    waiting.push(bytes);
    offset += bytes.length;
  };
  const flush = async () => {
    const bytes = Buffer.concat(waiting);
    for (const page of waiting) free(page);
    waiting = [];
    await file.writeFile(bytes);
    free(bytes);
  };
  put(MAGIC);
  for (let from = 0; from < order.length; from += layout.rowGroupRows) {
    const rows = order.subarray(from, from + layout.rowGroupRows);
    const columns: StoredColumn[] = [];
    for (const [i, vector] of vectors.entries()) {
      const found = encoder.encode(vector, rows, (chunk) => {
        const { pages, ...stored } = storedChunk(chunk, layout.zstdLevel);
        const start = offset;
        for (const page of pages) put(page);
        const dataOffset = offset - pages.at(-2)!.length - pages.at(-1)!.length;
        columns.push({ ...stored, offset: start, dataOffset, storedBytes: offset - start });
      });
      extremes[i] = together(extremes[i]!, found);
      await othersTurn();
    }
    groups.push({ rowCount: rows.length, columns });
    await flush();
  }
  const footer = footerBytes(vectors, order.length, groups);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  for (const part of [footer, length, MAGIC]) put(part);
  await flush();
  return { sizeBytes: offset, columns: vectors.map(({ column }, i) => ({ column, ...extremes[i]! })) };
}

/** Of two row groups. */
function together(a: Extremes, b: Extremes): Extremes {
  return {
    nullCount: a.nullCount + b.nullCount,
    min: a.min === undefined || (b.min !== undefined && isBelow(b.min, a.min)) ? b.min : a.min,
    max: a.max === undefined || (b.max !== undefined && isBelow(a.max, b.max)) ? b.max : a.max,
  };
}

function isBelow(a: string | number | bigint, b: string | number | bigint): boolean {
  return typeof a === 'string' && typeof b === 'string' ? compareUtf8(a, b) < 0 : a < b;
}

function storedChunk(chunk: ColumnChunk, zstdLevel: number): StoredChunk {
  const { dictionary, data } = chunk;
  const bytes = data.length + (dictionary?.bytes.length ?? 0);
  const codec = bytes < COMPRESSED_MIN_BYTES ? CODEC_NONE : CODEC_ZSTD;
  const body = (page: Uint8Array) => (codec === CODEC_NONE ? page.slice() : compressed(page, zstdLevel));
  const pages: Uint8Array[] = [];
  let headerBytes = 0;
  const add = (header: Uint8Array, content: Uint8Array) => {
    pages.push(header, content);
    headerBytes += header.length;
  };
  if (dictionary !== undefined) {
    const content = body(dictionary.bytes);
    add(dictionaryHeader(dictionary.count, dictionary.bytes.length, content.length), content);
  }
  const content = body(data);
  add(dataHeader(chunk, content.length), content);
  return { chunk, codec, pages, uncompressedBytes: bytes + headerBytes };
}

function compressed(bytes: Uint8Array, level: number): Uint8Array {
  // Room for all of it, so that it is one buffer, which can be given back.
  return zstdCompressSync(bytes, {
    chunkSize: bytes.length + COMPRESSED_MIN_BYTES,
    pledgedSrcSize: bytes.length,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
}

/**
 * Gives back at once what lies outside of the heap: left to the collector, each commit's pages would call it. Only what has its
 * memory for itself; small buffers share.
 */
function free({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}

function dictionaryHeader(count: number, bytes: number, storedBytes: number): Uint8Array {
  return structBytes((header) => {
    header.i32(1, PAGE_DICTIONARY);
    header.i32(2, bytes);
    header.i32(3, storedBytes);
    header.struct(7, (dictionary) => {
      dictionary.i32(1, count);
      dictionary.i32(2, PLAIN);
    });
  });
}

function dataHeader({ data, valueCount, dictionary }: ColumnChunk, storedBytes: number): Uint8Array {
  return structBytes((header) => {
    header.i32(1, PAGE_DATA);
    header.i32(2, data.length);
    header.i32(3, storedBytes);
    header.struct(5, (page) => {
      page.i32(1, valueCount);
      page.i32(2, dictionary === undefined ? PLAIN : RLE_DICTIONARY);
      page.i32(3, RLE);
      page.i32(4, RLE);
    });
  });
}

function footerBytes(vectors: readonly ColumnVectorOfAny[], rowCount: number, groups: readonly RowGroup[]): Uint8Array {
  const schema = schemaElements(vectors.map(({ column }) => column));
  return structBytes((footer) => {
    footer.i32(1, FORMAT_VERSION);
    footer.structs(2, schema, (element, write) => write(element));
    footer.i64(3, rowCount);
    footer.structs(4, groups, writeRowGroup);
    footer.binary(6, CREATED_BY);
    // Extremes are in the order of each type: bytes for texts.
    const leaves = groups[0]?.columns ?? [];
    footer.structs(7, leaves, (order) => order.struct(1, () => undefined));
  });
}

function writeRowGroup(group: ThriftStruct, { rowCount, columns }: RowGroup): void {
  group.structs(1, columns, (column, stored) => {
    column.i64(2, stored.offset);
    column.struct(3, (metadata) => writeMetadata(metadata, stored));
  });
  group.i64(
    2,
    columns.reduce((sum, { uncompressedBytes }) => sum + uncompressedBytes, 0),
  );
  group.i64(3, rowCount);
}

function writeMetadata(
  metadata: ThriftStruct,
  { chunk, codec, uncompressedBytes, offset, dataOffset, storedBytes }: StoredColumn,
): void {
  const { dictionary, min, max, nullCount } = chunk;
  metadata.i32(1, chunk.physicalType);
  metadata.i32s(2, dictionary === undefined ? [PLAIN, RLE] : [PLAIN, RLE, RLE_DICTIONARY]);
  metadata.binaries(3, chunk.path);
  metadata.i32(4, codec);
  metadata.i64(5, chunk.valueCount);
  metadata.i64(6, uncompressedBytes);
  metadata.i64(7, storedBytes);
  metadata.i64(9, dataOffset);
  if (dictionary !== undefined) metadata.i64(11, offset);
  metadata.struct(12, (statistics) => {
    statistics.i64(3, nullCount);
    if (max !== undefined) statistics.binary(5, max);
    if (min !== undefined) statistics.binary(6, min);
  });
}

function structBytes(fields: (struct: ThriftStruct) => void): Uint8Array {
  const sink = new ByteSink();
  ThriftStruct.write(sink, fields);
  return sink.view();
}
