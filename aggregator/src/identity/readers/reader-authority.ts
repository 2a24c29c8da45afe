// Whoever knows readers by their tokens. Two there are: a file (token-readers.ts) and a Kubernetes API (kubernetes-readers.ts).
import { FlowtollError } from '../../model/errors.ts';
import type { Reader } from '../../model/reader.ts';

export interface ReaderAuthority {
  /** Rejects with READER_UNKNOWN, or with IDENTITY_UNAVAILABLE when it cannot be said now. */
  identify(token: string): Promise<Reader>;
  stop(): void;
}

/** What a request names and may not be seen, as an error. */
export function forbidden(reader: string, namespaces: readonly string[], advice: string): FlowtollError {
  const names = namespaces.map((name) => JSON.stringify(name.slice(0, 100))).join(', ');
  return new FlowtollError('READER_FORBIDDEN', `${reader} may not see the flows of namespace ${names}: ${advice}`);
}
