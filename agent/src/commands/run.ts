// `flowtoll-agent run`: capture in a thread, export from this one.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Command } from 'commander';
import type { CaptureCommand, CaptureMessage } from '../capture-worker.ts';
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
      throw new AgentError('CONFIG_INVALID', '--window (FLOWTOLL_WINDOW) must not be shorter than --dump-interval');
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
  const { counts, whole } = replay(recording, config, (window) => exporter.send(window));
  log.info({ file: config.replayFile, origin: recording.origin, whole, counts }, 'replayed');
  await drain(exporter, config, log);
}

async function runLive(config: RunConfig, log: Logger): Promise<void> {
  const exporter = exporterFor(config, config.node, log);
  const worker = new Worker(new URL('../capture-worker.ts', import.meta.url), {
    workerData: config,
    // The thread closes its sockets itself; Node did not open them and would warn.
    trackUnmanagedFds: false,
  });
  const stop = () => worker.postMessage({ kind: 'stop' } satisfies CaptureCommand);
  const onSignal = (signal: NodeJS.Signals) => {
    log.info({ signal }, 'stopping: last reading, then waiting for acknowledgements');
    stop();
  };
  process.once('SIGTERM', onSignal);
  process.once('SIGINT', onSignal);
  exporter.start();
  try {
    await captureEnded(worker, exporter, log);
  } catch (error) {
    await exporter.stop(0);
    throw error;
  }
  await drain(exporter, config, log);
}

/** Resolves when the capture thread has stopped as asked, rejects when it failed. */
function captureEnded(worker: Worker, exporter: Exporter, log: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: CaptureMessage) => {
      switch (message.kind) {
        case 'started':
          log.info('capturing');
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

async function drain(exporter: Exporter, config: RunConfig, log: Logger): Promise<void> {
  const drained = await exporter.stop(config.drainTimeoutMs);
  if (!drained) log.error('stopped before everything was acknowledged: what was left is lost');
}
