// Keys of the objects in a Delta log. Pure text, and the hint's.

/** Key of the log entry of a version, below the table's root. */
export function entryKey(root: string, version: number): string {
  return `${root}/_delta_log/${digits(version)}.json`;
}

/** Key of the checkpoint of a version. */
export function checkpointKey(root: string, version: number): string {
  return `${root}/_delta_log/${digits(version)}.checkpoint.parquet`;
}

/** Key of the hint at the newest checkpoint. */
export function lastCheckpointKey(root: string): string {
  return `${root}/_delta_log/_last_checkpoint`;
}

/** What an object of a log is; undefined for what is neither an entry nor a checkpoint. */
export function parseLogKey(
  key: string,
): { readonly kind: 'entry' | 'checkpoint'; readonly version: number } | undefined {
  const match = /\/(\d{20})\.(json|checkpoint\.parquet)$/.exec(key);
  if (match === null) return undefined;
  return { kind: match[2] === 'json' ? 'entry' : 'checkpoint', version: Number(match[1]) };
}

const digits = (version: number): string => String(version).padStart(20, '0');

/** Versions of a block: keys of one share all but the last two digits. */
const BLOCK = 100;

/** What the keys of the entry and the checkpoint of a version begin with, and those of all in its block. */
export function blockPrefix(root: string, version: number): string {
  return `${root}/_delta_log/${digits(version).slice(0, -2)}`;
}

/** The first version of the block that follows. */
export function nextBlock(version: number): number {
  return (Math.floor(version / BLOCK) + 1) * BLOCK;
}

/** The version that a hint names; undefined where it says none. It may be old: it is only a hint. */
export function hintedVersion(hint: Uint8Array | undefined): number | undefined {
  if (hint === undefined) return undefined;
  try {
    const { version } = JSON.parse(Buffer.from(hint).toString()) as { version?: unknown };
    return Number.isSafeInteger(version) ? (version as number) : undefined;
  } catch {
    return undefined; // Half written by a program that does not write whole objects.
  }
}
