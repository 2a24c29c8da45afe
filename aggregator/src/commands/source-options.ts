// Options of the commands that read tables: which store and clusters, and how objects that are no local files are read.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { orNone, parsePath, parseSize } from './option-values.ts';
import { clusterOption, storeOption } from './options.ts';

const GIB = 2 ** 30;
const DEFAULT_CACHE_BYTES = 10 * GIB;
const LEAST_CACHE_BYTES = 2 ** 20;
const MOST_CACHE_BYTES = 2 ** 20 * GIB;

/** What the options say. */
export interface SourceFlags {
  readonly store: string;
  readonly cluster: readonly string[];
  /** Directory of DuckDB's extensions; undefined: DuckDB's own; `false`: do not use any. */
  readonly extensions?: string | false;
  /** Directory that keeps fetched objects. */
  readonly cache: string;
  /** Bound of it, bytes. */
  readonly cacheSize: number;
}

export function addSourceOptions(command: Command): Command {
  const home = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return command
    .addOption(storeOption())
    .addOption(clusterOption())
    .addOption(
      new Option(
        '--extensions <directory>',
        "where DuckDB's extension httpfs lies, to read S3 in place; DuckDB's own directory by default; none: do not use it",
      )
        .env('FLOWTOLL_EXTENSIONS')
        .argParser(orNone(parsePath)),
    )
    .addOption(
      new Option('--cache <directory>', 'keeps objects of the store that DuckDB does not read in place')
        .env('FLOWTOLL_CACHE')
        .argParser(parsePath)
        .default(join(home, 'flowtoll')),
    )
    .addOption(
      new Option('--cache-size <size>', 'the most that it keeps')
        .env('FLOWTOLL_CACHE_SIZE')
        .argParser(parseSize(LEAST_CACHE_BYTES, MOST_CACHE_BYTES))
        .default(DEFAULT_CACHE_BYTES, '10GiB'),
    );
}
