// The thread that reads the kernel: its calls block for as long as a dump takes. Speaks with the main thread in messages.
import { parentPort, workerData } from 'node:worker_threads';
import { Baseline } from './baseline/baseline.ts';
import { type ClosedWindow, startCapture } from './capture.ts';
import type { CaptureLog } from './capture-source.ts';
import type { CaptureConfig } from './config.ts';
import { AgentError } from './errors.ts';
import type { WindowFlows } from './flow/window-flows.ts';
import type { DumpReport } from './telemetry/telemetry.ts';

/** From the thread. */
export type CaptureMessage =
  | { kind: 'started' }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; message: string; fields: Record<string, unknown> }
  | ({ kind: 'window' } & ClosedWindow)
  | { kind: 'dump'; report: DumpReport }
  | { kind: 'clock-jump'; jumpMs: number }
  | { kind: 'state-fails'; fails: boolean }
  | { kind: 'failed'; code: string; message: string }
  | { kind: 'stopped' };

/** To the thread. */
export type CaptureCommand =
  | { kind: 'stop' }
  /** The batch with this checkpoint is in the spool. */
  | { kind: 'spooled'; checkpoint: string }
  /** The spool cannot be written, or can be again. */
  | { kind: 'spool-fails'; fails: boolean };

/** What the thread is started with. */
export interface CaptureWorkerData {
  readonly config: CaptureConfig;
  /** Where the baseline lives; undefined: nowhere. */
  readonly state:
    | { readonly root: string; readonly bootId: string; readonly checkpoint: string | undefined }
    | undefined;
}

const port = parentPort;
if (port) {
  const post = (message: CaptureMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  const fail = (error: unknown) => {
    // Anything else is a mistake of ours: it reaches the main thread with its stack.
    if (!(error instanceof AgentError)) throw error;
    post({ kind: 'failed', code: error.code, message: error.message });
    port.close();
  };
  try {
    const { config, state } = workerData as CaptureWorkerData;
    const log: CaptureLog = (level, message, fields) => post({ kind: 'log', level, message, fields });
    const onProblem = (problem: Error | undefined) => {
      post({ kind: 'state-fails', fails: problem !== undefined });
      if (problem === undefined) log('info', 'the baseline is kept again', { state: state?.root });
      else log('error', 'the baseline cannot be kept: a new agent could not go on', { problem: problem.message });
    };
    const baseline = state && new Baseline(state.root, state.bootId, onProblem);
    const capture = startCapture(config, {
      log,
      onWindow: (closed) => post({ kind: 'window', ...closed }, buffersOf(closed.window)),
      onDump: (report) => post({ kind: 'dump', report }),
      onClockJump: (jumpMs) => post({ kind: 'clock-jump', jumpMs }),
      onFailure: fail,
      state: baseline && { baseline, checkpoint: state.checkpoint },
    });
    port.on('message', (command: CaptureCommand) => {
      try {
        if (command.kind === 'spool-fails') {
          baseline?.suspend(command.fails);
          return;
        }
        if (command.kind === 'spooled') {
          baseline?.spooled(command.checkpoint);
          return;
        }
        capture.stop();
        post({ kind: 'stopped' });
        port.close();
      } catch (error) {
        fail(error);
      }
    });
    post({ kind: 'started' });
  } catch (error) {
    fail(error);
  }
}

/** The memory of a window's columns: handed over, not copied. */
function buffersOf(window: WindowFlows): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const value of Object.values(window)) if (ArrayBuffer.isView(value)) buffers.push(value.buffer as ArrayBuffer);
  return buffers;
}
