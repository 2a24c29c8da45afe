// A file of readers' tokens → entries by hash; every problem is named at once. Looked at again and again, because tokens are added and
// withdrawn while we run: what cannot be read leaves the last good ones. Knows files; decides about nobody.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseText } from '../../document/parse-text.ts';
import { type DocumentKind, Problems } from '../../document/problems.ts';
import { FlowtollError } from '../../model/errors.ts';
import type { Schedule } from '../../model/schedule.ts';
import { type TokenEntry, tokenFileSchema } from './token-file-format.ts';

const TOKEN_FILE: DocumentKind = { name: 'file of tokens', code: 'TOKENS_INVALID', page: 'docs/security.md' };

export interface TokenFileParts {
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  readonly schedule: Schedule;
}

/** The tokens that are taken now. */
export interface TokenFile {
  /** By SHA-256, in hexadecimal. */
  readonly entries: ReadonlyMap<string, TokenEntry>;
  /** Looks at the file now. Never rejects. */
  look(): Promise<void>;
  stop(): void;
}

/** A token that was withdrawn is good for so long at most. */
const LOOK_EVERY_MS = 10_000;

/** Reads the file, and looks at it from then on. Throws TOKENS_INVALID. */
export function openTokenFile(path: string, { log, schedule }: TokenFileParts): TokenFile {
  let text = readNow(path);
  let entries = parseTokens(text, path);
  let problem: string | undefined;
  let stopped = false;
  let cancel = () => {};

  const look = async (): Promise<void> => {
    try {
      const next = await readFile(path, 'utf8').catch((error: unknown) => {
        throw unreadable(path, error);
      });
      if (next === text && problem === undefined) return;
      const nextEntries = parseTokens(next, path);
      text = next;
      entries = nextEntries;
      problem = undefined;
      log.info({ file: path, tokens: entries.size }, 'the tokens of readers are read anew');
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      if (said === problem) return;
      problem = said;
      log.warn({ file: path, tokens: entries.size }, `the tokens of readers stay as they were: ${said}`);
    }
  };
  const later = (): void => {
    cancel = schedule(() => {
      void look().then(() => stopped || later());
    }, LOOK_EVERY_MS);
  };
  later();
  return {
    get entries() {
      return entries;
    },
    look,
    stop() {
      stopped = true;
      cancel();
    },
  };
}

/** Parses the text of such a file, YAML or JSON; `file` names it in errors. Throws TOKENS_INVALID, listing every problem. */
export function parseTokens(text: string, file: string): ReadonlyMap<string, TokenEntry> {
  const problems = new Problems(TOKEN_FILE);
  // Messages quote lines of the file, where somebody may have put a token in the place of its hash.
  const raw = parseText(text.replaceAll(/flowtoll_read_[\w-]+/g, 'flowtoll_read_…'), problems);
  const checked = raw && tokenFileSchema.safeParse(raw);
  if (checked?.success === false) problems.addIssues([], checked.error);
  const entries = new Map<string, TokenEntry>();
  const names = new Map<string, number>();
  for (const [i, entry] of (checked?.data?.tokens ?? []).entries()) {
    const earlier = names.get(entry.name);
    if (earlier !== undefined) {
      problems.add(['tokens', i, 'name'], `"${entry.name}" is the name of tokens[${earlier}], too; give each its own`);
    }
    if (entries.has(entry.sha256)) problems.add(['tokens', i, 'sha256'], 'is there before: one token has one name');
    names.set(entry.name, i);
    entries.set(entry.sha256, entry);
  }
  problems.throwIfAny(file);
  return entries;
}

function readNow(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): FlowtollError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const advice = 'check the path and its permissions; flowtoll tokens new makes tokens';
  return new FlowtollError('TOKENS_INVALID', `file of tokens ${path} cannot be read: ${reason}; ${advice}`, { cause });
}
