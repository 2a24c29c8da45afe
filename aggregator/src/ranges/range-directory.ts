// A directory with documents of address ranges: what somebody saved there, and copies of what was fetched. Beside them is one file
// that says where each copy came from, so that its source need not send it again. Files are replaced as a whole.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FlowtollError, lineOf } from '../model/errors.ts';
import type { KnownRanges } from './ip-ranges.ts';
import { RANGE_KINDS, RANGE_NAMES, type RangeName } from './range-sources.ts';

/** Where a copy came from. */
export interface Origin {
  readonly url: string;
  readonly etag: string | null;
  readonly lastModified: string | null;
  /** When the source sent it, or said that it is still the newest, ms since the Unix epoch. */
  readonly checkedMs: number;
  /** Of the copy; another one is somebody else's file, of which this says nothing. */
  readonly sha256: string;
}

/** By file name. */
export type Origins = Readonly<Record<string, Origin>>;

export interface RangeFiles {
  readonly documents: readonly KnownRanges[];
  readonly origins: Origins;
  /** RANGES_INVALID, one of each file that is no such document. */
  readonly problems: readonly FlowtollError[];
}

const ORIGINS_FILE = 'fetched.json';

const ORIGINS = z.record(
  z.string(),
  z.object({
    url: z.string(),
    etag: z.string().nullable(),
    lastModified: z.string().nullable(),
    checkedMs: z.number(),
    sha256: z.string(),
  }),
);

/** Reads what the directory has; nothing, if it is not there. Of several editions of one document the newest counts. */
export async function readRangeDirectory(directory: string): Promise<RangeFiles> {
  const files = await listFiles(directory);
  const origins = await readOrigins(directory);
  const documents = new Map<RangeName, KnownRanges>();
  const problems: FlowtollError[] = [];
  for (const name of RANGE_NAMES) {
    for (const file of files.filter((one) => RANGE_KINDS[name].isFile.test(one)).sort()) {
      try {
        const document = await readDocument(directory, file, name, origins[file]);
        const other = documents.get(name);
        if (other === undefined || (document.edition ?? 0) > (other.edition ?? 0)) documents.set(name, document);
      } catch (error) {
        if (!(error instanceof FlowtollError)) throw error;
        problems.push(error);
      }
    }
  }
  return { documents: [...documents.values()], origins, problems };
}

/** Puts a copy into the directory, in place of the one before, and where it came from. Throws RANGES_UNAVAILABLE. */
export async function keepRanges(directory: string, file: string, text: string): Promise<void> {
  await replaceFile(directory, file, text);
}

/** Puts where copies came from into the directory. Throws RANGES_UNAVAILABLE. */
export async function keepOrigins(directory: string, origins: Origins): Promise<void> {
  await replaceFile(directory, ORIGINS_FILE, `${JSON.stringify(origins, null, 2)}\n`);
}

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw cannot('be read', directory, error);
  }
}

async function readDocument(
  directory: string,
  file: string,
  name: RangeName,
  origin: Origin | undefined,
): Promise<KnownRanges> {
  const from = join(directory, file);
  let text: string;
  let changedMs: number;
  try {
    text = await readFile(from, 'utf8');
    changedMs = (await stat(from)).mtimeMs;
  } catch (error) {
    throw cannot('be read', from, error);
  }
  const parsed = RANGE_KINDS[name].parse(text, from);
  const sha256 = sha256Of(text);
  const checkedMs = origin?.sha256 === sha256 ? origin.checkedMs : null;
  const said = [parsed.publishedMs, checkedMs].filter((ms) => ms !== null);
  return { ...parsed, name, from, sha256, knownMs: said.length > 0 ? Math.max(...said) : changedMs };
}

/** Nothing where the file is not there, or is not ours: then sources send everything again. */
async function readOrigins(directory: string): Promise<Origins> {
  try {
    return ORIGINS.parse(JSON.parse(await readFile(join(directory, ORIGINS_FILE), 'utf8')));
  } catch {
    return {};
  }
}

async function replaceFile(directory: string, file: string, text: string): Promise<void> {
  const path = join(directory, file);
  const scratch = join(directory, `.${file}.${randomUUID()}`);
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(scratch, text, { flush: true });
    await rename(scratch, path);
  } catch (error) {
    await rm(scratch, { force: true }).catch(() => undefined);
    throw cannot('be written', path, error);
  }
}

function cannot(what: string, path: string, error: unknown): FlowtollError {
  return new FlowtollError('RANGES_UNAVAILABLE', `${path} cannot ${what}: ${lineOf(error)}`, { cause: error });
}
