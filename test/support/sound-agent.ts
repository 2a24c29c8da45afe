// A sound agent inside the test, for questions that a process of its own cannot answer: how often did it connect, what did
// it send? Its windows have known bytes (windows.testing.ts).
import { createExporter, type Exporter } from '@flowtoll/agent/exporter/exporter.ts';
import { windowBytes, windowFlows } from '@flowtoll/agent/exporter/windows.testing.ts';
import { expect } from 'vitest';
import { AGGREGATOR_PROGRAM, type Programs } from './processes.ts';

/** A node that no topology has: each of its flows is one row, since nobody can know its legs. */
export const UNKNOWN_NODE = 'n9';
const FLOWS = 5;
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Its exporter, started. */
export function startSoundAgent(port: number): Exporter {
  const exporter = createExporter(
    {
      ...{ aggregator: `127.0.0.1:${port}`, node: UNKNOWN_NODE, agentVersion: 'test', queueBytes: 1 << 20 },
      ...{ spoolId: '11111111-2222-3333-4444-555555555555', bootId: '66666666-7777-8888-9999-aaaaaaaaaaaa' },
    },
    { log: SILENT },
  );
  exporter.start();
  return exporter;
}

/** Hands over one window. */
export const send = (exporter: Exporter, window: number): void => exporter.send(windowFlows(window, FLOWS));

/** Waits until all that was handed over is in the table. */
export async function finish(exporter: Exporter): Promise<void> {
  expect(await exporter.stop(20_000), 'acknowledged').toBe(true);
}

/** Bytes of windows 0 to count - 1. */
export function bytesOfWindows(count: number): number {
  return Array.from({ length: count }, (_, window) => windowBytes(window, FLOWS)).reduce((a, b) => a + b);
}

/** Bytes of all rows of a store, by `flowtoll sql`. */
export async function bytesIn(programs: Programs, store: string): Promise<number> {
  const statement = 'SELECT sum(tx_bytes + rx_bytes)::DOUBLE AS bytes FROM flows';
  const args = ['sql', statement, '--store', store, '--format', 'json'];
  const { stdout, stderr } = await programs.run(AGGREGATOR_PROGRAM, args);
  expect(stderr).toBe('');
  return (JSON.parse(stdout) as { bytes: number }[])[0]!.bytes;
}
