// Opens the store that --store names. The clients of clouds are loaded only when a store is theirs: they cost memory and start
// time. Knows the kinds of stores; knows nothing of how each works.
import { openDirectoryStore } from './directory-store.ts';
import type { ObjectStore } from './store.ts';
import { parseStoreLocation } from './store-location.ts';

export interface OpenStoreOptions {
  /** Open for reading only: nothing is created and nothing probed. */
  readonly readOnly?: boolean;
}

/**
 * Opens the store. Unless `readOnly`, proves that it can be written and creates objects only once. Throws CONFIG_INVALID for
 * a text that names no store, STORE_UNAVAILABLE, saying what to do, for a store that cannot be used.
 */
export async function openStore(text: string, { readOnly = false }: OpenStoreOptions = {}): Promise<ObjectStore> {
  const location = parseStoreLocation(text);
  switch (location.kind) {
    case 'directory':
      return openDirectoryStore(location.path, { readOnly });
    case 's3':
      return (await import('./s3-store.ts')).openS3Store({ ...location, readOnly });
    case 'gs':
      return (await import('./gcs-store.ts')).openGcsStore({ ...location, readOnly });
    case 'az':
      return (await import('./azure-store.ts')).openAzureStore({ ...location, readOnly });
  }
}
