// Proof, before anything is committed, that a store creates an object only once. A store that ignores the condition answers
// like one that has kept it, until two aggregators meet; so it is tried. Knows the interface alone.
import { randomUUID } from 'node:crypto';
import { FlowtollError } from '../model/errors.ts';
import type { ObjectStore } from './store.ts';

/** Folder for the objects of the proof, each there for an instant. */
const PROBE_FOLDER = '.flowtoll-probe';

/** For messages: stores in which an object can be created only once. */
export const STORES_WITH_CREATION =
  'a directory, AWS S3, Google Cloud Storage (gs://), Azure Blob Storage (az://), Cloudflare R2, MinIO, ' +
  'Ceph RGW or SeaweedFS from May 2026 on';

/**
 * Throws STORE_UNAVAILABLE, naming stores that will do, if the store creates an object that exists; or whatever the store says
 * when it cannot be read or written at all.
 */
export async function proveCreation(store: ObjectStore): Promise<void> {
  if (!(await createsOnce(store, `${PROBE_FOLDER}/${randomUUID()}`))) {
    throw new FlowtollError(
      'STORE_UNAVAILABLE',
      `${store.describe()} does not refuse to create an object that exists, so two aggregators could overwrite each ` +
        `other's commits: use ${STORES_WITH_CREATION} (docs/stores.md)`,
    );
  }
}

/** Creates the object twice, reads it and deletes it: was the second creation refused, and the first one's content kept? */
export async function createsOnce(store: ObjectStore, key: string): Promise<boolean> {
  const first = await store.putIfAbsent(key, Buffer.from('first'));
  try {
    const second = await store.putIfAbsent(key, Buffer.from('second'));
    const content = await store.get(key);
    return first === 'created' && second === 'exists' && String(content && Buffer.from(content)) === 'first';
  } finally {
    await store.delete(key);
  }
}
