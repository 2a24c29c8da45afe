// `flowtoll-agent run`: capture in a thread, export from this one.
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { TelemetryServer } from '@flowtoll/proto/telemetry';
import { Command } from 'commander';
import { hasBaseline, wasAccounted } from '../baseline/baseline-store.ts';
import type { CaptureCommand, CaptureMessage, CaptureWorkerData } from '../capture-worker.ts';
import { addRunOptions, type RunConfig, runConfig } from '../config.ts';
import { type Connection, openConnection } from '../connection.ts';
import { type Delivery, type DeliveryContext, openDelivery } from '../delivery.ts';
import { AgentError, type AgentErrorCode } from '../errors.ts';
import type { WindowFlows } from '../flow/window-flows.ts';
import { createLogger, type Logger } from '../log.ts';
import { replay } from '../replay.ts';
import { Recording } from '../source/conntrack/recording.ts';
import { AgentTelemetry } from '../telemetry/telemetry.ts';

/** The command, to be added to the program. */
export function runCommand(): Command {
  return addRunOptions(
    new Command('run').description('read flows and send them to an aggregator (the default command)'),
  ).action(async (_: unknown, command: Command) => {
    const config = runConfig(command);
    if (config.windowMs < config.dumpIntervalMs) {
      throw new AgentError(
        'CONFIG_INVALID',
        `--window (FLOWTOLL_WINDOW) is ${config.windowMs}ms, shorter than --dump-interval (FLOWTOLL_DUMP_INTERVAL), ` +
          `${config.dumpIntervalMs}ms; make it at least as long`,
      );
    }
    const log = createLogger(config.logLevel);
    const connection = openConnection(config, log);
    connection.start();
    try {
      if (config.isReplay) await runReplay(config, connection, log);
      else await runLive(config, connection, log);
    } finally {
      connection.stop();
    }
  });
}

function deliveryFor(
  config: RunConfig,
  spool: string | undefined,
  node: string,
  link: Pick<Connection, 'tls' | 'token'>,
  log: Logger,
  capture: { tell: (command: CaptureCommand) => void; goesOnFrom: DeliveryContext['goesOnFrom'] },
): Delivery {
  const { tell, goesOnFrom } = capture;
  return openDelivery(config, spool, {
    node,
    bootId: bootId(),
    log,
    link,
    goesOnFrom,
    onSpooled: (checkpoint) => tell({ kind: 'spooled', checkpoint }),
    onSpoolFails: (fails) => tell({ kind: 'spool-fails', fails }),
  });
}

/** Whether what is kept below `root` is what the accounting can go on from. */
function goesOnFrom(root: string, checkpoint: string | undefined): boolean {
  return checkpoint === undefined ? !wasAccounted(root, bootId()) : hasBaseline(root, bootId(), checkpoint);
}

