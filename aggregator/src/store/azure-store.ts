// An object store in a container of Azure Blob Storage. Atomic creation is Put Blob with If-None-Match. Knows requests and
// their order; which errors mean what stands in azure-errors.ts; nothing is known of what the objects mean.
import { rm } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { DefaultAzureCredential } from '@azure/identity';
import { BlobServiceClient, type ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { FlowtollError } from '../model/errors.ts';
import { compareUtf8 } from '../model/utf8-order.ts';
import { type AzurePlace, azureUnavailable, isAlreadyThere, isMissingBlob, isNotWritten } from './azure-errors.ts';
import { createOnce } from './create-once.ts';
import { proveCreation } from './probe.ts';
import { readWhole } from './read-whole.ts';
import { listedFolders, listedKey, remoteName } from './remote-key.ts';
import { openScratchDirectory } from './scratch.ts';
import type { ObjectContent, ObjectStore, PutIfAbsentResult } from './store.ts';

/** Files above this size go in blocks of it. Two blocks are in memory at a time. */
const BLOCK_BYTES = 16 * 1024 ** 2;
const BLOCKS_AT_A_TIME = 2;

/** For a request with all its tries, and for a listing: a server that does not answer must not hold a commit for ever. */
const REQUEST_TIMEOUT_MS = 60_000;
/** For a whole large file. */
const UPLOAD_TIMEOUT_MS = 600_000;

export interface AzureStoreOptions {
  /** Name of the container. */
  readonly bucket: string;
  /** Before every key: empty, or with "/" at the end. */
  readonly prefix: string;
  /** Nothing is written: no proof that it can be. */
  readonly readOnly?: boolean | undefined;
  readonly blockBytes?: number;
  readonly requestTimeoutMs?: number;
  /** Where account and credentials are looked up; the process's by default. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Opens the container as a store. Unless `readOnly`, proves that it can be written and that conditional creation works there;
 * throws STORE_UNAVAILABLE or CONFIG_INVALID, saying what to do, if not.
 */
export async function openAzureStore(options: AzureStoreOptions): Promise<ObjectStore> {
  const store = new AzureStore(options, await openScratchDirectory());
  if (options.readOnly === true) {
    await store.requireContainer();
  } else {
    await proveCreation(store);
  }
  return store;
}

class AzureStore implements ObjectStore {
  readonly scratchDirectory: string;
  readonly #container: ContainerClient;
  /** Tries once, for `createOnce`. */
  readonly #onceContainer: ContainerClient;
  readonly #place: AzurePlace;
  readonly #blockBytes: number;
  readonly #requestTimeoutMs: number;

  constructor(options: AzureStoreOptions, scratchDirectory: string) {
    const environment = options.environment ?? process.env;
    this.#container = connect(environment, 4).getContainerClient(options.bucket);
    this.#onceContainer = connect(environment, 1).getContainerClient(options.bucket);
    this.#place = { container: this.#container.url.replace(/\?.*$/s, ''), prefix: options.prefix };
    this.#blockBytes = options.blockBytes ?? BLOCK_BYTES;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.scratchDirectory = scratchDirectory;
  }

  describe(): string {
    return `${this.#place.container}/${this.#place.prefix}`;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const blob = this.#container.getBlobClient(this.#nameOf(key));
    try {
      // One bound for all tries: once it is over, none begins.
      const abortSignal = this.#timeout();
      return await readWhole(async (onAnswer) => {
        const { readableStreamBody } = await blob.download(0, undefined, { abortSignal });
        onAnswer();
        return buffer(readableStreamBody!);
      });
    } catch (error) {
      if (isMissingBlob(error)) {
        return undefined;
      }
      throw azureUnavailable('read', this.#place, key, error);
    }
  }

  /**
   * Reads the whole listing and sorts it: in which order Azure lists is not promised (accounts with folders have another than
   * those without), and not every account can begin in the middle. So the log of a table is listed by blocks (log-listing.ts).
   */
  async *list(prefix: string, startAfter = ''): AsyncIterable<string> {
    const root = this.#place.prefix;
    const keys: string[] = [];
    try {
      for await (const { name } of this.#container.listBlobsFlat({
        prefix: root + prefix,
        abortSignal: this.#timeout(),
      })) {
        const key = listedKey(root, name);
        if (key !== undefined && compareUtf8(key, startAfter) > 0) {
          keys.push(key);
        }
      }
    } catch (error) {
      throw azureUnavailable('list', this.#place, prefix, error);
    }
    yield* keys.sort(compareUtf8);
  }

  async listFolders(prefix: string): Promise<string[]> {
    const above = this.#place.prefix + prefix;
    const folders: string[] = [];
    try {
      for await (const item of this.#container.listBlobsByHierarchy('/', {
        prefix: above,
        abortSignal: this.#timeout(),
      })) {
        if (item.kind === 'prefix') {
          folders.push(item.name);
        }
      }
    } catch (error) {
      throw azureUnavailable('list', this.#place, prefix, error);
    }
    return listedFolders(above, folders);
  }

  async put(key: string, content: ObjectContent): Promise<void> {
    const blob = this.#container.getBlockBlobClient(this.#nameOf(key));
    try {
      if (content instanceof Uint8Array) {
        await blob.upload(content, content.length, { abortSignal: this.#timeout() });
        return;
      }
      await blob.uploadFile(content.file, {
        blockSize: this.#blockBytes,
        maxSingleShotSize: this.#blockBytes,
        concurrency: BLOCKS_AT_A_TIME,
        abortSignal: AbortSignal.timeout(UPLOAD_TIMEOUT_MS),
      });
      await rm(content.file, { force: true });
    } catch (error) {
      throw azureUnavailable('write', this.#place, key, error);
    }
  }

  async putIfAbsent(key: string, content: Uint8Array): Promise<PutIfAbsentResult> {
    const blob = this.#onceContainer.getBlockBlobClient(this.#nameOf(key));
    const conditions = { ifNoneMatch: '*' };
    const request = () => blob.upload(content, content.length, { conditions, abortSignal: this.#timeout() });
    try {
      return await createOnce(request, { isAlreadyThere, isNotWritten });
    } catch (error) {
      throw azureUnavailable('write', this.#place, key, error);
    }
  }

  async delete(key: string): Promise<void> {
    const blob = this.#container.getBlobClient(this.#nameOf(key));
    try {
      await blob.delete({ abortSignal: this.#timeout() });
    } catch (error) {
      if (!isMissingBlob(error)) {
        throw azureUnavailable('delete', this.#place, key, error);
      }
    }
  }

  /** Throws STORE_UNAVAILABLE unless the container can be listed. */
  async requireContainer(): Promise<void> {
    try {
      const query = { prefix: this.#place.prefix, abortSignal: this.#timeout() };
      await this.#container.listBlobsFlat(query).byPage({ maxPageSize: 1 }).next();
    } catch (error) {
      throw azureUnavailable('list', this.#place, '', error);
    }
  }

  #nameOf(key: string): string {
    return remoteName(this.#place.prefix, key);
  }

  #timeout(): AbortSignal {
    return AbortSignal.timeout(this.#requestTimeoutMs);
  }
}

/** A client for the account that the environment names, with the variables of Azure's own tools. */
function connect(environment: Readonly<Record<string, string | undefined>>, maxTries: number): BlobServiceClient {
  const options = { retryOptions: { maxTries, retryDelayInMs: 200, maxRetryDelayInMs: 5_000 } };
  const connection = environment['AZURE_STORAGE_CONNECTION_STRING'];
  if (connection) {
    try {
      return BlobServiceClient.fromConnectionString(connection, options);
    } catch (error) {
      throw new FlowtollError(
        'CONFIG_INVALID',
        `AZURE_STORAGE_CONNECTION_STRING is not valid (${error instanceof Error ? error.message : error}): copy it from the ` +
          'access keys of the storage account',
        { cause: error },
      );
    }
  }
  const account = environment['AZURE_STORAGE_ACCOUNT'];
  const endpoint = environment['AZURE_STORAGE_SERVICE_ENDPOINT'];
  if (!account && !endpoint) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      'az:// needs the name of the storage account: set AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING ' +
        '(docs/stores.md)',
    );
  }
  const url = endpoint || `https://${account}.blob.core.windows.net`;
  const key = environment['AZURE_STORAGE_KEY'];
  if (key && account) {
    return new BlobServiceClient(url, new StorageSharedKeyCredential(account, key), options);
  }
  const signature = environment['AZURE_STORAGE_SAS_TOKEN'];
  if (signature) {
    return new BlobServiceClient(`${url}?${signature.replace(/^\?/, '')}`, undefined, options);
  }
  return new BlobServiceClient(url, new DefaultAzureCredential(), options);
}
