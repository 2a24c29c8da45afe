// Batches of many agents, encoded once and kept in a file, so that the processes of a benchmark share them and none has to
// make traffic while it is measured.
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { encodeBatch } from '@flowtoll/agent/exporter/batch-codec.ts';
import { type Batch, BatchSchema } from '@flowtoll/proto';
import type { ClusterModel } from './cluster-model.ts';
import type { ClusterTraffic } from './cluster-traffic.ts';

const MINUTE_MS = 60_000;

/** What one agent sends, over and over. */
export interface PreparedAgent {
  readonly node: string;
  readonly epoch: string;
  /** One for each window; their names and windows are set when they are sent. */
  readonly batches: readonly Batch[];
}

/** Writes `windows` batches for each of the first `nodes` nodes; their number of flows. */
export async function writeBatchFile(
  path: string,
  model: ClusterModel,
  traffic: ClusterTraffic,
  { nodes, windows }: { readonly nodes: number; readonly windows: number },
): Promise<number> {
  await using file = await open(path, 'w');
  let flows = 0;
  const put = async (bytes: Uint8Array) => {
    await file.write(Uint32Array.of(bytes.length));
    await file.write(bytes);
  };
  await put(Uint8Array.of(nodes >> 8, nodes & 255, windows));
  for (let node = 0; node < nodes; node++) {
    await put(Buffer.from(model.nodes[node]!.name));
    for (let i = 0; i < windows; i++) {
      const window = traffic.window(node, 0);
      flows += window.count;
      await put(encodeBatch({ epoch: epochOf(node), sequence: 1 }, window, []));
    }
  }
  return flows;
}

export function readBatchFile(path: string): PreparedAgent[] {
  const bytes = readFileSync(path);
  let position = 0;
  const next = () => {
    const length = bytes.readUInt32LE(position);
    position += 4 + length;
    return bytes.subarray(position - length, position);
  };
  const [high, low, windows] = next();
  return Array.from({ length: (high! << 8) + low! }, (_, node) => ({
    node: next().toString(),
    epoch: epochOf(node),
    batches: Array.from({ length: windows! }, () => fromBinary(BatchSchema, next())),
  }));
}

/** The serialised batch number `sequence` of an agent, whose first window began at `startMs`. */
export function batchBytes({ batches }: PreparedAgent, sequence: number, startMs: number): Uint8Array {
  const batch = batches[sequence % batches.length]!;
  batch.sequence = BigInt(sequence);
  batch.windowStart = timestampFromMs(startMs + (sequence - 1) * MINUTE_MS);
  batch.windowEnd = timestampFromMs(startMs + sequence * MINUTE_MS);
  return toBinary(BatchSchema, batch);
}

function epochOf(node: number): string {
  return `00000000-0000-4000-8000-${String(node).padStart(12, '0')}.00000000-0000-4000-8000-000000000000`;
}
