// `flowtoll serve`: reads the configuration, opens the parts, and runs the pipeline until SIGTERM or SIGINT. No decisions
// about flows here.

import { FlowService, IngestService } from '@flowtoll/proto';
import { Health } from '@flowtoll/proto/standard-services';
import type { ListenAddress, TelemetryServer } from '@flowtoll/proto/telemetry';
import { isLoopback } from '@flowtoll/proto/tls';
import { Command, Option } from 'commander';
import { type Logger, pino } from 'pino';
import { openAgentAccess } from '../agent-access.ts';
import { createFlowService } from '../api/flow-service.ts';
import { createHealthService } from '../api/health-service.ts';
import { createReadServer, type ReadServer } from '../api/read-server.ts';
import { createReflectionServices } from '../api/reflection-service.ts';
import { waitFor } from '../bounded-wait.ts';
import { createEndpointRecorder, type EndpointRecorder } from '../endpoint-recorder.ts';
import { createEnricher } from '../enrich/enricher.ts';
import { createReaderGate } from '../identity/readers/reader-gate.ts';
import { FlowtollError } from '../model/errors.ts';
import { backgroundTimers, timers } from '../model/schedule.ts';
import { type LiveNames, openNameSource } from '../name-source.ts';
import { followOtherClusters, overlapMessage } from '../other-clusters-follower.ts';
import { createPipeline, type Pipeline } from '../pipeline.ts';
import { defaultPricing, loadPricingFile } from '../pricing/config/read.ts';
import { withNetworks } from '../pricing/networks.ts';
import { createPricing } from '../pricing/pricing.ts';
import { type OpenIpRanges, openIpRanges } from '../ranges/open-ip-ranges.ts';
import { rangeSources } from '../ranges/range-sources.ts';
import { openReaderAuthority } from '../reader-source.ts';
import { keepHeapSmall } from '../release-memory.ts';
import { createFlowSeries } from '../series/flow-series.ts';
import { defaultSeries, loadSeriesFile } from '../series/read.ts';
import { openServerTls, requireSecure } from '../server-tls.ts';
import { loadSinksFile } from '../sinks/config.ts';
import { type Sinks, startSinks } from '../sinks/start-sinks.ts';
import { openStore } from '../store/open-store.ts';
import { flowTableRoot, openFlowTable, TXN_RETENTION_MS } from '../table/flow-table.ts';
import type { NamesCounts } from '../telemetry/metrics.ts';
import { createAggregatorTelemetry, createObserver, notReadyBecause } from '../telemetry/telemetry.ts';
import { type UnwatchedWatch, watchUnwatched } from '../unwatched-watch.ts';
import { startUpkeep } from '../upkeep-loop.ts';
import { watchVanished } from '../vanished-watch.ts';
import { aggregatorVersion } from '../version.ts';
import { type AccessOptions, addAccessOptions } from './access-options.ts';
import { keepCostsOption, keepFlowsOption } from './maintain-options.ts';
import { listenAddress, orNone, parseDuration, parseList, parsePath, parseSize, parseSwitch } from './option-values.ts';
import { kubeContextOption, pricingOption, storeOption } from './options.ts';
import { ipRangesOption, ipRangesSourcesOption } from './ranges-options.ts';
import { addReadOptions, type ReadAccess, type ReadFlags, readAccess } from './read-options.ts';

