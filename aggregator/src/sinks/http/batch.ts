// What an encoder of a batch is told and gives. Encoders go through the items in parts, and let others work between them.
import type { Slice } from '../sink.ts';
import type { PodTrafficItem } from './pod-traffic.ts';

export interface BatchHead {
  readonly cluster: string;
  readonly id: string;
  readonly slice: Slice;
}

export type BatchEncoder = (parts: Iterable<readonly PodTrafficItem[]>, head: BatchHead) => Promise<Uint8Array>;
