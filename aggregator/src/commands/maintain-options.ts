// Options of upkeep: how long rows are kept. Those that run it share names, variables and defaults.
import { Option } from 'commander';
import { parseDuration } from './option-values.ts';

const DAY_MS = 86_400_000;

export function keepFlowsOption(): Option {
  return new Option('--keep-flows <time>', 'keep rows of flows for this long, 1d to 3650d')
    .env('FLOWTOLL_KEEP_FLOWS')
    .default(30 * DAY_MS, '30d')
    .argParser(parseDuration(DAY_MS, 3650 * DAY_MS));
}

export function keepCostsOption(): Option {
  return new Option('--keep-costs <time>', 'keep rows of costs_hourly for this long, 1d to 3650d')
    .env('FLOWTOLL_KEEP_COSTS')
    .default(400 * DAY_MS, '400d')
    .argParser(parseDuration(DAY_MS, 3650 * DAY_MS));
}
