// The object store as everything above sees it: whole objects under keys, and one atomic conditional write. It holds for a
// directory, S3, GCS and Azure alike; it must not know what the objects mean.

/** What an object is made of: bytes in memory, or a local file that the store may move away. */
export type ObjectContent = Uint8Array | { readonly file: string };

/** Result of a conditional write: this call created the object, or there was one already and it is unchanged. */
export type PutIfAbsentResult = 'created' | 'exists';

/** What a program needs to read the objects of a store through S3. */
export interface S3Access {
  /** s3://bucket/prefix/, before every key. */
  readonly root: string;
  readonly region: string;
  /** Server that is not AWS's, as a URL. */
  readonly endpoint: string | undefined;
  /** The bucket in the path, not in the host name. */
  readonly pathStyle: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/**
 * Objects under keys: relative paths of non-empty segments joined by "/". An object is written whole or not at all, and a
 * completed write is durable and seen by every later call of every process. Every method throws FlowtollError
 * STORE_UNAVAILABLE when the store cannot do it; after such an error of a write, nobody knows whether the write happened.
 */
export interface ObjectStore {
  /** The object's bytes; undefined if there is no such object. */
  get(key: string): Promise<Uint8Array | undefined>;

  /**
   * All keys that begin with `prefix` and come after `startAfter`, in the order of their UTF-8 bytes. Servers that keep
   * folders (SeaweedFS) put "a/1" before "a.txt", which they should not: only the keys of one folder are in order everywhere.
   * Keys with a segment that begins with a dot are the stores' own, and are not listed.
   */
  list(prefix: string, startAfter?: string): AsyncIterable<string>;

  /**
   * The distinct first segments of what follows `prefix` (which ends in "/" or is empty) in keys that go on after it. Servers
   * that keep folders may name one that has become empty.
   */
  listFolders(prefix: string): Promise<string[]>;

  /** Writes the object, whether or not there is one. A `file` is consumed: it is gone afterwards. */
  put(key: string, content: ObjectContent): Promise<void>;

  /**
   * Writes the object only if there is none. Of any number of concurrent calls exactly one creates. For small objects, so
   * that one request decides. Whoever asks again after STORE_UNAVAILABLE may be told of his own object that it exists.
   */
  putIfAbsent(key: string, content: Uint8Array): Promise<PutIfAbsentResult>;

  /** Deletes the object; no error if there is none. */
  delete(key: string): Promise<void>;

  /** Path of the file that is the object, in stores whose objects are files; absent in others. */
  localPath?(key: string): string;

  /**
   * Writes the object into a local file that is not there yet, without holding it in memory; `false` if there is no such
   * object. Absent in stores that have no way of their own to do it.
   */
  download?(key: string, file: string): Promise<boolean>;

  /** How another program reads the same objects; asked again before each use, because credentials expire. Only of S3. */
  s3Access?(): Promise<S3Access>;

  /** A local directory to write files in that are about to be put; putting from here needs no copy. */
  readonly scratchDirectory: string;

  /** Where the store is, for messages to people. */
  describe(): string;
}
