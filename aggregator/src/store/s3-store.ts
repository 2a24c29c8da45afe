// An object store in a bucket of S3, or of a server that speaks S3. Atomic creation is PutObject with If-None-Match. Knows
// requests and their order; which errors mean what stands in s3-errors.ts; nothing is known of what the objects mean.
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  paginateListObjectsV2,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createOnce } from './create-once.ts';
import { proveCreation } from './probe.ts';
import { readWhole } from './read-whole.ts';
import { listedFolders, listedKey, remoteName } from './remote-key.ts';
import { isAlreadyThere, isMissingObject, isNotWritten, type S3Place, s3Unavailable } from './s3-errors.ts';
import { openScratchDirectory } from './scratch.ts';
import type { ObjectContent, ObjectStore, PutIfAbsentResult, S3Access } from './store.ts';
import { cannotRead, cannotWrite, isFileError } from './unavailable.ts';

/** Files above this size go in parts of it. Two parts are in memory at a time. */
const PART_BYTES = 16 * 1024 ** 2;
const PARTS_AT_A_TIME = 2;
/** S3 takes no more parts for one object. */
const PARTS_MAX = 10_000;

/** The body of an answer. */
type SdkStream = NonNullable<GetObjectCommandOutput['Body']>;

/** A server that does not answer must not hold a commit for ever. */
const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 30_000;

export interface S3StoreOptions {
  readonly bucket: string;
  /** Before every key: empty, or with "/" at the end. */
  readonly prefix: string;
  /** The bucket in the path, not in the host name. By default, if environment or profile name a server. */
  readonly pathStyle?: boolean | undefined;
  /** Encrypt with this key of the key management service, or with the account's own ("default"). */
  readonly kmsKey?: string | undefined;
  /** Nothing is written: no proof that it can be. */
  readonly readOnly?: boolean | undefined;
  readonly partBytes?: number;
  /** Over what the SDK finds in the environment. */
  readonly client?: Pick<S3ClientConfig, 'endpoint' | 'region' | 'credentials' | 'requestHandler' | 'maxAttempts'>;
}

/**
 * Opens the bucket as a store. Unless `readOnly`, proves that it can be written and that conditional creation works there;
 * throws STORE_UNAVAILABLE, saying what to do, if not.
 */
export async function openS3Store(options: S3StoreOptions): Promise<ObjectStore> {
  const endpoint = options.client?.endpoint ?? (await configuredEndpoint(options));
  const region = process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'];
  const config: S3ClientConfig = {
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: IDLE_TIMEOUT_MS },
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...options.client,
  };
  const place = { bucket: options.bucket, prefix: options.prefix, endpoint: endpoint?.toString() };
  const store = new S3Store(config, place, options, await openScratchDirectory());
  if (options.readOnly === true) {
    await store.requireBucket();
  } else {
    await proveCreation(store);
  }
  return store;
}

/**
 * The server that the SDK finds in environment or profile (`endpoint_url`, also below `services`). Asked once, because it decides
 * where the bucket stands, and whoever else reads the objects must ask the same server.
 */
async function configuredEndpoint({ bucket, prefix }: S3StoreOptions): Promise<string | undefined> {
  const client = new S3Client({});
  try {
    return await client.config.serviceConfiguredEndpoint?.();
  } catch (error) {
    throw s3Unavailable('read', { bucket, prefix, endpoint: undefined }, '', error);
  } finally {
    client.destroy();
  }
}

class S3Store implements ObjectStore {
  readonly scratchDirectory: string;
  readonly #client: S3Client;
  /** Tries once, for `createOnce`. */
  readonly #onceClient: S3Client;
  readonly #place: S3Place;
  readonly #encryption: Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'>;
  readonly #partBytes: number;

  constructor(config: S3ClientConfig, place: S3Place, options: S3StoreOptions, scratchDirectory: string) {
    this.#client = new S3Client(config);
    this.#onceClient = new S3Client({ ...config, maxAttempts: 1 });
    this.#place = place;
    this.#encryption = encryptionOf(options.kmsKey);
    this.#partBytes = options.partBytes ?? PART_BYTES;
    this.scratchDirectory = scratchDirectory;
  }

  describe(): string {
    const { bucket, prefix, endpoint } = this.#place;
    return `s3://${bucket}/${prefix}${endpoint === undefined ? '' : ` at ${endpoint}`}`;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#read(key, (body) => body.transformToByteArray());
  }