interface ServeOptions extends AccessOptions, ReadFlags {
  readonly store: string;
  readonly topology?: string;
  readonly kubernetes?: string;
  readonly kubeContext?: string;
  readonly ownerKinds?: readonly string[];
  readonly keepNames: number;
  readonly otherClusters: boolean;
  readonly ipRanges?: string;
  readonly ipRangesRefresh: number | false;
  readonly ipRangesSources: readonly string[];
  readonly listen: ListenAddress;
  readonly commitInterval: number;
  readonly commitBytes: number;
  readonly commitWhenAllWaiting: boolean;
  readonly heldBytes: number;
  readonly maxBatchAge: number | false;
  readonly vanishedAfter: number | false;
  readonly unwatchedAfter: number;
  readonly maintainInterval: number | false;
  readonly keepFlows: number;
  readonly keepCosts: number;
  readonly metricsListen: ListenAddress | false;
  readonly insecure: boolean;
  readonly series?: string;
  readonly cluster?: string;
  readonly labels?: readonly string[];
  readonly pricing?: string;
  readonly sinks?: string;
  readonly logLevel: string;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const DEFAULT_CLUSTER = 'default';
const METRICS_LISTEN = '127.0.0.1:9464';
const MIB = 1024 ** 2;
/** Agents wait for each reading of names of the past, and of other clusters, at most so long. */
const NAMES_WAIT_MS = 30_000;
/** Whoever stops waits for those at most so long. */
const STOP_WAIT_MS = 5000;
/** Between lines of the log that say why agents have to wait, ms. */
const REMIND_MS = 60_000;

/** The command; nothing happens before it is parsed. */
export function serveCommand(): Command {
  const command = addAccessOptions(new Command('serve'))
    .description('take the flows of agents, name and price them, and keep them in the store')
    .addOption(storeOption())
    .addOption(
      new Option(
        '--topology <file>',
        'YAML or JSON file that describes nodes, pods and services; with --kubernetes what is outside of the cluster',
      )
        .env('FLOWTOLL_TOPOLOGY')
        .argParser(parsePath),
    )
    .addOption(
      new Option('--kubernetes <source>', 'take names from Kubernetes: in-cluster, kubeconfig, or a kubeconfig file')
        .env('FLOWTOLL_KUBERNETES')
        .argParser(parsePath),
    )
    .addOption(kubeContextOption())
    .addOption(
      new Option(
        '--owner-kinds <kinds>',
        'kinds between pods and workloads beside ReplicaSet and Job, as apiVersion/Kind, separated by commas',
      )
        .env('FLOWTOLL_OWNER_KINDS')
        .argParser(parseList),
    )
    .addOption(
      new Option('--keep-names <time>', 'remember for so long who held which address, for late flows; 1h to 30d')
        .env('FLOWTOLL_KEEP_NAMES')
        .default(86_400_000, '1d')
        .argParser(parseDuration(3_600_000, TXN_RETENTION_MS)),
    )
    .addOption(
      new Option('--other-clusters <on>', 'name addresses of other clusters under the same root of the store, too')
        .env('FLOWTOLL_OTHER_CLUSTERS')
        .default(true)
        .argParser(parseSwitch),
    )
    .addOption(ipRangesOption())
    .addOption(
      new Option(
        '--ip-ranges-refresh <time>',
        'fetch the documents of address ranges anew about this often, 1h to 30d; "none": nothing is fetched',
      )
        .env('FLOWTOLL_IP_RANGES_REFRESH')
        .default(false, 'none')
        .argParser(orNone(parseDuration(3_600_000, 30 * 86_400_000))),
    )
    .addOption(ipRangesSourcesOption())
    .addOption(
      new Option('--listen <host:port>', 'where agents connect; port 0 lets the system choose')
        .env('FLOWTOLL_LISTEN')
        .default(listenAddress('127.0.0.1:4460'), '127.0.0.1:4460')
        .argParser(listenAddress),
    )
    .addOption(
      new Option('--commit-interval <time>', 'longest time that flows wait for their commit, 100ms to 10m')
        .env('FLOWTOLL_COMMIT_INTERVAL')
        .default(30_000, '30s')
        .argParser(parseDuration(100, 600_000)),
    )
    .addOption(
      new Option('--commit-bytes <size>', 'bytes of waiting flows that are committed whatever their age, 1MiB to 1GiB')
        .env('FLOWTOLL_COMMIT_BYTES')
        .default(3 * MIB, '3MiB')
        .argParser(parseSize(MIB, 1024 * MIB)),
    )
    .addOption(
      new Option('--commit-when-all-waiting <on>', 'commit early when every connected agent has flows waiting')
        .env('FLOWTOLL_COMMIT_WHEN_ALL_WAITING')
        .default(true)
        .argParser(parseSwitch),
    )
    .addOption(
      new Option('--held-bytes <size>', 'most bytes of flows in memory; beyond it agents have to wait, 1MiB to 16GiB')
        .env('FLOWTOLL_HELD_BYTES')
        .default(6 * MIB, '6MiB')
        .argParser(parseSize(MIB, 16 * 1024 * MIB)),
    )
    .addOption(
      new Option('--max-batch-age <time>', 'refuse flows older than this; "none" for old recordings')
        .env('FLOWTOLL_MAX_BATCH_AGE')
        .default(TXN_RETENTION_MS, '30d')
        .argParser(orNone(parseDuration(60_000, TXN_RETENTION_MS))),
    )
    .addOption(
      new Option('--vanished-after <time>', 'store as a loss what a node silent for this long had not sent; or "none"')
        .env('FLOWTOLL_VANISHED_AFTER')
        .default(86_400_000, '1d')
        .argParser(orNone(parseDuration(1000, TXN_RETENTION_MS - 86_400_000))),
    )
    .addOption(
      new Option(
        '--unwatched-after <time>',
        'with --kubernetes: say which nodes have had no agent for this long, 1s to 1d; longer than windows and commits take',
      )
        .env('FLOWTOLL_UNWATCHED_AFTER')
        .default(600_000, '10m')
        .argParser(parseDuration(1000, 86_400_000)),
    )
    .addOption(
      new Option('--maintain-interval <time>', 'roll up, compact and clean up about this often, 1m to 24h; or "none"')
        .env('FLOWTOLL_MAINTAIN_INTERVAL')
        .default(600_000, '10m')
        .argParser(orNone(parseDuration(60_000, 86_400_000))),
    )
    .addOption(keepFlowsOption())
    .addOption(keepCostsOption())
    .addOption(
      new Option('--metrics-listen <host:port>', 'where /metrics, /livez and /readyz are; "none": nowhere')
        .env('FLOWTOLL_METRICS_LISTEN')
        .default(listenAddress(METRICS_LISTEN), METRICS_LISTEN)
        .argParser(orNone(listenAddress)),
    );
  return addReadOptions(command)
    .addOption(
      new Option(
        '--series <file>',
        'what of the flows is counted at /metrics, and by which labels (docs/prometheus.md)',
      )
        .env('FLOWTOLL_SERIES')
        .argParser(parsePath),
    )
    .addOption(
      new Option('--cluster <name>', `name of the cluster (default: the topology file's, or "${DEFAULT_CLUSTER}")`).env(
        'FLOWTOLL_CLUSTER',
      ),
    )
    .addOption(
      new Option(
        '--labels <keys>',
        'labels to keep with each flow, separated by commas: KEY of the pod, namespace:KEY of its namespace (default: none)',
      )
        .env('FLOWTOLL_LABELS')
        .argParser(parseList),
    )
    .addOption(pricingOption())
    .addOption(
      new Option('--sinks <file>', 'YAML or JSON file that says where flows are sent: HTTP endpoints and others')
        .env('FLOWTOLL_SINKS')
        .argParser(parsePath),
    )
    .addOption(
      new Option('--log-level <level>', 'how much to log, as JSON lines on standard error')
        .env('FLOWTOLL_LOG_LEVEL')
        .choices(LOG_LEVELS)
        .default('info'),
    )
    .action((options: ServeOptions, command: Command) =>
      serve(options, command.getOptionValueSource('metricsListen') !== 'default'),
    );
}

/** @param metricsAsked somebody said where metrics shall be: it is an error when they cannot */
async function serve(options: ServeOptions, metricsAsked: boolean): Promise<void> {
  const log = pino(
    { level: options.logLevel, base: { component: 'aggregator' } },
    pino.destination({ fd: 2, sync: true }),
  );
  const stopRequested = stopSignal(log);
  const memory = keepHeapSmall();
  requireSecure(options, {
    ...{ flag: '--listen', address: options.listen, asksWith: '--agent-auth', asks: options.agentAuth !== 'none' },
  });
  const access = readAccess(options, { ...options, hasTls: options.tlsCert !== undefined });
  const tls = openServerTls(options, log);
  const agents = await openAgentAccess(options, { log });
  const sinkEntries = options.sinks === undefined ? [] : loadSinksFile(options.sinks, process.env);
  const prices = options.pricing === undefined ? defaultPricing() : loadPricingFile(options.pricing);
  const series = createFlowSeries(options.series === undefined ? defaultSeries() : loadSeriesFile(options.series));
  const names = await openNameSource(
    { ...options, ownerKinds: options.ownerKinds ?? [], labelKeys: options.labels ?? [], keepMs: options.keepNames },
    { log, now: Date.now, schedule: timers, onOverlap: (overlap) => log.info(overlap, overlapMessage(overlap)) },
  );
  const { live } = names;
  const topology = withNetworks(names.topology, prices.config.networks ?? []);
  const cluster = options.cluster ?? names.cluster ?? DEFAULT_CLUSTER;
  const ranges = await openRanges(options, log);
  const store = await openStore(options.store);
  const endpoints =
    live &&
    createEndpointRecorder(
      { cluster, keepMs: options.keepNames },
      { store, index: live.index, log, now: Date.now, schedule: backgroundTimers, random: Math.random },
    );
  const follower = options.otherClusters
    ? followOtherClusters(
        { cluster, keepMs: options.keepNames },
        { store, others: names.others, log, now: Date.now, schedule: backgroundTimers, random: Math.random },
      )
    : undefined;
  const observer = createObserver(log);
  const table = await openFlowTable(store, {
    cluster,
    clock: Date.now,
    onCheckpoint: observer.onCheckpoint,
    beforeCheckpoint: memory.now,
  });
  const isNew = table.version === 0;
  const gate = await openGate(access, log, (peer) => readers?.proven(peer));
  const flows = createFlowService(
    { watchersMax: options.watchersMax, ...(gate && { watchersPerReaderMax: options.watchersPerReader }) },
    {
      store,
      root: flowTableRoot(cluster),
      log,
      now: () => performance.now(),
      knownVersion: () => table.version,
      requireReadable: () => table.requireReadable(),
      ...(gate && { readerOf: gate.readerOf }),
    },
  );
  const whyNotReady = () => live?.notReadyBecause() ?? notReadyBecause(pipeline, Date.now());
  const atIngest = access.at === 'own' ? [] : [IngestService];
  const atReaders = access.at === 'closed' ? [] : [FlowService];
  const health = createHealthService({
    services: [...atIngest, ...atReaders].map(({ typeName }) => typeName),
    isServing: () => whyNotReady() === undefined,
  });
  const services = [
    ...(access.at === 'closed' ? [] : [flows]),
    ...[health, ...createReflectionServices([...atIngest, ...atReaders, Health])],
  ];
  const readers: ReadServer | undefined =
    access.at === 'own' && options.readListen !== undefined
      ? createReadServer(options.readListen, {
          services,
          gate: gate?.interceptor,
          credentials: tls.forReaders,
        })
      : undefined;
  const pipeline: Pipeline = createPipeline(
    {
      listen: options.listen,
      commitIntervalMs: options.commitInterval,
      commitBytes: options.commitBytes,
      commitWhenAllWaiting: options.commitWhenAllWaiting,
      heldBytesMax: options.heldBytes,
      batchAgeMaxMs: options.maxBatchAge === false ? Number.POSITIVE_INFINITY : options.maxBatchAge,
    },
    {
      enricher: createEnricher({
        topology,
        cluster,
        labelKeys: options.labels ?? [],
        ...(ranges && { places: ranges.places }),
      }),
      pricing: createPricing({
        ...prices,
        inClusterRanges: (address) => topology.snapshot().inClusterRanges(address),
      }),
      ...(live && { names: live.awaited }),
      credentials: tls.forAgents,
      ...(agents && { agents }),
      table,
      log,
      now: Date.now,
      random: Math.random,
      // Nobody can ask for them where there are no metrics.
      ...(options.metricsListen !== false && { series }),
      observer: {
        ...observer,
        onCommit(durationMs, succeeded) {
          observer.onCommit?.(durationMs, succeeded);
          if (succeeded) {
            flows.committed();
            sinks?.committed();
          }
          memory.ifGrown();
        },
      },
      services: access.at === 'own' ? [] : services,
    },
  );
  const upkeep =
    options.maintainInterval === false
      ? undefined
      : startUpkeep(
          {
            cluster,
            clock: Date.now,
            keepFlowsMs: options.keepFlows,
            keepCostsMs: options.keepCosts,
            intervalMs: options.maintainInterval,
          },
          { store, log, random: Math.random },
        );
  let unwatched: UnwatchedWatch | undefined;
  let sinks: Sinks | undefined;
  const watched = {
    pipeline,
    table,
    flows,
    ...(gate && { readers: gate.counters }),
    ...(readers && { readConnections: readers.connections }),
    series,
    observer,
    upkeep: upkeep?.counts,
    ...(live && { names: namesCounts(live, endpoints, () => unwatched?.seen) }),
    ...(follower && { others: () => ({ ...names.others.counts, ...follower.counts }) }),
    ...(ranges && { ranges: ranges.counts }),
    tls: tls.status,
    sinks: () => sinks?.counts ?? [],
    whyNotReady,
    now: Date.now,
    version: aggregatorVersion(),
  };
  const { metricsListen } = options;
  const telemetry = metricsListen === false ? undefined : createAggregatorTelemetry(metricsListen, watched);
  const { port, metricsPort, readPort } = await closingOnFailure(table, async () => {
    const metricsPort =
      metricsListen && telemetry && (await startTelemetry(telemetry, metricsListen, metricsAsked, log));
    if (live !== undefined) await startNames(live, stopRequested, log);
    // One after the other: each takes memory while it reads.
    if (live?.notReadyBecause() === undefined) {
      await atMost(endpoints?.load(), stopRequested, log, 'who held which address before the start');
    }
    await atMost(follower?.read(), stopRequested, log, 'the addresses of other clusters');
    const readPort = await readers?.start();
    return { metricsPort, readPort, port: await stoppingOnFailure(readers, () => pipeline.start()) };
  });
  tls.start();
  endpoints?.start();
  follower?.start();
  ranges?.start();
  if (sinkEntries.length > 0) {
    sinks = startSinks(
      { cluster, version: aggregatorVersion(), entries: sinkEntries },
      {
        ...{ store, root: flowTableRoot(cluster), log, clock: Date.now, now: () => performance.now() },
        ...{ schedule: timers, random: Math.random, knownVersion: () => table.version },
      },
    );
  }
  memory.now();
  log.info(
    {
      host: options.listen.host,
      port,
      readPort,
      metricsPort,
      cluster,
      store: store.describe(),
      tableVersion: table.version,
    },
    'listening',
  );
  if (options.insecure && !isLoopback(options.listen.host)) {
    log.warn(
      { host: options.listen.host, tls: options.tlsCert !== undefined, agentAuth: options.agentAuth },
      'agents may come from other machines ' +
        `${options.tlsCert === undefined ? 'in plain text' : 'by TLS'}, and ${options.agentAuth === 'none' ? 'are who they say' : 'prove who they are'} ` +
        '(--insecure): for trials only',
    );
  }
  if (access.at === 'closed') {
    log.info(
      {},
      'nobody can watch flows: the port of the agents is open to others; give readers theirs with --read-listen',
    );
  }
  if (options.maxBatchAge === false) {
    log.warn(
      { batchAgeMax: 'none', txnRetentionMs: TXN_RETENTION_MS },
      'flows of any age are taken (--max-batch-age none): the table remembers for 30 days what is in it, and an agent that sends older ' +
        'flows again after that counts them twice; for recordings only',
    );
  }
  // Where a volume is not mounted there is no table either, and nobody can tell.
  if (isNew) log.info({ cluster, store: store.describe() }, 'there was no table: a new one begins');
  const stopWatching =
    options.vanishedAfter === false
      ? () => undefined
      : watchVanished({ silentMs: options.vanishedAfter }, { pipeline, log });
  if (live !== undefined) {
    const { index } = live;
    unwatched = watchUnwatched({ silentMs: options.unwatchedAfter }, { pipeline, index, log, now: Date.now });
  }
  const signal = await stopRequested;
  log.info({ signal, ...pipeline.held }, 'stopping: last commit');
  stopWatching();
  unwatched?.stop();
  health.stop();
  await flows.stop();
  await readers?.stop();
  gate?.stop();
  await pipeline.stop();
  const areDone = [await hasEnded(sinks?.stop()), await hasEnded(follower?.stop()), await hasEnded(endpoints?.stop())];
  await ranges?.stop();
  await live?.stop();
  await upkeep?.stop();
  await telemetry?.stop();
  agents?.stop();
  tls.stop();
  log.info(countsOf(pipeline), 'stopped');
  // Requests that get no answer would keep the process alive.
  if (areDone.includes(false)) process.exit();
}

/** Who readers are, and what is before them; undefined where nobody is asked. */
async function openGate({ source }: ReadAccess, log: Logger, onAdmitted: (peer: string) => void) {
  const authority = await openReaderAuthority(source, { log, now: Date.now, schedule: backgroundTimers });
  if (authority === undefined) return undefined;
  const gate = createReaderGate(
    // Probes have no token.
    { openServices: [Health.typeName] },
    { authority, log, now: () => performance.now(), schedule: backgroundTimers, onAdmitted },
  );
  return { ...gate, stop: () => authority.stop() };
}

/** Names that are good to have do not keep agents out when the store is slow, nor whoever says to stop. */
async function atMost(
  work: Promise<void> | undefined,
  stop: Promise<unknown>,
  log: Logger,
  what: string,
): Promise<void> {
  if (work === undefined) return;
  const waited = await waitFor(work, { maxMs: NAMES_WAIT_MS, schedule: timers, stop });
  if (waited === 'late') {
    log.warn(
      {},
      `${what} could not be read in ${NAMES_WAIT_MS / 1000} s: flows have no names by it until that is done`,
    );
  }
}

/** Whether it has, or has within some time: nothing is lost by what is left. */
async function hasEnded(work: Promise<void> | undefined): Promise<boolean> {
  return work === undefined || (await waitFor(work, { maxMs: STOP_WAIT_MS, schedule: timers })) === 'done';
}

/**
 * Agents are let in when all that names need has been heard of: what comes before that waits in their spools. Whoever is told to
 * stop meanwhile stops.
 */
async function startNames(names: LiveNames, stopRequested: Promise<unknown>, log: Logger): Promise<void> {
  log.info({}, 'hearing of the cluster; agents wait until that is done');
  names.start();
  // Nothing else need keep the process alive now.
  const reminder = setInterval(() => log.warn({}, `agents wait: ${names.notReadyBecause()}`), REMIND_MS);
  await Promise.race([names.whenSynced, stopRequested]);
  clearInterval(reminder);
  if (names.notReadyBecause() === undefined) log.info(names.index.counts, 'the cluster is known');
}

/** Undefined where nobody asked for address ranges. */
async function openRanges(
  { ipRanges, ipRangesRefresh, ipRangesSources }: ServeOptions,
  log: Logger,
): Promise<OpenIpRanges | undefined> {
  const sources = rangeSources(ipRangesSources);
  if (ipRanges === undefined) {
    if (ipRangesRefresh === false) return undefined;
    throw new FlowtollError('CONFIG_INVALID', '--ip-ranges-refresh needs a directory for copies: give --ip-ranges');
  }
  return openIpRanges(
    { directory: ipRanges, refreshMs: ipRangesRefresh, sources },
    { log, now: Date.now, schedule: backgroundTimers, random: Math.random },
  );
}

function namesCounts(
  { index, awaited, resources }: LiveNames,
  endpoints: EndpointRecorder | undefined,
  nodesSeen: () => NamesCounts['nodes'],
): NamesCounts {
  return {
    get index() {
      return index.counts;
    },
    waits: awaited.counts,
    resources,
    get nodes() {
      return nodesSeen();
    },
    endpoints: endpoints?.counts,
  };
}

/** Metrics that nobody asked for must not keep flows from being stored: a port that another process has is only said. */
async function startTelemetry(
  telemetry: TelemetryServer,
  { host, port }: ListenAddress,
  asked: boolean,
  log: Logger,
): Promise<number | undefined> {
  try {
    return await telemetry.start();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const advice = 'choose another address with --metrics-listen, or "none"';
    if (asked) {
      throw new FlowtollError('LISTEN_FAILED', `cannot serve metrics on ${host}:${port}: ${reason}; ${advice}`, {
        cause: error,
      });
    }
    log.warn({ host, port, reason }, `no metrics: ${advice}`);
    return undefined;
  }
}

/** A table left open would keep the process alive. */
async function closingOnFailure<T>(table: { close(): Promise<void> }, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    await table.close();
    throw error;
  }
}

/** The same for what listens already. */
async function stoppingOnFailure<T>(
  server: { stop(): Promise<void> } | undefined,
  start: () => Promise<T>,
): Promise<T> {
  try {
    return await start();
  } catch (error) {
    await server?.stop();
    throw error;
  }
}

/** For the log: numbers, and maps as objects. */
function countsOf({ counters, ingest }: Pipeline): object {
  const { rowsByClass, unpricedRowsByClass, addRows: _, ...counts } = counters;
  const { rejected, refused, ...ingestCounts } = ingest.counters;
  const byReason = { rejected: Object.fromEntries(rejected), refused: Object.fromEntries(refused) };
  return { ...counts, ingest: { ...ingestCounts, ...byReason } };
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
