// The agent's options: flags, environment variables, defaults, and what each accepts. A bad value ends the process before
// anything opens; the message names the flag and the variable.
import { hostname } from 'node:os';
import { LISTEN_ADDRESS_FORM, type ListenAddress, parseListenAddress } from '@flowtoll/proto/telemetry';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDurationMs, parseSizeBytes } from './duration.ts';
import { parseRange } from './flow/address-ranges.ts';
import { SMALLEST_CAP } from './flow/fold.ts';
import { type CiliumLayout, ETHERNET_HEADER_BYTES } from './source/cilium/layout.ts';

const METRICS_LISTEN = '127.0.0.1:9465';

/** How conntrack is read and reduced; the same for every command. */
export interface CaptureConfig {
  readonly node: string;
  readonly dumpIntervalMs: number;
  readonly windowMs: number;
  readonly maxFlows: number;
  readonly clusterRanges: readonly string[];
  readonly initiatorPrefixV4: number;
  readonly initiatorPrefixV6: number;
  readonly eventBufferBytes: number;
  readonly reliableEvents: boolean;
  readonly reliableEventsMaxFillPercent: number;
  readonly setSysctls: boolean;
  readonly logLevel: string;
  /** Which table is read; "auto": decided at start by what the node has. */
  readonly source: 'auto' | 'conntrack' | 'cilium';
  readonly cilium: CiliumConfig;
}

/** How Cilium's maps are read. */
export interface CiliumConfig {
  /** Where Cilium pins them. */
  readonly maps: string;
  readonly layout: CiliumLayout | 'auto';
  /** Bytes of each packet that Cilium counts that are not IP. */
  readonly frameHeaderBytes: number;
}

/** What is taken where nothing is said. */
export const CILIUM_DEFAULTS: CiliumConfig = {
  maps: '/sys/fs/bpf/tc/globals',
  layout: 'auto',
  frameHeaderBytes: ETHERNET_HEADER_BYTES,
};

/** Everything that `flowtoll-agent run` takes. */
export interface RunConfig extends CaptureConfig {
  readonly aggregator: string;
  /** Authorities that the aggregator's certificate must be of: a file, or "system"; undefined: plain text. */
  readonly tlsCa: string | undefined;
  /** Name that the aggregator's certificate must have; undefined: the host of `aggregator`. */
  readonly tlsServerName: string | undefined;
  /** Our own certificate and its key. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  /** File of the token that each stream shows. */
  readonly tokenFile: string | undefined;
  /** Plain text may leave this machine. */
  readonly insecure: boolean;
  /** How often a silent aggregator is asked for a sign of life, ms. */
  readonly keepaliveMs: number;
  /** Whether a recording is replayed, instead of a live source being read. */
  readonly isReplay: boolean;
  readonly replayFile: string | undefined;
  /** Most bytes of batches that wait in memory. */
  readonly queueBytes: number;
  readonly drainTimeoutMs: number;
  /** Age at which a stream to the aggregator ends and a new one is opened. */
  readonly streamAgeMs: number;
  /** Where /metrics, /livez and /readyz are; undefined: nowhere. */
  readonly metricsListen: ListenAddress | undefined;
  /** Whether somebody said where: it is an error when they cannot be there. */
  readonly metricsAsked: boolean;
  /** Directory of the spool; undefined: batches wait in memory. */
  readonly spool: string | undefined;
  readonly spoolBytes: number;
  readonly spoolSync: boolean;
  /** Directory of the baseline; undefined: the accounting ends with the process. */
  readonly state: string | undefined;
}

function durationOf(minMs: number, maxMs: number): (text: string) => number {
  return (text) => {
    const ms = parseDurationMs(text);
    if (ms === undefined || ms < minMs || ms > maxMs) {
      throw new InvalidArgumentError(
        `Expected a duration from ${minMs}ms to ${maxMs / 60_000}m, like 500ms, 5s or 1m.`,
      );
    }
    return ms;
  };
}

function sizeOf(minBytes: number, maxBytes: number): (text: string) => number {
  return (text) => {
    const bytes = parseSizeBytes(text);
    if (bytes === undefined || bytes < minBytes || bytes > maxBytes) {
      throw new InvalidArgumentError(`Expected a size from ${minBytes} to ${maxBytes} bytes, like 32MiB.`);
    }
    return bytes;
  };
}

