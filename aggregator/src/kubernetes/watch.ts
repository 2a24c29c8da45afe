// One watch of a resource: events as they come, until the server ends it. Knows the protocol of watches; keeps nothing.
import type { ApiClient } from './api-client.ts';
import { ApiFailure, failureOfStatus } from './api-failure.ts';
import { createLineReader } from './line-reader.ts';
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

const WATCH_ACCEPT = 'application/json';
const METADATA_WATCH_ACCEPT = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json';

/**
 * Calls `onOpen` once the server has agreed, then gives all events to `take`; resolves when the server ends the watch. Rejects with an ApiFailure: "malformed" when something
 * came that cannot be read, so that events are missing; a last event that was cut off is simply not there yet.
 */
export function watchEvents(
  client: ApiClient,
  { path, metadataOnly, resourceVersion, timeoutSeconds, eventBytesMax, signal, silenceMs }: WatchRequest,
  onOpen: () => void,
  take: (event: WatchEvent) => void,
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
    onOpen,
    createLineReader(eventBytesMax, (line) => take(parseEvent(line))),
  );
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
