// An object store in a bucket of Google Cloud Storage. Atomic creation is an upload with ifGenerationMatch=0. Knows requests
// and their order; which errors mean what stands in gcs-errors.ts; nothing is known of what the objects mean.
import { rm, stat } from 'node:fs/promises';
import { type Bucket, type GetFilesOptions, Storage, type StorageOptions } from '@google-cloud/storage';
import { compareUtf8 } from '../model/utf8-order.ts';
import { createOnce } from './create-once.ts';
import {
  type GcsPlace,
  gcsUnavailable,
  isAlreadyThere,
  isBrokenOff,
  isMissingObject,
  isNotWritten,
} from './gcs-errors.ts';
import { proveCreation } from './probe.ts';
import { readWhole } from './read-whole.ts';
import { listedFolders, listedKey, remoteName } from './remote-key.ts';
import { openScratchDirectory } from './scratch.ts';
import type { ObjectContent, ObjectStore, PutIfAbsentResult } from './store.ts';
import { cannotRead } from './unavailable.ts';
import { within } from './within.ts';

/** Files above this size go as a resumable upload, which can go on after a failure. */
const RESUMABLE_BYTES = 16 * 1024 ** 2;

/** A server that does not answer must not hold a commit for ever. */
const REQUEST_TIMEOUT_MS = 60_000;
/** For a whole large file. */
const UPLOAD_TIMEOUT_MS = 600_000;

/** Tries after the first, and the longest pause before each, s: as soon as on S3, not after a quarter of a minute. */
const RETRIES = { maxRetries: 3, maxRetryDelay: 1 };

export interface GcsStoreOptions {
  readonly bucket: string;
  /** Before every key: empty, or with "/" at the end. */
  readonly prefix: string;
  /** Nothing is written: no proof that it can be. */
  readonly readOnly?: boolean | undefined;
  readonly resumableBytes?: number;
  /** For one request with all its tries. */
  readonly requestTimeoutMs?: number;
  /** Over what the client finds in the environment. */
  readonly client?: StorageOptions;
}

/**
 * Opens the bucket as a store. Unless `readOnly`, proves that it can be written and that conditional creation works there;
 * throws STORE_UNAVAILABLE, saying what to do, if not.
 */
export async function openGcsStore(options: GcsStoreOptions): Promise<ObjectStore> {
  const store = new GcsStore(options, await openScratchDirectory());
  // Also before writing: of missing credentials a failed upload does not tell.
  await store.requireBucket();
  if (options.readOnly !== true) {
    await proveCreation(store);
  }
  return store;
}

class GcsStore implements ObjectStore {
  readonly scratchDirectory: string;
  readonly #bucket: Bucket;
  /** Tries once, for `createOnce`: the client takes a conditional write for one that it may repeat. */
  readonly #onceBucket: Bucket;
  readonly #place: GcsPlace;
  readonly #resumableBytes: number;
  readonly #requestTimeoutMs: number;

  constructor({ bucket, prefix, client, ...limits }: GcsStoreOptions, scratchDirectory: string) {
    this.#bucket = connect({ retryOptions: RETRIES, ...client }).bucket(bucket);
    this.#onceBucket = connect({ ...client, retryOptions: { autoRetry: false, maxRetries: 0 } }).bucket(bucket);
    this.#place = { bucket, prefix };
    this.#resumableBytes = limits.resumableBytes ?? RESUMABLE_BYTES;
    this.#requestTimeoutMs = limits.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.scratchDirectory = scratchDirectory;
  }

