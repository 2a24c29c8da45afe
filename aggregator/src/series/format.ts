// The format of a file of series, once: validation, types and the published JSON Schema all come from here. What a schema cannot say
// (a name twice, a column that there is not) is read.ts's.
import { z } from 'zod';

/** More sets than anybody looks at; each costs time for every row. */
export const SETS_MAX = 16;
/** Series of one metric that a set has where it does not say so. */
export const LIMIT_DEFAULT = 10_000;
/** What a Prometheus takes from one target without trouble, and some 50 MB here. */
export const LIMIT_MAX = 100_000;

export const MEASURES = ['bytes', 'packets', 'connections', 'cost'] as const;
/** What is counted: each is one metric or two. */
export type Measure = (typeof MEASURES)[number];

export const seriesSetSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,39}$/, 'A name is lower-case letters, digits and "_", at most 40')
      .describe('Part of the names of its metrics: `flowtoll_<name>_tx_bytes_total`; each once.'),
    labels: z
      .array(z.string())
      .max(12)
      .describe(
        'Columns of `flows` that become labels: those of text, and port. `label:KEY` is the label KEY of the local pod (`--labels`).',
      ),
    measures: z
      .array(z.enum(MEASURES))
      .min(1)
      .optional()
      .describe('What is counted: bytes, packets, connections, cost. Default: bytes and cost.'),
    classes: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('Only rows of these traffic classes. Default: all but lost and encapsulation, as in reports.'),
    limit: z
      .int()
      .min(1)
      .max(LIMIT_MAX)
      .optional()
      .describe(
        `Most series of each of its metrics. What comes when all but one are taken is summed up in the last one, whose labels are all "other". Default: ${LIMIT_DEFAULT}.`,
      ),
  })
  .describe('Counters by some columns.');

export const seriesSchema = z
  .strictObject({
    version: z.literal(1).describe('Version of this format.'),
    sets: z.array(seriesSetSchema).max(SETS_MAX).describe('The sets of series, beside that of traffic between zones.'),
  })
  .describe('Flowtoll series: what of the flows is at /metrics.');

export type SeriesFile = z.infer<typeof seriesSchema>;

/** JSON Schema of the file, as committed in docs/series.schema.json. */
export function seriesJsonSchema(): Record<string, unknown> {
  return { title: 'Flowtoll series', ...z.toJSONSchema(seriesSchema) };
}
