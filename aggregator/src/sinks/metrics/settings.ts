// What sinks of metrics may be told in the file besides: which sets of series.
import { z } from 'zod';
import { SETS_MAX, seriesSetSchema } from '../../series/format.ts';
import { defaultSeries, seriesSets } from '../../series/read.ts';
import type { SeriesSetConfig } from '../../series/set.ts';

export const seriesSettings = {
  series: z
    .array(seriesSetSchema)
    .max(SETS_MAX)
    .superRefine((sets, context) => {
      const problems: { path: PropertyKey[]; message: string }[] = [];
      seriesSets(sets, { add: (path, message) => problems.push({ path: path.slice(1), message }) });
      for (const { path, message } of problems) context.addIssue({ code: 'custom', path, message });
    })
    .optional()
    .describe(
      'Sets of series, as `sets` of a series file (docs/prometheus.md), beside that of traffic between zones. Default: the same sets as at /metrics.',
    ),
};

/** The sets of checked settings. */
export function setsOf(series: z.infer<(typeof seriesSettings)['series']>): readonly SeriesSetConfig[] {
  return series === undefined ? defaultSeries() : seriesSets(series, { add: () => undefined });
}
