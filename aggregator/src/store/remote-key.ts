// Keys of a store ⇄ names in a bucket or container that holds more than this store: a prefix before each. Pure text.
import { compareUtf8 } from '../model/utf8-order.ts';
import { checkKey, isHidden } from './keys.ts';

/** The name of the object `key` in the bucket. */
export function remoteName(prefix: string, key: string): string {
  checkKey(key);
  return prefix + key;
}

/**
 * The key of an object that was listed below the prefix; undefined for what listings leave out: hidden keys, and the empty
 * objects that consoles make of folders ("a/").
 */
export function listedKey(prefix: string, name: string): string | undefined {
  const key = name.slice(prefix.length);
  return name.endsWith('/') || isHidden(key) ? undefined : key;
}

/** What of the folders that were listed below `prefix` ("prefix/a/") is a store's: their names ("a"), in order. */
export function listedFolders(prefix: string, folders: readonly string[]): string[] {
  const names = folders.map((folder) => folder.slice(prefix.length, -1));
  return names.filter((name) => name !== '' && !isHidden(name)).sort(compareUtf8);
}
