// `flowtoll price`: a calculator without a cluster. A document of flows in, prices and months' statements out; everything that counts
// is in billing/ and pricing/.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Argument, Command } from 'commander';
import { calculate } from '../billing/calculate.ts';
import { calculationCsv, calculationJson, calculationText } from '../billing/calculation-output.ts';
import { type NamedFiles, readPriceInput } from '../billing/read-price-input.ts';
import { FlowtollError } from '../model/errors.ts';
import { loadPriceBookFile } from '../pricing/book/read.ts';
import { loadPricingFile } from '../pricing/config/read.ts';
import { parsePath } from './option-values.ts';
import { type CommandOutput, formatOption, type OutputFormat, pricingOption, processOutput } from './options.ts';

const STANDARD_INPUT = '-';

const EXIT_FAILED = 1;

interface PriceFlags {
  readonly pricing?: string;
  readonly format: OutputFormat;
}

const WRITERS = { table: calculationText, json: calculationJson, csv: calculationCsv } as const;

/** @param exitWith hears 1 where a flow's cost cannot be stored; the others are priced all the same */
export function priceCommand(
  exitWith: (code: number) => void,
  createOutput: () => CommandOutput = processOutput,
  stdin: NodeJS.ReadableStream = process.stdin,
): Command {
  return new Command('price')
    .description('Price the flows of a document: classes, paths, costs and their arithmetic, and the months settled.')
    .addArgument(new Argument('<file>', 'YAML or JSON (docs/calculator.md); "-": standard input').argParser(parsePath))
    .addOption(pricingOption())
    .addOption(formatOption())
    .action(async (file: string, flags: PriceFlags, command: Command) => {
      const output = createOutput();
      const isInput = file === STANDARD_INPUT;
      const text = isInput ? await readAll(stdin) : readText(file);
      const files = filesBeside(isInput ? '.' : dirname(file));
      const given = flags.pricing === undefined ? undefined : loadPricingFile(flags.pricing);
      const input = readPriceInput(text, isInput ? 'standard input' : file, files, given);
      if (input.hasOwnPricing && command.getOptionValueSource('pricing') === 'cli') {
        throw new FlowtollError(
          'CONFIG_INVALID',
          `${file} has a pricing configuration of its own; leave out --pricing`,
        );
      }
      const calculation = calculate(input);
      await output.write(WRITERS[flags.format](calculation));
      for (const { error, flow } of calculation.flows) {
        if (error === null) continue;
        output.remark(`flowtoll: ${error.code}: ${flow.place}: ${error.message}\n`);
        exitWith(EXIT_FAILED);
      }
    });
}

function filesBeside(directory: string): NamedFiles {
  return {
    loadPricing: (path) => loadPricingFile(resolve(directory, path)),
    loadBook: (path) => loadPriceBookFile(resolve(directory, path)),
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice = 'check the path and its permissions';
    throw new FlowtollError('PRICING_INVALID', `price input ${file} cannot be read: ${reason}; ${advice}`, { cause });
  }
}

async function readAll(stdin: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
