// Which local directories may hold files that DuckDB reads: it takes *, ? and [ in a path for wildcards, and would read the files
// of neighbours besides, or theirs instead. Pure text.
import { FlowtollError } from '../model/errors.ts';

const WILDCARD = /[*?[]/;

/**
 * Throws CONFIG_INVALID if DuckDB would take the path for a pattern.
 * @param setting what names it, for the message: "--store"
 */
export function requirePlainPath(path: string, setting: string): void {
  const [wildcard] = WILDCARD.exec(path) ?? [];
  if (wildcard === undefined) return;
  throw new FlowtollError(
    'CONFIG_INVALID',
    `${setting}: the path ${JSON.stringify(path)} contains "${wildcard}", which DuckDB takes for a wildcard when it reads files: ` +
      'name a directory whose whole path has no *, ? or [ (a symbolic link to this one will do)',
  );
}
