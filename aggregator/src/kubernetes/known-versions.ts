// Which objects of a resource have been told, and in which version: what a new list is compared with. The objects themselves are kept
// by whoever was told; a uid and a number stay here. Versions are numbers where the server's are, as those of every server in use are:
// only then is older and newer known. Knows no objects.

/** A resourceVersion, compact. */
export type Version = number | string;

/** Numbers without loss; anything else stays text. */
export function parseVersion(text: string): Version {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : text;
}

/** Whether `version` was there before `than`, or is it; false where nobody can know. */
export function isNoNewer(version: Version, than: Version): boolean {
  return typeof version === 'number' && typeof than === 'number' ? version <= than : version === than;
}

export class KnownVersions {
  readonly #versions = new Map<string, Version>();
  /** Since `beginList`: what the new list has. */
  #listed: Set<string> | undefined;

  get size(): number {
    return this.#versions.size;
  }

  has(uid: string): boolean {
    return this.#versions.has(uid);
  }

  /** Notes an object; false if it was known in this version. */
  note(uid: string, version: Version): boolean {
    this.#listed?.add(uid);
    if (this.#versions.get(uid) === version) return false;
    this.#versions.set(uid, version);
    return true;
  }

  /** The new list has it, in whatever version. */
  noteListed(uid: string): void {
    this.#listed?.add(uid);
  }

  /** Forgets an object; false if it was not known. */
  forget(uid: string): boolean {
    return this.#versions.delete(uid);
  }

  beginList(): void {
    this.#listed = new Set();
  }

  /** Forgets what the list that has just ended did not have, and returns it. */
  endList(): string[] {
    const listed = this.#listed ?? new Set();
    this.#listed = undefined;
    const missing = [...this.#versions.keys()].filter((uid) => !listed.has(uid));
    for (const uid of missing) this.#versions.delete(uid);
    return missing;
  }
}
