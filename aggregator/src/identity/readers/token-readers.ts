// Readers by the tokens of a file. A token is looked for by its SHA-256, so how long that takes says nothing of others; a stream that is
// open looks again each time that it is asked for, so a token that was withdrawn or has expired ends it. Knows the file's entries.
import { createHash } from 'node:crypto';
import { FlowtollError } from '../../model/errors.ts';
import { forbidden, type ReaderAuthority } from './reader-authority.ts';
import type { TokenFile } from './token-file.ts';
import type { TokenEntry } from './token-file-format.ts';

/** @param now milliseconds since the Unix epoch */
export function createTokenReaders(file: TokenFile, now: () => number): ReaderAuthority {
  const entryOf = (hash: string): TokenEntry => {
    const entry = file.entries.get(hash);
    if (entry === undefined || Date.parse(entry.expires ?? '') <= now()) {
      throw new FlowtollError(
        'READER_UNKNOWN',
        'the token is not known here, or no longer: get one of those who run Flowtoll',
      );
    }
    return entry;
  };
  return {
    async identify(token) {
      const hash = createHash('sha256').update(token).digest('hex');
      const { name } = entryOf(hash);
      return {
        name,
        async allowed(asked = []) {
          const { namespaces } = entryOf(hash);
          if (namespaces === 'all') return 'all';
          const allowed = new Set(namespaces);
          const others = asked.filter((namespace) => !allowed.has(namespace));
          if (others.length > 0) throw forbidden(name, others, `the token is for ${namespaces.join(', ')}`);
          return allowed;
        },
      };
    },
    stop: () => file.stop(),
  };
}
