// What all kinds of sinks may be told in the file, as parts of their schemas. A kind makes its schema of these and its own.
import { z } from 'zod';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** "500ms", "30s", "2m", "1h"; stays text, so that the published JSON Schema says what may be written: `durationMs` reads it. */
export function duration(leastMs: number, mostMs: number) {
  const fits = (text: string) => {
    const ms = durationMs(text);
    return ms >= leastMs && ms <= mostMs;
  };
  return z
    .string()
    .regex(/^\d+(\.\d+)?(ms|s|m|h)$/, 'It takes a time like 500ms, 30s or 2m')
    .refine(fits, `It takes a time from ${leastMs / 1000}s to ${mostMs / 1000}s`);
}

/** Of text that `duration` took. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  return match === null ? Number.NaN : Math.round(Number(match[1]) * UNIT_MS[match[2]!]!);
}

export const INTERVAL_DEFAULT = '60s';
export const TIMEOUT_DEFAULT = '30s';

/** Of every kind. Defaults are filled in where they are read. */
export const commonSettings = {
  interval: duration(1000, 3_600_000)
    .optional()
    .describe(
      `How long rows are gathered for one delivery, 1s to 1h, by the time of their commit. Default: ${INTERVAL_DEFAULT}.`,
    ),
  from: z
    .enum(['now', 'oldest'])
    .optional()
    .describe(
      'Where a sink begins that has no position in the store yet: "now", or "oldest", the first row that the table can still tell. Default: now.',
    ),
  excludeNamespaces: z
    .array(z.string().min(1))
    .optional()
    .describe('Rows whose local pod is in one of these namespaces are left out. Default: none.'),
};

/** Of kinds that make HTTP requests. */
export const httpSettings = {
  url: z.string().min(1).describe('Where to send to, http:// or https://. ${NAME} stands for an environment variable.'),
  headers: z
    .record(z.string(), z.string())
    .optional()
    .describe('Headers of each request. ${NAME} in a value stands for an environment variable.'),
  timeout: duration(100, 600_000)
    .optional()
    .describe(`How long one request may take, 100ms to 10m. Default: ${TIMEOUT_DEFAULT}.`),
};

/** Dotted keys of `httpSettings` in which environment variables stand. */
export const HTTP_EXPANDED: readonly string[] = ['url', 'headers'];

/** What the runner has to know of a sink's settings, whatever its kind. */
export interface CommonSettings {
  readonly type: string;
  readonly interval?: string | undefined;
  readonly from?: 'now' | 'oldest' | undefined;
  readonly excludeNamespaces?: readonly string[] | undefined;
}
