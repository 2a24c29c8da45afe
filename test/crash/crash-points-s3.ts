// Inside a process of the product whose store is S3: tells of each change of the store by wrapping the client's `send`. Besides
// it makes that client fit for a laboratory: it signs with the real time, whatever the clock of the process says, and gives a
// silent server up after two seconds instead of thirty.
import type * as S3 from '@aws-sdk/client-s3';
import { note } from './arming.ts';
import { isLogEntry, type StoreChange } from './store-points.ts';

const SILENCE_MS = 2000;
const HAS_FAILED_CONDITION = 412;

type Send = (this: S3.S3Client, command: unknown, ...rest: unknown[]) => Promise<unknown>;

/** Node's handler of requests, whose methods the client's type does not name. */
interface Adjustable {
  updateHttpClientConfig(key: string, value: number): void;
}

interface Hooks {
  readonly changed: (change: StoreChange) => void;
  /** Whether this is the content of a file that was merged from others. */
  readonly isMerged: (content: Uint8Array) => boolean;
}

export function wrapS3({ S3Client, PutObjectCommand, DeleteObjectCommand }: typeof S3, hooks: Hooks): void {
  const send = S3Client.prototype.send as Send;
  const prepared = new WeakSet<S3.S3Client>();
  const wrapped: Send = async function (command, ...rest) {
    if (!prepared.has(this)) prepare(this);
    prepared.add(this);
    if (command instanceof PutObjectCommand) return put.call(this, command, ...rest);
    const result = await send.call(this, command, ...rest);
    if (command instanceof DeleteObjectCommand) hooks.changed({ kind: 'deleted', key: `/${command.input.Key}` });
    return result;
  };
  const put: Send = async function (command, ...rest) {
    const { input } = command as S3.PutObjectCommand;
    const key = `/${input.Key}`;
    const content = input.Body as Uint8Array;
    try {
      const result = await send.call(this, command, ...rest);
      hooks.changed({ kind: 'written', key, isMerged: hooks.isMerged(content), content: () => content });
      return result;
    } catch (error) {
      const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
      if (isLogEntry(key) && $metadata?.httpStatusCode === HAS_FAILED_CONDITION) note({ what: 'lost-race' });
      throw error;
    }
  };
  Object.assign(S3Client.prototype, { send: wrapped });
}

function prepare({ config }: S3.S3Client): void {
  // Neither of these is moved by jumping-clock.ts.
  const realNow = () => performance.timeOrigin + performance.now();
  Object.defineProperty(config, 'systemClockOffset', { get: () => realNow() - Date.now(), set: () => undefined });
  (config.requestHandler as unknown as Adjustable).updateHttpClientConfig('socketTimeout', SILENCE_MS);
}
