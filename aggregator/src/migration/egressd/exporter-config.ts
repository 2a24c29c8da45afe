// The exporter's configuration as its pod would see it: the text of the values, which is a Helm template, and what is merged over it. Only
// what such a text does is understood: values that are put in, and parts that depend on one. Knows Helm's syntax; knows no sink.
import { isMapping, parseText, type Raw } from '../../document/parse-text.ts';
import type { Problems } from '../../document/problems.ts';

const ACTION = /\{\{-?\s*(.*?)\s*-?\}\}/g;
const VALUE = /^\.Values\.([A-Za-z0-9_.]+)(?:\s*\|\s*quote)?$/;
const CONDITION = /^if\s+(?:(or|and)\s+)?((?:\.Values\.[A-Za-z0-9_.]+\s*)+)$/;

/** The text with its actions carried out. `problems` hears of an action that is not understood. */
export function renderTemplate(text: string, values: Raw, problems: Problems): string {
  /** Of the conditions around: whether what follows is there. */
  const open: boolean[] = [];
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    const rendered = line.replaceAll(ACTION, (whole, action: string) => {
      const condition = CONDITION.exec(action);
      if (condition !== null) {
        const named = condition[2]!
          .trim()
          .split(/\s+/)
          .map((name) => isTrue(valueAt(values, name.slice('.Values.'.length))));
        open.push(condition[1] === 'or' ? named.some(Boolean) : named.every(Boolean));
        return '';
      }
      if (action === 'else' && open.length > 0) open.push(!open.pop()!);
      else if (action === 'end' && open.length > 0) open.pop();
      else {
        const value = VALUE.exec(action);
        if (value !== null) return scalarText(valueAt(values, value[1]!));
        problems.add([], `has ${whole}, which is not understood; give what Helm makes of it by --exporter-config`);
      }
      return '';
    });
    const isControl = rendered.trim() === '' && line.trim() !== '';
    if (!isControl && open.every(Boolean)) lines.push(rendered);
  }
  return lines.join('\n');
}

/** The text as data, with `structured` merged over it as Helm merges: mappings key by key, all else as a whole. */
export function exporterConfig(text: string, structured: Raw, problems: Problems): Raw {
  const config = text.trim() === '' ? {} : (parseText(text, problems) ?? {});
  return merged(config, structured);
}

function merged(base: Raw, over: Raw): Raw {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isMapping(below) && isMapping(value) ? merged(below, value) : value;
  }
  return result;
}

function valueAt(values: Raw, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (isMapping(value) ? value[key] : undefined), values);
}

function isTrue(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== '' && value !== 0;
}

function scalarText(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}
