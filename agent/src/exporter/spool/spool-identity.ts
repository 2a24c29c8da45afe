// Whose a spool is: an id made once, and what tells the folder from a copy of it. A folder that was copied or restored file by
// file has another inode or time of birth, and so another id: what is made there must not get numbers that the other one gives,
// too. (A disk that was set back as a whole looks like itself: there the accounting that its newest batch names is gone, and
// that decides.)
import { randomUUID } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const NAME = 'spool-id';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id of the spool in a folder; undefined when there is none, it is of a copy, or of a node with another name. */
export function readSpoolId(directory: string, node: string): string | undefined {
  const path = join(directory, NAME);
  try {
    const identity = JSON.parse(readFileSync(path, 'utf8')) as Partial<Record<string, unknown>>;
    const { id } = identity;
    if (typeof id !== 'string' || !UUID.test(id)) return undefined;
    if (identity['node'] !== node || identity['file'] !== fingerprint(statSync(path, { bigint: true })))
      return undefined;
    return id;
  } catch {
    return undefined;
  }
}

/** Makes the id durable: a new one where none is given. Returns it; throws what the file system throws. */
export function writeSpoolId(directory: string, node: string, id: string = randomUUID()): string {
  const path = join(directory, NAME);
  const fd = openSync(`${path}.tmp`, 'w', 0o600);
  try {
    // The file keeps its inode when it is renamed.
    writeSync(fd, `${JSON.stringify({ id, node, file: fingerprint(fstatSync(fd, { bigint: true })) })}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.tmp`, path);
  return id;
}

/** The device is left out: its number may be another one after each boot. */
function fingerprint({ ino, birthtimeNs }: BigIntStats): string {
  return `${ino}-${birthtimeNs}`;
}
