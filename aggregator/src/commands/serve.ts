// `flowtoll serve`: reads the configuration, opens the parts, and runs the pipeline until SIGTERM or SIGINT. No decisions
// about flows here.
import { Command, Option } from 'commander';
import { type Logger, pino } from 'pino';
import { createEnricher } from '../enrich/enricher.ts';
import { createPipeline } from '../pipeline.ts';
import { defaultPriceBooks } from '../pricing/default-books.ts';
import { createPricer } from '../pricing/pricer.ts';
import { createClassifier } from '../pricing/traffic-class.ts';
import { openDirectoryStore } from '../store/directory-store.ts';
import { openFlowTable } from '../table/flow-table.ts';
import { loadTopologyFile } from '../topology/file-topology.ts';
import { type ListenAddress, parseDuration, parseListenAddress, parsePath } from './option-values.ts';
import { storeOption } from './options.ts';

interface ServeOptions {
  readonly store: string;
  readonly topology: string;
  readonly listen: ListenAddress;
  readonly commitInterval: number;
  readonly cluster?: string;
  readonly labels?: readonly string[];
  readonly logLevel: string;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const DEFAULT_CLUSTER = 'default';

/** The command; nothing happens before it is parsed. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('take the flows of agents, name and price them, and keep them in the store')
    .addOption(storeOption())
    .addOption(
      new Option('--topology <file>', 'YAML or JSON file that describes nodes, pods and services')
        .env('FLOWTOLL_TOPOLOGY')
        .argParser(parsePath)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--listen <host:port>', 'where agents connect; port 0 lets the system choose')
        .env('FLOWTOLL_LISTEN')
        .default(parseListenAddress('127.0.0.1:4460'), '127.0.0.1:4460')
        .argParser(parseListenAddress),
    )
    .addOption(
      new Option('--commit-interval <time>', 'longest time that flows wait for their commit, 100ms to 10m')
        .env('FLOWTOLL_COMMIT_INTERVAL')
        .default(30_000, '30s')
        .argParser(parseDuration(100, 600_000)),
    )
    .addOption(
      new Option('--cluster <name>', `name of the cluster (default: the topology file's, or "${DEFAULT_CLUSTER}")`).env(
        'FLOWTOLL_CLUSTER',
      ),
    )
    .addOption(
      new Option('--labels <keys>', 'pod labels to keep with each flow, separated by commas (default: none)')
        .env('FLOWTOLL_LABELS')
        .argParser((text) =>
          text
            .split(',')
            .map((key) => key.trim())
            .filter((key) => key !== ''),
        ),
    )
    .addOption(
      new Option('--log-level <level>', 'how much to log, as JSON lines on standard error')
        .env('FLOWTOLL_LOG_LEVEL')
        .choices(LOG_LEVELS)
        .default('info'),
    )
    .action((options: ServeOptions) => serve(options));
}

async function serve(options: ServeOptions): Promise<void> {
  const log = pino(
    { level: options.logLevel, base: { component: 'aggregator' } },
    pino.destination({ fd: 2, sync: true }),
  );
  const stopRequested = stopSignal(log);
  const topology = loadTopologyFile(options.topology);
  for (const note of topology.notes) log.warn({ topology: options.topology }, note);
  const cluster = options.cluster ?? topology.cluster ?? DEFAULT_CLUSTER;
  const books = defaultPriceBooks();
  const store = await openDirectoryStore(options.store);
  const table = await openFlowTable(store, { cluster, clock: Date.now });
  const pipeline = createPipeline(
    { listen: options.listen, commitIntervalMs: options.commitInterval },
    {
      enricher: createEnricher({ topology: topology.source, cluster, labelKeys: options.labels ?? [] }),
      classify: createClassifier({
        books,
        inClusterRanges: (address) => topology.source.snapshot().inClusterRanges(address),
      }),
      pricer: createPricer({ books }),
      table,
      log,
      now: Date.now,
      random: Math.random,
    },
  );
  const port = await startOrClose(pipeline, table);
  log.info({ host: options.listen.host, port, cluster, store: store.describe() }, 'listening');
  const signal = await stopRequested;
  log.info({ signal, ...pipeline.held }, 'stopping: last commit');
  await pipeline.stop();
  log.info({ ...pipeline.counters, ingest: ingestCounters(pipeline.ingest.counters) }, 'stopped');
}

/** A table left open would keep the process alive. */
async function startOrClose(
  pipeline: { start(): Promise<number> },
  table: { close(): Promise<void> },
): Promise<number> {
  try {
    return await pipeline.start();
  } catch (error) {
    await table.close();
    throw error;
  }
}

function ingestCounters({ rejected, ...counts }: { readonly rejected: ReadonlyMap<string, number> }): object {
  return { ...counts, rejected: Object.fromEntries(rejected) };
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(log: Logger): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stopping = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (stopping) {
        log.error({ signal }, 'second signal: ending without the last commit; agents send again what it held');
        process.exit(1);
      }
      stopping = true;
      resolve(signal);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
