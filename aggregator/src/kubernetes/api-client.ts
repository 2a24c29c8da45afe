// Requests to the API server, with our credentials there, which are read anew when the server no longer takes them. Answers other than
// 200 and 201 are failures by reason; a server that says nothing is one, too. Knows HTTP; knows nothing of lists, watches and reviews.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { ApiConfig } from './api-config.ts';
import { ApiFailure, failureOfConnection, failureOfStatus } from './api-failure.ts';
import type { RawStatus } from './raw-objects.ts';
import { createWatchdog, type Timing } from './timing.ts';

export interface ApiRequest {
  /** Path and query. */
  readonly path: string;
  readonly accept: string;
  readonly signal: AbortSignal;
  /** Longest time without a byte, in ms. */
  readonly silenceMs: number;
}

export interface ApiClient {
  /** In words, for messages. */
  readonly server: string;
  readonly credentials: string;
  /** The whole of a small answer, parsed. `bytesMax`: of its text. Rejects with an ApiFailure. */
  getJson(request: ApiRequest, bytesMax: number): Promise<unknown>;
  /** Posts `body` as JSON; else the same. Sent once: whoever asks knows whether it may be asked again. */
  postJson(request: ApiRequest, body: object, bytesMax: number): Promise<unknown>;
  /**
   * Calls `onOpen` once the server has agreed, with the content type of its answer, then gives the answer to `take` as it comes; resolves at its end. What
   * `take` throws ends it. Rejects with an ApiFailure.
   */
  getStream(
    request: ApiRequest & { readonly compressed: boolean },
    onOpen: (contentType: string) => void,
    take: (chunk: Buffer) => void,
  ): Promise<void>;
  close(): void;
}

/** Statuses are small; an error page of a proxy may not be. */
const ERROR_BODY_BYTES = 65_536;
const RETRY_AFTER_MAX_MS = 300_000;
/** Unzipped at a time, in a thread of the pool. */
const UNZIPPED_CHUNK_BYTES = 256 * 1024;

/** @param load reads the configuration anew; throws KUBERNETES_CONFIG_INVALID */
export function createApiClient(load: () => ApiConfig, timing: Timing): ApiClient {
  let config = load();
  let stale = false;

  const currentConfig = (): ApiConfig => {
    if (!stale) return config;
    try {
      const next = load();
      config.close();
      config = next;
      stale = false;
    } catch (error) {
      throw new ApiFailure('credentials', error instanceof Error ? error.message : String(error), { cause: error });
    }
    return config;
  };

  /** Gives an answer that has status 200 or 201 to `read`. `body`: to post. */
  const withAnswer = async <T>(
    { path, accept, signal, silenceMs }: ApiRequest,
    { compressed, body }: { readonly compressed: boolean; readonly body?: string },
    read: (answer: IncomingMessage, heard: () => void) => Promise<T>,
  ): Promise<T> => {
    const used = currentConfig();
    const { headers, ...options } = await used.requestOptions();
    const ended = new AbortController();
    let silent = false;
    const dog = createWatchdog(timing, silenceMs, () => {
      silent = true;
      ended.abort();
    });
    let answering = false;
    try {
      const answer = await send(
        `${used.server}${path}`,
        {
          ...options,
          ...(body === undefined ? {} : { method: 'POST' }),
          headers: {
            ...headers,
            accept,
            ...(compressed ? { 'accept-encoding': 'gzip' } : {}),
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          signal: AbortSignal.any([signal, ended.signal]),
        },
        body,
      );
      answering = true;
      dog.heard();
      if (answer.statusCode !== 200 && answer.statusCode !== 201) {
        // Whoever asks next shall not find the same credentials in a cache.
        if (answer.statusCode === 401 && used === config) stale = true;
        throw await refusal(answer);
      }
      return await read(answer, dog.heard);
    } catch (error) {
      if (silent) throw new ApiFailure('silent', `nothing came for ${Math.round(silenceMs / 1000)} s`);
      throw failureOfConnection(error, answering);
    } finally {
      dog.stop();
      ended.abort();
    }
  };

  const askForJson = async (request: ApiRequest, body: string | undefined, bytesMax: number): Promise<unknown> => {
    const text = await withAnswer(
      request,
      { compressed: true, ...(body === undefined ? {} : { body }) },
      (answer, heard) => wholeText(answer, heard, bytesMax),
    );
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new ApiFailure('malformed', 'the answer is not JSON', { cause: error });
    }
  };

  return {
    get server() {
      return config.server;
    },
    get credentials() {
      return config.credentials;
    },
    getJson: (request, bytesMax) => askForJson(request, undefined, bytesMax),
    postJson: (request, body, bytesMax) => askForJson(request, JSON.stringify(body), bytesMax),
    getStream: (request, onOpen, take) =>
      withAnswer(request, { compressed: request.compressed }, async (answer, heard) => {
        onOpen(answer.headers['content-type'] ?? '');
        for await (const chunk of unzipping(answer, heard)) take(chunk);
      }),
    close: () => config.close(),
  };
}

function send(
  url: string,
  options: Parameters<typeof httpsRequest>[1] & { readonly signal: AbortSignal },
  body: string | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? httpsRequest : httpRequest)(url, options, resolve);
    request.on('error', reject);
    request.end(body);
  });
}

/** The body as it comes, unzipped if need be. */
async function* unzipping(answer: IncomingMessage, heard: () => void): AsyncGenerator<Buffer, void, void> {
  if (answer.headers['content-encoding'] !== 'gzip') {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      heard();
      yield chunk;
    }
    return;
  }
  answer.on('data', heard);
  const unzip = createGunzip({ chunkSize: UNZIPPED_CHUNK_BYTES });
  // What breaks off the answer breaks off the other, too.
  const whole = pipeline(answer, unzip);
  whole.catch(() => undefined);
  try {
    for await (const chunk of unzip as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    const isZip = error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
    throw isZip && answer.complete ? new ApiFailure('malformed', 'the answer is not gzip', { cause: error }) : error;
  }
  await whole;
}

async function wholeText(answer: IncomingMessage, heard: () => void, bytesMax: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of unzipping(answer, heard)) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    parts.push(chunk);
  }
  return Buffer.concat(parts, bytes).toString();
}

function tooLarge(bytesMax: number): ApiFailure {
  return new ApiFailure('too-large', `the answer is larger than ${bytesMax} bytes`);
}

async function refusal(answer: IncomingMessage): Promise<ApiFailure> {
  const status = answer.statusCode ?? 0;
  let body: RawStatus | undefined;
  try {
    let text = '';
    for await (const chunk of answer) {
      text += String(chunk);
      if (text.length > ERROR_BODY_BYTES) break;
    }
    body = JSON.parse(text) as RawStatus;
  } catch {
    // What a proxy says is no Status; the code says enough.
  }
  return failureOfStatus(status, body, retryAfterMs(answer.headers['retry-after']));
}

/** Seconds, as Kubernetes says it. A date, which HTTP allows, is not known there. */
function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d+$/.test(header) ? Math.min(Number(header) * 1000, RETRY_AFTER_MAX_MS) : undefined;
}
