// One watch of a resource: events as they come, until the server ends it. Knows the protocol of watches; keeps nothing.
import type { ApiClient } from './api-client.ts';
import { ApiFailure, failureOfStatus } from './api-failure.ts';
import { createLineReader } from './line-reader.ts';
import { type ObjectHead, readHead } from './object-head.ts';
import type { RawObject, RawStatus } from './raw-objects.ts';

export interface WatchRequest {
  readonly path: string;
  readonly metadataOnly: boolean;
  /** Events after this version. */
  readonly resourceVersion: string;
  /** When the server shall end the watch. */
  readonly timeoutSeconds: number;
  readonly eventBytesMax: number;
  readonly signal: AbortSignal;
  readonly silenceMs: number;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

export interface WatchEvent {
  readonly type: WatchEventType;
  readonly object: RawObject;
}

/** An event of which only the beginning is kept: it is larger than is taken. */
export interface LargeEvent extends ObjectHead {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly uid: string;
  readonly resourceVersion: string;
}

/** Where a watch goes. */
export interface WatchTaker {
  /** The server has agreed. */
  onOpen(): void;
  take(event: WatchEvent): void;
  skip(event: LargeEvent): void;
}

const WATCH_ACCEPT = 'application/json';
const METADATA_WATCH_ACCEPT = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json';

/**
 * Gives all events to `taker`; resolves when the server ends the watch. Rejects with an ApiFailure: "malformed" when something
 * came that cannot be read, so that events are missing; a last event that was cut off is simply not there yet.
 */
export function watchEvents(
  client: ApiClient,
  { path, metadataOnly, resourceVersion, timeoutSeconds, eventBytesMax, signal, silenceMs }: WatchRequest,
  taker: WatchTaker,
): Promise<void> {
  const query = new URLSearchParams({
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion,
    timeoutSeconds: String(timeoutSeconds),
  });
  return client.getStream(
    {
      path: `${path}?${query}`,
      accept: metadataOnly ? METADATA_WATCH_ACCEPT : WATCH_ACCEPT,
      signal,
      silenceMs,
      compressed: false,
    },
    () => taker.onOpen(),
    createLineReader(
      eventBytesMax,
      (line) => taker.take(parseEvent(line)),
      (beginning) => taker.skip(largeEvent(beginning, eventBytesMax)),
    ),
  );
}

/** What is large and says of nothing what happened to it is no event. */
function largeEvent(beginning: string, bytesMax: number): LargeEvent {
  const { type, uid, resourceVersion, ...head } = readHead(beginning);
  const isEvent = type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED';
  if (!isEvent || uid === undefined || resourceVersion === undefined) {
    throw new ApiFailure('too-large', `an event is larger than ${bytesMax} bytes, and does not say of what it is`);
  }
  return { ...head, type, uid, resourceVersion };
}

function parseEvent(line: string): WatchEvent {
  let event: { readonly type?: string; readonly object?: unknown } | null;
  try {
    event = JSON.parse(line) as typeof event;
  } catch (error) {
    throw new ApiFailure('malformed', 'an event is not JSON', { cause: error });
  }
  const { type, object } = event ?? {};
  if (typeof object !== 'object' || object === null) {
    throw new ApiFailure('malformed', 'an event has no object');
  }
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      return { type, object };
    case 'ERROR': {
      const status = object as RawStatus;
      throw failureOfStatus(status.code ?? 500, status);
    }
    default:
      throw new ApiFailure('malformed', `an event has the type "${type}"`);
  }
}