  describe(): string {
    return `gs://${this.#place.bucket}/${this.#place.prefix}`;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const file = this.#bucket.file(this.#nameOf(key));
    try {
      const [content] = await this.#soon(
        readWhole(async (onAnswer) => {
          try {
            return await file.download();
          } catch (error) {
            // The client does not say whether bytes have come: a connection that broke has an error of the system.
            if (isBrokenOff(error)) onAnswer();
            throw error;
          }
        }),
      );
      return content;
    } catch (error) {
      if (isMissingObject(error)) {
        return undefined;
      }
      throw gcsUnavailable('read', this.#place, key, error);
    }
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<string> {
    const root = this.#place.prefix;
    // The offset is the first name that may come, so it is left out here.
    const offset = startAfter === '' ? {} : { startOffset: root + startAfter };
    for await (const { names } of this.#pages(prefix, offset)) {
      for (const name of names) {
        const key = listedKey(root, name);
        if (key !== undefined && compareUtf8(key, startAfter) > 0) {
          yield key;
        }
      }
    }
  }

  async listFolders(prefix: string): Promise<string[]> {
    const folders: string[] = [];
    for await (const page of this.#pages(prefix, { delimiter: '/' })) {
      folders.push(...page.folders);
    }
    return listedFolders(this.#place.prefix + prefix, folders);
  }

  async put(key: string, content: ObjectContent): Promise<void> {
    const file = this.#bucket.file(this.#nameOf(key));
    try {
      if (content instanceof Uint8Array) {
        await this.#soon(file.save(Buffer.from(content), { resumable: false }));
      } else {
        await this.#upload(file.name, content.file);
      }
    } catch (error) {
      throw gcsUnavailable('write', this.#place, key, error);
    }
  }

  async putIfAbsent(key: string, content: Uint8Array): Promise<PutIfAbsentResult> {
    const file = this.#onceBucket.file(this.#nameOf(key));
    const options = { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } };
    try {
      return await createOnce(() => this.#soon(file.save(Buffer.from(content), options)), {
        isAlreadyThere,
        isNotWritten,
      });
    } catch (error) {
      throw gcsUnavailable('write', this.#place, key, error);
    }
  }

  async delete(key: string): Promise<void> {
    const file = this.#bucket.file(this.#nameOf(key));
    try {
      await this.#soon(file.delete());
    } catch (error) {
      if (!isMissingObject(error)) {
        throw gcsUnavailable('delete', this.#place, key, error);
      }
    }
  }

  /** Throws STORE_UNAVAILABLE unless the bucket can be listed. */
  async requireBucket(): Promise<void> {
    await this.#pages('', { maxResults: 1 }).next();
  }

  async #upload(destination: string, file: string): Promise<void> {
    const { size } = await stat(file).catch((error: unknown) => {
      throw cannotRead(file, error);
    });
    const resumable = size > this.#resumableBytes;
    await within(UPLOAD_TIMEOUT_MS, this.#bucket.upload(file, { destination, resumable }));
    await rm(file, { force: true });
  }

  async *#pages(
    prefix: string,
    options: GetFilesOptions,
  ): AsyncGenerator<{ readonly names: readonly string[]; readonly folders: readonly string[] }> {
    let query: GetFilesOptions | null = { ...options, prefix: this.#place.prefix + prefix, autoPaginate: false };
    while (query !== null) {
      const [files, next, answer]: readonly unknown[] = await this.#soon(this.#bucket.getFiles(query)).catch(
        (error: unknown) => {
          throw gcsUnavailable('list', this.#place, prefix, error);
        },
      );
      const { prefixes = [] } = (answer ?? {}) as { prefixes?: string[] };
      yield { names: (files as { name: string }[]).map(({ name }) => name), folders: prefixes };
      query = (next as GetFilesOptions | null | undefined) ?? null;
    }
  }

  /** The client sets no bound on uploads, and an hour on some others. */
  #soon<T>(request: Promise<T>): Promise<T> {
    return within(this.#requestTimeoutMs, request);
  }

  #nameOf(key: string): string {
    return remoteName(this.#place.prefix, key);
  }
}

/**
 * A client. To an endpoint that it is given it appends the path of the API, to that of STORAGE_EMULATOR_HOST not, other than
 * Google's tools in other languages: so it is given that one, and must not find it itself.
 */
function connect(options: StorageOptions): Storage {
  const emulator = process.env['STORAGE_EMULATOR_HOST'];
  if (!emulator) {
    return new Storage(options);
  }
  delete process.env['STORAGE_EMULATOR_HOST'];
  try {
    return new Storage({ apiEndpoint: emulator, ...options });
  } finally {
    process.env['STORAGE_EMULATOR_HOST'] = emulator;
  }
}