  async download(key: string, file: string): Promise<boolean> {
    const found = await this.#read(key, async (body) => {
      try {
        // In Node the body is a stream of its own.
        await pipeline(body as Readable, createWriteStream(file));
        return true;
      } catch (error) {
        await rm(file, { force: true });
        // A file that cannot be written stays so.
        throw isFileError(error) ? cannotWrite(file, error) : error;
      }
    });
    return found ?? false;
  }

  /** What `take` makes of the object's body; undefined if there is no such object. */
  async #read<T>(key: string, take: (body: SdkStream) => Promise<T>): Promise<T | undefined> {
    const name = this.#nameOf(key);
    try {
      return await readWhole(async (onAnswer) => {
        const { Body } = await this.#client.send(new GetObjectCommand(name));
        onAnswer();
        return take(Body!);
      });
    } catch (error) {
      if (isMissingObject(error)) {
        return undefined;
      }
      throw s3Unavailable('read', this.#place, key, error);
    }
  }

  async s3Access(): Promise<S3Access> {
    const { bucket, prefix, endpoint } = this.#place;
    const { config } = this.#client;
    try {
      const { accessKeyId, secretAccessKey, sessionToken } = await config.credentials();
      const [region, pathStyle] = [await config.region(), config.forcePathStyle === true];
      const root = `s3://${bucket}/${prefix}`;
      return { root, region, endpoint, pathStyle, accessKeyId, secretAccessKey, sessionToken };
    } catch (error) {
      throw s3Unavailable('read', this.#place, '', error);
    }
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<string> {
    const { bucket, prefix: root } = this.#place;
    const query = {
      Bucket: bucket,
      Prefix: root + prefix,
      ...(startAfter === '' ? {} : { StartAfter: root + startAfter }),
    };
    try {
      for await (const page of paginateListObjectsV2({ client: this.#client }, query)) {
        for (const { Key } of page.Contents ?? []) {
          const key = listedKey(root, Key!);
          if (key !== undefined) {
            yield key;
          }
        }
      }
    } catch (error) {
      throw s3Unavailable('list', this.#place, prefix, error);
    }
  }

  async listFolders(prefix: string): Promise<string[]> {
    const { bucket, prefix: root } = this.#place;
    const folders: string[] = [];
    try {
      const query = { Bucket: bucket, Prefix: root + prefix, Delimiter: '/' };
      for await (const page of paginateListObjectsV2({ client: this.#client }, query)) {
        for (const { Prefix } of page.CommonPrefixes ?? []) {
          folders.push(Prefix!);
        }
      }
    } catch (error) {
      throw s3Unavailable('list', this.#place, prefix, error);
    }
    return listedFolders(root + prefix, folders);
  }

  async put(key: string, content: ObjectContent): Promise<void> {
    const name = { ...this.#nameOf(key), ...this.#encryption };
    try {
      if (content instanceof Uint8Array) {
        await this.#client.send(new PutObjectCommand({ ...name, Body: content }));
      } else {
        await this.#upload(name, content.file);
      }
    } catch (error) {
      throw s3Unavailable('write', this.#place, key, error);
    }
    if (!(content instanceof Uint8Array)) {
      await rm(content.file, { force: true });
    }
  }

  async putIfAbsent(key: string, content: Uint8Array): Promise<PutIfAbsentResult> {
    const name = { ...this.#nameOf(key), ...this.#encryption };
    const request = () => this.#onceClient.send(new PutObjectCommand({ ...name, Body: content, IfNoneMatch: '*' }));
    try {
      return await createOnce(request, { isAlreadyThere, isNotWritten });
    } catch (error) {
      throw s3Unavailable('write', this.#place, key, error);
    }
  }

  async delete(key: string): Promise<void> {
    const name = this.#nameOf(key);
    try {
      await this.#client.send(new DeleteObjectCommand(name));
    } catch (error) {
      if (!isMissingObject(error)) {
        throw s3Unavailable('delete', this.#place, key, error);
      }
    }
  }

  /** Throws STORE_UNAVAILABLE unless the bucket can be listed. */
  async requireBucket(): Promise<void> {
    const { bucket, prefix } = this.#place;
    try {
      await this.#client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 }));
    } catch (error) {
      throw s3Unavailable('list', this.#place, '', error);
    }
  }

  /** Small files in one request, larger ones in parts; parts of a failed upload are given back. */
  async #upload(name: Pick<PutObjectCommandInput, 'Bucket' | 'Key'>, file: string): Promise<void> {
    const { size } = await stat(file).catch((error: unknown) => {
      throw cannotRead(file, error);
    });
    const upload = new Upload({
      client: this.#client,
      params: { ...name, Body: createReadStream(file) },
      partSize: Math.max(this.#partBytes, Math.ceil(size / PARTS_MAX)),
      queueSize: PARTS_AT_A_TIME,
    });
    await upload.done();
  }

  #nameOf(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#place.bucket, Key: remoteName(this.#place.prefix, key) };
  }
}

function encryptionOf(kmsKey: string | undefined): Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'> {
  if (kmsKey === undefined) {
    return {};
  }
  return { ServerSideEncryption: 'aws:kms', ...(kmsKey === 'default' ? {} : { SSEKMSKeyId: kmsKey }) };
}
