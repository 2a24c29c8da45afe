// Text of a file that people write → plain data, whatever its format. YAML or JSON.
import { parseDocument } from 'yaml';
import type { Problems } from './problems.ts';

/** A mapping whose content nobody has looked at. */
export type Raw = Record<string, unknown>;

/** Parses YAML or JSON; undefined, with a problem, if the text is neither, or no mapping. */
export function parseText(text: string, problems: Problems): Raw | undefined {
  const raw = parseJson(text) ?? parseYaml(text, problems);
  if (raw === undefined || isMapping(raw)) {
    return raw;
  }
  problems.add([], 'holds no mapping; it must begin with "version: 1"');
  return undefined;
}

export function isMapping(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * JSON is YAML, but the YAML parser needs 70 times its text in memory: 2.4 GB for 150,000 pods. Text that is no JSON, or
 * broken, is left to the YAML parser, whose messages name lines.
 */
function parseJson(text: string): unknown {
  if (!text.trimStart().startsWith('{')) {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseYaml(text: string, problems: Problems): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  for (const error of document.errors) {
    problems.add([], `not readable as YAML or JSON: ${error.message.trim().replaceAll(/\s*\n\s*/g, ' ')}`);
  }
  return document.errors.length > 0 ? undefined : toPlain(document, problems);
}

/** Expanding aliases may fail where parsing did not: too many of them, or one that names nothing. */
function toPlain(document: ReturnType<typeof parseDocument>, problems: Problems): unknown {
  try {
    return document.toJS();
  } catch (error) {
    problems.add([], `not readable as YAML: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
