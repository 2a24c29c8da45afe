// The cache of one resource: list, watch, and list anew when a watch cannot go on, for ever. Tells a sink what is new, changed and
// gone; what a new list does not have is gone, what it has unchanged is not told again. So nothing that was known is forgotten while
// the server is away. Knows the order of requests and what each failure means for it; knows neither HTTP nor what objects are for.
import type { ClusterResource, ClusterSink } from '../model/cluster-objects.ts';
import type { FlowtollError } from '../model/errors.ts';
import type { ApiClient } from './api-client.ts';
import { ApiFailure, type ApiVerb, explainFailure, type FailureReason } from './api-failure.ts';
import { locateResource } from './discovery.ts';
import { isNoNewer, KnownVersions, parseVersion, type Version } from './known-versions.ts';
import { listAll } from './list.ts';
import type { ObjectHead } from './object-head.ts';
import type { Projections } from './projection.ts';
import type { RawObject } from './raw-objects.ts';
import { createResourceStatus, type MutableResourceStatus, type ResourceStatus } from './resource-status.ts';
import { type ApiResource, groupPath, ownerKindOf, resourceName } from './resources.ts';
import { type Backoff, createBackoff, pause, type Timing } from './timing.ts';
import type { TroubleLog } from './trouble-log.ts';
import { type LargeEvent, type WatchEvent, type WatchEventType, watchEvents } from './watch.ts';

export interface WatcherLimits {
  /** Objects on a page of a list. */
  readonly pageObjects: number;
  /** Text of an object or event: what is kept of a half-read one. etcd takes 1.5 MiB. */
  readonly objectBytesMax: number;
  /** Longest wait for the next byte of a page, ms. */
  readonly listSilenceMs: number;
  /** The same of a watch. Servers send bookmarks about once a minute. */
  readonly watchSilenceMs: number;
  /** Life of a watch: between this and twice this, so that not all end together. */
  readonly watchSeconds: number;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** Between tries of what somebody has to mend: permissions, missing kinds. */
  readonly slowRetryMs: number;
}

export const DEFAULT_LIMITS: WatcherLimits = {
  pageObjects: 500,
  objectBytesMax: 16 * 1024 ** 2,
  listSilenceMs: 30_000,
  watchSilenceMs: 90_000,
  watchSeconds: 300,
  retryMinMs: 500,
  retryMaxMs: 30_000,
  slowRetryMs: 60_000,
};

/**
 * Watches in a row that the server agreed to and then said nothing on, not even a bookmark: ten minutes of them. A server that was set back
 * (etcd restored from a backup) does that to whoever asks for what follows a version that it has not reached, and only a new list
 * helps. So does one that never had an event of this resource, whose new list costs little.
 */
const SILENT_WATCHES_MAX = 7;
/** A watch that lived so long was sound, even if nothing happened. */
const SOUND_WATCH_MS = 10_000;
/**
 * A watch that goes on after a longer gap begins with what happened meanwhile, and nothing says where that ends but a bookmark. Until then
 * an event is not the last word on the time before it.
 */
const GAP_MS = 10_000;
/** What a server has kept for a watch comes within this time; some servers send no bookmarks. */
const BACKLOG_MS = 30_000;
const RETRY_AFTER_MAX_MS = 300_000;

export interface WatcherParts {
  readonly client: ApiClient;
  readonly sink: ClusterSink;
  readonly projections: Projections;
  readonly timing: Timing;
  readonly limits: WatcherLimits;
  readonly troubles: TroubleLog;
  /** The first whole list has been taken. */
  readonly onSynced: () => void;
}

export class ResourceWatcher {
  #resource: ApiResource;
  /** Its name for messages; stays the same when discovery finds another. */
  readonly #name: string;
  readonly #parts: WatcherParts;
  readonly #status: MutableResourceStatus;
  readonly #known = new KnownVersions();
  readonly #backoff: Backoff;
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;
  /** What the next watch follows; undefined: list first. */
  #version: Version | undefined;
  #verb: ApiVerb = 'list';
  #failuresInARow = 0;
  /** Of the last try, if it failed and not as the first. */
  #failedWith: FailureReason | undefined;
  #silentWatches = 0;
  /** Whether what comes on this watch happens now. */
  #isCaughtUp = false;
  #openedMs = 0;

  constructor(resource: ApiResource, parts: WatcherParts) {
    this.#resource = resource;
    this.#parts = parts;
    this.#name = resourceName(resource);
    this.#status = createResourceStatus(this.#name);
    this.#backoff = createBackoff(parts.timing, parts.limits.retryMinMs, parts.limits.retryMaxMs);
  }

