// The file of sinks: several sinks by name, each of a kind with settings of its own; secrets come from the environment, as text in
// it or as an override of a key. Every problem is named at once, with its place; no message shows a value that came from the
// environment. docs/sinks.md explains it to people.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isMapping, parseText, type Raw } from '../document/parse-text.ts';
import { type DocumentKind, Problems } from '../document/problems.ts';
import { FlowtollError } from '../model/errors.ts';
import { SINK_KINDS } from './kinds.ts';
import type { CommonSettings } from './settings.ts';

const SINKS: DocumentKind = { name: 'sinks file', code: 'SINKS_INVALID', page: 'docs/sinks.md' };

/** A name of a sink: it stands in keys of the store, in metrics, and in names of variables. */
export const SINK_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const ENV_PREFIX = 'FLOWTOLL_SINKS_';

export type Environment = Readonly<Record<string, string | undefined>>;

/** One sink of the file, checked by the schema of its kind. */
export interface SinkEntry {
  readonly name: string;
  readonly settings: CommonSettings;
}

/** Reads a file, YAML or JSON. Throws SINKS_INVALID, listing every problem. */
export function loadSinksFile(path: string, environment: Environment): readonly SinkEntry[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlowtollError(
      'SINKS_INVALID',
      `sinks file ${path} cannot be read: ${reason}; check the path and its permissions`,
      { cause },
    );
  }
  return parseSinks(text, path, environment);
}

/** Parses the text of such a file; `file` names it in errors. */
export function parseSinks(text: string, file: string, environment: Environment): readonly SinkEntry[] {
  const problems = new Problems(SINKS);
  const raw = parseText(text, problems);
  problems.throwIfAny(file);
  const head = headSchema.safeParse(raw);
  if (!head.success) problems.addIssues([], head.error);
  problems.throwIfAny(file);
  const names = Object.keys(head.data!.sinks);
  checkNames(names, problems);
  checkOverrides(names, environment, problems);
  const entries = names.map((name) => ({
    name,
    settings: settingsOf(name, head.data!.sinks[name]!, environment, problems.below(['sinks', name])),
  }));
  problems.throwIfAny(file);
  return entries as SinkEntry[];
}

const headSchema = z.strictObject({
  version: z.literal(1).describe('Version of this format.'),
  sinks: z.record(z.string(), z.record(z.string(), z.unknown())),
});

function settingsOf(name: string, raw: Raw, environment: Environment, problems: Problems): unknown {
  const type = overridden(name, { type: raw['type'] }, ['type'], environment)['type'];
  const kind = typeof type === 'string' ? SINK_KINDS.get(type) : undefined;
  if (kind === undefined) {
    problems.add(['type'], `is no kind of sink; it takes ${[...SINK_KINDS.keys()].join(', ')}`);
    return undefined;
  }
  const before = problems.count;
  const settings = expanded(
    overridden(name, raw, Object.keys(kind.schema.shape), environment),
    kind.expanded,
    environment,
    problems,
  );
  // What is not expanded would be looked at as it is, and shown.
  if (problems.count > before) return undefined;
  const parsed = kind.schema.safeParse(settings);
  if (!parsed.success) {
    problems.addIssues([], parsed.error);
    return undefined;
  }
  checkRequests(parsed.data, problems);
  return parsed.data;
}

/** Of kinds that make requests. */
function checkRequests(settings: Record<string, unknown>, problems: Problems): void {
  const { url, headers } = settings;
  if (typeof url === 'string' && !isHttpUrl(url)) {
    problems.add(
      ['url'],
      'is no URL, with what the environment gives: it begins with http:// or https://, and has no user or password in it',
    );
  }
  for (const [key, value] of Object.entries(isMapping(headers) ? headers : {})) {
    try {
      new Headers({ [key]: String(value) });
    } catch {
      problems.add(['headers', key], 'is no header: a name has letters, digits and "-", a value no line break');
    }
  }
}

/** Credentials in a URL are refused by fetch, and show up in logs of proxies. */
function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}