function integerOf(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

function ranges(text: string): string[] {
  const list = text.split(',').map((range) => range.trim());
  for (const range of list) {
    try {
      parseRange(range);
    } catch (error) {
      throw new InvalidArgumentError(`${(error as Error).message}.`);
    }
  }
  return list;
}

function nodeName(text: string): string {
  if (!/^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError('Expected a node name: up to 253 letters, digits, ".", "-" or "_".');
  }
  return text;
}

function path(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Expected a path, and this is empty.');
  return text;
}

function listenAddressOrNone(text: string): ListenAddress | false {
  if (text.trim() === 'none') return false;
  const address = parseListenAddress(text);
  if (address === undefined) throw new InvalidArgumentError(`Expected "none" or ${LISTEN_ADDRESS_FORM}.`);
  return address;
}

function hostAndPort(text: string): string {
  const match = /^(?:\[[0-9A-Fa-f:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(text);
  if (!match || Number(match[1]) < 1 || Number(match[1]) > 65_535) {
    throw new InvalidArgumentError('Expected host:port, like flowtoll-aggregator:4460 or [fd00::1]:4460.');
  }
  return text;
}

/** An option that a boolean environment variable sets, too. */
function onOff(flags: string, description: string, variable: string): Option {
  return new Option(flags, description)
    .env(variable)
    .default(false)
    .argParser((text) => {
      if (/^(1|true|yes|on)$/i.test(text)) return true;
      if (/^(0|false|no|off)$/i.test(text)) return false;
      throw new InvalidArgumentError('Expected true or false.');
    })
    .preset('true');
}

/** Adds what every command that reads conntrack takes. */
export function addCaptureOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--node <name>', 'name of this node, as in the topology')
        .env('FLOWTOLL_NODE')
        .default(hostname(), 'the host name')
        .argParser(nodeName),
    )
    .addOption(
      new Option('--dump-interval <duration>', 'between full readings of conntrack')
        .env('FLOWTOLL_DUMP_INTERVAL')
        .default(5000, '5s')
        .argParser(durationOf(100, 600_000)),
    )
    .addOption(
      new Option('--window <duration>', 'length of the windows that flows are summed over')
        .env('FLOWTOLL_WINDOW')
        .default(60_000, '1m')
        .argParser(durationOf(100, 3_600_000)),
    )
    .addOption(
      new Option('--max-flows <count>', 'most flows of one window; what exceeds it is folded into prefixes')
        .env('FLOWTOLL_MAX_FLOWS')
        .default(20_000)
        .argParser(integerOf(SMALLEST_CAP, 100_000)),
    )
    .addOption(
      new Option(
        '--cluster-ranges <ranges>',
        "the cluster's address ranges beside the private ones, with commas between",
      )
        .env('FLOWTOLL_CLUSTER_RANGES')
        .default([], 'none')
        .argParser(ranges),
    )
    .addOption(
      new Option('--initiator-prefix-v4 <bits>', 'outside IPv4 initiators are kept as prefixes of this length')
        .env('FLOWTOLL_INITIATOR_PREFIX_V4')
        .default(24)
        .argParser(integerOf(0, 32)),
    )
    .addOption(
      new Option('--initiator-prefix-v6 <bits>', 'outside IPv6 initiators are kept as prefixes of this length')
        .env('FLOWTOLL_INITIATOR_PREFIX_V6')
        .default(48)
        .argParser(integerOf(0, 128)),
    )
    .addOption(
      new Option('--event-buffer <size>', 'receive buffer for DESTROY events; each takes about 1.3 KB until it is read')
        .env('FLOWTOLL_EVENT_BUFFER')
        .default(32 * 1024 ** 2, '32MiB')
        .argParser(sizeOf(64 * 1024, 1024 ** 3)),
    )
    .addOption(
      onOff(
        '--reliable-events [on]',
        'have the kernel keep DESTROY events that it cannot deliver, instead of dropping them; they stay in its table',
        'FLOWTOLL_RELIABLE_EVENTS',
      ),
    )
    .addOption(
      new Option(
        '--reliable-events-max-fill <percent>',
        'switch reliable events off while conntrack is fuller than this part of nf_conntrack_max',
      )
        .env('FLOWTOLL_RELIABLE_EVENTS_MAX_FILL')
        .default(80)
        .argParser(integerOf(1, 99)),
    )
    .addOption(
      onOff(
        '--keep-sysctls [on]',
        'do not switch on nf_conntrack_acct, nf_conntrack_timestamp and nf_conntrack_events',
        'FLOWTOLL_KEEP_SYSCTLS',
      ),
    )
    .addOption(
      new Option('--log-level <level>', 'how much to log')
        .env('FLOWTOLL_LOG_LEVEL')
        .default('info')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    );
}

/** Adds what `run` takes besides. */
export function addRunOptions(command: Command): Command {
  return addCaptureOptions(command)
    .addOption(
      new Option('--aggregator <host:port>', 'where to send flows')
        .env('FLOWTOLL_AGGREGATOR')
        .default('127.0.0.1:4460')
        .argParser(hostAndPort),
    )
    .addOption(
      new Option(
        '--tls-ca <file>',
        'PEM file of the authorities that the aggregator’s certificate must be of, or "system": those this machine trusts; read again when it changes',
      )
        .env('FLOWTOLL_TLS_CA')
        .argParser(path),
    )
    .addOption(
      new Option(
        '--tls-server-name <name>',
        'name that the aggregator’s certificate must have (default: the host of --aggregator)',
      )
        .env('FLOWTOLL_TLS_SERVER_NAME')
        .argParser(nodeName),
    )
    .addOption(
      new Option('--tls-cert <file>', 'PEM file of the certificate of this node; read again when it changes')
        .env('FLOWTOLL_TLS_CERT')
        .argParser(path),
    )
    .addOption(
      new Option('--tls-key <file>', 'PEM file of its key; read again when it changes')
        .env('FLOWTOLL_TLS_KEY')
        .argParser(path),
    )
    .addOption(
      new Option('--token-file <file>', 'file of the token that says who we are; read again for each stream')
        .env('FLOWTOLL_TOKEN_FILE')
        .argParser(path),
    )
    .addOption(
      onOff('--insecure [on]', 'send flows in plain text to another machine, too; for trials', 'FLOWTOLL_INSECURE'),
    )
    .addOption(
      new Option(
        '--keepalive <duration>',
        'ask the aggregator this often for a sign of life; without one for as long (10s at most) connect anew',
      )
        .env('FLOWTOLL_KEEPALIVE')
        .default(30_000, '30s')
        .argParser(durationOf(500, 600_000)),
    )
    .addOption(
      new Option('--source <source>', 'where flows come from')
        .env('FLOWTOLL_SOURCE')
        .default('auto', 'auto: conntrack, or Cilium’s maps where only they see the pods’ traffic')
        .choices(['auto', 'conntrack', 'cilium', 'replay']),
    )
    .addOption(
      new Option('--cilium-maps <dir>', 'where Cilium pins its conntrack maps')
        .env('FLOWTOLL_CILIUM_MAPS')
        .default(CILIUM_DEFAULTS.maps),
    )
    .addOption(
      new Option(
        '--cilium-layout <layout>',
        'what Cilium’s entries look like: "directional" until 1.15, "merged" from 1.16 on (both directions counted together)',
      )
        .env('FLOWTOLL_CILIUM_LAYOUT')
        .default('auto', 'auto: told by the entries')
        .choices(['auto', 'directional', 'merged']),
    )
    .addOption(
      new Option(
        '--cilium-frame-header <bytes>',
        'bytes of each packet that Cilium counts and that are not IP; 0 for devices without Ethernet headers',
      )
        .env('FLOWTOLL_CILIUM_FRAME_HEADER')
        .default(CILIUM_DEFAULTS.frameHeaderBytes)
        .argParser(integerOf(0, 64)),
    )
    .addOption(
      new Option('--replay-file <file>', 'recording to replay (with --source replay)').env('FLOWTOLL_REPLAY_FILE'),
    )
    .addOption(
      new Option(
        '--spool <dir>',
        'directory on a disk for batches that wait for the aggregator; "none": they wait in memory, and end with it',
      )
        .env('FLOWTOLL_SPOOL')
        .default('/var/lib/flowtoll'),
    )
    .addOption(
      new Option('--spool-size <size>', 'most bytes in the spool; beyond it the oldest flows become a loss')
        .env('FLOWTOLL_SPOOL_SIZE')
        .default(1024 ** 3, '1GiB')
        .argParser(sizeOf(1024 ** 2, 1024 ** 4)),
    )
    .addOption(
      new Option('--spool-fsync <when>', 'sync each batch to the disk, or leave that to the system')
        .env('FLOWTOLL_SPOOL_FSYNC')
        .default('batch')
        .choices(['batch', 'never']),
    )
    .addOption(
      new Option('--state <dir>', 'directory on tmpfs for what was accounted so far; "none": a new agent begins anew')
        .env('FLOWTOLL_STATE')
        .default('/run/flowtoll'),
    )
    .addOption(
      new Option('--queue-size <size>', 'most bytes of batches that wait in memory')
        .env('FLOWTOLL_QUEUE_SIZE')
        .default(64 * 1024 ** 2, '64MiB')
        .argParser(sizeOf(1024 ** 2, 16 * 1024 ** 3)),
    )
    .addOption(
      new Option('--drain-timeout <duration>', 'how long a stopping agent waits for acknowledgements')
        .env('FLOWTOLL_DRAIN_TIMEOUT')
        .default(20_000, '20s')
        .argParser(durationOf(0, 600_000)),
    )
    .addOption(
      new Option(
        '--stream-age <duration>',
        'age at which a stream moves to whichever replica answers, give or take a fifth',
      )
        .env('FLOWTOLL_STREAM_AGE')
        .default(600_000, '10m')
        .argParser(durationOf(1000, 86_400_000)),
    )
    .addOption(
      new Option('--metrics-listen <host:port>', 'where /metrics, /livez and /readyz are; "none": nowhere')
        .env('FLOWTOLL_METRICS_LISTEN')
        .default(listenAddressOrNone(METRICS_LISTEN), METRICS_LISTEN)
        .argParser(listenAddressOrNone),
    );
}

/** Options as commander gives them → CaptureConfig. */
export function captureConfig(options: Record<string, unknown>): CaptureConfig {
  return {
    node: options['node'] as string,
    dumpIntervalMs: options['dumpInterval'] as number,
    windowMs: options['window'] as number,
    maxFlows: options['maxFlows'] as number,
    clusterRanges: options['clusterRanges'] as string[],
    initiatorPrefixV4: options['initiatorPrefixV4'] as number,
    initiatorPrefixV6: options['initiatorPrefixV6'] as number,
    eventBufferBytes: options['eventBuffer'] as number,
    reliableEvents: options['reliableEvents'] as boolean,
    reliableEventsMaxFillPercent: options['reliableEventsMaxFill'] as number,
    setSysctls: !(options['keepSysctls'] as boolean),
    logLevel: options['logLevel'] as string,
    // Commands without these options read conntrack.
    source: (options['source'] as 'auto' | 'conntrack' | 'cilium' | undefined) ?? 'conntrack',
    cilium: {
      maps: (options['ciliumMaps'] as string | undefined) ?? CILIUM_DEFAULTS.maps,
      layout: (options['ciliumLayout'] as CiliumLayout | 'auto' | undefined) ?? CILIUM_DEFAULTS.layout,
      frameHeaderBytes: (options['ciliumFrameHeader'] as number | undefined) ?? CILIUM_DEFAULTS.frameHeaderBytes,
    },
  };
}

/** A command whose options were parsed → RunConfig. */
export function runConfig(command: Command): RunConfig {
  const options = command.opts();
  return {
    ...captureConfig(options),
    aggregator: options['aggregator'] as string,
    tlsCa: options['tlsCa'] as string | undefined,
    tlsServerName: options['tlsServerName'] as string | undefined,
    tlsCert: options['tlsCert'] as string | undefined,
    tlsKey: options['tlsKey'] as string | undefined,
    tokenFile: options['tokenFile'] as string | undefined,
    insecure: options['insecure'] as boolean,
    keepaliveMs: options['keepalive'] as number,
    isReplay: options['source'] === 'replay',
    replayFile: options['replayFile'] as string | undefined,
    queueBytes: options['queueSize'] as number,
    drainTimeoutMs: options['drainTimeout'] as number,
    streamAgeMs: options['streamAge'] as number,
    metricsListen: (options['metricsListen'] as ListenAddress | false) || undefined,
    metricsAsked: command.getOptionValueSource('metricsListen') !== 'default',
    spool: directoryOf(options['spool']),
    spoolBytes: options['spoolSize'] as number,
    spoolSync: options['spoolFsync'] === 'batch',
    state: directoryOf(options['state']),
  };
}

function directoryOf(option: unknown): string | undefined {
  return option === 'none' ? undefined : (option as string);
}
