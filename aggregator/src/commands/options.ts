// Options that the commands which read share: names, environment variables and meanings are the same everywhere.
import { Option } from 'commander';
import { RESULT_FORMATS, type ResultFormat } from '../query/result-output.ts';
import { parsePath, parseStore } from './option-values.ts';

/** Where a command writes. */
export interface CommandOutput {
  /** A part of the result; resolves when it may go on, so that a slow reader does not fill our memory. */
  write(text: string): Promise<void>;
  /** A remark that is no part of the result. */
  remark(text: string): void;
}

/** Standard output and standard error. A reader that closes early (`| head`) ends the process, quietly. */
export function processOutput(): CommandOutput {
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') {
      throw error;
    }
    process.exit();
  });
  return {
    write: (text) =>
      new Promise((resolve) => {
        process.stdout.write(text, () => resolve());
      }),
    remark: (text) => process.stderr.write(text),
  };
}

/** Formats of a result. */
export type OutputFormat = ResultFormat;

export function storeOption(): Option {
  return new Option(
    '--store <where>',
    'what holds the tables: a directory, or s3://…, gs://… or az://… (docs/stores.md)',
  )
    .env('FLOWTOLL_STORE')
    .argParser(parseStore)
    .makeOptionMandatory();
}

export function clusterOption(): Option {
  return new Option('--cluster <name,…>', 'only these clusters; all in the store by default')
    .env('FLOWTOLL_CLUSTER')
    .default([], 'all')
    .argParser((text: string) => text.split(',').map((name) => name.trim()));
}

export function kubeContextOption(): Option {
  return new Option('--kube-context <name>', 'context of the kubeconfig (default: its current one)').env(
    'FLOWTOLL_KUBE_CONTEXT',
  );
}

/** Pricing configuration; without one list prices count. */
export function pricingOption(): Option {
  return new Option('--pricing <file>', 'what prices depend on: discounts, gateways, networks, … (docs/pricing.md)')
    .env('FLOWTOLL_PRICING')
    .argParser(parsePath);
}

export function formatOption(): Option {
  return new Option('--format <format>', 'how to print: for people, or exact for programs')
    .choices(RESULT_FORMATS)
    .default('table');
}