/** FLOWTOLL_SINKS_<NAME>_<KEY>: SHOP_BILLS_BATCH_ITEMS for key batchItems of sink shop-bills. */
export function overrideVariable(name: string, key: string): string {
  return `${ENV_PREFIX}${upper(name)}_${upper(key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`))}`;
}

function upper(text: string): string {
  return text.replaceAll(/[-.]/g, '_').toUpperCase();
}

/** Keys whose variable is set have its value: text, or what the text is as JSON where it is a number, a switch, a list or a mapping. */
function overridden(name: string, raw: Raw, keys: readonly string[], environment: Environment): Raw {
  const settings = { ...raw };
  for (const key of keys) {
    const text = environment[overrideVariable(name, key)];
    if (text !== undefined) settings[key] = fromText(text);
  }
  const prefix = overrideVariable(name, 'headers');
  const headers = isMapping(settings['headers']) ? settings['headers'] : {};
  const own = Object.entries(environment).flatMap(([variable, value]) =>
    variable.startsWith(`${prefix}_`) && value !== undefined
      ? [[headerName(variable.slice(prefix.length + 1), headers), value] as const]
      : [],
  );
  if (own.length > 0) settings['headers'] = { ...headers, ...Object.fromEntries(own) };
  return settings;
}

/** X_API_KEY → the header of the file that is written so, or x-api-key. */
function headerName(suffix: string, headers: Raw): string {
  return Object.keys(headers).find((key) => upper(key) === suffix) ?? suffix.toLowerCase().replaceAll('_', '-');
}

function fromText(text: string): unknown {
  if (!/^(true|false|-?\d+|\[.*\]|\{.*\})$/s.test(text.trim())) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function expanded(raw: Raw, keys: readonly string[], environment: Environment, problems: Problems): Raw {
  const settings = { ...raw };
  const expand = (text: string, path: readonly string[]) =>
    text.replaceAll(/\$\{([^}]*)\}/g, (whole, variable: string) => {
      const value = /^[A-Za-z_][A-Za-z0-9_]*$/.test(variable) ? environment[variable] : undefined;
      if (value === undefined || value === '') {
        problems.add(path, `names ${whole}, which is not set in the environment; set it, or correct the name`);
        return '';
      }
      return value;
    });
  for (const key of keys) {
    const value = settings[key];
    if (typeof value === 'string') settings[key] = expand(value, [key]);
    else if (isMapping(value)) {
      settings[key] = Object.fromEntries(
        Object.entries(value).map(([inner, text]) => [
          inner,
          typeof text === 'string' ? expand(text, [key, inner]) : text,
        ]),
      );
    }
  }
  return settings;
}

function checkNames(names: readonly string[], problems: Problems): void {
  for (const name of names) {
    if (!SINK_NAME.test(name)) {
      problems.add(
        ['sinks', name],
        'is no name of a sink: lower-case letters, digits and "-", at most 63, such as castai',
      );
    }
  }
}

/** A misspelled override would be silence. */
function checkOverrides(names: readonly string[], environment: Environment, problems: Problems): void {
  const keys = new Set([...SINK_KINDS.values()].flatMap(({ schema }) => Object.keys(schema.shape)));
  const known = names.flatMap((name) => [...keys].map((key) => overrideVariable(name, key)));
  for (const variable of Object.keys(environment)) {
    if (!variable.startsWith(ENV_PREFIX)) continue;
    if (known.some((one) => variable === one || (one.endsWith('_HEADERS') && variable.startsWith(`${one}_`)))) continue;
    problems.add([], `the environment has ${variable}, which is no key of a sink of this file; remove or correct it`);
  }
}

/** JSON Schema of the file, as committed in docs/sinks.schema.json. */
export function sinksFileJsonSchema(): Record<string, unknown> {
  const kinds = [...SINK_KINDS.values()].map(({ schema }) => schema);
  const file = z
    .strictObject({
      version: z.literal(1).describe('Version of this format.'),
      sinks: z
        .record(z.string().regex(SINK_NAME), z.union(kinds))
        .describe(
          'Sinks by name: lower-case letters, digits and "-". The name is the place of its position in the store.',
        ),
    })
    .describe('Where flows are sent (flowtoll serve --sinks).');
  return { title: 'Flowtoll sinks', ...z.toJSONSchema(file) };
}