  get status(): ResourceStatus {
    return this.#status;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    this.#status.state = 'stopped';
  }

  async #run(): Promise<void> {
    const { timing } = this.#parts;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      let waitMs: number;
      try {
        const path = await this.#locate();
        if (this.#version === undefined) await this.#list(path);
        waitMs = (await this.#watch(path)) ? 0 : this.#backoff.nextMs();
      } catch (error) {
        if (signal.aborted) return;
        waitMs = this.#failed(error);
      }
      this.#status.state = 'waiting';
      if (waitMs > 0) await pause(timing, waitMs, signal);
    }
  }

  async #locate(): Promise<string> {
    this.#verb = 'discover';
    this.#resource = await locateResource(this.#parts.client, this.#resource, {
      signal: this.#stopped.signal,
      silenceMs: this.#parts.limits.listSilenceMs,
    });
    this.#status.resource = resourceName(this.#resource);
    return `${groupPath(this.#resource)}/${this.#resource.plural}`;
  }

  async #list(path: string): Promise<void> {
    const { client, limits, sink, timing } = this.#parts;
    const { becomes, kind, metadataOnly } = this.#resource;
    this.#verb = 'list';
    this.#status.state = 'listing';
    this.#status.lists++;
    this.#known.beginList();
    const begunMs = timing.now();
    const version = await listAll(
      client,
      {
        path,
        kind,
        metadataOnly,
        limit: limits.pageObjects,
        objectBytesMax: limits.objectBytesMax,
        signal: this.#stopped.signal,
        silenceMs: limits.listSilenceMs,
      },
      {
        onPage: () => this.#heard(),
        take: (object) => this.#put(becomes, object),
        skip: (head) => {
          if (head.uid !== undefined) this.#known.noteListed(head.uid);
          this.#skipped(head);
        },
      },
    );
    for (const uid of this.#known.endList()) {
      sink.remove(becomes, uid, undefined, this.#nowUs());
      this.#changed();
    }
    this.#status.objects = this.#known.size;
    this.#version = parseVersion(version);
    // What happened while it was listed comes by the watch.
    this.#toldUntil(begunMs);
    this.#syncedOnce();
  }

  /** Watches to the end; whether it was sound, so that the next may follow at once. */
  async #watch(path: string): Promise<boolean> {
    const { client, limits, timing } = this.#parts;
    this.#verb = 'watch';
    const begunMs = timing.now();
    await watchEvents(
      client,
      {
        path,
        metadataOnly: this.#resource.metadataOnly,
        resourceVersion: String(this.#version),
        timeoutSeconds: Math.round(limits.watchSeconds * (1 + timing.random())),
        eventBytesMax: limits.objectBytesMax,
        signal: this.#stopped.signal,
        silenceMs: limits.watchSilenceMs,
      },
      {
        onOpen: () => {
          this.#status.state = 'watching';
          this.#status.watches++;
          this.#openedMs = timing.now();
          this.#isCaughtUp = this.#openedMs - (this.#status.toldMs ?? 0) <= GAP_MS;
          this.#heard();
          this.#works();
        },
        take: (event) => this.#take(event.type, event.object.metadata?.resourceVersion, () => this.#apply(event)),
        skip: (event) => this.#take(event.type, event.resourceVersion, () => this.#applyLarge(event)),
      },
    );
    const sound = timing.now() - begunMs >= SOUND_WATCH_MS;
    if (sound) this.#backoff.reset();
    return sound;
  }

  #take(type: WatchEventType, text: string | undefined, apply: () => void): void {
    this.#heard();
    this.#silentWatches = 0;
    if (!text) {
      this.#status.malformedObjects++;
      return;
    }
    const version = parseVersion(text);
    // A server that is behind, or a bookmark from one, must not take us back: what has ended would begin again.
    if (this.#version !== undefined && isNoNewer(version, this.#version)) {
      if (type !== 'BOOKMARK') this.#status.repeatedEvents++;
      return;
    }
    if (type === 'BOOKMARK') this.#status.bookmarks++;
    else {
      this.#status.events++;
      apply();
      this.#status.objects = this.#known.size;
    }
    this.#version = version;
    const nowMs = this.#parts.timing.now();
    this.#isCaughtUp ||= type === 'BOOKMARK' || nowMs - this.#openedMs >= BACKLOG_MS;
    if (this.#isCaughtUp) this.#toldUntil(nowMs);
    this.#backoff.reset();
  }

  #apply({ type, object }: WatchEvent): void {
    const { becomes } = this.#resource;
    const uid = object.metadata?.uid;
    if (type !== 'DELETED') this.#put(becomes, object);
    else if (uid !== undefined) this.#remove(becomes, uid, object);
  }

  /** Nobody knows what it is now, only whether it is. */
  #applyLarge(event: LargeEvent): void {
    if (event.type === 'DELETED') this.#remove(this.#resource.becomes, event.uid, undefined);
    this.#skipped(event);
  }

  #skipped(head: ObjectHead): void {
    this.#status.largeObjects++;
    this.#parts.troubles.large(this.#name, head, this.#parts.limits.objectBytesMax);
  }

  #put(becomes: ClusterResource, raw: RawObject): void {
    const { uid, resourceVersion } = raw.metadata ?? {};
    if (!uid || !resourceVersion) {
      this.#status.malformedObjects++;
      return;
    }
    if (!this.#known.note(uid, parseVersion(resourceVersion))) return;
    const object = this.#projected(becomes, raw);
    if (object === undefined) {
      this.#status.malformedObjects++;
      return;
    }
    this.#parts.sink.put(becomes, object, this.#nowUs());
    this.#changed();
  }

  #remove(becomes: ClusterResource, uid: string, last: RawObject | undefined): void {
    if (!this.#known.forget(uid)) return;
    this.#parts.sink.remove(becomes, uid, last && this.#projected(becomes, last), this.#nowUs());
    this.#changed();
  }

  /** What the API says may have any shape. */
  #projected<R extends ClusterResource>(becomes: R, raw: RawObject) {
    try {
      return this.#parts.projections[becomes](raw, ownerKindOf(this.#resource));
    } catch {
      return undefined;
    }
  }

  #toldUntil(atMs: number): void {
    this.#status.toldMs = Math.max(this.#status.toldMs ?? 0, atMs);
    this.#parts.sink.heard(this.#resource.becomes, atMs * 1000);
  }

  #syncedOnce(): void {
    if (this.#status.synced) return;
    this.#status.synced = true;
    this.#parts.onSynced();
  }

  /** Says and counts what went wrong; returns how long to wait. */
  #failed(error: unknown): number {
    const { client, limits, timing } = this.#parts;
    const failure = error instanceof ApiFailure ? error : new ApiFailure('malformed', String(error), { cause: error });
    const { reason } = failure;
    const { failures } = this.#status;
    failures.set(reason, (failures.get(reason) ?? 0) + 1);
    this.#failuresInARow++;
    this.#status.failingSinceMs ??= timing.now();
    if (reason === 'silent' && this.#status.state === 'watching') this.#silentWatches++;
    const explained = explainFailure(failure, this.#verb, this.#resource, client);
    this.#status.error = explained;
    this.#complain(reason, explained);
    if (
      reason === 'gone' ||
      reason === 'malformed' ||
      reason === 'too-large' ||
      this.#silentWatches >= SILENT_WATCHES_MAX
    ) {
      this.#version = undefined;
      this.#silentWatches = 0;
    }
    if (reason === 'not-found' && this.#resource.optional) this.#syncedOnce();
    if (reason === 'forbidden' || reason === 'not-found' || reason === 'refused') {
      return Math.round(limits.slowRetryMs * (0.5 + timing.random() / 2));
    }
    return Math.max(Math.min(failure.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS), this.#backoff.nextMs());
  }

  /** Watches end in all sorts of ways; what the next try mends is not worth a line. */
  #complain(reason: FailureReason, error: FlowtollError): void {
    const passing = /^(gone|cut|silent|unreachable|server-error|throttled|unauthorized)$/.test(reason);
    if (passing && this.#failuresInARow < 2) return;
    // Nor is what a server has forgotten while it was away, unless it forgets again before it is listed.
    const isFirst = this.#failedWith !== reason;
    this.#failedWith = reason;
    if (reason === 'gone' && isFirst) return;
    const { synced, failingSinceMs } = this.#status;
    const sinceMs = failingSinceMs ?? this.#parts.timing.now();
    this.#parts.troubles.failed(this.#name, { reason, error, sinceMs, synced });
  }

  #works(): void {
    this.#parts.troubles.works(this.#name);
    this.#failuresInARow = 0;
    this.#failedWith = undefined;
    this.#status.error = null;
    this.#status.failingSinceMs = null;
  }

  #heard(): void {
    this.#status.heardMs = this.#parts.timing.now();
  }

  #changed(): void {
    this.#status.changedMs = this.#parts.timing.now();
  }

  #nowUs(): number {
    return this.#parts.timing.now() * 1000;
  }
}