/** One life of the kernel. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

async function runReplay(config: RunConfig, connection: Connection, log: Logger): Promise<void> {
  if (config.replayFile === undefined) {
    throw new AgentError('CONFIG_INVALID', '--source replay needs --replay-file (FLOWTOLL_REPLAY_FILE)');
  }
  const recording = Recording.open(config.replayFile);
  // A recording can be replayed again: it needs no spool.
  const delivery = deliveryFor(config, undefined, recording.origin.node, connection, log, {
    tell: () => undefined,
    goesOnFrom: () => false,
  });
  delivery.start();
  try {
    const { counts, whole } = replay(recording, config, (window) => delivery.send(window));
    log.info({ file: config.replayFile, origin: recording.origin, whole, counts }, 'replayed');
  } catch (error) {
    await delivery.stop(config.drainTimeoutMs);
    throw error;
  }
  await delivery.stop(config.drainTimeoutMs);
}

async function runLive(config: RunConfig, connection: Connection, log: Logger): Promise<void> {
  let worker: Worker | undefined;
  // Without a spool nobody remembers which window was the last: a new agent could only begin anew.
  const root = config.spool === undefined ? undefined : config.state;
  const delivery = deliveryFor(config, config.spool, config.node, connection, log, {
    tell: (command) => worker?.postMessage(command),
    goesOnFrom: (checkpoint) => root !== undefined && goesOnFrom(root, checkpoint),
  });
  const state = root === undefined ? undefined : { root, bootId: bootId(), checkpoint: delivery.lastCheckpoint };
  const telemetry = new AgentTelemetry(delivery, config.dumpIntervalMs, connection.tlsStatus);
  const server = await startTelemetry(telemetry, config, log);
  worker = new Worker(new URL('../capture-worker.ts', import.meta.url), {
    workerData: { config, state } satisfies CaptureWorkerData,
    // The thread closes its sockets itself; Node did not open them and would warn.
    trackUnmanagedFds: false,
  });
  // What reaches the table without having been in the spool must not be counted again by the next agent.
  if (delivery.status.spoolFails) worker.postMessage({ kind: 'spool-fails', fails: true } satisfies CaptureCommand);
  let stopping = false;
  // A signal may come twice: a terminal sends it to the whole group, and npm passes it on. The second one changes nothing.
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) {
      log.info({ signal, drainTimeoutMs: config.drainTimeoutMs }, 'already stopping');
      return;
    }
    stopping = true;
    log.info({ signal }, 'stopping: last reading, then waiting for acknowledgements');
    worker?.postMessage({ kind: 'stop' } satisfies CaptureCommand);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  try {
    await captureEnded(worker, delivery, telemetry, log);
  } catch (error) {
    // What was accounted until then is not lost with the thread.
    await delivery.stop(config.drainTimeoutMs);
    throw error;
  } finally {
    stopping = true;
  }
  await delivery.stop(config.drainTimeoutMs);
  await server?.stop();
}

/** Metrics that nobody asked for must not keep flows from being counted: a port that another process has is only said. */
async function startTelemetry(
  telemetry: AgentTelemetry,
  { metricsListen, metricsAsked }: RunConfig,
  log: Logger,
): Promise<TelemetryServer | undefined> {
  if (metricsListen === undefined) return undefined;
  const { host, port } = metricsListen;
  const server = telemetry.server(metricsListen);
  try {
    log.info({ host, metricsPort: await server.start() }, 'metrics');
    return server;
  } catch (error) {
    const reason = (error as Error).message;
    const advice = 'choose another address with --metrics-listen (FLOWTOLL_METRICS_LISTEN), or "none"';
    if (metricsAsked) {
      throw new AgentError('LISTEN_FAILED', `cannot serve metrics on ${host}:${port}: ${reason}; ${advice}`);
    }
    log.warn({ host, port, reason }, `no metrics: ${advice}`);
    return undefined;
  }
}

/** Resolves when the capture thread has stopped as asked, rejects when it failed. */
function captureEnded(worker: Worker, delivery: Delivery, telemetry: AgentTelemetry, log: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: CaptureMessage) => {
      switch (message.kind) {
        case 'started':
          log.info('capturing');
          delivery.start();
          break;
        case 'log':
          log[message.level](message.fields, message.message);
          break;
        case 'dump':
          telemetry.dumped(message.report);
          break;
        case 'clock-jump':
          log.warn({ jumpMs: message.jumpMs }, 'the clock was set; the aggregator learns how it stands now');
          telemetry.clockJumped();
          delivery.clockJumped();
          break;
        case 'state-fails':
          telemetry.stateFails(message.fails);
          break;
        case 'window':
          logWindow(message.window, log);
          telemetry.closedWindow(message.window.count);
          delivery.send(message.window, message.checkpoint);
          break;
        case 'failed':
          reject(new AgentError(message.code as AgentErrorCode, message.message));
          break;
        case 'stopped':
          resolve();
      }
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new AgentError('SYSTEM_CALL_FAILED', `the capture thread ended (${code})`)));
  });
}

function logWindow(window: WindowFlows, log: Logger): void {
  const { count: flows, foldedCount: folded, losses } = window;
  log.debug({ flows, folded, losses, endUs: window.windowEndUs }, 'window');
}
