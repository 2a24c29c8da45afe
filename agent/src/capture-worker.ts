// The thread that reads the kernel: its calls block for as long as a dump takes. Speaks with the main thread in messages.
import { parentPort, workerData } from 'node:worker_threads';
import { startCapture } from './capture.ts';
import type { CaptureConfig } from './config.ts';
import { AgentError } from './errors.ts';
import type { AccountantCounts } from './flow/accountant.ts';
import type { WindowFlows } from './flow/window-flows.ts';

/** From the thread. */
export type CaptureMessage =
  | { kind: 'started' }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; message: string; fields: Record<string, unknown> }
  | { kind: 'window'; window: WindowFlows; counts: AccountantCounts }
  | { kind: 'failed'; code: string; message: string }
  | { kind: 'stopped' };

/** To the thread. */
export type CaptureCommand = { kind: 'stop' };

const port = parentPort;
if (port) {
  const post = (message: CaptureMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  try {
    const capture = startCapture(workerData as CaptureConfig, {
      log: (level, message, fields) => post({ kind: 'log', level, message, fields }),
      onWindow: (window) => post({ kind: 'window', window, counts: capture.counts() }, buffersOf(window)),
    });
    port.once('message', () => {
      capture.stop();
      post({ kind: 'stopped' });
      port.close();
    });
    post({ kind: 'started' });
  } catch (error) {
    const code = error instanceof AgentError ? error.code : 'SYSTEM_CALL_FAILED';
    post({ kind: 'failed', code, message: (error as Error).message });
    port.close();
  }
}

/** The memory of a window's columns: handed over, not copied. */
function buffersOf(window: WindowFlows): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const value of Object.values(window)) if (ArrayBuffer.isView(value)) buffers.push(value.buffer as ArrayBuffer);
  return buffers;
}
