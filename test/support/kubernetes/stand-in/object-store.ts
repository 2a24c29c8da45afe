// What the stand-in's API server remembers: objects as JSON text, one version number for all, the events since the last
// compaction, and lists that are being read in pages. Texts, so that 150,000 pods can be served without being made anew. Knows no HTTP.

/** Metadata as the stand-in writes and reads it. */
export interface Metadata {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** An object of any kind. */
export interface StandInObject {
  kind: string;
  apiVersion: string;
  metadata: Metadata;
  // biome-ignore lint/suspicious/noExplicitAny: the stand-in plays all kinds, each with a shape of its own
  [field: string]: any;
}

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface StoreEvent {
  readonly version: number;
  readonly type: EventType;
  /** JSON of the object. */
  readonly text: string;
}

export interface ListPage {
  readonly version: number;
  readonly texts: readonly string[];
  /** Key of the next object; undefined: this was the last page. */
  readonly next: string | undefined;
  readonly remaining: number;
}

interface Collection {
  readonly texts: Map<string, string>;
  /** Keys in order; undefined: to be made again. */
  keys: readonly string[] | undefined;
  events: StoreEvent[];
  readonly listeners: Set<(event: StoreEvent) => void>;
}

interface Snapshot {
  readonly keys: readonly string[];
  readonly texts: readonly string[];
}

/** Lists that are read in pages at the same time; the oldest must begin again. */
const SNAPSHOTS_MAX = 64;

export class ObjectStore {
  readonly #collections = new Map<string, Collection>();
  readonly #snapshots = new Map<string, Snapshot>();
  #version = 1;
  /** Events up to this version are forgotten. */
  #compacted = 0;
  readonly #changed: () => void;

  /** @param changed called after each write */
  constructor(changed: () => void = () => undefined) {
    this.#changed = changed;
  }

  get version(): number {
    return this.#version;
  }

  /** Whether events after this version are all there. */
  remembers(version: number): boolean {
    return version >= this.#compacted;
  }

  /** Forgets all events and all lists that are being read, as etcd's compaction does with what is older than minutes. */
  compact(): void {
    this.#version++;
    this.#compacted = this.#version;
    this.#snapshots.clear();
    for (const collection of this.#collections.values()) collection.events = [];
  }

  text(resource: string, key: string): string | undefined {
    return this.#collection(resource).texts.get(key);
  }

  get(resource: string, key: string): StandInObject | undefined {
    const text = this.text(resource, key);
    return text === undefined ? undefined : (JSON.parse(text) as StandInObject);
  }

  all(resource: string): StandInObject[] {
    const { texts } = this.#collection(resource);
    return [...this.#keys(resource)].map((key) => JSON.parse(texts.get(key)!) as StandInObject);
  }

  /** Writes the object under its name, with the next version. Returns it as it is now. */
  put(resource: string, object: StandInObject): StandInObject {
    const collection = this.#collection(resource);
    const key = keyOf(object.metadata);
    const type = collection.texts.has(key) ? 'MODIFIED' : 'ADDED';
    if (type === 'ADDED') collection.keys = undefined;
    const text = this.#stamped(object);
    collection.texts.set(key, text);
    this.#tell(collection, type, text);
    return object;
  }

  /** Removes it; its last event has a version of its own. */
  remove(resource: string, key: string): StandInObject | undefined {
    const collection = this.#collection(resource);
    const object = this.get(resource, key);
    if (object === undefined) return undefined;
    collection.texts.delete(key);
    collection.keys = undefined;
    this.#tell(collection, 'DELETED', this.#stamped(object));
    return object;
  }

  /** The first page of what is there now. */
  firstPage(resource: string, prefix: string, limit: number): ListPage {
    const { texts } = this.#collection(resource);
    const all = this.#keys(resource);
    const keys = prefix === '' ? all : all.filter((key) => key.startsWith(prefix));
    const snapshot = { keys, texts: keys.map((key) => texts.get(key)!) };
    if (limit > 0 && limit < keys.length) {
      this.#snapshots.set(`${resource}@${this.#version}`, snapshot);
      const oldest = this.#snapshots.keys().next().value;
      if (this.#snapshots.size > SNAPSHOTS_MAX && oldest !== undefined) this.#snapshots.delete(oldest);
    }
    return pageOf(snapshot, this.#version, 0, limit);
  }

  /** A page of what was there at `version`, from the key on; undefined if it is forgotten. */
  nextPage(resource: string, version: number, start: string, limit: number): ListPage | undefined {
    const snapshot = this.#snapshots.get(`${resource}@${version}`);
    if (snapshot === undefined) return undefined;
    let from = snapshot.keys.findIndex((key) => key >= start);
    if (from === -1) from = snapshot.keys.length;
    return pageOf(snapshot, version, from, limit);
  }

  /** Events after `version`, then those to come; returns how to stop. */
  follow(resource: string, version: number, listener: (event: StoreEvent) => void): () => void {
    const { events, listeners } = this.#collection(resource);
    for (const event of events) if (event.version > version) listener(event);
    const later = (event: StoreEvent): void => {
      if (event.version > version) listener(event);
    };
    listeners.add(later);
    return () => listeners.delete(later);
  }

  #stamped(object: StandInObject): string {
    object.metadata.resourceVersion = String(++this.#version);
    // Kind and metadata first, as the real one writes them.
    const { kind, apiVersion, metadata, ...rest } = object;
    return JSON.stringify({ kind, apiVersion, metadata, ...rest });
  }

  #tell(collection: Collection, type: EventType, text: string): void {
    const event = { version: this.#version, type, text };
    collection.events.push(event);
    for (const listener of collection.listeners) listener(event);
    this.#changed();
  }

  #keys(resource: string): readonly string[] {
    const collection = this.#collection(resource);
    collection.keys ??= [...collection.texts.keys()].sort();
    return collection.keys;
  }

  #collection(resource: string): Collection {
    let collection = this.#collections.get(resource);
    if (collection === undefined) {
      collection = { texts: new Map(), keys: undefined, events: [], listeners: new Set() };
      this.#collections.set(resource, collection);
    }
    return collection;
  }
}

/** "namespace/name"; "/name" without a namespace. Lists are in the order of keys. */
export function keyOf({ namespace = '', name }: Pick<Metadata, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

function pageOf({ keys, texts }: Snapshot, version: number, from: number, limit: number): ListPage {
  const end = limit > 0 ? Math.min(from + limit, keys.length) : keys.length;
  return { version, texts: texts.slice(from, end), next: keys[end], remaining: keys.length - end };
}
