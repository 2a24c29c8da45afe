// `flowtoll prices`: price books as they are, what differs between two, whether a file is a valid one, and new ones from the
// providers' price APIs. Options in, text and an exit code out; no rate is applied here.
import { setTimeout as sleep } from 'node:timers/promises';
import { Argument, Command, Option } from 'commander';
import { FlowtollError } from '../model/errors.ts';
import { defaultPriceBooks } from '../pricing/book/default-books.ts';
import { type PriceBook, priceBookId } from '../pricing/book/format.ts';
import { loadPriceBookFile } from '../pricing/book/read.ts';
import { expandSelector, type RegionSelector, selects } from '../pricing/book/region-selector.ts';
import { PRICED_CLASSES } from '../pricing/book/words.ts';
import { diffBooks } from '../pricing/importers/book-diff.ts';
import type { FetchWorld } from '../pricing/importers/fetch-text.ts';
import { type CommandOutput, processOutput } from './options.ts';
import { bookNamed } from './prices-books.ts';
import { importCommand } from './prices-import.ts';
import { differs, diffText, type ShownBook, showText } from './prices-output.ts';

/** The exit code of `diff` when something differs; another than that of what went wrong, as of `status`. */
export const EXIT_DIFFERENT = 3;
const EXIT_INVALID = 1;

const systemWorld: FetchWorld = {
  fetch: globalThis.fetch,
  sleep: (ms) => sleep(ms),
  nowMs: Date.now,
  random: Math.random,
};

const BOOK = 'aws, gcp or azure for the book that comes with Flowtoll, or a file';

/** @param exitWith hears the exit code where it is not 0 */
export function pricesCommand(
  exitWith: (code: number) => void,
  createOutput: () => CommandOutput = processOutput,
  world: FetchWorld = systemWorld,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Command {
  return new Command('prices')
    .description('Price books: show, compare and check them, and make new ones of the providers’ price APIs.')
    .addCommand(showCommand(createOutput))
    .addCommand(diffCommand(exitWith, createOutput))
    .addCommand(validateCommand(exitWith, createOutput))
    .addCommand(importCommand(createOutput, world, environment));
}

interface ShowFlags {
  readonly region?: string;
  readonly peerRegion?: string;
  readonly class?: string;
  readonly path?: string;
  readonly format: 'table' | 'json';
}

function formatOption(): Option {
  return new Option('--format <format>', 'how to print: for people, or exact for programs')
    .choices(['table', 'json'])
    .default('table');
}

function showCommand(createOutput: () => CommandOutput): Command {
  return new Command('show')
    .description('Rates with their basis, date and sources.')
    .addArgument(new Argument('[book]', `${BOOK} (default: all that come with Flowtoll)`))
    .addOption(new Option('--region <region>', 'only rates of this region, on the side that pays'))
    .addOption(new Option('--peer-region <region>', 'only rates for this region on the other side'))
    .addOption(new Option('--class <class>', 'only rates of this traffic class').choices(PRICED_CLASSES))
    .addOption(new Option('--path <path>', 'only rates and charges of what lies between, such as nat-gateway'))
    .addOption(formatOption())
    .action(async (name: string | undefined, flags: ShowFlags) => {
      const output = createOutput();
      const books = name === undefined ? defaultPriceBooks() : [bookNamed(name)];
      const shown = books.map((book) => selectOf(book, flags));
      for (const { book } of shown) {
        for (const region of [flags.region, flags.peerRegion]) {
          if (region !== undefined && name !== undefined && !book.regions.includes(region)) {
            output.remark(
              `flowtoll: ${priceBookId(book)} has no region ${region}; what is shown holds for any region\n`,
            );
          }
        }
      }
      await output.write(flags.format === 'json' ? showJson(shown) : shown.map(showText).join('\n'));
    });
}

function selectOf(book: PriceBook, flags: ShowFlags): ShownBook {
  const isIn = (selector: RegionSelector | undefined, region: string | undefined) =>
    region === undefined || selector === undefined || selects(expandSelector(selector, book.groups ?? {}), region);
  const hasPath = (paths: readonly string[] | undefined) => flags.path === undefined || paths?.includes(flags.path);
  return {
    book,
    rates: book.rates.filter(
      (rate) =>
        (flags.class === undefined || rate.class === flags.class) &&
        hasPath(rate.paths) &&
        isIn(rate.regions, flags.region) &&
        isIn(rate.peerRegions, flags.peerRegion),
    ),
    // What a middlebox charges does not ask for classes and far sides.
    processing: (book.processing ?? []).filter(
      (entry) =>
        flags.class === undefined &&
        flags.peerRegion === undefined &&
        hasPath(entry.paths) &&
        isIn(entry.regions, flags.region),
    ),
  };
}

/** The entries as the books have them. */
function showJson(shown: readonly ShownBook[]): string {
  const documents = shown.map(({ book, rates, processing }) => ({
    ...{ book: priceBookId(book), units: book.units, groups: book.groups ?? {}, switches: book.switches ?? {} },
    ...{ rates, processing, allowances: book.allowances ?? [], sources: book.sources },
  }));
  return `${JSON.stringify(documents, null, 2)}\n`;
}

function diffCommand(exitWith: (code: number) => void, createOutput: () => CommandOutput): Command {
  return new Command('diff')
    .description(
      `Which traffic two books charge differently, tier by tier. Ends with ${EXIT_DIFFERENT} when something differs.`,
    )
    .addArgument(new Argument('<old>', BOOK))
    .addArgument(new Argument('<new>', BOOK))
    .addOption(formatOption())
    .action(async (oldName: string, newName: string, flags: { readonly format: 'table' | 'json' }) => {
      const [old, next] = [bookNamed(oldName), bookNamed(newName)];
      const differences = diffBooks(old, next);
      const document = { old: priceBookId(old), new: priceBookId(next), ...differences };
      const output = createOutput();
      await output.write(
        flags.format === 'json' ? `${JSON.stringify(document, null, 2)}\n` : diffText(differences, old, next),
      );
      if (differs(differences)) exitWith(EXIT_DIFFERENT);
    });
}

function validateCommand(exitWith: (code: number) => void, createOutput: () => CommandOutput): Command {
  return new Command('validate')
    .description(
      `Check price books; every problem is named with its place. Ends with ${EXIT_INVALID} when there are any.`,
    )
    .addArgument(new Argument('<file...>', 'price books, YAML or JSON'))
    .action(async (files: readonly string[]) => {
      const output = createOutput();
      for (const file of files) {
        try {
          const book = loadPriceBookFile(file);
          const count = book.rates.length + (book.processing ?? []).length;
          await output.write(
            `${file}: ${priceBookId(book)} is valid: ${count} rates for ${book.regions.length} regions\n`,
          );
        } catch (error) {
          if (!(error instanceof FlowtollError)) throw error;
          await output.write(`${error.message}\n`);
          exitWith(EXIT_INVALID);
        }
      }
    });
}
