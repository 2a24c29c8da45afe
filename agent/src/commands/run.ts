// `flowtoll-agent run`: capture in a thread, export from this one.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Command } from 'commander';
import type { CaptureCommand, CaptureMessage, CaptureWorkerData } from '../capture-worker.ts';
import { addRunOptions, type RunConfig, runConfig } from '../config.ts';
import { AgentError, type AgentErrorCode } from '../errors.ts';
import { createExporter, type Exporter } from '../exporter/exporter.ts';
import type { WindowFlows } from '../flow/window-flows.ts';
import { createLogger, type Logger } from '../log.ts';
import { replay } from '../replay.ts';
import { Recording } from '../source/conntrack/recording.ts';
import { AGENT_VERSION } from '../version.ts';

/** The command, to be added to the program. */
export function runCommand(): Command {
  return addRunOptions(
    new Command('run').description('read flows and send them to an aggregator (the default command)'),
  ).action(async (options: Record<string, unknown>) => {
    const config = runConfig(options);
    if (config.windowMs < config.dumpIntervalMs) {
      throw new AgentError(
        'CONFIG_INVALID',
        `--window (FLOWTOLL_WINDOW) is ${config.windowMs}ms, shorter than --dump-interval (FLOWTOLL_DUMP_INTERVAL), ` +
          `${config.dumpIntervalMs}ms; make it at least as long`,
      );
    }
    const log = createLogger(config.logLevel);
    if (config.source === 'replay') await runReplay(config, log);
    else await runLive(config, log);
  });
}

function exporterFor(config: RunConfig, node: string, log: Logger): Exporter {
  return createExporter(
    {
      aggregator: config.aggregator,
      node,
      agentVersion: AGENT_VERSION,
      spoolId: randomUUID(),
      bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      queueBytes: config.queueBytes,
    },
    { log },
  );
}

async function runReplay(config: RunConfig, log: Logger): Promise<void> {
  if (config.replayFile === undefined) {
    throw new AgentError('CONFIG_INVALID', '--source replay needs --replay-file (FLOWTOLL_REPLAY_FILE)');
  }
  const recording = Recording.open(config.replayFile);
  const exporter = exporterFor(config, recording.origin.node, log);
  exporter.start();
  try {
    const { counts, whole } = replay(recording, config, (window) => exporter.send(window));
    log.info({ file: config.replayFile, origin: recording.origin, whole, counts }, 'replayed');
  } catch (error) {
    await exporter.stop(config.drainTimeoutMs);
    throw error;
  }
  await drain(exporter, config);
}

async function runLive(config: RunConfig, log: Logger): Promise<void> {
  const exporter = exporterFor(config, config.node, log);
  const worker = new Worker(new URL('../capture-worker.ts', import.meta.url), {
    workerData: { config, state: undefined } satisfies CaptureWorkerData,
    // The thread closes its sockets itself; Node did not open them and would warn.
    trackUnmanagedFds: false,
  });
  let stopping = false;
  // A signal may come twice: a terminal sends it to the whole group, and npm passes it on. The second one changes nothing.
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) {
      log.info({ signal, drainTimeoutMs: config.drainTimeoutMs }, 'already stopping');
      return;
    }
    stopping = true;
    log.info({ signal }, 'stopping: last reading, then waiting for acknowledgements');
    worker.postMessage({ kind: 'stop' } satisfies CaptureCommand);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  try {
    await captureEnded(worker, exporter, log);
  } catch (error) {
    // What was accounted until then is not lost with the thread.
    await exporter.stop(config.drainTimeoutMs);
    throw error;
  } finally {
    stopping = true;
  }
  await drain(exporter, config);
}

/** Resolves when the capture thread has stopped as asked, rejects when it failed. */
function captureEnded(worker: Worker, exporter: Exporter, log: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: CaptureMessage) => {
      switch (message.kind) {
        case 'started':
          log.info('capturing');
          exporter.start();
          break;
        case 'log':
          log[message.level](message.fields, message.message);
          break;
        case 'window':
          logWindow(message.window, log);
          exporter.send(message.window);
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

/** @throws AgentError NOT_DELIVERED when flows are left that no aggregator has acknowledged */
async function drain(exporter: Exporter, config: RunConfig): Promise<void> {
  if (await exporter.stop(config.drainTimeoutMs)) return;
  throw new AgentError(
    'NOT_DELIVERED',
    `${exporter.waiting.batches} batches were not acknowledged by ${config.aggregator} within ` +
      `${config.drainTimeoutMs}ms (--drain-timeout, FLOWTOLL_DRAIN_TIMEOUT): their flows are lost`,
  );
}
