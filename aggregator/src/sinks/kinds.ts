// The kinds of sinks. A new kind is one more entry here, and a folder.
import { httpKind } from './http/kind.ts';
import type { SinkKind } from './kind.ts';
import { otlpKind } from './otlp/kind.ts';
import { remoteWriteKind } from './remote-write/kind.ts';

/** By `type`. */
export const SINK_KINDS: ReadonlyMap<string, SinkKind> = new Map<string, SinkKind>(
  [httpKind, remoteWriteKind, otlpKind].map((kind) => [kind.type, kind as unknown as SinkKind]),
);
