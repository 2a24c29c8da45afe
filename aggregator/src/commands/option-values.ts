// Text of command-line options → values. Each parser says in its error what it accepts; commander puts the flag or the
// environment variable before it.
import { LISTEN_ADDRESS_FORM, type ListenAddress, parseListenAddress } from '@flowtoll/proto/telemetry';
import { InvalidArgumentError } from 'commander';
import { FlowtollError } from '../model/errors.ts';
import { parseStoreLocation } from '../store/store-location.ts';

/** A path. Empty text would mean the current directory, and most often is a variable that nobody set. */
export function parsePath(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It takes a path, and this is empty.');
  return text;
}

/** A directory or the URL of a bucket, as it is. */
export function parseStore(text: string): string {
  const location = parsePath(text);
  try {
    parseStoreLocation(location);
  } catch (error) {
    throw error instanceof FlowtollError ? new InvalidArgumentError(error.message) : error;
  }
  return location;
}

/** "a, b" → its parts, without empty ones. */
export function parseList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "500ms", "30s", "2m", "1h" → milliseconds, between the bounds. */
export function parseDuration(leastMs: number, mostMs: number): (text: string) => number {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
    const value = match === null ? Number.NaN : Number(match[1]) * UNIT_MS[match[2]!]!;
    if (!(value >= leastMs && value <= mostMs)) {
      throw new InvalidArgumentError(
        `It takes a time like 500ms, 30s or 2m, from ${durationText(leastMs)} to ${durationText(mostMs)}.`,
      );
    }
    return Math.round(value);
  };
}

function durationText(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** What the parser takes, or "none", which is `false`: commander makes an empty text of undefined and null. */
export function orNone<T>(parse: (text: string) => T): (text: string) => T | false {
  return (text) => (text.trim() === 'none' ? false : parse(text));
}

const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** "16MiB", "1048576" → bytes, between the bounds. */
export function parseSize(leastBytes: number, mostBytes: number): (text: string) => number {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)(|KiB|MiB|GiB)$/.exec(text.trim());
    const value = match === null ? Number.NaN : Number(match[1]) * UNIT_BYTES[match[2]!]!;
    if (!(value >= leastBytes && value <= mostBytes)) {
      throw new InvalidArgumentError(`It takes a size like 16MiB, from ${leastBytes} to ${mostBytes} bytes.`);
    }
    return Math.round(value);
  };
}

/** "true", "off", "1", … → boolean. */
export function parseSwitch(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new InvalidArgumentError('It takes true or false.');
}

/** "127.0.0.1:4460", "[::1]:4460", "localhost:0", ":4460" (all addresses). */
export function listenAddress(text: string): ListenAddress {
  const address = parseListenAddress(text);
  if (address === undefined) throw new InvalidArgumentError(`It takes ${LISTEN_ADDRESS_FORM}.`);
  return address;
}

/** "32" → a whole number between the bounds. */
export function parseCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`It takes a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}
