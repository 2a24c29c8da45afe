// What a kind of sink is: the settings that its part of the file may have, and how one is made of them.
import type { z } from 'zod';
import type { Sink } from './sink.ts';

/** What all kinds are made with. */
export interface SinkContext {
  /** Name of the sink in the file. */
  readonly name: string;
  readonly cluster: string;
  /** Version of the software, for User-Agent. */
  readonly version: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** `schema` has `type` (a literal) and `commonSettings` (settings.ts) in it. */
export interface SinkKind<Schema extends z.ZodObject = z.ZodObject> {
  readonly type: string;
  readonly schema: Schema;
  /** Dotted keys whose text has environment variables expanded, `headers` with all that is in it. */
  readonly expanded: readonly string[];
  open(settings: z.infer<Schema>, context: SinkContext): Sink;
}
