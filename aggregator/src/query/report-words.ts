// What all reports say alike: head, keys, sections of lines, losses, shares; as text, and as JSON and CSV name it. Pure.
import type { LossSummary, ReportOptions } from './report.ts';
import type { TextColumn } from './text-table.ts';
import { bytesText, countText, minuteText, percentText } from './units.ts';

/** Shown where a row has no value for a key. */
const NO_KEY = '-';
/** Shown where nothing of a sum has a price: unknown is not zero. */
export const NO_PRICE = '?';

/** Rows that a report is over. */
export interface Coverage {
  readonly options: Pick<ReportOptions, 'filter'>;
  readonly clusters: readonly string[];
  readonly firstWindowStartUs: bigint | null;
  readonly lastWindowEndUs: bigint | null;
}

/** The first lines of a report that has rows. */
export function headLines({ options: { filter }, clusters, firstWindowStartUs, lastWindowEndUs }: Coverage): string[] {
  const period = `${minuteText(firstWindowStartUs ?? 0n)} to ${minuteText(lastWindowEndUs ?? 0n)} UTC`;
  return [`Cluster ${clusters.join(', ')}, ${period}`, ...(filter === undefined ? [] : [`Only ${filter.text}`])];
}

/** All of a report without rows. */
export function nothingText({ sinceMs, untilMs, filter }: ReportOptions): string {
  const isAll = sinceMs === undefined && untilMs === undefined;
  if (filter !== undefined) return `There are no flows${isAll ? '' : ' in this period'} that meet ${filter.text}\n`;
  return isAll ? 'There are no flows in the store yet.\n' : 'There are no flows in this period.\n';
}

export function keyColumns({ by }: Pick<ReportOptions, 'by'>): TextColumn[] {
  return by.map(({ name }) => ({ title: name.toUpperCase(), align: name === 'port' ? 'right' : 'left' }));
}

/** A cell for each key; empty where a line has none. */
export function keyCells({ by }: Pick<ReportOptions, 'by'>, keys: readonly (string | null)[]): string[] {
  return by.map((_, i) => (keys[i] === undefined ? '' : (keys[i] ?? NO_KEY)));
}

/** Key names in JSON and CSV: like columns. */
export function keyNames({ by }: Pick<ReportOptions, 'by'>): string[] {
  return by.map(({ name }) => (name.startsWith('label:') ? name : name.replaceAll('-', '_')));
}

export type Line = readonly [label: string, text: string];

/** A title and its lines; nothing where there are none. */
export function section(title: string, lines: readonly Line[]): string[] {
  const width = Math.max(...lines.map(([label]) => label.length));
  return lines.length === 0 ? [] : [title, ...lines.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`)];
}

/** In parentheses after what is a part. */
export function shareText(part: bigint, whole: bigint): string {
  return part === 0n ? '' : ` (${percentText(part, whole)})`;
}

/** Bytes that are known to be lost. */
export function knownLossBytes(losses: readonly LossSummary[]): bigint {
  return losses.reduce((sum, { knownBytes }) => sum + (knownBytes ?? 0n), 0n);
}

/** @param bytes of the total, without what is lost */
export function lossLines(losses: readonly LossSummary[], bytes: bigint): Line[] {
  const all = bytes + knownLossBytes(losses);
  return losses.map((loss) => [`lost: ${loss.reason}`, lossText(loss, all)]);
}

/** @param all bytes of the total and those that are known to be lost */
function lossText(loss: LossSummary, all: bigint): string {
  const parts: string[] = [];
  if (loss.knownBytes !== null) {
    parts.push(`${bytesText(loss.knownBytes)}${shareText(loss.knownBytes, all)}`);
  }
  if (loss.unknownHours > 0n) {
    const limit = loss.unknownBytesMax === null ? '' : ` (at most ${bytesText(loss.unknownBytesMax)})`;
    parts.push(`an unknown amount${limit} in ${countText(loss.unknownHours)} ${plural(loss.unknownHours, 'hour')}`);
  }
  const entries = loss.entries === 0n ? '' : `; ${countText(loss.entries)} ${plural(loss.entries, 'connection')}`;
  return parts.join(' and ') + entries;
}

function plural(count: bigint, noun: string): string {
  return count === 1n ? noun : `${noun}s`;
}

export function isoOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

export function microsOrNull(micros: bigint | null): string | null {
  return micros === null ? null : new Date(Number(micros / 1000n)).toISOString();
}
