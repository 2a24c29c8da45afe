// `flowtoll prices import`: a provider's price API, or saved documents of it, and a base book → a price book.
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { FlowtollError } from '../model/errors.ts';
import { priceBookId } from '../pricing/book/format.ts';
import { diffBooks } from '../pricing/importers/book-diff.ts';
import type { FetchWorld } from '../pricing/importers/fetch-text.ts';
import {
  IMPORT_PROVIDERS,
  type ImportProvider,
  importPriceBook,
  PRICE_APIS,
} from '../pricing/importers/import-book.ts';
import { readPriceDocuments } from '../pricing/importers/read-documents.ts';
import { parsePath } from './option-values.ts';
import type { CommandOutput } from './options.ts';
import { bookNamed } from './prices-books.ts';
import { diffText, importText } from './prices-output.ts';

/** The variable that may hold a key; a flag would show it to everyone who can list processes. */
const KEY_VARIABLE = 'FLOWTOLL_PRICES_KEY';

interface ImportFlags {
  readonly from?: readonly string[];
  readonly base?: string;
  readonly out?: string;
  readonly keyFile?: string;
  readonly date?: string;
  readonly effectiveFrom?: string;
  readonly format: 'table' | 'json';
}

export function importCommand(
  createOutput: () => CommandOutput,
  world: FetchWorld,
  environment: Readonly<Record<string, string | undefined>>,
): Command {
  return new Command('import')
    .description(
      "Make a price book of a provider's price API: rates that were read replace those of the base book, all else stays " +
        '(docs/importing-prices.md). Nothing is written without --out.',
    )
    .addArgument(new Argument('<provider>', 'whose prices').choices(IMPORT_PROVIDERS))
    .addOption(
      new Option(
        '--from <address|file...>',
        'http(s) addresses, whose further pages are read, too, and saved documents (default: the official addresses)',
      ),
    )
    .addOption(
      new Option('--base <book>', 'book that has what no API says: a file (default: the one that comes with Flowtoll)'),
    )
    .addOption(new Option('--out <file>', 'write the book there').argParser(parsePath))
    .addOption(
      new Option(
        '--key-file <file>',
        `file with the key for Google's catalogue; or the key itself in ${KEY_VARIABLE}. It is sent as a header`,
      ).argParser(parsePath),
    )
    .addOption(
      new Option(
        '--date <day>',
        'day of documents that do not say it, Google and Azure: 2026-01-31 (default: when they were fetched or saved)',
      ).argParser(parseDay),
    )
    .addOption(
      new Option('--effective-from <day>', 'first day on which the new book holds (default: as the base)').argParser(
        parseDay,
      ),
    )
    .addOption(
      new Option('--format <format>', 'how to print what was done: for people, or exact for programs')
        .choices(['table', 'json'])
        .default('table'),
    )
    .action(async (provider: ImportProvider, flags: ImportFlags) => {
      const output = createOutput();
      const key = await readKey(provider, flags.keyFile, environment);
      const base = bookNamed(flags.base ?? provider);
      const api = PRICE_APIS[provider];
      const documents = await readPriceDocuments(api, flags.from ?? api.addresses, {
        world,
        ...(key === undefined ? {} : { key }),
        ...(flags.date === undefined ? {} : { day: flags.date }),
      });
      const { book, summary } = importPriceBook(provider, documents, base, flags.effectiveFrom);
      const differences = diffBooks(base, book);
      if (flags.out !== undefined) await writeWhole(flags.out, `${JSON.stringify(book, null, 2)}\n`);
      for (const remark of summary.remarks) output.remark(`flowtoll: ${remark}\n`);
      if (flags.format === 'json') {
        const [old, made] = [priceBookId(base), priceBookId(book)];
        await output.write(
          `${JSON.stringify({ base: old, book: made, out: flags.out ?? null, summary, differences }, null, 2)}\n`,
        );
        return;
      }
      await output.write(importText(summary, documents.length, base));
      await output.write(diffText(differences, base, book));
      await output.write(
        flags.out === undefined
          ? '\nNothing was written; --out FILE writes the book.\n'
          : `\nWritten to ${flags.out} as ${priceBookId(book)}.\n`,
      );
    });
}

function parseDay(text: string): string {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) && dayOf(Date.parse(text)) === text;
  if (!isDay) throw new InvalidArgumentError('It takes a day like 2026-01-31.');
  return text;
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

async function readKey(
  provider: ImportProvider,
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (provider !== 'gcp') {
    if (file === undefined) return undefined;
    throw new FlowtollError('CONFIG_INVALID', `--key-file is for Google's catalogue; ${provider}'s prices need no key`);
  }
  const key = (file === undefined ? environment[KEY_VARIABLE] : await readKeyFile(file))?.trim();
  if (key === undefined || /^[\x21-\x7e]+$/.test(key)) return key;
  const where = file ?? KEY_VARIABLE;
  throw new FlowtollError('CONFIG_INVALID', `${where} holds no key: it must be one line without spaces`);
}

async function readKeyFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlowtollError('CONFIG_INVALID', `--key-file cannot be read: ${reason}`, { cause });
  }
}

/** The file is there whole or as it was before. */
async function writeWhole(path: string, text: string): Promise<void> {
  const part = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(part, text, { flag: 'wx' });
    await rename(part, path);
  } catch (cause) {
    await rm(part, { force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlowtollError('CONFIG_INVALID', `--out ${path} cannot be written: ${reason}`, { cause });
  }
}
