// What is in a Delta log from a version on, asked of the store by blocks of a hundred versions: not every store can begin a listing
// in the middle (Azure lists all that has a prefix), and the log of a week has tens of thousands of entries. Knows keys.
import type { ObjectStore } from '../store/store.ts';
import { blockPrefix, entryKey, nextBlock, parseLogKey } from './log-keys.ts';

/** An entry or a checkpoint. */
export interface LogObject {
  readonly kind: 'entry' | 'checkpoint';
  readonly version: number;
}

/**
 * Entries and checkpoints of `version` and later ones, in order. Where its own entry is there, all that follow are up to the last;
 * where it is gone (cleaned away, or there never was one) whatever the store has from there on.
 */
export async function* listLogFrom(store: ObjectStore, root: string, version: number): AsyncIterable<LogObject> {
  const after = version < 1 ? '' : entryKey(root, version - 1);
  for (let block = version; block >= 0; block = nextBlock(block)) {
    const found = await collect(store, blockPrefix(root, block), after);
    if (block === version && !hasEntry(found, version)) break;
    yield* found;
    // Entries go oldest first, so there is none after one that is missing.
    if (!hasEntry(found, nextBlock(block) - 1)) return;
  }
  for await (const key of store.list(`${root}/_delta_log/`, after)) {
    const object = parseLogKey(key);
    if (object !== undefined) yield object;
  }
}

async function collect(store: ObjectStore, prefix: string, after: string): Promise<LogObject[]> {
  const found: LogObject[] = [];
  for await (const key of store.list(prefix, after)) {
    const object = parseLogKey(key);
    if (object !== undefined) found.push(object);
  }
  return found;
}

const hasEntry = (objects: readonly LogObject[], version: number): boolean =>
  objects.some((object) => object.kind === 'entry' && object.version === version);
